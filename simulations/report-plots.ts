/**
 * Distributions as cumulative shares, with the median, p95 and p99 marked; of several seeds the
 * mean curve with its interval as a band, and of two sets of runs both.
 */
import { curveTexts, estimateText, figure, starredText, unitText } from './report-format.ts'
import {
  type CurveEstimate,
  difference,
  type Estimate,
  estimate,
  estimateCurve,
  quantilesOf,
} from './report-statistics.ts'
import {
  bottomAxis,
  CHARACTER_WIDTH,
  CURVE_AREA,
  coordinate,
  emptyPlot,
  escapeText,
  htmlTable,
  line,
  linearScale,
  logScale,
  path,
  plotFigure,
  rect,
  type Scale,
  svg,
  words,
} from './report-svg.ts'
import { shortened } from './report-terminal.ts'
import type { CurveName, RunResult } from './result.ts'

const { left: LEFT, right: RIGHT, top: TOP, bottom: BOTTOM } = CURVE_AREA
const HEIGHT = BOTTOM + 40
const MARKED = [50, 95, 99]
const TABLED = [5, 50, 95, 99]
/** A tail so many times longer than the middle leaves nothing to see on a linear axis. */
const LONG_TAIL = 12
/** An axis that would begin beyond this share of its end does not begin at zero. */
const FAR_FROM_ZERO = 0.4
const MAX_UNIT = 10

/** One of the curves of a plot. */
type Series = { readonly kind: 'a' | 'b'; readonly curve: CurveEstimate }

const yAt = (percent: number): number => BOTTOM - ((BOTTOM - TOP) * percent) / 100
const meanAt = ({ points }: CurveEstimate, percent: number): number =>
  points[Math.min(percent, points.length - 1)]!.mean

/** Linear from zero where that wastes little; logarithmic where a long tail would hide the rest. */
function scaleFor(series: readonly Series[]): Scale {
  const all = series.flatMap(({ curve }) => curve.points.map(({ mean }) => mean))
  const [least, most] = [Math.min(...all), Math.max(...all)]
  const ends = { start: LEFT, end: RIGHT }
  const low = Math.min(...series.map(({ curve }) => meanAt(curve, 5)))
  const middle = Math.max(...series.map(({ curve }) => meanAt(curve, 50)))
  const isLong = low > 0 && (most > LONG_TAIL * middle || middle > LONG_TAIL * low)
  // From the first percentile: one odd value must not take a decade of its own.
  if (isLong) return logScale(Math.max(least, low / 10), most, ends)
  return linearScale(least > FAR_FROM_ZERO * most ? least : Math.min(0, least), most, ends)
}

/** The mean curve, and between the ends of the intervals a band. */
function curvePaths({ kind, curve }: Series, scale: Scale): string {
  const along = (of: (point: Estimate) => number) =>
    curve.points.map((point, percent) => [scale.at(of(point)), yAt(percent)] as const)
  const mean = `<path class="curve ${kind}" d="${path(along(({ mean }) => mean))}"/>`
  if (curve.points.some(({ halfWidth }) => halfWidth === null)) return mean
  const low = along(({ mean, halfWidth }) => mean - (halfWidth ?? 0))
  const high = along(({ mean, halfWidth }) => mean + (halfWidth ?? 0))
  return `<path class="band ${kind}" d="${path([...low, ...high.toReversed()])}Z"/>${mean}`
}

/** A shape for each marked percentile, so that it does not take colours to tell them apart. */
function mark(percent: number, x: number, y: number, kind: string): string {
  const [a, b] = [coordinate(x), coordinate(y)]
  if (percent === 50) return `<circle class="mark ${kind}" cx="${a}" cy="${b}" r="4"/>`
  const corners =
    percent === 95
      ? [
          [-3.6, -3.6],
          [3.6, -3.6],
          [3.6, 3.6],
          [-3.6, 3.6],
        ]
      : [
          [0, -4.8],
          [4.6, 3.6],
          [-4.6, 3.6],
        ]
  const d = path(corners.map(([dx, dy]) => [x + dx!, y + dy!] as const))
  return `<path class="mark ${kind}" d="${d}Z"/>`
}

/** The share that a curve has reached at a place of the axis. */
const shareAt = ({ curve }: Series, scale: Scale, x: number): number =>
  curve.points.filter(({ mean }) => scale.at(mean) <= x).length

/** The marked percentiles as text, in the corner that the curves leave free. */
function key(series: readonly Series[], scale: Scale): string {
  const cells = series.map(({ curve }) => MARKED.map((percent) => figure(meanAt(curve, percent))))
  const isNamed = series.length > 1 || series[0]!.kind === 'a'
  const widths = cells.map(
    (texts) => Math.max(...texts.map(({ length }) => length)) * CHARACTER_WIDTH,
  )
  const width = 44 + widths.reduce((sum, one) => sum + one + 12, 0)
  const height = MARKED.length * 15 + (isNamed ? 15 : 0) + 6
  const middle = LEFT + (RIGHT - LEFT) * 0.48
  const isLow = series.some((one) => shareAt(one, scale, middle) < 40)
  const x = isLow ? LEFT + 8 : RIGHT - width - 4
  const y = isLow ? TOP + 6 : BOTTOM - height - 6
  const back = rect(x, y, width, height, 'key')
  const first = y + (isNamed ? 30 : 15)
  const rows = MARKED.map((percent, row) => {
    const kind = series.length === 1 ? series[0]!.kind : 'plain'
    const base = first + row * 15
    return `${mark(percent, x + 9, base - 4, kind)}${words(x + 19, base, `p${percent}`)}`
  })
  let end = x + 44
  const columns = series.map(({ kind }, index) => {
    end += widths[index]! + 12
    const right = end - 6
    const sample = line(right - 26, y + 11, right - 10, y + 11, `curve ${kind}`)
    const name = words(right, y + 15, kind.toUpperCase(), 'strong', 'end')
    const head = isNamed ? `${sample}${name}` : ''
    const texts = cells[index]!.map((text, row) => words(right, first + row * 15, text, '', 'end'))
    return `${head}${texts.join('')}`
  })
  return `${back}${rows.join('')}${columns.join('')}`
}

function frame(scale: Scale, of: string, label: string): string {
  const lines = [0, 25, 50, 75, 100].map((percent) => {
    const y = yAt(percent)
    const across = line(LEFT, y, RIGHT, y, percent === 0 ? 'axis' : 'grid')
    return `${across}${words(LEFT - 6, y + 4, String(percent), 'tick', 'end')}`
  })
  const axis = bottomAxis(scale, TOP, BOTTOM, label)
  return `${lines.join('')}${axis}${words(4, 13, `% of ${of}`, 'label')}`
}

/** Pay below one's own cost is a loss: the line between. */
function costLine(name: CurveName, scale: Scale): string {
  if (name !== 'price over cost' || scale.from >= 1 || scale.to <= 1) return ''
  return line(scale.at(1), TOP, scale.at(1), BOTTOM, 'zero')
}

/** Percentiles side by side; their intervals go below them, as both do not fit a narrow column. */
function curveTable(
  name: CurveName,
  unit: string,
  runs: readonly RunResult[],
  other: readonly RunResult[] | undefined,
): string {
  const means = (all: readonly RunResult[]): string[] =>
    TABLED.map((percent) => estimateText(estimate(quantilesOf(all, name, percent))))
  const changes = TABLED.map((percent) => {
    const found = difference(
      quantilesOf(other ?? [], name, percent),
      quantilesOf(runs, name, percent),
    )
    return starredText(found)
  })
  const rows = (head: string, texts: readonly string[]): string[][] => {
    const parts = texts.map((text) => text.split(' ± '))
    const first = [head, ...parts.map(([mean]) => mean!)]
    const hasIntervals = parts.some(([, half]) => half !== undefined)
    return hasIntervals ? [first, ['±', ...parts.map(([, half]) => half ?? '')]] : [first]
  }
  const heads = ['', ...TABLED.map((percent) => `p${percent}`)]
  const isMean = Math.max(runs.length, other?.length ?? 0) > 1
  const notes = [
    `Percentiles${unit === '' ? '' : `, ${unit}`}`,
    ...(isMean ? ['mean ± 95 % interval'] : []),
    ...(other && isMean ? ['* excludes zero'] : []),
  ]
  const body = other
    ? [...rows('A', means(other)), ...rows('B', means(runs)), ...rows('B − A', changes)]
    : rows(isMean ? 'mean' : 'value', means(runs))
  return htmlTable(notes.join('; '), heads, body)
}

/** Names of figures, as `data-plot` has them. */
export const plotId = (name: CurveName): string =>
  name === 'bytes sent' ? 'bytes' : name.replaceAll(' ', '-')

/** The figure of one curve. */
export function curveFigure(
  name: CurveName,
  runs: readonly RunResult[],
  other: readonly RunResult[] | undefined,
): string {
  const { title, of, axis, note, empty } = curveTexts[name]
  const id = plotId(name)
  const [a, b] = [other ? estimateCurve(other, name) : null, estimateCurve(runs, name)]
  const series: Series[] = [
    ...(a ? [{ kind: 'a' as const, curve: a }] : []),
    ...(b ? [{ kind: 'b' as const, curve: b }] : []),
  ]
  const first = series[0]
  if (!first) return plotFigure({ id, title }, '', emptyPlot(empty))
  const unit = shortened(unitText(first.curve.unit), MAX_UNIT)
  const scale = scaleFor(series)
  const scaled = [unit, scale.isLog ? 'log scale' : ''].filter((part) => part !== '').join(', ')
  const label = scaled === '' ? axis : `${axis} (${scaled})`
  const marks = series.flatMap(({ kind, curve }) =>
    MARKED.map((percent) => mark(percent, scale.at(meanAt(curve, percent)), yAt(percent), kind)),
  )
  const inside = [
    frame(scale, of, label),
    costLine(name, scale),
    ...series.map((one) => curvePaths(one, scale)),
    ...marks,
    key(series, scale),
  ]
  const reads = series.map(({ kind, curve }) => {
    const figures = MARKED.map((percent) => `p${percent} ${figure(meanAt(curve, percent))}`)
    return `${other ? `${kind.toUpperCase()}: ` : ''}${figures.join(', ')} ${unit}`.trim()
  })
  const ends = `data-from="${scale.from}" data-to="${scale.to}" data-log="${scale.isLog}"`
  const data = ` ${ends} data-unit="${escapeText(unit)}"`
  const text = { id, title, description: `${note} ${reads.join('; ')}.` }
  const missing = other && series.length < 2 ? ` ${a ? 'B' : 'A'}: ${empty}.` : ''
  const body = svg(text, HEIGHT, inside.join(''), data)
  return plotFigure({ id, title }, `${note}${missing}`, body + curveTable(name, unit, runs, other))
}
