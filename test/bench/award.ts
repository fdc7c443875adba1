/**
 * What a builder does between the close of a thousand-bid auction and its award, and what that is
 * made of.
 */
import { performance } from 'node:perf_hooks'
import { bidTree, type OpenedBid, rank } from '#protocol/auction'
import { openBid, parseSecret } from '#protocol/sealing'
import {
  auctionSecret,
  builder,
  CLOSES_AT,
  makeBids,
  OPENED_AT,
  openMarket,
  request,
} from './auction-sample.ts'
import { type Metrics, median } from './measure.ts'

const BIDS = 1_000
const ROUNDS = 7

export async function award(): Promise<Metrics> {
  const bids = await makeBids(BIDS)
  const rounds = Array.from({ length: ROUNDS }, () => {
    const market = openMarket(bids, builder)
    for (const from of bids) market.handle({ kind: 'message', from }, OPENED_AT + 100)
    const marks = [performance.now()]
    const mark = () => marks.push(performance.now())

    const secret = parseSecret(auctionSecret)
    const openings = bids.map((bid) => ({ bidId: bid.id, opening: openBid(secret, bid.message) }))
    mark()
    const requestId = request.id
    market.handle({ kind: 'opened', requestId, openings }, CLOSES_AT)
    const { effects } = market.handle({ kind: 'tick', requestId }, CLOSES_AT)
    mark()
    // The machine's own part again, piece by piece.
    const opened: OpenedBid[] = bids.map((bid, i) => ({ bid, opening: openings[i]!.opening! }))
    mark()
    const ranked = rank(request.message, opened)
    mark()
    const tree = bidTree(ranked)
    mark()
    for (const { bid } of ranked.slice(0, 4)) tree.path(bid.id)
    mark()
    if (market.record(requestId)?.auction?.candidates?.length !== 4) {
      throw new Error(`no award was made: ${effects.map(({ kind }) => kind).join(', ')}`)
    }
    const between = (index: number) => marks[index + 1]! - marks[index]!
    return {
      openMs: between(0),
      decideMs: between(1),
      rankMs: between(3),
      rootMs: between(4),
      pathsMs: between(5),
    }
  })
  const of = (name: keyof (typeof rounds)[0]) => median(rounds.map((round) => round[name]))
  return {
    bids: BIDS,
    awardMs: median(rounds.map(({ openMs, decideMs }) => openMs + decideMs)),
    openMs: of('openMs'),
    openEachUs: (of('openMs') * 1_000) / BIDS,
    decideMs: of('decideMs'),
    rankMs: of('rankMs'),
    rootMs: of('rootMs'),
    pathsMs: of('pathsMs'),
  }
}
