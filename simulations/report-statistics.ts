/**
 * Figures over several runs of one scenario, one per seed: means with 95 % confidence intervals
 * (Student's t), and the difference of two sets of runs (Welch: the sets may vary differently and
 * have different sizes). Pure functions; a figure that a run lacks is left out, never zero.
 */
import type { CurveName, RegionRow, RunResult } from './result.ts'

/** A mean over seeds. */
export type Estimate = {
  readonly mean: number
  /** Half the width of the 95 % interval; `null` of one seed, which says nothing of the spread. */
  readonly halfWidth: number | null
  /** How many seeds had the figure. */
  readonly count: number
}

/** What B has more than A. */
export type Difference = {
  readonly difference: number
  /** Half the width of its 95 % interval; `null` if a side has one seed only. */
  readonly halfWidth: number | null
  /** Whether the interval excludes zero. */
  readonly isClear: boolean
}

/** One figure on both sides; `null` where a side lacks it. */
export type Comparison = {
  readonly a: Estimate | null
  readonly b: Estimate | null
  readonly difference: Difference | null
}

/** A measure over seeds. */
export type MeasureEstimate = Estimate & { readonly name: string; readonly unit: string }
/** A measure on both sides. */
export type MeasureComparison = Comparison & { readonly name: string; readonly unit: string }

/** A curve's percentiles, averaged one by one. */
export type CurveEstimate = {
  readonly name: CurveName
  readonly unit: string
  /** How many seeds saw anything. */
  readonly count: number
  /** The 0th to the 100th percentile. */
  readonly points: readonly Estimate[]
}

/** A party's gain in ether, over seeds. */
export type GainEstimate = Estimate & { readonly who: string; readonly isAdversary: boolean }
/** A party's gain in ether on both sides. */
export type GainComparison = Comparison & { readonly who: string; readonly isAdversary: boolean }

/** Two-sided 95 % points of Student's t at 1 to 30 degrees of freedom. */
const T_TABLE = [
  ...[12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281],
  ...[2.201, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.093, 2.086],
  ...[2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423],
]
/** The same at infinitely many: the normal distribution. */
const T_INFINITE = 1.96

/**
 * The 95 % point of Student's t. Welch's degrees are no whole numbers: between two rows, and above
 * the table, t is close to linear in one over the degrees, and never above that line.
 */
export function studentT(degrees: number): number {
  const last = T_TABLE.length
  if (degrees <= 1) return T_TABLE[0]!
  if (degrees >= last) return T_INFINITE + ((T_TABLE[last - 1]! - T_INFINITE) * last) / degrees
  const below = Math.floor(degrees)
  const [low, high] = [T_TABLE[below - 1]!, T_TABLE[below]!]
  const share = (1 / below - 1 / degrees) / (1 / below - 1 / (below + 1))
  return low + (high - low) * share
}

type Spread = { readonly mean: number; readonly squareOfError: number; readonly count: number }

/** Mean, and its variance. Summed as distances from the first, so that equal values give zero. */
function spread(values: readonly number[]): Spread {
  const count = values.length
  const first = values[0]!
  const mean = first + values.reduce((sum, value) => sum + (value - first), 0) / count
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, squareOfError: count > 1 ? squares / (count - 1) / count : 0, count }
}

const finite = (values: readonly number[]): number[] => values.filter(Number.isFinite)

/** Mean and interval of what the seeds gave; `null` of nothing. */
export function estimate(values: readonly number[]): Estimate | null {
  const seen = finite(values)
  if (seen.length === 0) return null
  const { mean, squareOfError, count } = spread(seen)
  const halfWidth = count > 1 ? studentT(count - 1) * Math.sqrt(squareOfError) : null
  return { mean, halfWidth, count }
}

/** The mean of `b` less that of `a`, with Welch's interval; `null` if a side has nothing. */
export function difference(a: readonly number[], b: readonly number[]): Difference | null {
  const [seenA, seenB] = [finite(a), finite(b)]
  if (seenA.length === 0 || seenB.length === 0) return null
  const [ofA, ofB] = [spread(seenA), spread(seenB)]
  const change = ofB.mean - ofA.mean
  if (ofA.count === 1 || ofB.count === 1)
    return { difference: change, halfWidth: null, isClear: false }
  const square = ofA.squareOfError + ofB.squareOfError
  if (square === 0) return { difference: change, halfWidth: 0, isClear: change !== 0 }
  // Shares first: the square of a small square would be zero.
  const [shareA, shareB] = [ofA.squareOfError / square, ofB.squareOfError / square]
  const degrees = 1 / (shareA ** 2 / (ofA.count - 1) + shareB ** 2 / (ofB.count - 1))
  const halfWidth = studentT(degrees) * Math.sqrt(square)
  return { difference: change, halfWidth, isClear: Math.abs(change) > halfWidth }
}

/** Both sides and their difference. */
export const compare = (a: readonly number[], b: readonly number[]): Comparison => ({
  a: estimate(a),
  b: estimate(b),
  difference: difference(a, b),
})

/** What was gathered under one key, with what names it. */
type Group<T> = { readonly named: T; readonly values: number[] }

/** Values by key, in the order in which keys are first seen. */
function group<T>(rows: readonly (readonly [key: string, named: T, value: number])[]) {
  const groups = new Map<string, Group<T>>()
  for (const [key, named, value] of rows) {
    const found = groups.get(key) ?? { named, values: [] }
    if (found.values.length === 0) groups.set(key, found)
    found.values.push(value)
  }
  return groups
}

/** Groups of both sides, in B's order and then what only A has. */
function compareGroups<T>(
  a: ReadonlyMap<string, Group<T>>,
  b: ReadonlyMap<string, Group<T>>,
): (T & Comparison)[] {
  return [...new Set([...b.keys(), ...a.keys()])].map((key) => ({
    ...(b.get(key) ?? a.get(key))!.named,
    ...compare(a.get(key)?.values ?? [], b.get(key)?.values ?? []),
  }))
}

function estimateGroups<T>(groups: ReadonlyMap<string, Group<T>>): (T & Estimate)[] {
  return [...groups.values()].flatMap(({ named, values }) => {
    const found = estimate(values)
    return found ? [{ ...named, ...found }] : []
  })
}

/** A measure whose unit changed is another measure. */
const measuresOf = (runs: readonly RunResult[]) =>
  group(
    runs.flatMap(({ measures }) =>
      measures.map(
        ({ name, unit, value }) => [JSON.stringify([name, unit]), { name, unit }, value] as const,
      ),
    ),
  )

/** Every measure over seeds. */
export const estimateMeasures = (runs: readonly RunResult[]): MeasureEstimate[] =>
  estimateGroups(measuresOf(runs))

/** Every measure that a side has. */
export const compareMeasures = (
  a: readonly RunResult[],
  b: readonly RunResult[],
): MeasureComparison[] => compareGroups(measuresOf(a), measuresOf(b))

const gainsOf = (runs: readonly RunResult[]) =>
  group(
    runs.flatMap(({ gains }) =>
      gains.map(
        ({ who, isAdversary, gainEther }) =>
          [JSON.stringify([who, isAdversary]), { who, isAdversary }, gainEther] as const,
      ),
    ),
  )

/** Every party's gain over seeds. */
export const estimateGains = (runs: readonly RunResult[]): GainEstimate[] =>
  estimateGroups(gainsOf(runs))

/** Every party that a side has. */
export const compareGains = (a: readonly RunResult[], b: readonly RunResult[]): GainComparison[] =>
  compareGroups(gainsOf(a), gainsOf(b))

/** The curves of that name that saw anything, one a seed. */
const curvesOf = (runs: readonly RunResult[], name: CurveName) =>
  runs
    .flatMap(({ curves }) => curves.filter((curve) => curve.name === name))
    .filter(({ quantiles }) => quantiles.length > 0)

/** One percentile of a curve, of each seed that saw anything. */
export const quantilesOf = (
  runs: readonly RunResult[],
  name: CurveName,
  percent: number,
): number[] => curvesOf(runs, name).map(({ quantiles }) => quantiles[percent] ?? Number.NaN)

/** The mean curve and its interval at every percentile; `null` if no seed saw anything. */
export function estimateCurve(runs: readonly RunResult[], name: CurveName): CurveEstimate | null {
  const curves = curvesOf(runs, name)
  const first = curves[0]
  if (!first) return null
  const points = first.quantiles.map((_, percent) =>
    estimate(curves.map(({ quantiles }) => quantiles[percent] ?? Number.NaN)),
  )
  if (points.some((point) => point === null)) return null
  return { name, unit: first.unit, count: curves.length, points: points as Estimate[] }
}

/** Regions in the order first seen, each figure the mean over the seeds that have it. */
export function averageRegions(runs: readonly RunResult[]): RegionRow[] {
  const rows = Map.groupBy(
    runs.flatMap(({ regions }) => regions),
    ({ region }) => region,
  )
  return [...rows].map(([region, ofRegion]) => {
    const mean = (values: readonly (number | null)[]): number | null =>
      estimate(values.filter((value) => value !== null))?.mean ?? null
    return {
      region,
      nodes: mean(ofRegion.map((row) => row.nodes)) ?? 0,
      provers: mean(ofRegion.map((row) => row.provers)) ?? 0,
      propagationP50Ms: mean(ofRegion.map((row) => row.propagationP50Ms)) ?? Number.NaN,
      propagationP95Ms: mean(ofRegion.map((row) => row.propagationP95Ms)) ?? Number.NaN,
      bidsCountedPercent: mean(ofRegion.map((row) => row.bidsCountedPercent)),
      wins: mean(ofRegion.map((row) => row.wins)) ?? 0,
    }
  })
}
