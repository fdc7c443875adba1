/**
 * A market on an anvil of its own, for measuring what transactions cost: real receipts of real
 * transactions, 21,000 and calldata included.
 */
import { spawnSync } from 'node:child_process'
import {
  type Abi,
  type Address,
  createTestClient,
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
import { type Deployment, defaultWindows, deploy, deployArtifact } from '#contracts/deploy'
import { type Kind, type Message, schema } from '#protocol/schema'
import { type Anvil, devKeys, startAnvil } from '#test/support/anvil'

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
type Sender = { readonly address: Address }

const deployerKey = devKeys[0]!

/** One market, one chain. */
export class Chain {
  readonly market: Deployment
  readonly windows = defaultWindows
  readonly client: ReturnType<typeof connect>
  readonly #anvil: Anvil
  /** Instant of the job being built, s; every job moves it on. */
  nowS = 1_800_000_100

  private constructor(anvil: Anvil, market: Deployment) {
    this.#anvil = anvil
    this.client = connect(anvil.rpcUrl)
    this.market = market
  }

  static async start(): Promise<Chain> {
    const anvil = await startAnvil({ args: ['--timestamp', '1800000000'] })
    return new Chain(anvil, await deploy(anvil.rpcUrl, deployerKey, defaultWindows))
  }

  stop(): Promise<void> {
    return this.#anvil.stop()
  }

  /** Deploys a contract of `contracts/src`. */
  async deploy(name: string, args: readonly unknown[]): Promise<Address> {
    return (await deployArtifact(this.#anvil.rpcUrl, deployerKey, name, args)).address
  }

  /** Deploys a contract of `test/contracts`, from the file of its name. */
  async deployOfTests(name: string): Promise<Address> {
    const build = ['build', `test/contracts/${name}.sol`]
    const run = spawnSync(foundryBinary('forge'), build, { env: forgeEnvironment() })
    if (run.status !== 0) throw new Error(`forge build failed:\n${run.stdout}${run.stderr}`)
    return this.deploy(name, [])
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
    return this.#cost(from, this.market.settlement, data, valueWei, atS)
  }

  /** Deposits a prover's bond. */
  async deposit(prover: Address, valueWei: bigint): Promise<Cost> {
    const args = [prover, 0] as const
    const data = encodeFunctionData({ abi: bondsAbi, functionName: 'deposit', args })
    return this.#cost(account('payer'), this.market.bonds, data, valueWei, 0)
  }

  #typed<K extends Kind>(kind: K, message: Message<K>) {
    const { chainId, settlement: verifyingContract } = this.market
    const domain = { name: 'Proofwire', version: '1', chainId, verifyingContract }
    return { domain, types: schema, primaryType: kind, message } as Parameters<
      PrivateKeyAccount['signTypedData']
    >[0]
  }

  async #cost(from: Sender, to: Address, data: Hex, valueWei: bigint, atS: number): Promise<Cost> {
    if (atS > 0) await this.client.setNextBlockTimestamp({ timestamp: BigInt(atS) })
    const receipt = await this.#mined(from, to, data, valueWei)
    return { gas: Number(receipt.gasUsed) }
  }

  async #mined(from: Sender, to: Address, data: Hex, valueWei: bigint) {
    await this.client.setBalance({ address: from.address, value: 10n ** 21n })
    // The node estimates and signs nothing: it takes the sender at its word.
    await this.client.impersonateAccount({ address: from.address })
    const hash = await this.client.sendTransaction({
      account: from.address,
      to,
      data,
      value: valueWei,
      gas: 8_000_000n,
      chain: null,
    })
    const receipt = await this.client.waitForTransactionReceipt({ hash })
    if (receipt.status === 'success') return receipt
    const call = { account: from.address, to, data, value: valueWei }
    await this.client.call(call) // throws with the revert's name
    throw new Error(`transaction to ${to} at ${this.#anvil.rpcUrl} reverted`)
  }
}
