/**
 * A registry with one rollup, and tables for it under a program that `BoundVerifier` answers for:
 * what tables cost, without what a real proof does.
 */
import { type Abi, encodeFunctionData, type Hex, keccak256, toHex } from 'viem'
import { rollupsAbi } from '#contracts/abi'
import { type Address, ZERO_ADDRESS } from '#protocol/schema'
import {
  type Action,
  type Entry,
  encodeTable,
  L1,
  type Table,
  tableDigest,
  ZERO_HASH,
} from '#protocol/table'
import { type ProgramName, publicInputsHash, tableWords } from '#protocol/words'
import { account, type Call, type Chain, type Sender } from './chain.ts'
import { boundProof, winner } from './jobs.ts'

/** Owns the rollup. */
const owner = account('rollup owner')
/** The origin of every transaction that consumes, and the caller on L1. */
export const user = account('user')
const lower = (address: Address): Address => address.toLowerCase() as Address
/** Whom the user calls on the rollup. */
export const callee = lower(account('callee').address)
/** The selector it calls with. */
export const PING: Hex = '0x5c36b186'
const ROLLUP = 1n

/** A word below the field order for a name. */
const word = (name: string): Hex => `0x00${keccak256(toHex(name)).slice(4)}`

/** A table with what posting it takes, and what a request for its proof says. */
export type Posting = {
  readonly table: Hex
  readonly publicInputsHash: Hex
  readonly terms: { readonly venue: Address; readonly tableDigest: Hex; readonly programId: Hex }
  readonly post: Call
}

export class Registry {
  readonly #chain: Chain
  readonly address: Address
  /** Speaks for the rollup. */
  readonly program: ProgramName
  /** Where the rollup stands. */
  root: Hex
  #roots = 0

  constructor(chain: Chain, address: Address, verifier: Address) {
    this.#chain = chain
    this.address = address
    this.program = { verifier, programId: word('program') }
    this.root = this.newRoot()
  }

  /** A root nothing has stood at yet. */
  newRoot(): Hex {
    this.#roots += 1
    return word(`root ${this.#roots}`)
  }

  call(from: Sender, functionName: string, args: readonly unknown[]): Call {
    const data = encodeFunctionData({ abi: rollupsAbi as Abi, functionName, args })
    return { from, to: this.address, data }
  }

  async register(): Promise<void> {
    const { verifier, programId } = this.program
    const args = [owner.address, verifier, programId, this.root, false]
    await this.#chain.send(this.call(owner, 'register', args))
  }

  /** Gives the rollup to another program, at another root. */
  async hand({ verifier, programId }: ProgramName, root: Hex): Promise<void> {
    await this.#chain.send(this.call(owner, 'setProgram', [ROLLUP, verifier, programId]))
    await this.#chain.send(this.call(owner, 'setRoot', [ROLLUP, root]))
    this.root = root
  }

  /** Makes the proxy of an address of the rollup. */
  async proxy(original: Address): Promise<Address> {
    const args = [original, ROLLUP] as const
    await this.#chain.send(this.call(owner, 'createProxy', args))
    const read = { address: this.address, abi: rollupsAbi, functionName: 'proxyOf', args } as const
    return this.#chain.client.readContract(read)
  }

  /** The user's call with this value, which moves the rollup between two roots and is answered. */
  entry(rootBefore: Hex, rootAfter: Hex, value = 0n): Entry {
    const action: Action = {
      actionType: 'CALL',
      rollupId: ROLLUP,
      destination: callee,
      value,
      data: PING,
      failed: false,
      sourceAddress: lower(user.address),
      sourceRollup: L1,
      scope: [],
    }
    const next: Action = {
      ...action,
      actionType: 'RESULT',
      rollupId: L1,
      sourceRollup: ROLLUP,
      destination: ZERO_ADDRESS,
      sourceAddress: ZERO_ADDRESS,
      value: 0n,
      data: word('answer'),
    }
    const roots = { rollupId: ROLLUP, rootBefore, rootAfter, etherDelta: value }
    return { deltas: [{ ...roots, sent: ZERO_HASH, received: ZERO_HASH }], action, next }
  }

  /** A table of these entries for the user, proven for `winner`. */
  posting(entries: readonly Entry[]): Posting {
    const table: Table = {
      chainId: 31_337,
      venue: this.address,
      executor: lower(user.address),
      firstBlock: 1,
      lastBlock: 1_000_000,
      parentHash: ZERO_HASH,
      programs: [{ rollupId: ROLLUP, ...this.program }],
      entries,
    }
    const [bytes, hash] = [encodeTable(table), publicInputsHash(tableWords(table, this.program))]
    const [canonical, digest] = [toHex(bytes), tableDigest(bytes)]
    const proof = boundProof(hash, winner.address)
    const proofs = [{ ...this.program, publicInputsHash: hash, proof }]
    return {
      table: canonical,
      publicInputsHash: hash,
      terms: {
        venue: this.address,
        tableDigest: digest,
        programId: this.program.programId,
      },
      post: this.call(user, 'post', [digest, canonical, proofs]),
    }
  }
}
