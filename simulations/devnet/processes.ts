/**
 * The devnet's processes: each in a group of its own, so that Ctrl-C reaches us first and we end
 * them in order; logged to a file; ended with us, whatever ends us (`watchdog.ts`).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/**
 * An agent finishes what it accepted, unless asked again; the money here is made up, so we ask
 * again. ms.
 */
const INSIST_MS = 500
/** How long a process has to end on its own. ms. */
const GRACE_MS = 5_000
/** Lines kept of a log, to find one that was printed before anybody waited for it. */
const KEPT_LINES = 500
/** Last lines shown when a process dies. */
const SHOWN_LINES = 15

/** A process ended that should not have, or not so. The message has its last lines. */
export class ProcessDied extends Error {}

export type Running = {
  readonly name: string
  readonly pid: number
  /** Exit status or signal, once all it printed was read. Never rejects. */
  readonly exited: Promise<string>
  /**
   * The first line, past or to come, that matches. @throws ProcessDied when it ends without one.
   */
  readonly line: (pattern: RegExp) => Promise<RegExpExecArray>
}

export type StartOptions = {
  readonly environment?: Readonly<Record<string, string>>
  readonly onLine?: (line: string) => void
  /** It ends by itself: a build, a deployment. */
  readonly ends?: boolean
}

export class Processes {
  readonly #folder: string
  readonly #watchdog: ChildProcess
  readonly #running = new Set<Running>()
  readonly #died = Promise.withResolvers<never>()
  #stopping = false

  /** @param folder Where the logs go. */
  constructor(folder: string) {
    this.#folder = folder
    this.#died.promise.catch(() => undefined) // asked for or not, it is no crash of ours
    this.#watchdog = spawn(process.execPath, [join(import.meta.dirname, 'watchdog.ts')], {
      stdio: ['pipe', 'ignore', 'inherit'],
      detached: true,
    })
    this.#watchdog.stdin?.on('error', () => undefined) // its exit says so
    this.#watchdog.once('exit', () => this.#report('the watchdog ended: orphans would stay'))
  }

  /** Rejects with `ProcessDied` when a process ends that should run. */
  get died(): Promise<never> {
    return this.#died.promise
  }

  /**
   * Starts a program with a pipe for its standard input that closes with us.
   * @throws ProcessDied once `stopAll` was called: nobody would end it.
   * @param name For its log file and messages.
   */
  start(
    name: string,
    program: string,
    args: readonly string[],
    { environment = {}, onLine, ends = false }: StartOptions = {},
  ): Running {
    if (this.#stopping) throw new ProcessDied(`${name} was not started: all is being stopped`)
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...foreignEnvironment(), ...environment },
      detached: true,
    })
    const lines = new Lines(child, join(this.#folder, `${name}.log`), onLine)
    const pid = child.pid ?? 0
    if (pid > 0) this.#watchdog.stdin?.write(`+${pid}\n`)
    const exited = exitOf(child).then((status) => {
      this.#running.delete(running)
      if (pid > 0 && !this.#watchdog.stdin?.destroyed) this.#watchdog.stdin?.write(`-${pid}\n`)
      if (!ends) this.#report(describe(name, status, lines))
      return status
    })
    const line = (pattern: RegExp) =>
      Promise.race([
        lines.find(pattern),
        exited.then((status): never => {
          throw new ProcessDied(describe(name, status, lines))
        }),
      ])
    const running: Running = { name, pid, exited, line }
    this.#running.add(running)
    return running
  }

  /** Runs a program to its end. @throws ProcessDied unless it exits with 0. */
  async run(
    name: string,
    program: string,
    args: readonly string[],
    options: Omit<StartOptions, 'ends'> = {},
  ): Promise<void> {
    const tail: string[] = []
    const onLine = (line: string): void => {
      tail.push(line)
      options.onLine?.(line)
    }
    const { exited } = this.start(name, program, args, { ...options, onLine, ends: true })
    const status = await exited
    if (status !== '0') throw new ProcessDied(describe(name, status, tail))
  }

  /** Ends every process, the first started (the chain) last. Resolves when none is left. */
  async stopAll(): Promise<void> {
    this.#stopping = true
    const [first, ...others] = this.#running
    await Promise.all(others.map(end))
    if (first) await end(first)
    this.#watchdog.stdin?.end()
  }

  #report(message: string): void {
    if (!this.#stopping) this.#died.reject(new ProcessDied(message))
  }
}

/** What a process prints: into its log file, and the last lines here. */
class Lines implements Iterable<string> {
  readonly #kept: string[] = []
  readonly #waiting = new Set<(line: string) => void>()

  constructor(child: ChildProcess, path: string, onLine?: (line: string) => void) {
    const log = createWriteStream(path, { flags: 'a' })
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue
      stream.pipe(log, { end: false })
      createInterface({ input: stream }).on('line', (line) => {
        this.#kept.push(line)
        if (this.#kept.length > KEPT_LINES) this.#kept.shift()
        for (const take of this.#waiting) take(line)
        onLine?.(line)
      })
    }
    child.once('close', () => log.end())
  }

  [Symbol.iterator]() {
    return this.#kept[Symbol.iterator]()
  }

  find(pattern: RegExp): Promise<RegExpExecArray> {
    const { promise, resolve } = Promise.withResolvers<RegExpExecArray>()
    const take = (line: string): void => {
      const match = pattern.exec(line)
      if (!match) return
      this.#waiting.delete(take)
      resolve(match)
    }
    this.#waiting.add(take)
    for (const line of [...this.#kept]) take(line)
    return promise
  }
}

/**
 * Ours without PROOFWIRE_ variables, which are settings of some other node of this machine's owner.
 */
const foreignEnvironment = () =>
  Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('PROOFWIRE_')))

function exitOf(child: ChildProcess): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  child.once('error', (error) => resolve(error.message))
  child.once('close', (status, signal) => resolve(String(status ?? signal)))
  return promise
}

const describe = (name: string, status: string, lines: Iterable<string>): string =>
  [`${name} ended with ${status}. Its last lines:`, ...[...lines].slice(-SHOWN_LINES)].join('\n  ')

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // Already gone, which is what was wanted.
  }
}

async function end({ pid, exited }: Running): Promise<void> {
  if (pid === 0) return
  signalGroup(pid, 'SIGTERM')
  const timers = [
    setTimeout(() => signalGroup(pid, 'SIGTERM'), INSIST_MS),
    setTimeout(() => signalGroup(pid, 'SIGKILL'), GRACE_MS),
  ]
  await exited
  for (const timer of timers) clearTimeout(timer)
  signalGroup(pid, 'SIGKILL') // what it left behind in its group
}
