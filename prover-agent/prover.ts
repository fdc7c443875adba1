/**
 * Checks the inputs of a job before it is accepted, and proves them after: in a lane, as often as
 * it takes, as long as a proof can still save the bond.
 */

import type { Clock } from '#node/clock'
import type { Log } from '#node/log'
import type { ProverRole } from '#node/proving'
import type { Params } from '#protocol/params'
import type { Address, Hex, ProofRequest } from '#protocol/schema'
import { type Backend, BackendError, type BackendErrorCode } from './backend.ts'
import { keyOf } from './capacity.ts'
import type { Lanes } from './lanes.ts'

export type Verify = (
  proof: Uint8Array,
  programId: Hex,
  publicInputsHash: Hex,
  payee: Address,
) => Promise<boolean>

export type ProverPorts = {
  readonly backend: Backend
  readonly lanes: Lanes
  readonly clock: Clock
  readonly log: Log
  readonly verify: Verify
  /** Why inputs are not the request's or cannot be proven; null if they can. */
  readonly check: ProverRole['check']
  /** Monotonic ms. */
  readonly elapsedMs: () => number
  /**
   * How long after `dueAt` a proof can still be committed, which saves the bond though it earns
   * nothing. ms.
   */
  readonly rescueMs: number
  /** Longest that one attempt may take. ms. */
  readonly attemptLimitMs: number
  /** Own promise for this job, ms since the Unix epoch. */
  readonly promisedAt: (request: ProofRequest) => number
  readonly onProved: (request: ProofRequest, tookMs: number) => void
  /** An attempt failed, in a way that says something about the device. */
  readonly onFault: (reason: string) => void
}

/** Pause before a failed attempt is repeated; doubled up to the second. ms. */
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1_600

/**
 * A proof that is late earns nothing, and still saves the bond while the chain takes its
 * commitment; two slots are left to get that mined. ms after `dueAt`.
 */
export const rescueMs = ({ commitWindowS, slotS }: Pick<Params, 'commitWindowS' | 'slotS'>) =>
  Math.max(0, commitWindowS - 2 * slotS) * 1_000

/** Another attempt cannot end otherwise. */
const isFinal = (code: BackendErrorCode): boolean =>
  code === 'unsupported' || code === 'invalid-input'

/** The agent's part in the node: see `ProverRole`. */
export function createRole(ports: ProverPorts): ProverRole {
  return {
    check: ports.check,
    prove: (job, signal) =>
      ports.lanes.run(
        keyOf(job.request),
        () => ports.promisedAt(job.request),
        signal,
        () => proveInTime(ports, job, signal),
      ),
  }
}

type Job = Parameters<ProverRole['prove']>[0]

/** Attempts until there is a proof that verifies, none can come, or it is too late for any. */
async function proveInTime(
  ports: ProverPorts,
  job: Job,
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  const { clock, log, rescueMs, onFault } = ports
  const { builder, nonce, dueAt } = job.request
  const uselessAt = dueAt + rescueMs
  let pauseMs = FIRST_PAUSE_MS
  while (clock.now() < uselessAt) {
    const attempt = await attemptProof(ports, job, uselessAt, signal)
    if (attempt instanceof Uint8Array) return attempt
    signal.throwIfAborted()
    const { code, message } = attempt
    if (code !== 'retry') onFault(`${code}: ${message}`)
    if (isFinal(code)) {
      log.error('no proof can be made of an accepted job', {
        builder,
        nonce,
        code,
        reason: message,
      })
      return null
    }
    log.warn('proving failed; trying again', { builder, nonce, code, reason: message })
    await pause(clock, pauseMs, signal)
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
  }
  onFault('a job was not proven before its due time')
  log.error('gave up a job: no proof before it was due', { builder, nonce, dueAt })
  return null
}

async function attemptProof(
  ports: ProverPorts,
  { request, inputs, payee }: Job,
  uselessAt: number,
  signal: AbortSignal,
): Promise<Uint8Array | BackendError> {
  const { backend, clock, elapsedMs, attemptLimitMs, log } = ports
  const { verifier, programId, publicInputsHash, builder, nonce } = request
  const deadlineAt = Math.min(uselessAt, clock.now() + attemptLimitMs)
  const beganMs = elapsedMs()
  let proof: Uint8Array
  try {
    proof = await backend.prove({ verifier, programId, inputs, payee, deadlineAt }, signal)
  } catch (error) {
    return error instanceof BackendError
      ? error
      : new BackendError('failed', `${backend.name} broke its contract: ${error}`, { cause: error })
  }
  const tookMs = elapsedMs() - beganMs
  try {
    if (!(await ports.verify(proof, programId, publicInputsHash, payee)))
      return new BackendError('failed', `${backend.name} made a proof that does not verify`)
  } catch (error) {
    // Nothing is known about the proof; the node checks it once more before it delivers.
    log.warn('a proof could not be verified by the agent', { builder, nonce, error })
  }
  ports.onProved(request, tookMs)
  return proof
}

/** @throws the signal's reason when aborted. */
function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const leave = () => {
      cancel()
      reject(signal.reason)
    }
    const cancel = clock.wake(clock.now() + ms, () => {
      signal.removeEventListener('abort', leave)
      resolve()
    })
    signal.addEventListener('abort', leave, { once: true })
  })
}
