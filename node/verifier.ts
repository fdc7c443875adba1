/**
 * Checks proofs off chain, in a thread of its own, so that the event loop never waits for a
 * pairing.
 */
import { extname } from 'node:path'
import { SEGMENT_PROOF_BYTES, type VerificationKey } from '#protocol/proof'
import type { Address, Hex } from '#protocol/schema'
import { Thread } from './thread.ts'
import type { Check } from './verifier-worker.ts'

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

export function createVerifier({ keys }: VerifierOptions): Verifier {
  const thread = new Thread<Check, boolean>({
    path: new URL(`./verifier-worker${extname(import.meta.url)}`, import.meta.url),
    workerData: keys,
    ...{ what: 'proofs', name: 'verifier', maxQueue: MAX_QUEUE },
  })
  return {
    async verify(proof, programId, publicInputsHash, payee) {
      if (!keys.has(programId) || proof.length !== SEGMENT_PROOF_BYTES) return false
      return thread.ask({ proof, programId, publicInputsHash, payee })
    },
    close: () => thread.close(),
  }
}
