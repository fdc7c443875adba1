/**
 * Messages that overtook the one they name. Each waits, for at most `holdMs`, for that one;
 * gossip's validator waits with it. Bounded: over the bound a message is ignored, which costs its
 * sender nothing.
 */
import type { Gossiped } from './effects.ts'
import type { Address, Id } from './schema.ts'

export type Held = { readonly holdId: Id; readonly from: Gossiped }

/**
 * Who answers for a message before the one it names is known: whoever signed it, or a part of it,
 * by name.
 */
export function voucherOf(from: Gossiped): {
  readonly account: Address
  readonly signer: Address
} {
  switch (from.kind) {
    case 'Bid':
    case 'Notice':
      return { account: from.message.prover, signer: from.signer }
    case 'Award':
      return { account: from.bid.message.prover, signer: from.bid.signer }
    case 'Start':
      return { account: from.acceptance.message.prover, signer: from.acceptance.signer }
    case 'ProofRequest':
    case 'Receipt':
      return { account: from.message.builder, signer: from.signer }
    default:
      return from satisfies never
  }
}

type Entry = { readonly awaited: string; readonly voucher: Address; readonly held: Held }

/** Share of the room one account's messages may take: it cannot crowd out the others. */
const SHARE = 16

export class Holding {
  readonly #limit: number
  readonly #byId = new Map<Id, Entry>()
  readonly #byAwaited = new Map<string, Set<Id>>()
  readonly #byVoucher = new Map<Address, number>()

  /** @param limit Most messages held at once; a sixteenth of it (at least one) for each voucher. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * Holds a message until `awaited` comes; `false` when a bound is reached or it is held already.
   * @param voucher The account that answers for it.
   */
  add(awaited: string, voucher: Address, from: Gossiped): boolean {
    if (this.#byId.size >= this.#limit || this.#byId.has(from.id)) return false
    const count = this.#byVoucher.get(voucher) ?? 0
    if (count >= Math.max(1, Math.floor(this.#limit / SHARE))) return false
    this.#byVoucher.set(voucher, count + 1)
    this.#byId.set(from.id, { awaited, voucher, held: { holdId: from.id, from } })
    const ids = this.#byAwaited.get(awaited) ?? new Set<Id>()
    this.#byAwaited.set(awaited, ids.add(from.id))
    return true
  }

  has(holdId: Id): boolean {
    return this.#byId.has(holdId)
  }

  /** Takes out one message; `null` if it is not held any more. */
  take(holdId: Id): Held | null {
    const entry = this.#byId.get(holdId)
    if (!entry) return null
    this.#byId.delete(holdId)
    const count = (this.#byVoucher.get(entry.voucher) ?? 0) - 1
    if (count > 0) this.#byVoucher.set(entry.voucher, count)
    else this.#byVoucher.delete(entry.voucher)
    const ids = this.#byAwaited.get(entry.awaited)
    ids?.delete(holdId)
    if (ids?.size === 0) this.#byAwaited.delete(entry.awaited)
    return entry.held
  }

  /** Takes out all that waited for `awaited`, in order of arrival. */
  release(awaited: string): Held[] {
    const ids = [...(this.#byAwaited.get(awaited) ?? [])]
    return ids.map((id) => this.take(id)).filter((held) => held !== null)
  }

  get size(): number {
    return this.#byId.size
  }
}
