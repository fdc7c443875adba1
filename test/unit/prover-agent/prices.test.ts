import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LearnedPrices } from '#prover-agent/prices'
import { quantile } from '#prover-agent/quantile'
import { hashOf } from '#simulations/pretence'
import { SOFT_DUE_AT, terms } from '#test/support/messages'

const learned = (prices: readonly bigint[], readyAt = SOFT_DUE_AT): LearnedPrices => {
  const all = new LearnedPrices()
  for (const priceWei of prices) all.learn(terms(), { priceWei, readyAt })
  return all
}

describe('learned prices', () => {
  test('say nothing before five awards are known', () => {
    expect(learned([1n, 2n, 3n, 4n]).scoreWei(terms(), 50)).toBeNull()
    expect(learned([1n, 2n, 3n, 4n, 5n]).scoreWei(terms(), 50)).toBe(3n)
  })

  test('are the score that a share of the last jobs was won at or below', () => {
    const prices = learned([50n, 10n, 30n, 40n, 20n])
    expect([0, 20, 40, 100].map((percent) => prices.scoreWei(terms(), percent))).toEqual([
      10n,
      10n,
      20n,
      50n,
    ])
  })

  test('count a late promise at its lateness cost', () => {
    const prices = learned([1n, 1n, 1n, 1n, 1n], SOFT_DUE_AT + 10)
    expect(prices.scoreWei(terms(), 50)).toBe(1n + 10n * terms().latenessWeiPerMs)
  })

  test('are kept apart by program and by work', () => {
    const prices = learned([1n, 1n, 1n, 1n, 1n])
    expect(prices.scoreWei({ ...terms(), work: 2n }, 50)).toBeNull()
    expect(prices.scoreWei({ ...terms(), programId: hashOf('other') }, 50)).toBeNull()
  })

  test('follow the market: only the last 64 awards count', () => {
    const old = Array.from({ length: 64 }, () => 1_000n)
    expect(learned([...old, ...old.map(() => 10n)]).scoreWei(terms(), 100)).toBe(10n)
    expect(learned([1_000n, ...old.slice(1).map(() => 10n)]).scoreWei(terms(), 100)).toBe(1_000n)
  })

  test('are bounded, whatever programs are invented', () => {
    const prices = learned([1n, 1n, 1n, 1n, 1n])
    for (let i = 0; i < 1_000; i++) {
      prices.learn(terms({ programId: hashOf(i) }), { priceWei: 1n, readyAt: SOFT_DUE_AT })
    }
    expect(prices.size).toBe(256)
    expect(prices.scoreWei(terms(), 50)).toBeNull()
  })
})

describe('a quantile', () => {
  test('is one of the values, and at least that share is not above it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(100), { minLength: 1, maxLength: 70 }),
        fc.nat(100),
        (values, percent) => {
          const sorted = values.toSorted((a, b) => a - b)
          const value = quantile(sorted, percent)
          expect(values).toContain(value)
          const within = values.filter((other) => other <= value).length
          expect(within * 100).toBeGreaterThanOrEqual(percent * values.length)
          const below = values.filter((other) => other < value).length
          if (below > 0) expect(below * 100).toBeLessThan(percent * values.length)
        },
      ),
    )
  })
})
