/**
 * What a gossiped message does to the market, once its bytes and signature are in order: accepted,
 * refused
 * with a code, or awaiting the message it names. Every `[REJECT]` and `[IGNORE]` line is a rule of
 * `protocol/README.md` and the title of a test.
 */
import type { Accounts } from './accounts.ts'
import type { Auctioneer, Emit } from './auctioneer.ts'
import type { Bidder } from './bidder.ts'
import type { JobBook } from './book.ts'
import { isBundled } from './bundle.ts'
import type {
  Decision,
  Gossiped,
  MarketEvent,
  Refusal,
  SignedAward,
  SignedBid,
  SignedNotice,
  SignedReceipt,
  SignedRequest,
  SignedStart,
} from './effects.ts'
import {
  endsAt,
  type Job,
  newJob,
  repeated,
  takeAward,
  takeBid,
  takeNotice,
  takeReceipt,
  takeStart,
} from './job.ts'
import { observeAward, observeBundle } from './observer.ts'
import type { Params } from './params.ts'
import { ignore } from './refusals.ts'
import { Rivals } from './rivals.ts'
import { checkAward, checkBuilder, checkRequest } from './rules.ts'
import type { Address, Id, ProofRequest } from './schema.ts'
import type { Standing } from './standing.ts'

/** The message names one that has not come: hold it for that one, by this key. */
export type Awaiting = { readonly awaits: string }
export type Judgement = Decision | Awaiting

/** The rooms of one market that a message may change. */
export type Rooms = {
  readonly self: Address
  readonly params: Params
  readonly accounts: Accounts
  readonly standing: Standing
  readonly book: JobBook
  readonly auctioneer: Auctioneer
  readonly bidder: Bidder | null
  readonly observes: boolean
}

/** What a notice or receipt waits for: the start of its prover. */
export const startKey = (of: { readonly requestId: Id; readonly prover: Address }): string =>
  `${of.requestId}/${of.prover}`

export class Judge {
  readonly #rooms: Rooms
  readonly #emit: Emit
  readonly #rivals = new Rivals()

  constructor(rooms: Rooms, emit: Emit) {
    this.#rooms = rooms
    this.#emit = emit
  }

  #announce(event: MarketEvent): void {
    this.#emit({ kind: 'announce', event })
  }

  #wakeAtEnd(job: Job): void {
    this.#emit({ kind: 'wake', requestId: job.id, at: endsAt(job, this.#rooms.params) + 1 })
  }

  /** Judges anything but a request, for a job we know. `now`: ms since the Unix epoch. */
  ofJob(from: Exclude<Gossiped, SignedRequest>, job: Job, now: number): Judgement {
    const isProvers = from.kind === 'Bid' || from.kind === 'Notice'
    const account = isProvers ? from.message.prover : job.request.message.builder
    // [IGNORE] SIGNER_UNKNOWN: its account, or the signer registered for it on chain, signed it.
    if (!this.#rooms.accounts.speaksFor(account, from.signer)) return ignore('SIGNER_UNKNOWN')
    switch (from.kind) {
      case 'Bid':
        return this.#bid(from, job, now)
      case 'Award':
        return this.#award(from, job, now)
      case 'Start':
        return this.#start(from, job, now)
      case 'Notice':
        return this.#notice(from, job, now)
      case 'Receipt':
        return this.#receipt(from, job, now)
      default:
        return from satisfies never
    }
  }

  /**
   * Judges a request; an accepted one is a new job. A full book forgets one that `evict` is told
   * of.
   */
  request(from: SignedRequest, now: number, evict: (id: Id) => void): Decision {
    const { message } = from
    // [IGNORE] SIGNER_UNKNOWN: the request's builder, or its registered signer, signed it.
    if (!this.#rooms.accounts.speaksFor(message.builder, from.signer))
      return ignore('SIGNER_UNKNOWN')
    const known = this.#rooms.book.byNonce(message.builder, message.nonce)
    // [IGNORE] DUPLICATE, EQUIVOCATION: the builder's first request with this nonce.
    if (known) {
      const refusal = this.#repeated(known, from, message.builder)
      if (refusal.code === 'EQUIVOCATION') this.#rivals.keep(from)
      return refusal
    }
    const unfit = checkRequest(message, now, this.#rooms.params)
    if (unfit) return unfit
    const open = this.#rooms.book.openRequests(message.builder)
    const retried = this.#rooms.book.get(message.retryOf)
    const { book, accounts, params } = this.#rooms
    const bundle = book.bundle(message)
    const refused = checkBuilder(from, accounts, open, retried, bundle, params)
    if (refused) return refused
    const job = newJob(from)
    const evicted = this.#rooms.book.add(job, now)
    // [IGNORE] REQUEST_TOO_MANY: there is room for one more job.
    if (evicted === 'full') return ignore('REQUEST_TOO_MANY')
    if (evicted) evict(evicted)
    this.#announce({ kind: 'requested', requestId: job.id, request: message })
    this.#wakeAtEnd(job)
    if (message.builder === this.#rooms.self) this.#rooms.auctioneer.open(job, this.#emit)
    else {
      const builder = this.#rooms.standing.builder(message.builder)
      this.#rooms.bidder?.quote(job, { now, builder }, this.#emit)
    }
    return 'accept'
  }

  /**
   * A second message of one identity: the same again, or other content, which is kept as evidence.
   */
  #repeated(first: { readonly id: Id }, second: { readonly id: Id }, account: Address): Refusal {
    const code = repeated(first, second)
    if (code === 'EQUIVOCATION')
      this.#announce({ kind: 'equivocation', account, first: first.id, second: second.id })
    return ignore(code)
  }

  #bid(from: SignedBid, job: Job, now: number): Decision {
    const { prover } = from.message
    const known = job.bids.get(prover)
    // [IGNORE] DUPLICATE, EQUIVOCATION: the prover's first bid for this request.
    if (known) return this.#repeated(known, from, prover)
    // [IGNORE] BOND_NOT_FREE: the prover's bond, less what its open starts hold, covers the request's.
    if (this.#rooms.accounts.freeBondWei(prover) < job.request.message.bondWei)
      return ignore('BOND_NOT_FREE')
    // [IGNORE] TURNS_UNANSWERED: the prover answers its turns.
    if (this.#rooms.standing.isUnresponsive(prover, now)) return ignore('TURNS_UNANSWERED')
    const refused = takeBid(job, from, now, this.#rooms.params)
    if (refused) return refused
    this.#announce({ kind: 'bid-seen', requestId: job.id, bidId: from.id, prover })
    if (prover === this.#rooms.self) this.#rooms.bidder?.placed(job, from.id)
    if (this.#rooms.auctioneer.auctions.has(job.id))
      this.#emit({ kind: 'open', requestId: job.id, bids: [from], secret: null })
    return 'accept'
  }

  #award(from: SignedAward, job: Job, now: number): Decision {
    const { builder } = job.request.message
    // [IGNORE] DUPLICATE, EQUIVOCATION: the builder's first award of this request.
    if (job.award) {
      const refusal = this.#repeated(job.award, from, builder)
      const request = job.request.message
      if (refusal.code === 'EQUIVOCATION') this.#report(job, { request, award: from })
      return refusal
    }
    // [IGNORE] SIGNER_UNKNOWN: the winning bid's prover, or its registered signer, signed that bid.
    if (!this.#rooms.accounts.speaksFor(from.bid.message.prover, from.bid.signer))
      return ignore('SIGNER_UNKNOWN')
    const unfit = checkAward(from, job) ?? takeAward(job, from, now, this.#rooms.params)
    if (unfit) return unfit
    const { prover, priceWei, readyAt, bidCount, backups } = from.message
    this.#announce({
      kind: 'awarded',
      requestId: job.id,
      prover,
      priceWei,
      readyAt,
      bidCount,
      backups,
    })
    const rival = this.#rivals.awarded(builder, job.request.message.nonce)
    if (rival?.award) this.#report(job, { request: rival.request.message, award: rival.award })
    this.#rooms.standing.recordBuilder(builder, 'awards')
    this.#wakeAtEnd(job)
    if (builder === this.#rooms.self) this.#rooms.auctioneer.begin(job, now, this.#emit)
    else if (this.#rooms.observes) this.#openRest(job, from)
    this.#rooms.bidder?.awarded(job, this.#emit)
    return 'accept'
  }

  /** Our job's award and another for the same nonce: evidence, once. */
  #report(job: Job, second: { request: ProofRequest; award: SignedAward }): void {
    if (job.isReported || !job.award) return
    job.isReported = true
    const first = { request: job.request.message, award: job.award }
    this.#emit({ kind: 'report', first, second })
  }

  /**
   * Judges an award of a request we refused because its nonce was taken. `null`: it is of no such
   * request.
   */
  rival(from: SignedAward): Refusal | null {
    const rival = this.#rivals.get(from.message.requestId)
    if (!rival) return null
    const { builder, nonce } = rival.request.message
    // [IGNORE] SIGNER_UNKNOWN: its account, or the signer registered for it on chain, signed it.
    if (!this.#rooms.accounts.speaksFor(builder, from.signer)) return ignore('SIGNER_UNKNOWN')
    rival.award ??= from
    const first = this.#rooms.book.byNonce(builder, nonce)
    const job = first && this.#rooms.book.get(first.id)
    if (job) this.#report(job, { request: rival.request.message, award: rival.award })
    // [IGNORE] EQUIVOCATION: it awards the builder's first request with its nonce.
    return ignore('EQUIVOCATION')
  }

  /**
   * The award published the secret: everybody opens what it has and recomputes the winner (rule
   * A6).
   */
  #openRest(job: Job, award: SignedAward): void {
    const bids = [...job.bids.values()].filter(({ id }) => !job.openings.has(id))
    const secret = award.message.auctionSecret
    if (bids.length > 0) this.#emit({ kind: 'open', requestId: job.id, bids, secret })
    else this.observe(job)
  }

  /** All bids of an awarded job are opened: check the award. Our own we made by the rule. */
  observe(job: Job): void {
    // A bundle is judged as a whole.
    if (job.request.message.builder === this.#rooms.self || isBundled(job.request.message)) return
    observeAward(job, this.#rooms.params, this.#rooms.standing, this.#emit)
  }

  /** Time passed: once no award of a bundle can come any more, it is judged. */
  tickBundle(job: Job, now: number): void {
    const { params, accounts, standing, book, self } = this.#rooms
    const request = job.request.message
    if (request.builder === self || now <= request.closesAt + params.awardGraceMs + params.holdMs)
      return
    if (!book.isFirstJudgement(request)) return
    observeBundle(book.bundle(request), params, accounts, standing, this.#emit)
  }

  #start(from: SignedStart, job: Job, now: number): Judgement {
    const { prover, awardId } = from.message
    if (!job.award) return { awaits: awardId }
    // [IGNORE] SIGNER_UNKNOWN: the started prover, or its registered signer, signed the acceptance.
    if (!this.#rooms.accounts.speaksFor(prover, from.acceptance.signer))
      return ignore('SIGNER_UNKNOWN')
    const known = job.obligations.get(prover)
    // [IGNORE] DUPLICATE, EQUIVOCATION: the builder's first start of this prover.
    if (known) return this.#repeated(known.start, from, job.request.message.builder)
    const isBound = prover === this.#rooms.self && this.#rooms.bidder?.isBound(job.id)
    const refused = takeStart(job, from, now, this.#rooms.params, isBound)
    if (refused) return refused
    this.#rooms.book.recordTurns(job, prover, this.#rooms.standing, now)
    this.#announce({ kind: 'started', requestId: job.id, prover, at: from.message.startedAt })
    this.#wakeAtEnd(job)
    this.#rooms.auctioneer.started(job, prover, this.#emit)
    if (prover === this.#rooms.self) this.#rooms.bidder?.started(job, this.#emit)
    return 'accept'
  }

  #notice(from: SignedNotice, job: Job, now: number): Judgement {
    const { requestId, prover } = from.message
    if (!job.obligations.has(prover) && !job.outcome)
      return { awaits: startKey({ requestId, prover }) }
    const refused = takeNotice(job, from, now, this.#rooms.params)
    if (refused) return refused
    this.#announce({ kind: 'noticed', requestId, prover })
    return 'accept'
  }

  #receipt(from: SignedReceipt, job: Job, now: number): Judgement {
    const { requestId, prover, payWei, deliveredAt } = from.message
    if (!job.obligations.has(prover) && !job.outcome)
      return { awaits: startKey({ requestId, prover }) }
    const refused = takeReceipt(job, from, now, this.#rooms.params)
    if (refused) return refused
    this.#announce({ kind: 'received', requestId, prover, payWei, deliveredAt })
    if (this.#rooms.auctioneer.auctions.has(job.id)) this.#emit({ kind: 'dismiss', requestId })
    this.#rooms.bidder?.received(job, from, this.#emit)
    return 'accept'
  }
}
