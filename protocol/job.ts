/**
 * The life of one job, from request to settlement, as every honest observer sees it.
 *
 *   bidding ──award──▶ awarded ──start──▶ started ──receipt──▶ delivered ──paid──▶ settled
 *      │                  │                  │                     │
 *      └─closesAt+grace─▶ void ◀─dueAt+2W────┘ (never started)     └─dueAt+2W─▶ settled
 *                                            └─dueAt+2W─▶ defaulted
 *
 * Every transition lives in this file, and nothing here knows which role this node plays, so a node
 * cannot hold its peers to other rules than its own. A job may have several starts (the winner,
 * then backups): each is an obligation of its own, paid or slashed apart from the others. Time
 * arrives as `now`.
 */
import { isEligible, lineUp, type OpenedBid } from './auction.ts'
import { isBundled } from './bundle.ts'
import type {
  JobOutcome,
  Refusal,
  SignedAward,
  SignedBid,
  SignedNotice,
  SignedReceipt,
  SignedRequest,
  SignedStart,
} from './effects.ts'
import { claimCostWei, type Opening, promisedAt } from './money.ts'
import type { Params } from './params.ts'
import { ignore, reject } from './refusals.ts'
import type { Address, Award, Hex, Id } from './schema.ts'

/** What the chain did with an obligation: all it was paid, or that its prover was slashed. wei. */
export type Resolution = {
  readonly kind: 'paid' | 'slashed'
  readonly payWei: bigint
  /** The first that paid anything, or the slash. */
  readonly transactionHash: Hex
  /** Where several transactions paid (rule P6): what each added. wei. */
  readonly parts?: Readonly<Record<Hex, bigint>>
}

/** One start: what a prover owes, and what became of it. */
export type Obligation = {
  readonly start: SignedStart
  notice: SignedNotice | null
  receipt: SignedReceipt | null
  resolution: Resolution | null
}

export type Job = {
  readonly id: Id
  readonly request: SignedRequest
  /** Bids by prover: one each. When the job ends, those of started provers stay. */
  readonly bids: Map<Address, SignedBid>
  /** What bids hid, by bid id; `null` for one that does not open. */
  readonly openings: Map<Id, Opening | null>
  /** When each bid was first seen here, ms since the Unix epoch. Emptied when the job ends. */
  readonly seenAt: Map<Id, number>
  /** How many bids were taken, whether or not they are still kept. */
  bidsSeen: number
  award: SignedAward | null
  /** A second award of it was seen and reported: once is enough. */
  isReported: boolean
  /** By prover, in order of their starts. */
  readonly obligations: Map<Address, Obligation>
  outcome: JobOutcome | null
}

export const newJob = (request: SignedRequest): Job => ({
  id: request.id,
  request,
  bids: new Map(),
  openings: new Map(),
  seenAt: new Map(),
  bidsSeen: 0,
  award: null,
  isReported: false,
  obligations: new Map(),
  outcome: null,
})

/** What kept an auction's winner from being anyone else: the bids it could be, opened. */
export function openedBids(job: Job): OpenedBid[] {
  const opened: OpenedBid[] = []
  for (const bid of job.bids.values()) {
    const opening = job.openings.get(bid.id)
    if (opening) opened.push({ bid, opening })
  }
  return opened
}

/**
 * Takes a bid into the auction. A second bid of one prover is for the caller, who keeps the
 * evidence.
 */
export function takeBid(job: Job, bid: SignedBid, now: number, params: Params): Refusal | null {
  const request = job.request.message
  // [IGNORE] BID_LATE: the auction of its request is still open.
  if (job.award || job.outcome || now >= request.closesAt) return ignore('BID_LATE')
  // [REJECT] BID_OWN_REQUEST: a builder does not bid for its own request.
  if (bid.message.prover === request.builder) return reject('BID_OWN_REQUEST')
  // [IGNORE] AUCTION_FULL: the earliest `maxBids` bids are counted.
  if (job.bids.size >= params.maxBids) return ignore('AUCTION_FULL')
  job.bids.set(bid.message.prover, bid)
  job.seenAt.set(bid.id, now)
  job.bidsSeen += 1
  return null
}

/** What a driver found in bids. */
export type Found = readonly { readonly bidId: Id; readonly opening: Opening | null }[]

/** Takes what this job's bids hid; the first answer for each bid counts. Whether any was new. */
export function takeOpenings(job: Job, found: Found): boolean {
  const before = job.openings.size
  const isOurs = (bidId: Id): boolean => job.seenAt.has(bidId) || job.award?.bid.id === bidId
  for (const { bidId, opening } of found)
    if (isOurs(bidId) && !job.openings.has(bidId)) job.openings.set(bidId, opening)
  return job.openings.size > before
}

/** Whether what every bid hid is known. */
export const isAllOpened = (job: Job): boolean =>
  [...job.bids.values()].every(({ id }) => job.openings.has(id))

/**
 * An ended job keeps the bids of those it started, whose prices still count, and lets go of the
 * rest.
 */
export function forgetBids(job: Job): void {
  const openings = new Map(job.openings)
  job.openings.clear()
  job.seenAt.clear()
  for (const [prover, bid] of job.bids) {
    if (!job.obligations.has(prover)) job.bids.delete(prover)
    else job.openings.set(bid.id, openings.get(bid.id) ?? null)
  }
}

/** Whether an award names only what its request allows (rule A5). */
function termsFit(job: Job, award: Award, params: Params): boolean {
  const request = job.request.message
  const [, ...backups] = lineUp(award)
  const named = new Set([award.prover, ...backups])
  return (
    isEligible(request, { priceWei: award.priceWei, readyAt: award.readyAt, salt: '0x' }) &&
    backups.length <= Math.min(request.backups, params.maxBackups) &&
    named.size === backups.length + 1 &&
    !named.has(request.builder) &&
    award.bidCount >= 1 + backups.length &&
    award.bidCount <= params.maxBids
  )
}

/** Takes the builder's award, whose bid and opening the caller has checked. Moves to *awarded*. */
export function takeAward(
  job: Job,
  award: SignedAward,
  now: number,
  params: Params,
): Refusal | null {
  const { closesAt } = job.request.message
  // [IGNORE] AWARD_EARLY: the bid window is over.
  if (now < closesAt - params.clockSkewMs) return ignore('AWARD_EARLY')
  // [IGNORE] AWARD_LATE: it came within `awardGraceMs` of the close (and what gossip takes).
  if (job.outcome || now > closesAt + params.awardGraceMs + params.holdMs)
    return ignore('AWARD_LATE')
  // [REJECT] AWARD_TERMS: winner within reserve and due time, backups allowed, distinct, counted.
  if (!termsFit(job, award.message, params)) return reject('AWARD_TERMS')
  job.award = award
  job.bids.set(award.bid.message.prover, award.bid)
  // What travels with an award says nothing of lanes: the bid itself does.
  if (!isBundled(job.request.message)) job.openings.set(award.bid.id, award.opening)
  return null
}

/**
 * Takes a start and its acceptance, whose signers the caller has checked. Moves to *started*.
 * @param mayReopen Whether a job that ended for want of a start takes one late: its prover does
 * (rule D4).
 */
export function takeStart(
  job: Job,
  start: SignedStart,
  now: number,
  params: Params,
  mayReopen = false,
): Refusal | null {
  const { message, acceptance } = start
  const accepted = acceptance.message
  // [REJECT] START_MISMATCH: the start answers the acceptance that travels with it.
  if (
    message.acceptanceId !== acceptance.id ||
    message.requestId !== accepted.requestId ||
    message.awardId !== accepted.awardId ||
    message.prover !== accepted.prover
  )
    return reject('START_MISMATCH')
  // [IGNORE] NOT_AWARDED: it stands on the award we know, and names its winner or a backup.
  if (job.award?.id !== message.awardId || !lineUp(job.award.message).includes(message.prover))
    return ignore('NOT_AWARDED')
  const { closesAt, dueAt } = job.request.message
  // [IGNORE] START_TIME: started between close and due time, and not in the future.
  const isFuture = message.startedAt > now + params.clockSkewMs
  if (isFuture || message.startedAt < closesAt - params.clockSkewMs || message.startedAt > dueAt)
    return ignore('START_TIME')
  // [IGNORE] JOB_ENDED: the job has not ended.
  if (job.outcome && !(mayReopen && job.outcome === 'void')) return ignore('JOB_ENDED')
  job.outcome = null
  job.obligations.set(message.prover, { start, notice: null, receipt: null, resolution: null })
  return null
}

/** Takes a prover's notice that its proof exists; the first of each prover counts. */
export function takeNotice(
  job: Job,
  notice: SignedNotice,
  now: number,
  params: Params,
): Refusal | null {
  const obligation = job.obligations.get(notice.message.prover)
  // [IGNORE] NOT_STARTED: its prover was started.
  if (!obligation) return ignore('NOT_STARTED')
  // [IGNORE] DUPLICATE, EQUIVOCATION: the prover's first notice.
  if (obligation.notice) return ignore(repeated(obligation.notice, notice))
  // [IGNORE] NOTICE_TIME: ready since the start, and not in the future.
  const { readyAt } = notice.message
  if (readyAt > now + params.clockSkewMs || readyAt < obligation.start.message.startedAt)
    return ignore('NOTICE_TIME')
  obligation.notice = notice
  return null
}

/** Takes the builder's receipt for one prover's proof. Moves to *delivered*. */
export function takeReceipt(
  job: Job,
  receipt: SignedReceipt,
  now: number,
  params: Params,
): Refusal | null {
  const { builder, nonce, prover, payWei, deliveredAt } = receipt.message
  const request = job.request.message
  const obligation = job.obligations.get(prover)
  // [IGNORE] NOT_STARTED: its prover was started.
  if (!obligation) return ignore('NOT_STARTED')
  // [IGNORE] DUPLICATE, EQUIVOCATION: the builder's first receipt for this prover.
  if (obligation.receipt) return ignore(repeated(obligation.receipt, receipt))
  // [REJECT] RECEIPT_TERMS: it is for this request, within the reserve and the due time.
  const isForUs = builder === request.builder && nonce === request.nonce
  if (!isForUs || deliveredAt > request.dueAt || payWei > request.reserveWei)
    return reject('RECEIPT_TERMS')
  // [IGNORE] RECEIPT_TIME: delivered since the start we know, and not in the future.
  const isEarly = deliveredAt < obligation.start.message.startedAt
  if (isEarly || deliveredAt > now + params.clockSkewMs) return ignore('RECEIPT_TIME')
  obligation.receipt = receipt
  return null
}

/** DUPLICATE for the same message again, EQUIVOCATION for another in its place. */
export const repeated = (first: { readonly id: Id }, second: { readonly id: Id }) =>
  first.id === second.id ? 'DUPLICATE' : 'EQUIVOCATION'

/** Whether the job has a proof: the builder gave a receipt for one. */
export const isDelivered = (job: Job): boolean =>
  [...job.obligations.values()].some(({ receipt }) => receipt !== null)

/**
 * Records what the chain did with one prover's obligation; a payment settles the job. Returns
 * whether that is news: not where it was announced before, or adds nothing to what was paid.
 */
export function resolve(job: Job, prover: Address, resolution: Resolution): boolean {
  const obligation = job.obligations.get(prover)
  const known = obligation?.resolution ?? null
  const sum = addUp(known, resolution)
  if (obligation) obligation.resolution = sum
  if (resolution.kind === 'paid' && job.outcome !== 'settled') job.outcome = 'settled'
  return known?.kind !== sum.kind || known.payWei !== sum.payWei
}

/** Post, receipts and claim may each add a part (rules P6, C3); told again, one counts once. */
function addUp(known: Resolution | null, next: Resolution): Resolution {
  if (known?.kind !== 'paid' || known.payWei === 0n || next.kind !== 'paid') return next
  if (next.payWei === 0n) return known
  const { transactionHash } = known
  const parts: Record<Hex, bigint> = { ...(known.parts ?? { [transactionHash]: known.payWei }) }
  parts[next.transactionHash] = next.payWei
  const amounts = Object.values(parts)
  if (amounts.length === 1) return next
  return { kind: 'paid', payWei: amounts.reduce((a, b) => a + b), transactionHash, parts }
}

/** When a started prover has promised its proof, ms since the Unix epoch (rule P2). */
export function promiseOf(job: Job, prover: Address, readyAt: number): number {
  const startedAt = job.obligations.get(prover)?.start.message.startedAt ?? 0
  return promisedAt(job.request.message, readyAt, startedAt, job.award?.message.prover !== prover)
}

/**
 * First whole second at which a slash is allowed: `ceil(dueAt) + 2 W` (rule D2). Seconds of block
 * time.
 */
export const slashableAtS = (dueAt: number, params: Params): number =>
  Math.ceil(dueAt / 1_000) + 2 * params.claimWindowS

/**
 * When the job ends at the latest, whatever happened (rule J3): unawarded, a grace after its close;
 * awarded but never started, at its due time; started, when the windows for payment are over. ms
 * since the Unix epoch.
 */
export function endsAt(job: Job, params: Params): number {
  const { closesAt, dueAt } = job.request.message
  if (!job.award) return closesAt + params.awardGraceMs + params.holdMs
  if (job.obligations.size === 0) return dueAt + params.holdMs
  return slashableAtS(dueAt, params) * 1_000
}

/** Ends the job when its time is over. Returns the outcome if it ended now. */
export function endInTime(job: Job, now: number, params: Params): JobOutcome | null {
  if (job.outcome || now <= endsAt(job, params)) return null
  // A receipt in hand is the prover's money; when it takes it is its own affair.
  const ended = isDelivered(job) ? 'settled' : 'defaulted'
  job.outcome = job.obligations.size === 0 ? 'void' : ended
  return job.outcome
}

/**
 * When a slash that met a commitment is over too, with a window to spare. ms since the Unix epoch.
 */
export const closesForGoodAt = (job: Job, params: Params): number =>
  (slashableAtS(job.request.message.dueAt, params) + 2 * params.claimWindowS) * 1_000

/** Whether nothing more can come of the job: it may be forgotten. */
export function isClosed(job: Job, now: number, params: Params): boolean {
  if (!job.outcome) return false
  for (const { resolution } of job.obligations.values())
    if (resolution === null) return now >= closesForGoodAt(job, params)
  return true
}

/**
 * Bond the job's starts still hold, by prover (rule G3): a receipt, a payment or a slash frees it.
 * wei.
 */
export function bondsHeld(job: Job): { prover: Address; wei: bigint }[] {
  const { bondWei } = job.request.message
  return [...job.obligations].map(([prover, { receipt, resolution }]) => ({
    prover,
    wei: receipt || resolution ? 0n : bondWei,
  }))
}

/**
 * Cover the job holds of its builder's (rule G4): what its starts may still cost, claims included.
 * wei.
 */
export function coverHeldWei(job: Job, params: Params): bigint {
  const request = job.request.message
  const claimWei = claimCostWei(request, params)
  if (job.outcome === 'void' || job.outcome === 'defaulted') return 0n
  if (!job.award) return request.reserveWei + claimWei
  if (job.obligations.size === 0) return job.award.message.priceWei + claimWei
  let held = 0n
  for (const [prover, { receipt, resolution }] of job.obligations) {
    if (resolution) continue
    held += receipt ? receipt.message.payWei : priceOf(job, prover) + claimWei
  }
  return held
}

/**
 * What one more start at this price adds to the cover the job holds (rule G4); may be negative.
 * wei.
 */
export function extraCoverWei(job: Job, priceWei: bigint, params: Params): bigint {
  const request = job.request.message
  if (job.obligations.size > 0) return priceWei + claimCostWei(request, params)
  return priceWei - (job.award?.message.priceWei ?? request.reserveWei)
}

/** What a started prover bid; the reserve while its opening is not known here. wei. */
function priceOf(job: Job, prover: Address): bigint {
  if (job.award?.message.prover === prover) return job.award.message.priceWei
  const bid = job.bids.get(prover)
  return (bid && job.openings.get(bid.id)?.priceWei) ?? job.request.message.reserveWei
}
