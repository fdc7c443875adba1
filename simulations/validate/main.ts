/**
 * `npm run sim -- validate`: plays the same auctions over real connections and in the simulator,
 * and says how far the simulator is off.
 */
import { writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { isNative } from '#protocol/signature'
import { compare, overheadOf, tableOf } from './compare.ts'
import type { Measured } from './measure.ts'
import { runModel } from './model.ts'
import { type Options, readOptions, UsageError, usage } from './options.ts'
import { makePlan, type Plan, runMs } from './plan.ts'
import { type RealRun, runReal } from './real.ts'

/** Above this share of a hop, what is measured is this machine, not the network. Percent. */
const MAX_OVERHEAD_PERCENT = 5
/** Starting the processes takes about so long. Seconds. */
const START_S = 3
/** The first signal ends the run in order, a second one at once. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

class Interrupted extends Error {
  readonly signal: (typeof SIGNALS)[number]
  constructor(signal: (typeof SIGNALS)[number]) {
    super(signal)
    this.signal = signal
  }
}

function listenForEnd(): AbortSignal {
  const ending = new AbortController()
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (ending.signal.aborted) process.exit(128 + constants.signals[signal])
      ending.abort(new Interrupted(signal))
    })
  }
  return ending.signal
}

const say = (text: string): void => void process.stderr.write(`${text}\n`)

const latencies = ({ p50Ms, p95Ms, duplicatesPerDelivery, deliveries, missed }: Measured): string =>
  `p50 ${p50Ms.toFixed(1)} ms, p95 ${p95Ms.toFixed(1)} ms, ` +
  `${duplicatesPerDelivery.toFixed(2)} duplicates, ${deliveries} deliveries, ${missed} missed`

/** What the machine and the meshes were like: without it a miss cannot be explained. */
function describe(plan: Plan, run: RealRun): string {
  const { hopMs, overheadMs } = overheadOf(plan, run.traces)
  const mean = (values: readonly number[]): string =>
    (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(2)
  const load = run.load.map(
    ({ cpuLoad, lagP99Ms }) => `${Math.round(100 * cpuLoad)} % (lag p99 ${lagP99Ms.toFixed(1)} ms)`,
  )
  const share = ((100 * overheadMs) / hopMs).toFixed(1)
  const lines = [
    `a hop takes ${hopMs.toFixed(1)} ms, of which ${share} % is this machine's`,
    `cores in use: ${load.join(', ')}`,
    `mean mesh size ${run.meshes.map(mean).join(' at the start, ')} at the end`,
    ...Object.entries(run.refused).map(([why, count]) => `${count} × ${why}`),
  ]
  if (overheadMs > (MAX_OVERHEAD_PERCENT / 100) * hopMs)
    lines.push('that is too much: close other programs, or raise --stretch')
  return lines.join('\n')
}

async function run(options: Options): Promise<number> {
  if (!isNative())
    say('secp256k1 runs without its native library: signatures will take most of the time.')
  const plan = makePlan(options)
  const { places, rounds, stretch } = plan
  const seconds = Math.ceil(runMs(plan) / 1_000) + START_S
  say(`${places.length} nodes, ${rounds.length} auctions, ${stretch} times slower: ${seconds} s`)
  const model = runModel(plan)
  say(`model: ${latencies(model)}`)
  const real = await runReal(plan, { signal: listenForEnd(), onProgress: say })
  say(`real: ${latencies(real.measured)}\n${describe(plan, real)}`)
  const rows = compare(real.measured, model)
  process.stdout.write(tableOf(rows))
  if (options.json !== null) {
    const file = { options, comparison: rows, model, real, plan }
    await writeFile(options.json, `${JSON.stringify(file, null, 1)}\n`)
  }
  return rows.every(({ holds }) => holds) && real.measured.missed === 0 ? 0 : 1
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args)
    if (options) return await run(options)
    process.stdout.write(usage)
    return 0
  } catch (error) {
    if (error instanceof Interrupted) return 128 + constants.signals[error.signal]
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
    return error instanceof UsageError ? 2 : 1
  }
}

process.exitCode = await main(process.argv.slice(2))
