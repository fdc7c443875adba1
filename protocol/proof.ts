/**
 * Proofs on the wire and the keys that check them.
 *
 * Two things are proofs (integers big-endian, points in the order of the EVM's pairing, EIP-197,
 * imaginary part first):
 *
 *     segment  1 ‖ payee(20) ‖ table challenge(32) ‖ index(1) ‖ p(32) ‖ y(32) ‖ a, b, c (256)
 *     table    2 ‖ count(1) ‖ count × (key(1) ‖ entries(1) ‖ payee(20) ‖ p(32) ‖ a, b, c (256))
 *              ‖ words(32 each)
 *
 * A segment proof is what is bought on the market. It shows no words: p, which the request's hash
 * has fixed, has fixed them. A table proof is what a venue is shown: all segments, and the words
 * themselves, because a contract that is only shown their hash cannot evaluate them.
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
import { MAX_SEGMENTS } from './segments.ts'
import { MAX_ENTRIES } from './table.ts'
import { ENTRY_WORDS, HEADER_WORDS, wordCount } from './words.ts'

/** x and y of a point of G1. Both zero: the point at infinity. */
export type G1 = readonly [bigint, bigint]
/** x imaginary, x real, y imaginary, y real of a point of G2. */
export type G2 = readonly [bigint, bigint, bigint, bigint]
/** A Groth16 proof: EUROCRYPT 2016, section 3.2. */
export type Points = { readonly a: G1; readonly b: G2; readonly c: G1 }

export type SegmentProof = Points & {
  /** Who is paid for it: part of the point the words are evaluated at. */
  readonly payee: Address
  readonly challenge: Hex
  /** Place among the table's segments. */
  readonly index: number
  /** Public signals 0 and 2: digest and value of the segment's words. */
  readonly p: bigint
  readonly y: bigint
}

/** What a table proof shows of one segment. */
export type ShownSegment = Points & {
  /** Place of the circuit's key among its verifier's. */
  readonly key: number
  readonly entries: number
  readonly payee: Address
  readonly p: bigint
}

export type TableProof = {
  readonly segments: readonly ShownSegment[]
  /** Of the whole table, unpadded. */
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

const SEGMENT_KIND = 1
const TABLE_KIND = 2
const PAYEE_BYTES = 20
const POINT_BYTES = 8 * WORD_BYTES
const INDEX_AT = 1 + PAYEE_BYTES + WORD_BYTES
const RECORD_BYTES = 2 + PAYEE_BYTES + WORD_BYTES + POINT_BYTES
/** Bytes of a segment proof. */
export const SEGMENT_PROOF_BYTES = INDEX_AT + 1 + 2 * WORD_BYTES + POINT_BYTES
/** Most words a circuit has. */
export const MAX_WORDS = wordCount(MAX_ENTRIES)
/** Longest proof anyone reads. */
export const MAX_PROOF_BYTES = 2 + RECORD_BYTES * MAX_SEGMENTS + WORD_BYTES * MAX_WORDS
const KEY_TAG = tagWord('proofwire/groth16/1')

const pointBytes = ({ a, b, c }: Points): Uint8Array => wordsToBytes([...a, ...b, ...c])
const payeeBytes = (payee: Address): Uint8Array => hexToBytes(payee.slice(2))

/** Null for a coordinate not below q; whether the points lie on their curves the verifier finds. */
function readPoints(bytes: Uint8Array): Points | null {
  const words = bytesToWords(bytes)
  if (words.some((coordinate) => coordinate >= COORDINATE_ORDER)) return null
  return {
    a: words.slice(0, 2) as unknown as G1,
    b: words.slice(2, 6) as unknown as G2,
    c: words.slice(6, 8) as unknown as G1,
  }
}

export const encodeSegmentProof = (proof: SegmentProof): Uint8Array =>
  concatBytes(
    Uint8Array.of(SEGMENT_KIND),
    payeeBytes(proof.payee),
    hexToBytes(proof.challenge.slice(2)),
    Uint8Array.of(proof.index),
    wordsToBytes([proof.p, proof.y]),
    pointBytes(proof),
  )

/** Reads a segment proof. Null for anything `encodeSegmentProof` does not write. Never throws. */
export function decodeSegmentProof(bytes: Uint8Array): SegmentProof | null {
  if (bytes.length !== SEGMENT_PROOF_BYTES || bytes[0] !== SEGMENT_KIND) return null
  const [p, y] = bytesToWords(bytes.subarray(INDEX_AT + 1, -POINT_BYTES)) as [bigint, bigint]
  const points = readPoints(bytes.subarray(-POINT_BYTES))
  if (points === null || p >= FIELD_ORDER || y >= FIELD_ORDER) return null
  return {
    payee: toHex(bytes.subarray(1, 1 + PAYEE_BYTES)),
    challenge: toHex(bytes.subarray(1 + PAYEE_BYTES, INDEX_AT)),
    index: bytes[INDEX_AT]!,
    p,
    y,
    ...points,
  }
}

export const encodeTableProof = ({ segments, words }: TableProof): Uint8Array =>
  concatBytes(
    Uint8Array.of(TABLE_KIND, segments.length),
    ...segments.map((segment) =>
      concatBytes(
        Uint8Array.of(segment.key, segment.entries),
        payeeBytes(segment.payee),
        wordsToBytes([segment.p]),
        pointBytes(segment),
      ),
    ),
    wordsToBytes(words),
  )

/**
 * Reads a table proof. Null for anything `encodeTableProof` does not write, and for segments that
 * do not have exactly the words' entries. Never throws.
 */
export function decodeTableProof(bytes: Uint8Array): TableProof | null {
  if (bytes.length < 2 || bytes.length > MAX_PROOF_BYTES || bytes[0] !== TABLE_KIND) return null
  const count = bytes[1]!
  const wordsAt = 2 + RECORD_BYTES * count
  if (count === 0 || count > MAX_SEGMENTS || bytes.length < wordsAt) return null
  const segments: ShownSegment[] = []
  for (let at = 2; at < wordsAt; at += RECORD_BYTES) {
    const segment = readRecord(bytes.subarray(at, at + RECORD_BYTES))
    if (segment === null) return null
    segments.push(segment)
  }
  const entries = segments.reduce((sum, segment) => sum + segment.entries, 0)
  if (bytes.length - wordsAt !== WORD_BYTES * (HEADER_WORDS + ENTRY_WORDS * entries)) return null
  const words = bytesToWords(bytes.subarray(wordsAt))
  return words.some((word) => word >= FIELD_ORDER) ? null : { segments, words }
}

function readRecord(record: Uint8Array): ShownSegment | null {
  const [key, entries] = record as unknown as [number, number]
  const [p] = bytesToWords(record.subarray(2 + PAYEE_BYTES, -POINT_BYTES)) as [bigint]
  const points = readPoints(record.subarray(-POINT_BYTES))
  if (points === null || entries === 0 || p >= FIELD_ORDER) return null
  return { key, entries, payee: toHex(record.subarray(2, 2 + PAYEE_BYTES)), p, ...points }
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
 * The name of a circuit: a hash of its verification key, the same as `BatchVerifier.keyAt` gives
 * and a request for a segment names.
 */
export const programId = (key: VerificationKey): Hex =>
  toHex(keccak_256(wordsToBytes([KEY_TAG, BigInt(key.wordCount), ...keyWords(key)])))

/** Arguments of `BatchVerifier`'s constructor, as viem encodes them. */
export const verifierConstructorArgs = (keys: readonly VerificationKey[]) =>
  [keys.map(({ wordCount, ...points }) => ({ wordCount: BigInt(wordCount), ...points }))] as const

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
