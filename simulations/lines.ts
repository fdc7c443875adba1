/** Pass lines of scenarios, with the figures behind them. */
import type { Finding } from './result.ts'

const shown = (value: number): string =>
  Number.isInteger(value) ? `${value}` : value.toPrecision(6).replace(/(\.\d*?)0+$/, '$1')

/** A value with its unit; counts and ratios, whose unit is 1, have none to show. */
const withUnit = (value: number, unit: string): string =>
  unit === '1' ? shown(value) : `${shown(value)} ${unit}`

const finding = (line: string, holds: boolean, value: number, unit: string): Finding => ({
  ...{ line, holds },
  seen: withUnit(value, unit),
})

/** That a value is at most this. What is no number (nothing was seen) does not hold. */
export const atMost = (what: string, value: number, most: number, unit: string): Finding =>
  finding(`${what} is at most ${withUnit(most, unit)}`, value <= most, value, unit)

/** That a value is at least this. What is no number (nothing was seen) does not hold. */
export const atLeast = (what: string, value: number, least: number, unit: string): Finding =>
  finding(`${what} is at least ${withUnit(least, unit)}`, value >= least, value, unit)

/** That something is so. */
export const that = (line: string, holds: boolean, seen: string): Finding => ({ line, holds, seen })
