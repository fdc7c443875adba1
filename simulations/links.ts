/**
 * What a way between two nodes costs: the sender's uplink, one byte after the other; the distance
 * with its jitter; a retransmission where a packet is lost. Nothing overtakes on one connection,
 * because TCP does not let it.
 */
import type { Random } from './random.ts'
import { classes, delayMs, JITTER_HOLDS_MS, jitterMs, oneWayMs, type Place } from './regions.ts'
import type { Graph } from './topology.ts'

export type LinkOptions = {
  /** Every distance and jitter is this many times as long. */
  readonly stretch: number
  /** Share of sendings that lose a packet, besides what the node's class loses. */
  readonly loss: number
}
export const defaultLinkOptions: LinkOptions = { stretch: 1, loss: 0 }

/** TCP sends again after at least this long. RFC 6298 says a second, Linux takes 200. ms. */
const RETRANSMIT_MS = 200
/** What noise, yamux, gossipsub's frame and TCP add to a message. Bytes. */
const FRAME_BYTES = 120

export class Links {
  readonly #random: Random
  readonly #options: LinkOptions
  readonly #places: readonly Place[]
  readonly #graph: Graph
  readonly #oneWay: Float64Array
  readonly #jitter: Float64Array
  readonly #loss: Float64Array
  readonly #uplink: Float64Array
  /** What each way takes now, without waiting, and since when. ms, ms since the start. */
  readonly #delay: Float64Array
  readonly #drawnAt: Float64Array
  /** When each node's uplink has sent all it was given. ms since the start. */
  readonly #uplinkFree: Float64Array
  /** When the last thing on each connection arrives. ms since the start. */
  readonly #last: Float64Array
  readonly sentBytes: Float64Array
  readonly isUp: Uint8Array
  /** Nodes of different sides do not reach each other. */
  readonly side: Uint8Array

  constructor(graph: Graph, places: readonly Place[], random: Random, options: LinkOptions) {
    this.#graph = graph
    this.#places = places
    this.#random = random
    this.#options = options
    const edges = Array.from({ length: graph.edges }, (_, edge) => edge)
    const place = (node: number): Place => places[node]!
    const ends = (edge: number) => [place(graph.from[edge]!), place(graph.to[edge]!)] as const
    this.#oneWay = Float64Array.from(edges, (edge) => options.stretch * oneWayMs(...ends(edge)))
    this.#jitter = Float64Array.from(edges, (edge) => options.stretch * jitterMs(...ends(edge)))
    this.#loss = Float64Array.from(edges, (edge) => {
      const [from, to] = ends(edge)
      return options.loss + classes[from.nodeClass].loss + classes[to.nodeClass].loss
    })
    this.#uplink = Float64Array.from(places, ({ nodeClass }) => classes[nodeClass].uplink)
    this.#delay = new Float64Array(graph.edges)
    this.#drawnAt = new Float64Array(graph.edges).fill(Number.NEGATIVE_INFINITY)
    this.#uplinkFree = new Float64Array(graph.nodes)
    this.#last = new Float64Array(graph.edges)
    this.sentBytes = new Float64Array(graph.nodes)
    this.isUp = new Uint8Array(graph.nodes).fill(1)
    this.side = new Uint8Array(graph.nodes)
  }

  /** The shortest time along an edge, without waiting. ms. */
  oneWay(edge: number): number {
    return this.#oneWay[edge]!
  }

  /** Whether the ends of an edge reach each other. */
  isOpen(edge: number): boolean {
    const [from, to] = [this.#graph.from[edge]!, this.#graph.to[edge]!]
    return this.#reaches(from, to)
  }

  #reaches(from: number, to: number): boolean {
    return this.isUp[from] === 1 && this.isUp[to] === 1 && this.side[from] === this.side[to]
  }

  /** Sends so many bytes along an edge; when they arrive. ms since the start, both. */
  send(edge: number, bytes: number, at: number): number {
    const node = this.#graph.from[edge]!
    const sentAt = this.#upload(node, bytes + FRAME_BYTES, at)
    if (at - this.#drawnAt[edge]! > JITTER_HOLDS_MS * this.#options.stretch) {
      this.#delay[edge] = delayMs(this.#oneWay[edge]!, this.#jitter[edge]!, this.#random)
      this.#drawnAt[edge] = at
    }
    let arrival = sentAt + this.#delay[edge]!
    if (this.#loss[edge]! > 0 && this.#random.chance(this.#loss[edge]!))
      arrival += Math.max(RETRANSMIT_MS, 2 * this.#oneWay[edge]!)
    // Nothing overtakes what was sent before it.
    arrival = Math.max(arrival, this.#last[edge]!)
    this.#last[edge] = arrival
    return arrival
  }

  /** Sends over a connection of its own, as a prover's to its builder; `null`: there is no way. */
  sendDirectly(from: number, to: number, bytes: number, at: number): number | null {
    if (!this.#reaches(from, to)) return null
    const [here, there] = [this.#places[from]!, this.#places[to]!]
    const { stretch } = this.#options
    const [oneWay, jitter] = [oneWayMs(here, there), jitterMs(here, there)]
    const sentAt = this.#upload(from, bytes + FRAME_BYTES, at)
    return sentAt + delayMs(stretch * oneWay, stretch * jitter, this.#random)
  }

  #upload(node: number, bytes: number, at: number): number {
    const begins = Math.max(at, this.#uplinkFree[node]!)
    const ends = begins + bytes / this.#uplink[node]!
    this.#uplinkFree[node] = ends
    this.sentBytes[node]! += bytes
    return ends
  }
}
