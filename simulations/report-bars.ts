/** What the plots with a row for each named thing share. */

import type { Estimate } from './report-statistics.ts'
import { CHARACTER_WIDTH, line, type Scale, words } from './report-svg.ts'
import { shortened, wrap } from './report-terminal.ts'

/** Where the first row begins: above it stand the heads. */
export const TOP = 26
/** What the ticks and the name of an axis take below the last row. */
export const AXIS_HEIGHT = 40

/** A figure whose table stands beside the plot where there is room. */
export const besideTable = (plot: string, table: string): string =>
  `<div class="beside"><div>${plot}</div>${table}</div>`

/** A row's name in at most two lines around its middle. */
export function nameAt(y: number, name: string, width: number): string {
  const room = Math.floor(width / CHARACTER_WIDTH)
  const [first, second, more] = wrap(name.replace(/\s+/gu, ' ').trim(), room)
  if (second === undefined) return words(4, y + 4, first!)
  const last = more === undefined ? second : shortened(`${second} ${more}`, room - 1)
  return `${words(4, y - 2, first!)}${words(4, y + 10, last)}`
}

/** A line over the width of an interval, with ends. */
export function whisker(
  scale: Scale,
  { mean, halfWidth }: Estimate,
  y: number,
  kind: string,
): string {
  if (halfWidth === null || halfWidth === 0) return ''
  const [from, to] = [scale.at(mean - halfWidth), scale.at(mean + halfWidth)]
  const ends = [from, to].map((x) => line(x, y - 3, x, y + 3, kind))
  return `${line(from, y, to, y, kind)}${ends.join('')}`
}
