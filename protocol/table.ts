/**
 * Execution tables: what they are, their canonical bytes, and the hashes they are known by.
 *
 * A table is a list of entries. Each says: when this action meets this rollup at this root, the
 * roots move so, and that action follows. A registry (`contracts/src/Rollups.sol`) consumes the
 * entries one by one while a transaction on L1 runs. The words a proof is about are in `words.ts`,
 * the rules a table keeps in `table-rules.ts`.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { encodeAbiParameters } from 'viem/utils'
import { fromHex, toHex, WORD_BYTES } from './field.ts'
import type { Address, Hex } from './schema.ts'

/** Kinds of action, in the order of the contract's enum. */
export const actionTypes = [
  'CALL',
  'RESULT',
  'L2TX',
  'REVERT',
  'REVERT_CONTINUE',
  'TRY_CALL',
] as const
export type ActionType = (typeof actionTypes)[number]

/** Rollup 0 is L1. */
export const L1 = 0n

/**
 * One step of a transaction that crosses chains.
 *
 * A CALL, TRY_CALL or L2TX is acted on by its callee's rollup, a RESULT by the rollup that gets the
 * answer, a REVERT and a REVERT_CONTINUE by the rollup that reverts: `rollupId`.
 */
export type Action = {
  readonly actionType: ActionType
  /** Below 2^64. */
  readonly rollupId: bigint
  /** The callee; of an L2TX the account that signed it. Zero for the other types. */
  readonly destination: Address
  /**
   * Wei below 2^128: of a call, or handed back by a RESULT that failed or a REVERT_CONTINUE.
   */
  readonly value: bigint
  readonly data: Hex
  /** Of a RESULT: the call reverted, and `data` is what it reverted with. */
  readonly failed: boolean
  /** The caller. Zero for types without one. */
  readonly sourceAddress: Address
  /** The rollup the action comes from. */
  readonly sourceRollup: bigint
  /** The frames the action happens in, from the outermost. At most 15 steps below 65,535. */
  readonly scope: readonly number[]
}

/** What an entry changes on one rollup. */
export type StateDelta = {
  readonly rollupId: bigint
  /** Below the field order, as every root. */
  readonly rootBefore: Hex
  readonly rootAfter: Hex
  /** Signed wei, its size below 2^127. */
  readonly etherDelta: bigint
  /** `messageHash` of what this rollup sends to the other rollup of the entry; zero for nothing. */
  readonly sent: Hex
  /** The same of what it receives. An entry's `sent` and `received` cancel. */
  readonly received: Hex
}

/** When `action` meets the first delta's rollup at its root: apply the deltas, then do `next`. */
export type Entry = {
  /** One or two. The first is of the rollup that acts. */
  readonly deltas: readonly StateDelta[]
  readonly action: Action
  readonly next: Action
}

/** The program that speaks for a rollup. */
export type Program = {
  readonly rollupId: bigint
  readonly verifier: Address
  readonly programId: Hex
}

/** Where and when a table is good. */
export type TableContext = {
  readonly chainId: number
  /** The registry the table is posted to. */
  readonly venue: Address
  /** Origin of the transaction that may consume it; the zero address means anyone. */
  readonly executor: Address
  /**
   * First and last block (inclusive) it may be posted in; it is consumed in the block it was posted
   * in.
   */
  readonly firstBlock: number
  readonly lastBlock: number
  /** Hash of the block before, where a rollup of the table reads L1; else zero. */
  readonly parentHash: Hex
}

export type Table = TableContext & {
  /** Of exactly the rollups the deltas name, by ascending id. */
  readonly programs: readonly Program[]
  readonly entries: readonly Entry[]
}

/** Longest table anyone reads: bounds memory and hashing of a hostile message. */
export const MAX_ENTRIES = 64
export const MAX_DELTAS = 2
/** Longest call data or answer of one action, bytes. */
export const MAX_DATA_BYTES = 4_096
/** Longest canonical bytes anyone reads. */
export const MAX_TABLE_BYTES = 131_072
/** Steps of a scope, and the bound of each: a scope is one word of 16 bits a step. */
export const MAX_SCOPE_STEPS = 15
export const SCOPE_STEP_LIMIT = 65_535
const SCOPE_STEP_BITS = 16n

export const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`

const actionAbi = [
  { name: 'actionType', type: 'uint8' },
  { name: 'rollupId', type: 'uint64' },
  { name: 'destination', type: 'address' },
  { name: 'value', type: 'uint128' },
  { name: 'data', type: 'bytes' },
  { name: 'failed', type: 'bool' },
  { name: 'sourceAddress', type: 'address' },
  { name: 'sourceRollup', type: 'uint64' },
  { name: 'scope', type: 'uint256' },
] as const
const deltaAbi = [
  { name: 'rollupId', type: 'uint64' },
  { name: 'rootBefore', type: 'bytes32' },
  { name: 'rootAfter', type: 'bytes32' },
  { name: 'etherDelta', type: 'int128' },
  { name: 'sent', type: 'bytes32' },
  { name: 'received', type: 'bytes32' },
] as const
const entryAbi = [
  { name: 'deltas', type: 'tuple[]', components: deltaAbi },
  { name: 'action', type: 'tuple', components: actionAbi },
  { name: 'next', type: 'tuple', components: actionAbi },
] as const
const programAbi = [
  { name: 'rollupId', type: 'uint64' },
  { name: 'verifier', type: 'address' },
  { name: 'programId', type: 'bytes32' },
] as const
const tableAbi = [
  { name: 'chainId', type: 'uint64' },
  { name: 'venue', type: 'address' },
  { name: 'executor', type: 'address' },
  { name: 'firstBlock', type: 'uint64' },
  { name: 'lastBlock', type: 'uint64' },
  { name: 'parentHash', type: 'bytes32' },
  { name: 'programs', type: 'tuple[]', components: programAbi },
  { name: 'entries', type: 'tuple[]', components: entryAbi },
] as const
const asTuple = <const T extends readonly unknown[]>(components: T) =>
  [{ type: 'tuple', components }] as const

/**
 * A scope as the contract's word: step i, plus one, in bits 16·i to 16·i + 15.
 *
 * @throws RangeError when it is too long or a step out of bounds: check first.
 */
export function packScope(scope: readonly number[]): bigint {
  const fits = scope.every((step) => Number.isInteger(step) && step >= 0 && step < SCOPE_STEP_LIMIT)
  if (!fits || scope.length > MAX_SCOPE_STEPS) throw new RangeError(`no scope: ${scope}`)
  return scope.reduceRight((word, step) => (word << SCOPE_STEP_BITS) | BigInt(step + 1), 0n)
}

/** The scope of a word, or null for a word `packScope` never gives. */
export function unpackScope(word: bigint): number[] | null {
  const steps: number[] = []
  for (let rest = word; rest !== 0n; rest >>= SCOPE_STEP_BITS) {
    const step = Number(rest & ((1n << SCOPE_STEP_BITS) - 1n))
    if (step === 0 || steps.length === MAX_SCOPE_STEPS) return null
    steps.push(step - 1)
  }
  return steps
}

const toActionAbi = (action: Action) => ({
  ...action,
  actionType: actionTypes.indexOf(action.actionType),
  scope: packScope(action.scope),
})

const toEntryAbi = (entry: Entry) => ({
  deltas: entry.deltas,
  action: toActionAbi(entry.action),
  next: toActionAbi(entry.next),
})

/** A table as the encoder takes it. @throws RangeError as `packScope`. */
const toTableAbi = (table: Table) => ({
  ...table,
  chainId: BigInt(table.chainId),
  firstBlock: BigInt(table.firstBlock),
  lastBlock: BigInt(table.lastBlock),
  entries: table.entries.map(toEntryAbi),
})

/**
 * The canonical bytes: the ABI encoding of the contract's `Table` (rule E1).
 *
 * @throws when a field does not fit its type: check with `table-rules.ts` first.
 */
export const encodeTable = (table: Table): Uint8Array =>
  fromHex(encodeAbiParameters(asTuple(tableAbi), [toTableAbi(table)] as never))

/** The ABI encoding of one entry: a leaf of the table's Merkle tree. @throws as `encodeTable`. */
export const encodeEntry = (entry: Entry): Uint8Array =>
  fromHex(encodeAbiParameters(asTuple(entryAbi), [toEntryAbi(entry)] as never))

/** keccak256(abi.encode(action)): what the registry finds entries by. @throws as `encodeTable`. */
export const actionHash = (action: Action): Hex =>
  keccakHex(encodeAbiParameters(asTuple(actionAbi), [toActionAbi(action)] as never))

type DecodedAction = Omit<Action, 'actionType' | 'scope'> & { actionType: number; scope: bigint }

/** An action as the contract sends it, in `MissingEntry`; null for no action we know. */
export function fromActionAbi(action: DecodedAction): Action | null {
  const actionType = actionTypes[action.actionType]
  const scope = unpackScope(action.scope)
  if (actionType === undefined || scope === null) return null
  const { destination, sourceAddress } = action
  return {
    ...action,
    actionType,
    scope,
    destination: lower(destination),
    sourceAddress: lower(sourceAddress),
  }
}

const lower = (address: Address): Address => address.toLowerCase() as Address

/**
 * Reads canonical bytes. Null for anything `encodeTable` does not write: another encoding of the
 * same table, no entry or more than `MAX_ENTRIES`, no or too many deltas, data too long. Never
 * throws, and reads each byte once, so that hostile bytes cost no more than others: an ABI decoder
 * that follows offsets can be led over the same bytes for seconds.
 */
export function decodeTable(bytes: Uint8Array): Table | null {
  if (bytes.length > MAX_TABLE_BYTES || bytes.length % WORD_BYTES !== 0) return null
  try {
    const reader = new Reader(bytes)
    const table = readTable(reader)
    return reader.at === bytes.length ? table : null
  } catch (error) {
    if (error instanceof NotCanonical) return null
    throw error
  }
}

class NotCanonical extends Error {}

/** Takes words off the front of an ABI encoding whose parts lie in order without gaps. */
class Reader {
  at = 0
  private readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  take(count: number): Uint8Array {
    const end = this.at + count
    if (end > this.bytes.length) throw new NotCanonical()
    const taken = this.bytes.subarray(this.at, end)
    this.at = end
    return taken
  }

  hash = (): Hex => toHex(this.take(WORD_BYTES))

  uint(bits: number): bigint {
    const value = BigInt(this.hash())
    if (value >> BigInt(bits) !== 0n) throw new NotCanonical()
    return value
  }

  /** A number from `min` to `max`, both exact. */
  number(min: number, max: number): number {
    const value = this.uint(256)
    if (value < BigInt(min) || value > BigInt(max)) throw new NotCanonical()
    return Number(value)
  }

  int128(): bigint {
    const value = BigInt.asIntN(256, this.uint(256))
    if (value !== BigInt.asIntN(128, value)) throw new NotCanonical()
    return value
  }

  address = (): Address => `0x${this.uint(160).toString(16).padStart(40, '0')}`

  /** An offset, from the start of the part it is in: there is one place for what it points to. */
  offset(expected: number): void {
    this.number(expected, expected)
  }

  data(): Hex {
    const length = this.number(0, MAX_DATA_BYTES)
    const padded = this.take(Math.ceil(length / WORD_BYTES) * WORD_BYTES)
    if (padded.subarray(length).some((byte) => byte !== 0)) throw new NotCanonical()
    return toHex(padded.subarray(0, length))
  }
}

function readTable(reader: Reader): Table {
  reader.offset(WORD_BYTES)
  const start = reader.at
  const chainId = reader.number(0, Number.MAX_SAFE_INTEGER)
  const [venue, executor] = [reader.address(), reader.address()]
  const firstBlock = reader.number(0, Number.MAX_SAFE_INTEGER)
  const lastBlock = reader.number(0, Number.MAX_SAFE_INTEGER)
  const parentHash = reader.hash()
  reader.offset(tableAbi.length * WORD_BYTES)
  const entriesAt = reader.uint(32)
  const programs = readList(reader, 0, MAX_ENTRIES * MAX_DELTAS, () => ({
    rollupId: reader.uint(64),
    verifier: reader.address(),
    programId: reader.hash(),
  }))
  if (entriesAt !== BigInt(reader.at - start)) throw new NotCanonical()
  const count = reader.number(1, MAX_ENTRIES)
  const list = reader.at
  const offsets = Array.from({ length: count }, () => reader.uint(32))
  const entries = offsets.map((offset) => {
    if (offset !== BigInt(reader.at - list)) throw new NotCanonical()
    return readEntry(reader)
  })
  const context = { chainId, venue, executor, firstBlock, lastBlock, parentHash }
  return { ...context, programs, entries }
}

function readList<T>(reader: Reader, min: number, max: number, read: () => T): T[] {
  const length = reader.number(min, max)
  return Array.from({ length }, read)
}

function readEntry(reader: Reader): Entry {
  const start = reader.at
  reader.offset(entryAbi.length * WORD_BYTES)
  const [actionAt, nextAt] = [reader.uint(32), reader.uint(32)]
  const deltas = readList(reader, 1, MAX_DELTAS, () => ({
    rollupId: reader.uint(64),
    rootBefore: reader.hash(),
    rootAfter: reader.hash(),
    etherDelta: reader.int128(),
    sent: reader.hash(),
    received: reader.hash(),
  }))
  if (actionAt !== BigInt(reader.at - start)) throw new NotCanonical()
  const action = readAction(reader)
  if (nextAt !== BigInt(reader.at - start)) throw new NotCanonical()
  return { deltas, action, next: readAction(reader) }
}

function readAction(reader: Reader): Action {
  const actionType = actionTypes[reader.number(0, actionTypes.length - 1)]!
  const [rollupId, destination, value] = [reader.uint(64), reader.address(), reader.uint(128)]
  reader.offset(actionAbi.length * WORD_BYTES)
  const failed = reader.number(0, 1) === 1
  const [sourceAddress, sourceRollup] = [reader.address(), reader.uint(64)]
  const scope = unpackScope(reader.uint(256))
  if (scope === null) throw new NotCanonical()
  const data = reader.data()
  return {
    ...{ actionType, rollupId, destination, value, data, failed },
    ...{ sourceAddress, sourceRollup, scope },
  }
}

/** Length of an action's data, bytes. */
export const dataBytes = (action: Action): number => (action.data.length - 2) / 2

/** SHA-256 of a table's canonical bytes: its open commitment, named in the request. */
export const tableDigest = (canonical: Uint8Array): Hex => toHex(sha256(canonical))

const keccakHex = (text: Hex): Hex => toHex(keccak_256(fromHex(text)))
