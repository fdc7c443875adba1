/**
 * The inputs of a table proof, as a builder sends them to the prover in charge.
 *
 *     version u8 = 1 ‖ depth u8 ‖ entry count u16 ‖ canonical table ‖ for each entry, in words:
 *       source key x, y, balance, nonce; destination key x, y, balance, nonce; R8 x, y, S;
 *       source siblings (depth), destination siblings (depth)
 *
 * Integers are big-endian, words below the field order; the first four bytes fix the length. An
 * entry at depth 16 takes 1,824 bytes.
 */
import { concatBytes } from '@noble/hashes/utils.js'
import { bytesToWords, FIELD_ORDER, WORD_BYTES, wordsToBytes } from './field.ts'
import { type CallRefusal, type CallWitness, checkCall } from './ledger.ts'
import type { ProofRequest } from './schema.ts'
import {
  decodeTable,
  ENTRY_WORDS,
  encodeTable,
  HEADER_WORDS,
  MAX_ENTRIES,
  publicInputsHash,
  type Shape,
  type Table,
  tableDigest,
  tableWords,
} from './table.ts'

export type ProofInputs = {
  readonly table: Table
  /** Depth of the account trees, at most 32. */
  readonly depth: number
  /** One for each entry, in order. */
  readonly witnesses: readonly CallWitness[]
}

const VERSION = 1
const HEAD_BYTES = 4
const MAX_DEPTH = 32
/** Words of a witness besides its siblings: two accounts and a signature. */
const FIXED_WORDS = 4 + 4 + 3

const tableBytes = (entries: number) => WORD_BYTES * (1 + HEADER_WORDS + ENTRY_WORDS * entries)
const witnessBytes = (depth: number) => WORD_BYTES * (FIXED_WORDS + 2 * depth)

/** Exact size of the inputs of a table with this many entries. */
export const inputsBytes = ({ entries, depth }: Shape): number =>
  HEAD_BYTES + tableBytes(entries) + entries * witnessBytes(depth)

/** Longest inputs anyone reads: 182,468 bytes. */
export const MAX_INPUTS_BYTES = inputsBytes({ entries: MAX_ENTRIES, depth: MAX_DEPTH })

/** @throws RangeError when a witness is missing or has not `depth` siblings: bugs of the caller. */
export function encodeInputs({ table, depth, witnesses }: ProofInputs): Uint8Array {
  const entries = table.entries.length
  if (witnesses.length !== entries) throw new RangeError('one witness for each entry, please')
  const words = witnesses.flatMap((witness) => witnessWords(witness))
  const bytes = concatBytes(
    Uint8Array.of(VERSION, depth, entries >> 8, entries & 255),
    encodeTable(table),
    wordsToBytes(words),
  )
  if (bytes.length !== inputsBytes({ entries, depth })) {
    throw new RangeError(`every path must have ${depth} siblings`)
  }
  return bytes
}

const witnessWords = (witness: CallWitness): bigint[] => [
  ...[witness.source, witness.destination].flatMap(({ key, balanceWei, nonce }) => [
    ...[...key, balanceWei, nonce],
  ]),
  ...witness.signature,
  ...witness.sourceSiblings,
  ...witness.destinationSiblings,
]

/** Reads inputs. Null for anything `encodeInputs` does not write. Never throws. */
export function decodeInputs(bytes: Uint8Array): ProofInputs | null {
  if (bytes.length < HEAD_BYTES || bytes.length > MAX_INPUTS_BYTES) return null
  const [version, depth, high, low] = bytes as unknown as [number, number, number, number]
  const entries = (high << 8) | low
  if (version !== VERSION || depth < 1 || depth > MAX_DEPTH) return null
  if (bytes.length !== inputsBytes({ entries, depth })) return null
  const witnessesAt = HEAD_BYTES + tableBytes(entries)
  const table = decodeTable(bytes.subarray(HEAD_BYTES, witnessesAt))
  if (table === null) return null
  const words = bytesToWords(bytes.subarray(witnessesAt))
  if (words.some((word) => word >= FIELD_ORDER)) return null
  const each = FIXED_WORDS + 2 * depth
  const witnesses = table.entries.map((_, index) =>
    readWitness(words.slice(index * each, (index + 1) * each), depth),
  )
  return { table, depth, witnesses }
}

function readWitness(words: bigint[], depth: number): CallWitness {
  const account = (at: number) => ({
    key: [words[at]!, words[at + 1]!] as const,
    balanceWei: words[at + 2]!,
    nonce: words[at + 3]!,
  })
  return {
    source: account(0),
    destination: account(4),
    signature: [words[8]!, words[9]!, words[10]!],
    sourceSiblings: words.slice(FIXED_WORDS, FIXED_WORDS + depth),
    destinationSiblings: words.slice(FIXED_WORDS + depth),
  }
}

/** What a request says about its inputs. */
export type InputsTerms = Pick<
  ProofRequest,
  'inputBytes' | 'venue' | 'tableDigest' | 'publicInputsHash'
>

/** Why inputs are not what their request promised, or cannot be proven. */
export type InputsRefusal =
  | 'wrong-length'
  | 'malformed-inputs'
  | 'wrong-shape'
  | 'wrong-venue'
  | 'wrong-digest'
  | 'wrong-public-inputs'
  | CallRefusal

/**
 * Whether these inputs are the request's and can be proven by a circuit of this shape. Null if so:
 * whoever accepts the job then has all it needs.
 *
 * Takes about 20 ms an entry at depth 16, for the paths and signatures in plain JavaScript. Never
 * throws.
 */
export function checkInputs(
  bytes: Uint8Array,
  request: InputsTerms,
  shape: Shape,
): InputsRefusal | null {
  if (bytes.length !== request.inputBytes) return 'wrong-length'
  const inputs = decodeInputs(bytes)
  if (inputs === null) return 'malformed-inputs'
  const { table, depth, witnesses } = inputs
  if (depth !== shape.depth || table.entries.length > shape.entries) return 'wrong-shape'
  if (table.venue !== request.venue) return 'wrong-venue'
  if (tableDigest(encodeTable(table)) !== request.tableDigest) return 'wrong-digest'
  if (publicInputsHash(tableWords(table, shape.entries)) !== request.publicInputsHash) {
    return 'wrong-public-inputs'
  }
  for (const [index, entry] of table.entries.entries()) {
    const refusal = checkCall(table, depth, entry, witnesses[index]!)
    if (refusal !== null) return refusal
  }
  return null
}
