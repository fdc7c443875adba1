/** `npm run sim`: plays scenarios, shows how far they are, reports what they gave. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { scenarios } from './catalogue.ts'
import { about, list, type Options, readOptions, UsageError, usage } from './main-options.ts'
import type { News, Order } from './main-worker.ts'
import {
  ReportError,
  readRuns,
  reportToTerminal,
  wantsColours,
  writePage,
  writeRuns,
} from './report.ts'
import { isPassed, type RunResult } from './result.ts'
import { SettingError, settingsOf } from './scenario.ts'

/** Between two lines on progress where they cannot be written over one another. ms. */
const LINE_MS = 5_000
/** Status of a program that was told to stop by Ctrl-C. */
const INTERRUPTED = 130

const write = (text: string): void => {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}

/** Says how far all seeds are, on standard error. */
class ProgressLine {
  readonly #shares = new Map<number, number>()
  readonly #count: number
  readonly #beganAt = performance.now()
  readonly #isTerminal = process.stderr.isTTY === true
  #saidAt = performance.now()

  constructor(count: number) {
    this.#count = count
  }

  say(seed: number, share: number): void {
    this.#shares.set(seed, share)
    const now = performance.now()
    if (!this.#isTerminal && now - this.#saidAt < LINE_MS) return
    this.#saidAt = now
    const done = [...this.#shares.values()].reduce((sum, each) => sum + each, 0) / this.#count
    const spentS = (now - this.#beganAt) / 1_000
    const leftS = done > 0.01 ? `, about ${Math.ceil(spentS / done - spentS)} s left` : ''
    const finished = [...this.#shares.values()].filter((each) => each === 1).length
    const seeds = this.#count > 1 ? `, ${finished} of ${this.#count} seeds` : ''
    const line = `${Math.floor(100 * done)} %${seeds}, ${Math.round(spentS)} s${leftS}`
    process.stderr.write(this.#isTerminal ? `\r\u001b[K${line}` : `${line}\n`)
  }

  end(): void {
    if (this.#isTerminal) process.stderr.write('\r\u001b[K')
  }
}

/** Plays all seeds, on as many threads as there are cores and seeds. In order of the seeds. */
async function playAll({ scenario, values, seeds, cores }: Options): Promise<RunResult[]> {
  const progress = new ProgressLine(seeds.length)
  const results = new Map<number, RunResult>()
  const waiting = [...seeds]
  const player = async (): Promise<void> => {
    const worker = new Worker(new URL('./main-worker.ts', import.meta.url))
    try {
      for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
        const order: Order = { scenario: scenario.name, values, seed }
        const result = await new Promise<RunResult>((resolve, reject) => {
          worker.removeAllListeners()
          worker.once('error', reject)
          worker.on('message', (news: News) => {
            if (news.kind === 'progress') progress.say(news.seed, news.share)
            else resolve(news.result)
          })
          worker.postMessage(order)
        })
        results.set(seed, result)
        progress.say(seed, 1)
      }
    } finally {
      await worker.terminate()
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(cores, seeds.length) }, player))
  } finally {
    progress.end()
  }
  return seeds.map((seed) => results.get(seed)!)
}

async function run(options: Options): Promise<number> {
  // Read first: a mistake in its name should not cost a run.
  const compare =
    options.compare === null ? undefined : await readRuns(options.compare, options.scenario.name)
  const runs = await playAll(options)
  const defaults = Object.fromEntries(
    Object.entries(settingsOf(options.scenario)).map(([name, { value }]) => [name, value]),
  )
  const isColoured = wantsColours(process.stdout)
  const columns = process.stdout.columns ?? 100
  write(reportToTerminal(runs, { columns, isColoured, defaults, ...(compare ? { compare } : {}) }))
  if (options.json !== null) await writeRuns(options.json, runs)
  if (options.html !== null) await writePage(options.html, runs, compare, defaults)
  for (const file of [options.json, options.html]) if (file !== null) write(`written: ${file}`)
  const failed = runs.filter((result) => !isPassed(result))
  for (const { seed, command } of failed)
    write(`seed ${seed} failed; this plays it again:\n  ${command}`)
  return failed.length === 0 ? 0 : 1
}

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === 'validate') {
    const path = join(import.meta.dirname, 'validate/main.ts')
    process.argv = [process.execPath, path, ...args.slice(1)]
    await import(pathToFileURL(path).href)
    return Number(process.exitCode ?? 0)
  }
  try {
    const asked = readOptions(args, scenarios, availableParallelism())
    if (asked === 'help') write(usage)
    else if (asked === 'list') write(list(scenarios))
    else if ('about' in asked) write(about(asked.about))
    else return await run(asked)
    return 0
  } catch (error) {
    if (error instanceof UsageError || error instanceof SettingError) {
      console.error(`${error.message}\n\n--help tells more.`)
      return 2
    }
    if (!(error instanceof ReportError)) throw error
    console.error(error.message)
    return 2
  }
}

process.once('SIGINT', () => {
  process.stderr.write('\nstopped; nothing was written\n')
  process.exit(INTERRUPTED)
})
process.exitCode = await main(process.argv.slice(2))
