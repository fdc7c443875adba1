/**
 * A statement to measure a backend with: a signed send from one ledger to another and, where the
 * circuit has room, another one; made from fixed secrets, so that every machine proves the same.
 */
import { eddsaKey } from '#protocol/eddsa'
import { encodeInputs } from '#protocol/inputs'
import { applyAction } from '#protocol/ledger'
import { encodeSend, signTransaction } from '#protocol/ledger-calls'
import { accountAddress, createLedger, type Ledgers } from '#protocol/ledger-tree'
import { type Address, type Hex, ZERO_ADDRESS } from '#protocol/schema'
import { cutTable, digestSegments, programOfKeys, statementHash } from '#protocol/segments'
import { type Action, L1, type Table, ZERO_HASH } from '#protocol/table'
import { publicInputsHash, tableWords } from '#protocol/words'
import { circuitKeyOf, type ShapeName, shapes } from './circuits/shapes.ts'

export type Sample = {
  readonly verifier: Address
  /** The shape's key. */
  readonly programId: Hex
  /** In the program's own unit, as a request would say it. */
  readonly work: bigint
  readonly inputs: Uint8Array
  readonly publicInputsHash: Hex
}

const SECRET = new Uint8Array(32).fill(7)
const VERIFIER: Address = `0x${'7e'.repeat(20)}`
const ACCOUNT = 3
const context = {
  chainId: 1,
  venue: `0x${'5a'.repeat(20)}`,
  executor: ZERO_ADDRESS,
  firstBlock: 1,
  lastBlock: 1,
  parentHash: ZERO_HASH,
} as const

/** The sample of a shape: in every entry two paths and a signature. */
export function sampleOf(name: ShapeName): Sample {
  const { depth, entries: count } = shapes[name]
  const key = circuitKeyOf(name)
  const account = { key: eddsaKey(SECRET), balanceWei: 10n ** 18n, nonce: 0n }
  const rollups = [1n, 2n]
  let ledgers: Ledgers = new Map(
    rollups.map((rollup) => [rollup, createLedger(rollup, depth, [[ACCOUNT, account]])]),
  )
  const entries: Table['entries'][number][] = []
  const witnesses = []
  for (let nonce = 0n; nonce < count; nonce++) {
    const action = transaction(encodeSend(2n, ACCOUNT, 10n ** 15n))
    const signed = { rollup: 1n, account: ACCOUNT, data: action.data, nonce }
    const step = applyAction(ledgers, context, action, signTransaction(SECRET, context, signed))
    if (typeof step === 'string') throw new Error(`the sample's call is refused: ${step}`)
    ledgers = step.ledgers
    entries.push({ deltas: step.deltas, action, next: step.next })
    witnesses.push(step.witness)
  }
  const programId = programOfKeys([key.keyId])
  const program = { verifier: VERIFIER, programId }
  const programs = rollups.map((rollupId) => ({ rollupId, ...program }))
  const table: Table = { ...context, programs, entries }
  const words = tableWords(table, program)
  const segments = digestSegments(words, cutTable(count, [key]), [key])
  return {
    verifier: VERIFIER,
    programId: key.keyId,
    work: BigInt(count),
    inputs: encodeInputs({ programId, table, segments, index: 0, depth, witnesses }),
    publicInputsHash: statementHash(publicInputsHash(words), programId, segments, 0),
  }
}

const transaction = (data: Hex): Action => ({
  actionType: 'L2TX',
  rollupId: 1n,
  destination: accountAddress(ACCOUNT),
  value: 0n,
  data,
  failed: false,
  sourceAddress: ZERO_ADDRESS,
  sourceRollup: L1,
  scope: [],
})
