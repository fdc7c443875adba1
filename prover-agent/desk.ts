/**
 * The desk: gathers what is true now and asks the strategy for a quote, and once more, when the
 * turn has come, whether the job still fits. Instant, and without IO but for the log.
 */
import type { Clock } from '#node/clock'
import type { Log } from '#node/log'
import type { ProverDesk, Quote, QuoteContext } from '#protocol/bidder'
import { isBundled } from '#protocol/bundle'
import type { Params } from '#protocol/params'
import type { Address, ProofRequest } from '#protocol/schema'
import type { Backend } from './backend.ts'
import type { Calibration } from './calibration.ts'
import {
  besides,
  fitsBeforeDue,
  type Held,
  heldJobs,
  keyOf,
  type LaneTimes,
  lanesFor,
  lanesFreeAt,
  MAX_HELD,
  type MarketView,
  reservedBondWei,
} from './capacity.ts'
import type { Lanes } from './lanes.ts'
import type { LearnedPrices } from './prices.ts'
import { type DeclineReason, decide, type Policy, worstMs } from './strategy.ts'
import type { VerifierList } from './verifiers.ts'

export type DeskPorts = {
  readonly account: Address
  readonly market: MarketView
  readonly params: Params
  readonly policy: Policy
  readonly lanes: Pick<Lanes, 'count' | 'running'>
  readonly backend: Pick<Backend, 'supports'>
  readonly calibration: Pick<Calibration, 'timingOf'>
  readonly prices: Pick<LearnedPrices, 'scoreWei'>
  readonly verifiers: Pick<VerifierList, 'standing'>
  readonly clock: Pick<Clock, 'now'>
  readonly log: Log
  /** Why nothing may be promised now, or `null`. */
  readonly unwell: () => string | null
  /** What was bid for may still be accepted, but nothing is bid for any more. */
  readonly isStopping: () => boolean
}

export type Declined = DeclineReason | 'unwell' | 'stopping'

export class Desk implements ProverDesk {
  readonly #ports: DeskPorts
  readonly #declined = new Map<Declined, number>()
  #saidUnwell: string | null = null

  constructor(ports: DeskPorts) {
    this.#ports = ports
  }

  /** Requests declined since the start, by reason. */
  get declined(): ReadonlyMap<Declined, number> {
    return this.#declined
  }

  /** What takes bond or a lane from the next job. `now`: ms since the Unix epoch. */
  held(now: number): Held[] {
    const { market, account, params } = this.#ports
    return heldJobs(market, account, params, now)
  }

  /**
   * Own promise for a job, ms since the Unix epoch; its due time when the market does not know it.
   */
  promisedAt(request: ProofRequest): number {
    const key = keyOf(request)
    const held = this.held(this.#ports.clock.now()).find((job) => job.key === key)
    return held?.promisedAt ?? request.dueAt
  }

  readonly quote = (context: QuoteContext): Quote | null => {
    const unwell = this.#ports.unwell()
    this.#sayUnwell(unwell)
    if (unwell !== null) return this.#decline(context.request, 'unwell')
    if (this.#ports.isStopping()) return this.#decline(context.request, 'stopping')
    const { policy, backend, calibration, prices, verifiers } = this.#ports
    const { request, now, builder } = context
    const held = besides(this.held(now), request)
    const { programId, work } = request
    const expected = lanesFreeAt(held, this.#times('usual', now), now)
    const worst = lanesFreeAt(held, this.#times('worst', now), now)
    const facts = {
      request,
      builder,
      freeBondWei: context.freeBondWei - reservedBondWei(held),
      timing: backend.supports(programId) ? calibration.timingOf(programId, work) : null,
      expectedFreeAt: expected[0]!,
      worstFreeAt: worst[0]!,
      hasRoom: held.length < MAX_HELD,
      learnedScoreWei: prices.scoreWei(request, policy.pricePercentile),
      verifier: verifiers.standing(request.verifier),
    }
    const decision = decide(facts, policy)
    if (decision.kind === 'decline') return this.#decline(request, decision.reason)
    if (!isBundled(request)) return decision.quote
    const beginsAt = request.closesAt + policy.startAllowanceMs
    const bonds = facts.freeBondWei / request.bondWei
    const lanes = lanesFor(expected, worst, beginsAt, bonds, MAX_HELD - held.length)
    return { ...decision.quote, lanes }
  }

  /**
   * Asked when its turn has come: nothing of what was true when it bid has to be true any more.
   * Each proof must still fit if it takes as long as the slowest measured; the head-room was for
   * what has happened since the bid, and a proof that is late by less than a slot still saves its
   * bond.
   */
  readonly accepts = (request: ProofRequest, now: number): boolean => {
    const problem = this.#ports.unwell() ?? this.#misfit(request, now)
    if (problem === null) return true
    const { builder, nonce } = request
    this.#ports.log.warn('cannot accept a job', { builder, nonce, why: problem })
    return false
  }

  #decline(request: ProofRequest, reason: Declined): null {
    const { builder, nonce } = request
    this.#declined.set(reason, (this.#declined.get(reason) ?? 0) + 1)
    this.#ports.log.debug('declined a request', { builder, nonce, reason })
    return null
  }

  /** Said when it changes, not at every request. */
  #sayUnwell(unwell: string | null): void {
    if (unwell === this.#saidUnwell) return
    this.#saidUnwell = unwell
    if (unwell) this.#ports.log.warn('not bidding', { why: unwell })
    else this.#ports.log.info('bidding again')
  }

  #misfit(request: ProofRequest, now: number): string | null {
    const { policy } = this.#ports
    const key = keyOf(request)
    const all = this.held(now)
    const own = all.find((held) => held.key === key)
    // Bids give way to what is certain; a backup, which was not counted, gives way to auctions won
    // besides.
    const certain = all.filter(({ stage }) => stage === 'accepted' || (stage === 'won' && !own))
    const promisedAt = own?.promisedAt ?? request.dueAt
    const asked: Held = { key, request, stage: 'accepted', promisedAt }
    const times = this.#times('slowest', now)
    const fits = fitsBeforeDue(asked, certain, times, policy.deliveryAllowanceMs, now)
    return fits ? null : 'no lane is free in time'
  }

  /** How long each held job takes, and when it began. */
  #times(kind: 'usual' | 'slowest' | 'worst', now: number): LaneTimes {
    const { lanes, calibration, policy } = this.#ports
    return {
      lanes: lanes.count,
      startAllowanceMs: policy.startAllowanceMs,
      beganAt: (key) => lanes.running.get(key) ?? null,
      durationMs: ({ request, key }) => {
        const timing = calibration.timingOf(request.programId, request.work)
        // Restored after the configuration changed: it holds its lane until it is due.
        if (!timing) return Math.max(0, request.dueAt - now)
        const elapsedMs = now - (lanes.running.get(key) ?? now)
        const atLeast = {
          usual: timing.p90Ms,
          slowest: timing.maxMs,
          worst: worstMs(timing, policy),
        }
        // What has taken longer already is the slow one.
        return elapsedMs <= atLeast[kind] ? atLeast[kind] : worstMs(timing, policy)
      },
    }
  }
}
