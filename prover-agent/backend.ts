/** What can prove: one interface, whatever runs behind it. */
import type { Address, Hex } from '#protocol/schema'

export type ProofJob = {
  /** Who checks the proof: the table's words name it, with the program the inputs name. */
  readonly verifier: Address
  /** The circuit's key, as the request names it. */
  readonly programId: Hex
  /** The builder's inputs (`protocol/inputs.ts`), already checked against the request. */
  readonly inputs: Uint8Array
  /** Who the proof pays: the prover's own address. */
  readonly payee: Address
  /** Ms since the Unix epoch: a proof after this instant is worth nothing, the backend gives up. */
  readonly deadlineAt: number
}

export interface Backend {
  /** For logs and metrics, such as `snarkjs`. */
  readonly name: string
  supports(programId: Hex): boolean
  /**
   * Proves. The bytes are a proof on the wire (`protocol/proof.ts`), which the agent verifies
   * before it delivers.
   *
   * @param signal Aborting it ends the work at once: what runs for the job is stopped.
   * @throws BackendError, and nothing else.
   */
  prove(job: ProofJob, signal: AbortSignal): Promise<Uint8Array>
  /** Ends what is kept warm between jobs. Jobs still running are cancelled. */
  close(): Promise<void>
}

/**
 * Why there is no proof: `unsupported` program, `invalid-input` (no prover could prove it), `retry`
 * (the device is busy, the same job may pass later), `failed`, `cancelled` by the signal,
 * `timed-out` at the deadline.
 */
export type BackendErrorCode =
  | 'unsupported'
  | 'invalid-input'
  | 'retry'
  | 'failed'
  | 'cancelled'
  | 'timed-out'

export class BackendError extends Error {
  override readonly name = 'BackendError'
  readonly code: BackendErrorCode

  constructor(code: BackendErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The longest a Node timer can wait: 2^31 − 1 ms, about 25 days. */
const MAX_TIMER_MS = 2_147_483_647

/**
 * Does a job's work under a signal that aborts with the caller's, or at the job's deadline.
 *
 * @param work Must end soon after the signal aborts; whatever it throws then counts as being
 *   stopped.
 * @throws BackendError, whatever `work` throws: `cancelled` or `timed-out` when stopped, else its
 *   own BackendError, else `failed` with the cause.
 */
export async function withinDeadline<T>(
  deadlineAt: number,
  signal: AbortSignal,
  work: (stop: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController()
  const leftMs = Math.min(deadlineAt - Date.now(), MAX_TIMER_MS)
  const timer = setTimeout(() => deadline.abort(), Math.max(0, leftMs))
  if (leftMs <= 0) deadline.abort()
  const stop = AbortSignal.any([signal, deadline.signal])
  try {
    stop.throwIfAborted()
    return await work(stop)
  } catch (error) {
    if (signal.aborted) throw new BackendError('cancelled', 'the job was cancelled')
    if (deadline.signal.aborted) throw new BackendError('timed-out', 'the deadline has passed')
    if (error instanceof BackendError) throw error
    throw new BackendError('failed', `the backend failed: ${error}`, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}
