import { describe, expect, test } from 'vitest'
import { bidsRoot, type OpenedBid } from '#protocol/auction'
import { defaultParams as params } from '#protocol/params'
import {
  alice,
  award,
  bid,
  bob,
  builder,
  CLOSES_AT,
  MILLI,
  request,
  Stage,
  T0,
  terms,
} from '#test/support/messages'

const [first, second] = [0, 1].map((bundleIndex) =>
  request({
    nonce: BigInt(bundleIndex + 1),
    ...{ bundleId: `0x${'b0'.repeat(32)}` as const, bundleIndex, bundleSize: 2 },
  }),
) as [ReturnType<typeof request>, ReturnType<typeof request>]
const bidsFor = (of: typeof first): OpenedBid[] => [
  bid(of, alice, MILLI, CLOSES_AT + 3_000),
  bid(of, bob, 2n * MILLI, CLOSES_AT + 3_000),
]
const bids = { first: bidsFor(first), second: bidsFor(second) }

/** The builder's own node, with both requests and their bids. */
function auctions(): Stage {
  const stage = new Stage({ self: builder })
  for (const of of [first, second]) stage.hear(of)
  for (const { bid: signed } of [...bids.first, ...bids.second]) stage.hear(signed)
  return stage
}
function open(stage: Stage, of: typeof first, found: readonly OpenedBid[], now = T0 + 100): void {
  const openings = found.map(({ bid: signed, opening }) => ({ bidId: signed.id, opening }))
  stage.feed({ kind: 'opened', requestId: of.id, openings }, now)
}
function opened(): Stage {
  const stage = auctions()
  open(stage, first, bids.first)
  open(stage, second, bids.second)
  return stage
}
const together = (stage: Stage) => stage.done('publishAll').flatMap(({ drafts }) => drafts)
/** A new node with what the old one stored, resumed at `now`. */
function restarted(old: Stage, now: number): Stage {
  const stage = new Stage({ self: builder })
  for (const { id } of [first, second])
    stage.market.restore(structuredClone(old.market.record(id)!), now)
  stage.feed({ kind: 'resume' }, now)
  return stage
}

describe('the auctions of a bundle', () => {
  test('are decided at once, stored at once and said together', () => {
    const stage = opened()
    stage.tick(second.id, CLOSES_AT)
    expect(stage.changed.toSorted()).toEqual([first.id, second.id].toSorted())
    expect(together(stage)).toMatchObject([
      {
        bid: { id: bids.first[0]!.bid.id },
        message: { prover: alice, bidsRoot: bidsRoot(bids.first), bidCount: 2 },
      },
      {
        bid: { id: bids.second[1]!.bid.id },
        message: { prover: bob, bidsRoot: bidsRoot(bids.second.slice(1)), bidCount: 1 },
      },
    ])
    stage.tick(first.id, CLOSES_AT + 1)
    expect([together(stage), stage.done('publish')]).toEqual([[], []])
  })

  test('wait for the openings of all of them, until half of the grace is gone', () => {
    const stage = auctions()
    open(stage, first, bids.first)
    stage.tick(first.id, CLOSES_AT)
    const pressing = CLOSES_AT + params.awardGraceMs / 2
    expect([together(stage), stage.done('wake').map(({ at }) => at)]).toEqual([[], [pressing]])
    open(stage, second, bids.second.slice(1))
    stage.tick(first.id, pressing)
    expect(together(stage)).toMatchObject([
      { message: { prover: alice } },
      { message: { prover: bob } },
    ])
  })

  test('are not decided without all of the requests, nor when one cannot be awarded', () => {
    const alone = new Stage({ self: builder })
    alone.hear(first)
    for (const { bid: signed } of bids.first) alone.hear(signed)
    open(alone, first, bids.first, CLOSES_AT)
    expect(alone.done('publish')).toEqual([])
    const stage = auctions()
    open(stage, first, bids.first)
    const dear = { ...bids.second[1]!.opening, priceWei: terms().reserveWei + 1n }
    open(stage, second, [bids.second[0]!, { ...bids.second[1]!, opening: dear }])
    stage.tick(first.id, CLOSES_AT)
    expect(together(stage)).toMatchObject([
      { message: { prover: bob } },
      { message: { prover: alice } },
    ])
    const none = auctions()
    open(none, first, bids.first)
    none.feed({
      kind: 'opened',
      requestId: second.id,
      openings: bids.second.map(({ bid: signed }) => ({ bidId: signed.id, opening: null })),
    })
    none.tick(first.id, CLOSES_AT)
    expect(together(none)).toEqual([])
    expect(none.market.auctioneer.auctions.get(first.id)?.candidates).toBeNull()
    // Opened or not at once: what comes later may still decide it.
    const later = auctions()
    open(later, first, bids.first)
    const half = CLOSES_AT + params.awardGraceMs / 2
    later.tick(first.id, half)
    expect(together(later)).toEqual([])
    open(later, second, bids.second, half + 10)
    expect(together(later)).toHaveLength(2)
  })

  test('decided before a crash are said as decided after it, while they may be', () => {
    const stage = opened()
    stage.tick(first.id, CLOSES_AT)
    const drafts = together(stage)
    const inTime = restarted(stage, CLOSES_AT + params.awardGraceMs)
    expect(together(inTime)).toEqual(drafts)
    inTime.tick(second.id, CLOSES_AT + params.awardGraceMs)
    expect(together(inTime)).toEqual([])
    const late = restarted(stage, CLOSES_AT + params.awardGraceMs + 1)
    expect([together(late), late.done('publish')]).toEqual([[], []])
  })

  test('of which one award was stored before the crash get the others too', () => {
    const stage = opened()
    stage.tick(first.id, CLOSES_AT)
    stage.hear(award(first, bids.first), CLOSES_AT + 5)
    const after = restarted(stage, CLOSES_AT + 100)
    expect(after.done('publish').map(({ draft }) => draft.message)).toMatchObject(
      [
        { requestId: second.id, prover: bob },
        { requestId: first.id, prover: alice },
      ].toSorted((a) => (a.requestId === first.id ? -1 : 1)),
    )
  })

  test('undecided at a crash stay undecided: their bids are lost', () => {
    const after = restarted(opened(), CLOSES_AT + 100)
    after.tick(first.id, CLOSES_AT + 200)
    expect([together(after), after.done('publish')]).toEqual([[], []])
  })

  test('are each their own job once awarded', () => {
    const stage = opened()
    stage.tick(first.id, CLOSES_AT)
    stage.hear(award(first, bids.first), CLOSES_AT + 5)
    stage.hear(award(second, bids.second.slice(1)), CLOSES_AT + 5)
    stage.tick(first.id, CLOSES_AT + 5 + params.turnMs)
    expect(stage.announced()).toEqual(['turn-missed', 'turn-begun'])
    expect(stage.changed).toEqual([first.id])
    expect(stage.market.record(second.id)?.auction).toMatchObject({ turn: 0 })
  })
})
