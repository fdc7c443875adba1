/**
 * What to bid: a pure function from what the agent knows to a quote, or to the reason for none.
 *
 * Its defaults get nobody slashed. It promises what nine of ten proofs kept, behind everything the
 * lanes may still be given, and it asks for nothing that would not be done in time if every proof
 * took half as long again as the slowest one measured. The price is never below the cost.
 */
import type { Quote } from '#protocol/bidder'
import { scoreWei } from '#protocol/money'
import type { ProofRequest } from '#protocol/schema'
import type { BuilderRecord } from '#protocol/standing'

/** What an operator chooses. */
export type Policy = {
  /** What a ms of proving costs: power, wear, rent. wei. */
  readonly costWeiPerMs: bigint
  /** What a job costs besides, above all its part of the transaction that settles it. wei. */
  readonly fixedCostWei: bigint
  /** Least gain above cost. Percent. */
  readonly marginPercent: number
  /** The slowest measured proof times this must fit before the due time. Percent, at least 100. */
  readonly headroomPercent: number
  /**
   * From the close of the auction until the proof is begun: award, inputs, their check, acceptance.
   * ms.
   */
  readonly startAllowanceMs: number
  /** From the finished proof until its last byte is at the builder. ms. */
  readonly deliveryAllowanceMs: number
  /** Which of the learned winning scores to bid: low wins often, high earns more. Percent. */
  readonly pricePercentile: number
  /** A builder may leave out or not award this many of its jobs. Percent. */
  readonly maxUnfairPercent: number
  /** Jobs of a builder that must be known before it is judged. */
  readonly leastBuilderJobs: number
}

/** What an operator gets who chooses nothing (`settings.ts` says why). The cost is the rig's. */
export const defaultPolicy: Omit<Policy, 'costWeiPerMs'> = {
  fixedCostWei: 24_000_000_000_000n,
  marginPercent: 20,
  headroomPercent: 150,
  startAllowanceMs: 500,
  deliveryAllowanceMs: 250,
  pricePercentile: 40,
  maxUnfairPercent: 20,
  leastBuilderJobs: 10,
}

/** How long proofs of one program and size took. ms. */
export type Timing = {
  readonly p50Ms: number
  readonly p90Ms: number
  readonly maxMs: number
  readonly count: number
}

/** What the agent knows when a request is heard. Instants are ms since the Unix epoch. */
export type Facts = {
  readonly request: ProofRequest
  readonly builder: BuilderRecord
  /** Own bond that neither starts nor own bids, awards and acceptances hold. wei. */
  readonly freeBondWei: bigint
  /** `null` for a program that was never measured, or that no backend proves. */
  readonly timing: Timing | null
  /**
   * When a lane is free for this job if all others take their usual time, and if all take their
   * worst.
   */
  readonly expectedFreeAt: number
  readonly worstFreeAt: number
  /** Whether there is room for one more at all. */
  readonly hasRoom: boolean
  /** The score to beat, from past awards; `null` while unknown. wei. */
  readonly learnedScoreWei: bigint | null
  /** Whether the request's verifier is on the operator's list. */
  readonly verifier: 'allowed' | 'refused' | 'unknown'
}

export type DeclineReason =
  | 'unsupported-program'
  | 'verifier-unknown'
  | 'verifier-refused'
  | 'unfair-builder'
  | 'bond-not-free'
  | 'no-room'
  | 'too-slow'
  | 'below-cost'

export type Decision =
  | { readonly kind: 'quote'; readonly quote: Quote; readonly costWei: bigint }
  | { readonly kind: 'decline'; readonly reason: DeclineReason }

const declined = (reason: DeclineReason): Decision => ({ kind: 'decline', reason })

/** The worst a proof may take by this policy. ms. */
export const worstMs = ({ maxMs }: Timing, { headroomPercent }: Policy): number =>
  Math.ceil((maxMs * headroomPercent) / 100)

/** What a proof costs at the time nine of ten take. wei. */
export const costWei = ({ p90Ms }: Timing, policy: Policy): bigint =>
  policy.fixedCostWei + policy.costWeiPerMs * BigInt(p90Ms)

/** Cost and margin, rounded up. wei. */
const floorWei = (cost: bigint, { marginPercent }: Policy): bigint =>
  (cost * BigInt(100 + marginPercent) + 99n) / 100n

/**
 * Whether a builder leaves jobs unawarded, or better bids out, more often than its provers should
 * bear.
 */
export function isUnfair(builder: BuilderRecord, policy: Policy): boolean {
  const { awards, unawarded, omissions } = builder
  const jobs = awards + unawarded
  if (jobs < policy.leastBuilderJobs) return false
  return (unawarded + omissions) * 100 > policy.maxUnfairPercent * jobs
}

/** Prices a request, or says why not. Pure; wei in, wei out. */
export function decide(facts: Facts, policy: Policy): Decision {
  const { request, timing } = facts
  if (timing === null) return declined('unsupported-program')
  if (facts.verifier !== 'allowed') return declined(`verifier-${facts.verifier}`)
  if (isUnfair(facts.builder, policy)) return declined('unfair-builder')
  if (facts.freeBondWei < request.bondWei) return declined('bond-not-free')
  if (!facts.hasRoom) return declined('no-room')

  const earliestAt = request.closesAt + policy.startAllowanceMs
  const worstAt = Math.max(earliestAt, facts.worstFreeAt) + worstMs(timing, policy)
  if (worstAt + policy.deliveryAllowanceMs > request.dueAt) return declined('too-slow')
  const expectedAt = Math.max(earliestAt, facts.expectedFreeAt) + timing.p90Ms
  const readyAt = expectedAt + policy.deliveryAllowanceMs
  if (readyAt > request.dueAt) return declined('too-slow')

  const cost = costWei(timing, policy)
  const floor = floorWei(cost, policy)
  if (floor > request.reserveWei) return declined('below-cost')
  const priceWei = priceFor(facts, readyAt, floor)
  return { kind: 'quote', quote: { priceWei, readyAt }, costWei: cost }
}

/** The learned score less what our own promise costs in it; the floor while nothing is known. */
function priceFor({ request, learnedScoreWei }: Facts, readyAt: number, floor: bigint): bigint {
  if (learnedScoreWei === null) return floor
  const wanted = learnedScoreWei - scoreWei(request, 0n, readyAt)
  if (wanted <= floor) return floor
  if (wanted >= request.reserveWei) return request.reserveWei
  return wanted
}
