/**
 * What a simulation has to say, in four forms: the terminal's table, JSON, a page, and the
 * comparison with other runs of the same scenario in each.
 */
import {
  checkComparable,
  ReportError,
  readRuns,
  scenarioOf,
  writeRuns,
  writeWhole,
} from './report-file.ts'
import { page } from './report-page.ts'
import { type TableOptions, terminalReport } from './report-table.ts'
import { wantsColours } from './report-terminal.ts'
import type { RunResult } from './result.ts'

export { ReportError, readRuns, type TableOptions, wantsColours, writeRuns }

type Runs = readonly RunResult[]

function check(runs: Runs, compare: Runs | undefined): void {
  scenarioOf(runs, 'This run')
  if (compare) checkComparable(runs, compare)
}

/**
 * The terminal's report of runs of one scenario, one per seed.
 * @throws ReportError for runs of another scenario to compare with.
 */
export function reportToTerminal(runs: Runs, options: TableOptions): string {
  check(runs, options.compare)
  return terminalReport(runs, options)
}

/**
 * Writes the page: one file, whole or not at all.
 * @param compare Runs of the same scenario to hold these against: they are A, these are B.
 * @param defaults The scenario's settings when nothing is asked for, to mark those that differ.
 * @throws ReportError when it cannot be written, or the runs are of different scenarios.
 */
export async function writePage(
  path: string,
  runs: Runs,
  compare?: Runs,
  defaults?: RunResult['settings'],
): Promise<void> {
  check(runs, compare)
  await writeWhole(path, page(runs, compare, defaults))
}
