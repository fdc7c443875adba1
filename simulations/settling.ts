/**
 * Receipts on their way to the chain, as `node/settling.ts` sends them: several in one transaction,
 * each in one at a time, and again later where the builder had nothing to pay from.
 */
import type { SignedReceipt } from '#protocol/effects'
import type { Address } from '#protocol/schema'
import type { Blocks } from './blocks.ts'
import { type Deed, debtKey } from './calls.ts'
import { most } from './purses.ts'
import type { Settlement } from './settlement.ts'
import type { Simulator } from './simulator.ts'

/** What those who act on chain need of it. */
export type Reach = {
  readonly simulator: Simulator
  readonly settlement: Settlement
  readonly blocks: Blocks
  /** Who is down sends nothing. */
  readonly isUp: (account: Address) => boolean
  /** Depth from which a block counts. */
  readonly confirmations: number
}

type Waiting = {
  readonly receipt: SignedReceipt
  /** When it is sent even alone, and before when not at all. ms since the Unix epoch. */
  dueAt: number
  heldUntil: number
  isBatched: boolean
}

/** Production's figures (`node/settling.ts`). ms. */
const MAX_BATCH = 32
const OWED_AFTER_MS = 600_000
const OWED_FOR_MS = 7 * 86_400_000

export class Settling {
  readonly #reach: Reach
  readonly #afterMs: number
  /** By sender, then by debt. */
  readonly #waiting = new Map<Address, Map<string, Waiting>>()

  /** @param afterMs How long a receipt waits for others to share its transaction. */
  constructor(reach: Reach, afterMs: number) {
    this.#reach = reach
    this.#afterMs = afterMs
  }

  /** Has a receipt settled by `from`. Asked again while it waits, nothing changes. */
  queue(receipt: SignedReceipt, from: Address): void {
    const waiting = this.#of(from)
    const key = debtKey(receipt.message)
    if (!waiting.has(key)) {
      const dueAt = this.#reach.simulator.now + this.#afterMs
      waiting.set(key, { receipt, dueAt, heldUntil: 0, isBatched: false })
      if (this.#afterMs > 0) this.#later(from, this.#afterMs)
    }
    this.flush(from)
  }

  #of(from: Address): Map<string, Waiting> {
    const known = this.#waiting.get(from)
    if (known) return known
    const waiting = new Map<string, Waiting>()
    this.#waiting.set(from, waiting)
    return waiting
  }

  #later(from: Address, delayMs: number): void {
    this.#reach.simulator.after(delayMs, () => this.flush(from))
  }

  /** Sends what is ready: 32 of them, or all there is once one has waited long enough. */
  flush(from: Address): void {
    const waiting = this.#waiting.get(from)
    if (!waiting || !this.#reach.isUp(from)) return
    for (;;) {
      const { now } = this.#reach.simulator
      const ready = [...waiting.values()].filter(
        ({ isBatched, heldUntil }) => !isBatched && heldUntil <= now,
      )
      const isDue = ready.some(({ dueAt }) => dueAt <= now)
      if (ready.length === 0 || (ready.length < MAX_BATCH && !isDue)) return
      const batch = ready.slice(0, MAX_BATCH).filter((each) => this.#isWorthSending(each, from))
      for (const each of batch) each.isBatched = true
      const receipts = batch.map(({ receipt }) => receipt)
      if (batch.length > 0) this.#reach.blocks.send({ kind: 'settle', receipts }, from)
    }
  }

  /** Leaves out what was paid in full, and what a builder still cannot pay. */
  #isWorthSending(waiting: Waiting, from: Address): boolean {
    const { settlement, simulator } = this.#reach
    const { message } = waiting.receipt
    const key = debtKey(message)
    if (!settlement.isResolved(key)) return true
    const isOver = simulator.now > message.deliveredAt + OWED_FOR_MS
    if (this.#restWei(waiting.receipt) > 0n && !isOver) {
      if (settlement.hasMoney(message.builder)) return true
      this.#hold(waiting, from)
    } else this.#of(from).delete(key)
    return false
  }

  /** What settling it would add to what was paid for it. wei. */
  #restWei({ message }: SignedReceipt): bigint {
    const { paidWei, owedWei, isUnasked } = this.#reach.settlement.duesOf(debtKey(message))
    const betterWei = isUnasked ? message.payWei - paidWei : 0n
    return most(betterWei, owedWei)
  }

  #hold(waiting: Waiting, from: Address): void {
    waiting.isBatched = false
    waiting.heldUntil = this.#reach.simulator.now + OWED_AFTER_MS
    this.#later(from, OWED_AFTER_MS)
  }

  /** A batch was mined: one deed for each receipt, in their order. */
  concluded(receipts: readonly SignedReceipt[], deeds: readonly Deed[], from: Address): void {
    for (const [index, receipt] of receipts.entries()) {
      const waiting = this.#of(from).get(debtKey(receipt.message))
      const deed = deeds[index]
      if (!waiting) continue
      const isUnpaid = deed?.kind === 'unpaid' && deed.why === 'unpaid'
      const isShort = deed?.kind === 'paid' && this.#restWei(receipt) > 0n
      if (isUnpaid || isShort) this.#hold(waiting, from)
      else this.#of(from).delete(debtKey(receipt.message))
    }
  }
}
