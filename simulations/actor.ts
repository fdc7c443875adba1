/**
 * A simulated participant: production's `Market`, with every effect turned into scheduled events.
 * The second driver: it keeps the same promises as `node/engine.ts` (stores before it performs,
 * signs each identity once), over a disk that survives a crash.
 */

import type { ProverDesk } from '#protocol/bidder'
import type {
  ChainEvent,
  Draft,
  Effect,
  Gossiped,
  Input,
  MarketEvent,
  Signed,
  Verdict,
} from '#protocol/effects'
import { type JobRecord, Market } from '#protocol/market'
import type { Params } from '#protocol/params'
import type { Address, Id, Kind, Message, ProofRequest } from '#protocol/schema'
import type { Chain } from './chain.ts'
import type { Checks } from './checks.ts'
import type { Network } from './network.ts'
import { auctionSecretOf, pretendSigned, proofHashOf, type Seals } from './pretence.ts'
import type { Simulator } from './simulator.ts'
import { Streams, type Waiter } from './streams.ts'

/** What all actors share. */
export type World = {
  readonly simulator: Simulator
  readonly network: Network
  readonly chain: Chain
  readonly seals: Seals
  readonly params: Params
  readonly actors: Map<Address, Actor>
  /** Whoever looks on. */
  readonly checks?: Checks
}

export type ActorOptions = {
  readonly account: Address
  /** Signs for a contract wallet; the account itself otherwise. */
  readonly signer?: Address
  readonly desk?: ProverDesk
  /** How long a proof takes, ms; `null` if it never comes. */
  readonly provingMs?: (request: ProofRequest) => number | null
  /** Whether it opens all bids after each award; it does unless told otherwise. */
  readonly observes?: boolean
  /** How far its clock is ahead. Whole ms. */
  readonly clockOffsetMs?: number
  /** It hears nothing from the network: whoever made it feeds it. */
  readonly isApart?: boolean
  /** Whether it keeps records of its jobs, as whoever may crash must; it does by default. */
  readonly stores?: boolean
  /** Hears of its events, which it then does not keep. */
  readonly announce?: (event: MarketEvent, actor: Actor) => void
  /** An adversary deviates here: `true` when it dealt with the effect in its own way. */
  readonly deviates?: (effect: Effect, actor: Actor) => boolean
}

/** What survives a crash: job records and everything signed. */
type Disk = {
  readonly records: Map<Id, JobRecord>
  readonly signed: Map<string, Signed<Kind, Message>>
}

type ChainEffect = Extract<
  Effect,
  { kind: 'settle' | 'commit' | 'claim' | 'slash' | 'report' | 'reportMisaward' }
>

/** Opening one bid, and signing and storing one message. ms. */
const OPEN_MS = 0.2
const SIGN_MS = 1

/** Our market took it, or knows it: then it goes out again. */
const isSayable = (verdict: Verdict): boolean =>
  verdict === 'accept' || ('code' in verdict && verdict.code === 'DUPLICATE')

export class Actor {
  readonly account: Address
  readonly world: World
  readonly disk: Disk = { records: new Map(), signed: new Map() }
  /** Everything people would watch, in order. */
  readonly events: MarketEvent[] = []
  /** Codes of refused inputs, counted. */
  readonly refusals = new Map<string, number>()
  /** How held messages were decided, in order. */
  readonly releases: string[] = []
  /** Inputs handled since the first start: where a crash can come. */
  handled = 0
  /**
   * Called before an input's record is stored, and between that and its effects; `true` crashes
   * there.
   */
  crashes: (moment: 'before' | 'after') => boolean = () => false
  readonly #options: ActorOptions
  readonly signer: Address
  readonly #streams: Streams
  #market: Market
  /** Counts starts: what was scheduled before a crash never runs. */
  #life = 0
  #isUp = true

  constructor(options: ActorOptions, world: World) {
    this.#options = options
    this.account = options.account
    this.signer = options.signer ?? options.account
    this.world = world
    this.#market = this.#newMarket()
    this.#streams = new Streams(this)
    world.actors.set(this.account, this)
    if (options.isApart !== true)
      world.network.join(this.account, (from) => this.feed({ kind: 'message', from }))
    for (const event of this.#follow()) this.#hear(event)
  }

  get market(): Market {
    return this.#market
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Its clock. Whole ms since the Unix epoch. */
  get now(): number {
    return Math.floor(this.world.simulator.now) + (this.#options.clockOffsetMs ?? 0)
  }

  #newMarket(): Market {
    const { account, desk, observes = true } = this.#options
    const { params } = this.world
    return new Market({ self: account, params, observes, ...(desk ? { prover: desk } : {}) })
  }

  #follow(): ChainEvent[] {
    return this.world.chain.follow(this.account, {
      event: (event) => this.#hear(event),
      challenged: (from) => this.feed({ kind: 'message', from }),
      isUp: () => this.#isUp,
    })
  }

  #hear(event: ChainEvent): void {
    this.feed({ kind: 'chain', event })
  }

  /** Handles one input, stores what it changed, then performs its effects. */
  feed(input: Input): Verdict {
    if (!this.#isUp) return { action: 'ignore', code: 'JOB_ENDED' }
    const { simulator } = this.world
    const { verdict, effects, changed } = this.#market.handle(input, this.now)
    const code = verdict === 'accept' ? 'accept' : 'code' in verdict ? verdict.code : 'hold'
    if (code !== 'accept') this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1)
    simulator.note(`${this.account} ${input.kind} ${code} ${effects.map(({ kind }) => kind)}`)
    this.handled += 1
    if (this.crashes('before')) return this.#crash(verdict)
    for (const id of changed) this.#store(id)
    if (this.crashes('after')) return this.#crash(verdict)
    for (const effect of effects)
      if (this.#isUp && !this.#options.deviates?.(effect, this)) this.perform(effect)
    return verdict
  }

  #store(id: Id): void {
    if (this.#options.stores === false) return
    const record = this.#market.record(id)
    if (record) this.disk.records.set(id, structuredClone(record))
    else this.disk.records.delete(id)
  }

  #crash(verdict: Verdict): Verdict {
    this.crash()
    return verdict
  }

  /** Loses all but the disk. */
  crash(): void {
    this.world.checks?.crashed(this)
    this.#isUp = false
    this.#life += 1
    this.#streams.lose()
  }

  /** Starts again from the disk, and hears the chain's present state. */
  restart(): void {
    this.world.checks?.restarted(this)
    this.#isUp = true
    this.#market = this.#newMarket()
    const news = this.#follow()
    for (const record of this.disk.records.values())
      this.#market.restore(structuredClone(record), this.now)
    for (const event of news) this.#hear(event)
    this.feed({ kind: 'resume' })
  }

  /** Asks, later, whether this actor has not crashed since now. */
  aliveNow(): () => boolean {
    const life = this.#life
    return () => life === this.#life
  }

  /** Runs `run` this long from now, unless this actor crashes before. */
  later(delayMs: number, run: () => void): void {
    const alive = this.aliveNow()
    this.world.simulator.after(delayMs, () => alive() && run())
  }

  /** Somebody's stream waits for an answer of ours. */
  serve(key: string, begin: () => Verdict, waiter: Waiter): void {
    this.#streams.serve(key, begin, waiter)
  }

  /** Performs one effect as production would. Adversaries call it for what they do honestly. */
  perform(effect: Effect): void {
    switch (effect.kind) {
      case 'publish':
        this.later(SIGN_MS, () => this.say(this.#sign(effect.draft)))
        break
      case 'publishAll':
        this.later(SIGN_MS, () => this.#sayAll(effect.drafts.map((draft) => this.#sign(draft))))
        break
      case 'bid':
        this.later(SIGN_MS, () => this.#bid(effect))
        break
      case 'open':
        this.#open(effect)
        break
      case 'release':
        this.releases.push(effect.verdict === 'accept' ? 'accept' : effect.verdict.code)
        if (this.#options.isApart !== true)
          this.world.network.decide(this.account, effect.holdId, effect.verdict)
        break
      case 'wake':
        this.#wake(effect.at, { kind: 'tick', requestId: effect.requestId })
        break
      case 'expire':
        this.#wake(effect.at, { kind: 'expired', holdId: effect.holdId })
        break
      case 'prove':
        this.#prove(effect.requestId)
        break
      case 'accept':
        this.#accept(effect.message)
        break
      case 'fetch':
      case 'deliver':
      case 'abort':
        this.#streams[effect.kind](effect.requestId)
        break
      case 'turn':
        this.#streams.turn(effect.requestId, effect.prover)
        break
      case 'dismiss':
        this.#streams.dismiss(effect.requestId)
        break
      case 'announce':
        if (this.#options.announce) this.#options.announce(effect.event, this)
        else this.events.push(effect.event)
        break
      default:
        this.#transact(effect)
    }
  }

  #transact(effect: ChainEffect): void {
    const { chain } = this.world
    switch (effect.kind) {
      case 'settle':
        chain.settle(effect.receipt)
        break
      case 'commit':
        chain.commit(effect.requestId, this.account)
        break
      case 'claim': {
        const pursuit = this.#market.bidder?.pursuits.get(effect.requestId)
        if (pursuit) chain.claim(effect.obligation, pursuit)
        break
      }
      case 'slash': {
        const { requestId, prover } = effect.obligation.start.message
        const isReceived = () => !!this.#market.job(requestId)?.obligations.get(prover)?.receipt
        chain.slash(effect.obligation, effect.atS, isReceived)
        break
      }
      case 'report':
        chain.reportDoubleAward(effect.first, effect.second, this.account)
        break
      case 'reportMisaward':
        chain.reportMisaward(effect, effect.better, effect.path, this.account)
        break
      default:
        effect satisfies never
    }
  }

  /** `at`: by its own clock. */
  #wake(at: number, input: Input): void {
    const alive = this.aliveNow()
    const trueAt = at - (this.#options.clockOffsetMs ?? 0)
    this.world.simulator.schedule(trueAt, () => alive() && this.feed(input))
  }

  #open({ requestId, bids }: Extract<Effect, { kind: 'open' }>): void {
    this.later(OPEN_MS * bids.length, () => {
      const openings = bids.map((bid) => ({ bidId: bid.id, opening: this.world.seals.open(bid) }))
      this.feed({ kind: 'opened', requestId, openings })
    })
  }

  /**
   * Hears its own message first, stores what it changed, then gossips it: a known one goes out
   * again.
   */
  say(from: Gossiped): Verdict {
    return this.#sayAll([from])[0]!
  }

  /** Hears all of them, then gossips all, or none when it refuses one. */
  #sayAll(all: readonly Gossiped[]): Verdict[] {
    const verdicts = all.map((from) => this.feed({ kind: 'message', from }))
    if (!this.#isUp || !verdicts.every(isSayable)) return verdicts
    for (const from of all) {
      this.world.checks?.said(this.account, from)
      this.world.network.publish(this.account, from)
      this.#streams.answer(from)
    }
    return verdicts
  }

  /** Signs a message as the one of its identity, or gives what was signed in its place before. */
  signOnce<K extends Kind>(kind: K, name: string, message: Message<K>): Signed<K, Message<K>> {
    const key = `${kind}/${name}`
    const earlier = this.disk.signed.get(key)
    if (earlier) return earlier as Signed<K, Message<K>>
    const signed = pretendSigned(kind, message, this.signer)
    this.disk.signed.set(key, signed)
    this.world.checks?.signed(this.account, key, signed)
    return signed
  }

  #sign(draft: Draft): Gossiped {
    const { requestId } = draft.message
    switch (draft.kind) {
      case 'Award': {
        const request = this.#market.job(requestId)?.request.message
        const auctionSecret = request ? auctionSecretOf(request) : draft.message.auctionSecret
        const signed = this.signOnce('Award', requestId, { ...draft.message, auctionSecret })
        return { ...signed, bid: draft.bid, opening: draft.opening }
      }
      case 'Start': {
        const name = `${requestId}/${draft.message.prover}`
        return { ...this.signOnce('Start', name, draft.message), acceptance: draft.acceptance }
      }
      case 'Notice':
        return this.signOnce('Notice', requestId, draft.message)
      case 'Receipt':
        return this.signOnce('Receipt', `${requestId}/${draft.message.prover}`, draft.message)
      default:
        return draft satisfies never
    }
  }

  #bid({ request, priceWei, readyAt, lanes }: Extract<Effect, { kind: 'bid' }>): void {
    const terms = { priceWei, readyAt, ...(lanes === undefined ? {} : { lanes }) }
    this.say(this.world.seals.seal(request.id, this.account, this.signer, terms))
  }

  #accept(message: Message<'Acceptance'>): void {
    this.later(SIGN_MS, () => {
      const acceptance = this.signOnce('Acceptance', message.requestId, message)
      this.feed({ kind: 'committed', from: acceptance })
      if (this.#isUp) this.#streams.accept(acceptance)
    })
  }

  #prove(requestId: Id): void {
    const request = this.#market.job(requestId)?.request.message
    const provingMs = (request && this.#options.provingMs?.(request)) ?? null
    if (provingMs === null) return
    this.later(provingMs, () => {
      this.world.checks?.proved(this.account, requestId)
      this.feed({ kind: 'proved', requestId, proofHash: proofHashOf(requestId, this.account) })
    })
  }
}
