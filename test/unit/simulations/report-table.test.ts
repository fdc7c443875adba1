import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { reportToTerminal, type TableOptions, wantsColours } from '#simulations/report'
import { plain, wrap } from '#simulations/report-terminal'
import type { RunResult } from '#simulations/result'
import { emptyRun, failedRun, hostileRun, madeUpRun, madeUpRuns } from '#test/support/sim-results'

const report = (runs: readonly RunResult[], options: Partial<TableOptions> = {}): string =>
  reportToTerminal(runs, { columns: 100, isColoured: false, ...options })
const widest = (text: string): number =>
  Math.max(...text.split('\n').map((line) => [...line].length))
const five = madeUpRuns(5)
const slower = madeUpRuns(5, { factor: 1.2, settings: { meshDegree: 6 } }, 11)

describe('the report', () => {
  test('has all parts of one run', () => {
    const text = report([madeUpRun()], { defaults: madeUpRun({ settings: { jobs: 9 } }).settings })
    expect(text).toMatch(/^rush-hour {2}passed$/m)
    expect(text).toMatch(/1,000 nodes, 1 seed \(1\), 4,\d{3},\d{3} events, 2 min simulated/)
    expect(text).toMatch(/^ {2}jobs +240 +9$/m)
    expect(text).toMatch(/^ {2}ok +no adversary gains$/m)
    expect(text).toMatch(/I1 to I8 kept after each of 4,\d{3},\d{3} events/)
    expect(text).toMatch(/^ {2}price paid, mean +1,2\d\d,\d{3} {2}gwei$/m)
    expect(text).toMatch(/^ {2}Propagation, ms +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+$/m)
    expect(text).toMatch(/^ {2}eu-west-1 +64 +4 +\d+ +\d+ +\d+\.\d +\d+$/m)
    expect(text).toMatch(/^ {2}stalling prover +adversary +−3\.\d+ +ether$/m)
    expect(text).not.toContain('±')
  })

  test('gives means and intervals of several seeds', () => {
    const text = report(five)
    expect(text).toMatch(/5 seeds \(1–5\)/)
    expect(text).toMatch(/^ {2}request to award, mean +[\d.]+ ± [\d.]+ {2}ms$/m)
    expect(text).toMatch(/^ {2}ok +no adversary gains \(5 of 5 seeds\)$/m)
  })

  test('shows a violation with all that it takes to see it again', () => {
    const text = report([madeUpRun(), failedRun(3)])
    expect(text).toMatch(/^rush-hour {2}FAILED \(1 of 2 runs\)$/m)
    expect(text).toMatch(/FAILED +the builder counts .+ \(1 of 2 seeds\)\n +seed 3: 91\.20 %/)
    expect(text).toMatch(/FAILED +I3 at 48,211\.25 ms, event 1,933,410, seed 3\n +block 4: job/)
    expect(text).toMatch(/\n +npm run sim -- rush-hour --seed 3\n/)
  })

  test('never breaks a command, however narrow the terminal', () => {
    const command = `npm run sim -- rush-hour --seed 3 ${'--set a=1 '.repeat(20)}`.trim()
    expect(report([{ ...failedRun(), command }], { columns: 60 }).split('\n')).toContain(
      `    ${command}`,
    )
  })

  test('compares A, B and their difference', () => {
    const text = report(slower, { compare: five })
    expect(text).toMatch(/^compared with 1,000 nodes, 5 seeds \(1–5\)$/m)
    expect(text).toMatch(/^ {2}meshDegree +8 +6$/m)
    expect(text).toMatch(
      /request to award, mean +4\d\d.+ ± .+ +5\d\d.+ ± .+ +\+\d\d.+ ± .+ ms +higher$/m,
    )
    expect(text).toMatch(/^ {2}slashed +4 ± 0 +4 ± 0 +0 ± 0 +ether$/m)
    expect(text).toMatch(/^ {2}Propagation, ms\n {2} *A .+\n {2} *B .+\n {2} *B − A .+ \*$/m)
    expect(text).toMatch(/p50 A +p50 B/)
  })

  test('of one seed on each side has differences without intervals', () => {
    const text = report([madeUpRun({ seed: 2, factor: 1.2 })], { compare: [madeUpRun()] })
    expect(text).toMatch(/request to award, mean +[\d.]+ +[\d.]+ +\+[\d.]+ +ms$/m)
  })

  test('of a run without anything says so with dashes', () => {
    expect(report([emptyRun()])).toMatch(/^ {2}Propagation, ms +– +– +– +–$/m)
    expect(report([emptyRun()], { compare: [madeUpRun()] })).toMatch(/B − A +– +– +– +–/)
  })

  test.each([60, 80, 100, 300])('keeps within %d columns, and within 100', (columns) => {
    for (const text of [
      report([failedRun()], { columns }),
      report(five, { columns }),
      // Its command would be the one line that is never broken.
      report([{ ...hostileRun(), command: '' }], { columns }),
    ]) {
      // The table by region and four intervals do not fit less than 80.
      expect(widest(text)).toBeLessThanOrEqual(Math.max(80, Math.min(columns, 100)))
    }
    expect(widest(report(slower, { columns, compare: five }))).toBeLessThanOrEqual(100)
  })
})

describe('colours', () => {
  const ESCAPE = '\u001b'

  test('are there only when asked for, and change nothing else', () => {
    const coloured = report([failedRun()], { isColoured: true })
    expect(coloured).toContain(`${ESCAPE}[31mFAILED`)
    expect(coloured.replaceAll(new RegExp(`${ESCAPE}\\[\\d+m`, 'g'), '')).toBe(
      report([failedRun()]),
    )
    expect(report([failedRun()])).not.toContain(ESCAPE)
  })

  test('never come from the data', () => {
    expect(report([hostileRun()], { compare: [hostileRun(2)] })).not.toContain(ESCAPE)
  })

  test('are for terminals, unless NO_COLOR is set', () => {
    expect(wantsColours({ isTTY: true }, {})).toBe(true)
    expect(wantsColours({ isTTY: true }, { NO_COLOR: '1' })).toBe(false)
    expect(wantsColours({ isTTY: true }, { NO_COLOR: '' })).toBe(true)
    expect(wantsColours({ isTTY: true }, { TERM: 'dumb' })).toBe(false)
    expect(wantsColours({}, {})).toBe(false)
  })
})

describe('text', () => {
  test('is wrapped without losing a letter', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 40 }), (given, width) => {
        const text = plain(given)
        const lines = wrap(text, width)
        expect(lines.every((line) => line.length <= width)).toBe(true)
        expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''))
      }),
    )
  })
})
