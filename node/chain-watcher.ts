/**
 * Follows the chain: polls its head, reads the logs of the two contracts once they are
 * `confirmations` deep, and says what they mean as `ChainEvent`s. Survives an RPC that fails,
 * reorganisations and restarts: nothing is announced from a block that is not on the chain as the
 * RPC shows it, and what was announced from one that left it is reported. Announcements can repeat
 * after a crash; they never get lost.
 */

import type { ChainEvent } from '#protocol/effects'
import type { Address, Hex } from '#protocol/schema'
import { ChainError } from './chain-checks.ts'
import { type Challenge, type Sighting, sightingsOf } from './chain-events.ts'
import type { Log } from './log.ts'
import { answerOf } from './rpc-errors.ts'
import type { Settlement } from './settlement.ts'
import { decodeJson, type Store } from './store.ts'

/** The newest block. Seconds since the Unix epoch; wei for one unit of gas. */
export type Block = {
  readonly number: number
  readonly hash: Hex
  readonly timestampS: number
  readonly baseFeeWei: bigint
}

/** Blocks above `ancestor` left the chain after they had been confirmed. */
export type Rollback = {
  /** Newest block that is known to have stayed. */
  readonly ancestor: number
  /** What had been announced from them and has not come back. */
  readonly undone: readonly Pick<Sighting, 'event' | 'blockNumber' | 'transactionHash'>[]
}

export type WatcherOptions = {
  readonly settlement: Settlement
  readonly store: Store
  readonly log: Log
  /** Depth from which a block counts: 1 is the head itself. */
  readonly confirmations: number
  /** Block of the deployment: nothing is searched before it. */
  readonly firstBlock: number
  /** Whose challenges are announced. */
  readonly self: Address
  readonly onEvent: (event: ChainEvent) => void
  /** Called again after every restart until the challenge is over: a bond hangs on it. */
  readonly onChallenge: (challenge: Challenge) => void
  /** Called before anything of the new fork is announced. */
  readonly onRollback: (ancestor: number) => Promise<void>
  /** Called once the new fork has been read. */
  readonly onUndone: (rollback: Rollback) => void
}

/**
 * What a poll found. `current`: everything up to the confirmed head is announced. `behind`: there
 * is more, poll again at once. `stale`: the RPC shows less than it did before. `stranger`: it shows
 * another chain.
 */
export type Poll = 'current' | 'behind' | 'stale' | 'stranger'

type Mark = { readonly number: number; readonly hash: Hex }
/** Where reading goes on after a restart. */
type Place = { readonly cursor: number; readonly window: readonly Mark[] }

const PLACE = 'chain/place'
const ACCOUNT = 'chain/account/'
const SIGNER = 'chain/signer/'
const CHALLENGE = 'chain/challenge/'
/**
 * Blocks remembered: full nodes keep the state of as many, and no chain reorganises deeper than it
 * justifies.
 */
const WINDOW = 128
/** Blocks asked for at once; halved when the RPC finds the answer too large. */
const MAX_RANGE = 2_000
/**
 * Polls for which a shorter chain is taken for an RPC that lags: behind a balancer, one often does.
 */
const PATIENCE_POLLS = 10
/** Ranges read in one poll, so that sending gets its turn while years of history are read. */
const MAX_RANGES = 8
/** Accounts read at once: three calls each, one batch for the RPC. */
const ACCOUNTS_AT_ONCE = 32

export class ChainWatcher {
  readonly #options: WatcherOptions
  /** Blocks that were the head, ascending; poll gaps leave gaps. */
  #window: Mark[]
  /** Last block whose logs have been announced. */
  #cursor: number
  /** Announced from the last blocks, to know them again on another fork. */
  #announced: Sighting[] = []
  /** Announced from blocks that left the chain; those that come back are not announced again. */
  #replaced: Sighting[] = []
  #rolledBackTo: number | null = null
  #range = MAX_RANGE
  /** Polls in a row that showed a shorter chain. */
  #shorter = 0
  #head: Block | null = null
  readonly #accounts = new Set<Address>()
  readonly #signers = new Set<Address>()
  /** Against us, not announced yet in this process. */
  #challenges: Challenge[] = []
  readonly #clocks = new Set<{ readonly atS: number; readonly ring: (reached: boolean) => void }>()
  #closed = false

  private constructor(options: WatcherOptions, place: Place) {
    this.#options = options
    this.#cursor = place.cursor
    this.#window = [...place.window]
  }

  /**
   * Goes on where the store says, with every account known so far to be announced again.
   * @throws Error when the store remembers blocks and the RPC has none of them: it is another
   *   chain.
   */
  static async open(options: WatcherOptions): Promise<ChainWatcher> {
    const { store } = options
    const place = await store.getJson<Place>(PLACE)
    const watcher = new ChainWatcher(
      options,
      place ?? { cursor: options.firstBlock - 1, window: [] },
    )
    for await (const { key } of store.entries(ACCOUNT)) {
      watcher.#accounts.add(key.slice(ACCOUNT.length) as Address)
    }
    for await (const { key } of store.entries(SIGNER)) {
      watcher.#signers.add(key.slice(SIGNER.length) as Address)
    }
    for await (const { value } of store.entries(CHALLENGE)) {
      watcher.#challenges.push(decodeJson(value) as Challenge)
    }
    const last = place?.window.at(-1)
    if (last && (await watcher.#ancestor()) === null) {
      const what = `the data folder remembers block ${last.number} as ${last.hash}`
      throw new ChainError(`${what}, which this chain does not have; use a new data folder for it`)
    }
    return watcher
  }

  /** The newest block that has been read; `null` before the first poll. */
  get head(): Block | null {
    return this.#head
  }

  /**
   * Resolves true when block time reaches `atS` (seconds), false when the watcher closes before.
   */
  reached(atS: number): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false)
    if (this.#head && this.#head.timestampS >= atS) return Promise.resolve(true)
    return new Promise((resolve) => this.#clocks.add({ atS, ring: resolve }))
  }

  close(): void {
    this.#closed = true
    for (const { ring } of this.#clocks) ring(false)
    this.#clocks.clear()
  }

  /** One look at the chain. Throws what the RPC throws, and can then be called again. */
  async poll(): Promise<Poll> {
    const block = await this.#blockAt('latest')
    if (!block) return 'stale'
    const placed = await this.#place(block)
    if (placed !== 'current') return placed
    const confirmed = block.number - this.#options.confirmations + 1
    const read = await this.#catchUp(confirmed)
    if (read === 'current') {
      if (this.#rolledBackTo !== null) this.#reportRollback(this.#rolledBackTo)
      await this.#announceAccounts(BigInt(Math.max(confirmed, 0)))
      await this.#announceChallenges(block.timestampS)
    }
    await this.#remember()
    if (read === 'current') this.#tick(block)
    return read
  }

  async #blockAt(block: number | 'latest'): Promise<Block | null> {
    const { client } = this.#options.settlement
    const tag = block === 'latest' ? block : (`0x${block.toString(16)}` as const)
    const found = await client.request({ method: 'eth_getBlockByNumber', params: [tag, false] })
    if (!found?.hash || !found.number) return null
    return {
      number: Number(found.number),
      hash: found.hash,
      timestampS: Number(found.timestamp),
      baseFeeWei: BigInt(found.baseFeePerGas ?? 0),
    }
  }

  /** Index in the window of the newest block that is still on the chain; `null`: none is. */
  async #ancestor(): Promise<number | null> {
    for (let i = this.#window.length - 1; i >= 0; i--) {
      const { number, hash } = this.#window[i]!
      if ((await this.#blockAt(number))?.hash === hash) return i
    }
    return null
  }

  /** Puts a head behind what is known, rolling back what it replaces. */
  async #place(head: Block): Promise<Poll> {
    const tip = this.#window.at(-1)
    if (tip && tip.hash !== head.hash) {
      if (head.number < tip.number && this.#shorter < PATIENCE_POLLS) {
        this.#shorter += 1
        return 'stale'
      }
      const ancestor = await this.#ancestor()
      if (ancestor === null) return 'stranger'
      if (ancestor < this.#window.length - 1) await this.#rollBack(ancestor)
    }
    this.#shorter = 0
    const last = this.#window.at(-1)
    if (last?.hash === head.hash) return 'current'
    if (last && head.number <= last.number) return 'stale'
    this.#window = [...this.#window, { number: head.number, hash: head.hash }].slice(-WINDOW)
    return 'current'
  }

  async #rollBack(index: number): Promise<void> {
    const { log, onRollback } = this.#options
    this.#window = this.#window.slice(0, index + 1)
    const ancestor = this.#window.at(-1)!.number
    log.info('the chain was reorganised', { ancestor, cursor: this.#cursor })
    if (ancestor >= this.#cursor) return
    const isGone = ({ blockNumber }: Sighting): boolean => blockNumber > ancestor
    this.#replaced.push(...this.#announced.filter(isGone))
    this.#announced = this.#announced.filter((sighting) => !isGone(sighting))
    this.#cursor = ancestor
    this.#rolledBackTo = Math.min(ancestor, this.#rolledBackTo ?? ancestor)
    await onRollback(ancestor)
  }

  /** Announces logs up to a block. */
  async #catchUp(confirmed: number): Promise<Poll> {
    for (let ranges = 0; this.#cursor < confirmed; ranges++) {
      if (ranges >= MAX_RANGES || this.#closed) return 'behind'
      if (!(await this.#readRange(confirmed))) return 'stale'
    }
    return 'current'
  }

  /** @returns False when the RPC does not have the blocks that it showed before. */
  async #readRange(confirmed: number): Promise<boolean> {
    const { settlement } = this.#options
    const from = this.#cursor + 1
    const to = Math.min(this.#cursor + this.#range, confirmed)
    const address = [settlement.address, settlement.bonds]
    try {
      // Asked together, so that the node that answers is one that has the last block.
      const [logs, last] = await Promise.all([
        settlement.client.getLogs({ address, fromBlock: BigInt(from), toBlock: BigInt(to) }),
        this.#blockAt(to),
      ])
      if (!last) return false
      await this.#announce(sightingsOf(logs, settlement.address))
    } catch (error) {
      // "Too many results" has no code of its own: ask for less, until one block is too much.
      if (this.#range === 1 || answerOf(error) === null) throw error
      this.#range = Math.ceil(this.#range / 2)
      return true
    }
    this.#cursor = to
    this.#announced = this.#announced.filter(({ blockNumber }) => blockNumber > to - WINDOW)
    this.#range = Math.min(MAX_RANGE, this.#range * 2)
    return true
  }

  async #announce(sightings: readonly Sighting[]): Promise<void> {
    const { store, self, onEvent } = this.#options
    const accounts = sightings.flatMap((sighting) => sighting.accounts)
    const signers = sightings.flatMap((sighting) => sighting.signers)
    const known = new Uint8Array()
    await store.batch([
      ...accounts.map(
        (account) => ({ kind: 'put', key: ACCOUNT + account, value: known }) as const,
      ),
      ...signers.map((account) => ({ kind: 'put', key: SIGNER + account, value: known }) as const),
    ])
    for (const account of accounts) this.#accounts.add(account)
    for (const account of signers) this.#signers.add(account)
    for (const sighting of sightings) {
      this.#announced.push(sighting)
      const before = this.#replaced.findIndex(({ id }) => id === sighting.id)
      if (before >= 0) {
        this.#replaced.splice(before, 1)
        continue
      }
      for (const event of sighting.events) onEvent(event)
      const { challenge } = sighting
      if (challenge?.prover !== self) continue
      await store.putJson(CHALLENGE + challenge.requestId, challenge, { sync: true })
      this.#challenges.push(challenge)
    }
  }

  #reportRollback(ancestor: number): void {
    for (const { accounts, signers } of this.#replaced) {
      for (const account of accounts) this.#accounts.add(account)
      for (const account of signers) this.#signers.add(account)
    }
    const undone = this.#replaced
    this.#replaced = []
    this.#rolledBackTo = null
    this.#options.onUndone({ ancestor, undone })
  }

  /**
   * Reads what changed as it stood after the confirmed block. What fails is read again at the next
   * poll.
   */
  async #announceAccounts(blockNumber: bigint): Promise<void> {
    const { settlement, store, onEvent } = this.#options
    for (const account of [...this.#signers]) {
      const signer = await settlement.signer(account, blockNumber)
      onEvent({ kind: 'signer', account, signer })
      if (signer === null) await store.del(SIGNER + account)
      this.#signers.delete(account)
    }
    const waiting = [...this.#accounts]
    for (let at = 0; at < waiting.length; at += ACCOUNTS_AT_ONCE) {
      const slice = waiting.slice(at, at + ACCOUNTS_AT_ONCE)
      const read = await Promise.all(slice.map((each) => settlement.account(each, blockNumber)))
      for (const [i, { bond, stake, escrow }] of read.entries()) {
        const account = slice[i]!
        const [bondWei, stakeWei, escrowWei] = [bond.activeWei, stake.activeWei, escrow.activeWei]
        onEvent({ kind: 'account', account, bondWei, stakeWei, escrowWei })
        // It comes back with its next event; an account is only known for its money.
        if (bondWei + stakeWei + escrowWei === 0n) await store.del(ACCOUNT + account)
        this.#accounts.delete(account)
      }
    }
  }

  async #announceChallenges(nowS: number): Promise<void> {
    const challenges = this.#challenges
    this.#challenges = []
    for (const challenge of challenges) {
      if (challenge.untilS >= nowS) this.#options.onChallenge(challenge)
      else await this.#options.store.del(CHALLENGE + challenge.requestId)
    }
  }

  async #remember(): Promise<void> {
    const tip = this.#window.at(-1)
    if (tip?.hash === this.#head?.hash) return
    const place: Place = { cursor: this.#cursor, window: this.#window }
    await this.#options.store.putJson(PLACE, place)
  }

  #tick(block: Block): void {
    if (block.hash === this.#head?.hash) return
    this.#head = block
    this.#options.onEvent({ kind: 'block', timestampS: block.timestampS })
    for (const clock of this.#clocks) {
      if (clock.atS > block.timestampS) continue
      this.#clocks.delete(clock)
      clock.ring(true)
    }
  }
}
