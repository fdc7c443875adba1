/** Figures as text, the same in the terminal and on the page. */

import type { Difference, Estimate } from './report-statistics.ts'
import { type CurveName, isPassed, type RunResult } from './result.ts'

/** A figure that is not there. */
export const NOTHING = '–'
/** More decimals than this are written as a power of ten. */
const MAX_DECIMALS = 6

/** Decimals that leave four digits. */
export function decimalsFor(value: number): number {
  const size = Math.abs(value)
  if (size >= 1_000 || Number.isInteger(value)) return 0
  return Math.max(0, 3 - Math.floor(Math.log10(size)))
}

/** A number with thousands apart and a real minus. */
export function figure(value: number, decimals = decimalsFor(value)): string {
  if (!Number.isFinite(value)) return NOTHING
  if (Math.abs(value) >= 1e15 || decimals > MAX_DECIMALS)
    return value.toExponential(2).replaceAll('-', '−')
  const [whole, fraction] = Math.abs(value).toFixed(decimals).split('.')
  const grouped = whole!.replace(/\B(?=(\d{3})+$)/g, ',')
  const text = fraction === undefined ? grouped : `${grouped}.${fraction}`
  // What rounds to zero has no sign.
  return value < 0 && /[1-9]/.test(text) ? `−${text}` : text
}

/** As many decimals as there are, up to three. */
export const exact = (value: number): string =>
  Number.isInteger(value) ? figure(value, 0) : figure(value, 3).replace(/\.?0+$/, '')

/** Figures of a column, all with the same decimals: none where they say nothing. */
export function columnDecimals(values: readonly (number | null)[], fewest = 10): 0 | 1 {
  const seen = values.filter((value) => value !== null && Number.isFinite(value))
  return seen.every((value) => Number.isInteger(value) || value! >= fewest) ? 0 : 1
}

/** The same with a plus. */
export const signed = (value: number, decimals?: number): string => {
  const text = figure(value, decimals)
  return value > 0 && /[1-9]/.test(text) ? `+${text}` : text
}

/** Decimals that show two digits of the uncertainty, and no more of the figure than it supports. */
const decimalsWithin = (value: number, halfWidth: number | null): number =>
  halfWidth === null || halfWidth === 0
    ? decimalsFor(value)
    : Math.min(Math.max(0, 1 - Math.floor(Math.log10(halfWidth))), decimalsFor(value) + 2)

/** `98.71 ± 0.32`; without an interval the mean alone. */
export function estimateText(found: Estimate | null): string {
  if (!found) return NOTHING
  const decimals = decimalsWithin(found.mean, found.halfWidth)
  const mean = figure(found.mean, decimals)
  return found.halfWidth === null ? mean : `${mean} ± ${figure(found.halfWidth, decimals)}`
}

/** `+0.40 ± 0.31`. */
export function differenceText(found: Difference | null): string {
  if (!found) return NOTHING
  const { halfWidth } = found
  const decimals = decimalsWithin(found.difference, halfWidth)
  const change = signed(found.difference, decimals)
  return halfWidth === null ? change : `${change} ± ${figure(halfWidth, decimals)}`
}

/** The same with a star where the interval excludes zero. */
export const starredText = (found: Difference | null): string =>
  `${differenceText(found)}${found?.isClear ? ' *' : ''}`

/** What a difference says of B, in a word; nothing where its interval holds zero. */
export function verdictText(found: Difference | null): string {
  if (!found?.isClear) return ''
  return found.difference > 0 ? 'higher' : 'lower'
}

/** Units as they stand beside a figure: counts and ratios have none. */
export const unitText = (unit: string): string => (unit === '1' ? '' : unit)

/** Seconds as people say them. */
export function duration(seconds: number): string {
  if (!(seconds >= 60)) return `${exact(Math.round(seconds * 100) / 100)} s`
  const minutes = Math.floor(seconds / 60)
  const rest = Math.round(seconds - minutes * 60)
  if (rest === 60) return `${figure(minutes + 1)} min`
  return rest === 0 ? `${figure(minutes)} min` : `${figure(minutes)} min ${rest} s`
}

/** `1 seed (7)`, `5 seeds (1–5)`, `3 seeds (1, 4, 9)`. */
export function seedsText(runs: readonly RunResult[]): string {
  const seeds = [...new Set(runs.map(({ seed }) => seed))].sort((a, b) => a - b)
  const [first, last] = [seeds[0] ?? 0, seeds.at(-1) ?? 0]
  const isRange = seeds.length > 2 && last - first === seeds.length - 1
  const list = isRange ? `${first}–${last}` : seeds.join(', ')
  return `${seeds.length} ${seeds.length === 1 ? 'seed' : 'seeds'} (${list})`
}

/** Nodes and seeds of a set of runs, and how many of them failed. */
export function runsText(runs: readonly RunResult[]): string {
  const failed = runs.filter((run) => !isPassed(run)).length
  const bad = failed === 0 ? '' : `, ${failed} failed`
  return `${rangeText(runs.map(({ nodes }) => nodes))} nodes, ${seedsText(runs)}${bad}`
}

/** The same for all runs, or from the least to the most. */
export function rangeText(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  return least === most ? figure(least, 0) : `${figure(least, 0)}–${figure(most, 0)}`
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** How much was run, and how fast, all seeds together. */
export function effort(runs: readonly RunResult[]) {
  const events = sum(runs.map((run) => run.events))
  const wallS = sum(runs.map((run) => run.wallS))
  const simulatedS = sum(runs.map((run) => run.simulatedS))
  return { events, wallS, simulatedS, eventsPerS: wallS > 0 ? events / wallS : Number.NaN }
}

/** A setting with the values it had, and whether it is worth a look. */
export type SettingLine = {
  readonly name: string
  readonly value: string
  /** In the runs compared with; `null` without a comparison. */
  readonly other: string | null
  /** Other than the default, or with a comparison other than there. */
  readonly isChanged: boolean
}

type Settings = RunResult['settings']
const valueText = (value: string | number | boolean | undefined): string => {
  if (typeof value === 'number')
    return figure(value, Number.isInteger(value) ? 0 : MAX_DECIMALS).replace(/(\.\d*?)0+$/, '$1')
  return value === undefined ? NOTHING : String(value)
}
/** A value, or those of several runs. */
const valuesText = (runs: readonly RunResult[], name: string): string =>
  [...new Set(runs.map(({ settings }) => valueText(settings[name])))].join(', ')

/**
 * Every setting.
 * @param defaults What the scenario has when nothing is asked for.
 */
export function settingLines(
  runs: readonly RunResult[],
  other?: readonly RunResult[],
  defaults?: Settings,
): SettingLine[] {
  const names = new Set([...runs, ...(other ?? [])].flatMap((run) => Object.keys(run.settings)))
  return [...names].map((name) => {
    const value = valuesText(runs, name)
    const otherValue = other ? valuesText(other, name) : null
    const usual = defaults && name in defaults ? valueText(defaults[name]) : value
    return {
      name,
      value,
      other: otherValue,
      isChanged: otherValue === null ? value !== usual : value !== otherValue,
    }
  })
}

/** A pass line over all seeds. */
export type FindingLine = {
  readonly line: string
  readonly holds: boolean
  /** What was seen: at the seeds where it failed, else at the first. */
  readonly seen: readonly { readonly seed: number; readonly seen: string }[]
  readonly heldAt: number
  readonly count: number
}

/** Every pass line once, in the order first seen. */
export function findingLines(runs: readonly RunResult[]): FindingLine[] {
  const all = runs.flatMap(({ seed, findings }) => findings.map((one) => ({ ...one, seed })))
  return [...Map.groupBy(all, ({ line }) => line)].map(([line, ofLine]) => {
    const failed = ofLine.filter(({ holds }) => !holds)
    const shown = failed.length > 0 ? failed : ofLine.slice(0, 1)
    return {
      line,
      holds: failed.length === 0,
      seen: shown.map(({ seed, seen }) => ({ seed, seen })),
      heldAt: ofLine.length - failed.length,
      count: ofLine.length,
    }
  })
}

/** What the percentiles of a curve are of, and what to say when there are none. */
export type CurveText = {
  readonly title: string
  /** What it counts. */
  readonly of: string
  /** Beside the axis. */
  readonly axis: string
  readonly note: string
  readonly empty: string
}

/** In the order in which they are shown. */
export const curveTexts: Readonly<Record<CurveName, CurveText>> = {
  propagation: {
    of: 'first copies',
    title: 'Propagation',
    axis: 'time from publishing to the first copy',
    note: 'Share of first copies, over all messages and nodes, that had come by then.',
    empty: 'no message reached anybody in this run',
  },
  'request to award': {
    of: 'awards',
    title: 'Request to award',
    axis: 'time from opening to award',
    note: 'Share of awarded jobs whose award stood by then, at their builder.',
    empty: 'no job was awarded in this run',
  },
  'price over cost': {
    of: 'paid jobs',
    title: 'Price over cost',
    axis: "pay ÷ winner's own cost",
    note: 'Share of paid jobs with at most that ratio; below 1 the winner lost money.',
    empty: 'nothing was paid in this run',
  },
  utilisation: {
    of: 'provers',
    title: 'Utilisation',
    axis: 'share of the run spent proving',
    note: 'Share of provers that were busy for at most that much of the run.',
    empty: 'no prover took part in this run',
  },
  duplicates: {
    of: 'nodes',
    title: 'Duplicates per node',
    axis: 'copies beyond the first, per message',
    note: 'Share of nodes that got at most so many copies more than they needed.',
    empty: 'no message was heard twice in this run',
  },
  'bytes sent': {
    of: 'nodes',
    title: 'Bytes per node',
    axis: 'sent by a node, per second of the run',
    note: 'Share of nodes that sent at most that much.',
    empty: 'nothing was sent in this run',
  },
}
/** All there are. */
export const curveNames = Object.keys(curveTexts) as CurveName[]
