/**
 * What anybody can check of an award once its secret is public: that nobody better was passed over.
 */
import { bidTree, compareBids, type OpenedBid, rank } from './auction.ts'
import type { Emit } from './auctioneer.ts'
import { type Job, openedBids } from './job.ts'
import type { Params } from './params.ts'
import type { Standing } from './standing.ts'

/**
 * Compares the award with the bids seen here (rule A6). A better bid under the award's own root
 * costs the builder's stake; one that was seen well before the close and left out counts against
 * it.
 */
export function observeAward(job: Job, params: Params, standing: Standing, emit: Emit): void {
  const award = job.award
  if (!award) return
  const request = job.request.message
  const seen = rank(request, openedBids(job))
  const awarded: OpenedBid = { bid: award.bid, opening: award.opening }
  const better = seen.filter((bid) => compareBids(request, bid, awarded) < 0)
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
