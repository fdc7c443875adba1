import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { claimCostWei, coverWei, payWei, promisedAt, scoreWei } from '#protocol/money'
import { defaultParams } from '#protocol/params'
import { moneyVectors, vectorText } from '#test/vectors/write'

const wei = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n })
const instant = fc.nat({ max: 2 ** 48 - 1 })
const terms = fc
  .record({
    latenessWeiPerMs: fc.bigInt({ min: 0n, max: 2n ** 96n - 1n }),
    softDueAt: instant,
    dueAt: instant,
  })
  .filter(({ softDueAt, dueAt }) => softDueAt <= dueAt)
const plain = { latenessWeiPerMs: 10n, softDueAt: 1_000, dueAt: 2_000 }

describe('the score (rule A1)', () => {
  test('is the price, and the lateness cost of the promise', () => {
    expect(scoreWei(plain, 500n, 1_000)).toBe(500n)
    expect(scoreWei(plain, 500n, 1_001)).toBe(510n)
    expect(scoreWei(plain, 500n, 0)).toBe(500n)
  })

  test('is never below the price, and grows with price and promise', () => {
    fc.assert(
      fc.property(terms, wei, wei, instant, instant, (of, priceA, priceB, readyA, readyB) => {
        const [cheap, dear] = priceA < priceB ? [priceA, priceB] : [priceB, priceA]
        const [soon, late] = readyA < readyB ? [readyA, readyB] : [readyB, readyA]
        expect(scoreWei(of, cheap, soon)).toBeGreaterThanOrEqual(cheap)
        expect(scoreWei(of, cheap, soon)).toBeLessThanOrEqual(scoreWei(of, dear, late))
      }),
    )
  })
})

describe('the pay (rule P1)', () => {
  test('is the price up to the promise, then falls by κ times the lateness cost', () => {
    expect(payWei(plain, 5_000n, 1_200, 1_200, defaultParams)).toBe(5_000n)
    expect(payWei(plain, 5_000n, 1_200, 1_201, defaultParams)).toBe(4_900n)
    // A promise before softDueAt costs nothing to miss until then.
    expect(payWei(plain, 5_000n, 300, 1_000, defaultParams)).toBe(5_000n)
  })

  test('is zero after the due time, whatever was promised', () => {
    expect(payWei(plain, 5_000n, 9_000, 2_000, defaultParams)).toBe(5_000n)
    expect(payWei(plain, 5_000n, 9_000, 2_001, defaultParams)).toBe(0n)
  })

  test('is never negative, never above the price, and never grows with lateness', () => {
    fc.assert(
      fc.property(terms, wei, instant, instant, instant, (of, price, promised, atA, atB) => {
        const [soon, late] = atA < atB ? [atA, atB] : [atB, atA]
        const [first, second] = [soon, late].map((at) =>
          payWei(of, price, promised, at, defaultParams),
        )
        expect(first).toBeLessThanOrEqual(price)
        expect(second).toBeGreaterThanOrEqual(0n)
        expect(second).toBeLessThanOrEqual(first!)
      }),
    )
  })

  test('grows with the promise: a later promise is never paid less for the same delivery', () => {
    fc.assert(
      fc.property(terms, wei, instant, instant, instant, (of, price, a, b, at) => {
        const [soon, late] = a < b ? [a, b] : [b, a]
        const of_ = (promised: number) => payWei(of, price, promised, at, defaultParams)
        expect(of_(late)).toBeGreaterThanOrEqual(of_(soon))
      }),
    )
  })
})

describe('a promise (rule P2)', () => {
  test('of the winner is its bid’s', () => {
    expect(promisedAt({ closesAt: 400 }, 5_000, 900, false)).toBe(5_000)
  })

  test('of a backup moves by how much later than the close it was started', () => {
    expect(promisedAt({ closesAt: 400 }, 5_000, 900, true)).toBe(5_500)
    expect(promisedAt({ closesAt: 400 }, 5_000, 350, true)).toBe(5_000)
  })
})

describe('what is reserved', () => {
  test('for a claim is its fixed gas at the capped base fee (rule P3)', () => {
    const { claimGas } = defaultParams
    expect(claimCostWei({ claimBaseFeeCapWei: 7n }, defaultParams)).toBe(7n * claimGas)
  })

  test('is covered by escrow, and by no more than half of the stake (rule G4)', () => {
    expect(coverWei({ escrowWei: 10n, stakeWei: 100n })).toBe(10n)
    expect(coverWei({ escrowWei: 100n, stakeWei: 11n })).toBe(5n)
    fc.assert(
      fc.property(wei, wei, (escrowWei, stakeWei) => {
        const cover = coverWei({ escrowWei, stakeWei })
        expect(cover).toBeLessThanOrEqual(escrowWei)
        // What escrow cannot pay comes out of the stake twice: paid, and burnt.
        expect(2n * cover).toBeLessThanOrEqual(stakeWei)
      }),
    )
  })
})

test('the committed vectors, which forge reads too, are these rules’', () => {
  expect(vectorText(moneyVectors())).toBe(readFileSync('test/vectors/money.json', 'utf8'))
})
