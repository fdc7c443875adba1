/**
 * gossipsub's meshes: of the peers a node is connected to, the few it sends whole messages to, for
 * each topic. Kept as gossipsub keeps them at its heartbeats (specification v1.1): below `least` it
 * grafts up to `degree`, above `most` it prunes down to it, and it keeps `outbound` peers that it
 * dialled itself, so that strangers who dial in cannot surround it.
 */
import type { Random } from './random.ts'
import type { Graph } from './topology.ts'

/** `node/gossip.ts` has the reasons. */
export type MeshLimits = {
  readonly degree: number
  readonly least: number
  readonly most: number
  readonly outbound: number
}
export const defaultMeshLimits: MeshLimits = { degree: 8, least: 6, most: 12, outbound: 3 }

/** Whom a node has pruned it does not graft again for this long, nor lets graft. ms. */
const BACKOFF_MS = 60_000

export class Mesh {
  readonly #graph: Graph
  readonly #random: Random
  readonly #limits: MeshLimits
  /** For topic t and node n at `t * nodes + n`: edges that leave n. */
  readonly #peers: number[][]
  /** Until when an edge may not be grafted, by `topic * edges + edge`. ms since the start. */
  readonly #backoffs = new Map<number, number>()
  /** Whether there is a way along this edge, and its far end is well thought of. */
  readonly #isUsable: (edge: number) => boolean

  constructor(
    graph: Graph,
    topics: number,
    random: Random,
    limits: MeshLimits,
    isUsable: (edge: number) => boolean,
  ) {
    this.#graph = graph
    this.#random = random
    this.#limits = limits
    this.#isUsable = isUsable
    this.#peers = Array.from({ length: topics * graph.nodes }, () => [])
  }

  /** Edges from a node to its mesh peers of a topic. */
  peers(topic: number, node: number): readonly number[] {
    return this.#peers[topic * this.#graph.nodes + node]!
  }

  /** Edges from a node to usable peers that are not in its mesh, in a drawn order. */
  others(topic: number, node: number): number[] {
    const mesh = this.peers(topic, node)
    const found: number[] = []
    const { starts } = this.#graph
    for (let edge = starts[node]!; edge < starts[node + 1]!; edge++)
      if (!mesh.includes(edge) && this.#isUsable(edge)) found.push(edge)
    return this.#random.sample(found, found.length)
  }

  /** Upkeep of one node's mesh. `now`: ms since the start. */
  heartbeat(topic: number, node: number, now: number): void {
    const { degree, least, most, outbound } = this.#limits
    const mesh = this.#peers[topic * this.#graph.nodes + node]!
    // What is gone may come back at once; only a prune keeps it away.
    for (const edge of [...mesh]) if (!this.#isUsable(edge)) this.#part(topic, edge, 0)
    if (mesh.length < least) this.#graftSome(topic, node, degree - mesh.length, now, () => true)
    if (mesh.length > most) this.#pruneSome(topic, node, now)
    const dialled = this.#dialled(mesh)
    if (mesh.length >= least && dialled < outbound) {
      const isDialled = (edge: number): boolean => this.#graph.isDialled[edge] === 1
      this.#graftSome(topic, node, outbound - dialled, now, isDialled)
    }
  }

  /** Whether the node's mesh is as its heartbeat would leave it. */
  isFine(topic: number, node: number): boolean {
    const { least, most, outbound } = this.#limits
    const mesh = this.peers(topic, node)
    if (mesh.length < least || mesh.length > most) return false
    return this.#dialled(mesh) >= outbound && mesh.every(this.#isUsable)
  }

  #dialled(mesh: readonly number[]): number {
    let count = 0
    for (const edge of mesh) count += this.#graph.isDialled[edge]!
    return count
  }

  #graftSome(
    topic: number,
    node: number,
    count: number,
    now: number,
    isWanted: (edge: number) => boolean,
  ): void {
    let left = count
    for (const edge of this.others(topic, node)) {
      if (left === 0) return
      if (!isWanted(edge) || now < (this.#backoffs.get(this.#key(topic, edge)) ?? 0)) continue
      if (this.graft(topic, edge, now)) left -= 1
    }
  }

  /**
   * One end asks the other to be in its mesh; a full one takes only those it dialled itself.
   * Whether it did.
   */
  graft(topic: number, edge: number, now: number): boolean {
    const { from, to, reverse, isDialled, nodes } = this.#graph
    const back = reverse[edge]!
    const theirs = this.#peers[topic * nodes + to[edge]!]!
    if (theirs.includes(back) || !this.#isUsable(back)) return false
    const isFull = theirs.length >= this.#limits.most && isDialled[back] === 0
    if (isFull || now < (this.#backoffs.get(this.#key(topic, back)) ?? 0)) {
      this.#backoffs.set(this.#key(topic, edge), now + BACKOFF_MS)
      return false
    }
    theirs.push(back)
    this.#peers[topic * nodes + from[edge]!]!.push(edge)
    return true
  }

  /** Down to the degree, keeping enough that the node dialled itself. */
  #pruneSome(topic: number, node: number, now: number): void {
    const { degree, outbound } = this.#limits
    const mesh = this.peers(topic, node)
    const drawn = this.#random.sample(mesh, mesh.length)
    const dialled = drawn.filter((edge) => this.#graph.isDialled[edge] === 1).slice(0, outbound)
    const kept = new Set([...dialled, ...drawn].slice(0, degree + dialled.length))
    const stay = [...kept].slice(0, degree)
    for (const edge of drawn) if (!stay.includes(edge)) this.#part(topic, edge, now + BACKOFF_MS)
  }

  /** @param until No graft before then, from either end. ms since the start. */
  #part(topic: number, edge: number, until: number): void {
    const { from, to, reverse, nodes } = this.#graph
    const back = reverse[edge]!
    for (const [node, own] of [
      [from[edge]!, edge],
      [to[edge]!, back],
    ] as const) {
      const mesh = this.#peers[topic * nodes + node]!
      const index = mesh.indexOf(own)
      if (index >= 0) mesh.splice(index, 1)
      if (until > 0) this.#backoffs.set(this.#key(topic, own), until)
    }
  }

  #key(topic: number, edge: number): number {
    return topic * this.#graph.edges + edge
  }

  /** Forgets all backoffs that are over. */
  forget(now: number): void {
    for (const [key, until] of this.#backoffs) if (until <= now) this.#backoffs.delete(key)
  }
}
