/** A simulated network of a few nodes, each with a listener that a test decides. */
import type { Gossiped, Verdict } from '#protocol/effects'
import type { Address } from '#protocol/schema'
import { defaultGossipCosts, GossipNetwork, type GossipOptions } from '#simulations/gossip'
import { defaultLinkOptions, Links } from '#simulations/links'
import { defaultMeshLimits } from '#simulations/mesh'
import { Random } from '#simulations/random'
import { drawRegion, type Place, regionNames } from '#simulations/regions'
import { Simulator } from '#simulations/simulator'
import { drawDials, graphOf } from '#simulations/topology'
import { Traffic } from '#simulations/traffic'
import { addressOf } from '#test/support/messages'

export type NetOptions = Partial<GossipOptions> & {
  readonly nodes?: number
  readonly dials?: readonly (readonly [number, number])[]
  readonly seed?: number
  /** Where the first nodes are; the others are drawn. */
  readonly regions?: readonly string[]
  /** What each node says of a message; all accept by default. */
  readonly judge?: (node: number, from: Gossiped) => Verdict
}

export const nodeName = (node: number): Address => addressOf(`node ${node}`)

export function gossipNet(options: NetOptions = {}) {
  const { nodes = 60, seed = 1, dials, regions = [], judge = () => 'accept' } = options
  const random = new Random(seed)
  const simulator = new Simulator()
  const places: Place[] = Array.from({ length: nodes }, (_, node) => {
    const named = regions[node]
    const region = named === undefined ? drawRegion(random) : regionNames.indexOf(named)
    return { region, nodeClass: 'cloud' }
  })
  const graph = graphOf(nodes, dials ?? drawDials(nodes, 10, random))
  const links = new Links(graph, places, random.fork(), defaultLinkOptions)
  const traffic = new Traffic(nodes, regionNames.length)
  const network = new GossipNetwork({
    ...{ simulator, random: random.fork(), graph, places, links, traffic },
    options: {
      ...{ mesh: defaultMeshLimits, floodsBids: true, holdMs: 300 },
      ...{ ...defaultGossipCosts, ...options },
    },
  })
  /** What each node heard, and when: ms since the start. */
  const heard: { node: number; from: Gossiped; at: number }[] = []
  for (let node = 0; node < nodes; node++) {
    network.place(nodeName(node), node)
    network.join(nodeName(node), (from) => {
      heard.push({ node, from, at: simulator.elapsedMs })
      return judge(node, from)
    })
  }
  network.settleMeshes()
  const run = (ms: number): void => simulator.runUntil(simulator.now + ms)
  const publish = (node: number, from: Gossiped, bytes?: number): void =>
    network.publish(nodeName(node), from, bytes)
  return { simulator, network, links, traffic, graph, heard, run, publish }
}
