// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * The process that runs snarkjs (GPL-3.0). `backends/snarkjs.ts` starts it by its path and asks
 * over the IPC channel; it answers one question at a time and ends with its parent.
 */
import { createRequire } from 'node:module'
import type { CircuitInput, SnarkjsProof } from './witness.ts'

export type Question = {
  readonly wasm: string
  readonly zkey: string
  readonly input: CircuitInput
}
/** `invalid-input`: the circuit refuses the input, so nobody can prove it. */
export type Answer =
  | { readonly proof: SnarkjsProof }
  | { readonly code: 'invalid-input' | 'failed'; readonly message: string }

type Memory = { type: 'mem'; data?: Uint8Array }
type Snarkjs = {
  readonly wtns: {
    calculate(input: CircuitInput, wasm: string, witness: Memory): Promise<void>
  }
  readonly groth16: { prove(zkey: string, witness: Memory): Promise<{ proof: SnarkjsProof }> }
}
const snarkjs = createRequire(import.meta.url)('snarkjs') as Snarkjs

async function answer({ wasm, zkey, input }: Question): Promise<Answer> {
  const witness: Memory = { type: 'mem' }
  try {
    await snarkjs.wtns.calculate(input, wasm, witness)
  } catch (error) {
    // The one error the circuit itself raises; a missing file, say, is another matter.
    const message = String(error)
    return { code: message.includes('Assert Failed') ? 'invalid-input' : 'failed', message }
  }
  try {
    const { proof } = await snarkjs.groth16.prove(zkey, witness)
    return { proof }
  } catch (error) {
    return { code: 'failed', message: String(error) }
  }
}

process.on('message', async (question: Question) => {
  process.send?.(await answer(question))
})
process.on('disconnect', () => process.exit(0))
