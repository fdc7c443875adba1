/**
 * The nodes that only pass messages on. Each would run a `Market` of its own; instead they share
 * one, which hears each message when the first of them does. What differs from relay to relay is
 * judged for each: its clock, by the same rules of `protocol/job.ts`; whether it has heard the
 * message that this one names; whether it took another of the same identity first.
 */
import type { Gossiped, Refusal, Verdict } from '#protocol/effects'
import { newJob, takeAward, takeBid, takeNotice, takeReceipt, takeStart } from '#protocol/job'
import type { Params } from '#protocol/params'
import { checkRequest } from '#protocol/rules'
import type { Actor } from './actor.ts'

/** What is known of one message for all relays. */
type Known = {
  /** The shared market's word, `null` while it holds the message. */
  refusal: Refusal | 'accept' | null
  /** The earliest and latest instants at which the rules of time were found to allow it. */
  fitsFrom: number
  fitsTo: number
}

export class Relays {
  readonly #market: Actor
  readonly #params: Params
  readonly #checks: boolean
  readonly #known = new Map<Gossiped, Known>()

  /**
   * @param market The shared market's driver, which is in no network.
   * @param checks Whether relays check anything: without, they pass on all that fits its length.
   */
  constructor(market: Actor, params: Params, checks: boolean) {
    this.#market = market
    this.#params = params
    this.#checks = checks
  }

  /**
   * A relay's verdict on a message whose awaited one it has, and of whose identity it has no other.
   * @param isSecond Whether others of its identity went round before it.
   * @param now By the relay's own clock. ms since the Unix epoch.
   */
  judge(from: Gossiped, isSecond: boolean, now: number): Verdict {
    if (!this.#checks) return 'accept'
    const known = this.#known.get(from) ?? this.#hear(from, isSecond)
    if (known.refusal !== 'accept') known.refusal = this.#again(from, known)
    if (known.refusal !== 'accept') return known.refusal ?? { action: 'hold', holdId: from.id }
    if (now >= known.fitsFrom && now <= known.fitsTo) return 'accept'
    const refused = this.#timely(from, now)
    if (refused) return refused
    known.fitsFrom = Math.min(known.fitsFrom, now)
    known.fitsTo = Math.max(known.fitsTo, now)
    return 'accept'
  }

  /** Forgets a message that is out of the network. */
  forget(from: Gossiped): void {
    this.#known.delete(from)
  }

  #hear(from: Gossiped, isSecond: boolean): Known {
    // The shared market took the first; elsewhere this one may have come first.
    const verdict = isSecond ? 'accept' : this.#market.feed({ kind: 'message', from })
    const isHeld = verdict !== 'accept' && verdict.action === 'hold'
    const known: Known = {
      refusal: isHeld ? null : (verdict as Refusal | 'accept'),
      fitsFrom: Number.POSITIVE_INFINITY,
      fitsTo: Number.NEGATIVE_INFINITY,
    }
    this.#known.set(from, known)
    return known
  }

  /** The word on a message that was held: it is known by now, or is still held. */
  #again(from: Gossiped, known: Known): Known['refusal'] {
    if (known.refusal !== null) return known.refusal
    const verdict = this.#market.feed({ kind: 'message', from })
    if (verdict === 'accept' || !('code' in verdict)) return verdict === 'accept' ? verdict : null
    // What is held and what was taken both are duplicates; a taken one has an effect on the job.
    return verdict.code === 'DUPLICATE' && this.#isTaken(from) ? 'accept' : verdict
  }

  #isTaken(from: Gossiped): boolean {
    const job =
      from.kind === 'ProofRequest' ? null : this.#market.market.job(from.message.requestId)
    switch (from.kind) {
      case 'Bid':
        return job?.bids.get(from.message.prover)?.id === from.id
      case 'Award':
        return job?.award?.id === from.id
      case 'Start':
        return job?.obligations.get(from.message.prover)?.start.id === from.id
      case 'Notice':
        return job?.obligations.get(from.message.prover)?.notice?.id === from.id
      case 'Receipt':
        return job?.obligations.get(from.message.prover)?.receipt?.id === from.id
      default:
        return false
    }
  }

  /** The rules of time, and of what one message says, asked of a job with nothing in it yet. */
  #timely(from: Gossiped, now: number): Refusal | null {
    const params = this.#params
    if (from.kind === 'ProofRequest') return checkRequest(from.message, now, params)
    const known = this.#market.market.job(from.message.requestId)
    if (!known) return { action: 'ignore', code: 'UNKNOWN_REQUEST' }
    const fresh = newJob(known.request)
    if (from.kind === 'Bid') return takeBid(fresh, from, now, params)
    if (from.kind === 'Award') return takeAward(fresh, from, now, params)
    fresh.award = known.award
    if (from.kind === 'Start') return takeStart(fresh, from, now, params)
    const { prover } = from.message
    const start = known.obligations.get(prover)?.start
    if (start)
      fresh.obligations.set(prover, { start, notice: null, receipt: null, resolution: null })
    return from.kind === 'Notice'
      ? takeNotice(fresh, from, now, params)
      : takeReceipt(fresh, from, now, params)
  }
}
