/**
 * What this agent holds already, and when its lanes are free: read from the market's own record of
 * the jobs it pursues, so that a restart restores it and nothing is kept twice. Pure.
 *
 * A bid counts as if it were won until its award is known (at most a second): its bond and its
 * place in the lanes are kept. So one agent never wins three jobs of which it can make one; it
 * promises later on the second and third instead. Bids for the segments of one bundle are
 * alternatives: of them only as many count as the lanes they name, which is as many as can be won.
 * Being named as a backup keeps nothing, because few backups are ever called: when one is, `fits`
 * is asked again, and a busy agent says no.
 */
import { lineUp } from '#protocol/auction'
import type { Pursuit } from '#protocol/bidder'
import { bundleKey } from '#protocol/bundle'
import { type Job, promiseOf } from '#protocol/job'
import type { Market } from '#protocol/market'
import type { Params } from '#protocol/params'
import type { Address, ProofRequest } from '#protocol/schema'

/** As much of `Market` as capacity reads. */
export type MarketView = Pick<Market, 'job' | 'bidder' | 'accounts'>

export type Held = {
  readonly key: string
  readonly request: ProofRequest
  /** `bid`: may still be won. `won`: our turn is to come. `accepted`: to be proven. */
  readonly stage: 'bid' | 'won' | 'accepted'
  /** Own promise. ms since the Unix epoch. */
  readonly promisedAt: number
}

/** Most jobs held at once, whatever the lanes: bounds memory and what one crash can cost. */
export const MAX_HELD = 64

/** What names a job to whoever knows its request only. */
export const keyOf = ({ builder, nonce }: Pick<ProofRequest, 'builder' | 'nonce'>): string =>
  `${builder}/${nonce}`

/** Every job that takes bond or a lane from the next one. `now`: ms since the Unix epoch. */
export function heldJobs(view: MarketView, self: Address, params: Params, now: number): Held[] {
  const held: Held[] = []
  const lanes = new Map<string, number>()
  for (const [id, pursuit] of view.bidder?.pursuits ?? []) {
    const job = view.job(id)
    const stage = job && stageOf(job, pursuit, self, params, now)
    if (!stage) continue
    const request = job.request.message
    const promisedAt = promiseOf(job, self, pursuit.readyAt)
    held.push({ key: keyOf(request), request, stage, promisedAt })
    const bundle = bundleKey(request)
    if (bundle === null) continue
    // The builder goes by the fewest that any bid of a bundle names (rule B9).
    lanes.set(bundle, Math.min(lanes.get(bundle) ?? MAX_HELD, pursuit.lanes ?? 1))
  }
  return winnable(held, lanes)
}

/** Leaves out the bids of each bundle that cannot be won beside its others. */
function winnable(held: readonly Held[], lanes: ReadonlyMap<string, number>): Held[] {
  const left = new Map(lanes)
  for (const { request, stage } of held) {
    const bundle = bundleKey(request)
    if (bundle !== null && stage !== 'bid') left.set(bundle, (left.get(bundle) ?? 0) - 1)
  }
  // Those that may be won are the ones with the most work, for all we know.
  const bids = held.filter(({ stage }) => stage === 'bid')
  bids.sort((a, b) => Number(b.request.work - a.request.work))
  const kept = bids.filter(({ request }) => {
    const bundle = bundleKey(request)
    if (bundle === null) return true
    const count = left.get(bundle) ?? 0
    left.set(bundle, count - 1)
    return count > 0
  })
  const mayBeWon = new Set(kept)
  return held.filter((job) => job.stage !== 'bid' || mayBeWon.has(job))
}

/** What stands in the way of a request: all but the bids for its own bundle, its alternatives. */
export const besides = (held: readonly Held[], request: ProofRequest): Held[] => {
  const bundle = bundleKey(request)
  return held.filter(
    (job) => job.stage !== 'bid' || bundle === null || bundleKey(job.request) !== bundle,
  )
}

function stageOf(
  job: Job,
  pursuit: Pursuit,
  self: Address,
  params: Params,
  now: number,
): Held['stage'] | null {
  const { closesAt, dueAt } = job.request.message
  const isLive = job.outcome === null && now <= dueAt
  switch (pursuit.stage) {
    case 'bidding':
      return isLive && now <= closesAt + params.awardGraceMs + params.holdMs ? 'bid' : null
    case 'fetching': {
      // A winner whose turn went by waits like a backup.
      const isFirst = job.award !== null && lineUp(job.award.message)[0] === self
      return isLive && isFirst && job.obligations.size === 0 ? 'won' : null
    }
    case 'accepting':
      return isLive ? 'accepted' : null
    case 'proving':
      // A backend that never answers must not keep its lane for ever.
      return now <= dueAt + params.commitWindowS * 1_000 ? 'accepted' : null
    case 'proved':
    case 'over':
      return null
    default:
      return pursuit.stage satisfies never
  }
}

/** Bond that held jobs will need; what is accepted, the market counts already (rule G3). wei. */
export const reservedBondWei = (held: readonly Held[]): bigint =>
  held.reduce((sum, { stage, request }) => (stage === 'accepted' ? sum : sum + request.bondWei), 0n)

/** What capacity asks about time. */
export type LaneTimes = {
  readonly lanes: number
  /** From the close of an auction until the proof is begun. ms. */
  readonly startAllowanceMs: number
  /** How long this job's proof takes, from its beginning. ms. */
  readonly durationMs: (job: Held) => number
  /** When a job's proof was begun, ms since the Unix epoch; `null` while it waits. */
  readonly beganAt: (key: string) => number | null
}

/**
 * When each job ends and when each lane is free after all of them (ascending), if they run in the
 * order of their promises, each in the lane that is free first. One job more never frees a lane
 * earlier. ms since the Unix epoch.
 */
export function timetable(
  held: readonly Held[],
  { lanes, startAllowanceMs, durationMs, beganAt }: LaneTimes,
  now: number,
): { readonly freeAt: readonly number[]; readonly endsAt: ReadonlyMap<string, number> } {
  const free = Array.from({ length: lanes }, () => now)
  const endsAt = new Map<string, number>()
  const running = held.filter(({ key }) => beganAt(key) !== null)
  const waiting = held.filter(({ key }) => beganAt(key) === null)
  waiting.sort((a, b) => a.promisedAt - b.promisedAt)
  for (const job of [...running, ...waiting]) {
    const { key, stage, request } = job
    const readyFrom = stage === 'accepted' ? now : request.closesAt + startAllowanceMs
    const startAt = beganAt(key) ?? Math.max(free[0]!, readyFrom)
    const endAt = Math.max(free[0]!, startAt + durationMs(job))
    endsAt.set(key, endAt)
    free[0] = endAt
    free.sort((a, b) => a - b)
  }
  return { freeAt: free, endsAt }
}

/** When each lane is free for one job more, ascending. ms since the Unix epoch. */
export const lanesFreeAt = (
  held: readonly Held[],
  times: LaneTimes,
  now: number,
): readonly number[] => timetable(held, times, now).freeAt

/**
 * How many segments of a bundle fit as promised on the first of them: each in a lane that is free
 * by the time the auction's winner begins, or no later than the first lane, and with a bond of its
 * own. At least one.
 *
 * @param expected When each lane is free if all take their usual time. ms since the Unix epoch.
 * @param worst The same if all take their worst.
 * @param beginsAt When a winner begins at the earliest. ms since the Unix epoch.
 */
export function lanesFor(
  expected: readonly number[],
  worst: readonly number[],
  beginsAt: number,
  bonds: bigint,
  room: number,
): number {
  const free = (at: readonly number[]): number =>
    at.filter((each) => each <= Math.max(beginsAt, at[0]!)).length
  const most = Math.min(free(expected), free(worst), room, MAX_HELD)
  return Math.max(1, bonds < BigInt(most) ? Number(bonds) : most)
}

/**
 * Whether this job can be accepted now: it ends before it is due, and so does every other that did
 * before.
 *
 * @param times With the worst that each may take.
 * @param deliveryMs From a finished proof until it is at its builder.
 */
export function fitsBeforeDue(
  asked: Held,
  others: readonly Held[],
  times: LaneTimes,
  deliveryMs: number,
  now: number,
): boolean {
  if (others.length >= MAX_HELD) return false
  const before = timetable(others, times, now).endsAt
  const after = timetable([...others, asked], times, now).endsAt
  const isLate = ({ request }: Held, endAt: number): boolean => endAt + deliveryMs > request.dueAt
  if (isLate(asked, after.get(asked.key)!)) return false
  return others.every((job) => {
    const [endBefore, endAfter] = [before.get(job.key), after.get(job.key)]
    if (endBefore === undefined || endAfter === undefined) return true
    return isLate(job, endBefore) || !isLate(job, endAfter)
  })
}
