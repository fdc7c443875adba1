/** Pass lines of scenarios, with the figures behind them. */
import type { Finding } from './result.ts'

const shown = (value: number): string =>
  Number.isInteger(value) ? `${value}` : value.toPrecision(6).replace(/(\.\d*?)0+$/, '$1')

const finding = (line: string, holds: boolean, value: number, unit: string): Finding => ({
  ...{ line, holds },
  seen: `${shown(value)}${unit === '1' ? '' : ` ${unit}`}`,
})

/** That a value is at most this. What is no number (nothing was seen) does not hold. */
export const atMost = (what: string, value: number, most: number, unit: string): Finding =>
  finding(`${what} is at most ${shown(most)} ${unit}`, value <= most, value, unit)

/** That a value is at least this. What is no number (nothing was seen) does not hold. */
export const atLeast = (what: string, value: number, least: number, unit: string): Finding =>
  finding(`${what} is at least ${shown(least)} ${unit}`, value >= least, value, unit)

/** That something is so. */
export const that = (line: string, holds: boolean, seen: string): Finding => ({ line, holds, seen })
