import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { page } from '#simulations/report-page'
import type { Curve, RunResult } from '#simulations/result'
import { emptyRun, failedRun, hostileRun, madeUpRun, madeUpRuns } from '#test/support/sim-results'

/** Where a page of 20 seeds must stay below. Bytes. */
const MAX_BYTES = 500_000

const plots = (html: string): string[] =>
  [...html.matchAll(/<figure data-plot="([^"]+)">/g)].map(([, name]) => name!)
const figureOf = (html: string, name: string): string =>
  new RegExp(`<figure data-plot="${name}">.*?</figure>`, 's').exec(html)![0]

const all = [
  ...['propagation', 'request-to-award', 'price-over-cost', 'utilisation', 'duplicates', 'bytes'],
  ...['regions', 'gains'],
]
const withCurve = (curve: Curve): RunResult => ({ ...madeUpRun(), curves: [curve] })

describe('the page', () => {
  test('has every plot, and the comparison first where there is one', () => {
    expect(plots(page([madeUpRun()]))).toEqual(all)
    expect(plots(page([madeUpRun()], [madeUpRun()]))).toEqual(['comparison', ...all])
  })

  test('gives each plot a title and a description, with names of their own', () => {
    const html = page(madeUpRuns(3), madeUpRuns(3, {}, 7))
    const drawings = [...html.matchAll(/<svg role="img"[^>]*aria-labelledby="(\S+) (\S+)"/g)]
    expect(drawings).toHaveLength(all.length + 1)
    for (const [, title, text] of drawings) {
      expect(html.split(`id="${title}"`)).toHaveLength(2)
      expect(html).toMatch(new RegExp(`<desc id="${text}">[^<]{20,}</desc>`))
    }
  })

  test('asks for nothing from anywhere, and lets only its own program run', () => {
    const html = page(madeUpRuns(2), madeUpRuns(2))
    const addresses = [...html.matchAll(/\b(?:https?:)?\/\/[a-z0-9.]+/g)].map(([found]) => found)
    // The name of a kind of XML, which nobody fetches.
    expect(new Set(addresses)).toEqual(new Set(['http://www.w3.org']))
    expect(html).not.toMatch(/@import|url\(|\ssrc=|<link(?! rel="icon" href="data:,")/)
    const [, program] = /<script>(.*)<\/script>/s.exec(html)!
    expect(html).toContain(`'sha256-${createHash('sha256').update(program!).digest('base64')}'`)
  })

  test('shows what failed and how to run it again', () => {
    const html = page([madeUpRun(), failedRun(3)])
    expect(html).toContain('<title>rush-hour: failed: 1 of 2 runs – Proofwire simulation</title>')
    expect(html).toMatch(/<strong>I3<\/strong> at 48,211\.25 ms, event 1,933,410, seed 3/)
    expect(html).toContain('<pre>npm run sim -- rush-hour --seed 3</pre>')
    expect(html).toContain('(1 of 2 seeds)')
    for (const { digest } of [madeUpRun(), failedRun(3)]) expect(html).toContain(digest)
  })

  test('lists no more violations of a run than anybody reads', () => {
    const run = failedRun()
    const violations = Array.from({ length: 5_000 }, () => run.violations[0]!)
    const html = page([{ ...run, violations }])
    expect(html).toContain('and 4,980 more of this run')
    expect(html.length).toBeLessThan(MAX_BYTES)
  })

  test('marks settings that are not the default', () => {
    const html = page([madeUpRun({ settings: { jobs: 9 } })], undefined, madeUpRun().settings)
    expect(html).toContain('<tr class="changed"><th scope="row">jobs</th><td>9</td></tr>')
    expect(html.split('class="changed"')).toHaveLength(2)
  })

  test('stays small with 20 seeds on both sides', () => {
    const html = page(madeUpRuns(20), madeUpRuns(20, {}, 40))
    expect(Buffer.byteLength(html)).toBeLessThan(MAX_BYTES)
  })

  test('shows text of others and does not obey it', () => {
    const html = page([hostileRun()], [hostileRun(2)])
    expect(html.match(/<script/g)).toHaveLength(1)
    expect(html).not.toMatch(/<img|onerror='/)
    expect(html).not.toContain('\u001b')
    expect(html).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;')
  })
})

describe('a plot', () => {
  test('without data says so in place of a frame', () => {
    const html = page([emptyRun()])
    expect(plots(html)).toEqual(all)
    expect(figureOf(html, 'price-over-cost')).toContain('nothing was paid in this run')
    expect(html).not.toContain('<svg role="img"')
    expect(page([{ ...emptyRun(), curves: [] }])).toContain('nothing was sent in this run')
  })

  test('with data on one side only draws that, and says which has none', () => {
    const html = page([emptyRun()], [madeUpRun()])
    expect(figureOf(html, 'utilisation')).toMatch(/B: no prover took part in this run.*<svg/)
    expect(figureOf(html, 'comparison')).toContain('only in A')
  })

  test('says on its axis when it is logarithmic', () => {
    const html = page([madeUpRun()])
    expect(figureOf(html, 'bytes')).toContain('(KiB, log scale)')
    expect(figureOf(html, 'propagation')).toContain('first copy (ms)')
  })

  test('has a band only of several seeds', () => {
    expect(figureOf(page([madeUpRun()]), 'propagation')).not.toContain('class="band')
    expect(figureOf(page(madeUpRuns(2)), 'propagation')).toContain('class="band b"')
  })

  test.each([
    ['all zero', 0, 0],
    ['all the same', 7, 7],
    ['very small', 1e-9, 3e-9],
    ['very large', 1e12, 9e15],
    ['below zero', -5, -1],
    ['over many decades', 1e-3, 1e9],
  ])('draws figures that are %s', (_, from, to) => {
    const quantiles = Array.from({ length: 101 }, (_, i) =>
      from > 0 ? from * (to / from) ** (i / 100) : from + ((to - from) * i) / 100,
    )
    const html = page([withCurve({ name: 'propagation', unit: 'ms', quantiles })])
    const figure = figureOf(html, 'propagation')
    expect(figure).toMatch(/<path class="curve b" d="M/)
    expect(figure).not.toMatch(/NaN|Infinity|undefined/)
  })

  test('of gains draws losses to the left of gains', () => {
    const gains = figureOf(page([madeUpRun()]), 'gains')
    const bars = [...gains.matchAll(/<rect class="bar (\w+)" x="([\d.]+)"/g)]
    const [foes, honest] = ['foe', 'b'].map((kind) => bars.filter(([, found]) => found === kind))
    expect([foes!.length, honest!.length]).toEqual([4, 2])
    const right = (rows: typeof bars) => Math.max(...rows.map(([, , x]) => Number(x)))
    expect(right(foes!)).toBeLessThan(right(honest!))
  })

  test('of what changed has an interval for each measure that both sides have', () => {
    const html = page(madeUpRuns(4, { factor: 1.3 }), madeUpRuns(4, {}, 9))
    const forest = figureOf(html, 'comparison')
    expect(forest.match(/<path class="mark/g)).toHaveLength(madeUpRun().measures.length)
    expect(forest).toContain('request to award, mean higher')
    const single = figureOf(page([madeUpRun()], [madeUpRun({ seed: 2 })]), 'comparison')
    expect(single).toContain('there are no intervals: run both with --seeds')
    expect(single).not.toContain('class="interval')
  })
})
