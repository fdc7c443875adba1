import { describe, expect, test } from 'vitest'
import {
  differenceText,
  duration,
  estimateText,
  exact,
  figure,
  findingLines,
  runsText,
  seedsText,
  settingLines,
  signed,
} from '#simulations/report-format'
import { failedRun, madeUpRun, madeUpRuns } from '#test/support/sim-results'

describe('a figure', () => {
  test.each([
    [0, '0'],
    [240, '240'],
    [1_234_567, '1,234,567'],
    [98.2139, '98.21'],
    [431.87, '431.9'],
    [0.046_31, '0.04631'],
    [-1.5, '−1.500'],
    [-0.000_000_01, '−1.00e−8'],
    [1e21, '1.00e+21'],
    [Number.NaN, '–'],
    [Number.POSITIVE_INFINITY, '–'],
  ])('%d is written %s', (value, text) => {
    expect(figure(value)).toBe(text)
  })

  test('that rounds to zero has no sign', () => {
    expect(figure(-0.001, 2)).toBe('0.00')
    expect(signed(0.001, 2)).toBe('0.00')
    expect(signed(0.1, 2)).toBe('+0.10')
  })

  test('of a time is exact to a thousandth', () => {
    expect(exact(48_211.25)).toBe('48,211.25')
    expect(exact(60_000)).toBe('60,000')
  })
})

describe('an estimate', () => {
  test('shows two digits of its uncertainty', () => {
    expect(estimateText({ mean: 98.2139, halfWidth: 0.3217, count: 5 })).toBe('98.21 ± 0.32')
    expect(estimateText({ mean: 1_217_553.2, halfWidth: 12_235.1, count: 5 })).toBe(
      '1,217,553 ± 12,235',
    )
    expect(differenceText({ difference: -42.91, halfWidth: 2.04, isClear: true })).toBe(
      '−42.9 ± 2.0',
    )
  })

  test('of one seed is the value, and of none a dash', () => {
    expect(estimateText({ mean: 98.2139, halfWidth: null, count: 1 })).toBe('98.21')
    expect(estimateText(null)).toBe('–')
    expect(differenceText(null)).toBe('–')
  })
})

test('durations and seeds are said as people say them', () => {
  expect([3.812, 60, 119.7, 125].map(duration)).toEqual(['3.81 s', '1 min', '2 min', '2 min 5 s'])
  expect(seedsText([madeUpRun({ seed: 7 })])).toBe('1 seed (7)')
  expect(seedsText(madeUpRuns(5))).toBe('5 seeds (1–5)')
  expect(seedsText([1, 9, 4].map((seed) => madeUpRun({ seed })))).toBe('3 seeds (1, 4, 9)')
  expect(runsText([failedRun(), madeUpRun()])).toBe('1,000 nodes, 2 seeds (1, 3), 1 failed')
})

test('settings are marked that differ from the default, or from the runs compared with', () => {
  const run = madeUpRun({ settings: { jobs: 9 } })
  const changed = (lines: ReturnType<typeof settingLines>) =>
    lines.filter(({ isChanged }) => isChanged)
  expect(changed(settingLines([run]))).toEqual([])
  expect(changed(settingLines([run], undefined, madeUpRun().settings))).toEqual([
    { name: 'jobs', value: '9', other: null, isChanged: true },
  ])
  const more = madeUpRun({ settings: { extra: true } })
  expect(changed(settingLines([run], [more]))).toEqual([
    { name: 'jobs', value: '9', other: '240', isChanged: true },
    { name: 'extra', value: '–', other: 'true', isChanged: true },
  ])
})

test('a pass line holds if it holds at every seed, and shows the seeds where it does not', () => {
  const [first, second] = findingLines([madeUpRun(), failedRun(3)])
  expect(first).toMatchObject({ holds: true, heldAt: 2, count: 2 })
  expect(second).toMatchObject({ holds: false, heldAt: 1, count: 2 })
  expect(second!.seen).toEqual([{ seed: 3, seen: '91.20 % of 24,112 bids' }])
})
