/**
 * Receipts on their way to the chain: on disk until the chain says what became of them, sent in
 * batches (one of 32 costs a fifth of one alone), each receipt in one batch at a time.
 */
import { decodeFunctionData, encodeFunctionData, parseEventLogs, toHex } from 'viem/utils'
import { settlementAbi } from '#contracts/abi'
import type { SignedReceipt } from '#protocol/effects'
import { type PackedReceipt, packReceipts, unpackPayments, unpackReceipts } from '#protocol/packing'
import type { Hex, Receipt } from '#protocol/schema'
import { keccak } from '#protocol/signature'
import { dropped, type Intent, type Sent } from './intents.ts'
import type { Log } from './log.ts'
import type { Debt, Settlement } from './settlement.ts'
import type { Store } from './store.ts'
import type { Transactions } from './transactions.ts'

export type SettlingOptions = {
  readonly settlement: Settlement
  readonly transactions: Transactions
  readonly store: Store
  readonly log: Log
  /** How long a receipt waits for others to share its transaction. ms. */
  readonly settleAfterMs: number
  /** ms since the Unix epoch. */
  readonly now: () => number
  /** Asks the driver for a tick soon. */
  readonly wake: () => void
}

type Waiting = {
  readonly receipt: PackedReceipt
  readonly ended: PromiseWithResolvers<Sent>
  /** When it may be sent at the earliest, and when even alone. ms since the Unix epoch. */
  heldUntil: number
  dueAt: number
  /** In a batch that is under way. */
  batched: boolean
}
type Batch = { readonly members: readonly Waiting[]; sent: Sent | null }

const RECEIPT = 'receipt/'
const SETTLE = 'settle/'
/** What the contracts' gas is measured for; more saves little and delays the first. */
const MAX_BATCH = 32
/** Above this the asker is refused; so many receipts are 13 MB. */
const MAX_WAITING = 65_536
/** How often an empty escrow is looked at again for what it owes. ms. */
const OWED_AFTER_MS = 600_000
/** How long a debt is remembered: a builder that does not come back in a week has left. ms. */
const OWED_FOR_MS = 7 * 86_400_000
/** Codes of `ReceiptRefused`. */
const [BAD_SIGNATURE, NOTHING_TO_PAY_FROM] = [2, 3]

const keyOf = ({ builder, prover, nonce }: Debt): string =>
  `${builder}/${prover}/${nonce}`.toLowerCase()

export class Settling {
  readonly #options: SettlingOptions
  readonly #waiting = new Map<string, Waiting>()
  readonly #beginning = new Map<string, Promise<Sent>>()
  readonly #batches = new Set<Batch>()

  private constructor(options: SettlingOptions) {
    this.#options = options
  }

  /** Reads what was waiting, and goes on with the batches that were under way. */
  static async open(options: SettlingOptions): Promise<Settling> {
    const settling = new Settling(options)
    for await (const { value } of options.store.entries(RECEIPT)) {
      // They waited long enough already.
      for (const receipt of unpackReceipts(value) ?? []) settling.#keep(receipt, options.now())
    }
    for (const intent of options.transactions.pending(SETTLE)) settling.#resume(intent)
    return settling
  }

  /**
   * Has a receipt settled. Resolves with the transaction that settled it, or why none will;
   * `unpaid` when the builder's money was gone: then it is tried again for a week. Asking again
   * changes nothing.
   * @throws Error when 65,536 receipts are waiting.
   */
  queue({ message, signature }: SignedReceipt): Promise<Sent> {
    const key = keyOf(message)
    const known = this.#waiting.get(key)?.ended.promise ?? this.#beginning.get(key)
    if (known) return known
    const begun = this.#begin({ message, signature }).finally(() => this.#beginning.delete(key))
    this.#beginning.set(key, begun)
    return begun
  }

  /** Receipts that the chain has not settled yet. */
  get size(): number {
    return this.#waiting.size
  }

  /** Concludes batches that ended, and sends the next. Throws what the RPC throws. */
  async tick(): Promise<void> {
    for (const batch of [...this.#batches]) {
      if (!batch.sent) continue
      await this.#conclude(batch, batch.sent)
      this.#batches.delete(batch)
    }
    const now = this.#options.now()
    const ready = [...this.#waiting.values()].filter(
      ({ batched, heldUntil }) => !batched && heldUntil <= now,
    )
    if (ready.length < MAX_BATCH && !ready.some(({ dueAt }) => dueAt <= now)) return
    const members = await this.#worthSending(ready.slice(0, MAX_BATCH), now)
    if (members.length > 0) this.#send(members)
  }

  close(): void {
    for (const { ended } of this.#waiting.values()) ended.resolve(dropped('closed'))
  }

  async #begin(receipt: PackedReceipt): Promise<Sent> {
    const { store, settleAfterMs, now, wake } = this.#options
    if (this.#waiting.size >= MAX_WAITING) {
      const what = `${MAX_WAITING} receipts wait to be settled`
      throw new Error(`${what}; check the account's balance and the chain, then ask again`)
    }
    await store.put(RECEIPT + keyOf(receipt.message), packReceipts([receipt]), { sync: true })
    const { ended } = this.#keep(receipt, now() + settleAfterMs)
    wake()
    return ended.promise
  }

  #keep(receipt: PackedReceipt, dueAt: number): Waiting {
    const ended = Promise.withResolvers<Sent>()
    const waiting: Waiting = { receipt, ended, heldUntil: 0, dueAt, batched: false }
    this.#waiting.set(keyOf(receipt.message), waiting)
    return waiting
  }

  /** Leaves out what the chain has paid in full (rule P6), and what a builder still cannot pay. */
  async #worthSending(candidates: readonly Waiting[], now: number): Promise<Waiting[]> {
    const { settlement } = this.#options
    const members: Waiting[] = []
    const resolved = await Promise.all(
      candidates.map(({ receipt }) => settlement.isResolved(receipt.message)),
    )
    for (const [i, waiting] of candidates.entries()) {
      const { message } = waiting.receipt
      if (!resolved[i]) members.push(waiting)
      else if ((await settlement.restWei(message)) === 0n) {
        await this.#forget(waiting, dropped('resolved'))
      } else if (await this.#hasMoney(message)) members.push(waiting)
      else if (now > message.deliveredAt + OWED_FOR_MS) {
        await this.#forget(waiting, dropped('unpaid', 'the builder did not come back in a week'))
      } else {
        waiting.ended.resolve(dropped('unpaid'))
        waiting.heldUntil = now + OWED_AFTER_MS
      }
    }
    return members
  }

  async #hasMoney({ builder }: Receipt): Promise<boolean> {
    const { escrow, stake } = await this.#options.settlement.account(builder)
    // Of the stake a half pays: as much again is burnt.
    const stakeWei = (stake.activeWei + stake.leavingWei) / 2n
    return escrow.activeWei + escrow.leavingWei + stakeWei > 0n
  }

  #send(members: readonly Waiting[]): void {
    const { settlement, log } = this.#options
    const packed = packReceipts(members.map(({ receipt }) => receipt))
    const args = [toHex(packed)] as const
    const data = encodeFunctionData({ abi: settlementAbi, functionName: 'settle', args })
    log.info('settling receipts', { count: members.length })
    this.#follow(members, {
      key: SETTLE + keccak(packed),
      to: settlement.address,
      data,
      valueWei: 0n,
    })
  }

  #follow(members: readonly Waiting[], intent: Intent): void {
    const { transactions, log, wake, now } = this.#options
    const batch: Batch = { members, sent: null }
    this.#batches.add(batch)
    for (const waiting of members) waiting.batched = true
    const ended = (sent: Sent): void => {
      batch.sent = sent
      wake()
    }
    transactions.send(intent).then(ended, (error: unknown) => {
      log.error('a batch of receipts could not be queued', { error })
      this.#batches.delete(batch)
      for (const waiting of members) this.#release(waiting, now())
    })
  }

  #resume(intent: Intent): void {
    const { args } = decodeFunctionData({ abi: settlementAbi, data: intent.data })
    const receipts = unpackReceipts(Buffer.from((args[0] as Hex).slice(2), 'hex')) ?? []
    const members = receipts.flatMap(({ message }) => this.#waiting.get(keyOf(message)) ?? [])
    this.#follow(members, intent)
  }

  async #conclude({ members }: Batch, sent: Sent): Promise<void> {
    const { log, now, settlement } = this.#options
    if (sent.kind === 'dropped') {
      if (sent.reason === 'resolved') for (const each of members) await this.#forget(each, sent)
      else if (sent.reason !== 'closed') {
        log.error('a batch of receipts was not taken; trying again later', { ...sent })
        for (const each of members) this.#release(each, now() + OWED_AFTER_MS)
      }
      return
    }
    const { paid, refused } = await this.#outcome(sent.hash)
    for (const waiting of members) {
      const { message } = waiting.receipt
      const key = keyOf(message)
      const payWei = paid.get(key)
      const code = refused.get(key)
      const isPaid = payWei !== undefined
      // Less than it says is all of it where a post had paid the most part (rule P6).
      if (isPaid && (payWei >= message.payWei || (await settlement.restWei(message)) === 0n))
        await this.#forget(waiting, sent)
      else if (isPaid || code === NOTHING_TO_PAY_FROM) {
        log.warn('a receipt was not paid in full', { ...message, paidWei: payWei ?? 0n })
        waiting.ended.resolve(isPaid ? sent : dropped('unpaid'))
        this.#release(waiting, now() + OWED_AFTER_MS)
      } else if (code === BAD_SIGNATURE) {
        log.error('a receipt has a bad signature', { requestId: message.requestId })
        await this.#forget(waiting, dropped('reverted', 'bad signature'))
      } else await this.#forget(waiting, dropped('resolved'))
    }
  }

  /** What a batch did, by receipt. */
  async #outcome(
    hash: Hex,
  ): Promise<{ paid: ReadonlyMap<string, bigint>; refused: ReadonlyMap<string, number> }> {
    const { client } = this.#options.settlement
    const { logs } = await client.getTransactionReceipt({ hash })
    const paid = new Map<string, bigint>()
    const refused = new Map<string, number>()
    for (const { eventName, args } of parseEventLogs({ abi: settlementAbi, logs })) {
      if (eventName === 'ReceiptRefused') refused.set(keyOf(args), args.code)
      if (eventName !== 'Paid') continue
      for (const { nonce, payWei } of unpackPayments(args.payments) ?? []) {
        paid.set(keyOf({ ...args, nonce }), payWei)
      }
    }
    return { paid, refused }
  }

  #release(waiting: Waiting, heldUntil: number): void {
    Object.assign(waiting, { batched: false, heldUntil })
  }

  async #forget(waiting: Waiting, sent: Sent): Promise<void> {
    const key = keyOf(waiting.receipt.message)
    await this.#options.store.del(RECEIPT + key)
    this.#waiting.delete(key)
    waiting.ended.resolve(sent)
  }
}
