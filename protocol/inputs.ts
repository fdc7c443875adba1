/**
 * The inputs of a segment's proof, as a builder sends them to the prover in charge.
 *
 *     version u8 = 3 ‖ depth u8 ‖ program id(32) ‖ index u8 ‖ segments u8 ‖
 *     for each segment: key id(32) ‖ entries u8 ‖ p(32) ‖
 *     bytes of the table u32 ‖ canonical table ‖ for each entry of the segment:
 *       slots u8 (1: acting, 2: credited; those the program answers for; 4, 8: there is no account
 *       in that slot's place, and its words are zero), then of each slot
 *       account, key x, y, balance, nonce, pending, acting: amount, R8 x, y, S (0, 1, 0 for none)
 *                                                 credited: from
 *       and `depth` siblings
 *
 * The program is the one the table's rollups name, which its verifier has circuits of several sizes
 * for; the request names one circuit. Integers are big-endian; what is not said otherwise is a word
 * below the field order. A slot at depth 16 takes 832 bytes or less.
 */
import { concatBytes } from '@noble/hashes/utils.js'
import { bytesToWords, FIELD_ORDER, fromHex, toHex, WORD_BYTES, wordsToBytes } from './field.ts'
import type { ActingWitness, CreditedWitness, EntryWitness } from './ledger.ts'
import type { LedgerRefusal } from './ledger-calls.ts'
import { checkEntry, slotsOf } from './ledger-check.ts'
import { MAX_DEPTH, type Spot } from './ledger-tree.ts'
import type { Hex, ProofRequest } from './schema.ts'
import { boundaries, MAX_SEGMENTS, type Segment, segmentWords, statementHash } from './segments.ts'
import {
  decodeTable,
  encodeTable,
  MAX_ENTRIES,
  MAX_TABLE_BYTES,
  type Table,
  tableDigest,
} from './table.ts'
import {
  type ProgramName,
  padWords,
  poseidonDigest,
  publicInputsHash,
  type Shape,
  tableWords,
} from './words.ts'

export type ProofInputs = {
  /** The program that is asked, as the table names it. */
  readonly programId: Hex
  readonly table: Table
  /** All of the table's, in order; they have its entries, no more and no less. */
  readonly segments: readonly Segment[]
  /** Which of them is to be proven. */
  readonly index: number
  /** Depth of the account trees, at most 32. */
  readonly depth: number
  /**
   * One for each entry of the segment, in order; of the slots its program answers for, the others
   * are null.
   */
  readonly witnesses: readonly EntryWitness[]
}

const VERSION = 3
const HEAD_BYTES = 36
const SEGMENT_BYTES = 2 * WORD_BYTES + 1
const TABLE_HEAD_BYTES = 4
const ACTING = 1
const CREDITED = 2
/** A slot's bit, moved by this: its place is vacant. */
const VACANT_SHIFT = 2
/** Words of a slot besides its siblings. */
const ACTING_WORDS = 10
const CREDITED_WORDS = 7
/** What stands for no signature: the neutral point, which the circuit computes with. */
export const NO_SIGNATURE = [0n, 1n, 0n] as const

/** Longest inputs anyone reads: 473,384 bytes. */
export const MAX_INPUTS_BYTES =
  HEAD_BYTES +
  SEGMENT_BYTES * MAX_SEGMENTS +
  TABLE_HEAD_BYTES +
  MAX_TABLE_BYTES +
  MAX_ENTRIES * (1 + WORD_BYTES * (ACTING_WORDS + CREDITED_WORDS + 2 * MAX_DEPTH))

/** The entries of one segment: from the first, to behind the last. */
function spanOf({ segments, index }: Pick<ProofInputs, 'segments' | 'index'>) {
  const starts = boundaries(segments)
  return { from: starts[index]!, to: starts[index + 1]! }
}

/** The witness without the slots that another program answers for. */
export function witnessFor(
  table: Table,
  program: ProgramName,
  index: number,
  { acting, credited }: EntryWitness,
): EntryWitness {
  const entry = table.entries[index]!
  const slots = slotsOf(table, program, entry)
  const within = slots.acting && entry.deltas.length === 1
  return {
    acting: slots.acting ? acting : null,
    credited: slots.credited || within ? credited : null,
  }
}

/** @throws RangeError when a witness is missing or has not `depth` siblings: bugs of the caller. */
export function encodeInputs(inputs: ProofInputs): Uint8Array {
  const { programId, table, segments, index, depth, witnesses } = inputs
  const { from, to } = spanOf(inputs)
  if (witnesses.length !== to - from) throw new RangeError('one witness for each entry, please')
  const canonical = encodeTable(table)
  const tableHead = new Uint8Array(TABLE_HEAD_BYTES)
  new DataView(tableHead.buffer).setUint32(0, canonical.length)
  return concatBytes(
    Uint8Array.of(VERSION, depth),
    fromHex(programId),
    Uint8Array.of(index, segments.length),
    ...segments.map(({ keyId, entries, p }) =>
      concatBytes(fromHex(keyId), Uint8Array.of(entries), wordsToBytes([p])),
    ),
    tableHead,
    canonical,
    ...witnesses.map((witness) => witnessBytes(witness, depth)),
  )
}

function witnessBytes({ acting, credited }: EntryWitness, depth: number): Uint8Array {
  const words: bigint[] = []
  for (const place of [acting, credited]) {
    if (place !== null && place.siblings.length !== depth) {
      throw new RangeError(`every path must have ${depth} siblings`)
    }
  }
  if (acting !== null) {
    words.push(...placeWords(acting), acting.pending, acting.amountWei)
    words.push(...(acting.signature ?? NO_SIGNATURE), ...acting.siblings)
  }
  if (credited !== null) {
    words.push(...placeWords(credited), credited.pending, credited.from, ...credited.siblings)
  }
  const slots = slotBits(acting, ACTING) | slotBits(credited, CREDITED)
  return concatBytes(Uint8Array.of(slots), wordsToBytes(words))
}

function slotBits(spot: Spot | null, bit: number): number {
  if (spot === null) return 0
  return spot.account === null ? bit | (bit << VACANT_SHIFT) : bit
}

function placeWords({ index, account }: Spot): bigint[] {
  if (account === null) return [BigInt(index), 0n, 0n, 0n, 0n]
  return [BigInt(index), ...account.key, account.balanceWei, account.nonce]
}

/** Reads inputs. Null for anything `encodeInputs` does not write. Never throws. */
export function decodeInputs(bytes: Uint8Array): ProofInputs | null {
  if (bytes.length < HEAD_BYTES || bytes.length > MAX_INPUTS_BYTES) return null
  const [version, depth] = bytes as unknown as [number, number]
  if (version !== VERSION || depth < 1 || depth > MAX_DEPTH) return null
  const [index, count] = bytes.subarray(HEAD_BYTES - 2) as unknown as [number, number]
  if (count === 0 || count > MAX_SEGMENTS || index >= count) return null
  const segments = readSegments(bytes.subarray(HEAD_BYTES), count)
  if (segments === null) return null
  let rest = bytes.subarray(HEAD_BYTES + SEGMENT_BYTES * count)
  if (rest.length < TABLE_HEAD_BYTES) return null
  const tableEnd = TABLE_HEAD_BYTES + new DataView(rest.buffer, rest.byteOffset).getUint32(0)
  if (tableEnd > rest.length) return null
  const table = decodeTable(rest.subarray(TABLE_HEAD_BYTES, tableEnd))
  if (table === null || table.entries.length !== boundaries(segments).at(-1)) return null
  rest = rest.subarray(tableEnd)
  const witnesses: EntryWitness[] = []
  for (let left = segments[index]!.entries; left > 0; left--) {
    const read = readWitness(rest, depth)
    if (read === null) return null
    witnesses.push(read.witness)
    rest = rest.subarray(read.bytes)
  }
  if (rest.length !== 0) return null
  const programId = toHex(bytes.subarray(2, 2 + WORD_BYTES))
  return { programId, table, segments, index, depth, witnesses }
}

function readSegments(bytes: Uint8Array, count: number): Segment[] | null {
  if (bytes.length < SEGMENT_BYTES * count) return null
  const segments: Segment[] = []
  for (let at = 0; at < SEGMENT_BYTES * count; at += SEGMENT_BYTES) {
    const entries = bytes[at + WORD_BYTES]!
    const [p] = bytesToWords(bytes.subarray(at + WORD_BYTES + 1, at + SEGMENT_BYTES)) as [bigint]
    if (entries === 0 || p >= FIELD_ORDER) return null
    segments.push({ keyId: toHex(bytes.subarray(at, at + WORD_BYTES)), entries, p })
  }
  return segments
}

const ALL_SLOTS = (ACTING | CREDITED) * (1 + (1 << VACANT_SHIFT))

/** The first witness of `bytes`, and how long it is. */
function readWitness(
  bytes: Uint8Array,
  depth: number,
): { witness: EntryWitness; bytes: number } | null {
  const slots = bytes[0]
  if (slots === undefined || slots > ALL_SLOTS) return null
  const filled = slots & (ACTING | CREDITED)
  const vacant = slots >> VACANT_SHIFT
  if ((vacant & ~filled) !== 0) return null
  const actingWords = slots & ACTING ? ACTING_WORDS + depth : 0
  const creditedWords = slots & CREDITED ? CREDITED_WORDS + depth : 0
  const length = 1 + WORD_BYTES * (actingWords + creditedWords)
  if (bytes.length < length) return null
  const words = bytesToWords(bytes.subarray(1, length))
  if (words.some((word) => word >= FIELD_ORDER)) return null
  const acting = actingWords > 0 ? readActing(words.slice(0, actingWords)) : null
  const credited = creditedWords > 0 ? readCredited(words.slice(actingWords)) : null
  for (const place of [acting, credited]) {
    if (place !== null && place.index >= 2 ** depth) return null
  }
  const witness = {
    acting: emptied(acting, (vacant & ACTING) !== 0),
    credited: emptied(credited, (vacant & CREDITED) !== 0),
  }
  return witness.acting === undefined || witness.credited === undefined
    ? null
    : { witness: witness as EntryWitness, bytes: length }
}

/** A slot whose place is vacant; undefined when it says anything of an account. */
function emptied<S extends Spot>(spot: S | null, isVacant: boolean): S | null | undefined {
  if (spot === null || !isVacant) return spot
  return placeWords(spot).some((word, at) => at > 0 && word !== 0n)
    ? undefined
    : { ...spot, account: null }
}

const readPlace = (words: readonly bigint[], siblingsAt: number): Spot => ({
  index: Number(words[0]),
  account: { key: [words[1]!, words[2]!], balanceWei: words[3]!, nonce: words[4]! },
  siblings: words.slice(siblingsAt),
})

function readActing(words: readonly bigint[]): ActingWitness {
  const signature = [words[7]!, words[8]!, words[9]!] as const
  const none = signature.every((word, at) => word === NO_SIGNATURE[at])
  return {
    ...readPlace(words, ACTING_WORDS),
    pending: words[5]!,
    amountWei: words[6]!,
    signature: none ? null : signature,
  }
}

const readCredited = (words: readonly bigint[]): CreditedWitness => ({
  ...readPlace(words, CREDITED_WORDS),
  pending: words[5]!,
  from: words[6]!,
})

/** What a request says about its inputs. */
export type InputsTerms = Pick<
  ProofRequest,
  'inputBytes' | 'venue' | 'verifier' | 'programId' | 'tableDigest' | 'publicInputsHash'
>

/** Why inputs are not what their request promised, or cannot be proven. */
export type InputsRefusal =
  | 'wrong-length'
  | 'malformed-inputs'
  | 'malformed-table'
  | 'wrong-shape'
  | 'wrong-venue'
  | 'wrong-digest'
  | 'wrong-public-inputs'
  | LedgerRefusal

/**
 * Whether these inputs are the request's and can be proven by a circuit of this shape. Null if so:
 * whoever accepts the job then has all it needs. What other segments say is not looked at: whether
 * they hold is nothing its prover is paid for.
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
  const { table, depth, segments, index, witnesses } = inputs
  const segment = segments[index]!
  if (depth !== shape.depth || segment.entries > shape.entries) return 'wrong-shape'
  if (table.venue !== request.venue) return 'wrong-venue'
  if (tableDigest(encodeTable(table)) !== request.tableDigest) return 'wrong-digest'
  const program = { verifier: request.verifier, programId: inputs.programId }
  const words = wordsFor(table, program)
  if (words === null) return 'malformed-table'
  const kd = publicInputsHash(words)
  const asked = statementHash(kd, inputs.programId, segments, index)
  if (segment.keyId !== request.programId || asked !== request.publicInputsHash) {
    return 'wrong-public-inputs'
  }
  const { from, to } = spanOf(inputs)
  // A whole table's one has no digest: its hash says it all.
  if (asked !== kd) {
    const own = padWords(segmentWords(words, from, to), shape.entries)
    if (poseidonDigest(own) !== segment.p) return 'wrong-public-inputs'
  }
  for (const [at, witness] of witnesses.entries()) {
    const refusal = checkEntry(table, program, depth, from + at, witness)
    if (refusal !== null) return refusal
  }
  return null
}

/** The table's words, or null where a field is no word or a rollup has no program. */
export function wordsFor(table: Table, program: ProgramName): bigint[] | null {
  try {
    return tableWords(table, program)
  } catch {
    return null
  }
}
