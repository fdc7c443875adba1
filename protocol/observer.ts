/**
 * What anybody can check of an award once its secret is public: that nobody better was passed over;
 * and of a bundle, that all of it was awarded or none.
 */
import type { Accounts } from './accounts.ts'
import { bidTree, compareBids, type OpenedBid, rank } from './auction.ts'
import type { Emit } from './auctioneer.ts'
import { lanesIn } from './bundle.ts'
import { bondsHeld, type Job, openedBids } from './job.ts'
import type { Params } from './params.ts'
import type { Address } from './schema.ts'
import type { Standing } from './standing.ts'

/**
 * Compares the award with the bids seen here (rule A6). A better bid under the award's own root
 * costs the builder's stake; one that was seen well before the close and left out counts against
 * it.
 * @param couldTake Whether a prover had a lane for it: in a bundle not everybody has (rule A9).
 */
export function observeAward(
  job: Job,
  params: Params,
  standing: Standing,
  emit: Emit,
  couldTake: (prover: Address) => boolean = () => true,
): void {
  const award = job.award
  if (!award) return
  const request = job.request.message
  const seen = rank(request, openedBids(job))
  const awarded: OpenedBid = { bid: award.bid, opening: award.opening }
  const better = seen.filter(
    (opened) => compareBids(request, opened, awarded) < 0 && couldTake(opened.bid.message.prover),
  )
  const [best] = better
  if (!best) return
  const tree = bidTree(seen)
  if (tree.root === award.message.bidsRoot) {
    const path = tree.path(best.bid.id) ?? []
    emit({ kind: 'reportMisaward', request, award, better: best, path })
    return
  }
  const latest = request.closesAt - params.omissionMarginMs
  const omitted = better.filter(({ bid }) => (job.seenAt.get(bid.id) ?? latest + 1) <= latest)
  if (omitted.length === 0) return
  standing.recordBuilder(request.builder, 'omissions')
  const { builder } = request
  emit({
    kind: 'announce',
    event: { kind: 'omission', requestId: job.id, builder, bids: omitted.length },
  })
}

/**
 * Judges a bundle when no award of it can come any more (rules A9, S3). Nobody outside knows the
 * lanes of bids that were never opened, so a bundle without an award counts only where it could
 * have been awarded whatever they are. Requests that never came here may be our own loss: they
 * count as one, and may have taken any lane.
 */
export function observeBundle(
  jobs: readonly Job[],
  params: Params,
  accounts: Accounts,
  standing: Standing,
  emit: Emit,
): void {
  const { builder, bundleSize } = jobs[0]!.request.message
  const unheard = bundleSize - jobs.length
  const unawarded = jobs.filter(({ award }) => award === null).length
  const isSure = unheard === 0 && jobs.every((job) => job.bidsSeen >= bundleSize)
  if (unawarded === jobs.length && !isSure) return
  for (let left = unawarded + Math.min(1, unheard); left > 0; left--)
    standing.recordBuilder(builder, 'unawarded')
  const couldTake = haveLanes(jobs, unheard, accounts)
  for (const job of jobs) observeAward(job, params, standing, emit, couldTake)
}

/**
 * Whether a prover could have taken one of these jobs more than it won: then no order of awarding
 * them gave it less than its best ones.
 * @param unheard How many more it may have won.
 */
function haveLanes(
  jobs: readonly Job[],
  unheard: number,
  accounts: Accounts,
): (prover: Address) => boolean {
  const { bondWei } = jobs[0]!.request.message
  const lanes = lanesIn(jobs.map((job) => rank(job.request.message, openedBids(job))))
  const held = jobs.flatMap(bondsHeld)
  return (prover) => {
    const known = jobs.filter(({ award }) => award?.message.prover === prover).length
    const won = known + unheard
    let freeWei = accounts.freeBondWei(prover)
    for (const hold of held) if (hold.prover === prover) freeWei += hold.wei
    return won < (lanes.get(prover) ?? 1) && freeWei >= bondWei * BigInt(won + 1)
  }
}
