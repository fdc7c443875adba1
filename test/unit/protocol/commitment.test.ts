import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { keccak256, toHex as utf8Hex } from 'viem/utils'
import { describe, expect, test } from 'vitest'
import {
  checkEnvelope,
  type Envelope,
  entriesRoot,
  entryProof,
  envelopeOf,
  envelopeText,
  type Inclusion,
  inclusionOf,
  parseEnvelope,
  recordedTopic,
  tableOf,
  verifyEntry,
} from '#protocol/commitment'
import { fromHex } from '#protocol/field'
import type { Hex } from '#protocol/schema'
import { encodeTable, tableDigest } from '#protocol/table'
import { addressOf, anyTable, goldenTable, seedTable, wordOf } from '#test/support/table-sample'

const read = (file: string) =>
  JSON.parse(readFileSync(new URL(`../../vectors/${file}`, import.meta.url), 'utf8'))
const { ocp } = read('execution-table-hashes.json')

describe('the Merkle tree over entries', () => {
  test('has the root both languages agree on', () => {
    expect(entriesRoot(goldenTable.entries)).toBe(read('table.json').entriesRoot)
    expect(() => entriesRoot([])).toThrow(RangeError)
  })

  test('shows each entry at its place, and no other there', () => {
    fc.assert(
      fc.property(anyTable, ({ entries }) => {
        const root = entriesRoot(entries)
        for (const [at, entry] of entries.entries()) {
          const proof = entryProof(entries, at)
          expect(verifyEntry(root, entry, proof)).toBe(true)
          const { action } = entry
          const other = { ...entry, action: { ...action, value: action.value ^ 1n } }
          expect(verifyEntry(root, other, proof)).toBe(false)
          expect(verifyEntry(wordOf(1n), entry, proof)).toBe(false)
        }
      }),
      { numRuns: 20 },
    )
  })

  test('takes no proof of another form', () => {
    const { entries } = goldenTable
    const root = entriesRoot(entries)
    const proof = entryProof(entries, 1)
    const [sibling] = proof.path as [Hex, ...Hex[]]
    for (const wrong of [
      { ...proof, index: 0 },
      { ...proof, index: -1 },
      { ...proof, index: 3 },
      { ...proof, count: 2 },
      { ...proof, path: proof.path.slice(1) },
      { ...proof, path: [...proof.path, sibling] },
      { ...proof, path: proof.path.with(0, '0x') },
    ])
      expect(verifyEntry(root, entries[1]!, wrong)).toBe(false)
    expect(() => entryProof(entries, 3)).toThrow(RangeError)
  })

  test('never takes a node for a leaf, or one order of entries for another', () => {
    const [first, second] = seedTable.entries
    expect(entriesRoot([first!, second!])).not.toBe(entriesRoot([second!, first!]))
    const three = goldenTable.entries
    // Without a mark on leaves, two levels of a tree could be shown as one.
    expect(entriesRoot(three.slice(0, 2))).not.toBe(entriesRoot(three))
  })
})

const canonical = encodeTable(goldenTable)
const inclusion: Inclusion = {
  chainId: 31_337,
  transactionHash: wordOf(0xabcn),
  blockNumber: 101,
  blockHash: wordOf(0xdefn),
  logIndex: 3,
  emitter: goldenTable.venue,
  recorder: addressOf(0xee),
}
const envelope = envelopeOf(canonical, inclusion)
const text = envelopeText(envelope)

/** A chain with one transaction in it, as a node would tell of it: three logs, the last is ours. */
const receipt = {
  chainId: 31_337,
  transactionHash: wordOf(0xabcn),
  blockNumber: 101,
  blockHash: wordOf(0xdefn),
  logs: [
    { logIndex: 1, address: addressOf(1), topics: [ocp.recordedTopic0, wordOf(5n), wordOf(6n)] },
    { logIndex: 2, address: goldenTable.venue, topics: [wordOf(4n), tableDigest(canonical)] },
    {
      logIndex: 3,
      address: goldenTable.venue,
      topics: [ocp.recordedTopic0, tableDigest(canonical), wordOf(0xeen)],
    },
  ],
}

/**
 * A verifier from the protocol's text alone: recompute, compare, confirm inclusion, by the rule
 * `evm/event-log` 1.0.0, and every word of the file accounted for.
 */
function verifies(file: string): boolean {
  let proof: Record<string, Record<string, unknown>>
  try {
    proof = JSON.parse(file)
  } catch {
    return false
  }
  const keys = 'ocp chain commitment ledger_ref extraction meta proofwire'
  const inner: Record<string, string> = {
    chain: 'id namespace',
    commitment: 'digest hash_function serialization',
    ledger_ref: 'transaction_id block_height block_hash',
    extraction: 'rule_id rule_version',
    meta: 'envelope_version',
    proofwire: 'observation event emitter recorder log_index',
  }
  if (Object.keys(proof).join(' ') !== keys || (proof.ocp as unknown) !== '1.0') return false
  for (const [part, names] of Object.entries(inner))
    if (Object.keys(proof[part] ?? {}).join(' ') !== names) return false
  const { chain, commitment, ledger_ref, extraction, meta, proofwire } = proof
  const form = [
    chain!.namespace === 'evm',
    commitment!.hash_function === 'sha2-256',
    commitment!.serialization === 'raw-bytes',
    extraction!.rule_id === 'evm/event-log',
    extraction!.rule_version === '1.0.0',
    meta!.envelope_version === '1.0',
  ]
  // Recompute and compare.
  const observation = String(proofwire!.observation)
  const bytes = Buffer.from(observation.slice(2), 'hex')
  const isBytes = observation === `0x${bytes.toString('hex')}`
  const digest = createHash('sha256').update(bytes).digest('hex')
  if (form.includes(false) || !isBytes || digest !== commitment!.digest) return false
  // Confirm inclusion: the transaction, its block, and the digest among what R extracts.
  const event = /^(\w+)\(bytes32 indexed digest, address indexed recorder\)$/.exec(
    String(proofwire!.event),
  )
  const topic0 = keccak256(utf8Hex(`${event?.[1]}(bytes32,address)`))
  return (
    chain!.id === `eip155:${receipt.chainId}` &&
    ledger_ref!.transaction_id === receipt.transactionHash &&
    ledger_ref!.block_height === receipt.blockNumber &&
    ledger_ref!.block_hash === receipt.blockHash &&
    receipt.logs.some(
      ({ logIndex, address, topics }) =>
        topics[0] === topic0 &&
        topics[1] === `0x${digest}` &&
        `0x${topics[2]?.slice(-40)}` === proofwire!.recorder &&
        address === proofwire!.emitter &&
        logIndex === proofwire!.log_index,
    )
  )
}

describe('the envelope', () => {
  test('names the event and the digest as the protocol does', () => {
    expect(recordedTopic).toBe(ocp.recordedTopic0)
    const { commitment } = envelopeOf(fromHex(ocp.observationHex), inclusion)
    expect(`0x${commitment.digest}`).toBe(ocp.digest)
  })

  test('is accepted by a verifier written from the protocol alone', () => {
    expect(verifies(text)).toBe(true)
    expect(checkEnvelope(envelope)).toBeNull()
    expect(inclusionOf(envelope)).toEqual(inclusion)
    expect(tableOf(envelope)).toEqual(goldenTable)
  })

  test('is refused by that verifier, and by ours, with any byte changed', () => {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at++) {
      for (const change of [1, 0x20]) {
        const spoiled = Buffer.from(bytes)
        spoiled[at]! ^= change
        const spoilt = spoiled.toString('latin1')
        expect(verifies(spoilt)).toBe(false)
        const read = parseEnvelope(spoilt)
        if ('refused' in read || checkEnvelope(read) !== null) continue
        expect(inclusionOf(read)).not.toEqual(inclusion)
      }
    }
  })

  test('comes back from its text, with a line break behind it or not', () => {
    expect(parseEnvelope(text)).toEqual(envelope)
    expect(parseEnvelope(`${text}\n`)).toEqual(envelope)
  })

  test.each<[string, (value: Envelope) => unknown, string]>([
    ['no object', () => 1, 'not an envelope of version 1.0'],
    ['null', () => null, 'not an envelope of version 1.0'],
    ['another version', (value) => ({ ...value, ocp: '2.0' }), 'not an envelope of version 1.0'],
    ['no chain', ({ chain, ...rest }) => rest, 'no valid chain.id'],
    [
      'a chain of words',
      (value) => ({ ...value, chain: { id: 'eip155:mainnet' } }),
      'no valid chain.id',
    ],
    [
      'a chain beyond 2^53',
      (value) => ({ ...value, chain: { id: 'eip155:9999999999999999' } }),
      'no valid chain.id',
    ],
    [
      'a block in words',
      (value) => ({ ...value, ledger_ref: { ...value.ledger_ref, block_height: '101' } }),
      'no valid ledger_ref.block_height',
    ],
    [
      'a log below zero',
      (value) => ({ ...value, proofwire: { ...value.proofwire, log_index: -1 } }),
      'no valid proofwire.log_index',
    ],
    [
      'half a byte',
      (value) => ({ ...value, proofwire: { ...value.proofwire, observation: '0x0' } }),
      'no valid proofwire.observation',
    ],
    ['something more', (value) => ({ ...value, note: 1 }), 'not in the one form an envelope has'],
    [
      'another order',
      ({ ocp, ...rest }) => ({ ...rest, ocp }),
      'not in the one form an envelope has',
    ],
  ])('is refused with %s', (_, change, refused) => {
    expect(parseEnvelope(JSON.stringify(change(envelope)))).toEqual({ refused })
  })

  test('is refused when it is no JSON, has white space or is too long, and never throws', () => {
    expect(parseEnvelope('{')).toEqual({ refused: 'not JSON' })
    expect(parseEnvelope(JSON.stringify(envelope, null, 2))).toHaveProperty('refused')
    expect(parseEnvelope('['.repeat(300_000))).toHaveProperty('refused')
    expect(parseEnvelope('{"ocp":"1.0","__proto__":{"chain":{}}}')).toHaveProperty('refused')
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(parseEnvelope(json)).toHaveProperty('refused')
      }),
      { numRuns: 500 },
    )
  })

  test('is refused when digest and table differ, or the table is for another place or block', () => {
    const refusal = (change: Partial<Inclusion>, bytes = canonical) =>
      checkEnvelope(envelopeOf(bytes, { ...inclusion, ...change }))?.refused
    expect(refusal({ chainId: 1 })).toBe('the table is for chain 31337, not 1')
    expect(refusal({ emitter: addressOf(1) })).toContain('the table is for the registry')
    expect(refusal({ blockNumber: 103 })).toBe('the table is for blocks 100 to 102, not 103')
    expect(refusal({}, canonical.subarray(32))).toBe('the observation is no canonical table')
    const other = envelopeOf(encodeTable(seedTable), inclusion)
    const swapped = { ...envelope, commitment: other.commitment }
    expect(checkEnvelope(swapped)?.refused).toContain('the digest is')
    expect(parseEnvelope(envelopeText(swapped))).toEqual(swapped)
  })
})
