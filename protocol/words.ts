/**
 * A table as words (rule E12): the flat list of field elements that a circuit, a verifier contract
 * and this file all see.
 *
 *     header   chainId, venue, executor, firstBlock, lastBlock, parentHash (upper, lower 128 bits),
 *              program
 *     entry    action (14), next (14), delta (7), second delta (7, zero if there is none)
 *     action   type + 1, rollupId, destination, value, failed, sourceAddress, sourceRollup, scope,
 *              data: length, head, 0, 1, 2, hash
 *     delta    rollupId, program, rootBefore, rootAfter, etherDelta, sent, received
 *
 * Every program is asked about the table under its own `program` word in the header; it answers for
 * the deltas that carry the same word. A shorter table is a longer one whose last words are zero:
 * a circuit with room for N entries proves every table of at most N.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import {
  bytesToWords,
  FIELD_ORDER,
  fromHex,
  poseidon,
  tagWord,
  toHex,
  WORD_BYTES,
  wordsToBytes,
} from './field.ts'
import type { Address, Hex } from './schema.ts'
import {
  type Action,
  actionTypes,
  type Entry,
  type Program,
  packScope,
  type StateDelta,
  type Table,
} from './table.ts'

/** The size of a circuit: entries it has room for, and depth of the account trees it can read. */
export type Shape = { readonly entries: number; readonly depth: number }

export const HEADER_WORDS = 8
export const ACTION_WORDS = 14
export const DELTA_WORDS = 7
export const ENTRY_WORDS = 2 * ACTION_WORDS + 2 * DELTA_WORDS
/** 32-byte words of data that are shown whole; longer data is shown by its hash. */
export const OPEN_DATA_WORDS = 3

/** First word of what is hashed, so that a table's hash can be nothing else's. */
const TABLE_TAG = tagWord('proofwire/table/1')
/** Words a link of the Poseidon chain takes. */
const LINK_WORDS = 14

/** Words in a table of `entries` entries. */
export const wordCount = (entries: number): number => HEADER_WORDS + ENTRY_WORDS * entries

/** Entries a circuit of so many words has room for. */
export const roomOf = (words: number): number => Math.floor((words - HEADER_WORDS) / ENTRY_WORDS)

/** Which program answers: a verifier and what it is asked to verify. */
export type ProgramName = Pick<Program, 'verifier' | 'programId'>

/** keccak256(abi.encode(verifier, programId)) without its last byte, so that it fits the field. */
export const programWord = ({ verifier, programId }: ProgramName): bigint =>
  shortHash(wordsToBytes([BigInt(verifier), BigInt(programId)]))

const shortHash = (bytes: Uint8Array): bigint => BigInt(toHex(keccak_256(bytes))) >> 8n

/**
 * The table as the words one program is asked about, all below the field order.
 *
 * @throws RangeError when a root or another field is no word, or a rollup has no program or two:
 * check with `table-rules.ts` first.
 */
export function tableWords(table: Table, program: ProgramName): bigint[] {
  const programs = new Map(table.programs.map((one) => [one.rollupId, programWord(one)]))
  // Of two, whoever reads the table could take the other one.
  if (programs.size < table.programs.length) throw new RangeError('a rollup has two programs')
  const parent = BigInt(table.parentHash)
  const words = [
    BigInt(table.chainId),
    BigInt(table.venue),
    BigInt(table.executor),
    BigInt(table.firstBlock),
    BigInt(table.lastBlock),
    parent >> 128n,
    parent & ((1n << 128n) - 1n),
    programWord(program),
  ]
  for (const entry of table.entries) words.push(...entryWords(entry, programs))
  const bad = words.findIndex((word) => word < 0n || word >= FIELD_ORDER)
  if (bad >= 0) throw new RangeError(`word ${bad} is not in the field: ${words[bad]}`)
  return words
}

function entryWords(entry: Entry, programs: ReadonlyMap<bigint, bigint>): bigint[] {
  const [first, second] = entry.deltas
  if (first === undefined) throw new RangeError('an entry has a delta')
  return [
    ...actionWords(entry.action),
    ...actionWords(entry.next),
    ...deltaWords(first, programs),
    ...(second === undefined ? Array<bigint>(DELTA_WORDS).fill(0n) : deltaWords(second, programs)),
  ]
}

/** The words of one action. @throws RangeError as `packScope`. */
export const actionWords = (action: Action): bigint[] => [
  BigInt(actionTypes.indexOf(action.actionType) + 1),
  action.rollupId,
  BigInt(action.destination),
  action.value,
  action.failed ? 1n : 0n,
  BigInt(action.sourceAddress),
  action.sourceRollup,
  packScope(action.scope),
  ...dataWords(fromHex(action.data)),
]

/**
 * Data as length, head, three words and hash. The first `length mod 32` bytes are the head (a
 * function's selector), the rest whole words (its arguments). Data with more than three words, or
 * with a word that is not in the field, shows length and hash alone.
 */
export function dataWords(data: Uint8Array): bigint[] {
  const length = BigInt(data.length)
  const headBytes = data.length % WORD_BYTES
  if (data.length - headBytes <= OPEN_DATA_WORDS * WORD_BYTES) {
    const rest = bytesToWords(data.subarray(headBytes))
    if (rest.every((word) => word < FIELD_ORDER)) {
      while (rest.length < OPEN_DATA_WORDS) rest.push(0n)
      const head = headBytes === 0 ? 0n : BigInt(toHex(data.subarray(0, headBytes)))
      return [length, head, ...rest, 0n]
    }
  }
  return [length, 0n, ...Array<bigint>(OPEN_DATA_WORDS).fill(0n), shortHash(data)]
}

function deltaWords(delta: StateDelta, programs: ReadonlyMap<bigint, bigint>): bigint[] {
  const program = programs.get(delta.rollupId)
  if (program === undefined) throw new RangeError(`rollup ${delta.rollupId} has no program`)
  const { etherDelta } = delta
  return [
    delta.rollupId,
    program,
    BigInt(delta.rootBefore),
    BigInt(delta.rootAfter),
    // −v is r − v.
    etherDelta < 0n ? etherDelta + FIELD_ORDER : etherDelta,
    BigInt(delta.sent),
    BigInt(delta.received),
  ]
}

/**
 * keccak256 of the tag and a table's words, unpadded: what the request, the proof and the contracts
 * agree on (`kd`).
 *
 * @param words From `tableWords`.
 */
export const publicInputsHash = (words: readonly bigint[]): Hex =>
  toHex(keccak_256(wordsToBytes([TABLE_TAG, ...words])))

/** Words with zeros behind them up to a circuit's room. @throws RangeError when they do not fit. */
export function padWords(words: readonly bigint[], entries: number): bigint[] {
  const count = wordCount(entries)
  if (words.length > count) throw new RangeError(`${words.length} words do not fit in ${count}`)
  return [...words, ...Array<bigint>(count - words.length).fill(0n)]
}

/**
 * The Poseidon digest `p` the circuit commits to: a chain over links of 14 words, the header filled
 * up with zeros, then three links for each entry.
 *
 * @param words Padded to the circuit: `padWords`.
 */
export function poseidonDigest(words: readonly bigint[]): bigint {
  const header = words.slice(0, HEADER_WORDS)
  while (header.length < LINK_WORDS) header.push(0n)
  let digest = poseidon([0n, ...header])
  for (let at = HEADER_WORDS; at < words.length; at += LINK_WORDS) {
    digest = poseidon([digest, ...words.slice(at, at + LINK_WORDS)])
  }
  return digest
}

/** y = Σ words[i]·x^i mod r, by Horner's rule from the last word to the first. */
export function evaluate(words: readonly bigint[], x: bigint): bigint {
  let y = 0n
  for (const word of words.toReversed()) y = (y * x + word) % FIELD_ORDER
  return y
}

/** A transfer from an account of one rollup to an account of another, without L1 between. */
export type Message = {
  readonly sourceRollup: bigint
  readonly source: Address
  readonly destinationRollup: bigint
  readonly destination: Address
  readonly valueWei: bigint
}

/**
 * What both rollups of an entry put in their delta, one as `sent`, the other as `received`:
 * Poseidon of the message's fields, in their order. Never zero in practice.
 */
export function messageHash(message: Message): Hex {
  const hash = poseidon([
    message.sourceRollup,
    BigInt(message.source),
    message.destinationRollup,
    BigInt(message.destination),
    message.valueWei,
  ])
  return toHex(wordsToBytes([hash]))
}
