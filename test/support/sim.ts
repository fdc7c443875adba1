/** A small simulated market for tests: a builder, some provers, an observer, and what they did. */
import type { MarketEvent } from '#protocol/effects'
import { defaultParams, type Params } from '#protocol/params'
import type { Address, Id, ProofRequest } from '#protocol/schema'
import { auctionKeyOf } from '#protocol/sealing'
import { Actor, type ActorOptions, type World } from '#simulations/actor'
import { Chain, type ChainOptions } from '#simulations/chain'
import { Checks } from '#simulations/checks'
import { calmLinks, FlatNetwork, type Links } from '#simulations/network'
import { auctionSecretOf, hashOf, plainTerms, pretendSigned, Seals } from '#simulations/pretence'
import { Random } from '#simulations/random'
import { Simulator } from '#simulations/simulator'

export const GWEI = 10n ** 9n
export const ETHER = 10n ** 18n
export const addressOf = (name: string): Address => `0x${hashOf('account', name).slice(2, 42)}`

/** What a simulated prover asks, and how fast it is. */
export type ProverTraits = {
  readonly priceWei?: bigint
  readonly promiseMs?: number
  readonly provingMs?: number | null
  readonly accepts?: boolean
  /** Segments of a bundle it takes at most; says nothing of it by default. */
  readonly lanes?: number
  /** Which requests it bids for; all by default. */
  readonly wants?: (request: ProofRequest) => boolean
} & Partial<Omit<ActorOptions, 'provingMs'>>

export type MarketOptions = {
  readonly seed?: number
  readonly params?: Partial<Params>
  readonly links?: Partial<Links>
  readonly builder?: Partial<ActorOptions>
  readonly provers?: Record<string, ProverTraits>
  readonly escrowWei?: bigint
  readonly stakeWei?: bigint
  readonly bondWei?: bigint
  readonly chain?: ChainOptions
}

/** A market in which nothing has happened yet but deposits. */
export class SimMarket {
  readonly world: World
  readonly checks: Checks
  readonly builder: Actor
  readonly observer: Actor
  readonly provers: Record<string, Actor> = {}
  #nonce = 0n

  constructor(options: MarketOptions = {}) {
    const simulator = new Simulator()
    const random = new Random(options.seed ?? 1)
    const params = { ...defaultParams, ...options.params }
    const network = new FlatNetwork(simulator, random.fork(), { ...calmLinks, ...options.links })
    const chain = new Chain(simulator, params, options.chain)
    const shared = { simulator, network, chain, seals: new Seals(), params }
    const world = { ...shared, actors: new Map<Address, Actor>() }
    this.checks = new Checks(world)
    this.world = { ...world, checks: this.checks }
    this.builder = new Actor({ account: addressOf('builder'), ...options.builder }, this.world)
    this.observer = new Actor({ account: addressOf('observer') }, this.world)
    const { escrowWei = ETHER, stakeWei = 2n * ETHER, bondWei = ETHER } = options
    chain.deposit(this.builder.account, { escrowWei, stakeWei })
    for (const [name, traits] of Object.entries(options.provers ?? { alice: {} })) {
      this.provers[name] = new Actor(proverOptions(name, traits), this.world)
      chain.deposit(this.provers[name].account, { bondWei })
    }
  }

  get now(): number {
    return Math.floor(this.world.simulator.now)
  }

  /** Terms of a request of the builder's, opened now. */
  terms(changes: Partial<ProofRequest> = {}): ProofRequest {
    const openedAt = this.now
    const closesAt = openedAt + 400
    const nonce = changes.nonce ?? this.#nonce++
    const builder = this.builder.account
    return {
      builder,
      nonce,
      ...plainTerms,
      inputBytes: 1_000,
      reserveWei: ETHER / 100n,
      latenessWeiPerMs: 100n * GWEI,
      bondWei: ETHER / 10n,
      claimBaseFeeCapWei: GWEI,
      openedAt,
      closesAt,
      softDueAt: closesAt + 6_000,
      dueAt: closesAt + 12_000,
      auctionKey: auctionKeyOf(auctionSecretOf({ builder, nonce })),
      backups: 0,
      ...changes,
    }
  }

  /** Has the builder publish a request; its id. */
  ask(changes: Partial<ProofRequest> = {}): Id {
    const request = pretendSigned('ProofRequest', this.terms(changes), this.builder.signer)
    this.builder.say(request)
    return request.id
  }

  /** Has the builder publish a bundle; its ids, in order of index. */
  askBundle(size: number, changes: Partial<ProofRequest> = {}): Id[] {
    const bundleId = hashOf('bundle', this.#nonce)
    return Array.from({ length: size }, (_, bundleIndex) =>
      this.ask({ bundleId, bundleIndex, bundleSize: size, ...changes }),
    )
  }

  /** Runs for so long. */
  run(ms: number): void {
    this.world.simulator.runUntil(this.world.simulator.now + ms)
  }

  /** Runs until every window of a job asked now is over. Throws if an invariant was broken. */
  runOut(): void {
    this.run(12_400 + 5 * this.world.params.claimWindowS * 1_000)
    const [first] = this.checks.violations
    if (first) throw new Error(`${first.invariant}: ${first.what}`)
  }
}

function proverOptions(name: string, traits: ProverTraits): ActorOptions {
  const { priceWei = ETHER / 1_000n, promiseMs = 4_000, provingMs = 2_000, accepts = true } = traits
  const { lanes, wants = () => true } = traits
  const own = lanes === undefined ? {} : { lanes }
  return {
    ...traits,
    account: addressOf(name),
    desk: {
      quote: ({ request }) =>
        wants(request) ? { priceWei, readyAt: request.closesAt + promiseMs, ...own } : null,
      accepts: () => accepts,
    },
    provingMs: () => provingMs,
  }
}

/** An actor's events of one kind. */
export const eventsOf = <K extends MarketEvent['kind']>(actor: Actor, kind: K) =>
  actor.events.filter((event): event is Extract<MarketEvent, { kind: K }> => event.kind === kind)

export const MILLI = ETHER / 1_000n
/** Alice asks less than Bob, who asks less than Carol. */
export const three = {
  alice: { priceWei: MILLI },
  bob: { priceWei: 2n * MILLI },
  carol: { priceWei: 3n * MILLI },
}

export const credit = (market: SimMarket, name: string): bigint =>
  market.world.chain.balance(addressOf(name)).creditWei
export const bond = (market: SimMarket, name: string): bigint =>
  market.world.chain.balance(addressOf(name)).bondWei
/** How the jobs ended that this actor heard of. */
export const outcomes = (actor: Actor): string[] =>
  eventsOf(actor, 'ended').map(({ outcome }) => outcome)
export const everybody = (market: SimMarket): Actor[] => [...market.world.actors.values()]

/** One job from start to the end of every window. */
export function runJob(options: MarketOptions, terms: Partial<ProofRequest> = {}) {
  const market = new SimMarket(options)
  const { totalWei } = market.world.chain
  const id = market.ask(terms)
  market.runOut()
  if (market.world.chain.totalWei !== totalWei) throw new Error('wei was made or lost')
  return { market, id }
}
