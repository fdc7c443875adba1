/**
 * What a node asks of a message before it believes or forwards it, beyond what one job says
 * (`job.ts`). Pure checks; each line is a rule of `protocol/README.md` with a test of the same
 * title.
 */
import type { Accounts } from './accounts.ts'
import { fitsBundle } from './bundle.ts'
import type { Refusal, SignedAward, SignedRequest } from './effects.ts'
import type { Job } from './job.ts'
import { claimCostWei } from './money.ts'
import type { Params } from './params.ts'
import { ignore, reject } from './refusals.ts'
import { type ProofRequest, ZERO_WORD } from './schema.ts'
import { auctionKeyOf, commitmentOf } from './sealing.ts'

/** Largest inputs a request may name: ledger tables of eight entries take 40 KiB. Bytes. */
export const MAX_INPUT_BYTES = 1_048_576
/** Most requests of one bundle: segments of one table, one lane each. */
export const MAX_BUNDLE = 64

function windowFits(request: ProofRequest, params: Params): boolean {
  const { openedAt, closesAt, softDueAt, dueAt } = request
  const windowMs = closesAt - openedAt
  return (
    windowMs >= params.minBidWindowMs &&
    windowMs <= params.maxBidWindowMs &&
    closesAt < dueAt &&
    softDueAt <= dueAt &&
    dueAt <= closesAt + params.maxJobMs
  )
}

function fieldsFit(request: ProofRequest, params: Params): boolean {
  const { bundleId, bundleIndex, bundleSize } = request
  const isAlone = bundleId === ZERO_WORD && bundleIndex === 0 && bundleSize === 0
  const isInBundle = bundleId !== ZERO_WORD && bundleIndex < bundleSize && bundleSize <= MAX_BUNDLE
  return (
    request.reserveWei > 0n &&
    // Without a bond anybody could bid, so anybody could fill the auction.
    request.bondWei > 0n &&
    request.work > 0n &&
    request.inputBytes > 0 &&
    request.inputBytes <= MAX_INPUT_BYTES &&
    request.backups <= params.maxBackups &&
    (isAlone || isInBundle)
  )
}

/** Checks a request's own terms and its moment. `now`: ms since the Unix epoch. */
export function checkRequest(request: ProofRequest, now: number, params: Params): Refusal | null {
  // [REJECT] REQUEST_WINDOW: bid window and due time are within bounds and in order.
  if (!windowFits(request, params)) return reject('REQUEST_WINDOW')
  // [REJECT] REQUEST_FIELDS: reserve, bond, work, inputs, backups and bundle make sense.
  if (!fieldsFit(request, params)) return reject('REQUEST_FIELDS')
  // [IGNORE] REQUEST_EARLY: it was opened already.
  if (now < request.openedAt - params.clockSkewMs) return ignore('REQUEST_EARLY')
  // [IGNORE] REQUEST_LATE: its bid window is still open.
  if (now >= request.closesAt) return ignore('REQUEST_LATE')
  return null
}

/**
 * Checks what a request asks of its builder.
 * @param openRequests How many of its requests are open here.
 * @param bundle The jobs of its bundle that this node knows.
 * @param retried The job it retries, if this node knows it.
 */
export function checkBuilder(
  { message }: SignedRequest,
  accounts: Accounts,
  openRequests: number,
  retried: Job | undefined,
  bundle: readonly Job[],
  params: Params,
): Refusal | null {
  // [IGNORE] REQUEST_TOO_MANY: its builder has fewer than `maxOpenRequests` open.
  if (openRequests >= params.maxOpenRequests) return ignore('REQUEST_TOO_MANY')
  // [IGNORE] REQUEST_UNCOVERED: reserve and claim cost are covered by what its other jobs leave free.
  const needed = message.reserveWei + claimCostWei(message, params)
  if (accounts.freeCoverWei(message.builder) < needed) return ignore('REQUEST_UNCOVERED')
  // [IGNORE] REQUEST_BUNDLE: it has an index of its own in its bundle, and size, times and bond of it.
  if (!bundle.every(({ request }) => fitsBundle(message, request.message)))
    return ignore('REQUEST_BUNDLE')
  // [IGNORE] REQUEST_RETRY: what it retries got no bid, was its builder's, and had a lower reserve.
  if (retried) {
    const first = retried.request.message
    const isAllowed =
      retried.outcome === 'void' && retried.bidsSeen === 0 && first.builder === message.builder
    if (!isAllowed || message.reserveWei <= first.reserveWei) return ignore('REQUEST_RETRY')
  }
  return null
}

/**
 * Checks that an award's secret, bid (whose signer the caller has checked) and opening fit the
 * request.
 */
export function checkAward(award: SignedAward, job: Job): Refusal | null {
  const { message, bid, opening } = award
  // [REJECT] AWARD_SECRET: the secret it publishes fits the request's auction key.
  if (auctionKeyOf(message.auctionSecret) !== job.request.message.auctionKey)
    return reject('AWARD_SECRET')
  const isTheBid =
    bid.id === message.bidId &&
    bid.message.requestId === job.id &&
    bid.message.prover === message.prover
  const isItsOpening =
    opening.priceWei === message.priceWei &&
    opening.readyAt === message.readyAt &&
    commitmentOf(job.id, message.prover, opening) === bid.message.commitment
  // [REJECT] AWARD_OPENING: the winning bid it carries opens to its price and promise.
  if (!isTheBid || !isItsOpening) return reject('AWARD_OPENING')
  return null
}
