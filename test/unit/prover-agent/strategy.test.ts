import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { scoreWei } from '#protocol/money'
import {
  costWei,
  type Decision,
  decide,
  type Facts,
  isUnfair,
  type Policy,
  type Timing,
  worstMs,
} from '#prover-agent/strategy'
import { CLOSES_AT, DUE_AT, ETHER, MILLI, SOFT_DUE_AT, T0, terms } from '#test/support/messages'

const policy: Policy = {
  costWeiPerMs: 10n ** 11n,
  fixedCostWei: 10n ** 13n,
  marginPercent: 20,
  headroomPercent: 150,
  startAllowanceMs: 500,
  deliveryAllowanceMs: 250,
  pricePercentile: 40,
  maxUnfairPercent: 20,
  leastBuilderJobs: 10,
}
const timing: Timing = { p50Ms: 1_000, p90Ms: 2_000, maxMs: 3_000, count: 20 }
const facts: Facts = {
  request: terms(),
  builder: { awards: 0, unawarded: 0, omissions: 0 },
  freeBondWei: ETHER,
  timing,
  expectedFreeAt: T0,
  worstFreeAt: T0,
  hasRoom: true,
  learnedScoreWei: null,
  verifier: 'allowed',
}

const reasonOf = (decision: Decision): string =>
  decision.kind === 'decline' ? decision.reason : decision.kind
const why = (changes: Partial<Facts>, changed: Partial<Policy> = {}): string =>
  reasonOf(decide({ ...facts, ...changes }, { ...policy, ...changed }))
const quote = (changes: Partial<Facts>, changed: Partial<Policy> = {}) => {
  const decision = decide({ ...facts, ...changes }, { ...policy, ...changed })
  return decision.kind === 'quote' ? decision.quote : null
}

const amount = fc.bigInt({ min: 0n, max: 20n * MILLI })
const anyTiming = fc
  .tuple(fc.integer({ min: 1, max: 20_000 }), fc.nat(20_000), fc.nat(20_000))
  .map(([p50Ms, more, most]) => ({
    p50Ms,
    p90Ms: p50Ms + more,
    maxMs: p50Ms + more + most,
    count: 64,
  }))
const anyFacts: fc.Arbitrary<Facts> = fc
  .record({
    reserveWei: amount,
    latenessWeiPerMs: fc.bigInt({ min: 0n, max: 10n ** 13n }),
    dueInMs: fc.nat(60_000),
    softInMs: fc.nat(60_000),
    timing: anyTiming,
    expectedInMs: fc.nat(30_000),
    worseByMs: fc.nat(30_000),
    learnedScoreWei: fc.option(amount),
  })
  .map(({ reserveWei, latenessWeiPerMs, dueInMs, softInMs, expectedInMs, worseByMs, ...rest }) => {
    const dueAt = CLOSES_AT + dueInMs
    const softDueAt = CLOSES_AT + Math.min(softInMs, dueInMs)
    const expectedFreeAt = CLOSES_AT + expectedInMs
    return {
      ...facts,
      ...rest,
      request: terms({ reserveWei, latenessWeiPerMs, dueAt, softDueAt }),
      expectedFreeAt,
      worstFreeAt: expectedFreeAt + worseByMs,
    }
  })
const anyPolicy: fc.Arbitrary<Policy> = fc
  .record({
    costWeiPerMs: fc.bigInt({ min: 0n, max: 10n ** 12n }),
    fixedCostWei: fc.bigInt({ min: 0n, max: MILLI }),
    marginPercent: fc.nat(300),
    headroomPercent: fc.integer({ min: 100, max: 400 }),
    startAllowanceMs: fc.nat(2_000),
    deliveryAllowanceMs: fc.nat(2_000),
  })
  .map((changes) => ({ ...policy, ...changes }))

describe('a quote', () => {
  test('promises the measured 90 % quantile from the expected start, and its delivery', () => {
    expect(quote({})?.readyAt).toBe(CLOSES_AT + 500 + 2_000 + 250)
  })

  test('is promised behind what the lanes hold already', () => {
    const expectedFreeAt = CLOSES_AT + 4_000
    expect(quote({ expectedFreeAt })?.readyAt).toBe(expectedFreeAt + 2_000 + 250)
  })

  test('asks for cost and margin while no price is known', () => {
    const cost = 10n ** 13n + 2_000n * 10n ** 11n
    expect(costWei(timing, policy)).toBe(cost)
    expect(quote({})?.priceWei).toBe((cost * 120n) / 100n)
  })

  test('rounds the margin up', () => {
    expect(quote({}, { costWeiPerMs: 0n, fixedCostWei: 1n, marginPercent: 1 })?.priceWei).toBe(2n)
    expect(quote({}, { costWeiPerMs: 0n, fixedCostWei: 1n, marginPercent: 0 })?.priceWei).toBe(1n)
  })

  test('asks for the learned score, less what its own lateness costs in it', () => {
    expect(quote({ learnedScoreWei: 4n * MILLI })?.priceWei).toBe(4n * MILLI)
    const late = { learnedScoreWei: 4n * MILLI, expectedFreeAt: SOFT_DUE_AT }
    const { priceWei, readyAt } = quote(late)!
    expect(readyAt).toBe(SOFT_DUE_AT + 2_250)
    expect(scoreWei(terms(), priceWei, readyAt)).toBe(4n * MILLI)
  })

  test('is at most the reserve, however much others were paid', () => {
    expect(quote({ learnedScoreWei: ETHER })?.priceWei).toBe(10n * MILLI)
  })

  test('never costs the prover money', () => {
    expect(quote({ learnedScoreWei: 1n })?.priceWei).toBe((costWei(timing, policy) * 120n) / 100n)
    expect(why({ request: terms({ reserveWei: costWei(timing, policy) }) })).toBe('below-cost')
    expect(
      why({ request: terms({ reserveWei: costWei(timing, policy) }) }, { marginPercent: 0 }),
    ).toBe('quote')
  })
})

describe('a request is declined', () => {
  test('for a program that was never measured or is not supported', () => {
    expect(why({ timing: null })).toBe('unsupported-program')
  })

  test('for a verifier that is not on the list, or not known yet', () => {
    expect(why({ verifier: 'refused' })).toBe('verifier-refused')
    expect(why({ verifier: 'unknown' })).toBe('verifier-unknown')
  })

  test('when its bond is not free', () => {
    expect(why({ freeBondWei: 100n * MILLI })).toBe('quote')
    expect(why({ freeBondWei: 100n * MILLI - 1n })).toBe('bond-not-free')
  })

  test('when there is no room for one more', () => {
    expect(why({ hasRoom: false })).toBe('no-room')
  })

  test('unless half as long again as the slowest proof fits before it is due', () => {
    const latest = DUE_AT - 250 - 4_500
    expect(worstMs(timing, policy)).toBe(4_500)
    expect(why({ worstFreeAt: latest })).toBe('quote')
    expect(why({ worstFreeAt: latest + 1 })).toBe('too-slow')
    expect(why({ worstFreeAt: latest + 1 }, { headroomPercent: 149 })).toBe('quote')
  })

  test('of a builder that leaves too many jobs unawarded or bids out, once enough are known', () => {
    const of = (awards: number, unawarded: number, omissions: number) =>
      why({ builder: { awards, unawarded, omissions } })
    expect(of(8, 2, 0)).toBe('quote')
    expect(of(7, 3, 0)).toBe('unfair-builder')
    expect(of(10, 0, 2)).toBe('quote')
    expect(of(10, 0, 3)).toBe('unfair-builder')
    expect(of(0, 9, 0)).toBe('quote')
    expect(isUnfair({ awards: 0, unawarded: 10, omissions: 0 }, policy)).toBe(true)
  })
})

describe('whatever the request', () => {
  test('a quote is within the reserve, before the due time and above cost', () => {
    fc.assert(
      fc.property(anyFacts, anyPolicy, (given, chosen) => {
        const decision = decide(given, chosen)
        if (decision.kind === 'decline') return
        const { priceWei, readyAt } = decision.quote
        expect(priceWei <= given.request.reserveWei).toBe(true)
        expect(priceWei >= costWei(given.timing!, chosen)).toBe(true)
        expect(decision.costWei).toBe(costWei(given.timing!, chosen))
        expect(readyAt).toBeLessThanOrEqual(given.request.dueAt)
        expect(readyAt).toBeGreaterThan(CLOSES_AT)
        const worstEnd =
          Math.max(given.worstFreeAt, CLOSES_AT) +
          (given.timing!.maxMs * chosen.headroomPercent) / 100
        expect(worstEnd).toBeLessThanOrEqual(given.request.dueAt)
      }),
      { numRuns: 1_000 },
    )
  })

  test('more load never means an earlier promise, a higher price, or a quote where there was none', () => {
    fc.assert(
      fc.property(
        anyFacts,
        anyPolicy,
        fc.nat(20_000),
        fc.nat(20_000),
        (given, chosen, more, worse) => {
          const before = decide(given, chosen)
          const after = decide(
            {
              ...given,
              expectedFreeAt: given.expectedFreeAt + more,
              worstFreeAt: given.worstFreeAt + more + worse,
            },
            chosen,
          )
          if (after.kind === 'decline') return
          expect(before.kind).toBe('quote')
          if (before.kind === 'decline') return
          expect(after.quote.readyAt).toBeGreaterThanOrEqual(before.quote.readyAt)
          expect(after.quote.priceWei <= before.quote.priceWei).toBe(true)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test('a dearer machine never asks for less', () => {
    fc.assert(
      fc.property(
        anyFacts,
        anyPolicy,
        fc.bigInt({ min: 0n, max: 10n ** 12n }),
        (given, chosen, more) => {
          const cheap = decide(given, chosen)
          const dear = decide(given, { ...chosen, costWeiPerMs: chosen.costWeiPerMs + more })
          if (dear.kind === 'decline') return
          expect(cheap.kind).toBe('quote')
          if (cheap.kind === 'quote') expect(dear.quote.priceWei >= cheap.quote.priceWei).toBe(true)
        },
      ),
      { numRuns: 500 },
    )
  })
})
