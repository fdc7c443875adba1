/**
 * What the builder has proven: tables of an application with two ledger rollups, whose account
 * holders sign cross-rollup calls. The seed decides them; each table starts from the state the one
 * before left.
 */
import { eddsaKey } from '#protocol/eddsa'
import { encodeInputs } from '#protocol/inputs'
import {
  accountOf,
  applyCall,
  type CallWitness,
  createLedger,
  type Ledgers,
  signCall,
} from '#protocol/ledger'
import type { Hex } from '#protocol/schema'
import { keccak } from '#protocol/signature'
import {
  type Entry,
  encodeTable,
  type LedgerCall,
  type Shape,
  type Table,
  type TableContext,
  tableDigest,
} from '#protocol/table'

/** A table to be proven. */
export type Load = {
  readonly table: Table
  readonly tableDigest: Hex
  /** What the prover needs: `protocol/inputs.ts`. */
  readonly inputs: Uint8Array
  /** One line for people. */
  readonly what: string
}

/** Sizes of the circuits, as `prover-agent/circuits/shapes.ts` has them. */
export const shapes: Readonly<Record<string, Shape>> = {
  tiny: { entries: 1, depth: 4 },
  n1d16: { entries: 1, depth: 16 },
}

const ROLLUPS = [1n, 2n] as const
const HOLDERS = 4
const ETHER = 10n ** 18n

/** Makes tables, one after the other. */
export class LoadMaker {
  readonly #seed: string
  readonly #shape: Shape
  #ledgers: Ledgers
  #drawn = 0

  constructor(seed: string, shape: Shape) {
    this.#seed = seed
    this.#shape = shape
    this.#ledgers = new Map(
      ROLLUPS.map((rollup) => {
        const accounts = Array.from({ length: HOLDERS }, (_, holder) => {
          const key = eddsaKey(this.#secret(rollup, holder))
          const balanceWei = 100n * ETHER
          return [this.#placeOf(holder), { key, balanceWei, nonce: 0n }] as const
        })
        return [rollup, createLedger(rollup, shape.depth, accounts)]
      }),
    )
  }

  /**
   * The next table, good in the given blocks. @throws when a call of ours does not apply: a bug.
   */
  next(context: TableContext): Load {
    const entries: Entry[] = []
    const witnesses: CallWitness[] = []
    const said: string[] = []
    while (entries.length < this.#shape.entries) {
      const { call, secret, what } = this.#draw()
      const applied = applyCall(this.#ledgers, context, call, signCall(secret, context, call))
      if (typeof applied === 'string') throw new Error(`the call was refused: ${applied}`)
      this.#ledgers = applied.ledgers
      entries.push(applied.entry)
      witnesses.push(applied.witness)
      said.push(what)
    }
    const table: Table = { ...context, entries }
    return {
      table,
      tableDigest: tableDigest(encodeTable(table)),
      inputs: encodeInputs({ table, depth: this.#shape.depth, witnesses }),
      what: said.join(', '),
    }
  }

  /** A holder on one rollup pays one on the other a hundredth to a tenth of an ether. */
  #draw(): { call: LedgerCall; secret: Uint8Array; what: string } {
    const [from, to, side, hundredths] = this.#numbers()
    const [sourceRollup, destinationRollup] = side! % 2 === 0 ? ROLLUPS : ROLLUPS.toReversed()
    const [source, destination] = [from! % HOLDERS, to! % HOLDERS]
    const valueWei = (BigInt(hundredths! % 10) + 1n) * (ETHER / 100n)
    const sourceAccount = this.#placeOf(source)
    const ledger = this.#ledgers.get(sourceRollup!)!
    const call: LedgerCall = {
      sourceRollup: sourceRollup!,
      sourceAccount,
      destinationRollup: destinationRollup!,
      destinationAccount: this.#placeOf(destination),
      valueWei,
      nonce: accountOf(ledger, sourceAccount)!.nonce,
      data: 0n,
    }
    const [sum, way] = [(hundredths! % 10) + 1, `rollup ${sourceRollup} to ${destinationRollup}`]
    const what = `${sum}/100 ether from ${way}`
    return { call, secret: this.#secret(sourceRollup!, source), what }
  }

  /** Four bytes that depend on the seed and on how often was drawn. */
  #numbers(): Buffer {
    const hash = keccak(Buffer.from(`${this.#seed}/draw/${this.#drawn++}`))
    return Buffer.from(hash.slice(2, 10), 'hex')
  }

  #secret(rollup: bigint, holder: number): Uint8Array {
    const hash = keccak(Buffer.from(`${this.#seed}/holder/${rollup}/${holder}`))
    return Buffer.from(hash.slice(2), 'hex')
  }

  /** Holders lie all over the tree, so that no two paths are alike. */
  #placeOf(holder: number): number {
    return Math.floor(((holder + 1) * 2 ** this.#shape.depth) / (HOLDERS + 1))
  }
}
