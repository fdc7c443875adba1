/**
 * Hashes of other venues a table can be posted to, so that a request can carry their public inputs
 * hash: the seed's first contracts (`seed…`), their successor EEZ (`eez…`), and the native rollup's
 * response key. Field names are those of the contracts. `test/vectors/execution-table-hashes.json`
 * has values computed by the contracts themselves.
 */
import { concat, encodeAbiParameters, encodePacked, keccak256 } from 'viem/utils'
import type { Address, Hex } from './schema.ts'
import { ZERO_HASH } from './table.ts'

const named = (name: string, type: string) => ({ name, type })
const tupleOf = (components: readonly { name: string; type: string }[], type = 'tuple') => ({
  type,
  components,
})
/** keccak256(abi.encode(…)) of values whose types are only known here as text. */
const hashAbi = (types: readonly { type: string }[], values: readonly unknown[]): Hex =>
  keccak256(encodeAbiParameters(types as never, values as never))
const encodeHash = (types: readonly string[], values: readonly unknown[]): Hex =>
  hashAbi(
    types.map((type) => ({ type })),
    values,
  )
const encodeHashes = (hashes: readonly Hex[]): Hex =>
  encodeAbiParameters([{ type: 'bytes32[]' }], [hashes])

/** An action of the seed's first contracts. `actionType` 0 to 4: CALL to REVERT_CONTINUE. */
export type SeedAction = {
  readonly actionType: number
  readonly rollupId: bigint
  readonly destination: Address
  readonly value: bigint
  readonly data: Hex
  readonly failed: boolean
  readonly sourceAddress: Address
  readonly sourceRollup: bigint
  readonly scope: readonly bigint[]
}
export type SeedDelta = {
  readonly rollupId: bigint
  readonly currentState: Hex
  readonly newState: Hex
  /** Signed wei. */
  readonly etherDelta: bigint
}
export type SeedExecution = {
  readonly stateDeltas: readonly SeedDelta[]
  readonly actionHash: Hex
  readonly nextAction: SeedAction
}

const seedAction = [
  named('actionType', 'uint8'),
  named('rollupId', 'uint256'),
  named('destination', 'address'),
  named('value', 'uint256'),
  named('data', 'bytes'),
  named('failed', 'bool'),
  named('sourceAddress', 'address'),
  named('sourceRollup', 'uint256'),
  named('scope', 'uint256[]'),
]
const seedDelta = [
  named('rollupId', 'uint256'),
  named('currentState', 'bytes32'),
  named('newState', 'bytes32'),
  named('etherDelta', 'int256'),
]
const seedExecution = [
  { name: 'stateDeltas', ...tupleOf(seedDelta, 'tuple[]') },
  named('actionHash', 'bytes32'),
  { name: 'nextAction', ...tupleOf(seedAction) },
]

/** keccak256(abi.encode(action)): what the first contracts find executions by. */
export const seedActionHash = (action: SeedAction): Hex => hashAbi([tupleOf(seedAction)], [action])

/**
 * Hash of one execution, as `loadL2Executions` builds it.
 *
 * @param keys Verification keys of the deltas' rollups, in the deltas' order.
 */
export const seedExecutionHash = (execution: SeedExecution, keys: readonly Hex[]): Hex =>
  keccak256(
    concat([
      encodeAbiParameters(
        [tupleOf(seedDelta, 'tuple[]')] as never,
        [execution.stateDeltas] as never,
      ),
      encodeHashes(keys),
      execution.actionHash,
      encodeAbiParameters([tupleOf(seedAction)] as never, [execution.nextAction] as never),
    ]),
  )

/**
 * The public inputs hash of `loadL2Executions`.
 *
 * @param keys Verification key of each rollup. @throws RangeError when one is missing.
 */
export function seedPublicInputsHash(
  executions: readonly SeedExecution[],
  keys: ReadonlyMap<bigint, Hex>,
): Hex {
  const hashes = executions.map((execution) => {
    const ownKeys = execution.stateDeltas.map(({ rollupId }) => {
      const key = keys.get(rollupId)
      if (key === undefined) throw new RangeError(`rollup ${rollupId} has no verification key`)
      return key
    })
    return seedExecutionHash(execution, ownKeys)
  })
  return keccak256(concat(['0x01', encodeHashes(hashes)]))
}

/**
 * What the seed's commit-and-reveal loader is given before it is shown the table.
 *
 * @param secret 32 bytes that hide the table until then.
 */
export const seedCommitment = (
  executions: readonly SeedExecution[],
  proof: Hex,
  secret: Hex,
): Hex =>
  encodeHash(
    ['bytes32', 'bytes32', 'bytes32'],
    [hashAbi([tupleOf(seedExecution, 'tuple[]')], [executions]), keccak256(proof), secret],
  )

/** What `EEZ.computeCrossChainCallHash` takes, in the order of its parameters. */
export type EezCall = {
  readonly rollupId: bigint
  readonly target: Address
  readonly value: bigint
  readonly data: Hex
  readonly source: Address
  readonly sourceRollup: bigint
}
export type EezL1Call = {
  readonly isStatic: boolean
  readonly targetAddress: Address
  readonly value: bigint
  readonly data: Hex
  readonly sourceAddress: Address
  readonly sourceRollupId: bigint
  readonly revertSpan: bigint
}
/** An `ExecutionEntry` of EEZ without reentrant calls and lookups: those have other shapes. */
export type EezEntry = {
  readonly stateDeltas: readonly SeedDelta[]
  readonly proxyEntryHash: Hex
  readonly destinationRollupId: bigint
  readonly returnData: Hex
  readonly l2ToL1Calls: readonly EezL1Call[]
  readonly callCount: bigint
  readonly rollingHash: Hex
}
/** One rollup of a batch: what its manager says of the block, and its key for the proof system. */
export type EezRollup = {
  readonly rollupId: bigint
  readonly customData: Hex
  /** Null where the rollup does not list the proof system. */
  readonly key: Hex | null
}
export type EezBatch = {
  readonly entries: readonly EezEntry[]
  readonly lookupCallHashes: readonly Hex[]
  readonly blobHashes: readonly Hex[]
  readonly callData: Hex
  /** By ascending id. */
  readonly rollups: readonly EezRollup[]
}

const eezL1Call = [
  named('isStatic', 'bool'),
  named('targetAddress', 'address'),
  named('value', 'uint256'),
  named('data', 'bytes'),
  named('sourceAddress', 'address'),
  named('sourceRollupId', 'uint256'),
  named('revertSpan', 'uint256'),
]
const eezEntry = [
  { name: 'stateDeltas', ...tupleOf(seedDelta, 'tuple[]') },
  named('proxyEntryHash', 'bytes32'),
  named('destinationRollupId', 'uint256'),
  named('returnData', 'bytes'),
  { name: 'l2ToL1Calls', ...tupleOf(eezL1Call, 'tuple[]') },
  // An empty list of any kind of struct has the same encoding.
  named('expectedL1ToL2Calls', 'bytes[]'),
  named('expectedLookups', 'bytes[]'),
  named('callCount', 'uint256'),
  named('rollingHash', 'bytes32'),
]

/** `computeCrossChainCallHash`: what EEZ knows a call from L1 by (`proxyEntryHash`). */
export const eezCallHash = (call: EezCall): Hex =>
  encodeHash(
    ['uint256', 'address', 'uint256', 'bytes', 'address', 'uint256'],
    [call.rollupId, call.target, call.value, call.data, call.source, call.sourceRollup],
  )

/** keccak256(abi.encode(entry)). */
export const eezEntryHash = (entry: EezEntry): Hex =>
  hashAbi([tupleOf(eezEntry)], [{ ...entry, expectedL1ToL2Calls: [], expectedLookups: [] }])

/** What all proof systems of a batch share. */
export function eezSharedInput(batch: EezBatch): Hex {
  const customData = batch.rollups.reduce<Hex>(
    (before, { rollupId, customData }) =>
      encodeHash(['bytes32', 'uint256', 'bytes'], [before, rollupId, customData]),
    ZERO_HASH,
  )
  return keccak256(
    concat([
      encodeHashes(batch.entries.map(eezEntryHash)),
      encodeHashes(batch.lookupCallHashes),
      encodeHashes(batch.blobHashes),
      keccak256(batch.callData),
      customData,
    ]),
  )
}

/** The public inputs hash of `postAndVerifyBatch` for the proof system the rollups' keys are of. */
export function eezPublicInputsHash(batch: EezBatch): Hex {
  const keys = batch.rollups.reduce<Hex>(
    (before, { rollupId, key }) =>
      key === null
        ? before
        : encodeHash(['bytes32', 'uint256', 'bytes32'], [before, rollupId, key]),
    ZERO_HASH,
  )
  return keccak256(concat([eezSharedInput(batch), keys]))
}

/** What EEZ folds into an entry's rolling hash. `number` counts from 1. */
export type EezStep =
  | { readonly kind: 'CALL_BEGIN' | 'NESTED_BEGIN' | 'NESTED_END'; readonly number: bigint }
  | {
      readonly kind: 'CALL_END'
      readonly number: bigint
      readonly success: boolean
      readonly data: Hex
    }
const eezTags = { CALL_BEGIN: 1, CALL_END: 2, NESTED_BEGIN: 3, NESTED_END: 4 } as const

/** The rolling hash after one more step. It starts at the zero hash. */
export function eezRollingHash(before: Hex, step: EezStep): Hex {
  const tag = eezTags[step.kind]
  const head = encodePacked(['bytes32', 'uint8', 'uint256'], [before, tag, step.number])
  if (step.kind !== 'CALL_END') return keccak256(head)
  return keccak256(concat([head, step.success ? '0x01' : '0x00', step.data]))
}

/** The native rollup finds an answer by keccak256(abi.encode(address, root, hash of data)). */
export const nativeResponseKey = (address: Address, stateHash: Hex, callData: Hex): Hex =>
  encodeHash(['address', 'bytes32', 'bytes32'], [address, stateHash, keccak256(callData)])
