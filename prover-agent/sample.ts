/**
 * A statement to measure a backend with: one call between two ledgers, made from fixed secrets, so
 * that every machine proves the same.
 */
import { eddsaKey } from '#protocol/eddsa'
import { encodeInputs } from '#protocol/inputs'
import { applyCall, createLedger, signCall } from '#protocol/ledger'
import type { Address, Hex } from '#protocol/schema'
import { type LedgerCall, publicInputsHash, tableWords } from '#protocol/table'
import { type ShapeName, shapes } from './circuits/shapes.ts'

export type Sample = {
  readonly programId: Hex
  /** In the program's own unit, as a request would say it. */
  readonly work: bigint
  readonly inputs: Uint8Array
  readonly publicInputsHash: Hex
}

const SECRET = new Uint8Array(32).fill(7)
const VENUE: Address = `0x${'5a'.repeat(20)}`
const EXECUTOR: Address = `0x${'00'.repeat(20)}`

/** The sample of a shape: a full account tree path each side, one signature. */
export function sampleOf(name: ShapeName): Sample {
  const { depth, entries, programId } = shapes[name]
  const account = { key: eddsaKey(SECRET), balanceWei: 10n ** 18n, nonce: 0n }
  const ledgers = new Map(
    [1n, 2n].map((rollup) => [rollup, createLedger(rollup, depth, [[3, account]])]),
  )
  const domain = { chainId: 1, venue: VENUE }
  const call: LedgerCall = {
    sourceRollup: 1n,
    sourceAccount: 3,
    destinationRollup: 2n,
    destinationAccount: 3,
    valueWei: 10n ** 15n,
    nonce: 0n,
    data: 0n,
  }
  const applied = applyCall(ledgers, domain, call, signCall(SECRET, domain, call))
  if (typeof applied === 'string') throw new Error(`the sample's call is refused: ${applied}`)
  const context = { ...domain, executor: EXECUTOR, firstBlock: 1, lastBlock: 1 }
  const table = { ...context, entries: [applied.entry] }
  return {
    programId,
    work: BigInt(entries),
    inputs: encodeInputs({ table, depth, witnesses: [applied.witness] }),
    publicInputsHash: publicInputsHash(tableWords(table, entries)),
  }
}
