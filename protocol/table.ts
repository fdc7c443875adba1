/**
 * Execution tables of the ledger rollup: their words, hashes, canonical bytes and challenge.
 *
 * A table is a header (where and when it is good) and entries. Each entry here is one cross-rollup
 * call: it debits an account of one ledger rollup and credits one of another. The circuit, the
 * verifier contract and this file all see a table as the same flat list of words:
 *
 *     header   chainId, venue, executor, firstBlock, lastBlock
 *     entry    type, sourceRollup, sourceAccount, destinationRollup, destinationAccount,
 *              value, nonce, data, sourceBefore, sourceAfter, destinationBefore, destinationAfter,
 *              sourceDelta, destinationDelta
 *
 * A circuit has room for a fixed number of entries; a shorter table is padded with entries of zero
 * words.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import {
  bytesToWords,
  FIELD_ORDER,
  poseidon,
  tagWord,
  toHex,
  WORD_BYTES,
  wordsToBytes,
} from './field.ts'
import type { Address, Hex } from './schema.ts'

/**
 * Where and when a table is good. `executor`: who may consume it; the zero address means anyone.
 */
export type TableContext = {
  readonly chainId: number
  /** The contract the table is posted to. */
  readonly venue: Address
  readonly executor: Address
  /** First and last block (inclusive) of the chain the table may be consumed in. */
  readonly firstBlock: number
  readonly lastBlock: number
}

/**
 * One cross-rollup call, as its sender signs it. An account of a ledger rollup is named by its
 * index in the rollup's tree. Rollup 0 is L1 itself and has no ledger.
 */
export type LedgerCall = {
  /** Below 2^64, not zero; source and destination differ. */
  readonly sourceRollup: bigint
  readonly destinationRollup: bigint
  /** Below 2^depth of the rollup's tree, at most 2^32. */
  readonly sourceAccount: number
  readonly destinationAccount: number
  /** Below 2^96. */
  readonly valueWei: bigint
  /** Nonce of the source account before the call; below 2^64 − 1. */
  readonly nonce: bigint
  /** Free for the application: an integer below 2^248. */
  readonly data: bigint
}

/** A call with what it does: both state roots, and both ether balances. */
export type Entry = LedgerCall & {
  readonly sourceBefore: bigint
  readonly sourceAfter: bigint
  readonly destinationBefore: bigint
  readonly destinationAfter: bigint
  /** Signed change of the rollup's ether; −value and +value for a call between ledgers. */
  readonly sourceDeltaWei: bigint
  readonly destinationDeltaWei: bigint
}

export type Table = TableContext & { readonly entries: readonly Entry[] }

/** The size of a circuit: entries it has room for, and depth of the account trees it can read. */
export type Shape = { readonly entries: number; readonly depth: number }

export const HEADER_WORDS = 5
export const ENTRY_WORDS = 14
/** Longest table anyone decodes: bounds memory and hashing of a hostile message (28 KiB, 1 ms). */
export const MAX_ENTRIES = 64
/** Type word of a CALL. Zero is kept for padding. */
export const CALL_TYPE = 1n

/** First word of what is hashed, so that a table's hash can be nothing else's. */
const TABLE_TAG = tagWord('proofwire/table/1')

/**
 * Exclusive upper bound of every word, in order. Signed words use the whole field; see `signed`.
 */
const EXACT = 1n << 53n // the header's numbers are JS numbers
const headerLimits = [EXACT, 1n << 160n, 1n << 160n, EXACT, EXACT]
const [ROLLUP, ACCOUNT, VALUE, DATA] = [1n << 64n, 1n << 32n, 1n << 96n, 1n << 248n]
const entryLimits = [
  ...[CALL_TYPE + 1n, ROLLUP, ACCOUNT, ROLLUP, ACCOUNT, VALUE, ROLLUP, DATA],
  ...Array.from({ length: 6 }, () => FIELD_ORDER),
]

/** Words in a table of `entries` entries. */
export const wordCount = (entries: number): number => HEADER_WORDS + ENTRY_WORDS * entries

/**
 * The table as words, all below the field order.
 *
 * @param entries Room of the circuit; shorter tables are padded. Default: as many as the table has.
 * @throws RangeError when a field is out of its bounds or the table does not fit: check first.
 */
export function tableWords(table: Table, entries: number = table.entries.length): bigint[] {
  if (table.entries.length > entries) {
    throw new RangeError(`${table.entries.length} entries do not fit in ${entries}`)
  }
  const header = [
    BigInt(table.chainId),
    BigInt(table.venue),
    BigInt(table.executor),
    BigInt(table.firstBlock),
    BigInt(table.lastBlock),
  ]
  const words = [...bounded(header, headerLimits)]
  for (const entry of table.entries) words.push(...bounded(entryWords(entry), entryLimits))
  while (words.length < wordCount(entries)) words.push(0n)
  return words
}

function entryWords(entry: Entry): bigint[] {
  return [
    CALL_TYPE,
    entry.sourceRollup,
    BigInt(entry.sourceAccount),
    entry.destinationRollup,
    BigInt(entry.destinationAccount),
    entry.valueWei,
    entry.nonce,
    entry.data,
    entry.sourceBefore,
    entry.sourceAfter,
    entry.destinationBefore,
    entry.destinationAfter,
    unsigned(entry.sourceDeltaWei),
    unsigned(entry.destinationDeltaWei),
  ]
}

/** A signed amount as a field element: −v is r − v. */
const unsigned = (amount: bigint): bigint => {
  if (amount <= -VALUE || amount >= VALUE) throw new RangeError(`amount out of bounds: ${amount}`)
  return amount < 0n ? amount + FIELD_ORDER : amount
}

/** The signed amount a word stands for, or null if none is that large. */
const signed = (word: bigint): bigint | null => {
  if (word < VALUE) return word
  return word > FIELD_ORDER - VALUE ? word - FIELD_ORDER : null
}

function bounded(words: bigint[], limits: readonly bigint[]): bigint[] {
  const bad = words.findIndex((word, index) => word < 0n || word >= limits[index]!)
  if (bad >= 0) throw new RangeError(`word ${bad} out of bounds: ${words[bad]}`)
  return words
}

/**
 * The bytes that are the table, whoever encodes it: the tag, then the words of exactly its entries.
 */
export const encodeTable = (table: Table): Uint8Array =>
  wordsToBytes([TABLE_TAG, ...tableWords(table)])

/**
 * Reads canonical bytes. Null for anything `encodeTable` does not write: another length, a word out
 * of its bounds, no entry or more than `MAX_ENTRIES`, a last block before the first. Never throws.
 */
export function decodeTable(bytes: Uint8Array): Table | null {
  const entryCount = (bytes.length / WORD_BYTES - 1 - HEADER_WORDS) / ENTRY_WORDS
  if (!Number.isInteger(entryCount) || entryCount < 1 || entryCount > MAX_ENTRIES) return null
  const [tag, ...words] = bytesToWords(bytes)
  if (tag !== TABLE_TAG) return null
  const header = words.slice(0, HEADER_WORDS)
  if (header.some((word, index) => word >= headerLimits[index]!)) return null
  const entries: Entry[] = []
  for (let at = HEADER_WORDS; at < words.length; at += ENTRY_WORDS) {
    const entry = readEntry(words.slice(at, at + ENTRY_WORDS))
    if (entry === null) return null
    entries.push(entry)
  }
  const [chainId, venue, executor, firstBlock, lastBlock] = header as [
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
  ]
  if (lastBlock < firstBlock) return null
  return {
    chainId: Number(chainId),
    venue: wordAddress(venue),
    executor: wordAddress(executor),
    firstBlock: Number(firstBlock),
    lastBlock: Number(lastBlock),
    entries,
  }
}

function readEntry(words: bigint[]): Entry | null {
  if (words[0] !== CALL_TYPE) return null
  if (words.some((word, index) => word >= entryLimits[index]!)) return null
  const sourceDeltaWei = signed(words[12]!)
  const destinationDeltaWei = signed(words[13]!)
  if (sourceDeltaWei === null || destinationDeltaWei === null) return null
  return {
    sourceRollup: words[1]!,
    sourceAccount: Number(words[2]),
    destinationRollup: words[3]!,
    destinationAccount: Number(words[4]),
    valueWei: words[5]!,
    nonce: words[6]!,
    data: words[7]!,
    sourceBefore: words[8]!,
    sourceAfter: words[9]!,
    destinationBefore: words[10]!,
    destinationAfter: words[11]!,
    sourceDeltaWei,
    destinationDeltaWei,
  }
}

const wordAddress = (word: bigint): Address => `0x${word.toString(16).padStart(40, '0')}`

/** SHA-256 of a table's canonical bytes: its open commitment, named in the request. */
export const tableDigest = (canonical: Uint8Array): Hex => toHex(sha256(canonical))

/**
 * keccak256 of the tag and a circuit's words: what the request, the proof and the contract agree on
 * (`kd`).
 *
 * @param words From `tableWords`, padded to the circuit that is to prove them.
 */
export const publicInputsHash = (words: readonly bigint[]): Hex =>
  toHex(keccak_256(wordsToBytes([TABLE_TAG, ...words])))

/**
 * The Poseidon digest `p` the circuit commits to: a chain of the header (after a zero) and then
 * each entry.
 *
 * @param words A header and whole entries, else RangeError.
 */
export function poseidonDigest(words: readonly bigint[]): bigint {
  let digest = poseidon([0n, ...words.slice(0, HEADER_WORDS)])
  for (let at = HEADER_WORDS; at < words.length; at += ENTRY_WORDS) {
    digest = poseidon([digest, ...words.slice(at, at + ENTRY_WORDS)])
  }
  return digest
}

/**
 * The point both sides evaluate the words at: keccak256(abi.encode(kd, p, payee)) mod r. The payee
 * is in it, so a proof made for one payee fails for every other.
 */
export function challenge(kd: Hex, p: bigint, payee: Address): bigint {
  const hash = keccak_256(wordsToBytes([BigInt(kd), p, BigInt(payee)]))
  return BigInt(toHex(hash)) % FIELD_ORDER
}

/** y = Σ words[i]·x^i mod r, by Horner's rule from the last word to the first. */
export function evaluate(words: readonly bigint[], x: bigint): bigint {
  let y = 0n
  for (const word of words.toReversed()) y = (y * x + word) % FIELD_ORDER
  return y
}
