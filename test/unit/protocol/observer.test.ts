import { describe, expect, test } from 'vitest'
import type { OpenedBid } from '#protocol/auction'
import { bidLeaf, bidsRoot, rootOf } from '#protocol/auction'
import type { Effect } from '#protocol/effects'
import { newJob } from '#protocol/job'
import { observeAward } from '#protocol/observer'
import { defaultParams } from '#protocol/params'
import { Standing } from '#protocol/standing'
import { alice, award, bid, bob, builder, CLOSES_AT, carol, request } from '#test/support/messages'

const of = request()
const [best, middle, worst] = [bid(of, alice, 1n), bid(of, bob, 2n), bid(of, carol, 3n)]
const inTime = CLOSES_AT - defaultParams.omissionMarginMs

/** What an observer does that saw `seen` at these instants, about this award. */
function observe(seen: readonly (readonly [OpenedBid, number])[], awarded = award(of, [best])) {
  const job = newJob(of)
  for (const [{ bid: signed, opening }, at] of seen) {
    job.bids.set(signed.message.prover, signed)
    job.openings.set(signed.id, opening)
    job.seenAt.set(signed.id, at)
  }
  job.award = awarded
  const standing = new Standing(defaultParams)
  const effects: Effect[] = []
  observeAward(job, defaultParams, standing, (...more) => effects.push(...more))
  return { effects, record: standing.builder(builder) }
}

describe('an award (rule A6)', () => {
  test('of the best bid seen is in order, whatever else was seen', () => {
    const all = [best, middle, worst].map((opened) => [opened, inTime] as const)
    expect(observe(all).effects).toEqual([])
    expect(observe([], award(of, [worst])).effects).toEqual([])
  })

  test('that passes over a better bid under its own root is reported, with its path', () => {
    const ranked = [best, middle, worst]
    const wrong = award(of, [worst], { bidsRoot: bidsRoot(ranked), bidCount: 3 })
    const { effects } = observe(
      ranked.map((opened) => [opened, inTime] as const),
      wrong,
    )
    expect(effects).toMatchObject([{ kind: 'reportMisaward', better: best, request: of.message }])
    const [effect] = effects
    if (effect?.kind !== 'reportMisaward') return expect.fail('no report')
    const leaf = bidLeaf(best.bid.id, best.opening.priceWei, best.opening.readyAt)
    expect(rootOf(leaf, effect.path)).toBe(wrong.message.bidsRoot)
  })

  test('that leaves out a better bid seen 150 ms before the close counts against its builder', () => {
    const { effects, record } = observe(
      [
        [best, inTime],
        [middle, inTime],
        [worst, inTime],
      ],
      award(of, [worst]),
    )
    expect(effects).toMatchObject([{ kind: 'announce', event: { kind: 'omission', bids: 2 } }])
    expect(record.omissions).toBe(1)
  })

  test('that leaves out a bid seen later than that does not: it may not have reached the builder', () => {
    const { effects, record } = observe([[best, inTime + 1]], award(of, [worst]))
    expect([effects, record.omissions]).toEqual([[], 0])
  })

  test('that leaves out a worse bid does not', () => {
    expect(observe([[worst, inTime]], award(of, [best])).effects).toEqual([])
  })

  test('cannot be judged before it is known', () => {
    const effects: Effect[] = []
    observeAward(newJob(of), defaultParams, new Standing(defaultParams), (...more) =>
      effects.push(...more),
    )
    expect(effects).toEqual([])
  })
})
