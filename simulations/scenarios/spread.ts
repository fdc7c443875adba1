/** How far messages get that nobody should pass on. */
import type { Id } from '#protocol/schema'
import type { Stage } from '../stage.ts'

export class Spread {
  readonly #stage: Stage
  readonly #codes: readonly string[]
  /** By message: which nodes passed it on. */
  readonly #passed = new Map<Id, Uint8Array>()
  /** Messages that are followed. */
  sent = 0
  /** Nodes that passed one on, of each message once. */
  passedOn = 0
  /** Peers of their senders, of each message once. */
  peers = 0

  /**
   * @param stage Whose network has nobody else looking at what is passed on (`drops`).
   * @param codes What these messages are refused as, and no honest message is.
   */
  constructor(stage: Stage, codes: readonly string[]) {
    this.#stage = stage
    this.#codes = codes
    stage.network.drops = (node, { id }) => {
      const nodes = this.#passed.get(id)
      if (nodes?.[node] === 0) {
        nodes[node] = 1
        this.passedOn += 1
      }
      return false
    }
  }

  /** Follows a message that is about to leave its sender's node. */
  follow(id: Id, node: number): void {
    const { graph, places } = this.#stage
    // The sender offers it too, and is none of those that it reached.
    this.#passed.set(id, new Uint8Array(places.length).fill(1, node, node + 1))
    this.sent += 1
    this.peers += graph.starts[node + 1]! - graph.starts[node]!
  }

  /** Nodes that heard one, of each message once: they refused it or passed it on. */
  get heard(): number {
    const { refused } = this.#stage.traffic
    return this.#codes.reduce((sum, code) => sum + (refused.get(code) ?? 0), this.passedOn)
  }
}
