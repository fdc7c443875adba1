import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Histogram, percentilesOf } from '#simulations/histogram'

describe('a histogram', () => {
  test('has the quantiles of its values, to within a bin', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 999, noNaN: true }), { minLength: 1, maxLength: 300 }),
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        (values, share) => {
          const histogram = new Histogram(0.5, 2_000)
          for (const value of values) histogram.add(value)
          const sorted = values.toSorted((a, b) => a - b)
          const exact = sorted[Math.ceil(share * values.length) - 1]!
          expect(Math.abs(histogram.quantile(share) - exact)).toBeLessThanOrEqual(0.5 + 1e-9)
        },
      ),
    )
  })

  test('counts values above its last bin there, and knows the largest and the mean', () => {
    const histogram = new Histogram(1, 10)
    for (const value of [1, 5, 600]) histogram.add(value)
    expect([histogram.count, histogram.mean, histogram.quantile(1)]).toEqual([3, 202, 10])
  })

  test('without values has no percentiles', () => {
    const empty = new Histogram(1, 10)
    expect([empty.percentiles(), empty.quantile(0.5), empty.mean]).toEqual([[], 0, 0])
    expect(percentilesOf([])).toEqual([])
  })
})

test('percentiles of a few values lie between them', () => {
  const percentiles = percentilesOf([10, 0, 20])
  expect([percentiles.length, percentiles[0], percentiles[50], percentiles[100]]).toEqual([
    ...[101, 0, 10, 20],
  ])
  expect(percentiles[25]).toBe(5)
  expect(percentilesOf([7])).toEqual(Array(101).fill(7))
})
