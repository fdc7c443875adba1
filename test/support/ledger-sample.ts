/**
 * A small, fixed world of two ledger rollups, and a signed call between them: what table tests are
 * about.
 */
import { eddsaKey } from '#protocol/eddsa'
import { encodeInputs } from '#protocol/inputs'
import { applyCall, type CallWitness, createLedger, type Ledgers, signCall } from '#protocol/ledger'
import type { Address, Hex } from '#protocol/schema'
import {
  encodeTable,
  type LedgerCall,
  publicInputsHash,
  type Shape,
  type Table,
  type TableContext,
  tableDigest,
  tableWords,
} from '#protocol/table'

export const payee: Address = '0x00000000000000000000000000000000000000bb'
export const otherPayee: Address = '0x00000000000000000000000000000000000000bc'

export const context: TableContext = {
  chainId: 31337,
  venue: '0x00000000000000000000000000000000000000aa',
  executor: '0x00000000000000000000000000000000000000ee',
  firstBlock: 100,
  lastBlock: 102,
}

/** A secret key nobody should use. */
export const secret = (number: number): Uint8Array => new Uint8Array(32).fill(number)

/** Two accounts on each of rollups 1 and 2, with 1,000 wei each. */
export function sampleLedgers(depth: number): Ledgers {
  const account = (number: number) => ({
    key: eddsaKey(secret(number)),
    balanceWei: 1_000n,
    nonce: 0n,
  })
  const last = 2 ** depth - 1
  return new Map([
    [
      1n,
      createLedger(1n, depth, [
        [3, account(1)],
        [last, account(2)],
      ]),
    ],
    [
      2n,
      createLedger(2n, depth, [
        [0, account(3)],
        [5, account(4)],
      ]),
    ],
  ])
}

/** The owner of account 3 on rollup 1 sends to account 5 on rollup 2. */
export const sampleCall: LedgerCall = {
  sourceRollup: 1n,
  sourceAccount: 3,
  destinationRollup: 2n,
  destinationAccount: 5,
  valueWei: 250n,
  nonce: 0n,
  data: 0xc0ffeen,
}

export type Sample = {
  readonly shape: Shape
  readonly table: Table
  readonly witness: CallWitness
  readonly inputs: Uint8Array
  readonly words: readonly bigint[]
  /** What a request says of these inputs. */
  readonly terms: {
    readonly inputBytes: number
    readonly venue: Address
    readonly tableDigest: Hex
    readonly publicInputsHash: Hex
  }
}

/** The table of the sample call, its witness and inputs, for a circuit with room for `entries`. */
export function sample(depth: number, entries = 1): Sample {
  const signature = signCall(secret(1), context, sampleCall)
  const applied = applyCall(sampleLedgers(depth), context, sampleCall, signature)
  if (typeof applied === 'string') throw new Error(`the sample call was refused: ${applied}`)
  const table: Table = { ...context, entries: [applied.entry] }
  const inputs = encodeInputs({ table, depth, witnesses: [applied.witness] })
  const words = tableWords(table, entries)
  return {
    shape: { entries, depth },
    table,
    witness: applied.witness,
    inputs,
    words,
    terms: {
      inputBytes: inputs.length,
      venue: context.venue,
      tableDigest: tableDigest(encodeTable(table)),
      publicInputsHash: publicInputsHash(words),
    },
  }
}
