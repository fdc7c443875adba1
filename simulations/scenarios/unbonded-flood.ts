/**
 * Bids by the thousand from accounts that have no bond: nothing keeps anybody from signing them.
 * Each node looks at the bond before it passes a bid on, so a flood ends at the peers of whoever
 * makes it.
 */
import type { MarketEvent } from '#protocol/effects'
import type { Id, ProofRequest } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import { atLeast, atMost } from '../lines.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario, Values } from '../scenario.ts'
import { accountOf, type Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'
import { Spread } from './spread.ts'

/** Without a bond it is either of these. */
const CODES = ['BOND_NOT_FREE', 'SIGNER_UNKNOWN'] as const

class Flood {
  readonly stage: Stage
  readonly spread: Spread
  /** Requests that bids were made up for: the second half of all. */
  readonly flooded = new Set<Id>()

  constructor(stage: Stage) {
    this.stage = stage
    this.spread = new Spread(stage, CODES)
  }

  hear(event: MarketEvent, flooder: Actor): void {
    const { stage } = this
    if (event.kind !== 'requested') return
    const half = Math.floor(stage.number('auctions') / 2)
    if (!this.flooded.has(event.requestId) && stage.tally.auctions.size <= half) return
    this.flooded.add(event.requestId)
    const count = stage.number('bidsEach')
    // All of them while they would still count.
    const everyMs = stage.number('bidWindowMs') / 2 / count
    for (let index = 0; index < count; index++)
      flooder.later(index * everyMs, () => this.#bid(event.requestId, event.request, flooder))
  }

  #bid(requestId: Id, request: ProofRequest, flooder: Actor): void {
    const { world, network } = this.stage
    const account = accountOf(`nobody ${this.spread.sent}`)
    const terms = { priceWei: 1n, readyAt: request.softDueAt }
    const bid = world.seals.seal(requestId, account, account, terms)
    this.spread.follow(bid.id, network.nodeOf(flooder.account))
    network.publish(flooder.account, bid)
  }
}

const floods = new WeakMap<Stage, Flood>()

function play(stage: Stage): void {
  const flood = new Flood(stage)
  floods.set(stage, flood)
  stage.cast()
  const hears = (event: MarketEvent, actor: Actor): void => flood.hear(event, actor)
  for (let index = 1; index <= stage.number('flooders'); index++)
    stage.addObserver(`flooder ${index}`, { isAdversary: true, observes: false, hears })
  stage.askInTurn()
}

function counted(auctions: readonly Auction[]): number {
  const sum = (of: (auction: Auction) => number): number =>
    auctions.reduce((total, auction) => total + of(auction), 0)
  const own = (auction: Auction): number =>
    [...auction.bidders].filter((prover) => auction.counted.has(prover)).length
  return (100 * sum(own)) / sum(({ bidders }) => bidders.size)
}

const flooded = ({ stage, flooded }: Flood): Auction[] =>
  stage.tally.all.filter(({ id }) => flooded.has(id))

function judge(stage: Stage): Finding[] {
  const flood = floods.get(stage)!
  const { heard, peers } = flood.spread
  return [
    atLeast('honest bids counted in the flood', counted(flooded(flood)), 98, '%'),
    atMost('nodes that hear a bid of it, for each peer of its sender', heard / peers, 1, '1'),
    atLeast('requests settled', 100 * stage.tally.outcomeShare('settled'), 100, '%'),
  ]
}

function measures(stage: Stage): Measure[] {
  const { spread, flooded } = floods.get(stage)!
  const calm = stage.tally.all.filter(({ id }) => !flooded.has(id))
  const one = (name: string, value: number): Measure => ({ name, unit: '1', value })
  return [
    one('bids of the flood', spread.sent),
    one('nodes that hear one', spread.heard / spread.sent),
    one('nodes that pass one on', spread.passedOn / spread.sent),
    { name: 'honest bids counted before it', unit: '%', value: counted(calm) },
  ]
}

/** Flooders come after everybody else; each dials every builder, as provers do. */
function dials(values: Values): [number, number][] {
  const [builders, provers, observers, flooders] = [
    ...['builders', 'provers', 'observers', 'flooders'].map((name) => Number(values[name])),
  ] as [number, number, number, number]
  const first = builders + provers + observers
  return Array.from({ length: builders * flooders }, (_, index) => [
    first + Math.floor(index / builders),
    index % builders,
  ])
}

export const unbondedFlood: Scenario = {
  name: 'unbonded-flood',
  title: 'thousands of bids from accounts without a bond',
  says:
    'In the second half of the auctions, nodes that are connected to every builder make up bids ' +
    'from accounts without a bond and send them to all their peers. Nobody may pass one on, and ' +
    'honest bids must be counted as before. Each bid costs the peers that hear it a signature ' +
    'check: enough of them at one builder (--set bidsEach=800) make honest bids late there.',
  settings: {
    auctions: { value: 8, says: 'requests, the second half of them flooded', least: 2 },
    flooders: { value: 5, says: 'nodes that make up bids', least: 1, most: 500 },
    bidsEach: { value: 200, says: 'bids each makes up for a request', least: 1, most: 10_000 },
  },
  quick: { nodes: 150, provers: 30, flooders: 3, bidsEach: 50 },
  broken: { set: { firstHop: false }, says: 'nodes pass bids on unchecked' },
  dials,
  play,
  judge,
  measures,
}
