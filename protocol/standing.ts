/**
 * What a node remembers of others' conduct, from public messages only: provers that leave turns
 * unanswered, builders that ask and never award or leave bids out. Bounded; forgotten with the
 * oldest account.
 */
import type { Params } from './params.ts'
import type { Address } from './schema.ts'

/** Of a builder's last jobs. Agents decline builders above a rate (`prover-agent/strategy.ts`). */
export type BuilderRecord = {
  readonly awards: number
  /** Requests with bids that were never awarded. */
  readonly unawarded: number
  /** Awards that left out a bid seen well before the close which would have won. */
  readonly omissions: number
}

type Turn = { readonly builder: Address; readonly answered: boolean; readonly at: number }

/** Most accounts remembered of each sort. */
const ACCOUNTS = 10_000

/** A map that forgets its oldest key when it is full. */
class Remembered<V> {
  readonly #map = new Map<Address, V>()
  get(key: Address): V | undefined {
    return this.#map.get(key)
  }
  set(key: Address, value: V): void {
    this.#map.delete(key)
    this.#map.set(key, value)
    if (this.#map.size > ACCOUNTS) this.#map.delete(this.#map.keys().next().value as Address)
  }
  get size(): number {
    return this.#map.size
  }
}

const NEW: BuilderRecord = { awards: 0, unawarded: 0, omissions: 0 }

export class Standing {
  readonly #params: Params
  readonly #turns = new Remembered<readonly Turn[]>()
  readonly #builders = new Remembered<BuilderRecord>()

  constructor(params: Params) {
    this.#params = params
  }

  /** A turn of `prover` ended: it accepted, or the builder went on to the next (rule S1). */
  recordTurn(prover: Address, builder: Address, answered: boolean, now: number): void {
    const turns = [...(this.#turns.get(prover) ?? []), { builder, answered, at: now }]
    this.#turns.set(prover, turns.slice(-this.#params.turnsRemembered))
  }

  /**
   * Whether a prover left turns unanswered for too many different builders among its last turns,
   * the last of them within the penalty (rule S2). Different builders, because one could lie.
   */
  isUnresponsive(prover: Address, now: number): boolean {
    const missed = (this.#turns.get(prover) ?? []).filter(({ answered }) => !answered)
    const builders = new Set(missed.map(({ builder }) => builder))
    const latest = missed.at(-1)?.at ?? Number.NEGATIVE_INFINITY
    const { unansweredBuilders, unansweredPenaltyMs } = this.#params
    return builders.size >= unansweredBuilders && now - latest < unansweredPenaltyMs
  }

  recordBuilder(builder: Address, what: keyof BuilderRecord): void {
    const record = this.builder(builder)
    this.#builders.set(builder, { ...record, [what]: record[what] + 1 })
  }

  builder(builder: Address): BuilderRecord {
    return this.#builders.get(builder) ?? NEW
  }

  get sizes(): { provers: number; builders: number } {
    return { provers: this.#turns.size, builders: this.#builders.size }
  }
}
