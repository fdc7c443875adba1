/**
 * Why the winner is paid its own bid: the buyer is its own auctioneer. Were the winner paid the
 * score of the runner-up, a builder would invent one just above the winner. It pays that in earnest
 * here: the receipt says so. Auctions come in pairs with the same bids, one of them with an
 * invented bid, the other of control.
 */
import { rank } from '#protocol/auction'
import type { Effect } from '#protocol/effects'
import { openedBids, promiseOf } from '#protocol/job'
import { payWei, scoreWei } from '#protocol/money'
import type { Id, ProofRequest } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import { atLeast, atMost } from '../lines.ts'
import type { Measure } from '../result.ts'
import type { Scenario, Settings } from '../scenario.ts'
import { GWEI, type Member, type Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'
import { addBidder, seat } from './seats.ts'
import { Whisper } from './whisper.ts'

type Draft = Extract<Effect, { kind: 'publish' }>['draft']
type ReceiptDraft = Extract<Draft, { kind: 'Receipt' }>

/** A builder that may pay second prices, and may invent who sets them. */
class Buyer {
  readonly stage: Stage
  readonly whisper: Whisper
  /** The score of the runner-up when it was awarded; the reserve without one. wei. */
  readonly #runnersUp = new Map<Id, bigint>()

  constructor(stage: Stage) {
    this.stage = stage
    this.whisper = new Whisper(stage, {
      ...{ lineMs: 1, leadMs: 0, takesLate: false },
      price: (best, { request: { message }, readyAt }) => {
        if (!best) return null
        const bestWei = scoreWei(message, best.priceWei, best.readyAt)
        return bestWei - scoreWei(message, 0n, readyAt) + 1n
      },
    })
  }

  readonly deviates = (effect: Effect, actor: Actor): boolean => {
    if (effect.kind !== 'publish') return this.whisper.opens(effect, actor)
    const { draft } = effect
    if (draft.kind === 'Award') this.#note(draft.message.requestId, actor)
    if (draft.kind !== 'Receipt' || this.stage.values.pricing !== 'second') return false
    const raised = this.#raise(draft, actor)
    if (!raised) return false
    actor.perform({ kind: 'publish', draft: raised })
    return true
  }

  #note(requestId: Id, actor: Actor): void {
    const job = actor.market.job(requestId)!
    const request = job.request.message
    const second = rank(request, openedBids(job))[1]?.opening
    const score = second && scoreWei(request, second.priceWei, second.readyAt)
    this.#runnersUp.set(requestId, score ?? request.reserveWei)
  }

  /** The winner's receipt by the score of the runner-up; `null`: not the winner's. */
  #raise(draft: ReceiptDraft, actor: Actor): ReceiptDraft | null {
    const { requestId, prover, deliveredAt } = draft.message
    const job = actor.market.job(requestId)
    const second = this.#runnersUp.get(requestId)
    if (!job?.award || second === undefined || job.award.message.prover !== prover) return null
    const request = job.request.message
    const { readyAt } = job.award.message
    const priceWei = second - scoreWei(request, 0n, readyAt)
    const promise = promiseOf(job, prover, readyAt)
    const wei = payWei(request, priceWei, promise, deliveredAt, this.stage.params)
    return { ...draft, message: { ...draft.message, payWei: wei } }
  }

  /** What it invents: an account of its own with a bond, and no machine. */
  addInvented(builder: Member): Member {
    const { stage } = this
    const member = stage.addProver('invented bidder', {
      isAdversary: true,
      desk: {
        quote: ({ request: { reserveWei, softDueAt } }) => ({
          ...{ priceWei: reserveWei, readyAt: softDueAt },
        }),
        accepts: () => false,
      },
      clockOffsetMs: stage.network.clockOffsets[builder.node]!,
      deviates: (effect, actor) => this.whisper.bids(effect, actor) || effect.kind === 'bid',
    })
    this.whisper.meet(builder, member)
    return member
  }
}
const buyers = new WeakMap<Stage, Buyer>()

/**
 * An honest prover asks for its least, and a little more or less from pair to pair: with a second
 * price it has no reason to ask for more than that, and here nobody learns under either.
 */
function addHonest(stage: Stage, name: string): Member {
  const random = stage.random.fork()
  const parts: bigint[] = []
  const partOf = ({ nonce }: ProofRequest): bigint => {
    const pair = Number(nonce / 2n)
    while (parts.length <= pair)
      parts.push(BigInt(random.index(stage.number('luckPercent') * 100 + 1)))
    return parts[pair]!
  }
  return addBidder(
    stage,
    name,
    (quote, request) => {
      const priceWei = (quote.priceWei * (10_000n + partOf(request))) / 10_000n
      return priceWei > request.reserveWei ? null : { ...quote, priceWei }
    },
    {
      isAdversary: false,
      deviates: (effect) => effect.kind === 'announce' && effect.event.kind === 'awarded',
    },
  )
}

function play(stage: Stage): void {
  const buyer = new Buyer(stage)
  buyers.set(stage, buyer)
  const honest = Array.from(
    { length: stage.number('provers') - 1 },
    (_, index) => () => addHonest(stage, `prover ${index + 1}`),
  )
  const addBuilder = (): Member =>
    stage.addBuilder('builder that invents', { isAdversary: true, deviates: buyer.deviates })
  const invented = (): Member => buyer.addInvented(stage.members[0]!)
  const [builder] = seat(stage, { builders: [addBuilder], provers: [...honest, invented] })
  // Which of a pair comes first is drawn: rigs may still be busy with the first.
  const random = stage.random.fork()
  let isFirst = true
  for (let index = 0; index < stage.number('auctions'); index++)
    stage.at(1_000 + index * stage.number('everyMs'), () => {
      if (index % 2 === 0) isFirst = random.chance(0.5)
      const id = stage.ask(builder!)
      if ((index % 2 === 0) === isFirst) buyer.whisper.auctions.add(id)
    })
}

type Sums = { readonly paidGwei: number; readonly earnedGwei: number }

/** Auctions with an invented bid and without, of all pairs in which both were paid for. */
function halves(stage: Stage): { invented: Auction[]; control: Auction[] } {
  const { auctions } = buyers.get(stage)!.whisper
  const { all } = stage.tally
  const isPaid = (index: number): boolean => (all[index]?.paidWei.size ?? 0) > 0
  const pairs = all.filter((_, index) => isPaid(index) && isPaid(index ^ 1))
  return {
    invented: pairs.filter(({ id }) => auctions.has(id)),
    control: pairs.filter(({ id }) => !auctions.has(id)),
  }
}

function sumsOf(stage: Stage, auctions: readonly Auction[]): Sums {
  const rigs = new Map(stage.members.map(({ actor, rig }) => [actor.account, rig]))
  let [paid, earned] = [0n, 0n]
  for (const { request, paidWei } of auctions)
    for (const [prover, wei] of paidWei) {
      paid += wei
      earned += wei - rigs.get(prover)!.costWei(request)
    }
  const each = (wei: bigint): number => Number(wei / GWEI) / auctions.length
  return { paidGwei: each(paid), earnedGwei: each(earned) }
}

/** Auctions that an invented bid won; no number where none was counted. */
function inventedWins(stage: Stage): number {
  const { account } = buyers.get(stage)!.whisper.accomplice.actor
  const bid = stage.tally.all.filter(({ counted }) => counted.has(account))
  return bid.length === 0 ? Number.NaN : bid.filter(({ winner }) => winner === account).length
}

/** Invented bids that the builder counted. Percent of the auctions meant for them. */
function inventedShare(stage: Stage): number {
  const { auctions, accomplice } = buyers.get(stage)!.whisper
  const counted = stage.tally.all.filter(({ counted: by }) => by.has(accomplice.actor.account))
  return (100 * counted.length) / auctions.size
}

/** What it pays with an invented runner-up, of what it pays without. Percent. */
function shareOf(stage: Stage): number {
  const { invented, control } = halves(stage)
  return (100 * sumsOf(stage, invented).paidGwei) / sumsOf(stage, control).paidGwei
}

function measures(stage: Stage): Measure[] {
  const { invented, control } = halves(stage)
  const [theirs, fair] = [sumsOf(stage, invented), sumsOf(stage, control)]
  if (control.length === 0) return []
  return [
    { name: 'pairs of auctions compared', unit: '1', value: control.length },
    { name: 'builder pays, control', unit: 'gwei', value: fair.paidGwei },
    { name: 'builder pays, bid invented', unit: 'gwei', value: theirs.paidGwei },
    { name: 'winner earns, control', unit: 'gwei', value: fair.earnedGwei },
    { name: 'winner earns, bid invented', unit: 'gwei', value: theirs.earnedGwei },
    { name: 'invented bids counted', unit: '%', value: inventedShare(stage) },
  ]
}

const settings: Settings = {
  nodes: { value: 100, says: 'nodes in the network', least: 8, most: 100_000 },
  provers: { value: 20, says: 'provers among them, the invented one too', least: 3, most: 5_000 },
  builders: { value: 1, says: 'builders: the one that invents', least: 1, most: 1 },
  auctions: { value: 300, says: 'requests in all', least: 2, most: 100_000 },
  everyMs: { value: 4_000, says: 'time between two requests, ms', least: 1, most: 1e7 },
  provingMs: { value: 1_000, says: 'fastest proof of the median rig, ms', least: 1, most: 60_000 },
  backups: {
    value: 2,
    says: 'backups a request asks for: the invented one takes a place and never comes',
    least: 0,
    most: 3,
  },
  luckPercent: {
    value: 20,
    says: 'honest bids are up to this much above the least, percent',
    least: 0,
    most: 100,
  },
  pricing: {
    value: 'first',
    says: 'what the winner is paid by: its own score, or that of the next',
    choices: ['first', 'second'],
  },
}

export const secondPrice: Scenario = {
  name: 'second-price',
  title: 'a builder that invents a runner-up just above the winner',
  says:
    'The builder opens bids as they come, and bids one wei more than the best by an account of its ' +
    'own. It must not pay less for that.',
  settings,
  quick: { nodes: 24, connections: 4, provers: 10, auctions: 80, observers: 0 },
  broken: {
    set: { pricing: 'second' },
    says: 'the winner is paid what the next one bid, and the builder invents the next one',
  },
  play,
  judge: (stage) => [
    atLeast('paid with an invented bid, of what is paid without', shareOf(stage), 99, '%'),
    atLeast('invented bids counted', inventedShare(stage), 95, '%'),
    atMost('auctions won by an invented bid', inventedWins(stage), 0, '1'),
  ],
  measures,
}
