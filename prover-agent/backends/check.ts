/**
 * Checks a backend against the contract, rule by rule, with real jobs. `check-main.ts` is the
 * command; `README.md` beside this file has the contract.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Address, Hex } from '#protocol/schema'
import { type Backend, BackendError, type BackendErrorCode } from '../backend.ts'
import type { Ground } from './check-ground.ts'
import { type CheckJobs, type Terms, UNKNOWN_PROGRAM } from './check-jobs.ts'
import type { Ending } from './command.ts'
import { MAX_PROOF_FILE_BYTES } from './job-file.ts'

/** What a backend must do, by the number under which the check names it. */
export const rules = {
  B1: 'answers a valid job with a proof, before its deadline',
  B2: `exit status 0 means a proof.bin: one plain file of 1 to ${MAX_PROOF_FILE_BYTES} bytes`,
  B3: 'the proof verifies, and pays the payee of the job',
  B4: 'two payees get two proofs, each good for its own payee alone',
  B5: 'exit status 2, and no other, for a program it does not know',
  B6: 'exit status 3 for inputs that nobody can prove, and for no others',
  B7: 'ends on SIGTERM within the grace',
  B8: 'is over at the deadline of its job',
  B9: 'leaves no process behind',
  B10: 'writes in its own directory alone',
} as const

export type Rule = keyof typeof rules

export type Finding = {
  readonly rule: Rule
  readonly verdict: 'holds' | 'broken' | 'not checked'
  /** What was seen, or why nothing was. */
  readonly seen: string
}

/** What is checked. */
export type Subject = {
  /** Makes the backend for jobs of these programs. It is closed when all is checked. */
  create(programIds: readonly Hex[], onEnd: (ending: Ending) => void): Backend
  /** Null for a backend inside this process, which has no directory and no exit status. */
  readonly ground: Ground | null
  readonly jobs: CheckJobs
  /** How long a proof may take. ms. */
  readonly timeoutMs: number
  /** How long it may take to end on SIGTERM. ms. */
  readonly graceMs: number
}

const payees: readonly [Address, Address] = [`0x${'a1'.repeat(20)}`, `0x${'b2'.repeat(20)}`]
/** A killed process is gone a moment later; one that was left is still there then. ms. */
const LEAVE_MS = 1_000
const LOOK_AGAIN_MS = 50
/** Least time a program gets before it is stopped, to be more than starting. ms. */
const LEAST_RUN_MS = 300

/** How a job ended, seen from outside and inside. */
type Outcome = {
  readonly proof: Uint8Array | null
  readonly code: BackendErrorCode | 'proven' | 'thrown'
  readonly message: string
  readonly tookMs: number
  /** From the moment it was told to stop. */
  readonly stoppedMs: number
  readonly ending: Ending | null
}

/** All rules, in order. What the backend does wrong is found, not thrown. */
export async function checkBackend(subject: Subject): Promise<readonly Finding[]> {
  const check = new Check(subject)
  try {
    await check.run()
  } finally {
    await check.close()
  }
  const order = Object.keys(rules)
  return check.findings.toSorted((a, b) => order.indexOf(a.rule) - order.indexOf(b.rule))
}

class Check {
  readonly findings: Finding[] = []
  readonly #subject: Subject
  readonly #backend: Backend
  readonly #strays = new Set<number>()
  /** The first proof may be slower than the rest: what it needs is not in memory yet. */
  #quickestMs = Number.POSITIVE_INFINITY
  /** How the last program ended, if one did since this was cleared. */
  #ending: Ending | null = null

  constructor(subject: Subject) {
    this.#subject = subject
    this.#backend = subject.create([subject.jobs.good.programId, UNKNOWN_PROGRAM], (ending) => {
      this.#ending = ending
    })
  }

  close = (): Promise<void> => this.#backend.close()

  async run(): Promise<void> {
    const { jobs } = this.#subject
    const first = await this.#prove(jobs.good, payees[0])
    this.#answers(first)
    this.#file(first)
    await this.#payees(first)
    if (first.code === 'timed-out') {
      for (const rule of ['B5', 'B6'] as const) this.#skip(rule, 'it does not answer: see B1')
    } else {
      await this.#unknownProgram()
      await this.#badInputs(first)
    }
    // In the middle of its work: it has started, and has not yet proven.
    const halfMs = Math.max(LEAST_RUN_MS, Math.round(Math.min(first.tookMs, this.#quickestMs) / 2))
    this.#stops('B7', await this.#prove(jobs.good, payees[0], { cancelAfterMs: halfMs }))
    const late =
      first.code === 'timed-out'
        ? first
        : await this.#prove(jobs.good, payees[0], { timeoutMs: halfMs })
    this.#stops('B8', late)
    await this.#leavings()
  }

  /** One job, to its end. */
  async #prove(
    terms: Terms,
    payee: Address,
    limits: { readonly timeoutMs?: number; readonly cancelAfterMs?: number } = {},
  ): Promise<Outcome> {
    const { timeoutMs, ground } = this.#subject
    const { cancelAfterMs } = limits
    this.#ending = null
    const cancel = new AbortController()
    const startedAt = Date.now()
    const deadlineAt = startedAt + (limits.timeoutMs ?? timeoutMs)
    const timer = setTimeout(() => cancel.abort(), cancelAfterMs ?? 2 * timeoutMs)
    const result = await this.#backend
      .prove({ ...terms, payee, deadlineAt }, cancel.signal)
      .then((proof) => ({ proof, code: 'proven' as const, message: '' }))
      .catch((error: unknown) => ({
        proof: null,
        code: error instanceof BackendError ? error.code : ('thrown' as const),
        message: error instanceof Error ? error.message : String(error),
      }))
    const tookMs = Date.now() - startedAt
    clearTimeout(timer)
    if (result.code === 'proven') this.#quickestMs = Math.min(this.#quickestMs, tookMs)
    for (const id of await strays(ground)) this.#strays.add(id)
    const stopAfterMs = cancelAfterMs ?? limits.timeoutMs ?? timeoutMs
    return { ...result, tookMs, stoppedMs: tookMs - stopAfterMs, ending: this.#ending }
  }

  #answers(first: Outcome): void {
    const { timeoutMs } = this.#subject
    if (first.code === 'proven') this.#holds('B1', `a proof after ${first.tookMs} ms`)
    else if (first.code === 'timed-out') this.#breaks('B1', `no answer within ${timeoutMs} ms`)
    else this.#breaks('B1', saying(first))
  }

  #file({ ending, proof }: Outcome): void {
    if (this.#subject.ground === null) this.#skip('B2', 'a backend inside this process')
    else if (ending?.status !== 0) this.#skip('B2', 'it did not exit with 0: see B1')
    else if (ending.proof === 'good') this.#holds('B2', `a file of ${proof?.length} bytes`)
    else this.#breaks('B2', `exit status 0, and proof.bin is ${ending.proof}`)
  }

  /** B3, and a second job for B4. */
  async #payees({ proof }: Outcome): Promise<void> {
    const { verify, good } = this.#subject.jobs
    const [one, other] = payees
    if (proof === null) {
      for (const rule of ['B3', 'B4'] as const) this.#skip(rule, 'there is no proof: see B1')
      return
    }
    if (verify === null) {
      for (const rule of ['B3', 'B4'] as const) this.#skip(rule, 'no key of this program is known')
      return
    }
    if (!(await verify(proof, one))) {
      const head = Buffer.from(proof.subarray(0, 24)).toString('hex')
      this.#breaks('B3', `${proof.length} bytes that do not verify for ${one}: 0x${head}…`)
      this.#skip('B4', 'the first proof does not verify: see B3')
      return
    }
    this.#holds('B3', `it verifies for ${one}`)
    const second = await this.#prove(good, other)
    if (second.proof === null) {
      this.#breaks('B4', `no proof for the second payee: ${saying(second)}`)
      return
    }
    const own = await verify(second.proof, other)
    const crossed = (await verify(proof, other)) || (await verify(second.proof, one))
    if (!own) this.#breaks('B4', `the second proof does not verify for ${other}`)
    else if (crossed) this.#breaks('B4', 'a proof for one payee verifies for the other')
    else this.#holds('B4', 'each verifies for its own payee and not for the other')
  }

  async #unknownProgram(): Promise<void> {
    const { jobs } = this.#subject
    const outcome = await this.#prove({ ...jobs.good, programId: UNKNOWN_PROGRAM }, payees[0])
    if (outcome.code === 'unsupported') this.#holds('B5', saying(outcome))
    else this.#breaks('B5', saying(outcome))
  }

  async #badInputs(first: Outcome): Promise<void> {
    if (first.code === 'invalid-input') {
      this.#breaks('B6', `it says so of inputs that can be proven: ${saying(first)}`)
      return
    }
    for (const { why, terms } of this.#subject.jobs.bad) {
      const outcome = await this.#prove(terms, payees[0])
      if (outcome.code === 'invalid-input') continue
      this.#breaks('B6', `inputs that nobody can prove (${why}): ${saying(outcome)}`)
      return
    }
    this.#holds('B6', this.#subject.jobs.bad.map(({ why }) => why).join('; '))
  }

  /** A job that was cancelled (B7), or whose deadline passed (B8). */
  #stops(rule: 'B7' | 'B8', outcome: Outcome): void {
    const { graceMs } = this.#subject
    const { code, ending, stoppedMs } = outcome
    const wanted = rule === 'B7' ? 'cancelled' : 'timed-out'
    if (ending?.wasKilled || stoppedMs > graceMs + LEAVE_MS) {
      const how = ending?.wasKilled ? 'it had to be killed' : `it ended after ${stoppedMs} ms`
      this.#breaks(rule, `still running ${graceMs} ms after SIGTERM; ${how}`)
    } else if (code === wanted) {
      this.#holds(rule, `over ${Math.max(0, stoppedMs)} ms after it was told to stop`)
    } else if (stoppedMs < 0) {
      this.#skip(rule, `it ended before it could be stopped (${saying(outcome)})`)
    } else {
      this.#breaks(rule, `${stoppedMs} ms after it was told to stop: ${saying(outcome)}`)
    }
  }

  async #leavings(): Promise<void> {
    const { ground } = this.#subject
    if (ground === null) {
      for (const rule of ['B9', 'B10'] as const) this.#skip(rule, 'a backend inside this process')
      return
    }
    const ids = [...this.#strays]
    if ((await ground.processes()) === null) this.#skip('B9', 'only Linux shows what is left')
    else if (ids.length > 0) this.#breaks('B9', `still running after it: ${ids.join(', ')}`)
    else this.#holds('B9', 'nothing it started is left')
    const changes = await ground.changes()
    const shown = changes.slice(0, 5).join(', ')
    const more = changes.length > 5 ? ` and ${changes.length - 5} more` : ''
    if (changes.length > 0) this.#breaks('B10', `${shown}${more}`)
    else this.#holds('B10', 'nothing changed in the home, the temporary folder or beside the job')
  }

  #holds = (rule: Rule, seen: string) => this.findings.push({ rule, verdict: 'holds', seen })
  #breaks = (rule: Rule, seen: string) => this.findings.push({ rule, verdict: 'broken', seen })
  #skip = (rule: Rule, seen: string) => this.findings.push({ rule, verdict: 'not checked', seen })
}

const saying = ({ code, message, ending, tookMs }: Outcome): string => {
  if (code === 'proven') return `a proof after ${tookMs} ms`
  const status = ending === null ? code : `exit status ${ending.status}`
  return `${status}: ${message.slice(-300)}`
}

/** What is left of a ground's processes after a moment; it is ended then. */
async function strays(ground: Ground | null): Promise<readonly number[]> {
  const giveUpAt = Date.now() + LEAVE_MS
  for (;;) {
    const left = (await ground?.processes()) ?? []
    if (left.length === 0) return left
    if (Date.now() >= giveUpAt) {
      for (const id of left) endProcess(id)
      return left
    }
    await sleep(LOOK_AGAIN_MS)
  }
}

function endProcess(id: number): void {
  try {
    process.kill(id, 'SIGKILL')
  } catch {
    // Gone by itself.
  }
}
