/**
 * How long proofs take here. Measured on a sample before the first bid, then by every real proof;
 * the last ones count. Kept as JSON in the data folder, so that a restart bids at once.
 */
import type { Address, Hex } from '#protocol/schema'
import { AgentError } from './agent-error.ts'
import { readJson, writeAtomically } from './atomic-file.ts'
import type { Backend } from './backend.ts'
import type { Verify } from './prover.ts'
import { quantile } from './quantile.ts'
import type { Sample } from './sample.ts'
import type { Timing } from './strategy.ts'

/**
 * Proofs of one program that count: enough for a 90 % quantile, few enough to follow a device that
 * heats up.
 */
const WINDOW = 64
/** Programs in one file. */
const MAX_PROGRAMS = 64
/** No proof of ours may take longer: the market's jobs are seconds long. ms. */
const MAX_PROOF_MS = 86_400_000
const VERSION = 1

type Series = {
  /** Work of the proofs measured, in the program's own unit. */
  readonly work: bigint
  /** Oldest first, whole ms, at least 1. */
  readonly recentMs: readonly number[]
}

/** Times of proofs, by program. Pure but for being kept up. */
export class Calibration {
  readonly #series = new Map<Hex, Series>()

  /**
   * How long a proof of this much work takes; `null` for a program never measured. More work than
   * was measured takes proportionally longer, less is not trusted to be faster: `work` is the
   * builder's word.
   */
  timingOf(programId: Hex, work: bigint): Timing | null {
    const series = this.#series.get(programId)
    if (!series) return null
    const factor = factorOf(series, work)
    const sorted = series.recentMs.toSorted((a, b) => a - b).map((ms) => Math.ceil(ms * factor))
    return {
      p50Ms: quantile(sorted, 50),
      p90Ms: quantile(sorted, 90),
      maxMs: quantile(sorted, 100),
      count: sorted.length,
    }
  }

  /** Takes a proof's time in. The first of a program says what its unit of measure is. */
  record(programId: Hex, work: bigint, tookMs: number): void {
    const series = this.#series.get(programId) ?? { work: work > 0n ? work : 1n, recentMs: [] }
    const ms = Math.max(1, Math.ceil(tookMs / factorOf(series, work)))
    if (!this.#series.has(programId) && this.#series.size >= MAX_PROGRAMS) return
    this.#series.set(programId, { ...series, recentMs: [...series.recentMs, ms].slice(-WINDOW) })
  }

  /** Forgets a program, to measure it anew. */
  forget(programId: Hex): void {
    this.#series.delete(programId)
  }

  get programIds(): readonly Hex[] {
    return [...this.#series.keys()]
  }

  /** The text of a calibration file. */
  toText(): string {
    const programs = [...this.#series].map(([programId, { work, recentMs }]) => [
      programId,
      { work: String(work), recentMs },
    ])
    return `${JSON.stringify({ version: VERSION, programs: Object.fromEntries(programs) }, null, 2)}\n`
  }

  /** @throws Error that says what is wrong with the file's content. */
  static parse(json: unknown): Calibration {
    const calibration = new Calibration()
    const { version, programs } = (json ?? {}) as { version?: unknown; programs?: unknown }
    if (version !== VERSION) throw new Error(`its version is not ${VERSION}`)
    const entries = Object.entries((programs ?? {}) as object)
    if (entries.length > MAX_PROGRAMS) throw new Error(`it names over ${MAX_PROGRAMS} programs`)
    for (const [programId, value] of entries) {
      calibration.#series.set(...parseSeries(programId, value))
    }
    return calibration
  }
}

/** How many times the measured work this is; never below 1. */
function factorOf({ work: measured }: Series, work: bigint): number {
  return work <= measured ? 1 : Number(work) / Number(measured)
}

function parseSeries(programId: string, value: unknown): [Hex, Series] {
  if (!/^0x[0-9a-f]{64}$/.test(programId)) {
    throw new Error(`${JSON.stringify(programId.slice(0, 80))} is not a programId`)
  }
  const { work, recentMs } = (value ?? {}) as { work?: unknown; recentMs?: unknown }
  if (typeof work !== 'string' || !/^[1-9]\d{0,19}$/.test(work)) {
    throw new Error(`"work" of ${programId} is not a number in quotes`)
  }
  const isTime = (ms: unknown) =>
    Number.isInteger(ms) && Number(ms) >= 1 && Number(ms) < MAX_PROOF_MS
  if (!Array.isArray(recentMs) || recentMs.length === 0 || !recentMs.every(isTime)) {
    throw new Error(`"recentMs" of ${programId} is not a list of whole ms`)
  }
  return [programId as Hex, { work: BigInt(work), recentMs: recentMs.slice(-WINDOW) }]
}

/**
 * Reads a calibration; `null` when there is no file. @throws AgentError that names the file and
 * what to do.
 */
export async function loadCalibration(path: string): Promise<Calibration | null> {
  const json = await readJson(path)
  if (json === undefined) return null
  try {
    return Calibration.parse(json)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const advice = 'Delete it, or run: proofwire agent --calibrate'
    const what = `${path} holds no measurements: ${reason}`
    throw new AgentError('FILE', `${what}. ${advice}`, { cause })
  }
}

/** Keeps a calibration, whole or not at all. */
export const saveCalibration = (path: string, calibration: Calibration): Promise<void> =>
  writeAtomically(path, calibration.toText())

export type MeasureOptions = {
  readonly backend: Backend
  readonly sample: Sample
  readonly payee: Address
  /** How many proofs. */
  readonly count: number
  /** Monotonic ms. */
  readonly elapsedMs: () => number
  /** Whether a proof is one; a device that makes wrong ones is not fit for the market. */
  readonly verify: Verify
  readonly onProof?: (done: number, tookMs: number) => void
  readonly signal: AbortSignal
}

/**
 * Longest that one sample proof may take: a device slower than this has no place in the market. ms.
 */
const SAMPLE_LIMIT_MS = 600_000

/**
 * Proves the sample `count` times, one after the other, the first from cold. Whole ms of each.
 * @throws BackendError, or AgentError when a proof does not verify.
 */
export async function measure(options: MeasureOptions): Promise<number[]> {
  const { backend, sample, payee, elapsedMs, verify, onProof, signal } = options
  const { verifier, programId, inputs } = sample
  const took: number[] = []
  while (took.length < options.count) {
    const deadlineAt = Date.now() + SAMPLE_LIMIT_MS
    const beganMs = elapsedMs()
    const proof = await backend.prove({ verifier, programId, inputs, payee, deadlineAt }, signal)
    const ms = Math.max(1, Math.ceil(elapsedMs() - beganMs))
    if (!(await verify(proof, programId, sample.publicInputsHash, payee))) {
      const what = `a proof made by ${backend.name} does not verify`
      const advice = 'check the device, its driver and the keys'
      throw new AgentError('DEVICE', `${what}; ${advice} before it bids`)
    }
    took.push(ms)
    onProof?.(took.length, ms)
  }
  return took
}
