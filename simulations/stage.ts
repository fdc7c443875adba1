/**
 * A whole simulated market, put together from a scenario's settings: network, chain, relays,
 * builders, provers with production's strategy, observers. A scenario adds its adversaries and says
 * what happens when; the stage runs it and keeps the tally.
 */

import type { MarketEvent } from '#protocol/effects'
import { defaultParams, type Params } from '#protocol/params'
import type { Address, Id, ProofRequest } from '#protocol/schema'
import { auctionKeyOf } from '#protocol/sealing'
import type { Policy } from '#prover-agent/strategy'
import { defaultPolicy } from '#prover-agent/strategy'
import { Actor, type ActorOptions, type World } from './actor.ts'
import { Chain, mainnetChain } from './chain.ts'
import { Checks } from './checks.ts'
import { defaultGossipCosts, GossipNetwork } from './gossip.ts'
import { defaultLinkOptions, Links } from './links.ts'
import { auctionSecretOf, hashOf, plainTerms, pretendSigned, Seals } from './pretence.ts'
import { Random } from './random.ts'
import { drawRegion, type Place, regionNames } from './regions.ts'
import { Relays } from './relays.ts'
import { Rig, type RigTraits } from './rig.ts'
import type { Scenario, Values } from './scenario.ts'
import { Simulator, START_AT } from './simulator.ts'
import { Tally } from './tally.ts'
import { drawDials, type Graph, graphOf } from './topology.ts'
import { Traffic } from './traffic.ts'

export const GWEI = 10n ** 9n
export const ETHER = 10n ** 18n

/** Somebody on the stage. */
export type Member = {
  readonly name: string
  readonly actor: Actor
  readonly node: number
  readonly isAdversary: boolean
  /** A prover's machine. */
  readonly rig: Rig | null
  /** What it put in. wei. */
  readonly depositedWei: bigint
}

export type MemberOptions = Partial<Omit<ActorOptions, 'account' | 'announce'>> & {
  readonly isAdversary?: boolean
  /** Which node it is on; one of the free ones by default. */
  readonly node?: number
  /** Hears of all its events, besides the tally. */
  readonly hears?: (event: MarketEvent, actor: Actor) => void
}
export type ProverOptions = MemberOptions & {
  readonly rig?: Partial<RigTraits>
  /** What its operator chooses otherwise than production's defaults. */
  readonly policy?: Partial<Policy>
  readonly bondWei?: bigint
}
export type BuilderOptions = MemberOptions & {
  readonly escrowWei?: bigint
  readonly stakeWei?: bigint
}

export class Stage {
  readonly values: Values
  readonly random: Random
  readonly simulator = new Simulator()
  readonly params: Params
  /** Who is connected to whom. */
  readonly graph: Graph
  readonly network: GossipNetwork
  readonly links: Links
  readonly traffic: Traffic
  readonly places: readonly Place[]
  readonly chain: Chain
  readonly world: World
  readonly checks: Checks
  readonly tally = new Tally()
  readonly members: Member[] = []
  readonly #freeNodes: number[]
  readonly #nonces = new Map<Address, bigint>()
  #endsAtMs = 0

  constructor(scenario: Scenario, values: Values, seed: number) {
    this.values = values
    this.random = new Random(seed)
    this.params = {
      ...defaultParams,
      latenessFactor: BigInt(this.number('kappa')),
      claimWindowS: this.number('claimWindowS'),
      ...scenario.params?.(values),
    }
    const nodes = this.number('nodes')
    const random = this.random.fork()
    this.places = Array.from({ length: nodes }, (_, node) => {
      const drawn = this.#drawPlace(random)
      return scenario.placed?.(node, drawn, values) ?? drawn
    })
    const dials = drawDials(nodes, this.number('connections'), this.random.fork())
    const graph = graphOf(nodes, [
      ...dials,
      ...this.#dialsToBuilders(),
      ...(scenario.dials?.(values) ?? []),
    ])
    const linkOptions = { ...defaultLinkOptions, loss: this.number('lossPercent') / 100 }
    this.graph = graph
    this.links = new Links(graph, this.places, this.random.fork(), linkOptions)
    this.traffic = new Traffic(nodes, regionNames.length)
    this.network = new GossipNetwork({
      ...{ simulator: this.simulator, random: this.random.fork(), graph, places: this.places },
      ...{ links: this.links, traffic: this.traffic },
      options: { ...defaultGossipCosts, ...this.#gossipOptions() },
    })
    this.#skewClocks(this.random.fork())
    this.chain = new Chain(this.simulator, this.params, {
      ...mainnetChain,
      ...{ confirmations: this.number('confirmations'), random: this.random.fork() },
      ...scenario.chain?.(values),
    })
    const world = {
      ...{ simulator: this.simulator, network: this.network, chain: this.chain },
      ...{ seals: new Seals(), params: this.params, actors: new Map() },
    }
    this.checks = new Checks(world)
    this.world = { ...world, checks: this.checks }
    const shared = new Actor(
      {
        ...{ account: accountOf('relays'), observes: false, isApart: true, stores: false },
        announce: () => undefined,
      },
      this.world,
    )
    this.network.relayBy(new Relays(shared, this.params, this.flag('firstHop')))
    this.#freeNodes = Array.from({ length: nodes }, (_, node) => nodes - 1 - node)
  }

  #gossipOptions() {
    const degree = this.number('degree')
    const [least, most] = [Math.floor((degree * 3) / 4), Math.ceil((degree * 3) / 2)]
    return {
      mesh: { degree, least, most, outbound: this.number('outbound') },
      floodsBids: this.flag('floodBids'),
      validationMs: this.number('validationMs'),
      holdMs: this.params.holdMs,
    }
  }

  /** Provers keep a connection to builders they have bid for (`node/proving.ts`). */
  #dialsToBuilders(): [number, number][] {
    const [builders, provers] = [this.number('builders'), this.number('provers')]
    return Array.from({ length: builders * provers }, (_, index) => [
      builders + Math.floor(index / builders),
      index % builders,
    ])
  }

  #drawPlace(random: Random): Place {
    const draw = random.between(0, 100)
    const home = this.number('homePercent')
    const isLaggy = draw < home + this.number('laggyPercent')
    const nodeClass = draw < home ? 'home' : isLaggy ? 'laggy' : 'cloud'
    return { region: drawRegion(random), nodeClass }
  }

  #skewClocks(random: Random): void {
    const skew = this.number('skewMs')
    for (let node = 0; node < this.places.length; node++)
      this.network.clockOffsets[node] = Math.round(random.between(-skew, skew))
  }

  // --- Settings ----------------------------------------------------------------------------------

  number(name: string): number {
    return this.values[name] as number
  }

  flag(name: string): boolean {
    return this.values[name] === true
  }

  // --- Members -----------------------------------------------------------------------------------

  /** The builders, provers and observers that the settings ask for, all honest. */
  cast(options: { readonly builder?: BuilderOptions; readonly prover?: ProverOptions } = {}): void {
    for (let index = 0; index < this.number('builders'); index++)
      this.addBuilder(`builder ${index + 1}`, options.builder)
    for (let index = 0; index < this.number('provers'); index++)
      this.addProver(`prover ${index + 1}`, options.prover)
    for (let index = 0; index < this.number('observers'); index++)
      this.addObserver(`observer ${index + 1}`)
  }

  addBuilder(name: string, options: BuilderOptions = {}): Member {
    const { escrowWei = 100n * ETHER, stakeWei = 200n * ETHER, ...rest } = options
    const announce = (event: MarketEvent, actor: Actor): void => {
      const auction = 'requestId' in event ? this.tally.auctions.get(event.requestId) : undefined
      if (auction?.request.builder === actor.account) this.tally.atBuilder(event, actor.now)
      options.hears?.(event, actor)
    }
    const member = this.#add(name, { ...rest, announce }, null, escrowWei + stakeWei)
    this.chain.deposit(member.actor.account, { escrowWei, stakeWei })
    return member
  }

  /** Without a desk of its own it bids by production's strategy on its rig. */
  addProver(name: string, options: ProverOptions = {}): Member {
    const { bondWei = 20n * ETHER, rig: traits, policy, ...rest } = options
    const random = this.random.fork()
    const drawn = { ...this.#drawTraits(random), ...traits }
    const rig = new Rig({ ...drawn, policy: { ...drawn.policy, ...policy } }, random)
    let member: Member | null = null
    const actor = (): Actor => member!.actor
    const announce = (event: MarketEvent, self: Actor): void => {
      if (event.kind === 'bid-seen' && event.prover === self.account)
        this.tally.bid(event.requestId, self.account)
      if (event.kind === 'awarded') {
        if (event.prover === self.account) this.tally.won(event.requestId, this.simulator.now)
        const request = self.market.job(event.requestId)?.request.message
        if (request) rig.prices.learn(request, event)
      }
      options.hears?.(event, self)
    }
    member = this.#add(
      name,
      {
        desk: rig.desk(actor, this.params),
        provingMs: (request) => rig.prove(request, actor().now),
        ...rest,
        announce,
      },
      rig,
      bondWei,
    )
    this.chain.deposit(member.actor.account, { bondWei })
    return member
  }

  /** Follows the market; counts what it finds of others. */
  addObserver(name: string, options: MemberOptions = {}): Member {
    const announce = (event: MarketEvent, actor: Actor): void => {
      if (event.kind === 'omission') this.tally.omissions += 1
      if (event.kind === 'equivocation') this.tally.equivocations += 1
      options.hears?.(event, actor)
    }
    return this.#add(name, { ...options, announce }, null, 0n)
  }

  #add(
    name: string,
    options: Omit<ActorOptions, 'account'> & Pick<MemberOptions, 'node' | 'isAdversary'>,
    rig: Rig | null,
    depositedWei: bigint,
  ): Member {
    const account = accountOf(name)
    const node = options.node ?? this.#freeNodes.pop()
    if (node === undefined) throw new RangeError(`no node is left for ${name}`)
    const free = this.#freeNodes.indexOf(node)
    if (free >= 0) this.#freeNodes.splice(free, 1)
    this.network.place(account, node)
    const clockOffsetMs = this.network.clockOffsets[node]!
    const actor = new Actor({ clockOffsetMs, stores: false, ...options, account }, this.world)
    const isAdversary = options.isAdversary ?? false
    if (isAdversary) this.checks.excuse(account)
    const member: Member = { name, actor, node, isAdversary, rig, depositedWei }
    this.members.push(member)
    return member
  }

  #drawTraits(random: Random): RigTraits {
    // Rigs differ: the slowest takes three times the fastest's time, for a third of its price a ms.
    const factor = random.between(0.7, 2.1)
    const fastestMs = Math.round(this.number('provingMs') * factor)
    const costWeiPerMs = BigInt(Math.round(random.between(40, 80) / factor)) * GWEI
    return {
      lanes: this.number('lanes'),
      fastestMs,
      spreadMs: Math.round(fastestMs * random.between(0.03, 0.12)),
      policy: { ...defaultPolicy, costWeiPerMs },
    }
  }

  /** Whoever is on a node. */
  memberAt(node: number): Member | undefined {
    return this.members.find((member) => member.node === node)
  }

  /** A node goes: its member crashes, and keeps its disk if it was told to store. */
  leave(node: number): void {
    this.memberAt(node)?.actor.crash()
    this.network.setUp(node, false)
  }

  /** It comes back, and its member goes on from its disk. */
  comeBack(node: number): void {
    this.network.setUp(node, true)
    this.memberAt(node)?.actor.restart()
  }

  // --- What happens ------------------------------------------------------------------------------

  /** Runs `act` so long after the start. ms. */
  at(ms: number, act: () => void): void {
    this.simulator.schedule(START_AT + ms, act)
    this.lastsUntil(ms)
  }

  /** The run goes on until this long after the start, and then until all windows are over. ms. */
  lastsUntil(ms: number): void {
    this.#endsAtMs = Math.max(this.#endsAtMs, ms)
  }

  /** Has the builders ask in turn, as often as the settings say: the honest ones unless told. */
  askInTurn(
    terms: Partial<ProofRequest> = {},
    from = 1_000,
    builders = this.members.filter(({ name }) => name.startsWith('builder')),
  ): void {
    const random = this.random.fork()
    for (let index = 0; index < this.number('auctions'); index++) {
      const builder = builders[index % builders.length]!
      const atMs = Math.round(from + index * this.number('everyMs') + random.between(0, 50))
      this.at(atMs, () => this.ask(builder, terms))
    }
  }

  /** Has a builder ask now; the request's id. */
  ask(builder: Member, changes: Partial<ProofRequest> = {}): Id {
    const { actor } = builder
    const message = { ...this.terms(actor), ...changes }
    const request = pretendSigned('ProofRequest', message, actor.signer)
    this.tally.begin(request.id, message)
    this.lastsUntil(message.dueAt - START_AT)
    actor.say(request)
    return request.id
  }

  /** What a builder would ask now. */
  terms({ account: builder, now: openedAt }: Actor): ProofRequest {
    const nonce = this.#nonces.get(builder) ?? 0n
    this.#nonces.set(builder, nonce + 1n)
    const closesAt = openedAt + this.number('bidWindowMs')
    const dueAt = closesAt + this.number('dueMs')
    return {
      ...plainTerms,
      ...{
        builder,
        nonce,
        inputBytes: 16_384,
        bondWei: ETHER / 10n,
        claimBaseFeeCapWei: 20n * GWEI,
      },
      reserveWei: BigInt(Math.round(this.number('reserveGwei'))) * GWEI,
      latenessWeiPerMs: 100n * GWEI,
      ...{ openedAt, closesAt, softDueAt: closesAt + this.number('dueMs') / 2, dueAt },
      auctionKey: auctionKeyOf(auctionSecretOf({ builder, nonce })),
      backups: this.number('backups'),
    }
  }

  /** When the last thing that was planned happens, and its job is due. ms since the start. */
  get busyUntilMs(): number {
    return this.#endsAtMs
  }

  /** When the last window of the last job is over. ms since the Unix epoch. */
  get endsAt(): number {
    return START_AT + this.#endsAtMs + (5 * this.params.claimWindowS + 60) * 1_000
  }
}

/** The account of somebody on the stage. */
export const accountOf = (name: string): Address => `0x${hashOf('account', name).slice(2, 42)}`
