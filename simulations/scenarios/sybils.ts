/** Many nodes of one owner around a victim: they dial it, and want to be all its mesh peers. */
import type { Gossiped } from '#protocol/effects'
import { gossipKinds } from '#protocol/envelope'
import type { Settings, Values } from '../scenario.ts'
import { START_AT } from '../simulator.ts'
import type { Stage } from '../stage.ts'

/** When the victim goes and comes back: long enough for its peers to notice. ms since the start. */
const LEAVES_AT = 500
const RETURNS_AT = 3_000
/** When the first request may be made. ms since the start. */
export const SURROUNDED_AT = 4_500
/** They try again at each heartbeat. ms. */
const EVERY_MS = 1_000

export const sybilSettings: Settings = {
  sybils: { value: 50, says: 'nodes that dial the victim, of all', least: 12, most: 10_000 },
  dialledSybils: {
    value: 2,
    says: 'sybils that the victim dialled itself, at most; with as many as Dout it is lost',
    least: 0,
    most: 64,
  },
  everyMs: {
    value: 1_130,
    says: 'time between two requests, ms: no multiple of a heartbeat',
    least: 1,
    most: 1e7,
  },
}

/** The sybils have the last nodes. */
const firstSybil = (values: Values): number => Number(values.nodes) - Number(values.sybils)

/** They are the last nodes, but for those that the victim has dialled beyond so many. */
function sybilsOf({ graph, values }: Stage, victim: number): ReadonlySet<number> {
  const first = firstSybil(values)
  const sybils = new Set(Array.from({ length: graph.nodes - first }, (_, index) => first + index))
  let left = Number(values.dialledSybils)
  for (let edge = graph.starts[victim]!; edge < graph.starts[victim + 1]!; edge++) {
    const node = graph.to[edge]!
    if (graph.isDialled[edge] === 1 && sybils.has(node) && left-- <= 0) sybils.delete(node)
  }
  return sybils
}

/** Each dials the victim. */
export const sybilDials = (values: Values, victim: number): [number, number][] =>
  Array.from({ length: Number(values.sybils) }, (_, index) => [firstSybil(values) + index, victim])

/**
 * The victim restarts; its sybils are the first to graft to it, and graft again whenever it pruned
 * them.
 * @param withholds What they do not pass on.
 * @param foremost The one of them that goes first.
 */
export function surround(
  stage: Stage,
  victim: number,
  withholds: (from: Gossiped) => boolean,
  foremost?: number,
): void {
  const { network, graph, simulator } = stage
  const sybils = sybilsOf(stage, victim)
  network.drops = (node, from) => sybils.has(node) && withholds(from)
  const edges: number[] = []
  for (let edge = graph.starts[victim]!; edge < graph.starts[victim + 1]!; edge++)
    if (sybils.has(graph.to[edge]!)) edges.push(graph.reverse[edge]!)
  const front = edges.filter((edge) => graph.from[edge] === foremost)
  const random = stage.random.fork()
  const graft = (): void => {
    for (let topic = 0; topic < gossipKinds.length; topic++)
      for (const edge of [...front, ...random.sample(edges, edges.length)])
        network.mesh.graft(topic, edge, simulator.elapsedMs)
  }
  stage.at(LEAVES_AT, () => stage.leave(victim))
  stage.at(RETURNS_AT, () => {
    // Before it looks for peers itself.
    stage.links.isUp[victim] = 1
    graft()
    stage.comeBack(victim)
  })
  const again = (): void => {
    graft()
    if (simulator.now < START_AT + stage.busyUntilMs) simulator.after(EVERY_MS, again)
  }
  stage.at(RETURNS_AT + EVERY_MS, again)
}

/** Percent of a node's mesh peers that are sybils, of one topic. */
export function sybilPercent(stage: Stage, node: number, topic: number): number {
  const peers = stage.network.mesh.peers(topic, node)
  const sybils = sybilsOf(stage, node)
  const count = peers.filter((edge) => sybils.has(stage.graph.to[edge]!)).length
  return (100 * count) / peers.length
}
