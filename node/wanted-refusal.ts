/** Why a request of ours was not taken, and what its caller can do about it. */
import type { Market } from '#protocol/market'
import { claimCostWei } from '#protocol/money'
import type { Params } from '#protocol/params'
import type { RefusalCode } from '#protocol/refusals'
import { MAX_INPUT_BYTES } from '#protocol/rules'
import type { ProofRequest } from '#protocol/schema'

/** The market's own refusals, and the door's. */
export type WantedRefusalCode = RefusalCode | 'IDEMPOTENCY_MISMATCH' | 'STOPPING'

/** A proof cannot be asked for on these terms, or not now. The message says what to do. */
export class WantedRefused extends Error {
  override readonly name = 'WantedRefused'
  readonly code: WantedRefusalCode
  constructor(code: WantedRefusalCode, message: string) {
    super(message)
    this.code = code
  }
}

/** What requests may cost their builder together. wei. */
export function costOf(requests: readonly ProofRequest[], params: Params) {
  let [reserve, claim] = [0n, 0n]
  for (const request of requests) {
    reserve += request.reserveWei
    claim += claimCostWei(request, params)
  }
  return { reserve, claim }
}

/** The refusal of a request of our own, or of a bundle of them, in words. */
export function explain(
  code: RefusalCode,
  requests: readonly ProofRequest[],
  market: Market,
  params: Params,
): WantedRefused {
  const { builder, openedAt, closesAt } = requests[0]!
  switch (code) {
    case 'REQUEST_UNCOVERED': {
      const free = market.accounts.freeCoverWei(builder)
      const { reserve, claim } = costOf(requests, params)
      const what = `reserve ${reserve} plus claim cost ${claim} exceeds the free cover ${free}`
      const rule = 'cover is the escrow, but at most half of the stake, less what open jobs hold'
      const advice = 'deposit escrow and stake, lower reserveWei or claimBaseFeeCapWei, or wait'
      return new WantedRefused(code, `${what} (wei); ${rule}; ${advice}`)
    }
    case 'REQUEST_WINDOW': {
      const longest = closesAt - openedAt + params.maxJobMs
      const what = `dueInMs must be above the bid window of ${closesAt - openedAt} ms`
      return new WantedRefused(code, `${what} and at most ${longest}, softDueInMs at most dueInMs`)
    }
    case 'REQUEST_FIELDS': {
      const inputs = `inputs 1 to ${MAX_INPUT_BYTES} bytes`
      const limits = `reserveWei and work above 0, ${inputs}, backups at most ${params.maxBackups}`
      return new WantedRefused(code, `the terms do not fit: ${limits}`)
    }
    case 'REQUEST_TOO_MANY': {
      const what = `${params.maxOpenRequests} requests of this account are open, or ${params.maxJobs} jobs`
      return new WantedRefused(code, `${what}; wait until one has ended`)
    }
    case 'REQUEST_EARLY':
    case 'REQUEST_LATE':
      return new WantedRefused(
        code,
        'the bid window was over before the request was stored: the disk or this machine is too slow',
      )
    case 'JOB_ENDED':
      return new WantedRefused('STOPPING', 'this node is stopping; ask again when it runs')
    default:
      return new WantedRefused(code, `this node's own market refused the request: ${code}`)
  }
}
