/** The JSON of a set of runs: written whole, and read with a clear word on what is amiss. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { curveNames } from './report-format.ts'
import type { RunResult } from './result.ts'

/** What a person can do something about: the command prints the message and nothing else. */
export class ReportError extends Error {
  override readonly name = 'ReportError'
}

const VERSION = 1
const GENERATED_BY = 'proofwire sim'
const HOW_TO_MAKE = 'Such a file is made by: npm run sim -- SCENARIO --json FILE'

/** What went wrong with a file, without the path, which the message has anyway. */
const reason = (error: unknown): string => {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EISDIR') return 'it is a folder'
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return 'that is not permitted'
  if (code === 'ENOSPC') return 'the disk is full'
  return code ?? (error instanceof Error ? error.message : String(error))
}

/**
 * Writes a whole file or leaves what was there: whoever looks never sees half of it.
 * @throws ReportError when it cannot be written.
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(temporary, text)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw new ReportError(`Cannot write ${path}: ${reason(error)}.`)
  }
}

/**
 * Runs of one scenario as JSON. JSON has no NaN, so a figure that is none is written as null.
 * @throws ReportError when the file cannot be written.
 */
export const writeRuns = (path: string, runs: readonly RunResult[]): Promise<void> =>
  writeWhole(
    path,
    `${JSON.stringify({ version: VERSION, generatedBy: GENERATED_BY, runs }, null, 1)}\n`,
  )

/** Where in the file something is not as it should be. */
class Misfit extends Error {}

type Shape<T> = (value: unknown, at: string) => T
type Fields<T> = { readonly [K in keyof T]-?: Shape<T[K]> }

const misfit = (at: string, what: string): never => {
  throw new Misfit(`${at} should be ${what}`)
}
const text: Shape<string> = (value, at) => (typeof value === 'string' ? value : misfit(at, 'text'))
const truth: Shape<boolean> = (value, at) =>
  typeof value === 'boolean' ? value : misfit(at, 'true or false')
const number: Shape<number> = (value, at) =>
  typeof value === 'number' ? value : misfit(at, 'a number')
const wholeNumber: Shape<number> = (value, at) =>
  Number.isSafeInteger(value) ? (value as number) : misfit(at, 'a whole number')
const numberOrNull: Shape<number | null> = (value, at) =>
  value === null ? null : number(value, at)
const numberOrNone: Shape<number> = (value, at) => numberOrNull(value, at) ?? Number.NaN

const list =
  <T>(of: Shape<T>): Shape<T[]> =>
  (value, at) =>
    Array.isArray(value)
      ? value.map((one, index) => of(one, `${at}[${index}]`))
      : misfit(at, 'a list')

const record = (value: unknown, at: string): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : misfit(at, 'an object')

/** An object with those fields; others are dropped, so that a later version may add some. */
const object =
  <T>(fields: Fields<T>): Shape<T> =>
  (value, at) => {
    const given = record(value, at)
    const names = Object.keys(fields) as (keyof T & string)[]
    const pairs = names.map((name) => [name, fields[name](given[name], `${at}.${name}`)])
    return Object.fromEntries(pairs) as T
  }

const oneOf =
  <T extends string>(known: readonly T[]): Shape<T> =>
  (value, at) =>
    known.find((one) => one === value) ?? misfit(at, `one of ${known.join(', ')}`)

const setting: Shape<string | number | boolean> = (value, at) =>
  ['string', 'number', 'boolean'].includes(typeof value)
    ? (value as string | number | boolean)
    : misfit(at, 'text, a number, or true or false')
const settings: Shape<RunResult['settings']> = (value, at) =>
  Object.fromEntries(
    Object.entries(record(value, at)).map(([name, one]) => [name, setting(one, `${at}.${name}`)]),
  )

const PERCENTILES = 101
const quantiles: Shape<number[]> = (value, at) => {
  const values = list(number)(value, at)
  const isWhole = values.length === 0 || values.length === PERCENTILES
  return isWhole ? values : misfit(at, `empty or ${PERCENTILES} numbers`)
}

const run = object<RunResult>({
  scenario: text,
  seed: wholeNumber,
  nodes: wholeNumber,
  settings,
  digest: text,
  command: text,
  events: wholeNumber,
  simulatedS: number,
  wallS: number,
  findings: list(object({ line: text, holds: truth, seen: text })),
  violations: list(
    object({
      invariant: oneOf(['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8']),
      atMs: number,
      event: wholeNumber,
      what: text,
    }),
  ),
  measures: list(object({ name: text, unit: text, value: numberOrNone })),
  curves: list(object({ name: oneOf(curveNames), unit: text, quantiles })),
  regions: list(
    object({
      region: text,
      nodes: wholeNumber,
      provers: wholeNumber,
      propagationP50Ms: numberOrNone,
      propagationP95Ms: numberOrNone,
      bidsCountedPercent: numberOrNull,
      wins: number,
    }),
  ),
  gains: list(object({ who: text, isAdversary: truth, gainEther: numberOrNone })),
})

function parse(path: string, content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    throw new ReportError(`${path} is not JSON. ${HOW_TO_MAKE}`)
  }
}

function runsIn(path: string, content: unknown): RunResult[] {
  const { version, generatedBy, runs } = (content ?? {}) as Record<string, unknown>
  if (generatedBy !== GENERATED_BY || version === undefined || runs === undefined)
    throw new ReportError(`${path} holds no results of a simulation. ${HOW_TO_MAKE}`)
  if (version !== VERSION) {
    const isOf = `is of version ${JSON.stringify(version)}, and this program reads ${VERSION}`
    throw new ReportError(`${path} ${isOf}: run the scenario again with --json ${path}`)
  }
  try {
    return list(run)(runs, 'runs')
  } catch (error) {
    if (!(error instanceof Misfit)) throw error
    throw new ReportError(`${path} is damaged: ${error.message}. ${HOW_TO_MAKE}`)
  }
}

/** The one scenario that the runs are of. */
export function scenarioOf(runs: readonly RunResult[], what: string): string {
  const scenarios = [...new Set(runs.map(({ scenario }) => scenario))]
  if (scenarios.length === 1) return scenarios[0]!
  const problem =
    scenarios.length === 0 ? 'no runs' : `runs of several scenarios (${scenarios.join(', ')})`
  throw new ReportError(`${what} holds ${problem}; one scenario is compared with itself.`)
}

/**
 * Makes sure that two sets of runs can be held against each other.
 * @throws ReportError that says what to do.
 */
export function checkComparable(runs: readonly RunResult[], other: readonly RunResult[]): void {
  const [ours, theirs] = [
    scenarioOf(runs, 'This run'),
    scenarioOf(other, 'The file to compare with'),
  ]
  if (ours === theirs) return
  const problem = `The runs to compare with are of scenario ${theirs}, these are of ${ours}.`
  throw new ReportError(
    `${problem} Make some with: npm run sim -- ${ours} --json FILE, then compare with that FILE.`,
  )
}

/**
 * Runs that `writeRuns` wrote. Any file may be given.
 * @param scenario What they must be of; without it, any.
 * @throws ReportError that says what is wrong with the file, and what to do.
 */
export async function readRuns(path: string, scenario?: string): Promise<RunResult[]> {
  const content = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new ReportError(`Cannot read ${path}: ${reason(error)}. ${HOW_TO_MAKE}`)
  })
  const runs = runsIn(path, parse(path, content))
  const found = scenarioOf(runs, path)
  if (scenario === undefined || scenario === found) return runs
  const remedy = `npm run sim -- ${scenario} --json FILE, then give that FILE`
  throw new ReportError(
    `${path} is of scenario ${found}, not ${scenario}. Make one with: ${remedy}`,
  )
}
