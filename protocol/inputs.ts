/**
 * The inputs of a table proof, as a builder sends them to the prover in charge.
 *
 *     version u8 = 2 ‖ depth u8 ‖ bytes of the table u32 ‖ canonical table ‖ for each entry:
 *       slots u8 (1: acting, 2: credited; those this program answers for; 4, 8: there is no account
 *       in that slot's place, and its words are zero), then of each slot
 *       account, key x, y, balance, nonce, pending, acting: amount, R8 x, y, S (0, 1, 0 for none)
 *                                                 credited: from
 *       and `depth` siblings
 *
 * Integers are big-endian; what is not said otherwise is a word below the field order. A slot at
 * depth 16 takes 832 bytes or less.
 */
import { concatBytes } from '@noble/hashes/utils.js'
import { bytesToWords, FIELD_ORDER, WORD_BYTES, wordsToBytes } from './field.ts'
import type { ActingWitness, CreditedWitness, EntryWitness } from './ledger.ts'
import type { LedgerRefusal } from './ledger-calls.ts'
import { checkEntry, slotsOf } from './ledger-check.ts'
import { MAX_DEPTH, type Spot } from './ledger-tree.ts'
import type { ProofRequest } from './schema.ts'
import {
  decodeTable,
  encodeTable,
  MAX_ENTRIES,
  MAX_TABLE_BYTES,
  type Table,
  tableDigest,
} from './table.ts'
import { type ProgramName, publicInputsHash, type Shape, tableWords } from './words.ts'

export type ProofInputs = {
  readonly table: Table
  /** Depth of the account trees, at most 32. */
  readonly depth: number
  /** One for each entry, in order; of the slots its program answers for, the others are null. */
  readonly witnesses: readonly EntryWitness[]
}

const VERSION = 2
const HEAD_BYTES = 6
const ACTING = 1
const CREDITED = 2
/** A slot's bit, moved by this: its place is vacant. */
const VACANT_SHIFT = 2
/** Words of a slot besides its siblings. */
const ACTING_WORDS = 10
const CREDITED_WORDS = 7
/** What stands for no signature: the neutral point, which the circuit computes with. */
export const NO_SIGNATURE = [0n, 1n, 0n] as const

/** Longest inputs anyone reads: 469,190 bytes. */
export const MAX_INPUTS_BYTES =
  HEAD_BYTES +
  MAX_TABLE_BYTES +
  MAX_ENTRIES * (1 + WORD_BYTES * (ACTING_WORDS + CREDITED_WORDS + 2 * MAX_DEPTH))

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
export function encodeInputs({ table, depth, witnesses }: ProofInputs): Uint8Array {
  if (witnesses.length !== table.entries.length) {
    throw new RangeError('one witness for each entry, please')
  }
  const canonical = encodeTable(table)
  const head = new Uint8Array(HEAD_BYTES)
  head.set([VERSION, depth])
  new DataView(head.buffer).setUint32(2, canonical.length)
  return concatBytes(head, canonical, ...witnesses.map((witness) => witnessBytes(witness, depth)))
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
  const tableBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(2)
  if (HEAD_BYTES + tableBytes > bytes.length) return null
  const table = decodeTable(bytes.subarray(HEAD_BYTES, HEAD_BYTES + tableBytes))
  if (table === null) return null
  let rest = bytes.subarray(HEAD_BYTES + tableBytes)
  const witnesses: EntryWitness[] = []
  for (const _ of table.entries) {
    const read = readWitness(rest, depth)
    if (read === null) return null
    witnesses.push(read.witness)
    rest = rest.subarray(read.bytes)
  }
  return rest.length === 0 ? { table, depth, witnesses } : null
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
  const words = wordsFor(table, request)
  if (words === null) return 'malformed-table'
  if (publicInputsHash(words) !== request.publicInputsHash) return 'wrong-public-inputs'
  for (const [index, witness] of witnesses.entries()) {
    const refusal = checkEntry(table, request, depth, index, witness)
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
