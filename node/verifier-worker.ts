/**
 * The thread that checks proofs: Groth16 over BN254 (Groth, EUROCRYPT 2016, section 3.2), the same
 * equation and the same refusals as `BatchVerifier.sol`. A pairing takes tens of milliseconds, too
 * long for the main loop.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { bn254 } from '@noble/curves/bn254.js'
import { decodeSegmentProof, type G1, type G2, type VerificationKey } from '#protocol/proof'
import type { Address, Hex } from '#protocol/schema'
import { segmentHash, segmentPoint } from '#protocol/segments'

/** One question to the thread. */
export type Check = {
  readonly proof: Uint8Array
  readonly programId: Hex
  readonly publicInputsHash: Hex
  readonly payee: Address
}

const { G1: Curve1, G2: Curve2, fields } = bn254

/** Throws when the point is not on its curve, not of the prime order, or at infinity. */
function point1([x, y]: G1) {
  const point = Curve1.Point.fromAffine({ x, y })
  point.assertValidity()
  return point
}

function point2([xImaginary, xReal, yImaginary, yReal]: G2) {
  const x = fields.Fp2.fromBigTuple([xReal, xImaginary])
  const y = fields.Fp2.fromBigTuple([yReal, yImaginary])
  const point = Curve2.Point.fromAffine({ x, y })
  point.assertValidity()
  return point
}

/** A key with everything computed that no proof changes. */
function prepare(key: VerificationKey) {
  return {
    gamma: point2(key.gamma),
    delta: point2(key.delta),
    ic: key.ic.map(point1),
    alphaBeta: bn254.pairing(point1(key.alpha), point2(key.beta)),
  }
}

const keys = new Map(
  [...(workerData as ReadonlyMap<Hex, VerificationKey>)].map(([id, key]) => [id, prepare(key)]),
)

/** e(A, B) = e(alpha, beta) · e(IC(p, x, y), gamma) · e(C, delta), for this hash and this payee. */
function check({ proof: bytes, programId, publicInputsHash, payee }: Check): boolean {
  const key = keys.get(programId)
  const proof = decodeSegmentProof(bytes)
  if (key === undefined || proof === null || proof.payee !== payee) return false
  const { challenge, index, p, y } = proof
  if (segmentHash(challenge, index, { keyId: programId, p }) !== publicInputsHash) return false
  const signals = [p, segmentPoint(challenge, index, payee), y]
  const [constant, ...coefficients] = key.ic
  const inputs = coefficients.reduce(
    (sum, point, index) => sum.add(point.multiplyUnsafe(signals[index]!)),
    constant!,
  )
  const product = bn254.pairingBatch([
    { g1: point1(proof.a), g2: point2(proof.b) },
    { g1: inputs.negate(), g2: key.gamma },
    { g1: point1(proof.c).negate(), g2: key.delta },
  ])
  return fields.Fp12.eql(product, key.alphaBeta)
}

/** Points off their curves make the library throw; for a proof that is just "no". */
function answer(question: Check): boolean {
  try {
    return check(question)
  } catch {
    return false
  }
}

parentPort?.on('message', ({ id, question }: { id: number; question: Check }) =>
  parentPort?.postMessage({ id, answer: answer(question) }),
)
