/**
 * Tables to be proven without any L1 contract: account holders of two ledger rollups sign
 * transactions that pay one another. The seed decides them; each table starts from the state the
 * one before left. `npm start` plays real transactions instead (`play.ts`); this is what tests of
 * crashes and of bad input ask for.
 */
import { eddsaKey } from '#protocol/eddsa'
import { encodeInputs } from '#protocol/inputs'
import { applyAction, type EntryWitness } from '#protocol/ledger'
import { encodeSend, signTransaction } from '#protocol/ledger-calls'
import { accountAddress, accountOf, createLedger, type Ledgers } from '#protocol/ledger-tree'
import { type Address, type Hex, ZERO_ADDRESS } from '#protocol/schema'
import { cutTable, digestSegments, statementHash } from '#protocol/segments'
import { keccak } from '#protocol/signature'
import {
  type Action,
  type Entry,
  encodeTable,
  L1,
  type Table,
  type TableContext,
  tableDigest,
  ZERO_HASH,
} from '#protocol/table'
import { type ProgramName, publicInputsHash, type Shape, tableWords } from '#protocol/words'
import { CHAIN_ID } from './chain.ts'
import type { Wanted, WantedBundle } from './door.ts'
import { terms } from './genesis.ts'
import { rpc } from './json-rpc.ts'

/** What the prover of a segment is asked for, and needs: `protocol/inputs.ts`. */
export type LoadSegment = {
  readonly publicInputsHash: Hex
  readonly inputs: Uint8Array
}

/** A table to be proven. */
export type Load = {
  readonly table: Table
  readonly tableDigest: Hex
  /** Its parts, each proven by itself. */
  readonly segments: readonly LoadSegment[]
  /** One line for people. */
  readonly what: string
}

/** Sizes of the circuits, as `prover-agent/circuits/shapes.ts` has them. */
export const shapes: Readonly<Record<string, Shape>> = {
  tiny: { entries: 2, depth: 4 },
  n1d16: { entries: 1, depth: 16 },
  n4d16: { entries: 4, depth: 16 },
  n8d16: { entries: 8, depth: 16 },
}

const ROLLUPS = [1n, 2n] as const
const HOLDERS = 4
const ETHER = 10n ** 18n
/** How long a table stays good: a job and its wait for a block. Blocks. */
const TABLE_BLOCKS = 64

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
   * The next table, good in the given blocks.
   * @param program Speaks for both rollups.
   * @param keyId Of the circuit that proves it.
   * @param count Segments it is cut into, each of which fills the circuit.
   * @throws when a transaction of ours does not apply: a bug.
   */
  next(context: TableContext, program: ProgramName, keyId: Hex, count = 1): Load {
    const entries: Entry[] = []
    const witnesses: EntryWitness[] = []
    const said: string[] = []
    while (entries.length < count * this.#shape.entries) {
      const { rollup, holder, data, what } = this.#draw()
      const account = this.#placeOf(holder)
      const { nonce } = accountOf(this.#ledgers.get(rollup)!, account)!
      const transaction = { rollup, account, data, nonce }
      const signature = signTransaction(this.#secret(rollup, holder), context, transaction)
      const action = transactionOf(rollup, account, data)
      const step = applyAction(this.#ledgers, context, action, signature)
      if (typeof step === 'string') throw new Error(`the transaction was refused: ${step}`)
      this.#ledgers = step.ledgers
      entries.push({ deltas: step.deltas, action, next: step.next })
      witnesses.push(step.witness)
      said.push(what)
    }
    const programs = ROLLUPS.map((rollupId) => ({ rollupId, ...program }))
    const table: Table = { ...context, programs, entries }
    return {
      table,
      tableDigest: tableDigest(encodeTable(table)),
      segments: this.#cut(table, program, keyId, witnesses),
      what: said.join(', '),
    }
  }

  #cut(
    table: Table,
    program: ProgramName,
    keyId: Hex,
    witnesses: readonly EntryWitness[],
  ): LoadSegment[] {
    const { entries: room, depth } = this.#shape
    const { programId } = program
    const words = tableWords(table, program)
    const keys = [{ keyId, room }]
    const segments = digestSegments(words, cutTable(witnesses.length, keys), keys)
    return segments.map((_, index) => {
      const own = witnesses.slice(room * index, room * (index + 1))
      return {
        publicInputsHash: statementHash(publicInputsHash(words), programId, segments, index),
        inputs: encodeInputs({ programId, table, segments, index, depth, witnesses: own }),
      }
    })
  }

  /** A holder on one rollup pays one on the other a hundredth to a tenth of an ether. */
  #draw(): { rollup: bigint; holder: number; data: Hex; what: string } {
    const [from, to, side, hundredths] = this.#numbers()
    const [source, destination] = side! % 2 === 0 ? ROLLUPS : ROLLUPS.toReversed()
    const sum = (hundredths! % 10) + 1
    const amountWei = BigInt(sum) * (ETHER / 100n)
    return {
      rollup: source!,
      holder: from! % HOLDERS,
      data: encodeSend(destination!, this.#placeOf(to! % HOLDERS), amountWei),
      what: `${sum}/100 ether from rollup ${source} to ${destination}`,
    }
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

const transactionOf = (rollupId: bigint, account: number, data: Hex): Action => ({
  actionType: 'L2TX',
  rollupId,
  destination: accountAddress(account),
  value: 0n,
  data,
  failed: false,
  sourceAddress: ZERO_ADDRESS,
  sourceRollup: L1,
  scope: [],
})

/** Where and when a table of the next job is good. */
export async function tableContext(rpcUrl: string, venue: Address): Promise<TableContext> {
  const firstBlock = Number(await rpc<Hex>(rpcUrl, 'eth_blockNumber'))
  const lastBlock = firstBlock + TABLE_BLOCKS
  const executor = ZERO_ADDRESS
  return { chainId: CHAIN_ID, venue, executor, firstBlock, lastBlock, parentHash: ZERO_HASH }
}

/** Which circuit is asked, of which verifier, and by when. */
type Asked = {
  readonly keyId: Hex
  readonly verifier: Address
  readonly shape: string
  readonly dueInMs: number
}

const partOf = ({ publicInputsHash, inputs }: LoadSegment, { keyId, shape }: Asked) => ({
  programId: keyId,
  publicInputsHash,
  inputs: `0x${Buffer.from(inputs).toString('hex')}` as const,
  work: shapes[shape]!.entries,
})

const sharedOf = ({ table, tableDigest }: Load, { verifier, dueInMs }: Asked) => ({
  verifier,
  venue: table.venue,
  tableDigest,
  reserveWei: terms.reserveWei.toString(),
  bondWei: terms.bondWei.toString(),
  latenessWeiPerMs: terms.latenessWeiPerMs.toString(),
  softDueInMs: Math.min(terms.softDueInMs, dueInMs),
  dueInMs,
  backups: terms.backups,
  claimBaseFeeCapWei: terms.claimBaseFeeCapWei.toString(),
})

/** What the builder asks for: a proof of a table in one segment, on the devnet's terms. */
export const wantedOf = (load: Load, asked: Asked): Wanted => ({
  ...sharedOf(load, asked),
  ...partOf(load.segments[0]!, asked),
})

/** The same for a table in several. */
export const bundleOf = (load: Load, asked: Asked): WantedBundle => ({
  ...sharedOf(load, asked),
  segments: load.segments.map((segment) => partOf(segment, asked)),
})
