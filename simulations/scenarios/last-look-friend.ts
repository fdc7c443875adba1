/**
 * A builder that opens bids as they come and whispers them to a friend, who bids last and just
 * below the best. Measures what that is worth, and whether honest provers can answer it by bidding
 * late. Every other auction is one of control: in those the friend bids like everybody else.
 */
import type { Effect, MarketEvent } from '#protocol/effects'
import { scoreWei } from '#protocol/money'
import type { Address, Id } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import { atMost } from '../lines.ts'
import { oneWayMs } from '../regions.ts'
import type { Measure } from '../result.ts'
import type { RigTraits } from '../rig.ts'
import type { Scenario, Settings } from '../scenario.ts'
import { GWEI, type Member, type Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'
import { addBidder, percentOf } from './seats.ts'
import { Whisper } from './whisper.ts'

const keyOf = (of: { readonly requestId: Id; readonly prover: Address }): string =>
  `${of.requestId}/${of.prover}`

/** What one run is about, and what was seen in it. */
class Scene {
  readonly stage: Stage
  readonly whisper: Whisper
  /** When bids came, by request and prover. By the builder's clock, ms after the close. */
  readonly cameMs = new Map<string, number>()
  /** How many observers had not seen an award's bid when it came. */
  readonly unseen = new Map<Id, number>()
  /** Bids of honest provers, whether they went out or not. */
  honestBids = 0

  constructor(stage: Stage) {
    this.stage = stage
    this.whisper = new Whisper(stage, {
      lineMs: stage.number('lineMs'),
      leadMs: stage.number('leadMs'),
      takesLate: stage.flag('takesLate'),
      price: (best, { request, priceWei, readyAt }) => {
        const { message } = request
        // Told of nobody, it bids as it would have.
        if (!best) return priceWei
        const bestWei = scoreWei(message, best.priceWei, best.readyAt)
        const belowWei = bestWei - scoreWei(message, 0n, readyAt) - 1n
        const least = 100 + stage.number('friendGainPercent')
        const leastWei = percentOf(this.whisper.accomplice.rig!.costWei(message), least)
        return belowWei < leastWei ? null : belowWei
      },
    })
  }

  addBuilder(): Member {
    return this.stage.addBuilder('builder that whispers', {
      isAdversary: true,
      deviates: this.whisper.opens,
      hears: (event, actor) => {
        if (event.kind !== 'bid-seen') return
        const { closesAt } = this.stage.tally.auctions.get(event.requestId)!.request
        this.cameMs.set(keyOf(event), actor.now - closesAt)
      },
    })
  }

  /** Its rig is a little dearer than the cheapest, so that it wins nothing by the rules. */
  addFriend(builder: Member): Member {
    const { stage } = this
    const rigs = stage.members.flatMap(({ rig }) => (rig ? [rig.traits] : []))
    const dear = ({ policy, fastestMs }: RigTraits): bigint =>
      policy.costWeiPerMs * BigInt(fastestMs)
    const { fastestMs, spreadMs, policy } = rigs.toSorted((a, b) =>
      dear(a) < dear(b) ? -1 : 1,
    )[0]!
    const costWeiPerMs = percentOf(policy.costWeiPerMs, stage.number('friendCostPercent'))
    const friend = addBidder(stage, 'friend', (quote) => quote, {
      ...{ rig: { fastestMs, spreadMs }, policy: { costWeiPerMs } },
      clockOffsetMs: stage.network.clockOffsets[builder.node]!,
      deviates: this.whisper.bids,
    })
    this.whisper.meet(builder, friend)
    return friend
  }

  /** An observer, who notes which awards are of bids it had not seen. */
  addObserver(name: string): void {
    const seen = new Set<string>()
    const hears = (event: MarketEvent): void => {
      if (event.kind === 'bid-seen') seen.add(keyOf(event))
      if (event.kind !== 'awarded') return
      const before = this.unseen.get(event.requestId) ?? 0
      this.unseen.set(event.requestId, before + (seen.has(keyOf(event)) ? 0 : 1))
    }
    this.stage.addObserver(name, { hears })
  }

  /** An honest prover holds its bid back until it just arrives so long before the close. */
  readonly bidsLate = (effect: Effect, actor: Actor): boolean => {
    if (effect.kind !== 'bid') return false
    this.honestBids += 1
    const { stage } = this
    const lateMs = stage.number('bidLateMs')
    if (lateMs === 0) return false
    const [from, to] = [stage.network.nodeOf(actor.account), this.whisper.builder.node]
    const wayMs = oneWayMs(stage.places[from]!, stage.places[to]!)
    const waitMs = effect.request.message.closesAt - lateMs - wayMs - actor.now
    if (waitMs <= 0) return false
    actor.later(waitMs, () => actor.perform(effect))
    return true
  }
}
const scenes = new WeakMap<Stage, Scene>()

function play(stage: Stage): void {
  const scene = new Scene(stage)
  scenes.set(stage, scene)
  const builder = scene.addBuilder()
  for (let index = 1; index < stage.number('provers'); index++)
    stage.addProver(`prover ${index}`, { deviates: scene.bidsLate })
  scene.addFriend(builder)
  for (let index = 1; index <= stage.number('observers'); index++)
    scene.addObserver(`observer ${index}`)
  for (let index = 0; index < stage.number('auctions'); index++)
    stage.at(1_000 + index * stage.number('everyMs'), () => {
      const id = stage.ask(builder)
      if (index % 2 === 1) scene.whisper.auctions.add(id)
    })
}

/** What some auctions came to. Ether an auction, percent of auctions or bids. */
type Sums = {
  readonly priceEther: number
  readonly friendEther: number
  readonly honestEther: number
  readonly friendWins: number
  readonly unseen: number
}

function sumsOf(stage: Stage, auctions: readonly Auction[]): Sums {
  const { whisper, unseen } = scenes.get(stage)!
  const friend = whisper.accomplice
  const rigs = new Map(stage.members.map(({ actor, rig }) => [actor.account, rig]))
  let [price, byFriend, byHonest, wins, notSeen] = [0n, 0n, 0n, 0, 0]
  for (const { id, request, winner, paidWei } of auctions) {
    if (winner === friend.actor.account) wins += 1
    notSeen += unseen.get(id) ?? 0
    for (const [prover, wei] of paidWei) {
      const gain = wei - (rigs.get(prover)?.costWei(request) ?? 0n)
      price += wei
      if (prover === friend.actor.account) byFriend += gain
      else byHonest += gain
    }
  }
  const each = (wei: bigint): number => Number(wei / GWEI) / 1e9 / auctions.length
  return {
    ...{ priceEther: each(price), friendEther: each(byFriend), honestEther: each(byHonest) },
    friendWins: (100 * wins) / auctions.length,
    unseen: (100 * notSeen) / auctions.length / stage.number('observers'),
  }
}

/** Whispered auctions, and those of control. */
function both(stage: Stage): { whispered: Sums; control: Sums } {
  const leaked = scenes.get(stage)!.whisper.auctions
  const { all } = stage.tally
  return {
    whispered: sumsOf(
      stage,
      all.filter(({ id }) => leaked.has(id)),
    ),
    control: sumsOf(
      stage,
      all.filter(({ id }) => !leaked.has(id)),
    ),
  }
}

/** What builder and friend have of it, of what honest provers earn in auctions of control. */
function shareTaken(stage: Stage): number {
  const { whispered, control } = both(stage)
  const friend = whispered.friendEther - control.friendEther
  const builder = control.priceEther - whispered.priceEther
  // Where honest provers earn nothing, nothing was there to take.
  return control.honestEther > 0 ? (100 * (friend + builder)) / control.honestEther : Number.NaN
}

/** Bids of honest provers that their builder did not count. Percent. */
function lostBids(stage: Stage): number {
  const { whisper, honestBids } = scenes.get(stage)!
  const friend = whisper.accomplice
  let counted = 0
  for (const auction of stage.tally.all)
    counted += auction.counted.size - (auction.counted.has(friend.actor.account) ? 1 : 0)
  return 100 * (1 - counted / honestBids)
}

/** Awards to bids that came after the close. */
function lateWins(stage: Stage): number {
  const { cameMs } = scenes.get(stage)!
  const won = stage.tally.all.flatMap(({ id, winner }) =>
    winner === null ? [] : [cameMs.get(keyOf({ requestId: id, prover: winner })) ?? 0],
  )
  return won.length === 0 ? Number.NaN : won.filter((ms) => ms >= 0).length
}

function measures(stage: Stage): Measure[] {
  const { whispered, control } = both(stage)
  return [
    { name: 'friend wins, control', unit: '%', value: control.friendWins },
    { name: 'friend wins, whispered', unit: '%', value: whispered.friendWins },
    { name: 'friend gains an auction, control', unit: 'ether', value: control.friendEther },
    { name: 'friend gains an auction, whispered', unit: 'ether', value: whispered.friendEther },
    { name: 'honest gain an auction, control', unit: 'ether', value: control.honestEther },
    { name: 'honest gain an auction, whispered', unit: 'ether', value: whispered.honestEther },
    { name: 'builder pays an auction, control', unit: 'ether', value: control.priceEther },
    { name: 'builder pays an auction, whispered', unit: 'ether', value: whispered.priceEther },
    { name: 'taken of what honest provers earn', unit: '%', value: shareTaken(stage) },
    { name: 'omissions found by observers', unit: '1', value: stage.tally.omissions },
    { name: 'honest bids lost', unit: '%', value: lostBids(stage) },
    { name: 'winning bid unseen by observers, control', unit: '%', value: control.unseen },
    { name: 'winning bid unseen by observers, whispered', unit: '%', value: whispered.unseen },
  ]
}

const settings: Settings = {
  nodes: { value: 200, says: 'nodes in the network', least: 8, most: 100_000 },
  provers: { value: 30, says: 'provers among them, the friend too', least: 2, most: 5_000 },
  builders: { value: 1, says: 'builders: the first one whispers', least: 1, most: 1 },
  observers: { value: 4, says: 'nodes that follow the whole market', least: 1, most: 100 },
  auctions: { value: 200, says: 'requests in all', least: 2, most: 100_000 },
  everyMs: { value: 4_000, says: 'time between two requests, ms', least: 1, most: 1e7 },
  provingMs: { value: 1_000, says: 'fastest proof of the median rig, ms', least: 1, most: 60_000 },
  bidLateMs: {
    value: 0,
    says: 'honest bids arrive so long before the close; 0: at once, ms',
    least: 0,
    most: 2_000,
  },
  lineMs: { value: 1, says: 'from builder to friend, one way, ms', least: 0, most: 1_000 },
  friendCostPercent: {
    value: 110,
    says: 'what its proofs cost, of the cheapest, percent',
    least: 1,
    most: 1_000,
  },
  friendGainPercent: {
    value: 2,
    says: 'least the friend wants above its cost, percent',
    least: 0,
    most: 1_000,
  },
  leadMs: {
    value: 0,
    says: 'how much before the last moment the friend bids, ms',
    least: 0,
    most: 2_000,
  },
  takesLate: {
    value: false,
    says: 'whether the builder counts a bid of its friend after the close',
  },
}

export const lastLookFriend: Scenario = {
  name: 'last-look-friend',
  title: 'a builder that whispers the bids to a friend, who bids last',
  says:
    'The builder opens bids as they come; its friend bids just below the best in the last ' +
    'milliseconds. It can take the margin of whoever is cheapest, and no more.',
  settings,
  quick: { nodes: 40, provers: 12, auctions: 60, observers: 2 },
  broken: {
    set: { takesLate: true },
    says: 'the builder counts what its friend bids after the close',
  },
  play,
  judge: (stage) => [
    atMost('taken of what honest provers earn', shareTaken(stage), 90, '%'),
    atMost('awards to bids that came after the close', lateWins(stage), 0, '1'),
    atMost('honest bids lost', lostBids(stage), 2, '%'),
  ],
  measures,
}
