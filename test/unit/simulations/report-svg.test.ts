import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { escapeText, linearScale, logScale, tickTexts } from '#simulations/report-svg'

const ends = { start: 40, end: 390 }
const anySize = fc.double({ min: 1e-6, max: 1e9, noNaN: true })

describe('escaped text', () => {
  test('has nothing that opens a tag, ends an attribute or moves a cursor', () => {
    expect(escapeText(`<b a="1" c='2'>&\u001b`)).toBe(
      '&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;?',
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeText(text)).not.toMatch(/[<>"'\p{C}]|&(?!(?:amp|lt|gt|quot|#39);)/u)
      }),
    )
  })
})

describe('a linear scale', () => {
  test.each([
    [0, 678, '0 200 400 600 800'],
    [402, 643, '400 450 500 550 600 650'],
    [0, 0.93, '0.0 0.2 0.4 0.6 0.8 1.0'],
    [-3.7, 2.3, '−4 −2 0 2 4'],
    [0, 4_100_000, '0 1e6 2e6 3e6 4e6 5e6'],
    [5, 5, '4.4 4.6 4.8 5.0 5.2 5.4 5.6'],
  ])('from %d to %d has round ticks', (from, to, texts) => {
    expect(tickTexts(linearScale(from, to, ends)).join(' ')).toBe(texts)
  })

  test('holds what it is for, inside its ends, with few ticks', () => {
    fc.assert(
      fc.property(fc.double({ min: -1e9, max: 1e9, noNaN: true }), anySize, (from, size) => {
        const scale = linearScale(from, from + size, ends)
        const slack = Math.abs(from) * 1e-9 + size * 1e-6
        expect(scale.from).toBeLessThanOrEqual(from + slack)
        expect(scale.to).toBeGreaterThanOrEqual(from + size - slack)
        expect(scale.ticks.length).toBeGreaterThanOrEqual(2)
        expect(scale.ticks.length).toBeLessThanOrEqual(12)
        for (const value of [from, from + size, scale.from - 1, scale.to + 1]) {
          expect(scale.at(value)).toBeGreaterThanOrEqual(ends.start)
          expect(scale.at(value)).toBeLessThanOrEqual(ends.end)
        }
      }),
    )
  })
})

describe('a logarithmic scale', () => {
  test.each([
    [0.2, 140, '0.1 1 10 100', 0.2, 200],
    [30, 900, '20 50 100 200 500 1,000', 20, 1_000],
    [7, 7, '5 10', 5, 10],
  ])('from %d to %d has ticks of 1, 2 and 5, or of whole decades', (from, to, texts, low, high) => {
    const scale = logScale(from, to, ends)
    expect([scale.from, scale.to]).toEqual([low, high])
    const shown = tickTexts(scale).join(' ')
    expect(texts).toContain(shown)
    expect(shown.length).toBeGreaterThan(3)
  })

  test('puts a tenfold always as far apart, and what is not above zero at its left end', () => {
    const scale = logScale(1, 1_000, ends)
    expect(scale.at(10) - scale.at(1)).toBeCloseTo(scale.at(1_000) - scale.at(100), 6)
    expect([scale.at(0), scale.at(-4)]).toEqual([ends.start, ends.start])
  })

  test('holds what it is for', () => {
    fc.assert(
      fc.property(anySize, fc.double({ min: 1, max: 1e6, noNaN: true }), (from, factor) => {
        const scale = logScale(from, from * factor, ends)
        expect(scale.from).toBeLessThanOrEqual(from * 1.000_001)
        expect(scale.to).toBeGreaterThanOrEqual(from * factor * 0.999_999)
        expect(scale.to).toBeGreaterThan(scale.from)
      }),
    )
  })
})
