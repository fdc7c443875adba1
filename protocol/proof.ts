/**
 * Proofs on the wire and the keys that check them.
 *
 * A proof is `payee(20) ‖ p(32) ‖ a, b, c (8 × 32) ‖ word count u16 ‖ words (32 each)`, integers
 * big-endian and points in the order of the EVM's pairing (EIP-197: imaginary part first). It
 * carries the words themselves, because a verifier that is only shown their hash cannot evaluate
 * them: the words of the table and no more, however many its circuit has room for. The words a
 * circuit has beyond them are zero, which changes neither their value nor the challenge.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import {
  bytesToWords,
  COORDINATE_ORDER,
  FIELD_ORDER,
  tagWord,
  toHex,
  WORD_BYTES,
  wordsToBytes,
} from './field.ts'
import type { Address, Hex } from './schema.ts'
import { MAX_ENTRIES } from './table.ts'
import { challenge, evaluate, publicInputsHash, wordCount } from './words.ts'

/** x and y of a point of G1. Both zero: the point at infinity. */
export type G1 = readonly [bigint, bigint]
/** x imaginary, x real, y imaginary, y real of a point of G2. */
export type G2 = readonly [bigint, bigint, bigint, bigint]

export type TableProof = {
  /** Who is paid for it: part of the challenge. */
  readonly payee: Address
  /** Poseidon digest of the words padded to the circuit, public signal 0. */
  readonly p: bigint
  readonly a: G1
  readonly b: G2
  readonly c: G1
  /** Of the table, not padded; at most the circuit's `wordCount`. */
  readonly words: readonly bigint[]
}

/** A Groth16 verification key over BN254 with the three public signals p, x, y. */
export type VerificationKey = {
  /** Words the circuit has room for. */
  readonly wordCount: number
  readonly alpha: G1
  readonly beta: G2
  readonly gamma: G2
  readonly delta: G2
  readonly ic: readonly [G1, G1, G1, G1]
}

const PAYEE_BYTES = 20
const POINT_WORDS = 8
const WORDS_AT = PAYEE_BYTES + WORD_BYTES * (1 + POINT_WORDS) + 2
/** Most words a proof may carry; bounds what a hostile one can make a reader do. */
export const MAX_WORDS = wordCount(MAX_ENTRIES)
/** Longest proof anyone reads. */
export const MAX_PROOF_BYTES = WORDS_AT + WORD_BYTES * MAX_WORDS
const PROGRAM_TAG = tagWord('proofwire/groth16/1')

/** Bytes of a proof with this many words. */
export const proofBytes = (words: number): number => WORDS_AT + WORD_BYTES * words

export function encodeProof(proof: TableProof): Uint8Array {
  const { payee, p, a, b, c, words } = proof
  const count = Uint8Array.of(words.length >> 8, words.length & 255)
  return concatBytes(
    hexToBytes(payee.slice(2)),
    wordsToBytes([p, ...a, ...b, ...c]),
    count,
    wordsToBytes(words),
  )
}

/**
 * Reads a proof. Null for another length than its word count says, more words than `MAX_WORDS`, a
 * word not below r or a coordinate not below q; whether the points lie on their curves the verifier
 * finds. Never throws.
 */
export function decodeProof(bytes: Uint8Array): TableProof | null {
  if (bytes.length < WORDS_AT || bytes.length > MAX_PROOF_BYTES) return null
  const count = (bytes[WORDS_AT - 2]! << 8) | bytes[WORDS_AT - 1]!
  if (bytes.length !== proofBytes(count)) return null
  const [p, ...point] = bytesToWords(bytes.subarray(PAYEE_BYTES, WORDS_AT - 2))
  const words = bytesToWords(bytes.subarray(WORDS_AT))
  if (p! >= FIELD_ORDER || words.some((word) => word >= FIELD_ORDER)) return null
  if (point.some((coordinate) => coordinate >= COORDINATE_ORDER)) return null
  return {
    payee: toHex(bytes.subarray(0, PAYEE_BYTES)),
    p: p!,
    a: point.slice(0, 2) as unknown as G1,
    b: point.slice(2, 6) as unknown as G2,
    c: point.slice(6, 8) as unknown as G1,
    words,
  }
}

/** What a proof says, to whom, under which challenge: everything but the pairing. */
export type Statement = { readonly kd: Hex; readonly signals: readonly [bigint, bigint, bigint] }

/** The public signals (p, x, y) the proof's points must satisfy, and the hash of its words. */
export function statementOf(proof: Pick<TableProof, 'payee' | 'p' | 'words'>): Statement {
  const kd = publicInputsHash(proof.words)
  const x = challenge(kd, proof.p, proof.payee)
  return { kd, signals: [proof.p, x, evaluate(proof.words, x)] }
}

/** A key's words in the order the contract's constructor takes them. */
const keyWords = (key: VerificationKey): bigint[] => [
  ...key.alpha,
  ...key.beta,
  ...key.gamma,
  ...key.delta,
  ...key.ic.flat(),
]

/**
 * The name of a program: a hash of its verification key, the same as `TableVerifier.programId()`.
 */
export const programId = (key: VerificationKey): Hex =>
  toHex(keccak_256(wordsToBytes([PROGRAM_TAG, BigInt(key.wordCount), ...keyWords(key)])))

/** Arguments of `TableVerifier`'s constructor, as viem encodes them. */
export const verifierConstructorArgs = (key: VerificationKey) =>
  [
    { alpha: key.alpha, beta: key.beta, gamma: key.gamma, delta: key.delta, ic: key.ic },
    BigInt(key.wordCount),
  ] as const

/**
 * Reads a key in snarkjs's JSON form with our `wordCount` beside it. Null when it is not one:
 * another protocol or curve, another number of signals, a coordinate out of bounds.
 */
export function parseVerificationKey(json: unknown): VerificationKey | null {
  if (typeof json !== 'object' || json === null) return null
  const key = json as Record<string, unknown>
  const { protocol, curve, nPublic, wordCount: words, IC } = key
  if (protocol !== 'groth16' || curve !== 'bn128' || nPublic !== 3) return null
  if (typeof words !== 'number' || !Number.isInteger(words) || words < 1 || words > MAX_WORDS) {
    return null
  }
  const alpha = parseG1(key.vk_alpha_1)
  const [beta, gamma, delta] = [key.vk_beta_2, key.vk_gamma_2, key.vk_delta_2].map(parseG2)
  const ic = Array.isArray(IC) && IC.length === 4 ? IC.map(parseG1) : []
  const [ic0, ic1, ic2, ic3] = ic
  if (!alpha || !beta || !gamma || !delta || !ic0 || !ic1 || !ic2 || !ic3) return null
  return { wordCount: words, alpha, beta, gamma, delta, ic: [ic0, ic1, ic2, ic3] }
}

/** An affine point `[x, y, "1"]`. Infinity has no place in a key. */
function parseG1(point: unknown): G1 | null {
  if (!Array.isArray(point) || point.length !== 3 || point[2] !== '1') return null
  const x = parseCoordinate(point[0])
  const y = parseCoordinate(point[1])
  return x === null || y === null ? null : [x, y]
}

/** An affine point `[[x0, x1], [y0, y1], ["1", "0"]]`, real parts first. */
function parseG2(point: unknown): G2 | null {
  if (!Array.isArray(point) || point.length !== 3) return null
  if (!point.every((pair) => Array.isArray(pair) && pair.length === 2)) return null
  const [x0, x1, y0, y1, z0, z1] = point.flat().map(parseCoordinate)
  if (z0 !== 1n || z1 !== 0n) return null
  return x0 == null || x1 == null || y0 == null || y1 == null ? null : [x1, x0, y1, y0]
}

function parseCoordinate(text: unknown): bigint | null {
  if (typeof text !== 'string' || !/^\d{1,78}$/.test(text)) return null
  const value = BigInt(text)
  return value < COORDINATE_ORDER ? value : null
}
