/**
 * The transaction outbox: what this account wants done on chain, each thing once, whatever happens
 * to the process or to the network. An intent is stored before it is signed; its nonce, its bytes
 * and its hash are stored (with fsync) before it is sent. So after a crash the same bytes go out
 * again, and one nonce can only be mined once. A nonce is bound to its intent for good; only the
 * fee is ever replaced.
 *
 * Nothing here waits or repeats by itself: the chain driver calls `step` after every poll.
 */
import type { Hex } from '#protocol/schema'
import { type Dropped, dropped, type Intent, type Need, type Sent } from './intents.ts'
import type { Log } from './log.ts'
import type { Sender, Version } from './sender.ts'
import { decodeJson, encodeJson, type Store } from './store.ts'

/** The newest block, as much of it as sending needs. */
export type Head = { readonly number: number; readonly baseFeeWei: bigint }

export type TransactionsOptions = {
  readonly sender: Sender
  readonly store: Store
  readonly log: Log
  /** Blocks, counting its own, after which a transaction is done. */
  readonly confirmations: number
  /** Polls without being mined after which the fee is raised. */
  readonly replaceAfterPolls: number
  /** Asked before an intent is first sent and whenever it has failed. */
  readonly needOf: (intent: Intent) => Promise<Need>
  /** What a revert with this data means for an intent: `null` to try again later. */
  readonly judge: (data: Hex) => Dropped | null
  /** Asks the driver for a step soon. */
  readonly wake: () => void
}

type Signed = Version & {
  /** Hashes of all its versions, oldest first: any of them may be the one that is mined. */
  readonly hashes: readonly Hex[]
}
/** What is stored of an intent under way. Until it is signed it has no nonce. */
type Stored = { readonly intent: Intent; readonly signed: Signed | null; readonly reverts: number }
type Done = Stored & { readonly mined: { readonly hash: Hex; readonly blockNumber: number } }

/** An intent in memory: what is stored, and what a restart may forget. */
type Entry = {
  stored: Stored
  readonly ended: PromiseWithResolvers<Sent>
  /** Polls since its newest version was sent. */
  polls: number
  /** Its bytes may not be in the network's pool. */
  unsent: boolean
  /** Seen in a block that is not yet deep enough. */
  included: boolean
  /** Polls during which its nonce was used up and none of its hashes known. */
  missing: number
  /** Estimates that reverted without saying why. */
  unexplained: number
  /** What was last logged about it, so that every poll does not say it again. */
  said: string
}
type SignedEntry = Entry & { readonly stored: { readonly signed: Signed } }

const OPEN = 'tx/open/'
const DONE = 'tx/done/'
/** Above this the asker is refused: a chain that mines nothing must not fill memory and disk. */
const MAX_OPEN = 1_024
/** Nodes keep at least 16 transactions of one account in their pool; more may be forgotten. */
const MAX_IN_FLIGHT = 16
/** An RPC behind a balancer may know the nonce before it knows the receipt. */
const MISSING_POLLS = 5
/** Mined reverts, or estimates without a reason, after which an intent is given up. */
const MAX_FAILURES = 3
/** Bounds what is asked for at every poll: 12.5 % a time, this is a fee 43 times the first. */
const MAX_VERSIONS = 32

const isSigned = (entry: Entry): entry is SignedEntry => entry.stored.signed !== null

export class Transactions {
  readonly #options: TransactionsOptions
  readonly #open = new Map<string, Entry>()
  /** Keys being looked up or stored, so that two who ask at once get one intent. */
  readonly #beginning = new Map<string, Promise<Sent>>()
  #closed = false

  private constructor(options: TransactionsOptions) {
    this.#options = options
  }

  /** Reads what was under way when the node last stopped. */
  static async open(options: TransactionsOptions): Promise<Transactions> {
    const transactions = new Transactions(options)
    for await (const { value } of options.store.entries(OPEN)) {
      transactions.#adopt(decodeJson(value) as Stored)
    }
    return transactions
  }

  /**
   * Has an intent done once. Resolves when it is confirmed, or not wanted any more. A key that was
   * done before, in this process or an earlier one, resolves with the transaction that did it.
   * @throws Error when 1,024 intents are under way already.
   */
  send(intent: Intent): Promise<Sent> {
    const { key } = intent
    const known = this.#open.get(key)?.ended.promise ?? this.#beginning.get(key)
    if (known) return known
    const begun = this.#begin(intent).finally(() => this.#beginning.delete(key))
    this.#beginning.set(key, begun)
    return begun
  }

  /** Intents under way whose keys begin so. */
  pending(prefix: string): Intent[] {
    const intents = [...this.#open.values()].map(({ stored }) => stored.intent)
    return intents.filter(({ key }) => key.startsWith(prefix))
  }

  /** Follows what was sent, raises fees, sends what is new. Throws what the RPC throws. */
  async step(head: Head): Promise<void> {
    const sent = this.#inFlight()
    if (sent.length > 0) {
      const used = await this.#options.sender.nonce('latest')
      for (const entry of sent) await this.#follow(entry, used, head)
    }
    for (const entry of [...this.#open.values()]) {
      if (isSigned(entry)) continue
      if (this.#closed || this.#inFlight().length >= MAX_IN_FLIGHT) return
      await this.#launch(entry, head)
    }
  }

  /** The RPC was away: its pool may have lost everything. */
  disconnected(): void {
    for (const entry of this.#open.values()) entry.unsent = true
  }

  /**
   * Blocks above `ancestor` were replaced: what was done in them is under way again, with the same
   * bytes.
   */
  async undone(ancestor: number): Promise<void> {
    const { store, log } = this.#options
    for await (const { key, value } of store.entries(DONE)) {
      const { mined, ...stored } = decodeJson(value) as Done
      if (mined.blockNumber <= ancestor) continue
      const open = {
        kind: 'put',
        key: OPEN + stored.intent.key,
        value: encodeJson(stored),
      } as const
      await store.batch([{ kind: 'del', key }, open], { sync: true })
      this.#adopt(stored)
      log.warn('a confirmed transaction was undone; following it again', mined)
    }
  }

  /** Ends every wait with `closed`; what is stored goes on at the next start. */
  close(): void {
    this.#closed = true
    for (const entry of this.#open.values()) entry.ended.resolve(dropped('closed'))
  }

  async #begin(intent: Intent): Promise<Sent> {
    const { store, wake } = this.#options
    const done = await store.getJson<Done>(DONE + intent.key)
    if (done) return { kind: 'mined', hash: done.mined.hash }
    if (this.#closed) return dropped('closed')
    if (this.#open.size >= MAX_OPEN) {
      const what = `${MAX_OPEN} transactions wait to be mined`
      throw new Error(`${what}; check the account's balance and the chain, then ask again`)
    }
    const stored: Stored = { intent, signed: null, reverts: 0 }
    await store.putJson(OPEN + intent.key, stored, { sync: true })
    const entry = this.#adopt(stored)
    wake()
    return entry.ended.promise
  }

  #adopt(stored: Stored): Entry {
    const entry: Entry = {
      stored,
      ended: Promise.withResolvers<Sent>(),
      polls: 0,
      unsent: true,
      included: false,
      missing: 0,
      unexplained: 0,
      said: '',
    }
    if (this.#closed) entry.ended.resolve(dropped('closed'))
    this.#open.set(stored.intent.key, entry)
    return entry
  }

  /** What has a nonce, lowest first: the chain takes them in this order. */
  #inFlight(): SignedEntry[] {
    const entries = [...this.#open.values()].filter(isSigned)
    return entries.sort((a, b) => a.stored.signed.nonce - b.stored.signed.nonce)
  }

  /** Sends an intent for the first time, if it is wanted and would succeed now. */
  async #launch(entry: Entry, { baseFeeWei }: Head): Promise<void> {
    const { needOf, sender, judge } = this.#options
    const { intent } = entry.stored
    const need = await needOf(intent)
    if (typeof need === 'object') return this.#drop(entry, need)
    const balanceWei = await sender.balanceWei()
    if (balanceWei < intent.valueWei) return this.#short(entry, need, balanceWei, intent.valueWei)
    const estimate = await sender.estimate(intent)
    if ('refused' in estimate) {
      return this.#say(entry, 'the node does not estimate a transaction', estimate)
    }
    if ('revert' in estimate) {
      const { revert, answer } = estimate
      const verdict = revert ? judge(revert) : this.#puzzle(entry, answer)
      if (verdict) return this.#drop(entry, verdict)
      return this.#say(entry, 'a transaction would revert now', { answer })
    }
    const fees = await sender.fees(baseFeeWei, null)
    if (!fees) return this.#say(entry, 'the base fee is above the cap', { baseFeeWei })
    const neededWei = intent.valueWei + estimate.gas * fees.maxFeeWei
    if (balanceWei < neededWei) return this.#short(entry, need, balanceWei, neededWei)
    const next = this.#inFlight().map(({ stored }) => stored.signed.nonce + 1)
    const nonce = Math.max(await sender.nonce('pending'), ...next)
    await this.#record(entry, await sender.sign(intent, nonce, estimate.gas, fees))
    if (isSigned(entry)) await this.#broadcast(entry)
  }

  /**
   * Without money a duty waits for it; a wish (a deposit) is refused, so that whoever has it can be
   * told.
   */
  async #short(entry: Entry, need: Need, balanceWei: bigint, neededWei: bigint): Promise<void> {
    const detail = `the account has ${balanceWei} wei and needs ${neededWei}`
    if (need === 'unknown') return this.#drop(entry, dropped('no-funds', detail))
    this.#say(entry, 'the account cannot pay for a transaction', { balanceWei, neededWei })
  }

  /** A revert without a reason may be the node's trouble: it is given up only when it repeats. */
  #puzzle(entry: Entry, answer: string): Dropped | null {
    entry.unexplained += 1
    return entry.unexplained < MAX_FAILURES ? null : dropped('reverted', answer)
  }

  /** Stores a signed version: only then may it be sent. */
  async #record(entry: Entry, version: Version): Promise<void> {
    const hashes = [...(entry.stored.signed?.hashes ?? []), version.hash]
    const stored: Stored = { ...entry.stored, signed: { ...version, hashes } }
    await this.#options.store.putJson(OPEN + stored.intent.key, stored, { sync: true })
    Object.assign(entry, { stored, unsent: true })
  }

  async #broadcast(entry: SignedEntry): Promise<void> {
    const answer = await this.#options.sender.broadcast(entry.stored.signed.raw)
    entry.polls = 0
    entry.unsent = false
    if (answer === 'sent') return
    this.#say(entry, 'the node does not take a transaction', { answer: answer.refused })
    // Funds may come: then the same bytes go out. Anything else waits for a higher fee.
    entry.unsent = /insufficient funds/i.test(answer.refused)
  }

  async #follow(entry: SignedEntry, used: number, head: Head): Promise<void> {
    if (used > entry.stored.signed.nonce) return this.#conclude(entry, head)
    // It was in a block, and that block is gone.
    if (entry.included) Object.assign(entry, { included: false, unsent: true })
    entry.missing = 0
    if (entry.unsent) return this.#broadcast(entry)
    entry.polls += 1
    if (entry.polls >= this.#options.replaceAfterPolls) await this.#replace(entry, head)
  }

  /** Its nonce is used: by one of its versions, or by a stranger. */
  async #conclude(entry: SignedEntry, head: Head): Promise<void> {
    for (const hash of entry.stored.signed.hashes.toReversed()) {
      const receipt = await this.#options.sender.receipt(hash)
      if (!receipt) continue
      Object.assign(entry, { included: true, missing: 0 })
      const { success, blockNumber } = receipt
      if (head.number - blockNumber + 1 < this.#options.confirmations) return
      return success ? this.#finish(entry, hash, blockNumber) : this.#reverted(entry, hash)
    }
    entry.missing += 1
    if (entry.missing < MISSING_POLLS) return
    const need = await this.#options.needOf(entry.stored.intent)
    if (need === 'wanted') return this.#again(entry)
    const doubt = dropped('nonce-taken', 'look at the account before doing it again')
    await this.#drop(entry, need === 'unknown' ? doubt : need)
  }

  /** The same nonce and call for more money; at the cap, the same bytes once more. */
  async #replace(entry: SignedEntry, { baseFeeWei }: Head): Promise<void> {
    const { sender, log } = this.#options
    const { signed, intent } = entry.stored
    const fees = await sender.fees(baseFeeWei, signed.fees)
    if (fees && signed.hashes.length < MAX_VERSIONS) {
      const fields = { key: intent.key, nonce: signed.nonce, ...fees }
      log.info('a transaction is not mined; raising its fee', fields)
      await this.#record(entry, await sender.sign(intent, signed.nonce, signed.gas, fees))
    } else {
      this.#say(entry, 'a transaction is not mined, and its fee is at the cap', signed.fees)
    }
    await this.#broadcast(entry)
  }

  async #finish(entry: SignedEntry, hash: Hex, blockNumber: number): Promise<void> {
    const { key } = entry.stored.intent
    const done: Done = { ...entry.stored, mined: { hash, blockNumber } }
    const put = { kind: 'put', key: DONE + key, value: encodeJson(done) } as const
    await this.#options.store.batch([{ kind: 'del', key: OPEN + key }, put], { sync: true })
    this.#open.delete(key)
    entry.ended.resolve({ kind: 'mined', hash })
  }

  /** Mined, but the chain had changed between the estimate and the block. */
  async #reverted(entry: SignedEntry, hash: Hex): Promise<void> {
    const need = await this.#options.needOf(entry.stored.intent)
    if (typeof need === 'object') return this.#drop(entry, need)
    if (entry.stored.reverts + 1 < MAX_FAILURES) return this.#again(entry)
    await this.#drop(entry, dropped('reverted', `${MAX_FAILURES} times, last in ${hash}`))
  }

  /** Back to the queue, for a new nonce: a transaction that did nothing has used up the old one. */
  async #again(entry: Entry): Promise<void> {
    const { intent, reverts } = entry.stored
    const stored: Stored = { intent, signed: null, reverts: reverts + 1 }
    await this.#options.store.putJson(OPEN + intent.key, stored, { sync: true })
    Object.assign(entry, { stored, missing: 0, included: false })
  }

  async #drop(entry: Entry, why: Dropped): Promise<void> {
    const { key } = entry.stored.intent
    await this.#options.store.del(OPEN + key, { sync: true })
    this.#open.delete(key)
    this.#options.log.info('a transaction is not wanted any more', { key, ...why })
    entry.ended.resolve(why)
  }

  #say(entry: Entry, what: string, fields: Readonly<Record<string, unknown>>): void {
    if (entry.said !== what)
      this.#options.log.warn(what, { key: entry.stored.intent.key, ...fields })
    entry.said = what
  }
}
