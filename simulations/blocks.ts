/**
 * Blocks and what waits for them: a slot every 12 s, which may stay empty of a block; a pool, whose
 * transactions go in sooner or later; base fees; and reorganisations, which take blocks back with
 * all they did.
 */
import type { Address, Hex } from '#protocol/schema'
import type { Call, Deed, Fate, Outcome } from './calls.ts'
import { hashOf } from './pretence.ts'
import type { Random } from './random.ts'
import { type Simulator, START_AT } from './simulator.ts'

/** A call on its way, or in a block. */
export type Transaction = {
  readonly hash: Hex
  readonly from: Address
  readonly call: Call
  /** Its sender sends it again when a reorg lost it, as production's nodes do. */
  readonly resends: boolean
  /** ms since the Unix epoch. */
  sentAt: number
  /** Most it pays for a unit of gas, and when that was offered. */
  maxFeeWei: bigint
  pricedAt: number
}
export type Done = {
  readonly transaction: Transaction
  readonly fate: Fate
  readonly deeds: readonly Deed[]
}
export type Block = {
  readonly number: number
  /** Its timestamp, seconds since the Unix epoch. */
  readonly atS: number
  readonly baseFeeWei: bigint
  readonly done: readonly Done[]
}

export type BlockOptions = {
  /** With this probability a transaction goes into a block that it could go into. */
  readonly inclusion: number
  /** Share of slots without a block. */
  readonly missedShare: number
  /** Base fee from so many seconds after the start on, in order of time; none before the first. */
  readonly baseFees: readonly { readonly fromS: number; readonly gwei: number }[]
  /** Above this base fee nobody sends anything (production's `maxFee`). Gwei. */
  readonly maxFeeGwei: number
  /** Whether the proposer of the block at `atS` leaves a transaction out. */
  readonly censors: (transaction: Transaction, atS: number) => boolean
}

export const calmBlocks: BlockOptions = {
  inclusion: 1,
  missedShare: 0,
  baseFees: [],
  maxFeeGwei: 300,
  censors: () => false,
}

/** Who executes what is in a block. */
export type Machine = {
  readonly run: (transaction: Transaction, at: Pick<Block, 'atS' | 'baseFeeWei'>) => Outcome
  /** Ends a block; what undoes all that was run since the last. */
  readonly cut: () => () => void
  readonly mined: (block: Block) => void
  readonly isUp: (account: Address) => boolean
}

/** Blocks whose doings can be taken back: no chain reorganises deeper (two epochs). */
const DEPTH = 64
/** A transaction that is not mined offers a new fee after so many slots, as production's do. */
const SLOTS_BEFORE_RAISE = 2
const GWEI = 1e9

export class Blocks {
  readonly #simulator: Simulator
  readonly #random: Random
  readonly #options: BlockOptions
  readonly #machine: Machine
  readonly #slotMs: number
  /** In order of their numbers; the oldest are let go. */
  #blocks: { readonly block: Block; readonly undo: () => void }[]
  #pool: Transaction[] = []
  /** Lost by a reorg, until their senders send them again. */
  #lost: Transaction[] = []
  #sequence = 0
  #toMiss = 0

  constructor(
    simulator: Simulator,
    slotS: number,
    random: Random,
    options: BlockOptions,
    machine: Machine,
  ) {
    this.#simulator = simulator
    this.#random = random
    this.#options = options
    this.#machine = machine
    this.#slotMs = slotS * 1_000
    const slots = Math.floor(simulator.now / this.#slotMs)
    const first = { number: 0, atS: slots * slotS, baseFeeWei: this.baseFeeWei, done: [] }
    this.#blocks = [{ block: first, undo: () => undefined }]
    this.#schedule(slots + 1)
  }

  /** The newest block. */
  get head(): Block {
    return this.#blocks.at(-1)!.block
  }

  /** A block of the last 64 by its number. */
  at(number: number): Block | null {
    const oldest = this.#blocks[0]!.block.number
    return this.#blocks[number - oldest]?.block ?? null
  }

  /** What a unit of gas costs now, before any tip. */
  get baseFeeWei(): bigint {
    const atS = (this.#simulator.now - START_AT) / 1_000
    let gwei = 0
    for (const fee of this.#options.baseFees) if (fee.fromS <= atS) gwei = fee.gwei
    return BigInt(Math.round(gwei * GWEI))
  }

  /** Transactions that no block has taken yet, oldest first. */
  get pool(): readonly Transaction[] {
    return this.#pool
  }

  /** Puts a call into the pool: it goes into the next block at the earliest. */
  send(call: Call, from: Address, resends = true): Transaction {
    const { now } = this.#simulator
    const hash = hashOf('transaction', from, call.kind, this.#sequence++)
    const maxFeeWei = this.#offer()
    const transaction = { hash, from, call, resends, sentAt: now, maxFeeWei, pricedAt: now }
    this.#pool.push(transaction)
    return transaction
  }

  /** Room for the base fee to double, up to the cap: production's `marketFees`. */
  #offer(): bigint {
    const offerWei = 2n * this.baseFeeWei
    const capWei = BigInt(Math.round(this.#options.maxFeeGwei * GWEI))
    return offerWei < capWei ? offerWei : capWei
  }

  /** Leaves the next so many slots without a block. */
  miss(slots: number): void {
    this.#toMiss += slots
  }

  #schedule(slot: number): void {
    this.#simulator.schedule(slot * this.#slotMs, () => {
      this.#schedule(slot + 1)
      if (!this.#isMissed()) this.#mine((slot * this.#slotMs) / 1_000)
    })
  }

  #isMissed(): boolean {
    const { missedShare } = this.#options
    if (this.#toMiss === 0) return missedShare > 0 && this.#random.chance(missedShare)
    this.#toMiss -= 1
    return true
  }

  #mine(atS: number): void {
    const { baseFeeWei } = this
    const waiting = this.#pool
    const done: Done[] = []
    // What its execution sends, if anything, comes behind what waits already.
    this.#pool = []
    const kept = waiting.filter((transaction) => {
      if (!this.#isTaken(transaction, atS, baseFeeWei)) return true
      const { fate, deeds } = this.#machine.run(transaction, { atS, baseFeeWei })
      if (fate !== 'early') done.push({ transaction, fate, deeds })
      return fate === 'early'
    })
    this.#pool = [...kept, ...this.#pool]
    const block = { number: this.head.number + 1, atS, baseFeeWei, done }
    this.#push(block, this.#machine.cut())
    this.#sendLost()
    this.#machine.mined(block)
  }

  #push(block: Block, undo: () => void): void {
    this.#blocks.push({ block, undo })
    if (this.#blocks.length > DEPTH) this.#blocks.shift()
  }

  #isTaken(transaction: Transaction, atS: number, baseFeeWei: bigint): boolean {
    const { inclusion, censors } = this.#options
    const at = atS * 1_000
    if (transaction.sentAt >= at) return false
    if (transaction.maxFeeWei < baseFeeWei) {
      this.#raise(transaction, at)
      return false
    }
    if (censors(transaction, atS)) return false
    return inclusion >= 1 || this.#random.chance(inclusion)
  }

  #raise(transaction: Transaction, at: number): void {
    const isDue = at - transaction.pricedAt >= SLOTS_BEFORE_RAISE * this.#slotMs
    if (!isDue || !this.#machine.isUp(transaction.from)) return
    transaction.maxFeeWei = this.#offer()
    transaction.pricedAt = at
  }

  /** Senders see that what they had sent is not there, and send it again. */
  #sendLost(): void {
    const isBack = ({ from }: Transaction): boolean => this.#machine.isUp(from)
    const back = this.#lost.filter(isBack)
    this.#lost = this.#lost.filter((transaction) => !isBack(transaction))
    for (const transaction of back) transaction.sentAt = this.#simulator.now
    this.#pool.push(...back)
  }

  /**
   * Replaces the last `depth` blocks by empty ones. What was done in them is undone, and their
   * transactions wait again; each is lost with this probability. Gives the blocks that went, newest
   * first.
   */
  reorg(depth: number, lostShare: number): Block[] {
    const count = Math.min(depth, this.#blocks.length - 1)
    const gone = this.#blocks.splice(this.#blocks.length - count).reverse()
    for (const { undo } of gone) undo()
    const blocks = gone.map(({ block }) => block)
    const back = blocks.toReversed().flatMap(({ done }) => done.map((each) => each.transaction))
    const isLost = back.map(() => lostShare > 0 && this.#random.chance(lostShare))
    this.#lost.push(...back.filter(({ resends }, index) => isLost[index] && resends))
    this.#pool = [...back.filter((_, index) => !isLost[index]), ...this.#pool]
    for (const block of blocks.toReversed()) this.#push({ ...block, done: [] }, () => undefined)
    return blocks
  }
}
