/**
 * How messages travel between actors. `FlatNetwork` is a market on one quiet line, for tests of the
 * rules; `GossipNetwork` (`gossip.ts`) is the full model.
 */
import type { Decision, Gossiped, Verdict } from '#protocol/effects'
import type { Address, Id } from '#protocol/schema'
import type { Random } from './random.ts'
import type { Simulator } from './simulator.ts'

/** What an actor does with a message: it goes on to others only once it was accepted. */
export type Listener = (from: Gossiped) => Verdict

export interface Network {
  /** Has `listener` hear what everybody else publishes. */
  join(account: Address, listener: Listener): void
  /** Gossips a message to everybody but its publisher. */
  publish(publisher: Address, from: Gossiped): void
  /** A message this actor held is decided. */
  decide(account: Address, id: Id, verdict: Decision): void
  /**
   * Carries so many bytes over a stream from one to the other: late, never lost. `false`: there is
   * no way now, and nothing was sent.
   */
  carry(from: Address, to: Address, bytes: number, run: () => void): boolean
}

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

/** Everybody one delay away from everybody. */
export class FlatNetwork implements Network {
  readonly #simulator: Simulator
  readonly #random: Random
  readonly #links: Links
  readonly #listeners = new Map<Address, Listener>()

  constructor(simulator: Simulator, random: Random, links: Links) {
    this.#simulator = simulator
    this.#random = random
    this.#links = links
  }

  join(account: Address, listener: Listener): void {
    this.#listeners.set(account, listener)
  }

  #delayMs(): number {
    return Math.round(this.#links.delayMs + this.#random.between(0, this.#links.jitterMs))
  }

  publish(publisher: Address, from: Gossiped): void {
    for (const [account, listener] of this.#listeners) {
      if (account === publisher || this.#random.chance(this.#links.loss)) continue
      const copies = this.#random.chance(this.#links.duplication) ? 2 : 1
      for (let copy = 0; copy < copies; copy++)
        this.#simulator.after(this.#delayMs(), () => listener(from))
    }
  }

  /** Nobody passes anything on here. */
  decide(): void {}

  carry(_from: Address, _to: Address, _bytes: number, run: () => void): boolean {
    this.#simulator.after(this.#delayMs(), run)
    return true
  }
}
