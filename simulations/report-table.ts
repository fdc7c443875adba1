/** The terminal's report of one scenario, and of its comparison with other runs of it. */
import {
  columnDecimals,
  curveNames,
  curveTexts,
  differenceText,
  estimateText,
  figure,
  starredText,
  unitText,
  verdictText,
} from './report-format.ts'
import {
  averageRegions,
  compareGains,
  compareMeasures,
  difference,
  estimate,
  estimateGains,
  estimateMeasures,
  quantilesOf,
} from './report-statistics.ts'
import {
  type Column,
  left,
  painter,
  plain,
  type Row,
  right,
  type Scene,
  section,
  shortened,
  table,
} from './report-terminal.ts'
import { heading, invariants, passLines, settings } from './report-verdict.ts'
import type { CurveName, RegionRow, RunResult } from './result.ts'

/** What else the report shows, and where. */
export type TableOptions = {
  /** Runs of the same scenario to hold these against: they are A, these are B. */
  readonly compare?: readonly RunResult[]
  /** The scenario's settings when nothing is asked for; without them all settings are listed. */
  readonly defaults?: RunResult['settings']
  /** Of the terminal. */
  readonly columns: number
  readonly isColoured: boolean
}

/** Wider lines are hard to read, and do not fit beside an editor. */
const MAX_WIDTH = 100
/** In narrower terminals lines break by themselves. */
const MIN_WIDTH = 60
const SHOWN_PERCENTILES = [5, 50, 95, 99]

const MAX_UNIT = 10

const unitOf = (unit: string): string => shortened(unitText(plain(unit)), MAX_UNIT)
const sides = (scene: Scene): string =>
  scene.other ? '  A: compared with, B: this run, ± 95 % interval' : intervalNote(scene)
const intervalNote = ({ runs }: Scene): string =>
  runs.length > 1 ? `  mean of ${runs.length} seeds ± 95 % interval` : ''

/** The heads of a column of estimates, or of both sides and their difference. */
const estimateColumns = ({ other, runs }: Scene): Column[] =>
  other
    ? [right('A'), right('B'), right('B − A'), left('unit'), left('95 %')]
    : [right(runs.length > 1 ? 'mean' : 'value'), left('unit')]

function measures(scene: Scene): string[] {
  const { runs, other, width, paint } = scene
  const rows = other
    ? compareMeasures(other, runs).map((found) => [
        plain(found.name),
        ...[estimateText(found.a), estimateText(found.b), differenceText(found.difference)],
        ...[unitOf(found.unit), verdictText(found.difference)],
      ])
    : estimateMeasures(runs).map((found) => [
        plain(found.name),
        ...[estimateText(found), unitOf(found.unit)],
      ])
  if (rows.length === 0) return []
  const lines = table([left('measure'), ...estimateColumns(scene)], rows, width, paint)
  return section(scene, `Measures${sides(scene)}`, lines)
}

/** The row of one set of runs, or of the difference of two. */
function percentileCells({ runs, other }: Scene, name: CurveName, side: 'A' | 'B' | 'B − A') {
  return SHOWN_PERCENTILES.map((percent) => {
    const ours = quantilesOf(runs, name, percent)
    const theirs = quantilesOf(other ?? [], name, percent)
    if (side !== 'B − A') return estimateText(estimate(side === 'A' ? theirs : ours))
    const found = difference(theirs, ours)
    return starredText(found)
  })
}

function curves(scene: Scene): string[] {
  const { runs, other, width, paint } = scene
  const rows = curveNames.flatMap((name): Row[] => {
    const all = [...runs, ...(other ?? [])].flatMap((run) => run.curves)
    const unit = all.find((curve) => curve.name === name)?.unit
    if (unit === undefined) return []
    // The unit in the name's column, which can wrap: four intervals leave no room for another.
    const title = [curveTexts[name].title, unitOf(unit)].filter((part) => part !== '').join(', ')
    if (!other) return [[title, ...percentileCells(scene, name, 'B')]]
    const sides = ['A', 'B', 'B − A'] as const
    return [title, ...sides.map((side) => [`  ${side}`, ...percentileCells(scene, name, side)])]
  })
  if (rows.length === 0) return []
  const heads = SHOWN_PERCENTILES.map((percent) => right(`p${percent}`))
  const columns = [left('of'), ...heads]
  const note = other ? `${sides(scene)}, * excludes zero` : intervalNote(scene)
  return section(scene, `Percentiles${note}`, table(columns, rows, width, paint))
}

/** A column of the table by region: what it shows and from which values decimals are dropped. */
const regionColumns = [
  { head: 'p50 ms', brief: 'p50', fewest: 10, of: (row: RegionRow) => row.propagationP50Ms },
  { head: 'p95 ms', brief: 'p95', fewest: 10, of: (row: RegionRow) => row.propagationP95Ms },
  {
    head: 'bids counted %',
    brief: 'bids',
    fewest: 101,
    of: (row: RegionRow) => row.bidsCountedPercent,
  },
  { head: 'wins', brief: 'wins', fewest: 1e3, of: (row: RegionRow) => row.wins },
]

function regions(scene: Scene): string[] {
  const { runs, other, width, paint } = scene
  const [a, b] = [averageRegions(other ?? []), averageRegions(runs)]
  const names = [...new Set([...b, ...a].map(({ region }) => region))]
  if (names.length === 0) return []
  const find = (rows: readonly RegionRow[], name: string): RegionRow | undefined =>
    rows.find(({ region }) => region === name)
  const cells = (name: string): string[] =>
    regionColumns.flatMap(({ of, fewest }) => {
      const decimals = columnDecimals([...a, ...b].map(of), fewest)
      return (other ? [a, b] : [b]).map((rows) => {
        const row = find(rows, name)
        return figure((row && of(row)) ?? Number.NaN, decimals)
      })
    })
  const size = (name: string): string[] => {
    const row = find(b, name) ?? find(a, name)!
    return [figure(row.nodes, 0), figure(row.provers, 0)]
  }
  const heads = regionColumns.flatMap(({ head, brief }) =>
    other ? [`${brief} A`, `${brief} B`] : [head],
  )
  const mean = runs.length > 1 ? `  means of ${runs.length} seeds` : ''
  const note = other ? '  first copies, ms; bids counted, %' : mean
  const rows = names.map((name) => [plain(name), ...size(name), ...cells(name)])
  const columns = [left('region'), ...['nodes', 'provers', ...heads].map(right)]
  return section(scene, `By region${note}`, table(columns, rows, width, paint))
}

function gains(scene: Scene): string[] {
  const { runs, other, width, paint } = scene
  const who = (row: { readonly who: string; readonly isAdversary: boolean }): string[] => [
    plain(row.who),
    row.isAdversary ? 'adversary' : 'honest',
  ]
  const rows = other
    ? compareGains(other, runs).map((found) => [
        ...who(found),
        ...[estimateText(found.a), estimateText(found.b), differenceText(found.difference)],
        ...['ether', verdictText(found.difference)],
      ])
    : estimateGains(runs).map((found) => [...who(found), estimateText(found), 'ether'])
  if (rows.length === 0) return []
  const columns = [left('who'), left('party'), ...estimateColumns(scene)]
  return section(scene, `Gains${sides(scene)}`, table(columns, rows, width, paint))
}

/** The report, whole lines without the last line break. */
export function terminalReport(runs: readonly RunResult[], options: TableOptions): string {
  const scene: Scene = {
    runs,
    other: options.compare,
    defaults: options.defaults,
    width: Math.max(MIN_WIDTH, Math.min(options.columns, MAX_WIDTH)),
    paint: painter(options.isColoured),
  }
  const sections = [heading, settings, passLines, invariants, measures, curves, regions, gains]
  return sections.flatMap((lines) => lines(scene)).join('\n')
}
