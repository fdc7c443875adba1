/** Whether an agent can prove what a builder sends it. Pure. */
import { decodeInputs, checkInputs as shapeCheckInputs } from '#protocol/inputs'
import type { ProofRequest } from '#protocol/schema'
import { shapeOf } from './circuits/shapes.ts'
import { checkInputs } from './circuits/witness.ts'

/**
 * Why these inputs are not the request's or cannot be proven; null if they can. A program that is
 * none of our circuits must have room for exactly the entries of its segment.
 *
 * Takes about 20 ms an entry: see `inputs-worker.ts`.
 */
export function checkJob(inputs: Uint8Array, request: ProofRequest): string | null {
  if (shapeOf(request.programId) !== null) return checkInputs(inputs, request)
  if (inputs.length !== request.inputBytes) return 'wrong-length'
  const decoded = decodeInputs(inputs)
  if (decoded === null) return 'malformed-inputs'
  const { segments, index, depth } = decoded
  return shapeCheckInputs(inputs, request, { entries: segments[index]!.entries, depth })
}
