/** The plot by region. */
import { AXIS_HEIGHT, besideTable, TOP } from './report-bars.ts'
import { columnDecimals, figure } from './report-format.ts'
import { averageRegions } from './report-statistics.ts'
import {
  bottomAxis,
  CHARACTER_WIDTH,
  coordinate,
  emptyPlot,
  htmlTable,
  line,
  linearScale,
  plotFigure,
  rect,
  type Scale,
  svg,
  words,
} from './report-svg.ts'
import { shortened } from './report-terminal.ts'
import type { RegionRow, RunResult } from './result.ts'

type Runs = readonly RunResult[]
type Side = 'a' | 'b'

/** Not a bar: an axis that begins near the least share shows differences that one from 0 hides. */
const dot = (x: number, y: number, side: Side): string =>
  `<circle class="dot ${side}" cx="${coordinate(x)}" cy="${coordinate(y)}" r="3.4"/>`

/** One row of the plot by region: both sides, one below the other. */
function regionBars(
  sides: readonly { readonly side: Side; readonly row: RegionRow | undefined }[],
  y: number,
  height: number,
  times: Scale,
  shares: Scale,
): string {
  const bars = sides.map(({ side, row }, index) => {
    if (!row) return ''
    const [top, size] = [y + index * height, height - 1.5]
    const of = `${row.region}${sides.length > 1 ? ` ${side.toUpperCase()}` : ''}`
    const time = (value: number, kind: string, name: string): string =>
      Number.isFinite(value)
        ? rect(
            times.at(0),
            top,
            times.at(value) - times.at(0),
            size,
            `${kind} ${side}`,
            `${of}: ${name} ${figure(value)} ms`,
          )
        : ''
    const counted = row.bidsCountedPercent
    const share = counted === null ? '' : dot(shares.at(counted), top + size / 2, side)
    const slow = time(row.propagationP95Ms, 'pale', 'p95')
    return `${slow}${time(row.propagationP50Ms, 'bar', 'p50')}${share}`
  })
  return bars.join('')
}

function regionTable(a: readonly RegionRow[] | null, b: readonly RegionRow[]): string {
  const columns = [
    { head: 'p50 ms', brief: 'p50', fewest: 10, of: (row: RegionRow) => row.propagationP50Ms },
    { head: 'p95 ms', brief: 'p95', fewest: 10, of: (row: RegionRow) => row.propagationP95Ms },
    { head: 'bids %', brief: 'bids', fewest: 101, of: (row: RegionRow) => row.bidsCountedPercent },
    { head: 'wins', brief: 'wins', fewest: 1_000, of: (row: RegionRow) => row.wins },
  ]
  const names = [...new Set([...b, ...(a ?? [])].map(({ region }) => region))]
  const both = a ? [a, b] : [b]
  const rows = names.map((name) => {
    const cells = columns.flatMap(({ of, fewest }) => {
      const decimals = columnDecimals(
        both.flatMap((rows) => rows.map(of)),
        fewest,
      )
      return both.map((rows) => {
        const row = rows.find(({ region }) => region === name)
        return figure((row && of(row)) ?? Number.NaN, decimals)
      })
    })
    const row = [...b, ...(a ?? [])].find(({ region }) => region === name)!
    return [name, figure(row.nodes, 0), figure(row.provers, 0), ...cells]
  })
  const heads = columns.flatMap(({ head, brief }) => (a ? [`${brief} A`, `${brief} B`] : [head]))
  const caption = a
    ? 'Time to the first copy, ms; bids counted, %; jobs won'
    : 'Time to the first copy, bids counted, jobs won'
  return htmlTable(caption, ['region', 'nodes', 'provers', ...heads], rows)
}

/** Where the two panels of the plot by region begin and end. */
const TIMES = { start: 112, end: 290 }
const SHARES = { start: 326, end: 388 }

const zoomed = ', and the axis of bids does not begin at 0'

/** How long messages take to each region, and how many of its bids count. */
export function regionFigure(runs: Runs, other: Runs | undefined): string {
  const frame = { id: 'regions', title: 'By region' }
  const [a, b] = [averageRegions(other ?? []), averageRegions(runs)]
  const names = [...new Set([...b, ...a].map(({ region }) => region))]
  if (names.length === 0)
    return plotFigure(frame, '', emptyPlot('no node had a region in this run'))
  const most = [...a, ...b].map((row) => row.propagationP95Ms).filter(Number.isFinite)
  const times = linearScale(0, Math.max(0, ...most) || 1, TIMES, 4)
  const counted = [...a, ...b].flatMap((row) => row.bidsCountedPercent ?? [])
  const shares = linearScale(Math.min(99, ...counted), 100, SHARES, 1)
  const [bar, gap] = other ? [8, 5] : [12, 4]
  const rowHeight = bar * (other ? 2 : 1) + gap
  const bottom = TOP + names.length * rowHeight
  const find = (rows: readonly RegionRow[], name: string) =>
    rows.find(({ region }) => region === name)
  const rows = names.map((name, index) => {
    const y = TOP + index * rowHeight + gap / 2
    const label = shortened(name, Math.floor((TIMES.start - 8) / CHARACTER_WIDTH))
    const sides = [
      ...(other ? [{ side: 'a' as const, row: find(a, name) }] : []),
      { side: 'b' as const, row: find(b, name) },
    ]
    const bars = regionBars(sides, y, bar, times, shares)
    return `${words(4, y + (rowHeight - gap) / 2 + 4, label)}${bars}`
  })
  const inside = [
    words(TIMES.start, 13, 'time to the first copy', 'label'),
    words(SHARES.end, 13, 'bids counted', 'label', 'end'),
    bottomAxis(times, TOP, bottom, 'ms: dark p50, pale p95'),
    bottomAxis(shares, TOP, bottom, '%'),
    line(TIMES.start, TOP, TIMES.start, bottom, 'axis'),
    line(SHARES.start, TOP, SHARES.start, bottom, 'axis'),
    ...rows,
  ]
  const slowest = b.toSorted((x, y) => y.propagationP95Ms - x.propagationP95Ms)[0]
  const seen = slowest
    ? `Slowest: ${slowest.region}, p95 ${figure(slowest.propagationP95Ms, 0)} ms. `
    : ''
  const description = `${seen}All figures are in the table.`
  const plot = svg({ ...frame, description }, bottom + AXIS_HEIGHT, inside.join(''))
  const order = other ? '; above A, below B' : ''
  const bars = `Dark bars reach to the median, pale ones to p95${order}.`
  const dots = `Regions without bids have no dot${shares.from > 0 ? zoomed : ''}.`
  const note = `${bars} ${dots}`
  return plotFigure(frame, note, besideTable(plot, regionTable(other ? a : null, b)))
}
