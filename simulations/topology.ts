/**
 * Who is connected to whom: each node dials some others, and both sides use the connection. Edges
 * are directed and numbered, those that leave one node in a row, so that what belongs to an edge is
 * kept in arrays.
 */
import type { Random } from './random.ts'

export type Graph = {
  readonly nodes: number
  readonly edges: number
  /** The edges that leave node n are `starts[n]` to `starts[n + 1]`, without the last. */
  readonly starts: Int32Array
  readonly from: Int32Array
  readonly to: Int32Array
  /** The same connection seen from its other end. */
  readonly reverse: Int32Array
  /** 1 where the node the edge leaves has dialled. */
  readonly isDialled: Uint8Array
}

/** The graph of these connections: who dialled, and whom. Of two in one pair the first counts. */
export function graphOf(nodes: number, all: readonly (readonly [number, number])[]): Graph {
  const pairs = new Map<number, readonly [number, number]>()
  for (const dial of all) {
    const key = Math.min(...dial) * nodes + Math.max(...dial)
    if (dial[0] !== dial[1] && !pairs.has(key)) pairs.set(key, dial)
  }
  const dials = [...pairs.values()]
  const edges = 2 * dials.length
  const starts = new Int32Array(nodes + 1)
  for (const [dialler, listener] of dials) {
    starts[dialler + 1]! += 1
    starts[listener + 1]! += 1
  }
  for (let node = 0; node < nodes; node++) starts[node + 1]! += starts[node]!
  const next = starts.slice()
  const [from, to, reverse] = [1, 2, 3].map(() => new Int32Array(edges)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ]
  const isDialled = new Uint8Array(edges)
  for (const [dialler, listener] of dials) {
    const [out, back] = [next[dialler]!, next[listener]!]
    next[dialler] = out + 1
    next[listener] = back + 1
    from[out] = dialler
    to[out] = listener
    from[back] = listener
    to[back] = dialler
    reverse[out] = back
    reverse[back] = out
    isDialled[out] = 1
  }
  return { nodes, edges, starts, from, to, reverse, isDialled }
}

/**
 * Has each node dial this many others and no one twice; the whole is connected, because each first
 * dials one that came before it, in a drawn order.
 */
export function drawDials(nodes: number, each: number, random: Random): [number, number][] {
  const dials: [number, number][] = []
  const known = new Set<number>()
  const dial = (dialler: number, listener: number): void => {
    const key = Math.min(dialler, listener) * nodes + Math.max(dialler, listener)
    if (dialler === listener || known.has(key)) return
    known.add(key)
    dials.push([dialler, listener])
  }
  const all = Array.from({ length: nodes }, (_, node) => node)
  const order = random.sample(all, nodes)
  for (let place = 1; place < nodes; place++) dial(order[place]!, order[random.index(place)]!)
  for (let node = 0; node < nodes; node++)
    for (let more = 1; more < each; more++) dial(node, random.index(nodes))
  return dials
}
