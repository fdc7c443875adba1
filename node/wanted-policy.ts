/**
 * What becomes of a wanted proof whose request brought nothing: asked again, on which terms, or
 * given up and why.
 */
import type { Params } from '#protocol/params'
import { type Id, ZERO_WORD } from '#protocol/schema'
import type { Failure, FailureCode, WantedRecord } from './wanted-record.ts'

/** Requests for one wanted proof: more auctions would not find who three did not. */
const MAX_REQUESTS = 3

/** What is asked next. */
export type Ask = { readonly reserveWei: bigint; readonly retryOf: Id }

/**
 * The terms of another request; `null` when none would help or there is no time for it. Only a
 * request that nobody bid for is a retry with a higher reserve; any other is asked again as it was.
 * @param now ms since the Unix epoch.
 */
export function nextAsk(
  { requests, terms }: WantedRecord,
  now: number,
  bidWindowMs: number,
  params: Params,
): Ask | null {
  const last = requests.at(-1)!
  // Whether proving fits is for the bidders to judge; a turn and a receipt must.
  const leftMs = terms.dueAt - now - bidWindowMs
  if (requests.length >= MAX_REQUESTS || leftMs < params.turnMs + params.receiptMs) return null
  if (last.interrupted || last.winner !== null || last.bidCount > 0)
    return { reserveWei: last.reserveWei, retryOf: ZERO_WORD }
  // A quarter more, at least a wei: two steps are half more.
  const raised = last.reserveWei + (last.reserveWei + 3n) / 4n
  const reserveWei = raised < terms.maxReserveWei ? raised : terms.maxReserveWei
  return reserveWei > last.reserveWei
    ? { reserveWei, retryOf: last.retryOf ?? last.requestId }
    : null
}

/** What is asked next for each that stands or falls together; `null` when one is given up. */
export function nextAsks(
  together: readonly WantedRecord[],
  now: number,
  bidWindowMs: number,
  params: Params,
): Ask[] | null {
  const asks = together.map((record) => nextAsk(record, now, bidWindowMs, params))
  return asks.every((ask) => ask !== null) ? asks : null
}

/** Why one of those that stand or fall together failed: the segment without a bid is named. */
export function failureIn(together: readonly WantedRecord[], record: WantedRecord): Failure {
  const own = failureOf(record)
  if (together.length === 1 || own.code === 'INTERRUPTED' || own.code === 'NO_BIDS') return own
  const without = together.find((each) => each.requests.at(-1)!.bidCount === 0)?.bundle
  const why = without
    ? `nobody bid for segment ${without.index} of its ${without.size} (counted from 0)`
    : `its ${together.length} segments had bids, but together more than the bidders’ lanes and terms bear`
  const advice = 'a bundle is awarded all or none; ask again, with more time or a higher reserve'
  return failure('NO_AWARD', `${why}; ${advice}`)
}

/** What the last request came to, in words for whoever asked. */
export function failureOf({ requests, terms }: WantedRecord): Failure {
  const last = requests.at(-1)!
  if (last.starts.length > 0) {
    const provers = last.starts.map(({ prover }) => prover).join(', ')
    const what = `${provers} accepted and did not deliver in time`
    return failure('NOT_DELIVERED', `${what}; nothing is paid, and the bond is slashed`)
  }
  if (last.interrupted)
    return failure(
      'INTERRUPTED',
      'this node stopped during the auction; no time was left for another',
    )
  if (last.winner !== null) {
    const what = `${[last.winner, ...last.backups].join(', ')} won and did not accept`
    const advice = 'check that the inputs hash to the terms and that provers can reach this node'
    return failure('NO_ACCEPTANCE', `${what}; ${advice}`)
  }
  if (last.bidCount > 0) {
    const what = `none of ${last.bidCount} bids could win`
    const advice = 'they were above the reserve, too late, or their bond was not free any more'
    return failure('NO_AWARD', `${what}: ${advice}`)
  }
  const what = `nobody bid at a reserve of ${last.reserveWei} wei`
  const isRaisable = last.reserveWei < terms.maxReserveWei
  const advice = isRaisable ? 'give it more time' : 'offer more (reserveWei, maxReserveWei)'
  return failure(
    'NO_BIDS',
    `${what}; ${advice}, or check that provers know the program and verifier`,
  )
}

export const failure = (code: FailureCode, message: string): Failure => ({ code, message })
