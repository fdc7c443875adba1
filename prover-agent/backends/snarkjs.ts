/** Proves with snarkjs, in child processes: on any CPU, without anything to install. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Hex } from '#protocol/schema'
import { type Backend, BackendError, type ProofJob, withinDeadline } from '../backend.ts'
import type { Answer, Question } from '../circuits/prover-process.ts'
import { type ShapeName, shapeFiles, shapeOf, shapes } from '../circuits/shapes.ts'
import { finishProof, prepareStatement } from '../circuits/witness.ts'

export type SnarkjsOptions = {
  /** The shapes this backend proves. */
  readonly shapes: readonly ShapeName[]
  /** Where their files are. Default: where the build puts them. */
  readonly keyFolder?: string
  /**
   * Jobs at a time; another gets `retry`. One proof uses every core already, so the default is 1.
   */
  readonly lanes?: number
}

/** How long a process has to end on SIGTERM. It holds nothing worth saving. */
const GRACE_MS = 1_000

const path = fileURLToPath(
  new URL(`../circuits/prover-process${extname(import.meta.url)}`, import.meta.url),
)

/**
 * A backend that keeps one process per lane warm between jobs. Cancelling a job kills its process:
 * snarkjs cannot be interrupted otherwise.
 */
export function createSnarkjsBackend({
  shapes: names,
  keyFolder,
  lanes = 1,
}: SnarkjsOptions): Backend {
  const closing = new AbortController()
  const idle: ChildProcess[] = []
  const running = new Set<Promise<unknown>>()
  const supported = (programId: Hex) => {
    const name = shapeOf(programId)
    return name !== null && names.includes(name) ? name : null
  }

  async function prove(job: ProofJob, stop: AbortSignal): Promise<Uint8Array> {
    const name = supported(job.programId)
    if (name === null) {
      throw new BackendError('unsupported', `snarkjs has no program ${job.programId}`)
    }
    const statement = prepareStatement(job.inputs, job.verifier, job.payee, shapes[name])
    if (statement === null) {
      throw new BackendError('invalid-input', `the inputs do not fit the circuit ${name}`)
    }
    const { wasm, zkey } = shapeFiles(name, keyFolder)
    const child = takeIdle(idle) ?? startProcess()
    try {
      const answer = await ask(child, { wasm, zkey, input: statement.input }, stop)
      if ('code' in answer) throw new BackendError(answer.code, answer.message)
      const proof = finishProof(statement, answer.proof)
      idle.push(child)
      return proof
    } catch (error) {
      await end(child)
      throw error
    }
  }

  return {
    name: 'snarkjs',
    supports: (programId) => supported(programId) !== null,
    async prove(job, signal) {
      if (running.size >= lanes) {
        throw new BackendError('retry', `all ${lanes} lanes of snarkjs are busy`)
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
      await Promise.all(idle.splice(0).map(end))
    },
  }
}

/** A warm process, unless it died while it waited. */
function takeIdle(idle: ChildProcess[]): ChildProcess | undefined {
  const child = idle.pop()
  return child?.connected === false ? takeIdle(idle) : child
}

function startProcess(): ChildProcess {
  const child = fork(path, [], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  child.on('error', () => {}) // a process that cannot start is noticed where it is asked
  setIdle(child)
  return child
}

/** An idle process must not keep the agent alive. */
function setIdle(child: ChildProcess): void {
  child.unref()
  child.channel?.unref()
}

/** Resolves with the child's answer; rejects when the child ends first, or `stop` aborts. */
async function ask(child: ChildProcess, question: Question, stop: AbortSignal): Promise<Answer> {
  const done = new AbortController()
  const signal = AbortSignal.any([stop, done.signal])
  child.ref()
  child.channel?.ref()
  try {
    const answer = Promise.race([
      once(child, 'message', { signal }).then(([message]) => message as Answer),
      once(child, 'exit', { signal }).then(([code, cause]) => {
        throw new Error(`the snarkjs process ended (${code ?? cause}) before it answered`)
      }),
    ])
    child.send(question)
    return await answer
  } finally {
    done.abort()
    setIdle(child)
  }
}

/** Ends a process and waits until it is gone. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.ref()
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  await gone
  clearTimeout(timer)
}
