/**
 * Proofs under circuits whose trapdoor is known here, so that a proof of any words is made in a
 * millisecond: what verifying costs, and what it refuses, do not depend on the statement.
 */
import { bn254 } from '@noble/curves/bn254.js'
import { FIELD_ORDER } from '#protocol/field'
import { decodeInputs } from '#protocol/inputs'
import {
  encodeSegmentProof,
  encodeTableProof,
  type G1,
  type Points,
  programId,
  type VerificationKey,
} from '#protocol/proof'
import type { Address, Hex } from '#protocol/schema'
import {
  boundaries,
  type Segment,
  segmentPoint,
  segmentWords,
  tableChallenge,
} from '#protocol/segments'
import { evaluate, publicInputsHash, tableWords, wordCount } from '#protocol/words'

/** Discrete logarithms of the key's points; beta, gamma and delta are the generator. */
const ALPHA = 5n
const IC = [2n, 3n, 4n, 7n] as const

const times = (scalar: bigint): G1 => {
  const { x, y } = bn254.G1.Point.BASE.multiply(scalar).toAffine()
  return [x, y]
}
const { x: X, y: Y } = bn254.G2.Point.BASE.toAffine()
const GENERATOR = [X.c1, X.c0, Y.c1, Y.c0] as const

/** The key of a circuit with room for so many entries. */
export const forgedKey = (room: number): VerificationKey => ({
  wordCount: wordCount(room),
  alpha: times(ALPHA),
  beta: GENERATOR,
  gamma: GENERATOR,
  delta: GENERATOR,
  ic: IC.map(times) as unknown as VerificationKey['ic'],
})

const mod = (value: bigint): bigint => ((value % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER

/** Points of a proof of these public signals. */
function forgedPoints(p: bigint, x: bigint, y: bigint): Points {
  const a = x || 1n
  const inputs = IC[0] + IC[1] * p + IC[2] * x + IC[3] * y
  return { a: times(a), b: GENERATOR, c: times(mod(a - ALPHA - inputs)) }
}

/** A table proof under the only key of its verifier, in segments of so many entries. */
export function forgedTableProof(
  words: readonly bigint[],
  key: VerificationKey,
  entries: readonly number[],
  payee: Address,
): { readonly proof: Uint8Array; readonly publicInputsHash: Hex } {
  const keyId = programId(key)
  const segments = entries.map((count, index): Segment => {
    return { keyId, entries: count, p: BigInt(index + 1) }
  })
  const kd = publicInputsHash(words)
  const challenge = tableChallenge(kd, segments)
  const starts = boundaries(segments)
  const shown = segments.map(({ entries: count, p }, index) => {
    const x = segmentPoint(challenge, index, payee)
    const y = evaluate(segmentWords(words, starts[index]!, starts[index + 1]!), x)
    return { key: 0, entries: count, payee, p, ...forgedPoints(p, x, y) }
  })
  return { proof: encodeTableProof({ segments: shown, words }), publicInputsHash: kd }
}

/** What a prover of the segment that these inputs are of would deliver. */
export function forgedSegmentProof(
  inputs: Uint8Array,
  verifier: Address,
  payee: Address,
): Uint8Array {
  const { table, programId: program, segments, index } = decodeInputs(inputs)!
  const words = tableWords(table, { verifier, programId: program })
  const challenge = tableChallenge(publicInputsHash(words), segments)
  const [from, to] = boundaries(segments).slice(index) as [number, number]
  const x = segmentPoint(challenge, index, payee)
  const y = evaluate(segmentWords(words, from, to), x)
  const { p } = segments[index]!
  return encodeSegmentProof({ payee, challenge, index, p, y, ...forgedPoints(p, x, y) })
}
