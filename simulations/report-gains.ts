/** The plot of gains. */
import { AXIS_HEIGHT, besideTable, nameAt, TOP, whisker } from './report-bars.ts'
import { estimateText, figure, NOTHING, starredText } from './report-format.ts'
import { type Comparison, compareGains, type Estimate, estimateGains } from './report-statistics.ts'
import {
  bottomAxis,
  emptyPlot,
  htmlTable,
  line,
  linearScale,
  PLOT_WIDTH,
  plotFigure,
  rect,
  type Scale,
  svg,
  words,
} from './report-svg.ts'
import type { RunResult } from './result.ts'

type Runs = readonly RunResult[]
type Side = 'a' | 'b'

/** A party of the plot of gains. */
type Gain = {
  readonly who: string
  readonly isAdversary: boolean
  readonly sides: readonly { readonly side: Side; readonly gain: Estimate | null }[]
  readonly comparison: Comparison | null
}

const gainsOf = (runs: Runs, other: Runs | undefined): Gain[] =>
  other
    ? compareGains(other, runs).map(({ who, isAdversary, ...comparison }) => ({
        ...{ who, isAdversary, comparison },
        sides: [
          { side: 'a', gain: comparison.a },
          { side: 'b', gain: comparison.b },
        ],
      }))
    : estimateGains(runs).map(({ who, isAdversary, ...gain }) => ({
        ...{ who, isAdversary, comparison: null },
        sides: [{ side: 'b', gain }],
      }))

function gainRow(gain: Gain, y: number, scale: Scale, isPair: boolean): string {
  const height = isPair ? 13 : 14
  const bars = gain.sides.map(({ side, gain: found }, index) => {
    if (!found) return ''
    const top = y - (isPair ? 13 : 7) + index * height
    const [from, to] = [scale.at(Math.min(0, found.mean)), scale.at(Math.max(0, found.mean))]
    const kind = isPair ? side : gain.isAdversary ? 'foe' : 'b'
    const title = `${gain.who}: ${estimateText(found)} ether`
    const bar = rect(from, top, to - from, height - 1, `bar ${kind}`, title)
    const text = words(PLOT_WIDTH - 4, top + height - 2, figure(found.mean), 'tick', 'end')
    return `${bar}${whisker(scale, found, top + (height - 1) / 2, 'whisker')}${text}`
  })
  return `${nameAt(y, gain.who, 118)}${bars.join('')}`
}

function gainTable(gains: readonly Gain[], isMean: boolean): string {
  const rows = gains.map(({ who, isAdversary, sides, comparison }) => {
    const cells = sides.map(({ gain }) => estimateText(gain))
    const change = comparison ? [starredText(comparison.difference)] : []
    return [who, isAdversary ? 'adversary' : 'honest', ...cells, ...change]
  })
  const isPair = gains.some(({ comparison }) => comparison !== null)
  const heads = isPair ? ['A', 'B', 'B − A'] : [isMean ? 'mean' : 'gain']
  const interval = isMean ? ', mean ± 95 % interval' : ''
  const caption = `Gains in ether${interval}${isPair ? '; * excludes zero' : ''}`
  return htmlTable(caption, ['who', 'party', ...heads], rows, [0, 1])
}

const TITLE = 20
const rowHeight = (isPair: boolean): number => (isPair ? 34 : 28)

/** Adversaries first, each party with a title and where it begins. */
function partiesOf(gains: readonly Gain[], row: number) {
  const all = [
    { title: 'Adversaries', gains: gains.filter(({ isAdversary }) => isAdversary) },
    { title: 'Honest parties', gains: gains.filter(({ isAdversary }) => !isAdversary) },
  ].filter((party) => party.gains.length > 0)
  const heights = all.map((party) => TITLE + party.gains.length * row)
  return all.map((party, i) => ({
    ...party,
    height: heights[i]!,
    top: TOP + heights.slice(0, i).reduce((sum, height) => sum + height, 0),
  }))
}

/** What adversaries and honest parties gained or lost. */
export function gainFigure(runs: Runs, other: Runs | undefined): string {
  const frame = { id: 'gains', title: 'Gains' }
  const gains = gainsOf(runs, other)
  if (gains.length === 0)
    return plotFigure(frame, '', emptyPlot("nobody's money was counted in this run"))
  const reach = gains.flatMap(({ sides }) =>
    sides.flatMap(({ gain }) => {
      if (!gain) return []
      // A wide interval of few seeds may run out of the picture; the bars may not.
      const half = Math.min(gain.halfWidth ?? 0, Math.abs(gain.mean))
      return [gain.mean - half, gain.mean + half]
    }),
  )
  const ends = { start: 132, end: 330 }
  const scale = linearScale(Math.min(0, ...reach), Math.max(0, ...reach), ends, 4)
  const row = rowHeight(other !== undefined)
  const parties = partiesOf(gains, row)
  const bottom = TOP + parties.reduce((sum, party) => sum + party.height, 0)
  const inside = [
    words(ends.start, 13, 'loss ◂', 'label'),
    words(ends.end, 13, '▸ gain', 'label', 'end'),
    bottomAxis(scale, TOP, bottom, 'ether'),
    line(scale.at(0), TOP, scale.at(0), bottom, 'zero'),
    ...parties.flatMap(({ title, gains, top }) => [
      words(4, top + 13, title, 'strong'),
      ...gains.map((gain, i) => gainRow(gain, top + TITLE + (i + 0.5) * row, scale, !!other)),
    ]),
  ]
  const description = gains.map(({ who, sides }) => {
    const texts = sides.map(({ gain }) => (gain ? figure(gain.mean) : NOTHING))
    return `${who} ${texts.join(' against ')} ether`
  })
  const text = { ...frame, description: `${description.join('; ')}.` }
  const note = `What each ended with above what it began with${other ? '; above A, below B' : ''}.`
  const plot = svg(text, bottom + AXIS_HEIGHT, inside.join(''))
  return plotFigure(frame, note, besideTable(plot, gainTable(gains, runs.length > 1)))
}
