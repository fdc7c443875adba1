/**
 * Whether a promise means something: provers with the same machines promise their fastest time,
 * their median, nine in ten or their slowest. All ask for the same score, so that who promises
 * less time asks a higher price, and loses κ times the lateness of what comes after its promise.
 */
import type { Quote } from '#protocol/bidder'
import { scoreWei } from '#protocol/money'
import type { ProofRequest } from '#protocol/schema'
import { defaultPolicy } from '#prover-agent/strategy'
import { atMost } from '../lines.ts'
import type { Random } from '../random.ts'
import { oneWayMs } from '../regions.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario, Settings } from '../scenario.ts'
import { GWEI, type Member, type Stage } from '../stage.ts'
import { addBidder, seat } from './seats.ts'

/**
 * Which of its measured times a prover promises, with about what the rest takes here on top of it.
 * `production` promises p90 with production's own allowances for the rest.
 */
const promises = ['fastest', 'p50', 'p90', 'slowest', 'production'] as const
type Promised = (typeof promises)[number]
const overpromises: readonly Promised[] = ['fastest', 'p50']

/** Twenty times, equally likely: an exponential with mean 1 at 1/40, 3/40 … 39/40. */
const SPREADS = [
  ...[0.025, 0.078, 0.134, 0.192, 0.255, 0.322, 0.393, 0.47, 0.553, 0.644],
  ...[0.744, 0.856, 0.981, 1.124, 1.291, 1.492, 1.743, 2.079, 2.59, 3.689],
]

/** All who promise in one way meet the same times, in an order that is drawn: luck evens out. */
class Deck {
  readonly #random: Random
  #left: number[] = []

  constructor(random: Random) {
    this.#random = random
  }

  draw(): number {
    if (this.#left.length === 0) this.#left = this.#random.sample(SPREADS, SPREADS.length)
    return this.#left.pop()!
  }
}

type Promiser = { readonly promised: Promised; readonly member: Member }
const promisers = new WeakMap<Stage, Promiser[]>()

/** By how much it promises an earlier time than its p90; a later one where below zero. ms. */
function earlierMs(stage: Stage, { promised, member }: Promiser, request: ProofRequest): number {
  const { startAllowanceMs, deliveryAllowanceMs } = defaultPolicy
  if (promised === 'production')
    return stage.number('allowanceMs') - startAllowanceMs - deliveryAllowanceMs
  const { p50Ms, p90Ms, maxMs } = member.rig!.timingOf(request.work)
  const { fastestMs } = member.rig!.traits
  const times = { fastest: fastestMs, p50: p50Ms, p90: p90Ms, slowest: maxMs }
  return p90Ms - times[promised]
}

/** All nodes by their distance from the one in the middle: only promises shall differ. */
function nearNodes({ places }: Stage): number[] {
  const nodes = places.map((_, node) => node)
  const waysMs = (node: number): number =>
    places.reduce((sum, place) => sum + oneWayMs(places[node]!, place), 0)
  const sums = nodes.map(waysMs)
  const middle = places[sums.indexOf(Math.min(...sums))]!
  return nodes.toSorted((a, b) => oneWayMs(places[a]!, middle) - oneWayMs(places[b]!, middle))
}

type Seat = { readonly promised: Promised; readonly name: string; readonly node: number }

function addPromiser(stage: Stage, { promised, name, node }: Seat, deck: Deck): Member {
  const random = stage.random.fork()
  const [fastestMs, spreadMs] = [stage.number('provingMs'), stage.number('spreadMs')]
  /** The score of production's quote, by another promise; a little above it, to take turns. */
  const change = (quote: Quote, request: ProofRequest): Quote | null => {
    const readyAt = quote.readyAt - earlierMs(stage, { promised, member }, request)
    const parts = BigInt(Math.floor(random.between(0, stage.number('noisePercent') * 1_000)))
    const score = scoreWei(request, quote.priceWei, quote.readyAt)
    const wantedWei = score + (score * parts) / 100_000n
    const priceWei = wantedWei - scoreWei(request, 0n, readyAt)
    return priceWei > 0n ? { priceWei, readyAt } : null
  }
  const member = addBidder(stage, name, change, {
    ...{ isAdversary: overpromises.includes(promised), node },
    rig: { fastestMs, spreadMs },
    policy: {
      costWeiPerMs: 100n * GWEI,
      startAllowanceMs: stage.number('allowanceMs'),
      deliveryAllowanceMs: 0,
    },
    provingMs: () => {
      const tookMs = Math.ceil(fastestMs + spreadMs * deck.draw())
      member.rig!.busyMs += tookMs
      return tookMs
    },
    // Nobody learns: all ask for the same, all the time.
    deviates: (effect) => effect.kind === 'announce' && effect.event.kind === 'awarded',
  })
  return member
}

function play(stage: Stage): void {
  const all: Promiser[] = []
  promisers.set(stage, all)
  const nodes = nearNodes(stage)
  const decks = promises.map(() => new Deck(stage.random.fork()))
  const provers = Array.from({ length: stage.number('provers') }, (_, index) => () => {
    const way = index % promises.length
    const promised = promises[way]!
    const role = overpromises.includes(promised) ? 'overpromiser' : 'prover'
    const name = `${role} (${promised}) ${Math.floor(index / promises.length) + 1}`
    const member = addPromiser(stage, { promised, name, node: nodes[index + 1]! }, decks[way]!)
    all.push({ promised, member })
    return member
  })
  const builder = seat(stage, {
    builders: [() => stage.addBuilder('builder 1', { node: nodes[0]! })],
    provers,
  })[0]!
  const latenessWeiPerMs = BigInt(stage.number('latenessGwei')) * GWEI
  for (let index = 0; index < stage.number('auctions'); index++)
    stage.at(1_000 + index * stage.number('everyMs'), () => {
      const closesAt = builder.actor.now + stage.number('bidWindowMs')
      stage.ask(builder, { latenessWeiPerMs, softDueAt: closesAt + stage.number('softMs') })
    })
}

type Row = {
  readonly promised: Promised
  readonly jobs: number
  /** What a job earned on average, above what its proof cost. Gwei. */
  readonly jobGwei: number
  /** The same for each auction there was, and each prover of the sort. Gwei. */
  readonly auctionGwei: number
  /** Jobs that were paid less than was bid. Percent. */
  readonly latePercent: number
}

function rowOf(stage: Stage, promised: Promised): Row {
  const { all } = stage.tally
  const own = promisers.get(stage)!.filter((each) => each.promised === promised)
  const rigs = new Map(own.map(({ member }) => [member.actor.account, member.rig!]))
  let [jobs, late, wei] = [0, 0, 0n]
  for (const { request, winner, priceWei, paidWei } of all)
    for (const [prover, paid] of paidWei) {
      const rig = rigs.get(prover)
      if (!rig) continue
      jobs += 1
      wei += paid - rig.costWei(request)
      if (winner === prover && paid < priceWei) late += 1
    }
  const gwei = Number(wei / GWEI)
  return {
    ...{ promised, jobs, jobGwei: gwei / jobs, latePercent: (100 * late) / jobs },
    auctionGwei: gwei / all.length / own.length,
  }
}

function judge(stage: Stage): Finding[] {
  const p90 = rowOf(stage, 'p90')
  return promises
    .filter((promised) => promised !== 'p90' && promised !== 'production')
    .map((promised) => {
      const share = (100 * rowOf(stage, promised).jobGwei) / p90.jobGwei
      return atMost(`a job of who promises ${promised} earns, of one of p90`, share, 100, '%')
    })
}

const measures = (stage: Stage): Measure[] =>
  promises.flatMap((promised) => {
    const { jobs, jobGwei, auctionGwei, latePercent } = rowOf(stage, promised)
    const rows: Measure[] = [
      { name: `${promised}: jobs`, unit: '1', value: jobs },
      { name: `${promised}: earned by a job`, unit: 'gwei', value: jobGwei },
      { name: `${promised}: earned by an auction, each prover`, unit: 'gwei', value: auctionGwei },
      { name: `${promised}: jobs later than promised`, unit: '%', value: latePercent },
    ]
    return jobs > 0 ? rows : []
  })

const settings: Settings = {
  nodes: { value: 100, says: 'nodes in the network', least: 8, most: 100_000 },
  provers: {
    value: 15,
    says: 'provers among them, of each way of promising as many',
    least: 5,
    most: 5_000,
  },
  builders: { value: 1, says: 'builders: one, in the middle', least: 1, most: 1 },
  auctions: { value: 1_000, says: 'requests in all', least: 1, most: 100_000 },
  everyMs: { value: 8_000, says: 'time between two requests, ms', least: 1, most: 1e7 },
  provingMs: { value: 2_000, says: 'fastest proof of every rig, ms', least: 1, most: 60_000 },
  spreadMs: {
    value: 1_000,
    says: 'how much longer the mean proof takes, ms',
    least: 1,
    most: 60_000,
  },
  allowanceMs: {
    value: 150,
    says: 'what all but production allow for what is not proving, ms',
    least: 0,
    most: 10_000,
  },
  dueMs: { value: 15_000, says: 'from the close to the due time, ms', least: 1_000, most: 60_000 },
  softMs: {
    value: 500,
    says: 'from the close until lateness begins to cost, ms',
    least: 0,
    most: 60_000,
  },
  latenessGwei: { value: 50, says: 'what a ms of lateness costs, gwei', least: 0, most: 1e9 },
  noisePercent: {
    value: 10,
    says: 'bids are up to this much above the least, percent',
    least: 0,
    most: 100,
  },
  backups: { value: 0, says: 'backups a request asks for', least: 0, most: 3 },
}

export const kappa: Scenario = {
  name: 'kappa',
  title: 'promises that are kept against promises that are not, on the same machines',
  says:
    'Provers promise their fastest time, their median, nine in ten or their slowest, for the same ' +
    'score: who promises less time asks a higher price. Promising more than is kept must not pay.',
  settings,
  quick: { nodes: 12, connections: 3, provers: 5, auctions: 220, observers: 0 },
  broken: { set: { kappa: 1 }, says: 'lateness costs no more than an earlier promise is worth' },
  play,
  judge,
  measures,
}
