/** Proves with any external program, by the contract in `README.md` beside this file. */
import { type ChildProcess, spawn } from 'node:child_process'
import { lstat, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from '#protocol/schema'
import { type Backend, BackendError, type ProofJob, withinDeadline } from '../backend.ts'
import { exitCodes, jobFiles, MAX_PROOF_FILE_BYTES, writeJob } from './job-file.ts'

/** How a program ended, for whoever wants to know more than that there is no proof. */
export type Ending = {
  /** Its exit status, or the signal that ended it. */
  readonly status: number | NodeJS.Signals
  /** It was still there when the grace after SIGTERM was over. */
  readonly wasKilled: boolean
  /** What lies at `proof.bin`. */
  readonly proof: FoundFile
}

type FoundFile = 'good' | 'missing' | 'empty' | 'too long' | 'not a plain file'

export type CommandOptions = {
  /** For logs and metrics. */
  readonly name: string
  /** Program and arguments. No shell reads them. */
  readonly argv: readonly [string, ...string[]]
  /** What the program can prove, by programId. */
  readonly programIds: readonly Hex[]
  /** Jobs at a time; another gets `retry`. Default 1. */
  readonly lanes?: number
  /** How long the program may take to end on SIGTERM before it is killed. Default 2,000 ms. */
  readonly graceMs?: number
  /** Where the jobs' directories are made. Default: the system's temporary directory. */
  readonly directory?: string
  /**
   * What the program finds in its environment. Default: ours, without what begins with PROOFWIRE_.
   */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Told what the program writes to `meta.json`, once its proof is there. */
  readonly onMeta?: (meta: Readonly<Record<string, unknown>>) => void
  /** Told how each program ended that was started. */
  readonly onEnd?: (ending: Ending) => void
}

const DEFAULT_GRACE_MS = 2_000
/** A program's `meta.json` is for people; more than this is not read. */
const MAX_META_BYTES = 64 * 1024
/** How much of the end of its output is kept for the error message. */
const OUTPUT_TAIL_CHARACTERS = 2_000
/** How long a process that left the program's group may hold its pipes before they are dropped. */
const OUTPUT_WAIT_MS = 500

export function createCommandBackend(options: CommandOptions): Backend {
  const { name, programIds, lanes = 1 } = options
  const closing = new AbortController()
  const running = new Set<Promise<unknown>>()

  async function prove(job: ProofJob, stop: AbortSignal): Promise<Uint8Array> {
    const directory = await mkdtemp(join(options.directory ?? tmpdir(), 'proofwire-'))
    try {
      await writeJob(directory, job)
      const { status, wasKilled, tail } = await execute(options, directory, stop)
      const path = join(directory, jobFiles.proof)
      const found = await look(path, MAX_PROOF_FILE_BYTES)
      options.onEnd?.({ status, wasKilled, proof: found })
      if (status !== 0) {
        const code = exitCodes[Number(status)] ?? 'failed'
        const words = tail === '' ? '' : `: ${tail}`
        throw new BackendError(code, `${name} ended with ${status}${words}`)
      }
      if (found !== 'good') {
        const wanted = `${jobFiles.proof} of 1 to ${MAX_PROOF_FILE_BYTES} bytes`
        throw new BackendError('failed', `${name} left no ${wanted}: it is ${found}`)
      }
      const proof = await readFile(path)
      await reportMeta(directory, options)
      return proof
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }

  return {
    name,
    supports: (programId) => programIds.includes(programId),
    async prove(job, signal) {
      if (!programIds.includes(job.programId)) {
        throw new BackendError('unsupported', `${name} has no program ${job.programId}`)
      }
      if (running.size >= lanes) {
        throw new BackendError('retry', `all ${lanes} lanes of ${name} are busy`)
      }
      const stop = AbortSignal.any([signal, closing.signal])
      const proving = withinDeadline(job.deadlineAt, stop, (either) => prove(job, either))
      running.add(proving)
      try {
        return await proving
      } finally {
        running.delete(proving)
      }
    },
    async close() {
      closing.abort()
      await Promise.allSettled(running)
    },
  }
}

type Ended = Pick<Ending, 'status' | 'wasKilled'> & {
  /** The end of its output. */
  readonly tail: string
}

/** Runs the program to its end. */
async function execute(
  options: CommandOptions,
  directory: string,
  stop: AbortSignal,
): Promise<Ended> {
  const { argv, graceMs = DEFAULT_GRACE_MS, environment = ownEnvironment() } = options
  const [program, ...args] = argv
  const child = spawn(program, args, {
    cwd: directory,
    env: { ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, so that what a wrapper script started ends with it.
    detached: process.platform !== 'win32',
  })
  let tail = ''
  const keep = (text: string) => {
    tail = (tail + text).slice(-OUTPUT_TAIL_CHARACTERS)
  }
  child.stdout.setEncoding('utf8').on('data', keep)
  child.stderr.setEncoding('utf8').on('data', keep)

  let killTimer: NodeJS.Timeout | undefined
  let wasKilled = false
  const cancel = () => {
    sendSignal(child, 'SIGTERM')
    killTimer = setTimeout(() => {
      wasKilled = child.exitCode === null && child.signalCode === null
      sendSignal(child, 'SIGKILL')
    }, graceMs)
  }
  stop.addEventListener('abort', cancel, { once: true })
  if (stop.aborted) cancel()
  try {
    return { status: await exitOf(child), wasKilled, tail: tail.trim() }
  } finally {
    stop.removeEventListener('abort', cancel)
    clearTimeout(killTimer)
  }
}

/**
 * Exit status, or the signal that ended it, once its output is read. Rejects when it cannot be
 * started.
 */
function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  const { promise, resolve, reject } = Promise.withResolvers<number | NodeJS.Signals>()
  child.once('error', reject)
  child.once('exit', () => {
    // What it left running in its group, which also holds the pipes open.
    sendSignal(child, 'SIGKILL')
    const timer = setTimeout(() => {
      for (const pipe of [child.stdout, child.stderr]) pipe?.destroy()
    }, OUTPUT_WAIT_MS)
    child.once('close', () => clearTimeout(timer))
  })
  child.once('close', (code, cause) => resolve(code ?? cause ?? 'SIGKILL'))
  return promise
}

function sendSignal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    if (process.platform === 'win32') child.kill(name)
    else process.kill(-child.pid, name)
  } catch {
    // Already gone, which is what was wanted.
  }
}

/** Whether a program left what it should at a path. */
async function look(path: string, maxBytes: number): Promise<FoundFile> {
  const found = await lstat(path).catch(() => null)
  if (found === null) return 'missing'
  if (!found.isFile()) return 'not a plain file'
  if (found.size === 0) return 'empty'
  return found.size > maxBytes ? 'too long' : 'good'
}

/** Unreadable meta is no reason to lose a proof. */
async function reportMeta(directory: string, { onMeta }: CommandOptions): Promise<void> {
  const path = join(directory, jobFiles.meta)
  if (onMeta === undefined || (await look(path, MAX_META_BYTES)) !== 'good') return
  try {
    const meta: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof meta === 'object' && meta !== null) onMeta(meta as Record<string, unknown>)
  } catch {
    // Not JSON.
  }
}

/** Our environment without our own settings, which may hold a password. */
export const ownEnvironment = (): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('PROOFWIRE_')))
