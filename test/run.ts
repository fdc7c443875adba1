/**
 * `npm test`: everything a change must pass, cheapest first, one line a step and a count at the
 * end.
 *
 *     npm test                    all steps
 *     npm test -- types unit      only these
 *     npm run test:long           what takes too long for every change
 *
 * A failing step does not keep the next from running; any failure makes the exit status 1.
 */
import { spawn } from 'node:child_process'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { performance } from 'node:perf_hooks'
import { forgeEnvironment, foundryBinary } from '#contracts/build'

const root = join(import.meta.dirname, '..')
const results = join(root, 'build/test-results.json')
const bin = (path: string): string => join(root, 'node_modules', path)

type Counts = {
  readonly passed: number
  readonly failed: number
  /** Which failed and why, for the end of the output, where a reader looks first. */
  readonly failures?: readonly string[]
}
type Step = {
  readonly name: string
  readonly what: string
  readonly command: readonly string[]
  readonly environment?: NodeJS.ProcessEnv
  /** Runs only when it is asked for by name. */
  readonly isLong?: boolean
  /** How many tests passed and failed, where the step says; else it counts as one itself. */
  readonly count?: (output: string) => Counts | null | Promise<Counts | null>
}

/**
 * forge closes with `Ran 3 test suites in 2s: 41 tests passed, 0 failed, 0 skipped (41 total
 * tests)`.
 */
function forgeCounts(output: string): Counts | null {
  const totals = [...output.matchAll(/Ran \d+ test suites?.*?(\d+) tests passed, (\d+) failed/g)]
  const last = totals.at(-1)
  const failures = [...output.matchAll(/^\[FAIL.*$/gm)].map(([line]) => line.slice(0, 400))
  // Each is printed where it happened, and again at the end.
  const each = [...new Set(failures)]
  return last ? { passed: Number(last[1]), failed: Number(last[2]), failures: each } : null
}

type VitestResults = {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly status: string
      readonly fullName: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

async function vitestCounts(): Promise<Counts | null> {
  const text = await readFile(results, 'utf8').catch(() => null)
  if (text === null) return null
  const { numPassedTests, numFailedTests, testResults }: VitestResults = JSON.parse(text)
  return { passed: numPassedTests, failed: numFailedTests, failures: vitestFailures(testResults) }
}

function vitestFailures(files: VitestResults['testResults']): string[] {
  return files.flatMap(({ name, message, assertionResults }) => {
    const file = relative(root, name)
    const failed = assertionResults.filter(({ status }) => status === 'failed')
    if (failed.length === 0) return message === '' ? [] : [`${file}: ${brief(message)}`]
    return failed.map((test) => `${file} > ${test.fullName}: ${brief(test.failureMessages[0])}`)
  })
}

/** What a test said, without where; all of it is above. */
const brief = (message = ''): string => message.split(/\n\s+at /)[0]!.slice(0, 400)

const vitest = (project: string): Step => ({
  name: project,
  what: `test/${project}, with vitest`,
  command: [
    ...[process.execPath, bin('vitest/vitest.mjs'), 'run', '--project', project],
    ...['--reporter=default', '--reporter=json', `--outputFile=${results}`],
  ],
  count: vitestCounts,
})

/**
 * The steps, in rows of lanes; the lanes of a row use one core each and run side by side, the steps
 * of a lane one after the other.
 */
function allSteps(): readonly (readonly (readonly Step[])[])[] {
  const node = process.execPath
  const forge: Step = {
    name: 'forge',
    what: 'test/contracts, with forge',
    command: [foundryBinary('forge'), 'test', '--color', 'never'],
    environment: forgeEnvironment(),
    count: forgeCounts,
  }
  return [
    [
      [
        { name: 'types', what: 'tsc', command: [node, bin('typescript/bin/tsc'), '--noEmit'] },
        {
          name: 'style',
          what: 'biome',
          command: [node, bin('@biomejs/biome/bin/biome'), 'check', '.'],
        },
      ],
      [
        {
          name: 'abi',
          what: 'contracts/abi.ts is what the sources give',
          command: [node, 'contracts/generate.ts', '--check'],
        },
      ],
    ],
    [[vitest('unit')]],
    [
      // For most of its time forge compiles, on one core.
      [forge, { name: 'gas', what: 'gas snapshot', command: [node, 'test/contracts/gas.ts'] }],
      [vitest('sim')],
    ],
    [[vitest('tables')]],
    [[vitest('e2e')]],
    [
      [
        {
          ...vitest('long'),
          what: 'test/long, and everybody killed at every phase',
          isLong: true,
        },
      ],
    ],
  ]
}

/** Runs a step with its output shown. Resolves with its status and what it printed. */
function execute({ command, environment }: Step): Promise<{ status: number; output: string }> {
  const [program, ...args] = command
  const child = spawn(program!, args, {
    cwd: root,
    env: environment ?? process.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    process.stdout.write(text)
  })
  const { promise, resolve } = Promise.withResolvers<{ status: number; output: string }>()
  child.once('error', (error) => {
    console.error(`${program} could not be started: ${error.message}`)
    resolve({ status: 1, output })
  })
  child.once('close', (status) => resolve({ status: status ?? 1, output }))
  return promise
}

async function run(step: Step): Promise<Counts & { readonly line: string }> {
  console.log(`\n== ${step.name}: ${step.what}`)
  if (step.count === vitestCounts) await rm(results, { force: true })
  const startedAt = performance.now()
  const { status, output } = await execute(step)
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  const counted = (await step.count?.(output)) ?? { passed: 0, failed: 0 }
  // A step that fails without a failing test (a crash, a type error) is a failure of its own.
  const failed = status !== 0 && counted.failed === 0 ? 1 : counted.failed
  const passed = step.count === undefined && status === 0 ? 1 : counted.passed
  const verdict = status === 0 ? 'ok    ' : 'FAILED'
  const line = `${verdict} ${step.name.padEnd(6)} ${seconds.padStart(6)} s  ${step.what}`
  const failures = counted.failures ?? []
  const counts = step.count ? `: ${passed} passed, ${failed} failed` : ''
  return { passed, failed, failures, line: `${line}${counts}` }
}

const rows = allSteps()
const steps = rows.flat(2)
const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !steps.some((step) => step.name === name))
if (unknown.length > 0) {
  console.error(
    `no step ${unknown.join(', ')}; there are ${steps.map(({ name }) => name).join(', ')}`,
  )
  process.exit(2)
}
await mkdir(join(root, 'build'), { recursive: true })
const done: Awaited<ReturnType<typeof run>>[] = []
const isChosen = ({ name, isLong }: Step): boolean =>
  asked.length === 0 ? !isLong : asked.includes(name)
for (const row of rows) {
  const lanes = row.map(async (lane) => {
    for (const step of lane.filter(isChosen)) done.push(await run(step))
  })
  await Promise.all(lanes)
}
const sum = (key: 'passed' | 'failed'): number => done.reduce((total, step) => total + step[key], 0)
console.log(`\n${done.map(({ line }) => line).join('\n')}\n`)
for (const failure of done.flatMap(({ failures }) => failures ?? []))
  console.log(`FAILED ${failure}`)
console.log(`${sum('passed')} passed, ${sum('failed')} failed`)
process.exitCode = sum('failed') === 0 ? 0 : 1
