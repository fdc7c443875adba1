/**
 * What both worlds play: who is where, who is connected to whom, and which auctions are held when.
 * All of it follows from the seed. Times are those of the modelled network; the real stack lives
 * `stretch` times slower, so that the time this machine's CPU takes hardly counts.
 */
import { Random } from '#simulations/random'
import {
  delayMs,
  drawRegion,
  JITTER_HOLDS_MS,
  jitterMs,
  oneWayMs,
  type Place,
} from '#simulations/regions'
import { drawDials } from '#simulations/topology'

/**
 * An auction: one node asks, and some others bid, the first of them as soon as it hears it, each of
 * the rest a little later than the one before.
 */
export type Round = {
  readonly builder: number
  readonly bidders: readonly number[]
}

export type Plan = {
  readonly seed: number
  readonly places: readonly Place[]
  /** Who dialled, and whom. */
  readonly dials: readonly (readonly [number, number])[]
  readonly rounds: readonly Round[]
  /** How much slower than the modelled network the real stack's is. */
  readonly stretch: number
  /**
   * Nodes join one after the other, each with its connections to those before it, so that every
   * mesh sees a heartbeat in between: how a mesh came about decides how large it is. Real ms.
   */
  readonly joinMs: number
  /** After the last one joined: heartbeats until nothing changes any more. Real ms. */
  readonly warmUpMs: number
}

export type PlanOptions = {
  readonly seed: number
  readonly nodes: number
  readonly rounds: number
  /** Null: as much as the connections stand, and no more than `ENOUGH`. */
  readonly stretch: number | null
}

/** Others each node dials: about twice as many connections, of which a mesh keeps 6 to 12. */
const DIALS = 10
const BIDDERS = 4
/**
 * A bid is everywhere within this. All at once would wait for this machine's two cores; only the
 * first is so early that it overtakes the request here and there, and is held. ms.
 */
const BID_GAP_MS = 150

/** At it, this machine's share in the latencies is a percent or two. */
const ENOUGH = 6
/**
 * libp2p pings its connections, which takes three round trips, and closes those that take longer
 * than 5 s (`libp2p`'s connection monitor). The rest is for jitter and a busy machine. ms.
 */
const LONGEST_PING_MS = 3_600

/** The most that the plan's longest connection stands. */
export function mostStretch({ places, dials }: Pick<Plan, 'places' | 'dials'>): number {
  const roundTripsMs = dials.map(([dialler, listener]) => {
    const [here, there] = [places[dialler]!, places[listener]!]
    return oneWayMs(here, there) + oneWayMs(there, here)
  })
  return Math.floor((10 * LONGEST_PING_MS) / (3 * Math.max(...roundTripsMs))) / 10
}

/** Draws a plan. There are at least two nodes. @throws when `stretch` is more than it stands. */
export function makePlan({ seed, nodes, rounds, stretch }: PlanOptions): Plan {
  const random = new Random(seed)
  const [placing, dialling, playing] = [random.fork(), random.fork(), random.fork()]
  const everybody = Array.from({ length: nodes }, (_, node) => node)
  const places = everybody.map((): Place => ({ region: drawRegion(placing), nodeClass: 'cloud' }))
  const dials = drawDials(nodes, Math.min(DIALS, nodes - 1), dialling)
  const most = mostStretch({ places, dials })
  if (stretch !== null && stretch > most)
    throw new RangeError(`A stretch of ${stretch} breaks connections; this plan takes ${most}.`)
  return {
    seed,
    places,
    dials,
    rounds: Array.from({ length: rounds }, () => {
      const [builder, ...bidders] = playing.sample(everybody, BIDDERS + 1)
      return { builder: builder!, bidders }
    }),
    stretch: stretch ?? Math.min(ENOUGH, most),
    joinMs: JOIN_MS,
    warmUpMs: WARM_UP_MS,
  }
}

/**
 * Not a whole second, for that is a heartbeat: nodes' heartbeats and pings must not all come at
 * once. ms.
 */
const JOIN_MS = 1_030
const WARM_UP_MS = 8_000

/**
 * From the start of one auction to that of the next. A request and the bids after it are everywhere
 * within the first part; in the second, gossipsub's heartbeats, which keep their own time, tell of
 * them for the last time. Real ms.
 */
export const roundMs = ({ stretch }: Plan): number => QUIET_AFTER_MS * stretch + HEARTBEATS_MS
const QUIET_AFTER_MS = 1_200 + (BIDDERS - 1) * BID_GAP_MS
const HEARTBEATS_MS = 3_000

/** How long a bidder thinks before it bids; null for who does not bid. Real ms. */
export function thinkMs({ rounds, stretch }: Plan, round: number, node: number): number | null {
  const place = rounds[round]?.bidders.indexOf(node) ?? -1
  return place < 0 ? null : place * BID_GAP_MS * stretch
}

/** How long a way keeps the delay that was drawn for it. Real ms. */
export const jitterHoldsMs = ({ stretch }: Plan): number => JITTER_HOLDS_MS * stretch

/** How long one sending from one node to the other takes in the real stack. Real ms. */
export function drawDelayMs(plan: Plan, from: number, to: number, random: Random): number {
  const [start, end] = [plan.places[from]!, plan.places[to]!]
  return plan.stretch * delayMs(oneWayMs(start, end), jitterMs(start, end), random)
}

/** The mean of those, of the modelled network. ms. */
export function meanOneWayMs({ places }: Plan, from: number, to: number): number {
  const [start, end] = [places[from]!, places[to]!]
  // Nine in ten of an exponential with mean 1 are below ln 10.
  return oneWayMs(start, end) + jitterMs(start, end) / Math.LN10
}

/** How long it all takes, without starting. Real ms. */
export const runMs = (plan: Plan): number =>
  plan.places.length * plan.joinMs + plan.warmUpMs + plan.rounds.length * roundMs(plan)

/** Each node's neighbours in the plan. */
export function neighbours({ places, dials }: Plan): Set<number>[] {
  const found = places.map(() => new Set<number>())
  for (const [dialler, listener] of dials) {
    found[dialler]!.add(listener)
    found[listener]!.add(dialler)
  }
  return found
}
