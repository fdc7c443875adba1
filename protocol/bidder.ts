/**
 * The prover's side of the jobs it bids for: quotes, fetches the inputs when named, accepts,
 * proves, delivers, and takes its money by receipt or by claim. Part of `Market`: no IO, no clock.
 *
 * Once it has signed an acceptance it proves to the end, even if no start comes or another prover
 * delivers: a start signed in secret and shown after `dueAt` could otherwise take its bond (rule
 * D4).
 */

import type { Accounts } from './accounts.ts'
import { lineUp } from './auction.ts'
import type { Emit } from './auctioneer.ts'
import type { JobBook } from './book.ts'
import type { SignedAcceptance, SignedReceipt } from './effects.ts'
import { closesForGoodAt, extraCoverWei, isDelivered, type Job, promiseOf } from './job.ts'
import { payWei } from './money.ts'
import type { Params } from './params.ts'
import type { Address, Hex, Id, ProofRequest } from './schema.ts'
import type { BuilderRecord } from './standing.ts'

/** What a strategy is asked. Times are ms since the Unix epoch. */
export type QuoteContext = {
  readonly request: ProofRequest
  readonly now: number
  readonly builder: BuilderRecord
  /** Own bond less what own starts and acceptances hold. */
  readonly freeBondWei: bigint
}
/** A strategy's unsigned answer to a request. */
export type Quote = {
  readonly priceWei: bigint
  readonly readyAt: number
  /** How many requests of one bundle are taken at most (rule B9); one when left out. */
  readonly lanes?: number
}

/** What the prover's operator decides; pure or at least instant. */
export type ProverDesk = {
  /** Prices a request, or declines it. */
  readonly quote: (context: QuoteContext) => Quote | null
  /** Whether there is room for this job now: asked once more when its turn has come. */
  readonly accepts: (request: ProofRequest, now: number) => boolean
}

type Stage = 'bidding' | 'fetching' | 'accepting' | 'proving' | 'proved' | 'over'

/** The prover's own state of one job; plain data, stored with the job. */
export type Pursuit = {
  readonly priceWei: bigint
  readonly readyAt: number
  readonly lanes?: number
  /** Our bid, once it was signed and taken. */
  bidId: Id | null
  stage: Stage
  acceptance: SignedAcceptance | null
  proofHash: Hex | null
  /** When the proof was ready. ms since the Unix epoch. */
  provedAt: number | null
  /** The receipt that is good, and being settled. */
  receipt: SignedReceipt | null
  isCommitted: boolean
  isClaimed: boolean
}

/**
 * The builder answers a delivery in a round trip and `receiptMs`; this long without, we commit on
 * chain. A receipt that says the proof came later than this is not believed. ms.
 */
const RECEIPT_PATIENCE_MS = 3_000

export class Bidder {
  readonly pursuits = new Map<Id, Pursuit>()
  readonly #self: Address
  readonly #params: Params
  readonly #desk: ProverDesk
  readonly #accounts: Accounts
  readonly #book: JobBook

  constructor(self: Address, params: Params, desk: ProverDesk, accounts: Accounts, book: JobBook) {
    this.#self = self
    this.#params = params
    this.#desk = desk
    this.#accounts = accounts
    this.#book = book
  }

  /**
   * Whether we accepted a job and still owe its proof, or are owed for it (rule D4): while a start
   * we never saw could still be shown and take our bond, acceptance and proof are what answers it.
   */
  isBound(id: Id): boolean {
    const stage = this.pursuits.get(id)?.stage
    return stage === 'accepting' || stage === 'proving' || stage === 'proved'
  }

  /** Own bond that neither a start nor an acceptance still waiting for its start holds. wei. */
  #freeBondWei(): bigint {
    let freeWei = this.#accounts.freeBondWei(this.#self)
    for (const id of this.pursuits.keys()) {
      const job = this.isBound(id) ? this.#book.get(id) : undefined
      const isWaiting = job && !job.outcome && !job.obligations.has(this.#self)
      if (isWaiting) freeWei -= job.request.message.bondWei
    }
    return freeWei
  }

  /** A request was heard: bid if the strategy wants it. */
  quote(job: Job, context: Pick<QuoteContext, 'now' | 'builder'>, emit: Emit): void {
    const request = job.request.message
    const freeBondWei = this.#freeBondWei()
    if (freeBondWei < request.bondWei) return
    const quote = this.#desk.quote({ request, freeBondWei, ...context })
    if (!quote || quote.priceWei > request.reserveWei || quote.readyAt > request.dueAt) return
    this.pursuits.set(job.id, {
      ...quote,
      bidId: null,
      stage: 'bidding',
      acceptance: null,
      proofHash: null,
      provedAt: null,
      receipt: null,
      isCommitted: false,
      isClaimed: false,
    })
    emit({ kind: 'bid', request: job.request, ...quote })
  }

  /** Our bid is signed and in the auction. */
  placed(job: Job, bidId: Id): void {
    const pursuit = this.pursuits.get(job.id)
    if (pursuit) pursuit.bidId = bidId
  }

  /**
   * The award is known: ask for the inputs if it names us; the builder answers when it is our turn.
   */
  awarded(job: Job, emit: Emit): void {
    const pursuit = this.pursuits.get(job.id)
    if (!pursuit || !job.award || pursuit.stage !== 'bidding') return
    if (!lineUp(job.award.message).includes(this.#self)) {
      pursuit.stage = 'over'
      return
    }
    pursuit.stage = 'fetching'
    emit({ kind: 'fetch', requestId: job.id })
  }

  /** Our turn has come, with the inputs, or will not. */
  fetched(job: Job, ok: boolean, now: number, emit: Emit): void {
    const pursuit = this.pursuits.get(job.id)
    if (!pursuit || !job.award || pursuit.stage !== 'fetching') return
    // Of two awards the chain pays under one, and the builder chooses which (rule D7).
    const mayAccept = ok && !job.outcome && !job.isReported && this.#isSafe(job, pursuit)
    if (!mayAccept || !this.#desk.accepts(job.request.message, now)) {
      pursuit.stage = 'over'
      emit({ kind: 'abort', requestId: job.id })
      return
    }
    pursuit.stage = 'accepting'
    const message = { requestId: job.id, awardId: job.award.id, prover: this.#self }
    emit({ kind: 'accept', message })
  }

  /** Whether our bond is free for this start and the builder's cover bears it (rules G3, G4). */
  #isSafe(job: Job, pursuit: Pursuit): boolean {
    const { bondWei, builder } = job.request.message
    const extraWei = extraCoverWei(job, pursuit.priceWei, this.#params)
    const coverWei = this.#accounts.freeCoverWei(builder)
    return this.#freeBondWei() >= bondWei && coverWei >= (extraWei > 0n ? extraWei : 0n)
  }

  /** The acceptance is stored, and may be on its way: from here we deliver. */
  committed(job: Job, acceptance: SignedAcceptance, emit: Emit): void {
    const pursuit = this.pursuits.get(job.id)
    if (!pursuit || pursuit.acceptance) return
    pursuit.acceptance = acceptance
    pursuit.stage = 'proving'
    emit({ kind: 'prove', requestId: job.id })
    emit({ kind: 'wake', requestId: job.id, at: job.request.message.dueAt })
  }

  /** Our start is known. If the proof was faster, it can be noticed only now. */
  started(job: Job, emit: Emit): void {
    const pursuit = this.pursuits.get(job.id)
    if (pursuit?.stage !== 'proved' || !pursuit.proofHash || pursuit.provedAt === null) return
    if (!job.obligations.has(this.#self)) return
    this.#notice(job, pursuit.proofHash, pursuit.provedAt, emit)
    emit({ kind: 'deliver', requestId: job.id })
    if (pursuit.isCommitted) this.#claim(job, pursuit, emit)
  }

  #notice(job: Job, proofHash: Hex, provedAt: number, emit: Emit): void {
    const obligation = job.obligations.get(this.#self)
    if (!obligation || obligation.notice) return
    const readyAt = Math.max(provedAt, obligation.start.message.startedAt)
    const message = { requestId: job.id, prover: this.#self, proofHash, readyAt }
    emit({ kind: 'publish', draft: { kind: 'Notice', message } })
  }

  /** The backend ended. */
  proved(job: Job, proofHash: Hex | null, now: number, emit: Emit): void {
    const pursuit = this.pursuits.get(job.id)
    if (pursuit?.stage !== 'proving') return
    if (!proofHash) {
      pursuit.stage = 'over'
      return
    }
    pursuit.stage = 'proved'
    pursuit.proofHash = proofHash
    pursuit.provedAt = now
    emit({ kind: 'wake', requestId: job.id, at: now + RECEIPT_PATIENCE_MS })
    this.started(job, emit)
  }

  /**
   * A receipt was heard: ours settles if it pays what is owed; another's ends what we had not
   * accepted.
   */
  received(job: Job, receipt: SignedReceipt, emit: Emit): void {
    const pursuit = this.pursuits.get(job.id)
    if (!pursuit) return
    if (receipt.message.prover === this.#self) {
      // A receipt that pays less than rule P1 is no receipt: the chain pays by the rule.
      if (!this.#isOwed(job, pursuit, receipt)) return
      pursuit.receipt = receipt
      pursuit.stage = 'over'
      emit({ kind: 'settle', receipt })
    } else if (pursuit.stage === 'bidding' || pursuit.stage === 'fetching') {
      pursuit.stage = 'over'
      emit({ kind: 'abort', requestId: job.id })
    }
  }

  #isOwed(job: Job, pursuit: Pursuit, { message }: SignedReceipt): boolean {
    const isFair = message.payWei >= this.#owedWei(job, pursuit, message.deliveredAt)
    return message.proofHash === pursuit.proofHash && isFair
  }

  /**
   * What our proof earns, if the builder's word on when it came is to be believed (rule P1). wei.
   */
  #owedWei(job: Job, pursuit: Pursuit, deliveredAt: number): bigint {
    const promise = promiseOf(job, this.#self, pursuit.readyAt)
    const latestAt = (pursuit.provedAt ?? deliveredAt) + RECEIPT_PATIENCE_MS
    const believedAt = Math.min(deliveredAt, latestAt)
    return payWei(job.request.message, pursuit.priceWei, promise, believedAt, this.#params)
  }

  /** Time passed without a receipt: commit the proof while the chain still takes it, then claim. */
  tick(job: Job, now: number, emit: Emit): void {
    const pursuit = this.pursuits.get(job.id)
    if (pursuit?.stage !== 'proved' || pursuit.provedAt === null) return
    const { dueAt } = job.request.message
    const resolution = job.obligations.get(this.#self)?.resolution
    // Paid less than it is owed (a receipt nobody asked for, settled by the builder itself; a late
    // post), it still claims (rule D5).
    const owedWei = this.#owedWei(job, pursuit, dueAt)
    if (resolution && (resolution.kind === 'slashed' || resolution.payWei >= owedWei)) {
      pursuit.stage = 'over'
      return
    }
    if (now < Math.min(pursuit.provedAt + RECEIPT_PATIENCE_MS, dueAt)) return
    if (!pursuit.isCommitted) {
      pursuit.isCommitted = true
      emit({ kind: 'commit', requestId: job.id, dueAt })
    }
    this.#claim(job, pursuit, emit)
  }

  #claim(job: Job, pursuit: Pursuit, emit: Emit): void {
    const start = job.obligations.get(this.#self)?.start
    if (!start || !job.award || pursuit.isClaimed) return
    pursuit.isClaimed = true
    const obligation = { request: job.request.message, award: job.award, start }
    emit({ kind: 'claim', requestId: job.id, obligation })
  }

  /**
   * Until when an ended job must be remembered: while a start we never saw could still be shown and
   * our bond be taken, our proof and acceptance are what answers it. ms since the Unix epoch.
   */
  keepUntil(job: Job): number {
    const isBound =
      this.pursuits.get(job.id)?.acceptance && !job.obligations.get(this.#self)?.resolution
    return isBound ? closesForGoodAt(job, this.#params) : 0
  }

  /**
   * After a restart: goes on where the job stood. Bids that were still open cannot be won any more.
   */
  resume(job: Job, now: number, emit: Emit): void {
    const pursuit = this.pursuits.get(job.id)
    if (!pursuit) return
    const requestId = job.id
    const isOver = job.outcome !== null || now > job.request.message.dueAt || isDelivered(job)
    switch (pursuit.stage) {
      case 'bidding':
      case 'over':
        if (pursuit.receipt) emit({ kind: 'settle', receipt: pursuit.receipt })
        return
      case 'fetching':
      case 'accepting':
        // Nothing was promised yet; `accepting` may have been stored by the driver, which then says
        // so.
        if (isOver) pursuit.stage = 'over'
        else {
          pursuit.stage = 'fetching'
          emit({ kind: 'fetch', requestId })
        }
        return
      case 'proving':
        emit({ kind: 'prove', requestId })
        emit({ kind: 'wake', requestId, at: Math.max(now, job.request.message.dueAt) })
        if (pursuit.acceptance) emit({ kind: 'accept', message: pursuit.acceptance.message })
        return
      case 'proved':
        pursuit.isCommitted = false
        pursuit.isClaimed = false
        if (pursuit.acceptance) emit({ kind: 'accept', message: pursuit.acceptance.message })
        emit({ kind: 'deliver', requestId })
        emit({ kind: 'wake', requestId, at: now + RECEIPT_PATIENCE_MS })
        return
      default:
        pursuit.stage satisfies never
    }
  }
}
