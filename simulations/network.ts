/**
 * How messages travel: one-way delays with jitter, loss and duplicates. A mesh comes with the full
 * model.
 */
import type { Gossiped } from '#protocol/effects'
import type { Address } from '#protocol/schema'
import type { Random } from './random.ts'
import type { Simulator } from './simulator.ts'

export type Links = {
  /** One-way delay, and how much more there may be of it. ms. */
  readonly delayMs: number
  readonly jitterMs: number
  /** Share of gossiped messages that never arrive, and that arrive twice. */
  readonly loss: number
  readonly duplication: number
}
/** A quiet continent. */
export const calmLinks: Links = { delayMs: 20, jitterMs: 20, loss: 0, duplication: 0 }

export class Network {
  readonly #simulator: Simulator
  readonly #random: Random
  readonly #links: Links
  readonly #listeners = new Map<Address, (from: Gossiped) => void>()

  constructor(simulator: Simulator, random: Random, links: Links) {
    this.#simulator = simulator
    this.#random = random
    this.#links = links
  }

  /** Has `listener` hear what everybody else publishes. */
  join(account: Address, listener: (from: Gossiped) => void): void {
    this.#listeners.set(account, listener)
  }

  #delayMs(): number {
    return Math.round(this.#links.delayMs + this.#random.between(0, this.#links.jitterMs))
  }

  /** Gossips a message to everybody but its publisher, each over its own way. */
  publish(publisher: Address, from: Gossiped): void {
    for (const [account, listener] of this.#listeners) {
      if (account === publisher || this.#random.chance(this.#links.loss)) continue
      const copies = this.#random.chance(this.#links.duplication) ? 2 : 1
      for (let copy = 0; copy < copies; copy++)
        this.#simulator.after(this.#delayMs(), () => listener(from))
    }
  }

  /** Carries something over a stream: late, never lost. */
  carry(run: () => void): void {
    this.#simulator.after(this.#delayMs(), run)
  }
}
