/** A builder that leaves out the bids that are better than its friend's. */
import { compareBids, type OpenedBid } from '#protocol/auction'
import type { Effect } from '#protocol/effects'
import type { Id } from '#protocol/schema'
import { defaultPolicy } from '#prover-agent/strategy'
import type { Actor } from '../actor.ts'
import { atLeast, atMost } from '../lines.ts'
import { gainOf } from '../outcome.ts'
import { least } from '../purses.ts'
import type { Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import { ETHER, type Member, type Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'
import { addBidder, percentOf, seat } from './seats.ts'

/** What the builder did in one of its auctions. */
type Withheld = {
  /** How many better bids it left out. */
  readonly count: number
  /** Of those, the best: who would have won, at which price. wei. */
  readonly best: OpenedBid
}

class Ploy {
  readonly stage: Stage
  readonly withheld = new Map<Id, Withheld>()
  /** Said by observers: of whom, in which auction, how often. */
  readonly omissions = new Map<Id, number>()
  friend: Member | null = null
  builder: Member | null = null

  constructor(stage: Stage) {
    this.stage = stage
  }

  /** Its own bids it looks at when all are there, and tells its market of some only. */
  deviates(): (effect: Effect, actor: Actor) => boolean {
    const random = this.stage.random.fork()
    const pending = new Set<Id>()
    return (effect, actor) => {
      if (effect.kind !== 'open' || effect.secret !== null) return false
      const { requestId } = effect
      if (pending.has(requestId)) return true
      pending.add(requestId)
      const isHonest = !random.chance(this.stage.number('withheldPercent') / 100)
      const { closesAt } = actor.market.job(requestId)!.request.message
      actor.later(closesAt - actor.now + 1, () => this.#open(requestId, actor, isHonest))
      return true
    }
  }

  #open(requestId: Id, actor: Actor, isHonest: boolean): void {
    const job = actor.market.job(requestId)!
    const all = [...job.bids.values()].flatMap((bid) => {
      const opening = this.stage.world.seals.open(bid)
      return opening ? [{ bid, opening }] : []
    })
    const friends = all.find(({ bid }) => bid.message.prover === this.friend?.actor.account)
    const better = all
      .filter((each) => friends && compareBids(job.request.message, each, friends) < 0)
      .sort((a, b) => compareBids(job.request.message, a, b))
    const left = new Set(isHonest ? [] : better)
    if (left.size > 0) this.withheld.set(requestId, { count: left.size, best: better[0]! })
    const openings = all.map((each) => ({
      bidId: each.bid.id,
      opening: left.has(each) ? null : each.opening,
    }))
    actor.feed({ kind: 'opened', requestId, openings })
  }

  /** The builder's auctions in their order. */
  get own(): Auction[] {
    const account = this.builder!.actor.account
    return this.stage.tally.all.filter(({ request }) => request.builder === account)
  }

  /** Those that its friend won though others had bid better. */
  get stolen(): Auction[] {
    const account = this.friend!.actor.account
    return this.own.filter(({ id, winner }) => winner === account && this.withheld.has(id))
  }

  /** Of its requests, those that came when agents knew enough of it to decline them. */
  get known(): Auction[] {
    const { own, stolen } = this
    return own.filter((_, index) => {
      const unfair = stolen.filter((auction) => own.indexOf(auction) < index).length
      const isEnough = index >= defaultPolicy.leastBuilderJobs
      return isEnough && unfair * 100 > defaultPolicy.maxUnfairPercent * index
    })
  }

  /** Bids of honest provers for each of those. */
  get bidsOnceKnown(): number {
    const { known } = this
    const account = this.friend!.actor.account
    const bids = known.map(({ bidders }) => bidders.size - (bidders.has(account) ? 1 : 0))
    return bids.reduce((sum, count) => sum + count, 0) / known.length
  }
}

const ploys = new WeakMap<Stage, Ploy>()

function play(stage: Stage): void {
  const ploy = new Ploy(stage)
  ploys.set(stage, ploy)
  const premium = stage.number('friendPercent')
  const builders = seat(
    stage,
    {
      builders: [
        () => {
          const options = { isAdversary: true, deviates: ploy.deviates() }
          ploy.builder = stage.addBuilder('withholder 1', options)
          return ploy.builder
        },
      ],
      provers: [
        () => {
          ploy.friend = addBidder(
            stage,
            'friend 1',
            (quote, { builder, reserveWei }) => {
              if (builder !== ploy.builder?.actor.account) return null
              const priceWei = least(percentOf(quote.priceWei, premium), reserveWei)
              return { ...quote, priceWei }
            },
            { rig: { lanes: stage.number('friendLanes'), fastestMs: stage.number('provingMs') } },
          )
          return ploy.friend
        },
      ],
    },
    {
      prover: {
        policy: {
          maxUnfairPercent: stage.number('maxUnfairPercent'),
          leastBuilderJobs: stage.number('leastBuilderJobs'),
        },
      },
      observer: {
        hears: (event) => {
          if (event.kind !== 'omission') return
          const { requestId } = event
          ploy.omissions.set(requestId, (ploy.omissions.get(requestId) ?? 0) + 1)
        },
      },
    },
  )
  stage.askInTurn({}, 1_000, builders)
}

/** Of the observers' looks at these auctions, how many found bids left out. Percent. */
function foundPercent(stage: Stage, { omissions }: Ploy, auctions: readonly Auction[]): number {
  const found = auctions.reduce((sum, { id }) => sum + (omissions.get(id) ?? 0), 0)
  return (100 * found) / (auctions.length * stage.number('observers'))
}

const etherOf = (wei: bigint): number => Number(wei) / Number(ETHER)

/** What provers would have earned that were passed over, at their price and their cost. wei. */
function lostWei(stage: Stage, { stolen, withheld }: Ploy): bigint {
  const rigs = new Map(stage.members.map(({ actor, rig }) => [actor.account, rig]))
  return stolen.reduce((sum, { id, request }) => {
    const { bid, opening } = withheld.get(id)!.best
    return sum + opening.priceWei - (rigs.get(bid.message.prover)?.costWei(request) ?? 0n)
  }, 0n)
}

/** What the builder paid more than the best bid that it left out. wei. */
const overpaidWei = ({ stolen, withheld }: Ploy): bigint =>
  stolen.reduce(
    (sum, { id, priceWei }) => sum + priceWei - withheld.get(id)!.best.opening.priceWei,
    0n,
  )

export const bidWithholding: Scenario = {
  name: 'bid-withholding',
  title: 'a builder leaves out all bids that are better than its friend’s',
  says:
    'The builder opens only the bids that are no better than its friend’s, so that nothing under ' +
    'its root shows the others. Everybody opens all bids after the award: agents count those seen ' +
    '150 ms before the close that were left out, and bid no more for a builder above a rate.',
  settings: {
    builders: {
      value: 4,
      says: 'builders among them, the first of them unfair',
      least: 2,
      most: 500,
    },
    nodes: { value: 500, says: 'nodes in the network', least: 8, most: 100_000 },
    provers: { value: 50, says: 'provers among them, one its friend', least: 2, most: 5_000 },
    auctions: { value: 160, says: 'requests in all', least: 1, most: 100_000 },
    withheldPercent: {
      value: 100,
      says: 'requests for which it leaves bids out, percent',
      least: 0,
      most: 100,
    },
    friendPercent: {
      value: 150,
      says: 'what its friend asks, of what it would ask of others, percent',
      least: 1,
      most: 10_000,
    },
    friendLanes: { value: 8, says: 'proofs its friend makes at once', least: 1, most: 64 },
    maxUnfairPercent: {
      value: defaultPolicy.maxUnfairPercent,
      says: 'share of a builder’s jobs with bids left out that agents bear, percent',
      least: 0,
      most: 100,
    },
    leastBuilderJobs: {
      value: defaultPolicy.leastBuilderJobs,
      says: 'jobs of a builder that agents must know before they judge it',
      least: 1,
      most: 10_000,
    },
  },
  broken: {
    set: { maxUnfairPercent: 100 },
    says: 'agents bear whatever a builder does, and it goes on as long as it likes',
  },
  quick: { nodes: 110, provers: 12, builders: 2, auctions: 40 },
  play,
  judge: (stage) => {
    const ploy = ploys.get(stage)!
    const { own, stolen } = ploy
    const { leastBuilderJobs, maxUnfairPercent } = defaultPolicy
    const mostStolen = leastBuilderJobs + Math.ceil((own.length * maxUnfairPercent) / 100)
    const fair = stage.tally.all.filter((auction) => !own.includes(auction))
    return [
      atMost(
        `auctions that its friend took from better bids, of ${own.length},`,
        stolen.length === 0 ? Number.NaN : stolen.length,
        mostStolen,
        '1',
      ),
      atLeast('such auctions that each observer found', foundPercent(stage, ploy, stolen), 90, '%'),
      atMost('honest builders’ auctions called unfair', foundPercent(stage, ploy, fair), 0, '%'),
      atMost(
        'honest bids for each of its requests while agents know it as unfair',
        ploy.bidsOnceKnown,
        1,
        '1',
      ),
    ]
  },
  measures: (stage): Measure[] => {
    const ploy = ploys.get(stage)!
    const ether = (name: string, value: number): Measure => ({ name, unit: 'ether', value })
    return [
      { name: 'auctions taken from better bids', unit: '1', value: ploy.stolen.length },
      ether('gain of the friend', gainOf(stage, ploy.friend!)),
      ether('overpaid by the builder for it', etherOf(overpaidWei(ploy))),
      ether('honest provers’ profit lost by it', etherOf(lostWei(stage, ploy))),
    ]
  },
}
