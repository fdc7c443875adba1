/** Whether an agent can prove what a builder sends it. Pure. */
import { decodeInputs, checkInputs as shapeCheckInputs } from '#protocol/inputs'
import type { ProofRequest } from '#protocol/schema'
import { MAX_ENTRIES } from '#protocol/table'
import { shapeOf } from './circuits/shapes.ts'
import { checkInputs } from './circuits/witness.ts'

/**
 * Why these inputs are not the request's or cannot be proven; null if they can. A program that is
 * none of our circuits has the room that the request names as its work: its digest is of the words
 * padded to that. One that takes whole tables has no digest, and its work is in its own unit.
 *
 * Takes about 20 ms an entry: see `inputs-worker.ts`.
 */
export function checkJob(inputs: Uint8Array, request: ProofRequest): string | null {
  if (shapeOf(request.programId) !== null) return checkInputs(inputs, request)
  if (inputs.length !== request.inputBytes) return 'wrong-length'
  const decoded = decodeInputs(inputs)
  if (decoded === null) return 'malformed-inputs'
  const { segments, index, programId } = decoded
  const { keyId, entries } = segments[index]!
  const named = request.work > BigInt(MAX_ENTRIES) ? MAX_ENTRIES : Number(request.work)
  const room = keyId === programId ? entries : named
  return shapeCheckInputs(inputs, request, { entries: room, depth: decoded.depth })
}
