/**
 * What stays behind of a table: a Merkle root by which one entry can be shown (rule E13), and the
 * envelope by which anyone can check that the table was posted (rule E14).
 *
 * The envelope is the proof envelope 1.0 of the Observation Commitment Protocol, so that its tools
 * read it, with what they lack under `proofwire`. It holds nothing a verifier could not check: no
 * time, no depth. Whoever verifies asks the chain for those.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { fromHex, toHex } from './field.ts'
import type { Address, Hex } from './schema.ts'
import { decodeTable, type Entry, encodeEntry, MAX_TABLE_BYTES, type Table } from './table.ts'

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

/** That an entry is in a table: its place, the number of entries, and its siblings, bottom up. */
export type EntryProof = {
  readonly index: number
  readonly count: number
  readonly path: readonly Hex[]
}

const hash = (...parts: readonly Uint8Array[]): Uint8Array => keccak_256(Buffer.concat(parts))
const leafOf = (entry: Entry): Uint8Array => hash(LEAF, encodeEntry(entry))

/** The level above; an odd node moves up unpaired. */
const parents = (level: readonly Uint8Array[]): Uint8Array[] =>
  level.flatMap((left, at) => {
    if (at % 2 === 1) return []
    const right = level[at + 1]
    return [right === undefined ? left : hash(NODE, left, right)]
  })

/**
 * Root of the Merkle tree over a table's entries in their order: the tree of RFC 6962 with
 * keccak256, leaf keccak256(0x00 ‖ abi.encode(entry)), node keccak256(0x01 ‖ left ‖ right).
 *
 * @throws RangeError without entries, and as `encodeEntry`.
 */
export function entriesRoot(entries: readonly Entry[]): Hex {
  if (entries.length === 0) throw new RangeError('no entries')
  let level = entries.map(leafOf)
  while (level.length > 1) level = parents(level)
  return toHex(level[0]!)
}

/** The proof of one entry. @throws RangeError when there is none at `index`; as `encodeEntry`. */
export function entryProof(entries: readonly Entry[], index: number): EntryProof {
  if (entries[index] === undefined) throw new RangeError(`no entry ${index}`)
  const path: Hex[] = []
  let level = entries.map(leafOf)
  for (let at = index; level.length > 1; at >>= 1) {
    const sibling = level[at ^ 1]
    if (sibling !== undefined) path.push(toHex(sibling))
    level = parents(level)
  }
  return { index, count: entries.length, path }
}

/** Whether `entry` is the entry `proof` speaks of, under `root`. @throws as `encodeEntry`. */
export function verifyEntry(root: Hex, entry: Entry, { index, count, path }: EntryProof): boolean {
  if (!(Number.isSafeInteger(index) && index >= 0 && index < count)) return false
  let node = leafOf(entry)
  const rest = [...path]
  let at = index
  for (let width = count; width > 1; width = Math.ceil(width / 2), at >>= 1) {
    if ((at ^ 1) >= width) continue
    const next = rest.shift()
    if (next === undefined || !/^0x[0-9a-f]{64}$/.test(next)) return false
    const sibling = fromHex(next)
    node = at % 2 === 0 ? hash(NODE, node, sibling) : hash(NODE, sibling, node)
  }
  return rest.length === 0 && toHex(node) === root
}

const RECORDED = 'Recorded(bytes32,address)'
/** The event as the contract declares it. */
const RECORDED_EVENT = 'Recorded(bytes32 indexed digest, address indexed recorder)'

/** Topic 0 of the event that records a digest. */
export const recordedTopic: Hex = toHex(keccak_256(new TextEncoder().encode(RECORDED)))

/** Where a digest was recorded. */
export type Inclusion = {
  readonly chainId: number
  readonly transactionHash: Hex
  readonly blockNumber: number
  readonly blockHash: Hex
  /** Of the `Recorded` event, within its block. */
  readonly logIndex: number
  /** The registry that emitted it. */
  readonly emitter: Address
  /** Who posted the table. */
  readonly recorder: Address
}

/** The file, as JSON names its parts. */
export type Envelope = {
  readonly ocp: '1.0'
  readonly chain: { readonly id: `eip155:${number}`; readonly namespace: 'evm' }
  readonly commitment: {
    /** SHA-256 of the observation, in lower-case hex without prefix. */
    readonly digest: string
    readonly hash_function: 'sha2-256'
    readonly serialization: 'raw-bytes'
  }
  readonly ledger_ref: {
    readonly transaction_id: Hex
    readonly block_height: number
    readonly block_hash: Hex
  }
  readonly extraction: { readonly rule_id: 'evm/event-log'; readonly rule_version: '1.0.0' }
  readonly meta: { readonly envelope_version: '1.0' }
  readonly proofwire: {
    /** The table's canonical bytes. */
    readonly observation: Hex
    readonly event: typeof RECORDED_EVENT
    readonly emitter: Address
    readonly recorder: Address
    readonly log_index: number
  }
}

/** Why something is no envelope, or not a right one. */
export type EnvelopeRefusal = { readonly refused: string }

/** The envelope of a table's canonical bytes and where their digest was recorded. */
export function envelopeOf(canonical: Uint8Array, inclusion: Inclusion): Envelope {
  return {
    ocp: '1.0',
    chain: { id: `eip155:${inclusion.chainId}`, namespace: 'evm' },
    commitment: {
      digest: toHex(sha256(canonical)).slice(2),
      hash_function: 'sha2-256',
      serialization: 'raw-bytes',
    },
    ledger_ref: {
      transaction_id: inclusion.transactionHash,
      block_height: inclusion.blockNumber,
      block_hash: inclusion.blockHash,
    },
    extraction: { rule_id: 'evm/event-log', rule_version: '1.0.0' },
    meta: { envelope_version: '1.0' },
    proofwire: {
      observation: toHex(canonical),
      event: RECORDED_EVENT,
      emitter: inclusion.emitter,
      recorder: inclusion.recorder,
      log_index: inclusion.logIndex,
    },
  }
}

/** The file's text: without white space, so that no byte of it is without meaning. */
export const envelopeText = (envelope: Envelope): string => JSON.stringify(envelope)

/** What an envelope says of the chain. */
export const inclusionOf = ({ chain, ledger_ref, proofwire }: Envelope): Inclusion => ({
  chainId: Number(chain.id.slice(CHAIN_PREFIX.length)),
  transactionHash: ledger_ref.transaction_id,
  blockNumber: ledger_ref.block_height,
  blockHash: ledger_ref.block_hash,
  logIndex: proofwire.log_index,
  emitter: proofwire.emitter,
  recorder: proofwire.recorder,
})

const CHAIN_PREFIX = 'eip155:'
/** Longest text worth parsing: the observation in hex, and room for the rest. */
const MAX_ENVELOPE_TEXT = 2 * MAX_TABLE_BYTES + 4_096

/**
 * Reads an envelope's text. Takes what `envelopeText` writes (and a line break behind it), and
 * refuses everything else with its reason. Never throws.
 */
export function parseEnvelope(text: string): Envelope | EnvelopeRefusal {
  if (text.length > MAX_ENVELOPE_TEXT)
    return { refused: `longer than ${MAX_ENVELOPE_TEXT} characters` }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { refused: 'not JSON' }
  }
  const read = readInclusion(json)
  if ('refused' in read) return read
  const envelope = envelopeOf(read.observation, read.inclusion)
  const claimed = { ...envelope, commitment: { ...envelope.commitment, digest: read.digest } }
  if (envelopeText(claimed) !== text.replace(/\n$/, ''))
    return { refused: 'not in the one form an envelope has' }
  return claimed
}

type Reading = {
  readonly observation: Uint8Array
  readonly digest: string
  readonly inclusion: Inclusion
}

function readInclusion(json: unknown): Reading | EnvelopeRefusal {
  const at = (path: string): unknown =>
    path.split('.').reduce<unknown>((part, key) => ownField(part, key), json)
  if (at('ocp') !== '1.0') return { refused: 'not an envelope of version 1.0' }
  const texts: readonly (readonly [path: string, form: RegExp])[] = [
    ['chain.id', /^eip155:(?:0|[1-9]\d{0,15})$/],
    ['commitment.digest', /^[0-9a-f]{64}$/],
    ['ledger_ref.transaction_id', /^0x[0-9a-f]{64}$/],
    ['ledger_ref.block_hash', /^0x[0-9a-f]{64}$/],
    ['proofwire.observation', /^0x(?:[0-9a-f]{2})*$/],
    ['proofwire.emitter', /^0x[0-9a-f]{40}$/],
    ['proofwire.recorder', /^0x[0-9a-f]{40}$/],
  ]
  for (const [path, form] of texts) {
    const value = at(path)
    if (typeof value !== 'string' || !form.test(value)) return { refused: `no valid ${path}` }
  }
  const numbers = [at('ledger_ref.block_height'), at('proofwire.log_index')]
  const [blockNumber, logIndex] = numbers
  if (!isCount(blockNumber)) return { refused: 'no valid ledger_ref.block_height' }
  if (!isCount(logIndex)) return { refused: 'no valid proofwire.log_index' }
  const chainId = Number((at('chain.id') as string).slice(CHAIN_PREFIX.length))
  if (!isCount(chainId)) return { refused: 'no valid chain.id' }
  return {
    observation: fromHex(at('proofwire.observation') as Hex),
    digest: at('commitment.digest') as string,
    inclusion: {
      chainId,
      transactionHash: at('ledger_ref.transaction_id') as Hex,
      blockNumber,
      blockHash: at('ledger_ref.block_hash') as Hex,
      logIndex,
      emitter: at('proofwire.emitter') as Address,
      recorder: at('proofwire.recorder') as Address,
    },
  }
}

const ownField = (part: unknown, key: string): unknown =>
  typeof part === 'object' && part !== null && Object.hasOwn(part, key)
    ? (part as Record<string, unknown>)[key]
    : undefined

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0

/** The table an envelope is about, or null when its observation is no canonical table. */
export const tableOf = ({ proofwire }: Envelope): Table | null =>
  decodeTable(fromHex(proofwire.observation))

/**
 * Recomputes and compares: the digest is the observation's, and the table is for the chain, the
 * registry and the block it is said to be recorded in. Null when it is right so far; whether the
 * event is in the block, and how deep, only the chain can say.
 */
export function checkEnvelope(envelope: Envelope): EnvelopeRefusal | null {
  const { digest } = envelope.commitment
  const actual = toHex(sha256(fromHex(envelope.proofwire.observation))).slice(2)
  if (digest !== actual) return { refused: `the digest is ${digest}, the table's is ${actual}` }
  const table = tableOf(envelope)
  if (table === null) return { refused: 'the observation is no canonical table' }
  const { chainId, emitter, blockNumber } = inclusionOf(envelope)
  if (table.chainId !== chainId)
    return { refused: `the table is for chain ${table.chainId}, not ${chainId}` }
  if (table.venue !== emitter)
    return { refused: `the table is for the registry ${table.venue}, not ${emitter}` }
  const { firstBlock, lastBlock } = table
  return blockNumber >= firstBlock && blockNumber <= lastBlock
    ? null
    : { refused: `the table is for blocks ${firstBlock} to ${lastBlock}, not ${blockNumber}` }
}
