/** A builder that awards its friend's bid under a root with better ones in it. */
import { bidTree, rank } from '#protocol/auction'
import type { Effect } from '#protocol/effects'
import { openedBids } from '#protocol/job'
import { type Address, ZERO_ADDRESS } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import { atLeast, atMost } from '../lines.ts'
import { gainOf } from '../outcome.ts'
import { least } from '../purses.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import { ETHER, GWEI, type Member, type Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'
import { addBidder, honestBondsLost, honestStakesLost, percentOf, seat } from './seats.ts'

type Publish = Extract<Effect, { kind: 'publish' }>
type AwardDraft = Extract<Publish['draft'], { kind: 'Award' }>

const STAKE_WEI = 200n * ETHER
const etherOf = (wei: bigint): number => Number(wei) / Number(ETHER)

class Favour {
  readonly stage: Stage
  builder: Member | null = null
  friend: Member | null = null
  /** Nonces of awards that passed over better bids, and whose bid was the best. */
  readonly offences = new Map<bigint, Address>()

  constructor(stage: Stage) {
    this.stage = stage
  }

  deviates(effect: Effect, actor: Actor): boolean {
    if (effect.kind !== 'publish' || effect.draft.kind !== 'Award') return false
    const draft = this.#favour(effect.draft, actor)
    if (!draft) return false
    actor.perform({ kind: 'publish', draft })
    return true
  }

  /** The award that names its friend instead, and its own plan to start the friend first. */
  #favour({ message }: AwardDraft, actor: Actor): AwardDraft | null {
    const job = actor.market.job(message.requestId)!
    const request = job.request.message
    const ranked = rank(request, openedBids(job))
    const friends = ranked.find(({ bid }) => bid.message.prover === this.friend!.actor.account)
    const auction = actor.market.auctioneer.auctions.get(message.requestId)
    if (!friends || !auction?.candidates || friends === ranked[0]) return null
    const { bid, opening } = friends
    const { priceWei, readyAt } = opening
    const { prover } = bid.message
    const path = bidTree(ranked).path(bid.id)!
    const others = auction.candidates.filter((each) => each.prover !== prover)
    const backups = others.slice(0, request.backups)
    auction.candidates = [{ prover, priceWei, readyAt, path }, ...backups]
    this.offences.set(request.nonce, ranked[0]!.bid.message.prover)
    const named = (index: number): Address => backups[index]?.prover ?? ZERO_ADDRESS
    return {
      kind: 'Award',
      bid,
      opening,
      message: {
        ...{ ...message, bidId: bid.id, prover, priceWei, readyAt },
        backups: [named(0), named(1), named(2)],
      },
    }
  }

  /** Nonces whose offence was proven on chain. */
  get reported(): number {
    const { offences } = this.stage.chain
    return [...this.offences.keys()].filter((nonce) => offences.includes(`misaward ${nonce}`))
      .length
  }

  get takenWei(): bigint {
    return STAKE_WEI - this.stage.chain.balance(this.builder!.actor.account).stakeWei
  }

  /** What both have by now, beside what honest builders would have for as many proofs. Ether. */
  get gainEther(): number {
    const { stage, builder, friend } = this
    const isOwn = ({ request }: Auction): boolean => request.builder === builder!.actor.account
    const own = stage.tally.all.filter(isOwn)
    const others = stage.tally.all.filter((auction) => !isOwn(auction))
    const worth = (proofsIn(own) * paidEther(others)) / proofsIn(others)
    return gainOf(stage, builder!) + gainOf(stage, friend!) + worth
  }
}

const paidEther = (auctions: readonly Auction[]): number =>
  auctions.reduce((sum, { paidWei }) => {
    for (const wei of paidWei.values()) sum += etherOf(wei)
    return sum
  }, 0)
const proofsIn = (auctions: readonly Auction[]): number =>
  auctions.filter(({ deliveredAt }) => deliveredAt !== null).length

const plays = new WeakMap<Stage, Favour>()

function play(stage: Stage): void {
  const favour = new Favour(stage)
  plays.set(stage, favour)
  const isSilent = !stage.flag('reports')
  const honest = (effect: Effect): boolean => isSilent && effect.kind === 'reportMisaward'
  const addBuilder = (): Member => {
    favour.builder = stage.addBuilder('misawarder 1', {
      isAdversary: true,
      stakeWei: STAKE_WEI,
      deviates: (effect, actor) => favour.deviates(effect, actor),
    })
    return favour.builder
  }
  const addFriend = (): Member => {
    const premium = stage.number('friendPercent')
    favour.friend = addBidder(
      stage,
      'friend 1',
      (quote, { builder, reserveWei }) => {
        if (builder !== favour.builder?.actor.account) return null
        return { ...quote, priceWei: least(percentOf(quote.priceWei, premium), reserveWei) }
      },
      {
        rig: { lanes: stage.number('friendLanes'), fastestMs: stage.number('provingMs') },
        deviates: (effect) => effect.kind === 'reportMisaward',
      },
    )
    return favour.friend
  }
  const builders = seat(
    stage,
    { builders: [addBuilder], provers: [addFriend] },
    {
      builder: { deviates: honest, stakeWei: STAKE_WEI },
      prover: { deviates: honest },
      observer: { deviates: honest },
    },
  )
  stage.askInTurn({}, 1_000, builders)
}

/** What those who were passed over have beside their pay: half of each penalty. wei. */
function amendsWei(stage: Stage, { offences }: Favour): bigint {
  const paidWei = new Map<Address, bigint>()
  for (const auction of stage.tally.all)
    for (const [prover, wei] of auction.paidWei)
      paidWei.set(prover, (paidWei.get(prover) ?? 0n) + wei)
  return [...new Set(offences.values())].reduce(
    (sum, prover) => sum + stage.chain.balance(prover).creditWei - (paidWei.get(prover) ?? 0n),
    0n,
  )
}

/** No number where nothing is due. */
const percent = (wei: bigint, dueWei: bigint): number =>
  dueWei === 0n ? Number.NaN : Number((wei * 100n) / dueWei)

function judge(stage: Stage): Finding[] {
  const favour = plays.get(stage)!
  const { offences, reported, takenWei } = favour
  const dueWei = BigInt(offences.size) * BigInt(stage.number('reserveGwei')) * GWEI
  return [
    atLeast('offences proven on chain', (100 * reported) / offences.size, 100, '%'),
    atLeast('stake taken, of the reserves', percent(takenWei, dueWei), 100, '%'),
    atLeast(
      'penalties’ half that those passed over got',
      percent(2n * amendsWei(stage, favour), dueWei),
      100,
      '%',
    ),
    atMost('gain of builder and friend', favour.gainEther, 0, 'ether'),
    atMost('honest builders that lost stake', honestStakesLost(stage, STAKE_WEI), 0, '1'),
    atMost('honest provers that lost bond', honestBondsLost(stage), 0, '1'),
  ]
}

export const misawardingBuilder: Scenario = {
  name: 'misawarding-builder',
  title: 'a builder awards its friend’s dearer bid under a root with better ones in it',
  says:
    'The builder opens all bids, signs their root, and awards its friend, whom it starts. Whoever ' +
    'has seen the same bids finds a better leaf under the root and sends it to the chain: the ' +
    'stake pays the reserve, half to the prover that was passed over.',
  settings: {
    nodes: { value: 500, says: 'nodes in the network', least: 8, most: 100_000 },
    provers: { value: 50, says: 'provers among them, one its friend', least: 2, most: 5_000 },
    builders: { value: 4, says: 'builders among them, the first unfair', least: 2, most: 500 },
    auctions: { value: 80, says: 'requests in all', least: 1, most: 100_000 },
    friendPercent: {
      value: 150,
      says: 'what its friend asks, of what it would ask of others, percent',
      least: 1,
      most: 10_000,
    },
    friendLanes: { value: 8, says: 'proofs its friend makes at once', least: 1, most: 64 },
    reports: { value: true, says: 'whether nodes report awards that passed over a better bid' },
  },
  broken: { set: { reports: false }, says: 'nobody sends the evidence to the chain' },
  quick: { nodes: 150, provers: 15, builders: 2, auctions: 16 },
  play,
  judge,
  measures: (stage): Measure[] => {
    const favour = plays.get(stage)!
    const { offences, takenWei, gainEther, friend } = favour
    return [
      { name: 'offences', unit: '1', value: offences.size },
      { name: 'stake taken', unit: 'ether', value: etherOf(takenWei) },
      {
        name: 'paid to those passed over',
        unit: 'ether',
        value: etherOf(amendsWei(stage, favour)),
      },
      { name: 'gain of the friend', unit: 'ether', value: gainOf(stage, friend!) },
      { name: 'gain of builder and friend', unit: 'ether', value: gainEther },
    ]
  },
}
