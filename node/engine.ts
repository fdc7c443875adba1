/**
 * The production driver: performs the effects of `Market` with real IO and feeds what comes back as
 * inputs.
 *
 * Nothing is decided here. Inputs are handled one at a time, to completion, in the order they
 * arrive. What a job's effects may promise is performed after the job is stored, so a crash between
 * the two repeats an effect and never loses one; what was signed is given again, never signed anew.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type {
  Decision,
  Draft,
  Effect,
  Gossiped,
  GossipKind,
  Input,
  MarketEvent,
  SignedBid,
  Verdict,
} from '#protocol/effects'
import { isRefusal, openEnvelope, sealEnvelope } from '#protocol/envelope'
import type { Market } from '#protocol/market'
import type { Address, Hex, Id } from '#protocol/schema'
import { type AuctionSecret, openBid, parseSecret } from '#protocol/sealing'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import { Records } from './records.ts'
import { ownKey, type Signer } from './signer.ts'
import type { Store } from './store.ts'

/** The chain's part: each queues durably and returns at once. */
export type ChainActions = {
  readonly [K in ChainEffect['kind']]: (effect: Extract<ChainEffect, { kind: K }>) => void
}
type ChainEffect = Extract<
  Effect,
  { kind: 'settle' | 'commit' | 'claim' | 'slash' | 'report' | 'reportMisaward' }
>
/** The prover's part (`proving.ts`); absent on nodes that do not prove. */
export type ProverActions = {
  readonly [K in 'fetch' | 'prove' | 'abort' | 'deliver']: (requestId: Id) => void
} & {
  readonly accept: (message: Extract<Effect, { kind: 'accept' }>['message']) => void
  /** We bid for this builder's request: have a connection by the time of the award. */
  readonly approach: (builderPeer: Hex) => void
}

/** The builder's streams (`exchange.ts`). */
export type Counter = {
  readonly turn: (requestId: Id, prover: Address, path: readonly Hex[]) => void
  readonly dismiss: (requestId: Id) => void
  /** Our start or receipt is signed: whoever waits for it on a stream gets it. */
  readonly answer: (from: Gossiped) => void
}

/** What the engine needs from the world; each is one file of `node/`. */
export type Ports = {
  readonly market: Market
  readonly store: Store
  readonly signer: Signer
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly publish: (kind: GossipKind, data: Uint8Array) => Promise<unknown>
  readonly chain: ChainActions
  readonly counter: Counter
  readonly prover: ProverActions | null
  readonly onEvent: (event: MarketEvent) => void
  /** The disk failed: the node must stop, because it cannot keep what it promises. */
  readonly onFatal: (error: unknown) => void
}

/** Bids opened before the event loop gets its turn again: 16 × 0.2 ms. */
const OPEN_SLICE = 16

/** What binds nobody, or decides a peer's message, does not wait for the disk. */
const instant: ReadonlySet<Effect['kind']> = new Set([
  'release',
  'wake',
  'expire',
  'open',
  'announce',
])

/** Our market took it, or knows it: then it goes out again. */
const isSayable = (verdict: Verdict): boolean =>
  verdict === 'accept' || ('code' in verdict && verdict.code === 'DUPLICATE')

export class Engine {
  readonly #ports: Ports
  readonly #records: Records
  readonly #held = new Map<Id, (decision: Decision) => void>()
  readonly #timers = new Set<() => void>()
  readonly #secrets = new Map<Id, AuctionSecret>()
  #stopped = false

  constructor(ports: Ports) {
    this.#ports = ports
    this.#records = new Records(ports.store, ports.market)
  }

  /**
   * Gives the stored jobs back to the market. Call once, before the chain tells what became of
   * them.
   */
  restore(): Promise<number> {
    return this.#records.restore(this.#ports.clock.now())
  }

  /** Asks for what the restored jobs still need. Call when every port is ready. */
  resume(): void {
    this.feed({ kind: 'resume' })
  }

  /** Handles one input; effects follow. */
  feed(input: Input): Verdict {
    if (this.#stopped) return { action: 'ignore', code: 'JOB_ENDED' }
    const { verdict, effects, changed } = this.#ports.market.handle(input, this.#ports.clock.now())
    const stored = changed.length > 0 ? this.#records.save(changed) : null
    stored?.catch(this.#ports.onFatal)
    for (const effect of effects) {
      if (stored && !instant.has(effect.kind)) this.#performAfter(stored, effect)
      else this.#try(effect)
    }
    return verdict
  }

  /**
   * Feeds, and resolves when what changed is on disk: before something else is promised on top of
   * it.
   */
  async feedStored(input: Input): Promise<Verdict> {
    const verdict = this.feed(input)
    await this.#records.saved()
    return verdict
  }

  /** Judges what came by gossip; waits while the message is held for the one it names. */
  async validate(kind: GossipKind, data: Uint8Array): Promise<'accept' | 'ignore' | 'reject'> {
    const began = performance.now()
    const opened = openEnvelope(kind, data, this.#ports.signer.separator)
    let decision: Decision
    if (isRefusal(opened)) decision = opened
    else {
      const verdict = this.feed({ kind: 'message', from: opened })
      this.#ports.metrics.observeValidation(kind, (performance.now() - began) * 1_000)
      decision =
        verdict !== 'accept' && verdict.action === 'hold'
          ? await new Promise((resolve) => this.#held.set(verdict.holdId, resolve))
          : verdict
    }
    const [action, code] = decision === 'accept' ? ['accept', ''] : [decision.action, decision.code]
    this.#ports.metrics.countMessage(kind, action, code)
    return action as 'accept' | 'ignore' | 'reject'
  }

  /** Keeps an own auction's secret at hand for opening its bids. */
  keepSecret(requestId: Id, secret: Hex): void {
    this.#secrets.set(requestId, parseSecret(secret))
  }

  /** Stops timers and waits for the disk. Held messages are let go. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    for (const settle of this.#held.values()) settle({ action: 'ignore', code: 'HOLD_EXPIRED' })
    this.#held.clear()
    await this.#records.saved()
  }

  #performAfter(stored: Promise<void>, effect: Effect): void {
    stored.then(
      () => this.#try(effect),
      () => undefined, // Reported as fatal where it was started.
    )
  }

  #try(effect: Effect): void {
    this.#perform(effect).catch((error: unknown) =>
      this.#ports.log.error('effect failed', { effect: effect.kind, error }),
    )
  }

  async #perform(effect: Effect): Promise<void> {
    const { chain, counter, prover, onEvent } = this.#ports
    if (this.#stopped) return
    switch (effect.kind) {
      case 'publish':
        await this.say(await this.#sign(effect.draft))
        return
      case 'publishAll':
        await this.sayAll(await Promise.all(effect.drafts.map((draft) => this.#sign(draft))))
        return
      case 'bid':
        return this.#bid(effect)
      case 'open':
        return this.#open(effect.requestId, effect.bids, effect.secret)
      case 'release':
        this.#held.get(effect.holdId)?.(effect.verdict)
        this.#held.delete(effect.holdId)
        return
      case 'wake':
        return this.#wake(effect.at, { kind: 'tick', requestId: effect.requestId })
      case 'expire':
        return this.#wake(effect.at, { kind: 'expired', holdId: effect.holdId })
      case 'fetch':
      case 'prove':
      case 'abort':
      case 'deliver':
        return prover?.[effect.kind](effect.requestId)
      case 'accept':
        return prover?.accept(effect.message)
      case 'settle':
        return chain.settle(effect)
      case 'commit':
        return chain.commit(effect)
      case 'claim':
        return chain.claim(effect)
      case 'slash':
        return chain.slash(effect)
      case 'report':
        return chain.report(effect)
      case 'reportMisaward':
        return chain.reportMisaward(effect)
      case 'turn':
        return counter.turn(effect.requestId, effect.prover, effect.path)
      case 'dismiss':
        return counter.dismiss(effect.requestId)
      case 'announce':
        if (effect.event.kind === 'ended') this.#secrets.delete(effect.event.requestId)
        return onEvent(effect.event)
      default:
        effect satisfies never
    }
  }

  #wake(at: number, input: Input): void {
    const cancel = this.#ports.clock.wake(at, () => {
      this.#timers.delete(cancel)
      this.feed(input)
    })
    this.#timers.add(cancel)
  }

  /**
   * Feeds our own message, stores what it changed, gives it to who waits for it on a stream, then
   * gossips it. A message we know already goes out again; one our market refuses reaches nobody.
   */
  async say(from: Gossiped): Promise<Verdict> {
    const [verdict] = await this.sayAll([from])
    return verdict!
  }

  /**
   * Says messages that belong together: all are fed, and what they changed is on disk, before one
   * of them leaves. When our market refuses one, none leaves.
   */
  async sayAll(all: readonly Gossiped[]): Promise<Verdict[]> {
    const { counter, log, publish } = this.#ports
    const verdicts = all.map((from) => this.feed({ kind: 'message', from }))
    await this.#records.saved()
    const refused = verdicts.findIndex((verdict) => !isSayable(verdict))
    if (refused >= 0) {
      const { kind, id } = all[refused]!
      log.warn('own message refused', { kind, id, verdict: verdicts[refused] })
      return verdicts
    }
    // First: whoever waits gets it even when gossip fails.
    for (const from of all) counter.answer(from)
    await Promise.all(all.map((from) => publish(from.kind, sealEnvelope(from))))
    return verdicts
  }

  async #sign(draft: Draft): Promise<Gossiped> {
    const { signer, store } = this.#ports
    const { requestId } = draft.message
    switch (draft.kind) {
      case 'Award': {
        const secret = await store.get(ownKey(requestId, 'secret'))
        if (!secret) throw new Error(`auction secret of ${requestId} is missing`)
        const auctionSecret: Hex = `0x${Buffer.from(secret).toString('hex')}`
        const message = { ...draft.message, auctionSecret }
        const signed = await signer.signOnce('Award', requestId, 'Award', message)
        return { ...signed, bid: draft.bid, opening: draft.opening }
      }
      case 'Start': {
        const name = `Start/${draft.message.prover}`
        const signed = await signer.signOnce('Start', requestId, name, draft.message)
        return { ...signed, acceptance: draft.acceptance }
      }
      case 'Notice':
        return signer.signOnce('Notice', requestId, 'Notice', draft.message)
      case 'Receipt': {
        const name = `Receipt/${draft.message.prover}`
        return signer.signOnce('Receipt', requestId, name, draft.message)
      }
      default:
        return draft satisfies never
    }
  }

  async #bid(effect: Extract<Effect, { kind: 'bid' }>): Promise<void> {
    const { request, priceWei, readyAt, lanes } = effect
    const { auctionKey, builderPeer } = request.message
    this.#ports.prover?.approach(builderPeer)
    await this.say(await this.#ports.signer.bid(request.id, auctionKey, priceWei, readyAt, lanes))
  }

  /** Opens bids in slices, so that a thousand of them never hold the event loop. */
  async #open(requestId: Id, bids: readonly SignedBid[], published: Hex | null): Promise<void> {
    const secret = published ? parseSecret(published) : this.#secrets.get(requestId)
    if (!secret) return
    const openings: { bidId: Id; opening: ReturnType<typeof openBid> }[] = []
    for (const [index, bid] of bids.entries()) {
      if (index > 0 && index % OPEN_SLICE === 0) await nextTurn()
      openings.push({ bidId: bid.id, opening: openBid(secret, bid.message) })
    }
    this.feed({ kind: 'opened', requestId, openings })
  }
}
