/** What checking a table's inclusion reads of a chain, by plain JSON-RPC of any node. */
import type { Address, Hex } from '#protocol/schema'
import { RpcRefusal, rpc } from './json-rpc.ts'

export type Log = {
  readonly address: Address
  readonly topics: readonly Hex[]
  readonly blockNumber: Hex
  readonly blockHash: Hex
  readonly transactionHash: Hex
  readonly logIndex: Hex
}
export type Receipt = {
  readonly status: Hex
  readonly blockNumber: Hex
  readonly blockHash: Hex
  readonly transactionHash: Hex
  readonly logs: readonly Log[]
}
export type Block = { readonly number: Hex; readonly hash: Hex }

/** The blocks a log may be in. Both inclusive. */
export type BlockRange = { readonly from: number; readonly to: number }

const toQuantity = (value: number): Hex => `0x${value.toString(16)}`

export class ChainReader {
  readonly rpcUrl: string
  readonly #signal: AbortSignal

  /** @param signal Ends every call. */
  constructor(rpcUrl: string, signal: AbortSignal) {
    this.rpcUrl = rpcUrl
    this.#signal = signal
  }

  async chainId(): Promise<number> {
    return Number(await this.#call<Hex>('eth_chainId'))
  }

  /** Number of the newest block. */
  async head(): Promise<number> {
    return Number(await this.#call<Hex>('eth_blockNumber'))
  }

  /** `null` when the chain has none such. */
  block(which: number | 'finalized'): Promise<Block | null> {
    const tag = typeof which === 'number' ? toQuantity(which) : which
    return this.#call('eth_getBlockByNumber', tag, false)
  }

  /** `null` for a transaction that is not in a block of the chain. */
  receipt(transactionHash: Hex): Promise<Receipt | null> {
    return this.#call('eth_getTransactionReceipt', transactionHash)
  }

  /** Call data of a transaction; `null` for one the node does not know. */
  async input(transactionHash: Hex): Promise<Hex | null> {
    const found = await this.#call<{ input: Hex } | null>(
      'eth_getTransactionByHash',
      transactionHash,
    )
    return found?.input ?? null
  }

  /**
   * What the last call of a batch returned; `null` when the node gives no traces.
   */
  async answer(transactionHash: Hex): Promise<Hex | null> {
    type Frame = { readonly output?: Hex; readonly calls?: readonly Frame[] }
    try {
      const options = { tracer: 'callTracer' }
      const frame = await this.#call<Frame>('debug_traceTransaction', transactionHash, options)
      return frame.calls?.at(-1)?.output ?? '0x'
    } catch (error) {
      if (error instanceof RpcRefusal) return null
      throw error
    }
  }

  logs(address: Address, topics: readonly Hex[], { from, to }: BlockRange): Promise<Log[]> {
    const filter = { address, topics, fromBlock: toQuantity(from), toBlock: toQuantity(to) }
    return this.#call('eth_getLogs', filter)
  }

  #call<T>(method: string, ...params: readonly unknown[]): Promise<T> {
    return rpc<T>(this.rpcUrl, method, params, { signal: this.#signal })
  }
}
