import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  averageRegions,
  compareGains,
  compareMeasures,
  difference,
  estimate,
  estimateCurve,
  estimateGains,
  estimateMeasures,
  quantilesOf,
  studentT,
} from '#simulations/report-statistics'
import type { RunResult } from '#simulations/result'
import { emptyRun, madeUpRun, madeUpRuns } from '#test/support/sim-results'

const withMeasures = (...measures: RunResult['measures']): RunResult => ({
  ...madeUpRun(),
  measures,
})
const withMedian = (median: number): RunResult => ({
  ...madeUpRun(),
  curves: [
    { name: 'propagation', unit: 'ms', quantiles: Array.from({ length: 101 }, () => median) },
  ],
})
/** Some figures of everyday sizes. */
const figures = (minLength: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: -10_000, max: 10_000 }), { minLength, maxLength: 12 })

describe("Student's t", () => {
  test.each([
    [1, 12.7062],
    [4, 2.7764],
    [30, 2.0423],
    [60, 2.0003],
    [1e9, 1.96],
  ])('at %d degrees is %d', (degrees, t) => {
    expect(studentT(degrees)).toBeCloseTo(t, 2)
  })

  test('falls with every degree, and between them', () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 500, noNaN: true }), (degrees) => {
        expect(studentT(degrees + 0.1)).toBeLessThan(studentT(degrees))
        expect(studentT(degrees)).toBeGreaterThan(1.96)
      }),
    )
  })
})

describe('a mean', () => {
  test('has the interval that one computes by hand', () => {
    // Standard deviation 1, so 4.3027 / √3.
    const { mean, halfWidth, count } = estimate([1, 2, 3])!
    expect([mean, count]).toEqual([2, 3])
    expect(halfWidth).toBeCloseTo(2.4842, 4)
  })

  test('of one seed has no interval, and of none is none', () => {
    expect(estimate([7])).toEqual({ mean: 7, halfWidth: null, count: 1 })
    expect(estimate([])).toBeNull()
    expect(estimate([Number.NaN])).toBeNull()
    expect(estimate([Number.NaN, 7])).toEqual({ mean: 7, halfWidth: null, count: 1 })
  })

  test('of equal values is that value, with an interval of no width', () => {
    // 0.1 + 0.1 + 0.1 is not 0.3 in floating point.
    expect(estimate([0.1, 0.1, 0.1])).toEqual({ mean: 0.1, halfWidth: 0, count: 3 })
  })

  test('moves and stretches with its values', () => {
    fc.assert(
      fc.property(figures(2), fc.integer({ min: -50, max: 50 }), (values, by) => {
        const [before, after] = [estimate(values)!, estimate(values.map((v) => v * 2 + by))!]
        expect(after.mean).toBeCloseTo(before.mean * 2 + by, 6)
        expect(after.halfWidth).toBeCloseTo(before.halfWidth! * 2, 6)
      }),
    )
  })

  test('lies in its interval in about 95 of 100 sets of seeds', () => {
    let state = 1
    const draw = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return state / 2 ** 32
    }
    // Sums of twelve are close to normal, with mean 6.
    const normal = (): number => Array.from({ length: 12 }, draw).reduce((a, b) => a + b)
    const SETS = 4_000
    const hits = Array.from({ length: SETS }, () => estimate(Array.from({ length: 5 }, normal))!)
    const share = hits.filter(({ mean, halfWidth }) => Math.abs(mean - 6) <= halfWidth!).length
    expect(share / SETS).toBeGreaterThan(0.94)
    expect(share / SETS).toBeLessThan(0.96)
  })
})

describe('a difference', () => {
  test("has Welch's interval, as one computes it by hand", () => {
    // Squares of the errors 1/3 and 5/3, so 4.0755 degrees, t = 2.7573, times √2.
    const found = difference([1, 2, 3], [4, 6, 8, 10])!
    expect(found.difference).toBe(5)
    expect(found.halfWidth).toBeCloseTo(3.8995, 3)
    expect(found.isClear).toBe(true)
  })

  test('is not clear when its interval holds zero', () => {
    expect(difference([1, 2, 3], [2, 3, 4])!.isClear).toBe(false)
  })

  test('of one seed on a side has no interval and is never clear', () => {
    expect(difference([1], [4, 5])).toEqual({ difference: 3.5, halfWidth: null, isClear: false })
    expect(difference([4, 5], [1])).toEqual({ difference: -3.5, halfWidth: null, isClear: false })
  })

  test('of a side without the figure is none', () => {
    expect(difference([], [1, 2])).toBeNull()
    expect(difference([1, 2], [Number.NaN])).toBeNull()
  })

  test('of what never varies is clear unless it is zero', () => {
    expect(difference([2, 2], [3, 3])).toEqual({ difference: 1, halfWidth: 0, isClear: true })
    expect(difference([2, 2], [2, 2])).toEqual({ difference: 0, halfWidth: 0, isClear: false })
    // One side varies: its own degrees decide.
    expect(difference([2, 2], [1, 2, 3])!.halfWidth).toBeCloseTo(2.4842, 4)
  })

  test('turns round with its sides, and is nothing against itself', () => {
    fc.assert(
      fc.property(figures(2), figures(2), (a, b) => {
        const [there, back] = [difference(a, b)!, difference(b, a)!]
        expect(back.difference).toBeCloseTo(-there.difference, 6)
        expect(back.halfWidth).toBeCloseTo(there.halfWidth!, 6)
        expect(back.isClear).toBe(there.isClear)
        expect(difference(a, a)).toMatchObject({ difference: 0, isClear: false })
      }),
    )
  })

  test('is never narrower than that of the wider side alone', () => {
    fc.assert(
      fc.property(figures(2), figures(2), (a, b) => {
        const normal = 1.96
        const errors = [a, b].map((values) => {
          const { halfWidth, count } = estimate(values)!
          return (halfWidth! / studentT(count - 1)) * normal
        })
        expect(difference(a, b)!.halfWidth).toBeGreaterThanOrEqual(Math.max(...errors) * (1 - 1e-9))
      }),
    )
  })
})

describe('measures', () => {
  test('are averaged by name and unit, in the order first seen', () => {
    const runs = [
      withMeasures({ name: 'a', unit: 'ms', value: 1 }, { name: 'b', unit: '1', value: 5 }),
      withMeasures({ name: 'a', unit: 'ms', value: 3 }, { name: 'a', unit: 's', value: 9 }),
    ]
    expect(estimateMeasures(runs).map(({ name, unit, mean, count }) => [name, unit, mean, count]))
      // Two of `a` in ms; the others once.
      .toEqual([
        ['a', 'ms', 2, 2],
        ['b', '1', 5, 1],
        ['a', 's', 9, 1],
      ])
  })

  test('that one side lacks are there, without a difference', () => {
    const found = compareMeasures(
      [withMeasures({ name: 'old', unit: '1', value: 1 }, { name: 'both', unit: '1', value: 2 })],
      [withMeasures({ name: 'both', unit: '1', value: 5 }, { name: 'new', unit: '1', value: 3 })],
    )
    expect(found.map(({ name, a, b, difference: d }) => [name, a?.mean, b?.mean, d?.difference]))
      // What B has comes first.
      .toEqual([
        ['both', 2, 5, 3],
        ['new', undefined, 3, undefined],
        ['old', 1, undefined, undefined],
      ])
  })

  test('that are no number are missing', () => {
    expect(estimateMeasures([withMeasures({ name: 'a', unit: '1', value: Number.NaN })])).toEqual(
      [],
    )
  })
})

describe('gains', () => {
  test('are averaged by party, and an honest one is not an adversary of the same name', () => {
    const run = madeUpRun()
    const gains = [
      { who: 'x', isAdversary: true, gainEther: -1 },
      { who: 'x', isAdversary: false, gainEther: 1 },
    ]
    expect(
      estimateGains([
        { ...run, gains },
        { ...run, gains },
      ]),
    ).toEqual([
      { who: 'x', isAdversary: true, mean: -1, halfWidth: 0, count: 2 },
      { who: 'x', isAdversary: false, mean: 1, halfWidth: 0, count: 2 },
    ])
    expect(compareGains([{ ...run, gains }], [{ ...run, gains: [] }])[0]).toMatchObject({
      b: null,
      difference: null,
    })
  })
})

describe('curves', () => {
  test('are averaged percentile by percentile', () => {
    const curve = estimateCurve([withMedian(1), withMedian(2), withMedian(3)], 'propagation')!
    expect(curve.points).toHaveLength(101)
    expect(curve.points[50]!.mean).toBe(2)
    expect(curve.points[50]!.halfWidth).toBeCloseTo(2.4842, 4)
  })

  test('that saw nothing do not count', () => {
    const runs = [emptyRun(), withMedian(4)]
    expect(estimateCurve(runs, 'propagation')).toMatchObject({ count: 1 })
    expect(quantilesOf(runs, 'propagation', 50)).toEqual([4])
    expect(estimateCurve([emptyRun()], 'propagation')).toBeNull()
    expect(estimateCurve([], 'propagation')).toBeNull()
    expect(estimateCurve([withMedian(4)], 'utilisation')).toBeNull()
  })

  test('of real looking runs rise, their mean as well', () => {
    const { points } = estimateCurve(madeUpRuns(4), 'bytes sent')!
    expect(points.map(({ mean }) => mean)).toEqual(
      points.map(({ mean }) => mean).toSorted((a, b) => a - b),
    )
  })
})

test('regions are averaged over the seeds that have them', () => {
  const run = madeUpRun()
  const row = { ...run.regions[0]!, region: 'r', wins: 1, bidsCountedPercent: null }
  const other = { ...row, wins: 4, bidsCountedPercent: 90, propagationP50Ms: Number.NaN }
  const [found, ...more] = averageRegions([
    { ...run, regions: [row] },
    { ...run, regions: [other] },
    { ...run, regions: [] },
  ])
  expect(more).toEqual([])
  expect(found).toMatchObject({ region: 'r', wins: 2.5, bidsCountedPercent: 90 })
  expect(found!.propagationP50Ms).toBe(row.propagationP50Ms)
})
