/**
 * Whether prices stay near costs: against provers that agree on a price, and against provers that
 * only learn. Production publishes an auction's secret in its award, so that everybody opens every
 * bid; `openings` off hides the prices of whatever somebody else won.
 */
import type { Quote } from '#protocol/bidder'
import type { Effect } from '#protocol/effects'
import type { Address, Hex, Id, ProofRequest } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import { atMost } from '../lines.ts'
import { gainOf } from '../outcome.ts'
import type { Measure } from '../result.ts'
import type { Scenario, Settings } from '../scenario.ts'
import { GWEI, type Member, type Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'
import { type Learn, Learner, within } from './learner.ts'
import { addBidder, percentOf, seat } from './seats.ts'
import { addWash } from './wash.ts'

/**
 * Three markets side by side, with provers of their own. In the first two some have agreed on a
 * price; the independent ones of the second only watch at first.
 */
const markets = ['ring', 'late', 'learners'] as const
type Market = (typeof markets)[number]
/** Whose turn it is to be asked: learners need more auctions than the others. */
const turns: readonly Market[] = ['ring', 'learners', 'late', 'learners']

const programOf = (market: Market): Hex => `0x${`${markets.indexOf(market) + 1}`.padStart(64, '0')}`

/** Learns from the awards of one market in place of production's own learning. */
const learnsBy =
  (market: Market, learn: Learn) =>
  (effect: Effect, actor: Actor): boolean => {
    if (effect.kind !== 'announce' || effect.event.kind !== 'awarded') return false
    const request = actor.market.job(effect.event.requestId)?.request.message
    if (request?.programId === programOf(market)) learn(effect.event, request, actor)
    return true
  }

/** Those that have agreed. They tell each other what they win, whatever awards show. */
class Ring {
  readonly #members = new Set<Address>()
  readonly #climbs: boolean
  readonly #seen = new Set<Id>()
  #priceWei: bigint

  constructor(stage: Stage) {
    this.#climbs = stage.values.ring === 'climbing'
    const agreedWei = BigInt(stage.number('ringGwei')) * GWEI
    // One that climbs begins low.
    this.#priceWei = this.#climbs ? agreedWei / 4n : agreedWei
  }

  join(prover: Address): void {
    this.#members.add(prover)
  }

  readonly bid = (quote: Quote, request: ProofRequest): Quote => ({
    ...quote,
    priceWei: within(this.#priceWei, quote.priceWei, request.reserveWei),
  })

  readonly learn: Learn = ({ requestId, prover }) => {
    if (!this.#climbs || this.#seen.has(requestId)) return
    this.#seen.add(requestId)
    this.#priceWei = percentOf(this.#priceWei, this.#members.has(prover) ? 105 : 95)
  }
}

type Part = 'ring' | 'independent' | 'learner'
type Player = { readonly market: Market; readonly part: Part; readonly member: Member }
type Scene = { readonly players: Player[]; readonly washed: Set<Id> }
const scenes = new WeakMap<Stage, Scene>()

/** Auctions of a market so far, without false ones. */
const auctionsOf = (stage: Stage, market: Market): Auction[] =>
  stage.tally.all.filter(
    ({ id, request }) =>
      request.programId === programOf(market) && !scenes.get(stage)!.washed.has(id),
  )

/** After how many auctions of theirs those of the second market begin to bid. */
const lateFrom = (stage: Stage): number => {
  const own = turns.filter((turn) => turn === 'late').length / turns.length
  return Math.floor((stage.number('auctions') * own * stage.number('latePercent')) / 100)
}

type Bid = (quote: Quote, request: ProofRequest) => Quote | null

/** Adds a prover that bids in its market only. */
function addPlayer(
  stage: Stage,
  { market, part }: Omit<Player, 'member'>,
  name: string,
  bid: Bid,
  learn: Learn,
): Member {
  const change: Bid = (quote, request) =>
    request.programId === programOf(market) ? bid(quote, request) : null
  const member = addBidder(stage, name, change, {
    isAdversary: part === 'ring',
    deviates: learnsBy(market, learn),
  })
  scenes.get(stage)!.players.push({ market, part, member })
  return member
}

/** Bids by production's strategy; learns from all awards, or from its own. */
function addIndependent(stage: Stage, market: Market, name: string): Member {
  const isThere = (): boolean =>
    market === 'ring' || auctionsOf(stage, market).length > lateFrom(stage)
  const percent = 100 - stage.number('undercutPercent')
  const learn: Learn = ({ prover, priceWei, readyAt }, request, actor) => {
    if (!stage.flag('openings') && prover !== actor.account) return
    member.rig!.prices.learn(request, { priceWei: percentOf(priceWei, percent), readyAt })
  }
  const bid: Bid = (quote) => (isThere() ? quote : null)
  const member = addPlayer(stage, { market, part: 'independent' }, name, bid, learn)
  return member
}

/** The provers of the first two markets. */
function withRing(stage: Stage, market: Market, count: number): (() => Member)[] {
  const ring = new Ring(stage)
  const inRing = Math.round((count * stage.number('ringPercent')) / 100)
  return Array.from({ length: count }, (_, index) => () => {
    if (index >= inRing)
      return addIndependent(stage, market, `independent ${index + 1 - inRing} (${market})`)
    const name = `ring member ${index + 1} (${market})`
    const member = addPlayer(stage, { market, part: 'ring' }, name, ring.bid, ring.learn)
    ring.join(member.actor.account)
    return member
  })
}

function play(stage: Stage): void {
  const washed = new Set<Id>()
  scenes.set(stage, { players: [], washed })
  const learners = Math.min(stage.number('learners'), stage.number('provers'))
  const traits = {
    raisePercent: stage.number('raisePercent'),
    cutPercent: stage.number('cutPercent'),
    seesOpenings: stage.flag('openings'),
  }
  const rest = stage.number('provers') - learners
  const provers = [
    ...withRing(stage, 'ring', Math.ceil(rest / 2)),
    ...withRing(stage, 'late', Math.floor(rest / 2)),
    ...Array.from({ length: learners }, (_, index) => () => {
      const { bid, learn } = new Learner(traits)
      const place = { market: 'learners', part: 'learner' } as const
      return addPlayer(stage, place, `learner ${index + 1}`, bid, learn)
    }),
  ]
  const builders = seat(stage, { provers })
  const washes = stage.number('washes')
  const wash = washes > 0 ? addWash(stage) : null
  for (let index = 0; index < stage.number('auctions'); index++) {
    const programId = programOf(turns[index % turns.length]!)
    const builder = builders[index % builders.length]!
    const atMs = 1_000 + index * stage.number('everyMs')
    stage.at(atMs, () => stage.ask(builder, { programId }))
    if (!wash || index >= washes) continue
    // Between two others.
    stage.at(atMs + stage.number('everyMs') / 2, () => washed.add(wash.ask(programOf('ring'))))
  }
}

/**
 * Clearing prices of a market over what a proof costs on the second cheapest of its rigs outside
 * of the ring: with two who do not agree, that is about where undercutting ends.
 */
function prices(stage: Stage, market: Market): number[] {
  const own = scenes.get(stage)!.players.filter((player) => player.market === market)
  const outside = own.filter(({ part }) => part !== 'ring')
  const rigs = outside.length > 1 ? outside : own
  return auctionsOf(stage, market).flatMap(({ request, winner, priceWei }) => {
    const costs = rigs
      .map(({ member }) => Number(member.rig!.costWei(request) / GWEI))
      .toSorted((a, b) => a - b)
    const cost = costs[1]
    return winner === null || cost === undefined ? [] : [Number(priceWei / GWEI) / cost]
  })
}

const mean = (values: readonly number[]): number =>
  values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length

const lastThird = (values: readonly number[]): number[] =>
  values.slice(Math.floor((values.length * 2) / 3))

/** What one of them has gained, on average. Ether. */
function gainOfOne(stage: Stage, market: Market, part: Part): number {
  const some = scenes
    .get(stage)!
    .players.filter((each) => each.market === market && each.part === part)
  return mean(some.map(({ member }) => gainOf(stage, member)))
}

const MOST = 1.5

function judge(stage: Stage) {
  const ring = gainOfOne(stage, 'ring', 'ring')
  const outside = gainOfOne(stage, 'ring', 'independent')
  const share = (100 * ring) / outside
  return [
    atMost(
      'learners: price over cost, last third',
      mean(lastThird(prices(stage, 'learners'))),
      MOST,
      '1',
    ),
    atMost('ring: price over cost', mean(prices(stage, 'ring')), MOST, '1'),
    atMost('ring: what one of it earns, of what an independent one earns', share, 50, '%'),
  ]
}

function measures(stage: Stage): Measure[] {
  const late = prices(stage, 'late')
  const [before, after] = [late.slice(0, lateFrom(stage)), late.slice(lateFrom(stage))]
  const held = after.filter((price) => price > MOST).length / after.length
  const learners = prices(stage, 'learners')
  const third = learners.slice(0, Math.ceil(learners.length / 3))
  const rows: [string, string, number][] = [
    ['learners: price over cost, first third', '1', mean(third)],
    ['learners: price over cost, last third', '1', mean(lastThird(learners))],
    ['ring: price over cost', '1', mean(prices(stage, 'ring'))],
    ['ring: price over cost, last third', '1', mean(lastThird(prices(stage, 'ring')))],
    ['ring: gain of one of it', 'ether', gainOfOne(stage, 'ring', 'ring')],
    ['ring: gain of an independent one', 'ether', gainOfOne(stage, 'ring', 'independent')],
    ['late: price over cost, ring alone', '1', mean(before)],
    ['late: price over cost, last third', '1', mean(lastThird(after))],
    [`late: auctions above ${MOST} with independents`, '%', 100 * held],
    ['late: gain of one of the ring', 'ether', gainOfOne(stage, 'late', 'ring')],
    ['late: gain of an independent one', 'ether', gainOfOne(stage, 'late', 'independent')],
  ]
  return rows.flatMap(([name, unit, value]) => (Number.isNaN(value) ? [] : [{ name, unit, value }]))
}

const settings: Settings = {
  nodes: { value: 40, says: 'nodes in the network', least: 8, most: 100_000 },
  provers: { value: 19, says: 'provers among them', least: 0, most: 5_000 },
  connections: { value: 6, says: 'peers each node dials', least: 1, most: 200 },
  auctions: {
    value: 600,
    says: 'requests in all: half of them for learners',
    least: 1,
    most: 100_000,
  },
  everyMs: { value: 2_000, says: 'time between two requests, ms', least: 1, most: 1e7 },
  provingMs: { value: 1_000, says: 'fastest proof of the median rig, ms', least: 1, most: 60_000 },
  learners: { value: 3, says: 'provers that learn by themselves', least: 0, most: 5_000 },
  ringPercent: {
    value: 60,
    says: 'of the other provers, those that agree on a price',
    least: 0,
    most: 100,
  },
  ring: {
    value: 'fixed',
    says: 'whether the ring names a price, or climbs while it wins',
    choices: ['fixed', 'climbing'],
  },
  ringGwei: { value: 300_000, says: 'what the ring asks, gwei', least: 1, most: 1e12 },
  latePercent: {
    value: 30,
    says: 'of the auctions of the second market, those with the ring alone',
    least: 0,
    most: 100,
  },
  openings: { value: true, says: 'whether awards show everybody what was bid' },
  undercutPercent: {
    value: 0,
    says: 'by how much independents bid below what awards taught them, percent',
    least: 0,
    most: 100,
  },
  washes: {
    value: 0,
    says: 'false auctions of the first market, awarded at the reserve and never started',
    least: 0,
    most: 100_000,
  },
  raisePercent: {
    value: 10,
    says: 'how much more a learner asks after it won, percent',
    least: 0,
    most: 100,
  },
  cutPercent: { value: 1, says: 'how much less after it lost, percent', least: 0, most: 100 },
}

export const priceRing: Scenario = {
  name: 'price-ring',
  title: 'provers that agree on a price, and provers that learn what they can ask',
  says:
    'Some provers hold a price up together, beside others that bid by production’s strategy from ' +
    'the start, or that come once all awards they have seen are the ring’s. In a market of their ' +
    'own, learners ask more after each win. Prices must stay near what proofs cost.',
  settings,
  quick: { nodes: 24, provers: 13, connections: 4, auctions: 100, observers: 0 },
  broken: {
    set: { openings: false },
    says: 'learners see only what they won, and ask more with each win',
  },
  play,
  judge,
  measures,
}
