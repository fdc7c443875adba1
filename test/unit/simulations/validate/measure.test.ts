import { describe, expect, test } from 'vitest'
import { compare, overheadOf, tableOf } from '#simulations/validate/compare'
import { quantile, summarise, type Trace } from '#simulations/validate/measure'
import { makePlan, meanOneWayMs } from '#simulations/validate/plan'

const trace = (changes: Partial<Trace> = {}): Trace => ({
  kind: 'ProofRequest',
  round: 0,
  publisher: 0,
  publishedAt: 100,
  firstAt: [null, 110, 130],
  firstFrom: [null, 0, 1],
  copies: [0, 2, 3],
  ...changes,
})

describe('figures of a run', () => {
  test('quantiles are values that were seen', () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2)
    expect(quantile([1, 2, 3, 4], 0.95)).toBe(4)
    expect(quantile([], 0.5)).toBeNaN()
  })

  test('count from publishing to each first copy, and all copies beyond it', () => {
    const figures = summarise([trace(), trace({ firstAt: [null, 120, null], copies: [1, 1, 0] })])
    expect(figures).toEqual({
      messages: 2,
      deliveries: 3,
      missed: 1,
      latenciesMs: [10, 20, 30],
      p50Ms: 20,
      p95Ms: 30,
      duplicatesPerDelivery: 4 / 3,
    })
  })

  test('a model within its bounds holds, one outside is missed', () => {
    const real = summarise([trace()])
    const off = { ...real, p50Ms: real.p50Ms * 1.09, duplicatesPerDelivery: 0.5 }
    const rows = compare(real, off)
    expect(rows.map(({ holds }) => holds)).toEqual([true, true, false])
    expect(rows[0]!.offPercent).toBeCloseTo(9)
    expect(tableOf(rows)).toMatch(/propagation p50 .* \+9\.0 % .*holds\n.*\n.*MISSED\n/)
    expect(compare(real, { ...real, p50Ms: Number.NaN })[0]!.holds).toBe(false)
  })

  test('what a hop takes beyond its way is the machine’s', () => {
    const plan = makePlan({ seed: 1, nodes: 3, rounds: 1, stretch: 1 })
    const [first, second] = [meanOneWayMs(plan, 0, 1), meanOneWayMs(plan, 1, 2)]
    const firstAt = [null, 100 + first + 1, 100 + first + 1 + second + 3]
    const held = trace({ kind: 'Bid', publisher: plan.rounds[0]!.bidders[0]! })
    const { hopMs, overheadMs } = overheadOf(plan, [trace({ firstAt }), held])
    expect(overheadMs).toBeCloseTo(2)
    expect(hopMs).toBeCloseTo((first + second) / 2 + 2)
  })
})
