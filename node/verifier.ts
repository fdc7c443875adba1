/**
 * Checks proofs off chain, in a thread of its own, so that the event loop never waits for a
 * pairing.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { SEGMENT_PROOF_BYTES, type VerificationKey } from '#protocol/proof'
import type { Address, Hex } from '#protocol/schema'
import type { Check, Checked } from './verifier-worker.ts'

/** Proofs that may wait for the thread. At about 25 ms each the last of them waits 1.6 s. */
const MAX_QUEUE = 64

export type VerifierOptions = {
  /** The programs this node knows, by programId. Proofs of others are not valid to it. */
  readonly keys: ReadonlyMap<Hex, VerificationKey>
}

export interface Verifier {
  /**
   * Whether these bytes prove, for this payee, the statement the hash stands for. Malformed bytes
   * and unknown programs answer false.
   *
   * @throws Error when more than 64 proofs are waiting, or the verifier is closed: then nothing is
   *   known about the proof.
   */
  verify(proof: Uint8Array, programId: Hex, publicInputsHash: Hex, payee: Address): Promise<boolean>
  /** Stops the thread. What is still waiting is refused with an error. */
  close(): Promise<void>
}

type Waiting = { resolve(valid: boolean): void; reject(error: Error): void }

export function createVerifier({ keys }: VerifierOptions): Verifier {
  const waiting = new Map<number, Waiting>()
  let nextId = 0
  let closed = false
  let worker: Worker | null = null

  const refuseAll = (error: Error) => {
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }

  /** The running thread, or a new one after a crash. */
  const thread = (): Worker => {
    if (worker !== null) return worker
    const path = new URL(`./verifier-worker${extname(import.meta.url)}`, import.meta.url)
    const started = new Worker(path, { workerData: keys })
    started.unref() // an idle verifier must not keep the process alive
    started.on('message', ({ id, valid }: Checked) => {
      waiting.get(id)?.resolve(valid)
      waiting.delete(id)
      if (waiting.size === 0) started.unref()
    })
    const ended = (cause: unknown) => {
      if (worker !== started) return
      worker = null
      refuseAll(new Error('the verifier thread ended; ask again to start another', { cause }))
    }
    started.on('error', ended)
    started.on('exit', ended)
    worker = started
    return started
  }

  thread() // preparing the keys takes 0.2 s, which the first proof need not wait for

  return {
    async verify(proof, programId, publicInputsHash, payee) {
      if (!keys.has(programId) || proof.length !== SEGMENT_PROOF_BYTES) return false
      if (closed) throw new Error('the verifier is closed')
      if (waiting.size >= MAX_QUEUE) {
        throw new Error(`${MAX_QUEUE} proofs are waiting for the verifier; ask again later`)
      }
      const { promise, resolve, reject } = Promise.withResolvers<boolean>()
      const check: Check = { id: nextId++, proof, programId, publicInputsHash, payee }
      waiting.set(check.id, { resolve, reject })
      const running = thread()
      running.ref()
      running.postMessage(check)
      return promise
    },
    async close() {
      closed = true
      const running = worker
      worker = null
      await running?.terminate()
      refuseAll(new Error('the verifier was closed'))
    },
  }
}
