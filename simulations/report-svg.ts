/** What every plot is drawn with: escaped text, scales with round ticks, frames. */

/** Text from data, safe as text and inside quotes. Control characters are shown as `?`. */
export const escapeText = (text: string): string =>
  text
    .replace(/\s+/gu, ' ')
    .replace(/\p{C}/gu, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')

/** A plot is drawn this wide: what a telephone shows without shrinking it much. */
export const PLOT_WIDTH = 400

/** Where a distribution is drawn. The page's script reads it off there again. */
export const CURVE_AREA = { left: 38, right: 384, top: 26, bottom: 216 } as const

/** Where on the axis a value stands, and which values are worth a tick. */
export type Scale = {
  readonly from: number
  readonly to: number
  readonly isLog: boolean
  readonly ticks: readonly number[]
  /** Held inside the axis. */
  readonly at: (value: number) => number
}

/** Of 1, 2 and 5 times a power of ten. */
function roundStep(size: number): number {
  const power = 10 ** Math.floor(Math.log10(size))
  const step = [1, 2, 5, 10].find((one) => one * power >= size * (1 - 1e-9)) ?? 10
  return step * power
}

type Ends = { readonly start: number; readonly end: number }

/** From `from` to `to`, or a little more, so that the ends are round. */
export function linearScale(from: number, to: number, { start, end }: Ends, count = 5): Scale {
  // A single value gets room on both sides; closer ones than this have no ticks between them.
  const isFlat = !(to - from > 1e-9 * Math.max(Math.abs(from), Math.abs(to)))
  const room = isFlat ? Math.abs(from) / 10 || 1 : 0
  const [low, high] = [from - room, to + room]
  const step = roundStep((high - low) / count)
  const first = Math.floor(low / step + 1e-9)
  const last = Math.ceil(high / step - 1e-9)
  // As products of whole numbers: sums of a step drift.
  const ticks = Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  )
  const [least, most] = [ticks[0]!, ticks.at(-1)!]
  const at = (value: number): number => {
    const share = Math.min(1, Math.max(0, (value - least) / (most - least)))
    return start + share * (end - start)
  }
  return { from: least, to: most, isLog: false, ticks, at }
}

/** More decades than this leave no room for 2 and 5 between them. */
const MAX_FINE_DECADES = 2.5

/** For values above zero; what is not stands at the left end. */
export function logScale(from: number, to: number, { start, end }: Ends): Scale {
  const decades = Math.log10(to / from)
  const steps = decades > MAX_FINE_DECADES ? [1] : [1, 2, 5]
  const powers = Array.from({ length: 40 }, (_, i) => i + Math.floor(Math.log10(from)))
  const round = powers.flatMap((power) => [1, 2, 5].map((step) => Number(`${step}e${power}`)))
  const least = round.findLast((tick) => tick <= from * (1 + 1e-9)) ?? from
  const most = round.find((tick) => tick >= to * (1 - 1e-9) && tick > least) ?? to
  const isShown = (tick: number): boolean =>
    tick >= least && tick <= most && steps.includes(Number(tick.toExponential()[0]))
  const [low, high] = [Math.log10(least), Math.log10(most)]
  const at = (value: number): number => {
    const share = value > 0 ? (Math.log10(value) - low) / (high - low) : 0
    return start + Math.min(1, Math.max(0, share)) * (end - start)
  }
  return { from: least, to: most, isLog: true, ticks: round.filter(isShown), at }
}

/** Ticks as text, all with the decimals that the closest two need. */
export function tickTexts({ ticks, isLog }: Scale): string[] {
  const steps = ticks.slice(1).map((tick, i) => tick - ticks[i]!)
  const step = Math.min(...steps)
  return ticks.map((tick) => {
    const size = isLog ? tick : step
    const decimals = Math.max(0, -Math.floor(Math.log10(size) + 1e-9))
    const isWide = Math.abs(tick) >= 1e6 || decimals > 6
    if (isWide) return tick.toExponential().replace('e+', 'e').replaceAll('-', '−')
    const [whole, fraction] = Math.abs(tick).toFixed(decimals).split('.')
    const grouped = whole!.replace(/\B(?=(\d{3})+$)/g, ',')
    return `${tick < 0 ? '−' : ''}${grouped}${fraction ? `.${fraction}` : ''}`
  })
}

/** A path through points. */
export const path = (points: readonly (readonly [x: number, y: number])[]): string =>
  points.map(([x, y], i) => `${i ? 'L' : 'M'}${coordinate(x)} ${coordinate(y)}`).join('')

/** A coordinate: a tenth of a unit is finer than any screen. */
export const coordinate = (value: number): string => String(Math.round(value * 10) / 10)

/** @param kind What the page's style calls it. */
export const line = (x1: number, y1: number, x2: number, y2: number, kind: string): string => {
  const [a, b, c, d] = [x1, y1, x2, y2].map(coordinate)
  return `<line class="${kind}" x1="${a}" y1="${b}" x2="${c}" y2="${d}"/>`
}

/** @param title Shown under the pointer; not yet escaped. */
export const rect = (
  x: number,
  y: number,
  width: number,
  height: number,
  kind: string,
  title = '',
): string => {
  // What is there is seen, however little it is.
  const [a, b, c, d] = [x, y, Math.max(width, 0.8), height].map(coordinate)
  const inside = title === '' ? '/>' : `><title>${escapeText(title)}</title></rect>`
  return `<rect class="${kind}" x="${a}" y="${b}" width="${c}" height="${d}"${inside}`
}

type Anchor = 'start' | 'middle' | 'end'

/** @param content Not yet escaped. */
export const words = (
  x: number,
  y: number,
  content: string,
  kind = '',
  anchor: Anchor = 'start',
): string =>
  `<text x="${coordinate(x)}" y="${coordinate(y)}"${kind ? ` class="${kind}"` : ''}` +
  `${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}>${escapeText(content)}</text>`

/** Roughly how wide text is at the plots' size: no font to measure with when a page is written. */
export const CHARACTER_WIDTH = 6.6

/** The ticks of an axis along the bottom with lines up to `top`, and what it shows below. */
export function bottomAxis(scale: Scale, top: number, bottom: number, label: string): string {
  const texts = tickTexts(scale)
  // Digits are wider than most letters.
  const digit = CHARACTER_WIDTH * 1.15
  let freeFrom = Number.NEGATIVE_INFINITY
  const marks = scale.ticks.map((tick, index) => {
    const [x, text] = [scale.at(tick), texts[index]!]
    const half = (text.length * digit) / 2
    const grid = line(x, top, x, bottom, tick === 0 && scale.from < 0 ? 'zero' : 'grid')
    // A label that would touch the one before is left out; its line stays.
    if (x - half < freeFrom) return grid
    freeFrom = x + half + CHARACTER_WIDTH
    const inside = Math.min(x, PLOT_WIDTH - half - 1)
    return `${grid}${words(inside, bottom + 15, text, 'tick', 'middle')}`
  })
  const middle = (scale.at(scale.from) + scale.at(scale.to)) / 2
  // A long name is pushed left rather than cut off at the edge.
  const half = (label.length * CHARACTER_WIDTH) / 2
  const x = Math.max(half + 2, Math.min(middle, PLOT_WIDTH - half - 2))
  return `${marks.join('')}${words(x, bottom + 32, label, 'label', 'middle')}`
}

/** What a plot is called and says, for those who do not see it. */
export type PlotText = {
  /** Also the `data-plot` of its figure. */
  readonly id: string
  readonly title: string
  readonly description: string
}

/** @param data Attributes for the page's script, safe already. */
export function svg(
  { id, title, description }: PlotText,
  height: number,
  inside: string,
  data = '',
): string {
  const size = `viewBox="0 0 ${PLOT_WIDTH} ${coordinate(height)}"`
  return (
    `<svg role="img" ${size} aria-labelledby="${id}-title ${id}-text"${data}>` +
    `<title id="${id}-title">${escapeText(title)}</title>` +
    `<desc id="${id}-text">${escapeText(description)}</desc>${inside}</svg>`
  )
}

/** A figure's frame: its title above, and what helps to read it below. Both are HTML. */
export function plotFigure(
  { id, title }: { readonly id: string; readonly title: string },
  note: string,
  body: string,
): string {
  const below = note === '' ? '' : `<p class="note">${escapeText(note)}</p>`
  return (
    `<figure data-plot="${id}"><figcaption><h3>${escapeText(title)}</h3>${below}</figcaption>` +
    `${body}</figure>`
  )
}

/** In place of a plot without data. */
export const emptyPlot = (why: string): string => `<p class="empty">${escapeText(why)}</p>`

/** A table; numbers to the right from the second column on. Cells are not yet escaped. */
export function htmlTable(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  textColumns: readonly number[] = [0],
): string {
  const kind = (i: number): string => (textColumns.includes(i) ? '' : ' class="number"')
  const head = heads.map((text, i) => `<th scope="col"${kind(i)}>${escapeText(text)}</th>`)
  const body = rows.map((row) => {
    const cells = row.map((text, i) =>
      i === 0
        ? `<th scope="row"${kind(i)}>${escapeText(text)}</th>`
        : `<td${kind(i)}>${escapeText(text)}</td>`,
    )
    return `<tr>${cells.join('')}</tr>`
  })
  return (
    `<div class="scroll" tabindex="0"><table><caption>${escapeText(caption)}</caption>` +
    `<thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>`
  )
}
