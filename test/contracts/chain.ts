/**
 * A market on an anvil of its own, for measuring what transactions cost: real receipts of real
 * transactions, 21,000 and calldata included.
 */
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import {
  type Abi,
  type Address,
  createTestClient,
  encodeDeployData,
  encodeFunctionData,
  type Hex,
  hashTypedData,
  http,
  keccak256,
  publicActions,
  stringToBytes,
  walletActions,
} from 'viem'
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { bondsAbi, settlementAbi } from '#contracts/abi'
import { forgeEnvironment, foundryBinary } from '#contracts/build'
import { defaultWindows } from '#contracts/deploy'
import { type Kind, type Message, schema, ZERO_ADDRESS } from '#protocol/schema'
import { type Anvil, startAnvil } from '#test/support/anvil'

/** A deterministic account for a name: same addresses, same calldata, same gas in every run. */
export const account = (name: string): PrivateKeyAccount =>
  privateKeyToAccount(keccak256(stringToBytes(name)))

const connect = (rpcUrl: string) =>
  createTestClient({ mode: 'anvil', transport: http(rpcUrl), pollingInterval: 20 })
    .extend(publicActions)
    .extend(walletActions)

/** What a transaction cost, all of it. */
export type Cost = { readonly gas: number }

/** Anyone: the node signs for it. */
export type Sender = { readonly address: Address }

/** A transaction to be sent. */
export type Call = {
  readonly from: Sender
  readonly to: Address
  readonly data: Hex
  readonly valueWei?: bigint
}

type Compiled = { readonly abi: Abi; readonly bytecode: Hex }
const compiledFiles = new Map<string, Promise<Compiled>>()

/** What one file compiles to, once. */
export function compiled(file: string): Promise<Compiled> {
  const known = compiledFiles.get(file) ?? compile(file)
  compiledFiles.set(file, known)
  return known
}

/**
 * Compiles one file, apart from everything else: what the optimiser makes of a contract depends a
 * little on what is compiled beside it, and a figure must not.
 */
async function compile(file: string): Promise<Compiled> {
  const name = basename(file, '.sol')
  const paths = ['--out', `build/gas/${name}`, '--cache-path', `build/gas/${name}.cache`]
  const run = spawnSync(foundryBinary('forge'), ['build', '--force', file, ...paths], {
    env: forgeEnvironment(),
    encoding: 'utf8',
  })
  if (run.status !== 0) throw new Error(`forge build failed:\n${run.stdout}${run.stderr}`)
  const text = await readFile(`build/gas/${name}/${name}.sol/${name}.json`, 'utf8')
  const { abi, bytecode } = JSON.parse(text)
  return { abi, bytecode: bytecode.object }
}

/** One market, one chain. */
export class Chain {
  settlementAddress: Address = ZERO_ADDRESS
  readonly windows = defaultWindows
  readonly client: ReturnType<typeof connect>
  readonly #anvil: Anvil
  /** Instant of the job being built, s; every job moves it on. */
  nowS = 1_800_000_100

  private constructor(anvil: Anvil) {
    this.#anvil = anvil
    this.client = connect(anvil.rpcUrl)
  }

  static async start(): Promise<Chain> {
    const chain = new Chain(await startAnvil({ args: ['--timestamp', '1800000000'] }))
    chain.settlementAddress = await chain.deploy('contracts/src/Settlement.sol', [defaultWindows])
    return chain
  }

  stop(): Promise<void> {
    return this.#anvil.stop()
  }

  /** Deploys the contract that the file is named after. */
  async deploy(file: string, args: readonly unknown[]): Promise<Address> {
    const { abi, bytecode } = await compiled(file)
    const data = encodeDeployData({ abi, bytecode, args })
    const receipt = await this.#mined(account('deployer'), null, data)
    return receipt.contractAddress!.toLowerCase() as Address
  }

  /** Signs one of our messages with `by`. 65 bytes: r, s, v. */
  sign<K extends Kind>(by: PrivateKeyAccount, kind: K, message: Message<K>): Promise<Hex> {
    return by.signTypedData(this.#typed(kind, message))
  }

  digest<K extends Kind>(kind: K, message: Message<K>): Hex {
    return hashTypedData(this.#typed(kind, message))
  }

  /** Sends to `Settlement`, in the block at `atS`, and says what it cost. */
  async settlement(
    from: Sender,
    functionName: string,
    args: readonly unknown[],
    { valueWei = 0n, atS = 0 } = {},
  ): Promise<Cost> {
    const abi = settlementAbi as Abi
    const data = encodeFunctionData({ abi, functionName, args })
    return this.#cost(from, this.settlementAddress, data, valueWei, atS)
  }

  /** Sends one transaction, in the block at `atS`, and says what it cost. */
  send({ from, to, data, valueWei = 0n }: Call, atS = 0): Promise<Cost> {
    return this.#cost(from, to, data, valueWei, atS)
  }

  /** Sends transactions that go into one block, in this order, and says what each cost. */
  async inOneBlock(calls: readonly Call[]): Promise<Cost[]> {
    await this.client.setAutomine(false)
    const hashes: Hex[] = []
    for (const { from, to, data, valueWei = 0n } of calls) {
      hashes.push(await this.#submit(from, to, data, valueWei))
    }
    await this.client.mine({ blocks: 1 })
    await this.client.setAutomine(true)
    const costs: Cost[] = []
    for (const hash of hashes) {
      const { status, gasUsed } = await this.#receipt(hash)
      if (status !== 'success') throw new Error(`transaction ${costs.length} of a block reverted`)
      costs.push({ gas: Number(gasUsed) })
    }
    return costs
  }

  /** Deposits a prover's bond. */
  async deposit(prover: Address, valueWei: bigint): Promise<Cost> {
    const args = [prover, 0] as const
    const data = encodeFunctionData({ abi: bondsAbi, functionName: 'deposit', args })
    return this.#cost(account('payer'), await this.#bonds(), data, valueWei, 0)
  }

  #bonds(): Promise<Address> {
    const address = this.settlementAddress
    return this.client.readContract({ address, abi: settlementAbi, functionName: 'bonds' })
  }

  #typed<K extends Kind>(kind: K, message: Message<K>) {
    const verifyingContract = this.settlementAddress
    const domain = { name: 'Proofwire', version: '1', chainId: 31_337, verifyingContract }
    return { domain, types: schema, primaryType: kind, message } as Parameters<
      PrivateKeyAccount['signTypedData']
    >[0]
  }

  async #cost(from: Sender, to: Address, data: Hex, valueWei: bigint, atS: number): Promise<Cost> {
    if (atS > 0) await this.client.setNextBlockTimestamp({ timestamp: BigInt(atS) })
    const receipt = await this.#mined(from, to, data, valueWei)
    return { gas: Number(receipt.gasUsed) }
  }

  async #submit(from: Sender, to: Address | null, data: Hex, valueWei: bigint): Promise<Hex> {
    await this.client.setBalance({ address: from.address, value: 10n ** 21n })
    // The node estimates and signs nothing: it takes the sender at its word.
    await this.client.impersonateAccount({ address: from.address })
    return this.client.sendTransaction({
      account: from.address,
      to,
      data,
      value: valueWei,
      gas: 14_000_000n,
      chain: null,
    })
  }

  /**
   * viem looks again only when there is a new block, and here none comes: a receipt that was not
   * there at once would be waited for in vain.
   */
  async #receipt(hash: Hex) {
    for (;;) {
      const found = await this.client.getTransactionReceipt({ hash }).catch((error: Error) => {
        if (error.name !== 'TransactionReceiptNotFoundError') throw error
        return null
      })
      if (found) return found
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async #mined(from: Sender, to: Address | null, data: Hex, valueWei = 0n) {
    const hash = await this.#submit(from, to, data, valueWei)
    const receipt = await this.#receipt(hash)
    if (receipt.status === 'success') return receipt
    const call = { account: from.address, to, data, value: valueWei }
    await this.client.call(call) // throws with the revert's name
    throw new Error(`transaction to ${to} at ${this.#anvil.rpcUrl} reverted`)
  }
}
