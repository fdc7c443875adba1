import { describe, expect, test } from 'vitest'
import { Accounts } from '#protocol/accounts'
import type { OpenedBid } from '#protocol/auction'
import { bidLeaf, bidsRoot, rootOf } from '#protocol/auction'
import type { Effect } from '#protocol/effects'
import { type Job, newJob } from '#protocol/job'
import { observeAward, observeBundle } from '#protocol/observer'
import { defaultParams } from '#protocol/params'
import { Standing } from '#protocol/standing'
import {
  alice,
  award,
  bid,
  bob,
  builder,
  CLOSES_AT,
  carol,
  request,
  terms,
} from '#test/support/messages'

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

describe('a bundle (rules A9, S3)', () => {
  const segments = [0, 1].map((bundleIndex) =>
    request({
      nonce: BigInt(bundleIndex + 1),
      ...{ bundleId: `0x${'b0'.repeat(32)}` as const, bundleIndex, bundleSize: 2 },
    }),
  )
  const seenIn = (index: number, lanes = 1): OpenedBid[] =>
    [alice, bob, carol].map((prover, rank) => {
      const opened = bid(segments[index]!, prover, BigInt(rank + 1))
      return { ...opened, opening: { ...opened.opening, lanes } }
    })
  /** One job with these bids, awarded to the one at this place; `null`: not at all. */
  function jobWith(index: number, bids: readonly OpenedBid[], winner: number | null): Job {
    const job = newJob(segments[index]!)
    for (const { bid: signed, opening } of bids) {
      job.bids.set(signed.message.prover, signed)
      job.openings.set(signed.id, opening)
      job.seenAt.set(signed.id, inTime)
      job.bidsSeen += 1
    }
    if (winner !== null) job.award = award(segments[index]!, [bids[winner]!])
    return job
  }
  function judge(jobs: readonly Job[], bondWei = 10n * terms().bondWei) {
    const accounts = new Accounts()
    for (const account of [alice, bob, carol])
      accounts.observe({ kind: 'account', account, bondWei, stakeWei: 0n, escrowWei: 0n })
    const standing = new Standing(defaultParams)
    const effects: Effect[] = []
    observeBundle(jobs, defaultParams, accounts, standing, (...more) => effects.push(...more))
    const { unawarded, omissions } = standing.builder(builder)
    return { unawarded, omissions, effects: effects.map(({ kind }) => kind) }
  }
  const fine = { unawarded: 0, omissions: 0, effects: [] }

  test('may pass over who has no lane left, or no bond', () => {
    const fair = [jobWith(0, seenIn(0), 0), jobWith(1, seenIn(1), 1)]
    expect(judge(fair)).toEqual(fine)
    // The other way round is as good, for all that is known: a later one may have needed her.
    expect(judge([jobWith(0, seenIn(0), 1), jobWith(1, seenIn(1), 0)])).toEqual(fine)
    const roomy = [jobWith(0, seenIn(0, 2), 0), jobWith(1, seenIn(1, 2), 1)]
    expect(judge(roomy, terms().bondWei)).toEqual(fine)
    expect(judge(roomy)).toMatchObject({ omissions: 1, effects: ['announce'] })
  })

  test('may not pass over who won less than it had lanes for', () => {
    const passed = [jobWith(0, seenIn(0), 1), jobWith(1, seenIn(1), 2)]
    expect(judge(passed)).toMatchObject({ omissions: 2 })
  })

  test('awarded in part counts each request that was left', () => {
    expect(judge([jobWith(0, [], null), jobWith(1, seenIn(1), 0)])).toMatchObject({ unawarded: 1 })
  })

  test('of which requests were not heard counts them as one, and as taken by whom it may be', () => {
    const alone = (lanes: number) => judge([jobWith(1, seenIn(1, lanes), 1)])
    expect(alone(1)).toEqual({ ...fine, unawarded: 1 })
    expect(alone(2)).toMatchObject({ unawarded: 1, omissions: 1 })
  })

  test('never awarded counts only where it could have been, whatever the lanes', () => {
    const [none, one, all] = [[], seenIn(0).slice(0, 1), seenIn(0)] as const
    expect(judge([jobWith(0, none, null), jobWith(1, seenIn(1), null)])).toEqual(fine)
    expect(judge([jobWith(0, one, null), jobWith(1, seenIn(1), null)])).toEqual(fine)
    expect(judge([jobWith(0, all, null)])).toEqual(fine)
    expect(judge([jobWith(0, all, null), jobWith(1, seenIn(1), null)])).toMatchObject({
      unawarded: 2,
    })
  })
})
