import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bumpFees, marketFees } from '#node/fees'

const wei = fc.bigInt({ min: 1n, max: 10n ** 12n })

describe('fees', () => {
  test('a first version has room for the base fee to double, within the cap', () => {
    expect(marketFees(10n, 2n, 1_000n)).toEqual({ maxFeeWei: 22n, tipWei: 2n })
    expect(marketFees(10n, 2n, 15n)).toEqual({ maxFeeWei: 15n, tipWei: 2n })
    expect(marketFees(10n, 50n, 15n)).toEqual({ maxFeeWei: 15n, tipWei: 15n })
  })

  test('above the cap nothing is offered', () => {
    expect(marketFees(16n, 1n, 15n)).toBeNull()
  })

  test('a replacement offers 12.5 % more of both and the market’s fee, or nothing', () => {
    fc.assert(
      fc.property(wei, wei, wei, wei, (baseFeeWei, tipWei, laterWei, capWei) => {
        const from = marketFees(baseFeeWei, tipWei, capWei)
        if (!from) return
        const market = marketFees(laterWei, tipWei, capWei)
        const to = bumpFees(from, market, capWei)
        if (!to) {
          expect(from.maxFeeWei * 9n).toBeGreaterThan((capWei - 1n) * 8n)
          return
        }
        expect(to.maxFeeWei * 8n).toBeGreaterThanOrEqual(from.maxFeeWei * 9n)
        expect(to.tipWei * 8n).toBeGreaterThanOrEqual(from.tipWei * 9n)
        expect(to.maxFeeWei).toBeGreaterThanOrEqual(market?.maxFeeWei ?? 0n)
        expect(to.maxFeeWei).toBeLessThanOrEqual(capWei)
        expect(to.tipWei).toBeLessThanOrEqual(to.maxFeeWei)
      }),
    )
  })
})
