/**
 * One node's view of the market and what that node does about it: the whole participant without its
 * IO. Production (`node/engine.ts`) and the simulator (`simulations/actor.ts`) feed the same inputs
 * and perform the same effects. `handle` never waits, reads a clock, draws a random number, logs or
 * throws on input, and every map is bounded: jobs by `maxJobs`, held messages by `maxHeld`, bids of
 * a job by `maxBids`.
 */
import { Accounts } from './accounts.ts'
import { type Auction, Auctioneer, newAuction } from './auctioneer.ts'
import { Bidder, type ProverDesk, type Pursuit } from './bidder.ts'
import { JobBook } from './book.ts'
import { isBundled } from './bundle.ts'
import type {
  ChainEvent,
  Decision,
  Effect,
  Gossiped,
  Input,
  MarketEvent,
  Outcome,
  Refusal,
  SignedAcceptance,
  SignedAward,
  SignedRequest,
  Verdict,
} from './effects.ts'
import { Holding, voucherOf } from './holding.ts'
import {
  endInTime,
  endsAt,
  forgetBids,
  isAllOpened,
  type Job,
  newJob,
  type Obligation,
  resolve,
  takeOpenings,
} from './job.ts'
import { Judge, type Judgement, startKey } from './judge.ts'
import type { Params } from './params.ts'
import { ignore } from './refusals.ts'
import type { Address, Id } from './schema.ts'
import { Standing } from './standing.ts'

export type MarketOptions = {
  /** The account this node speaks for. */
  readonly self: Address
  readonly params: Params
  /** Set for a prover agent. */
  readonly prover?: ProverDesk
  /** Whether to open all bids after an award, to check builders and learn prices. */
  readonly observes?: boolean
}

/**
 * What is stored of a job this node takes part in: plain data. Bids are not: an open auction dies
 * with us.
 */
export type JobRecord = {
  readonly request: SignedRequest
  readonly award: SignedAward | null
  readonly obligations: readonly (readonly [Address, Obligation])[]
  readonly outcome: Job['outcome']
  readonly bidsSeen: number
  readonly auction: Auction | null
  readonly pursuit: Pursuit | null
}

export class Market {
  readonly accounts = new Accounts()
  readonly standing: Standing
  readonly auctioneer: Auctioneer
  readonly bidder: Bidder | null
  readonly book: JobBook
  readonly #params: Params
  readonly #holding: Holding
  readonly #judge: Judge
  #effects: Effect[] = []
  #changed = new Set<Id>()

  constructor({ self, params, prover, observes = true }: MarketOptions) {
    this.#params = params
    this.standing = new Standing(params)
    this.book = new JobBook(params, this.accounts, (id) => this.bidder?.isBound(id) ?? false)
    // All of a bundle is decided at once, and stored with that.
    this.auctioneer = new Auctioneer(params, this.accounts, this.book, (id) =>
      this.#changed.add(id),
    )
    this.bidder = prover ? new Bidder(self, params, prover, this.accounts, this.book) : null
    this.#holding = new Holding(params.maxHeld)
    const { accounts, standing, book, auctioneer, bidder } = this
    this.#judge = new Judge(
      { self, params, observes, accounts, standing, book, auctioneer, bidder },
      this.#emit,
    )
  }

  /** A job by its request's id, as this node sees it. */
  job(id: Id): Job | undefined {
    return this.book.get(id)
  }

  /** Messages held for the ones they name. */
  get heldCount(): number {
    return this.#holding.size
  }

  /**
   * Takes one input at time `now` (ms since the Unix epoch). Synchronous, total and deterministic.
   */
  handle(input: Input, now: number): Outcome {
    this.#effects = []
    this.#changed = new Set()
    const verdict = this.#dispatch(input, now)
    return { verdict, effects: this.#effects, changed: [...this.#changed] }
  }

  /** What to store of a job this node takes part in; `null`: forget what is stored. */
  record(id: Id): JobRecord | null {
    const job = this.book.get(id)
    if (!job) return null
    const auction = this.auctioneer.auctions.get(id) ?? null
    const pursuit = this.bidder?.pursuits.get(id) ?? null
    const { request, award, outcome, bidsSeen } = job
    return {
      request,
      award,
      obligations: [...job.obligations],
      outcome,
      bidsSeen,
      auction,
      pursuit,
    }
  }

  /** Takes back what `record` gave, before the first input; then feed `resume`. */
  restore(record: JobRecord, now: number): void {
    const job = newJob(record.request)
    job.award = record.award
    job.outcome = record.outcome
    job.bidsSeen = record.bidsSeen
    for (const [prover, obligation] of record.obligations) job.obligations.set(prover, obligation)
    const evicted = this.book.add(job, now)
    if (evicted === 'full') return
    if (evicted) this.#forget(evicted)
    if (record.auction) this.auctioneer.auctions.set(job.id, { ...newAuction(), ...record.auction })
    if (record.pursuit) this.bidder?.pursuits.set(job.id, record.pursuit)
    this.book.update(job)
  }

  readonly #emit = (...effects: Effect[]): void => {
    this.#effects.push(...effects)
  }

  #dispatch(input: Input, now: number): Verdict {
    switch (input.kind) {
      case 'message':
        return this.#message(input.from, now)
      case 'chain':
        return this.#chain(input.event, now)
      case 'resume':
        for (const job of this.book.values()) this.#resume(job, now)
        return 'accept'
      case 'expired':
        // [IGNORE] HOLD_EXPIRED: what it names comes within `holdMs`.
        if (this.#holding.take(input.holdId)) this.#release(input.holdId, ignore('HOLD_EXPIRED'))
        return 'accept'
      case 'accepted':
        return this.#ofJob(input.from.message.requestId, (job) =>
          this.#accepted(job, input.from, now),
        )
      case 'committed':
        return this.#ofJob(input.from.message.requestId, (job) => {
          this.bidder?.committed(job, input.from, this.#emit)
          return null
        })
      default:
        return this.#ofJob(input.requestId, (job) => this.#local(input, job, now))
    }
  }

  /** Runs `act` on a job we know, then keeps the books in step with what it changed. */
  #ofJob(id: Id, act: (job: Job) => Refusal | null): Decision {
    const job = this.book.get(id)
    // [IGNORE] UNKNOWN_REQUEST: its request is known here.
    if (!job) return ignore('UNKNOWN_REQUEST')
    const before = job.outcome
    const refusal = act(job)
    this.#touch(job, before)
    return refusal ?? 'accept'
  }

  #touch(job: Job, before: Job['outcome']): void {
    if (before === null && job.outcome !== null) {
      this.#announce({ kind: 'ended', requestId: job.id, outcome: job.outcome })
      // A bundle is judged as a whole.
      if (job.bidsSeen > 0 && !job.award && !isBundled(job.request.message))
        this.standing.recordBuilder(job.request.message.builder, 'unawarded')
      forgetBids(job)
    }
    if (this.book.get(job.id) !== job) return
    this.book.update(job)
    if (this.auctioneer.auctions.has(job.id) || this.bidder?.pursuits.has(job.id))
      this.#changed.add(job.id)
  }

  #announce(event: MarketEvent): void {
    this.#effects.push({ kind: 'announce', event })
  }

  #accepted(job: Job, from: SignedAcceptance, now: number): Refusal | null {
    // [IGNORE] SIGNER_UNKNOWN: the accepting prover, or its registered signer, signed it.
    if (!this.accounts.speaksFor(from.message.prover, from.signer)) return ignore('SIGNER_UNKNOWN')
    return this.auctioneer.accept(job, from, now, this.#emit)
  }

  /** What our own driver reports of one job. */
  #local(
    input: Extract<
      Input,
      { readonly kind: 'waiting' | 'opened' | 'fetched' | 'proved' | 'delivered' | 'tick' }
    >,
    job: Job,
    now: number,
  ): Refusal | null {
    switch (input.kind) {
      case 'waiting':
        return this.auctioneer.wait(job, input.prover, this.#emit)
      case 'opened':
        if (!takeOpenings(job, input.openings)) return null
        if (!job.award) this.auctioneer.award(job, now, this.#emit)
        else if (isAllOpened(job)) this.#judge.observe(job)
        return null
      case 'fetched':
        this.bidder?.fetched(job, input.ok, now, this.#emit)
        return null
      case 'proved':
        this.bidder?.proved(job, input.proofHash, now, this.#emit)
        return null
      case 'delivered': {
        const { prover, proofHash, deliveredAt } = input
        return this.auctioneer.deliver(job, prover, proofHash, deliveredAt, this.#emit)
      }
      case 'tick':
        this.#tick(job, now)
        return null
      default:
        return input satisfies never
    }
  }

  #tick(job: Job, now: number): void {
    this.#judge.tickBundle(job, now)
    this.auctioneer.tick(job, now, this.#emit)
    this.bidder?.tick(job, now, this.#emit)
    if (job.outcome) this.#forgetOrWake(job, now)
    else if (endInTime(job, now, this.#params)) this.#forgetOrWake(job, now)
  }

  /** An ended job stays while a slash or payment may still come; then it is forgotten. */
  #forgetOrWake(job: Job, now: number): void {
    const at = this.#forgetAt(job)
    if (now < at) this.#emit({ kind: 'wake', requestId: job.id, at })
    else this.#forget(job.id)
  }

  #forgetAt(job: Job): number {
    return Math.max(this.book.forgetAt(job), this.bidder?.keepUntil(job) ?? 0)
  }

  #forget(id: Id): void {
    this.book.delete(id)
    const wasOurs = this.auctioneer.auctions.delete(id)
    if (this.bidder?.pursuits.delete(id) || wasOurs) this.#changed.add(id)
  }

  #message(from: Gossiped, now: number): Verdict {
    const judgement = this.#judgeMessage(from, now)
    if (judgement !== 'accept')
      return 'awaits' in judgement ? this.#hold(judgement.awaits, from, now) : judgement
    this.#releaseHeld(from.id, now)
    if (from.kind === 'Start') this.#releaseHeld(startKey(from.message), now)
    return 'accept'
  }

  #judgeMessage(from: Gossiped, now: number): Judgement {
    if (from.kind === 'ProofRequest') {
      const decision = this.#judge.request(from, now, (id) => this.#forget(id))
      const job = this.book.get(from.id)
      if (decision === 'accept' && job) this.#touch(job, null)
      return decision
    }
    const job = this.book.get(from.message.requestId)
    if (!job) {
      const rival = from.kind === 'Award' ? this.#judge.rival(from) : null
      return rival ?? { awaits: from.message.requestId }
    }
    const before = job.outcome
    const judgement = this.#judge.ofJob(from, job, now)
    if (judgement === 'accept') this.#touch(job, before)
    return judgement
  }

  /** Holds a message until what it names comes: one bid in eleven, and one award, overtakes it. */
  #hold(awaited: string, from: Gossiped, now: number): Verdict {
    const { account, signer } = voucherOf(from)
    // Else anybody could fill the room.
    // [IGNORE] SIGNER_UNKNOWN: an account with money on chain vouches for what is held.
    if (!this.accounts.speaksFor(account, signer) || !this.accounts.hasFunds(account))
      return ignore('SIGNER_UNKNOWN')
    // [IGNORE] DUPLICATE: it is not held already.
    if (this.#holding.has(from.id)) return ignore('DUPLICATE')
    // [IGNORE] HOLD_FULL: there is room to hold it.
    if (!this.#holding.add(awaited, account, from)) return ignore('HOLD_FULL')
    this.#emit({ kind: 'expire', holdId: from.id, at: now + this.#params.holdMs })
    return { action: 'hold', holdId: from.id }
  }

  /** Judges what waited for `awaited`; a message may be held once more, for another. */
  #releaseHeld(awaited: string, now: number): void {
    for (const { holdId, from } of this.#holding.release(awaited)) {
      const verdict = this.#message(from, now)
      if (verdict === 'accept' || verdict.action !== 'hold') this.#release(holdId, verdict)
    }
  }

  #release(holdId: Id, verdict: Decision): void {
    this.#effects.push({ kind: 'release', holdId, verdict })
  }

  #chain(event: ChainEvent, now: number): Verdict {
    switch (event.kind) {
      case 'account':
      case 'signer':
        this.accounts.observe(event)
        return 'accept'
      case 'block':
        return 'accept'
      case 'paid':
      case 'slashed':
        return this.#resolved(event, now)
      default:
        return event satisfies never
    }
  }

  #resolved(event: Extract<ChainEvent, { kind: 'paid' | 'slashed' }>, now: number): Verdict {
    const request = this.book.byNonce(event.builder, event.nonce)
    // [IGNORE] UNKNOWN_REQUEST: what was paid or slashed is known here.
    if (!request) return ignore('UNKNOWN_REQUEST')
    const { prover, transactionHash } = event
    const of = { requestId: request.id, prover, transactionHash }
    return this.#ofJob(request.id, (job) => {
      const payWei = event.kind === 'paid' ? event.payWei : 0n
      const isNews = resolve(job, prover, { kind: event.kind, payWei, transactionHash })
      if (!isNews) return null
      if (event.kind === 'paid') this.#announce({ kind: 'paid', payWei: event.payWei, ...of })
      else this.#announce({ kind: 'slashed', bondWei: event.bondWei, ...of })
      if (job.outcome) this.#emit({ kind: 'wake', requestId: job.id, at: this.#forgetAt(job) })
      this.bidder?.tick(job, now, this.#emit)
      return null
    })
  }

  #resume(job: Job, now: number): void {
    const at = Math.max(now, endsAt(job, this.#params) + 1)
    this.#emit({ kind: 'wake', requestId: job.id, at })
    this.auctioneer.resume(job, now, this.#emit)
    this.bidder?.resume(job, now, this.#emit)
    this.#changed.add(job.id)
  }
}
