/**
 * What is remembered of a wanted proof: its terms, and what became of each request made for it.
 * Plain data and pure functions; `wanted.ts` keeps it on disk and acts on it.
 */
import { isBundled } from '#protocol/bundle'
import type { JobOutcome, MarketEvent } from '#protocol/effects'
import type { Job } from '#protocol/job'
import type { Address, Hex, Id, ProofRequest } from '#protocol/schema'

/** What a caller asks for. Amounts in wei; instants count from the call, in ms. */
export type WantedTerms = {
  readonly programId: Hex
  readonly verifier: Address
  readonly venue: Address
  readonly publicInputsHash: Hex
  readonly tableDigest: Hex
  /** What the prover in charge gets: at most 1 MiB. */
  readonly inputs: Uint8Array
  /** The program's own unit. */
  readonly work: bigint
  /** Most that is paid. */
  readonly reserveWei: bigint
  /** Up to this the reserve is raised when nobody bids. Default: it is not raised. */
  readonly maxReserveWei?: bigint
  readonly bondWei: bigint
  readonly latenessWeiPerMs: bigint
  /** From then on lateness costs the prover. */
  readonly softDueInMs: number
  /** After it the proof is worth nothing. */
  readonly dueInMs: number
  readonly backups: number
  readonly claimBaseFeeCapWei: bigint
  /** Asking again with the same key gives the first one's ids and asks nobody. */
  readonly idempotencyKey?: string
}

/** What each segment of a bundle has for itself; all else is shared. */
export type SegmentTerms = Pick<WantedTerms, 'programId' | 'publicInputsHash' | 'work' | 'inputs'>

/** Several proofs, of which all are awarded or none. Amounts are of each. */
export type BundleTerms = Omit<WantedTerms, keyof SegmentTerms> & {
  /** In the order of their index. */
  readonly segments: readonly SegmentTerms[]
}

/** The terms as stored: without the inputs, instants in ms since the Unix epoch. */
export type StoredTerms = Omit<
  WantedTerms,
  'inputs' | 'softDueInMs' | 'dueInMs' | 'maxReserveWei' | 'idempotencyKey'
> & {
  readonly inputBytes: number
  readonly maxReserveWei: bigint
  readonly softDueAt: number
  readonly dueAt: number
}

/** One prover's start and what followed. Instants in ms since the Unix epoch. */
export type WantedStart = {
  readonly prover: Address
  readonly startedAt: number
  noticedAt: number | null
  /** With `payWei`: the receipt we signed. */
  deliveredAt: number | null
  payWei: bigint | null
  defaulted: boolean
  /** What the chain did: all that was paid, and the first transaction that paid (rule P6). */
  paid: { readonly payWei: bigint; readonly transactionHash: Hex } | null
  slashed: { readonly bondWei: bigint; readonly transactionHash: Hex } | null
}

/** One request, that is, one auction. */
export type WantedRequest = {
  readonly requestId: Id
  readonly nonce: bigint
  readonly reserveWei: bigint
  /** The request nobody bid for, which this one repeats with a higher reserve. */
  readonly retryOf: Id | null
  /** The bundle it was asked in; none, or absent in old records, for a request alone. */
  readonly bundleId?: Hex | null
  /** When it was signed, and when its bidding ends. ms since the Unix epoch. */
  readonly requestedAt: number
  readonly closesAt: number
  bidCount: number
  awardedAt: number | null
  winner: Address | null
  priceWei: bigint | null
  /** What the winner promised. ms since the Unix epoch. */
  readyAt: number | null
  backups: readonly Address[]
  /** Who did not accept in its turn. */
  missed: readonly Address[]
  starts: WantedStart[]
  outcome: JobOutcome | null
  endedAt: number | null
  /** This node stopped during the auction: its bids are lost, so it makes no award. */
  interrupted: boolean
}

/** Why there is no proof. */
export type FailureCode =
  | 'NO_BIDS'
  | 'NO_AWARD'
  | 'NO_ACCEPTANCE'
  | 'NOT_DELIVERED'
  | 'REFUSED'
  | 'INTERRUPTED'
export type Failure = { readonly code: FailureCode; readonly message: string }

export type WantedRecord = {
  readonly wantedId: string
  readonly terms: StoredTerms
  /** Set when it was asked for together with others, which have the same group. */
  readonly bundle?: { readonly group: string; readonly index: number; readonly size: number }
  readonly idempotencyKey: string | null
  /** SHA-256 of all terms, when there is a key: the same key with other terms is an error. */
  readonly termsHash: string | null
  readonly openedAt: number
  /** `delivered`: the proof is here. What is paid or slashed afterwards is in the requests. */
  status: 'open' | 'delivered' | 'failed'
  endedAt: number | null
  failure: Failure | null
  /** The first proof that came. */
  delivery: {
    readonly requestId: Id
    readonly prover: Address
    readonly payWei: bigint
    readonly deliveredAt: number
  } | null
  readonly requests: WantedRequest[]
}

/**
 * A wanted proof as it is before anything was asked of the market.
 * @param termsHash Of all that was asked for together, when there is a key.
 */
export function newRecord(
  terms: WantedTerms,
  nonce: bigint,
  now: number,
  termsHash: string | null,
  bundle: WantedRecord['bundle'],
): WantedRecord {
  const { inputs, softDueInMs, dueInMs, idempotencyKey, maxReserveWei, ...rest } = terms
  return {
    wantedId: `w${nonce}`,
    terms: {
      ...rest,
      inputBytes: inputs.byteLength,
      maxReserveWei: maxReserveWei ?? terms.reserveWei,
      softDueAt: now + softDueInMs,
      dueAt: now + dueInMs,
    },
    ...(bundle ? { bundle } : {}),
    idempotencyKey: idempotencyKey ?? null,
    termsHash: idempotencyKey === undefined ? null : termsHash,
    openedAt: now,
    status: 'open',
    endedAt: null,
    failure: null,
    delivery: null,
    requests: [],
  }
}

/** A request as it is before anybody answered. */
export const newRequest = (requestId: Id, request: ProofRequest): WantedRequest => ({
  requestId,
  nonce: request.nonce,
  reserveWei: request.reserveWei,
  retryOf: BigInt(request.retryOf) === 0n ? null : request.retryOf,
  bundleId: isBundled(request) ? request.bundleId : null,
  requestedAt: request.openedAt,
  closesAt: request.closesAt,
  bidCount: 0,
  awardedAt: null,
  winner: null,
  priceWei: null,
  readyAt: null,
  backups: [],
  missed: [],
  starts: [],
  outcome: null,
  endedAt: null,
  interrupted: false,
})

function startOf(request: WantedRequest, prover: Address, startedAt: number): WantedStart {
  const known = request.starts.find((start) => start.prover === prover)
  if (known) return known
  const start: WantedStart = {
    ...{ prover, startedAt, noticedAt: null, deliveredAt: null, payWei: null },
    ...{ defaulted: false, paid: null, slashed: null },
  }
  request.starts.push(start)
  return start
}

/**
 * Writes down what an event of this request says. The same event again changes nothing but a bid
 * count.
 */
export function recordEvent(request: WantedRequest, event: MarketEvent, now: number): void {
  const start = 'prover' in event && request.starts.find(({ prover }) => prover === event.prover)
  switch (event.kind) {
    case 'bid-seen':
      request.bidCount++
      break
    case 'awarded':
      request.awardedAt ??= now
      request.winner = event.prover
      request.priceWei = event.priceWei
      request.readyAt = event.readyAt
      request.backups = event.backups.filter((backup) => BigInt(backup) !== 0n)
      break
    case 'turn-missed':
      if (!request.missed.includes(event.prover)) request.missed = [...request.missed, event.prover]
      break
    case 'started':
      startOf(request, event.prover, event.at)
      break
    case 'noticed':
      if (start) start.noticedAt ??= now
      break
    case 'received':
      if (!start) break
      start.deliveredAt = event.deliveredAt
      start.payWei = event.payWei
      break
    case 'defaulted':
      if (start) start.defaulted = true
      break
    case 'slashed':
      if (start) start.slashed = { bondWei: event.bondWei, transactionHash: event.transactionHash }
      break
    case 'ended':
      request.outcome = event.outcome
      request.endedAt ??= now
      break
    default:
      // Turns, silence and what concerns other nodes: seen at the door's events, not kept. A
      // payment may be a part of several: `recordJob` has their sum.
      break
  }
}

/**
 * Brings a request in step with the market: after a restart, what happened while nobody wrote it
 * down; when something was paid, all that has been.
 */
export function recordJob(request: WantedRequest, job: Job, now: number): void {
  const award = job.award?.message
  if (award) {
    const { requestId, prover, priceWei, readyAt, bidCount, backups } = award
    const seen = { requestId, prover, priceWei, readyAt, bidCount, backups }
    recordEvent(request, { kind: 'awarded', ...seen }, now)
    request.bidCount = Math.max(request.bidCount, bidCount)
  } else if (!request.outcome) request.interrupted = true
  const { bondWei } = job.request.message
  for (const [prover, { start, notice, receipt, resolution }] of job.obligations) {
    const entry = startOf(request, prover, start.message.startedAt)
    if (notice) entry.noticedAt ??= notice.message.readyAt
    if (receipt) {
      entry.deliveredAt = receipt.message.deliveredAt
      entry.payWei = receipt.message.payWei
    }
    if (!resolution) continue
    const { kind, payWei, transactionHash } = resolution
    if (kind === 'paid') entry.paid = { payWei, transactionHash }
    else entry.slashed ??= { bondWei, transactionHash }
  }
  if (!job.outcome) return
  request.outcome = job.outcome
  request.endedAt ??= now
}

/** The first proof a request brought, if any. */
export function deliveryOf({ requestId, starts }: WantedRequest): WantedRecord['delivery'] {
  for (const { prover, payWei, deliveredAt } of starts)
    if (payWei !== null && deliveredAt !== null) return { requestId, prover, payWei, deliveredAt }
  return null
}

/** What a caller is told when its requests are out. */
export type Opened = { readonly wantedId: string; readonly requestId: Id }
export type OpenedBundle = { readonly bundleId: Hex; readonly proofs: readonly Opened[] }

export const openedOf = ({ wantedId, requests }: WantedRecord): Opened => ({
  wantedId,
  requestId: requests[0]!.requestId,
})
