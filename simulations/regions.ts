/**
 * Where nodes are and what their links are like: round trips between 33 data centres over a year,
 * where nodes of such networks stand, and three classes of nodes (`simulations/README.md` names the
 * sources).
 */

import type { Random } from './random.ts'
import measured from './region-rtt.json' with { type: 'json' }

export type NodeClass = 'cloud' | 'home' | 'laggy'
/** Where a node is. */
export type Place = {
  /** Its index in `regionNames`. */
  readonly region: number
  readonly nodeClass: NodeClass
}

export const regionNames: readonly string[] = measured.regions

type ClassTraits = {
  /** What its own line adds to a way in each direction. ms. */
  readonly extraMs: number
  /** Bytes a ms. */
  readonly uplink: number
  /** Share of sendings that lose a packet, and arrive a retransmission later. */
  readonly loss: number
}
/** Cloud: 1 Gbit. Home: 50 Mbit up. Laggy: a bad line. */
export const classes: Readonly<Record<NodeClass, ClassTraits>> = {
  cloud: { extraMs: 0, uplink: 125_000, loss: 0 },
  home: { extraMs: 20, uplink: 6_250, loss: 0.001 },
  laggy: { extraMs: 300, uplink: 1_250, loss: 0.05 },
}

/**
 * Share of nodes by part of the world, and the regions that stand for it. Weights of libp2p's test
 * plans.
 */
const parts: readonly { readonly weight: number; readonly regions: readonly string[] }[] = [
  {
    weight: 49.4,
    regions: ['eu-central-1', 'eu-west-1', 'eu-west-2', 'eu-west-3', 'eu-north-1', 'eu-south-1'],
  },
  { weight: 25.6, regions: ['us-east-1', 'us-east-2', 'ca-central-1'] },
  { weight: 10.9, regions: ['us-west-1', 'us-west-2', 'ca-west-1'] },
  {
    weight: 9.4,
    regions: ['ap-northeast-1', 'ap-northeast-2', 'ap-east-1', 'ap-southeast-1', 'ap-south-1'],
  },
  { weight: 2.6, regions: ['ap-southeast-2', 'ap-southeast-4'] },
  { weight: 1.4, regions: ['me-central-1', 'me-south-1', 'il-central-1'] },
  { weight: 0.4, regions: ['af-south-1'] },
  { weight: 0.3, regions: ['sa-east-1'] },
]

const totalWeight = parts.reduce((sum, { weight }) => sum + weight, 0)

/** A region by its number of nodes. */
export function drawRegion(random: Random): number {
  let left = random.between(0, totalWeight)
  const part = parts.find(({ weight }) => {
    left -= weight
    return left < 0
  })
  return regionNames.indexOf(random.pick((part ?? parts[0]!).regions))
}

/** Time from one node to another without any waiting: half of the median round trip. ms. */
export function oneWayMs(from: Place, to: Place): number {
  const halfMs = measured.p50[from.region]![to.region]! / 2
  return halfMs + classes[from.nodeClass].extraMs + classes[to.nodeClass].extraMs
}

/** How much longer one way in ten takes: half of what p90 is above the median round trip. ms. */
export function jitterMs(from: Place, to: Place): number {
  const [p50, p90] = [measured.p50, measured.p90].map((rows) => rows[from.region]![to.region]!)
  return Math.max(0, (p90! - p50!) / 2)
}

/** 90 % of an exponential with mean 1 is below this. */
const P90_OF_EXPONENTIAL = 2.3

/**
 * A way keeps its jitter for so long: what was measured over a year is queues and routes that
 * change, not packets of one burst that overtake one another. ms.
 */
export const JITTER_HOLDS_MS = 1_000

/** One way of a message: the least it takes and what the network adds, its p90 `jitter`. ms. */
export const delayMs = (oneWay: number, jitter: number, random: Random): number =>
  oneWay + (jitter * random.exponential()) / P90_OF_EXPONENTIAL
