/**
 * The builder's side of its own jobs: awards at the close, gives turns, starts who accepts, goes on
 * to the next when a turn stays unanswered or a started prover falls silent, signs receipts, and
 * asks for slashes. Part of `Market`: no IO, no clock.
 */
import type { Accounts } from './accounts.ts'
import type { JobBook } from './book.ts'
import {
  type AwardDraft,
  type Candidate,
  type Choice,
  decide,
  draftAward,
  isBundled,
} from './bundle.ts'
import type { Draft, Effect, Refusal, SignedAcceptance } from './effects.ts'
import { extraCoverWei, isDelivered, type Job, openedBids, promiseOf, slashableAtS } from './job.ts'
import { payWei } from './money.ts'
import type { Params } from './params.ts'
import { ignore } from './refusals.ts'
import type { Address, Hex, Id } from './schema.ts'

/** The builder's own state of one job; plain data, stored with the job. */
export type Auction = {
  /** Set once, with the award: a second award for a nonce costs the stake. */
  candidates: readonly Candidate[] | null
  /**
   * The award as decided, until it is out: a crash between must not decide again, nor leave a
   * bundle half awarded.
   */
  draft: AwardDraft | null
  /** How many bids of its bundle were opened when that could not be awarded. */
  tried: number
  /** Whose turn it is: index into `candidates`; their number when nobody is left. */
  turn: number
  /**
   * The turn is missed at this instant; `null` once its prover was started. ms since the Unix
   * epoch.
   */
  turnUntil: number | null
  /** Who was seen to default, so that it is said and slashed once. */
  defaulted: Address[]
  /**
   * Nobody counts as silent before this: after a restart provers must find us again. ms since the
   * Unix epoch.
   */
  patientUntil: number
}

export const newAuction = (): Auction => ({
  candidates: null,
  draft: null,
  tried: -1,
  turn: 0,
  turnUntil: null,
  defaulted: [],
  patientUntil: 0,
})

/** Where a desk puts what it wants done. */
export type Emit = (...effects: Effect[]) => void

/** How awards are said: those of a bundle together. */
const published = (drafts: readonly Draft[]): Effect[] =>
  drafts.length === 1
    ? drafts.map((draft) => ({ kind: 'publish', draft }))
    : [{ kind: 'publishAll', drafts }]

export class Auctioneer {
  readonly auctions = new Map<Hex, Auction>()
  readonly #params: Params
  readonly #accounts: Accounts
  readonly #book: JobBook
  readonly #changed: (id: Id) => void

  /** @param changed Told of each job that an award decides: of a bundle there are several. */
  constructor(params: Params, accounts: Accounts, book: JobBook, changed: (id: Id) => void) {
    this.#params = params
    this.#accounts = accounts
    this.#book = book
    this.#changed = changed
  }

  /** Our own request was published. */
  open(job: Job, emit: Emit): void {
    this.auctions.set(job.id, newAuction())
    emit({ kind: 'wake', requestId: job.id, at: job.request.message.closesAt })
  }

  /**
   * At the close, and whenever openings come after it: awards once every bid is opened, or time
   * presses; a bundle when that holds of all of it, and then all of it or nothing (rule A9).
   */
  award(job: Job, now: number, emit: Emit): void {
    const { closesAt } = job.request.message
    const { awardGraceMs } = this.#params
    if (now < closesAt) return
    const jobs = this.#undecided(job)
    if (!jobs) return
    const isPressing = now >= closesAt + awardGraceMs / 2
    if (!isPressing && jobs.some(({ openings, bids }) => openings.size < bids.size)) {
      emit({ kind: 'wake', requestId: job.id, at: closesAt + awardGraceMs / 2 })
      return
    }
    if (now > closesAt + awardGraceMs) return
    if (isBundled(job.request.message) && !this.#isNews(jobs)) return
    const auctions = jobs.map((each) => ({ request: each.request.message, bids: openedBids(each) }))
    const freeWei = (prover: Address): bigint => this.#accounts.freeBondWei(prover)
    const choices = decide(auctions, freeWei, this.#params.maxBids)
    if (!choices) return
    const drafts = jobs.map((each, index) => this.#settleOn(each, choices[index]!))
    emit(...published(drafts))
  }

  /**
   * Whether anything was opened since a bundle could not be awarded: each of its jobs asks, and
   * trying takes a while.
   */
  #isNews(jobs: readonly Job[]): boolean {
    const auction = this.auctions.get(jobs[0]!.id)!
    const opened = jobs.reduce((sum, { openings }) => sum + openings.size, 0)
    const isNews = opened !== auction.tried
    auction.tried = opened
    return isNews
  }

  /** The jobs that are decided with this one, itself among them; `null` when they cannot be. */
  #undecided(job: Job): Job[] | null {
    const request = job.request.message
    const jobs = isBundled(request) ? this.#book.bundle(request) : [job]
    if (isBundled(request) && jobs.length < request.bundleSize) return null
    const isOpen = ({ id, outcome }: Job): boolean =>
      outcome === null && this.auctions.get(id)?.candidates === null
    return jobs.every(isOpen) ? jobs : null
  }

  /** Writes down who may be started, once and for all. */
  #settleOn(job: Job, choice: Choice): AwardDraft {
    const auction = this.auctions.get(job.id)!
    const most = Math.min(job.request.message.backups, this.#params.maxBackups)
    const { draft, candidates } = draftAward(job.id, choice, most)
    auction.candidates = candidates
    auction.draft = draft
    this.#changed(job.id)
    return draft
  }

  /** Our award is out: the winner's turn begins. */
  begin(job: Job, now: number, emit: Emit): void {
    const auction = this.auctions.get(job.id)
    if (auction?.candidates) {
      auction.draft = null
      this.#giveTurn(job, auction, 0, now + this.#params.turnMs, emit)
    }
    emit({ kind: 'wake', requestId: job.id, at: this.#defaultsAt(job) })
  }

  /**
   * From when on a started prover without a receipt has defaulted: a proof in time may still be in
   * the verifier.
   */
  #defaultsAt(job: Job): number {
    return job.request.message.dueAt + this.#params.receiptMs + 1
  }

  #giveTurn(job: Job, auction: Auction, turn: number, until: number, emit: Emit): void {
    auction.turn = turn
    const candidate = auction.candidates?.[turn]
    if (!candidate) {
      auction.turnUntil = null
      emit({ kind: 'dismiss', requestId: job.id })
      return
    }
    auction.turnUntil = until
    emit(
      {
        kind: 'announce',
        event: { kind: 'turn-begun', requestId: job.id, prover: candidate.prover },
      },
      { kind: 'turn', requestId: job.id, prover: candidate.prover, path: candidate.path },
      { kind: 'wake', requestId: job.id, at: until },
    )
  }

  /** A prover waits for the inputs: it gets them when it is, or was, its turn. */
  wait(job: Job, prover: Address, emit: Emit): Refusal | null {
    const auction = this.auctions.get(job.id)
    const index = auction?.candidates?.findIndex((candidate) => candidate.prover === prover) ?? -1
    // [IGNORE] NOT_AWARDED: the award names it.
    if (!auction || index < 0) return ignore('NOT_AWARDED')
    const isStarted = job.obligations.has(prover)
    // [IGNORE] JOB_ENDED: it is still needed.
    if (job.outcome || (!isStarted && (index < auction.turn || isDelivered(job))))
      return ignore('JOB_ENDED')
    const path = auction.candidates?.[index]?.path ?? []
    const isItsTurn = index === auction.turn && auction.turnUntil !== null
    if (isStarted || isItsTurn) emit({ kind: 'turn', requestId: job.id, prover, path })
    return null
  }

  /** An acceptance came over a stream: the prover whose turn it is gets started. */
  accept(job: Job, acceptance: SignedAcceptance, now: number, emit: Emit): Refusal | null {
    const { prover, awardId } = acceptance.message
    const auction = this.auctions.get(job.id)
    // [IGNORE] NOT_AWARDED: it is for our award.
    if (!auction?.candidates || job.award?.id !== awardId) return ignore('NOT_AWARDED')
    const existing = job.obligations.get(prover)
    const isTurn = auction.candidates[auction.turn]?.prover === prover && auction.turnUntil !== null
    // [IGNORE] NOT_YOUR_TURN: its prover's turn has come and is not over, or it was started.
    if (!existing && !isTurn) return ignore('NOT_YOUR_TURN')
    const { bondWei, dueAt } = job.request.message
    if (!existing) {
      // [IGNORE] JOB_ENDED: there is time left, and no proof yet.
      if (job.outcome || isDelivered(job) || now > dueAt) return ignore('JOB_ENDED')
      // [IGNORE] BOND_NOT_FREE: nothing else took its bond since it bid.
      if (this.#accounts.freeBondWei(prover) < bondWei) return ignore('BOND_NOT_FREE')
      // [IGNORE] BUILDER_UNCOVERED: the builder could pay it beside those it started before.
      if (!this.#isCovered(job, prover, auction)) return ignore('BUILDER_UNCOVERED')
    }
    const startedAt = existing?.start.message.startedAt ?? now
    const message = { requestId: job.id, awardId, acceptanceId: acceptance.id, prover, startedAt }
    // While the start is signed and stored, its turn must not be given to the next.
    if (!existing) {
      auction.turnUntil = now + this.#params.turnMs
      emit({ kind: 'wake', requestId: job.id, at: auction.turnUntil })
    }
    emit({ kind: 'publish', draft: { kind: 'Start', message, acceptance } })
    return null
  }

  /**
   * Whether our cover bears one more start of this prover: two who both deliver are both paid (rule
   * G4).
   */
  #isCovered(job: Job, prover: Address, auction: Auction): boolean {
    const candidate = auction.candidates?.find((other) => other.prover === prover)
    const extraWei = extraCoverWei(job, candidate?.priceWei ?? 0n, this.#params)
    return extraWei <= 0n || extraWei <= this.#accounts.freeCoverWei(job.request.message.builder)
  }

  /** Our start is out: its turn is over, and its silence is watched. */
  started(job: Job, prover: Address, emit: Emit): void {
    const auction = this.auctions.get(job.id)
    if (!auction) return
    if (auction.candidates?.[auction.turn]?.prover === prover) auction.turnUntil = null
    const silentAt = this.#silentAt(job, auction)
    if (silentAt !== null) emit({ kind: 'wake', requestId: job.id, at: silentAt })
  }

  /**
   * When the prover of the present turn, once started, counts as silent; `null` if it is not
   * started.
   */
  #silentAt(job: Job, auction: Auction): number | null {
    const candidate = auction.candidates?.[auction.turn]
    const obligation = candidate && job.obligations.get(candidate.prover)
    if (!candidate || !obligation || obligation.receipt) return null
    const promise = promiseOf(job, candidate.prover, candidate.readyAt)
    const noticedAt = obligation.notice?.message.readyAt ?? 0
    // A notice buys the time to carry the proof over, once.
    return Math.max(promise, noticedAt, auction.patientUntil) + this.#params.silenceMs
  }

  /** Time passed: missed turns, silent provers, defaults. */
  tick(job: Job, now: number, emit: Emit): void {
    const auction = this.auctions.get(job.id)
    if (!auction) return
    this.award(job, now, emit)
    if (!auction.candidates || !job.award) return
    if (now >= this.#defaultsAt(job)) this.#default(job, auction, emit)
    if (now > job.request.message.dueAt || isDelivered(job)) return
    const prover = auction.candidates[auction.turn]?.prover
    if (!prover) return
    const silentAt = this.#silentAt(job, auction)
    const isMissed = auction.turnUntil !== null && now >= auction.turnUntil
    const isSilent = silentAt !== null && now >= silentAt
    if (isMissed || isSilent) {
      const kind = isMissed ? ('turn-missed' as const) : ('silent' as const)
      emit({ kind: 'announce', event: { kind, requestId: job.id, prover } })
      this.#giveTurn(job, auction, auction.turn + 1, now + this.#params.turnMs, emit)
    } else if (silentAt !== null) {
      emit({ kind: 'wake', requestId: job.id, at: silentAt })
    }
  }

  /** After the due time: every started prover without a receipt has defaulted. */
  #default(job: Job, auction: Auction, emit: Emit): void {
    const award = job.award
    if (!award) return
    emit({ kind: 'dismiss', requestId: job.id })
    const rescuers = [...job.obligations.keys()]
    for (const [prover, { start, receipt, resolution }] of job.obligations) {
      if (receipt || resolution || auction.defaulted.includes(prover)) continue
      auction.defaulted.push(prover)
      const obligation = { request: job.request.message, award, start }
      const atS = slashableAtS(job.request.message.dueAt, this.#params)
      emit(
        { kind: 'announce', event: { kind: 'defaulted', requestId: job.id, prover } },
        { kind: 'slash', obligation, rescuers: rescuers.filter((other) => other !== prover), atS },
      )
    }
  }

  /** A proof that verifies came: pay by the promise (rule P1). */
  deliver(
    job: Job,
    prover: Address,
    proofHash: Hex,
    arrivedAt: number,
    emit: Emit,
  ): Refusal | null {
    const auction = this.auctions.get(job.id)
    const candidate = auction?.candidates?.find((other) => other.prover === prover)
    // [IGNORE] NOT_STARTED: only a started prover is paid.
    const obligation = job.obligations.get(prover)
    if (!candidate || !obligation) return ignore('NOT_STARTED')
    const request = job.request.message
    // [IGNORE] JOB_ENDED: it came by `dueAt`.
    if (arrivedAt > request.dueAt) return ignore('JOB_ENDED')
    const promise = promiseOf(job, prover, candidate.readyAt)
    // Our clock may have been set back since the start.
    const deliveredAt = Math.max(arrivedAt, obligation.start.message.startedAt)
    const message = {
      builder: request.builder,
      nonce: request.nonce,
      requestId: job.id,
      prover,
      payWei: payWei(request, candidate.priceWei, promise, deliveredAt, this.#params),
      proofHash,
      deliveredAt,
    }
    emit({ kind: 'publish', draft: { kind: 'Receipt', message } })
    return null
  }

  /**
   * Decided and stored, and not yet out: said as it was decided, while it may still be; of a bundle
   * all together.
   */
  #sayDecided(job: Job, now: number, emit: Emit): void {
    const request = job.request.message
    if (now > request.closesAt + this.#params.awardGraceMs) return
    const jobs = isBundled(request) ? this.#book.bundle(request) : [job]
    const drafts = jobs.flatMap(({ id }) => this.auctions.get(id)?.draft ?? [])
    // The first of them says all.
    if (drafts[0]?.message.requestId === job.id) emit(...published(drafts))
  }

  /** What we signed may have been stored and not yet said: said again, in the same bytes. */
  #repeat(job: Job, emit: Emit): void {
    const { award } = job
    if (!award) return
    const { message, bid, opening } = award
    emit({ kind: 'publish', draft: { kind: 'Award', message, bid, opening } })
    for (const { start, receipt, resolution } of job.obligations.values()) {
      if (resolution) continue
      const { acceptance } = start
      emit({ kind: 'publish', draft: { kind: 'Start', message: start.message, acceptance } })
      if (receipt) emit({ kind: 'publish', draft: { kind: 'Receipt', message: receipt.message } })
    }
  }

  /** After a restart: the present turn begins anew, with time for the prover to find us again. */
  resume(job: Job, now: number, emit: Emit): void {
    const auction = this.auctions.get(job.id)
    if (!auction || job.outcome === 'void') return
    const { closesAt, dueAt } = job.request.message
    emit({ kind: 'wake', requestId: job.id, at: Math.max(now, closesAt) })
    emit({ kind: 'wake', requestId: job.id, at: Math.max(now, this.#defaultsAt(job)) })
    this.#sayDecided(job, now, emit)
    this.#repeat(job, emit)
    auction.patientUntil = now + RECONNECT_TURNS * this.#params.turnMs
    const isOpen = job.award && now <= dueAt && !isDelivered(job)
    if (isOpen && auction.turnUntil !== null)
      this.#giveTurn(job, auction, auction.turn, auction.patientUntil, emit)
    const silentAt = this.#silentAt(job, auction)
    if (silentAt !== null) emit({ kind: 'wake', requestId: job.id, at: Math.max(now, silentAt) })
    // Said before the crash perhaps, but performed? The chain driver drops what is done.
    auction.defaulted = []
  }
}

/** How many turns long the first turn after a restart is: provers must dial again. */
const RECONNECT_TURNS = 4
