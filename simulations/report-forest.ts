/** The plot of what changed between two sets of runs: differences with their intervals. */
import { AXIS_HEIGHT, besideTable, nameAt, TOP, whisker } from './report-bars.ts'
import {
  differenceText,
  estimateText,
  starredText,
  unitText,
  verdictText,
} from './report-format.ts'
import { compareMeasures, type Estimate, type MeasureComparison } from './report-statistics.ts'
import {
  bottomAxis,
  emptyPlot,
  htmlTable,
  line,
  linearScale,
  PLOT_WIDTH,
  path,
  plotFigure,
  type Scale,
  svg,
  words,
} from './report-svg.ts'
import { shortened } from './report-terminal.ts'
import type { RunResult } from './result.ts'

type Runs = readonly RunResult[]

const MAX_UNIT = 10

/** A difference as a share of what A had, in percent; `null` where that is nothing. */
function relative({ a, difference }: MeasureComparison): Estimate | null {
  if (!a || !difference || a.mean === 0) return null
  const base = Math.abs(a.mean) / 100
  const { halfWidth } = difference
  return {
    mean: difference.difference / base,
    halfWidth: halfWidth === null ? null : halfWidth / base,
    count: 0,
  }
}

/** So many times the usual change is drawn as an arrow at the edge: it would flatten all others. */
const OUTLIER = 12

/** How far the axis reaches to both sides. Percent. */
function reachOf(changes: readonly (Estimate | null)[]): number {
  const sizes = changes
    .flatMap((one) => (one ? [Math.abs(one.mean) + (one.halfWidth ?? 0)] : []))
    .filter((size) => size > 0)
    .sort((x, y) => x - y)
  const most = sizes.at(-1) ?? 1
  const usual = sizes[Math.floor(sizes.length / 2)] ?? 1
  // A little more, so that no mark touches the edge.
  return 1.05 * Math.min(most, OUTLIER * usual)
}

function forestRow(found: MeasureComparison, y: number, scale: Scale): string {
  const change = relative(found)
  const unit = shortened(unitText(found.unit), MAX_UNIT)
  const kind = found.difference?.isClear ? 'b' : 'unclear'
  const right = words(
    PLOT_WIDTH - 4,
    y + 4,
    `${differenceText(found.difference).split(' ± ')[0]} ${unit}`.trim(),
    found.difference?.isClear ? 'strong' : 'tick',
    'end',
  )
  const name = nameAt(y, found.name, 126)
  if (!change) {
    const why = !found.a ? 'only in B' : !found.b ? 'only in A' : 'A is 0'
    return `${name}${words(scale.at(0) * 1, y + 4, why, 'tick', 'middle')}${right}`
  }
  const x = scale.at(change.mean)
  const isOutside = change.mean < scale.from || change.mean > scale.to
  const toward = change.mean < 0 ? -1 : 1
  const back = x - toward * 8
  const corners: [number, number][] = isOutside
    ? [
        [x, y],
        [back, y - 5],
        [back, y + 5],
      ]
    : [
        [x - 4.5, y],
        [x, y - 4.5],
        [x + 4.5, y],
        [x, y + 4.5],
      ]
  const interval = isOutside ? '' : whisker(scale, change, y, `interval ${kind}`)
  return `${name}${interval}<path class="mark ${kind}" d="${path(corners)}Z"/>${right}`
}

function forestTable(found: readonly MeasureComparison[]): string {
  const rows = found.map(({ name, unit, a, b, difference }) => [
    name,
    ...[estimateText(a), estimateText(b), starredText(difference), unitText(unit)],
  ])
  const heads = ['measure', 'A', 'B', 'B − A', 'unit']
  return htmlTable('Measures, mean ± 95 % interval; * excludes zero', heads, rows, [0, 4])
}

/** What changed from A to B, measure by measure. */
export function forestFigure(runs: Runs, other: Runs): string {
  const frame = { id: 'comparison', title: 'What changed' }
  const found = compareMeasures(other, runs)
  if (found.length === 0)
    return plotFigure(frame, '', emptyPlot('nothing was measured in these runs'))
  const reach = reachOf(found.map(relative))
  const scale = linearScale(-reach, reach, { start: 138, end: 308 }, 4)
  const rowHeight = 28
  const bottom = TOP + found.length * rowHeight
  const inside = [
    words(138, 13, 'B lower ◂', 'label'),
    words(308, 13, '▸ B higher', 'label', 'end'),
    words(PLOT_WIDTH - 4, 13, 'B − A', 'label', 'end'),
    bottomAxis(scale, TOP, bottom, 'difference, % of A'),
    line(scale.at(0), TOP, scale.at(0), bottom, 'zero'),
    ...found.map((one, i) => forestRow(one, TOP + (i + 0.5) * rowHeight, scale)),
  ]
  const clear = found.filter(({ difference }) => difference?.isClear)
  const changes = clear.map(({ name, difference }) => `${name} ${verdictText(difference)}`)
  const list = changes.join(', ') || 'none'
  const description = `${clear.length} of ${found.length} measures changed: ${list}.`
  const hasIntervals = found.some(({ difference }) => difference && difference.halfWidth !== null)
  const note = hasIntervals
    ? [
        'Lines are 95 % intervals (Welch). Blue: the interval excludes zero; grey: it does not.',
        'An arrow: further out than the axis reaches.',
      ].join(' ')
    : [
        'One seed on a side says nothing of chance,',
        'so there are no intervals: run both with --seeds.',
      ].join(' ')
  const plot = svg({ ...frame, description }, bottom + AXIS_HEIGHT, inside.join(''))
  return plotFigure(frame, note, besideTable(plot, forestTable(found)))
}
