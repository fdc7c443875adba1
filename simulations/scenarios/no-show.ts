/**
 * Provers that bid little, win, and do not deliver: before they accept, once they are started, or
 * after nearly all of the time they asked for.
 */
import type { Quote } from '#protocol/bidder'
import type { Effect, MarketEvent } from '#protocol/effects'
import type { Address, Id, ProofRequest } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import { percentilesOf } from '../histogram.ts'
import { atLeast, atMost } from '../lines.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import { GWEI, type Member, type Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'
import { honestBondsLost, seat } from './seats.ts'

/** When a no-show falls silent. */
type Moment = 'before acceptance' | 'after acceptance' | 'late'

/** Of the time a late one promised, how much it lets pass before it dies. Percent. */
const LATE_PERCENT = 95
/** It is back so long after the job it left was due. ms. */
const BACK_MS = 1_000
/** What everybody knows of a turn takes so long to reach everybody. ms. */
const KNOWN_MS = 1_000

class NoShows {
  readonly stage: Stage
  readonly moment: Moment
  readonly #byAccount = new Map<Address, Member>()
  /** What those named in an award had bid, as its builder knows it. wei. */
  readonly #prices = new Map<Id, ReadonlyMap<Address, bigint>>()
  /** When each had left three builders waiting, and all could know. ms since the Unix epoch. */
  readonly #shutAt = new Map<Address, number>()
  readonly #left = new Map<Address, Set<Address>>()
  readonly #bids: { readonly requestId: Id; readonly prover: Address; readonly at: number }[] = []

  constructor(stage: Stage, moment: Moment) {
    this.stage = stage
    this.moment = moment
  }

  /** Each has auctions of its own, half of all together: the others show what is usual. */
  add(index: number): Member {
    const { stage } = this
    const every = 2n * BigInt(stage.number('noShows'))
    const quote = (request: ProofRequest): Quote | null =>
      request.nonce % every === 2n * BigInt(index) ? this.#quote(request) : null
    const member = stage.addProver(`no-show ${index + 1}`, {
      isAdversary: true,
      desk: { quote: ({ request }) => quote(request), accepts: () => true },
      provingMs: () => null,
      deviates: (effect, actor) => this.#deviates(effect, actor),
    })
    this.#byAccount.set(member.actor.account, member)
    return member
  }

  /** So little that it wins, and as late as costs nothing in the score. */
  #quote({ softDueAt }: ProofRequest): Quote {
    return { priceWei: BigInt(this.stage.number('priceGwei')) * GWEI, readyAt: softDueAt }
  }

  #deviates(effect: Effect, actor: Actor): boolean {
    if (effect.kind === 'bid') {
      this.#bid(effect, actor)
      return true
    }
    if (effect.kind === 'fetch') return this.moment === 'before acceptance'
    if (effect.kind === 'prove' && this.moment === 'late') this.#dieLater(effect.requestId, actor)
    return false
  }

  /** Its own market would keep a bid back that nobody hears any more. */
  #bid({ request, priceWei, readyAt }: Extract<Effect, { kind: 'bid' }>, actor: Actor): void {
    const { account, signer, world } = actor
    const bid = world.seals.seal(request.id, account, signer, { priceWei, readyAt })
    this.#bids.push({ requestId: request.id, prover: account, at: actor.now })
    actor.feed({ kind: 'message', from: bid })
    world.network.publish(account, bid)
  }

  #dieLater(requestId: Id, actor: Actor): void {
    const { stage } = this
    const { node, rig } = this.#byAccount.get(actor.account)!
    const request = actor.market.job(requestId)!.request.message
    rig!.prove(request, actor.now)
    const aliveMs = ((request.softDueAt - actor.now) * LATE_PERCENT) / 100
    actor.later(aliveMs, () => {
      const awayMs = request.dueAt - actor.now + BACK_MS
      stage.leave(node)
      stage.simulator.after(awayMs, () => stage.comeBack(node))
    })
  }

  /** A builder's own event. */
  heard(event: MarketEvent, { account, market, now }: Actor): void {
    if (event.kind !== 'awarded' && event.kind !== 'started') return
    const { requestId } = event
    const auction = this.stage.tally.auctions.get(requestId)
    if (auction?.request.builder !== account) return
    const { candidates } = market.auctioneer.auctions.get(requestId) ?? {}
    if (event.kind === 'awarded' && candidates)
      this.#prices.set(requestId, new Map(candidates.map((each) => [each.prover, each.priceWei])))
    const { winner } = auction
    // A start of another says that the winner did not answer.
    if (event.kind === 'awarded' || winner === null || auction.started.includes(winner)) return
    const left = (this.#left.get(winner) ?? new Set<Address>()).add(account)
    this.#left.set(winner, left)
    const isShut = left.size >= this.stage.params.unansweredBuilders
    if (isShut && !this.#shutAt.has(winner)) this.#shutAt.set(winner, now + KNOWN_MS)
  }

  is(account: Address | null): boolean {
    return account !== null && this.#byAccount.has(account)
  }

  get members(): Member[] {
    return [...this.#byAccount.values()]
  }

  /** Auctions that one of them won. */
  get won(): Auction[] {
    return this.stage.tally.all.filter(({ winner }) => this.is(winner))
  }

  /** Of those, the jobs that somebody else delivered by their due time. Percent. */
  get rescuedPercent(): number {
    const { won } = this
    const rescued = won.filter(
      ({ deliveredAt, request }) => deliveredAt !== null && deliveredAt <= request.dueAt,
    )
    return (100 * rescued.length) / won.length
  }

  /** The most that a prover was paid of what it had bid. Percent. */
  get mostPaidPercent(): number {
    const shares = this.won.flatMap(({ id, paidWei }) =>
      [...paidWei].map(([prover, wei]) => {
        const priceWei = this.#prices.get(id)?.get(prover) ?? 0n
        return priceWei === 0n ? Number.POSITIVE_INFINITY : Number((wei * 10_000n) / priceWei) / 100
      }),
    )
    return shares.length === 0 ? Number.NaN : Math.max(...shares)
  }

  get bondsLostPercent(): number {
    const { tally, chain } = this.stage
    const owedWei = tally.all.reduce((sum, { started, request }) => {
      const starts = started.filter((prover) => this.is(prover)).length
      return sum + BigInt(starts) * request.bondWei
    }, 0n)
    const lostWei = this.members.reduce(
      (sum, { actor, depositedWei }) => sum + depositedWei - chain.balance(actor.account).bondWei,
      0n,
    )
    return owedWei === 0n ? Number.NaN : Number((lostWei * 100n) / owedWei)
  }

  /** Of the bids they made once they were shut out, how many a builder counted. Percent. */
  get heardOncePercent(): number {
    const late = this.#bids.filter(
      ({ prover, at }) => at >= (this.#shutAt.get(prover) ?? Number.POSITIVE_INFINITY),
    )
    const counted = late.filter(({ requestId, prover }) =>
      this.stage.tally.auctions.get(requestId)?.counted.has(prover),
    )
    return (100 * counted.length) / late.length
  }

  /** What a delivered job cost its builder, in the mean. Gwei; no number without any. */
  meanPaidGwei(isWon: boolean): number {
    const jobs = this.stage.tally.all.filter(
      ({ winner, deliveredAt }) => this.is(winner) === isWon && deliveredAt !== null,
    )
    const paid = jobs.flatMap(({ paidWei }) => [...paidWei.values()])
    return Number(paid.reduce((sum, wei) => sum + wei, 0n) / GWEI) / jobs.length
  }

  /** From the close until the proof was there. ms. */
  deliveries(isWon: boolean): number[] {
    return this.stage.tally.all.flatMap(({ winner, deliveredAt, request }) =>
      this.is(winner) === isWon && deliveredAt !== null ? [deliveredAt - request.closesAt] : [],
    )
  }
}

const casts = new WeakMap<Stage, NoShows>()

function play(stage: Stage, moment: Moment): void {
  const noShows = new NoShows(stage, moment)
  casts.set(stage, noShows)
  const provers = Array.from(
    { length: stage.number('noShows') },
    (_, index) => () => noShows.add(index),
  )
  const hears = (event: MarketEvent, actor: Actor): void => noShows.heard(event, actor)
  seat(stage, { provers }, { builder: { hears } })
  stage.askInTurn()
}

function judge(stage: Stage): Finding[] {
  const noShows = casts.get(stage)!
  const { moment } = noShows
  return [
    atLeast('jobs won by no-shows that a backup delivers', noShows.rescuedPercent, 99, '%'),
    moment === 'before acceptance'
      ? atMost(
          'bids of no-shows counted once they had left three builders waiting',
          noShows.heardOncePercent,
          0,
          '%',
        )
      : atLeast('bond lost of what their starts held', noShows.bondsLostPercent, 100, '%'),
    atMost('most that was paid of a backup’s own price', noShows.mostPaidPercent, 100, '%'),
    atMost('honest provers that lost bond', honestBondsLost(stage), 0, '1'),
  ]
}

function measures(stage: Stage): Measure[] {
  const noShows = casts.get(stage)!
  const at = (name: string, values: number[], percent: number): Measure[] =>
    values.length === 0 ? [] : [{ name, unit: 'ms', value: percentilesOf(values)[percent]! }]
  const paid = (name: string, value: number): Measure[] =>
    Number.isNaN(value) ? [] : [{ name, unit: 'gwei', value }]
  const [rescued, usual] = [noShows.deliveries(true), noShows.deliveries(false)]
  return [
    { name: 'jobs won by no-shows', unit: '1', value: noShows.won.length },
    ...paid('paid for a job, others, mean', noShows.meanPaidGwei(false)),
    ...paid('paid for a job, theirs, mean', noShows.meanPaidGwei(true)),
    ...at('close to proof, other jobs, p50', usual, 50),
    ...at('close to proof, their jobs, p50', rescued, 50),
    ...at('close to proof, their jobs, p99', rescued, 99),
  ]
}

const titles: Record<Moment, string> = {
  'before acceptance': 'cheap bidders win and never answer their turn',
  'after acceptance': 'cheap bidders win, are started, and never prove',
  late: 'cheap bidders win, prove for 95 % of the time they asked for, and die',
}
const answers: Record<Moment, string> = {
  'before acceptance':
    'The turn goes on to the backup after 500 ms, and who left three builders waiting is not ' +
    'heard for ten minutes.',
  'after acceptance':
    'The backup is started 500 ms after the promise that was broken, and each such start costs ' +
    'its prover the bond.',
  late:
    'The builder learns of it only 500 ms after the promise that was broken; then the backup has ' +
    'its turn, and each such start costs its prover the bond.',
}

const noShow = (name: string, moment: Moment): Scenario => ({
  name,
  title: titles[moment],
  says:
    'No-shows ask for next to nothing and promise as late as costs nothing in the score, so they ' +
    `win every auction they bid in, which is half of all. ${answers[moment]} No job may fail for ` +
    'it, as long as the due time leaves a backup time to prove.',
  settings: {
    nodes: { value: 500, says: 'nodes in the network', least: 8, most: 100_000 },
    provers: { value: 50, says: 'provers among them, no-shows too', least: 2, most: 5_000 },
    auctions: { value: 80, says: 'requests in all', least: 1, most: 100_000 },
    everyMs: { value: 3_000, says: 'time between two requests, ms', least: 1, most: 1e7 },
    dueMs: { value: 30_000, says: 'from the close to the due time, ms', least: 1e3, most: 6e4 },
    backups: { value: 3, says: 'backups a request asks for', least: 0, most: 3 },
    noShows: { value: 2, says: 'provers that do not deliver', least: 1, most: 100 },
    priceGwei: { value: 10_000, says: 'what they ask, gwei', least: 0, most: 1e9 },
  },
  broken: { set: { backups: 0 }, says: 'with no backup named, nobody stands in for the winner' },
  quick: { nodes: 150, provers: 16, auctions: 32 },
  play: (stage) => play(stage, moment),
  judge,
  measures,
})

/** Never answers its turn. */
export const noShowBeforeAcceptance = noShow('no-show-before-acceptance', 'before acceptance')
/** Accepts, is started, and does nothing. */
export const noShowAfterAcceptance = noShow('no-show-after-acceptance', 'after acceptance')
/** Spends nearly all of its time, and dies. */
export const noShowLate = noShow('no-show-late', 'late')
