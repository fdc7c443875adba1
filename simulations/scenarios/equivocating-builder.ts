/** A builder that signs two awards for one nonce: of one request, or of two requests. */
import { bidsRoot, type OpenedBid, rank } from '#protocol/auction'
import type { Effect, SignedAward, SignedRequest } from '#protocol/effects'
import { openedBids } from '#protocol/job'
import { type Address, type Id, type ProofRequest, ZERO_ADDRESS } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import { atLeast, atMost } from '../lines.ts'
import { auctionSecretOf, hashOf, pretendSigned } from '../pretence.ts'
import { regionNames } from '../regions.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import { ETHER, type Member, type Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'
import { honestBondsLost, honestStakesLost, seat } from './seats.ts'

type AwardDraft = Extract<Extract<Effect, { kind: 'publish' }>['draft'], { kind: 'Award' }>

/** Where builder and accomplice are: most of the others are nearer to one of them. */
const sides = ['us-east-1', 'eu-central-1']
const STAKE_WEI = 200n * ETHER
/** The first of two requests crosses the ocean against it: more of the others are in Europe. ms. */
const HEAD_START_MS = 30
/** The second award is signed as quickly as the first. ms. */
const SIGN_MS = 1

/** An award of these bids but for the first so many, as its builder would sign it. */
function awardOf(
  request: SignedRequest,
  ranked: readonly OpenedBid[],
  skipped: number,
): SignedAward | null {
  const [winner, ...others] = ranked.slice(skipped)
  if (!winner) return null
  const { priceWei, readyAt, salt } = winner.opening
  const backups = others.slice(0, request.message.backups).map(({ bid }) => bid.message.prover)
  const named = (index: number): Address => backups[index] ?? ZERO_ADDRESS
  const message = {
    ...{ requestId: request.id, bidId: winner.bid.id, prover: winner.bid.message.prover },
    ...{ priceWei, readyAt, bidsRoot: bidsRoot(ranked.slice(skipped)) },
    ...{ bidCount: ranked.length - skipped, auctionSecret: auctionSecretOf(request.message) },
    backups: [named(0), named(1), named(2)] as const,
  }
  const signed = pretendSigned('Award', message, request.signer)
  return { ...signed, bid: winner.bid, opening: { priceWei, readyAt, salt } }
}

class Equivocator {
  readonly stage: Stage
  builder: Member | null = null
  /** A node on the other side of the network, for what is said second. */
  accomplice: Member | null = null
  /** Nonces for which a second award went out, by the accomplice's node. */
  readonly #second = new Map<bigint, 'two awards' | 'two requests'>()
  /** What honest provers began to prove for it, and the starts they heard of. */
  readonly proving = new Set<string>()

  constructor(stage: Stage) {
    this.stage = stage
  }

  /** The builder's and its accomplice's: they do not report themselves. */
  deviates(effect: Effect, actor: Actor): boolean {
    if (effect.kind === 'report') return true
    const isAward = effect.kind === 'publish' && effect.draft.kind === 'Award'
    if (isAward && actor === this.builder?.actor) this.#awardTwice(effect.draft as AwardDraft)
    return false
  }

  /** Even nonces: one request, two awards. */
  #awardTwice({ message: { requestId } }: AwardDraft): void {
    const job = this.builder!.actor.market.job(requestId)!
    const { nonce } = job.request.message
    if (nonce % 2n === 1n) return
    const second = awardOf(job.request, rank(job.request.message, openedBids(job)), 1)
    if (!second) return
    this.#second.set(nonce, 'two awards')
    this.accomplice!.actor.later(SIGN_MS, () => this.accomplice!.actor.say(second))
  }

  /** Odd nonces: two requests, both of which are awarded where they came first. */
  ask(request: ProofRequest): void {
    if (request.nonce % 2n === 0n) return
    const { actor } = this.accomplice!
    const other = { ...request, tableDigest: hashOf('another table', request.nonce) }
    const signed = pretendSigned('ProofRequest', other, this.builder!.actor.signer)
    actor.later(HEAD_START_MS, () => actor.say(signed))
    actor.later(request.closesAt - actor.now + SIGN_MS, () => this.#awardOther(signed))
  }

  #awardOther(request: SignedRequest): void {
    const { actor } = this.accomplice!
    const { seals } = this.stage.world
    const bids = [...(actor.market.job(request.id)?.bids.values() ?? [])]
    const opened = bids.map((bid) => ({ bid, opening: seals.open(bid)! }))
    const award = awardOf(request, rank(request.message, opened), 0)
    if (!award) return
    this.#second.set(request.message.nonce, 'two requests')
    actor.say(award)
  }

  is({ builder }: ProofRequest): boolean {
    return builder === this.builder!.actor.account
  }

  /** An honest prover's effects: for which of its jobs it spends time. */
  watch(effect: Effect, { account, market }: Actor): boolean {
    if (effect.kind !== 'prove') return false
    const request = market.job(effect.requestId)?.request.message
    if (request && this.is(request)) this.proving.add(`${effect.requestId}/${account}`)
    return false
  }

  /** Proofs that honest provers began for it and were not paid for. */
  get wasted(): number {
    const { auctions } = this.stage.tally
    return [...this.proving].filter((key) => {
      const [id, prover] = key.split('/') as [Id, Address]
      return !auctions.get(id)?.paidWei.has(prover)
    }).length
  }

  /** Nonces with two awards. Where the second request was everywhere first, there is but one. */
  get offences(): Map<bigint, 'two awards' | 'two requests'> {
    const awarded = this.stage.tally.all.filter(
      ({ request, awardedAt }) => this.is(request) && awardedAt !== null,
    )
    const nonces = new Set(awarded.map(({ request }) => request.nonce))
    return new Map([...this.#second].filter(([nonce]) => nonces.has(nonce)))
  }

  /** Nonces whose offence was proven on chain. */
  get reported(): number {
    const { offences } = this.stage.chain
    return [...this.offences.keys()].filter((nonce) => offences.includes(`double award ${nonce}`))
      .length
  }

  get takenWei(): bigint {
    return STAKE_WEI - this.stage.chain.balance(this.builder!.actor.account).stakeWei
  }

  /** What it has by now beside what honest builders would have for as many proofs. Ether. */
  get gainEther(): number {
    const { tally } = this.stage
    const own = tally.all.filter(({ request }) => this.is(request))
    const others = tally.all.filter(({ request }) => !this.is(request))
    const perProof = paidEther(others) / proofsIn(others)
    const gained = proofsIn(own) * perProof - paidEther(own)
    return gained - Number(this.takenWei) / Number(ETHER)
  }
}

const paidEther = (auctions: readonly Auction[]): number =>
  auctions.reduce((sum, { paidWei }) => {
    for (const wei of paidWei.values()) sum += Number(wei) / Number(ETHER)
    return sum
  }, 0)
const proofsIn = (auctions: readonly Auction[]): number =>
  auctions.filter(({ deliveredAt }) => deliveredAt !== null).length

const plays = new WeakMap<Stage, Equivocator>()

function play(stage: Stage): void {
  const equivocator = new Equivocator(stage)
  plays.set(stage, equivocator)
  const isSilent = !stage.flag('reports')
  const deviates = (effect: Effect, actor: Actor): boolean => equivocator.deviates(effect, actor)
  const honest = (effect: Effect): boolean => isSilent && effect.kind === 'report'
  const builders = seat(
    stage,
    {
      builders: [
        () => {
          const options = { isAdversary: true, deviates, stakeWei: STAKE_WEI }
          equivocator.builder = stage.addBuilder('equivocator 1', options)
          return equivocator.builder
        },
        // Provers are connected to it as to a builder that has asked before.
        () => {
          const options = { isAdversary: true, deviates, stakeWei: 0n, escrowWei: 0n }
          equivocator.accomplice = stage.addBuilder('accomplice 1', options)
          return equivocator.accomplice
        },
      ],
    },
    {
      builder: { deviates: honest, stakeWei: STAKE_WEI },
      observer: { deviates: honest },
      prover: {
        deviates: (effect, actor) => equivocator.watch(effect, actor) || honest(effect),
      },
    },
  )
  const asking = builders.filter((each) => each !== equivocator.accomplice)
  stage.askInTurn({}, 1_000, asking)
  const { actor } = equivocator.builder!
  const say = actor.say.bind(actor)
  actor.say = (from) => {
    const isOwn = from.kind === 'ProofRequest' && from.message.builder === actor.account
    if (isOwn) equivocator.ask(from.message)
    return say(from)
  }
}

function judge(stage: Stage): Finding[] {
  const equivocator = plays.get(stage)!
  const { offences, reported, takenWei } = equivocator
  const dueWei = BigInt(offences.size) * BigInt(stage.number('reserveGwei')) * 10n ** 9n
  const kinds = (kind: string): number => [...offences.values()].filter((of) => of === kind).length
  const least = Math.min(kinds('two awards'), kinds('two requests'))
  return [
    atLeast(
      'offences proven on chain',
      least === 0 ? Number.NaN : (100 * reported) / offences.size,
      100,
      '%',
    ),
    atLeast('stake taken, of the reserves', Number((takenWei * 100n) / dueWei), 100, '%'),
    atMost('gain of the builder', equivocator.gainEther, 0, 'ether'),
    atMost('honest builders that lost stake', honestStakesLost(stage, STAKE_WEI), 0, '1'),
    atMost('honest provers that lost bond', honestBondsLost(stage), 0, '1'),
  ]
}

export const equivocatingBuilder: Scenario = {
  name: 'equivocating-builder',
  title: 'a builder signs two awards for one nonce, for each half of the network another',
  says:
    'Every other request gets two awards, said at once on two sides of the network; the others are ' +
    'said with two contents of one nonce, and both are awarded. Whoever sees both awards has the ' +
    'evidence and sends it to the chain: the stake pays the reserve, half to the first reporter.',
  settings: {
    builders: {
      value: 5,
      says: 'builders among them, the first unfair, the second its other node',
      least: 3,
      most: 500,
    },
    nodes: { value: 500, says: 'nodes in the network', least: 8, most: 100_000 },
    provers: { value: 50, says: 'provers among them', least: 2, most: 5_000 },
    auctions: { value: 80, says: 'requests in all', least: 1, most: 100_000 },
    reports: { value: true, says: 'whether nodes report two awards that they have seen' },
  },
  broken: { set: { reports: false }, says: 'nobody sends the evidence to the chain' },
  quick: { nodes: 150, provers: 15, builders: 3, auctions: 16 },
  placed: (node, drawn) => {
    const region = sides[node]
    return region ? { region: regionNames.indexOf(region), nodeClass: 'cloud' } : drawn
  },
  play,
  judge,
  measures: (stage): Measure[] => {
    const equivocator = plays.get(stage)!
    const { offences, wasted, takenWei, gainEther } = equivocator
    return [
      { name: 'offences', unit: '1', value: offences.size },
      { name: 'stake taken', unit: 'ether', value: Number(takenWei) / Number(ETHER) },
      { name: 'gain of the builder', unit: 'ether', value: gainEther },
      { name: 'honest proofs for it that were not paid for', unit: '1', value: wasted },
    ]
  },
}
