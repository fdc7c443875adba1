import { readFileSync } from 'node:fs'
import { encodeAbiParameters, encodePacked, keccak256, toHex } from 'viem/utils'
import { describe, expect, test } from 'vitest'
import type { Hex } from '#protocol/schema'
import { ZERO_HASH } from '#protocol/table'
import {
  type EezBatch,
  type EezEntry,
  type EezStep,
  eezCallHash,
  eezEntryHash,
  eezPublicInputsHash,
  eezRollingHash,
  eezSharedInput,
  nativeResponseKey,
  type SeedExecution,
  seedActionHash,
  seedCommitment,
  seedExecutionHash,
  seedPublicInputsHash,
} from '#protocol/venues'

/** Numbers are decimal texts in the file; addresses, hashes and data start with 0x. */
const withNumbers = (key: string, value: unknown): unknown =>
  key !== 'steps' && typeof value === 'string' && /^-?\d+$/.test(value) ? BigInt(value) : value
const vectors = JSON.parse(
  readFileSync(new URL('../../vectors/execution-table-hashes.json', import.meta.url), 'utf8'),
  withNumbers,
)
const { v0, eez_3a6ca65: eez, nativeRollupCore: native } = vectors

describe('the seed’s first contracts', () => {
  const executions: SeedExecution[] = v0.inputs.executions
  const keys = new Map<bigint, Hex>(
    Object.entries<Hex>(v0.inputs.verificationKeys).map(([id, key]) => [BigInt(id), key]),
  )

  test.each(Object.keys(v0.actionHash))('name a %s by its hash', (type) => {
    expect(seedActionHash(v0.inputs.actions[type])).toBe(v0.actionHash[type])
  })

  test('name an execution by its deltas, keys, action and next action', () => {
    const hashes = executions.map((execution) =>
      seedExecutionHash(
        execution,
        execution.stateDeltas.map(({ rollupId }) => keys.get(rollupId)!),
      ),
    )
    expect(hashes).toEqual(v0.loadL2Executions.executionHashes)
    expect(executions[0]!.nextAction).toEqual(v0.inputs.nestedNextAction)
  })

  test('verify a table under the hash of its executions', () => {
    const hash = seedPublicInputsHash(executions, keys)
    expect(hash).toBe(v0.loadL2Executions.onchain)
    expect(hash).toBe(v0.loadL2Executions.offchain)
    expect(() => seedPublicInputsHash(executions, new Map())).toThrow('rollup 1 has no')
  })

  test('have a key that looks an execution up in constant gas, and salts and commitments', () => {
    const types = (...names: string[]) => names.map((type) => ({ type }))
    const [first] = executions
    const [delta] = first!.stateDeltas
    const key = encodeAbiParameters(types('bytes32', 'uint256', 'bytes32'), [
      first!.actionHash,
      delta!.rollupId,
      delta!.currentState,
    ])
    expect(keccak256(key)).toBe(v0.keyedLookup.key)
    const { domain, rollupId, address, salt } = v0.proxySalt
    const salts = encodePacked(['uint256', 'uint256', 'address'], [domain, rollupId, address])
    expect(keccak256(salts)).toBe(salt)
    const { proof, secret, commitment } = v0.committedExecutionLoader
    expect(seedCommitment(executions, proof, secret)).toBe(commitment)
  })
})

describe('their successor', () => {
  const entry: EezEntry = eez.inputs.entry
  const batch: EezBatch = {
    entries: [entry],
    lookupCallHashes: [],
    blobHashes: [],
    callData: eez.inputs.callData,
    rollups: eez.inputs.rollupIds.map((rollupId: bigint) => ({
      rollupId,
      customData: eez.inputs.customDataPerRollup,
      key: eez.inputs.vkey,
    })),
  }

  test('names a call by its hash, and an entry', () => {
    expect(eezCallHash(eez.inputs.crossChainCall)).toBe(eez.proxyEntryHash)
    expect(entry.proxyEntryHash).toBe(eez.proxyEntryHash)
    expect(eezEntryHash(entry)).toBe(eez.entryHash)
  })

  test('verifies a batch under what is shared and the keys of one proof system', () => {
    expect(eezSharedInput(batch)).toBe(eez.shared)
    expect(eezPublicInputsHash(batch)).toBe(eez.onchain)
    expect(eezPublicInputsHash(batch)).toBe(eez.offchain)
    const [first, second] = batch.rollups
    const other = { ...batch, rollups: [first!, { ...second!, key: null }] }
    expect(eezPublicInputsHash(other)).not.toBe(eez.onchain)
  })

  test('folds each step of an entry into a rolling hash', () => {
    const steps: EezStep[] = [
      { kind: 'CALL_BEGIN', number: 1n },
      { kind: 'NESTED_BEGIN', number: 1n },
      { kind: 'NESTED_END', number: 1n },
      { kind: 'CALL_END', number: 1n, success: true, data: toHex(42n, { size: 32 }) },
    ]
    const hashes: Hex[] = []
    for (const step of steps) hashes.push(eezRollingHash(hashes.at(-1) ?? ZERO_HASH, step))
    expect(hashes).toEqual(eez.rollingHash.steps.map(([, hash]: [string, Hex]) => hash))
  })
})

test('the native rollup finds an answer by its key', () => {
  const { l2Address, stateHash, callData, key } = native.responseKey
  expect(nativeResponseKey(l2Address, stateHash, callData)).toBe(key)
  expect(keccak256(toHex(native.proxySaltPreimage))).toBe(native.proxySaltBase)
})
