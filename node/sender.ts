/**
 * One account's hand on the network: signs what it is told, sends it, looks for receipts. Remembers
 * nothing.
 */
import type { LocalAccount, PublicClient } from 'viem'
import { keccak256 } from 'viem/utils'
import type { Hex } from '#protocol/schema'
import { bumpFees, type Fees, marketFees } from './fees.ts'
import type { Intent } from './intents.ts'
import { answerOf, revertOf } from './rpc-errors.ts'

/** A transaction as it goes out; `hash` is known before anybody has seen it. */
export type Version = {
  readonly nonce: number
  readonly gas: bigint
  readonly fees: Fees
  readonly raw: Hex
  readonly hash: Hex
}

/** `refused`: the node answered no (no funds, fee too low). */
export type Broadcast = 'sent' | { readonly refused: string }
/**
 * `revert`: the contract refuses, with this data or `null`. `refused`: the node has a reason of its
 * own.
 */
export type Estimate =
  | { readonly gas: bigint }
  | { readonly revert: Hex | null; readonly answer: string }
  | { readonly refused: string }

export type SenderOptions = {
  readonly client: PublicClient
  readonly account: LocalAccount
  readonly chainId: number
  /** Most that is ever offered for one unit of gas. wei. */
  readonly maxFeeWei: bigint
}

export class Sender {
  readonly #options: SenderOptions

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** The next nonce: after what is mined, or after what the node's pool holds too. */
  nonce(blockTag: 'latest' | 'pending'): Promise<number> {
    const { client, account } = this.#options
    return client.getTransactionCount({ address: account.address, blockTag })
  }

  /**
   * Gas limit of an intent, with a quarter to spare because the state may differ when it is mined.
   * Throws when the node was not reached.
   */
  async estimate({ to, data, valueWei }: Intent): Promise<Estimate> {
    const { client, account } = this.#options
    try {
      const gas = await client.estimateGas({ account: account.address, to, data, value: valueWei })
      return { gas: (gas * 5n) / 4n }
    } catch (error) {
      const answer = answerOf(error)
      if (answer === null) throw error
      const revert = revertOf(error)
      return revert === undefined ? { refused: answer } : { revert, answer }
    }
  }

  /** What the account has for value and gas. wei. */
  balanceWei(): Promise<bigint> {
    const { client, account } = this.#options
    return client.getBalance({ address: account.address })
  }

  /** Fees of a first version, or of one that replaces `from`; `null` while the cap forbids it. */
  async fees(baseFeeWei: bigint, from: Fees | null): Promise<Fees | null> {
    const { client, maxFeeWei } = this.#options
    const market = marketFees(baseFeeWei, await client.estimateMaxPriorityFeePerGas(), maxFeeWei)
    return from ? bumpFees(from, market, maxFeeWei) : market
  }

  /** Signs a version of an intent. EIP-1559. */
  async sign(intent: Intent, nonce: number, gas: bigint, fees: Fees): Promise<Version> {
    const { account, chainId } = this.#options
    const raw = await account.signTransaction({
      type: 'eip1559',
      chainId,
      nonce,
      to: intent.to,
      data: intent.data,
      value: intent.valueWei,
      gas,
      maxFeePerGas: fees.maxFeeWei,
      maxPriorityFeePerGas: fees.tipWei,
    })
    return { nonce, gas, fees, raw, hash: keccak256(raw) }
  }

  /** Sends signed bytes. Sending them again is no fault. Throws when the node was not reached. */
  async broadcast(raw: Hex): Promise<Broadcast> {
    try {
      await this.#options.client.sendRawTransaction({ serializedTransaction: raw })
      return 'sent'
    } catch (error) {
      const answer = answerOf(error)
      if (answer === null) throw error
      // In the pool, or mined: looking for its receipt tells.
      const isThere = /already (known|imported)|nonce too low/i.test(answer)
      return isThere ? 'sent' : { refused: answer }
    }
  }

  /** Where a transaction was mined; `null` while the node knows of no block with it. */
  async receipt(hash: Hex): Promise<{ blockNumber: number; success: boolean } | null> {
    const receipt = await this.#options.client.request({
      method: 'eth_getTransactionReceipt',
      params: [hash],
    })
    if (!receipt?.blockNumber) return null
    return { blockNumber: Number(receipt.blockNumber), success: receipt.status === '0x1' }
  }
}
