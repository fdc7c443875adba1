/**
 * A table in segments (rule E16): consecutive entries, each segment proven under the key of a
 * circuit that has room for it, on whatever machine. What one proof says is bound to the whole
 * table, so that no segment of another table, and none in another's place, fits.
 *
 *     table challenge X = keccak256(tag ‖ kd ‖ for each segment: key id ‖ entries ‖ p)
 *     segment's hash    = keccak256(tag ‖ X ‖ index ‖ key id ‖ p)
 *     point x           = keccak256(X ‖ index ‖ payee) mod r
 *
 * Every part is a word. kd is the hash of all words and p the Poseidon digest of the header and the
 * segment's entries, so both are known before anybody proves, and the segments can be proven at the
 * same time. The payee is in the point alone: one request, one hash, whoever proves it.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { FIELD_ORDER, tagWord, toHex, wordsToBytes } from './field.ts'
import type { Address, Hex } from './schema.ts'
import { ENTRY_WORDS, HEADER_WORDS, padWords, poseidonDigest } from './words.ts'

/** A circuit as whoever cuts a table sees it. */
export type CircuitKey = {
  /** Hash of its verification key: what a request's `programId` names. */
  readonly keyId: Hex
  /** Entries it has room for. */
  readonly room: number
}

/** Which circuit proves how many of the next entries. */
export type Cut = { readonly keyId: Hex; readonly entries: number }

/** A segment with the digest of its words, as the table challenge has it. */
export type Segment = Cut & {
  /** Poseidon digest of header and entries, padded to the circuit's room. */
  readonly p: bigint
}

/** Most segments of a table: each has an entry. */
export const MAX_SEGMENTS = 64
/** Most keys of one program: `CircuitKeys.sol` holds no more. */
export const MAX_KEYS = 8

const CHALLENGE_TAG = tagWord('proofwire/segments/1')
const SEGMENT_TAG = tagWord('proofwire/segment/1')
const SET_TAG = tagWord('proofwire/circuits/1')

/**
 * The name of a program whose circuits have these keys, in the verifier's order: what a rollup
 * registers, and the same as `BatchVerifier.programId()`.
 */
export const programOfKeys = (keyIds: readonly Hex[]): Hex =>
  toHex(keccak_256(wordsToBytes([SET_TAG, ...keyIds.map(BigInt)])))

/**
 * Cuts a table of so many entries into the fewest segments: the largest circuit as often as it is
 * full, then the smallest that has room for the rest.
 *
 * @param keys At least one.
 * @param mostEntries Of a segment, at least one. Smaller segments are proven sooner, on more
 *   machines.
 */
export function cutTable(
  entries: number,
  keys: readonly CircuitKey[],
  mostEntries = Number.POSITIVE_INFINITY,
): Cut[] {
  const bySize = keys.toSorted((a, b) => a.room - b.room)
  const largest = bySize.at(-1)!
  const cuts: Cut[] = []
  for (let left = entries; left > 0; left -= cuts.at(-1)!.entries) {
    const wanted = Math.min(left, mostEntries)
    const { keyId, room } = bySize.find((key) => key.room >= wanted) ?? largest
    cuts.push({ keyId, entries: Math.min(wanted, room) })
  }
  return cuts
}

/** Where each segment's entries begin, and behind them where the table ends. */
export function boundaries(cuts: readonly Cut[]): number[] {
  const starts = [0]
  for (const { entries } of cuts) starts.push(starts.at(-1)! + entries)
  return starts
}

/**
 * Words one circuit is about: the header and the entries of a segment, unpadded.
 *
 * @param words Of the whole table, from `tableWords`.
 * @param from First entry.
 * @param to Entry behind the last one.
 */
export const segmentWords = (words: readonly bigint[], from: number, to: number): bigint[] => [
  ...words.slice(0, HEADER_WORDS),
  ...words.slice(HEADER_WORDS + ENTRY_WORDS * from, HEADER_WORDS + ENTRY_WORDS * to),
]

/**
 * The digests of a cut table's segments: what the builder states, and each prover checks of its
 * own.
 *
 * Takes about 5 ms an entry of room: Poseidon in plain JavaScript.
 *
 * @throws RangeError for a cut that names no such key, or more entries than its room.
 */
export function digestSegments(
  words: readonly bigint[],
  cuts: readonly Cut[],
  keys: readonly CircuitKey[],
): Segment[] {
  const starts = boundaries(cuts)
  return cuts.map(({ keyId, entries }, index) => {
    const key = keys.find((one) => one.keyId === keyId)
    if (key === undefined) throw new RangeError(`there is no key ${keyId}`)
    const own = segmentWords(words, starts[index]!, starts[index + 1]!)
    return { keyId, entries, p: poseidonDigest(padWords(own, key.room)) }
  })
}

/** What all segments of a table share: its words and all their digests are in it. */
export function tableChallenge(kd: Hex, segments: readonly Segment[]): Hex {
  const parts = segments.flatMap(({ keyId, entries, p }) => [BigInt(keyId), BigInt(entries), p])
  return toHex(keccak_256(wordsToBytes([CHALLENGE_TAG, BigInt(kd), ...parts])))
}

/** What a request for one segment names as `publicInputsHash`. */
export function segmentHash(
  challenge: Hex,
  index: number,
  { keyId, p }: Pick<Segment, 'keyId' | 'p'>,
): Hex {
  const parts = [SEGMENT_TAG, BigInt(challenge), BigInt(index), BigInt(keyId), p]
  return toHex(keccak_256(wordsToBytes(parts)))
}

/**
 * Where both sides evaluate a segment's words. The payee is in it, so a proof made for one payee
 * fails for every other.
 */
export function segmentPoint(challenge: Hex, index: number, payee: Address): bigint {
  const hash = keccak_256(wordsToBytes([BigInt(challenge), BigInt(index), BigInt(payee)]))
  return BigInt(toHex(hash)) % FIELD_ORDER
}

/**
 * The one segment of a table whose verifier takes proofs of whole tables, in a form of its own: the
 * program is its own key, and has no digest.
 */
export const wholeTable = (programId: Hex, entries: number): Segment => ({
  keyId: programId,
  entries,
  p: 0n,
})

/**
 * What a request for one segment names as `publicInputsHash`: the segment's hash, or kd where the
 * segment is the whole table for a program without circuits of ours.
 *
 * @param programId As the table names it.
 */
export function statementHash(
  kd: Hex,
  programId: Hex,
  segments: readonly Segment[],
  index: number,
): Hex {
  const segment = segments[index]!
  if (segments.length === 1 && segment.keyId === programId) return kd
  return segmentHash(tableChallenge(kd, segments), index, segment)
}
