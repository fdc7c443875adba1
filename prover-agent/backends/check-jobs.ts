/** The jobs a backend is checked with: a good one, and ones that nobody can prove. */
import { createVerifier } from '#node/verifier'
import { decodeInputs, encodeInputs } from '#protocol/inputs'
import type { Address, Hex } from '#protocol/schema'
import type { ProofJob } from '../backend.ts'
import { loadVerificationKey, type ShapeName, shapes } from '../circuits/shapes.ts'
import { sampleOf } from '../sample.ts'
import { readJob } from './job-file.ts'

export type Terms = Omit<ProofJob, 'deadlineAt' | 'payee'>

export type CheckJobs = {
  readonly good: Terms
  /** Inputs that nobody can prove, with what is wrong with them. */
  readonly bad: readonly { readonly why: string; readonly terms: Terms }[]
  /** Whether a proof of the good job is one, for this payee. Null where no key is at hand. */
  readonly verify: ((proof: Uint8Array, payee: Address) => Promise<boolean>) | null
  close(): Promise<void>
}

/** A program that no prover knows. */
export const UNKNOWN_PROGRAM: Hex = `0x${'0b'.repeat(32)}`

/** Jobs of a built shape. @throws Error when it is not built. */
export async function shapeJobs(name: ShapeName): Promise<CheckJobs> {
  const { verifier, programId, inputs, publicInputsHash } = sampleOf(name)
  const good: Terms = { verifier, programId, inputs }
  const checker = createVerifier({ keys: new Map([[programId, await loadVerificationKey(name)]]) })
  const forged = { ...good, inputs: forgeSignature(inputs) }
  return {
    good,
    bad: [cutShort(good), { why: 'a signature in them is wrong', terms: forged }],
    verify: (proof, payee) => checker.verify(proof, programId, publicInputsHash, payee),
    close: () => checker.close(),
  }
}

/** The job of a folder as the agent lays it out: for a program whose circuit is not ours. */
export async function folderJobs(folder: string): Promise<CheckJobs> {
  const { verifier, programId, inputs } = await readJob(folder)
  const good: Terms = { verifier, programId, inputs }
  return { good, bad: [cutShort(good)], verify: null, close: async () => {} }
}

export const isShape = (name: string): name is ShapeName => Object.hasOwn(shapes, name)

const cutShort = (good: Terms) => ({
  why: 'they lack their first byte',
  terms: { ...good, inputs: good.inputs.subarray(1) },
})

/** Inputs in good form whose first signature is another's: only the circuit sees it. */
function forgeSignature(bytes: Uint8Array): Uint8Array {
  const inputs = decodeInputs(bytes)
  const [first, ...rest] = inputs?.witnesses ?? []
  const acting = first?.acting
  if (!inputs || !first || !acting?.signature) throw new Error('the sample has no signature')
  const [x, y, s] = acting.signature
  const forged = { ...first, acting: { ...acting, signature: [x, y, s + 1n] as const } }
  return encodeInputs({ ...inputs, witnesses: [forged, ...rest] })
}
