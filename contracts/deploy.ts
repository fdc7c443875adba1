/**
 * Deploys the contracts. `Settlement` deploys its own `Bonds`, so one transaction makes both and neither
 * has an owner. Nothing is ever upgraded: another deployment is another market.
 */
import {
  type Abi,
  type Address,
  createPublicClient,
  createWalletClient,
  encodeDeployData,
  type Hex,
  http,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { settlementAbi } from './abi.ts'
import { artifact, buildContracts } from './build.ts'

/** Seconds of block time; what each means is in `ISettlement.Windows`. */
export type Windows = {
  readonly claimWindowS: number
  readonly commitWindowS: number
  readonly slotS: number
  readonly maxJobS: number
  readonly exitDelayS: number
}

/** For Ethereum's 12 s slots. */
export const defaultWindows: Windows = {
  /** Two epochs: a claim survives an epoch of full or censored blocks, and one that does not finalise. */
  claimWindowS: 768,
  /** Three slots: one proposer cannot keep a commitment out. */
  commitWindowS: 36,
  slotS: 12,
  maxJobS: 60,
  /** The first round number of minutes above maxJob + 4 claim windows (3,132 s). */
  exitDelayS: 3_600,
}

/** Where a market lives. Addresses in lower case. */
export type Deployment = {
  readonly settlement: Address
  readonly bonds: Address
  readonly chainId: number
  /** Block of the deployment: logs need not be searched before it. */
  readonly blockNumber: bigint
}

/** A deployed contract. Address in lower case. */
export type Deployed = { readonly address: Address; readonly blockNumber: bigint }

/**
 * Deploys any contract of `contracts/src`, e.g. a verifier with its key.
 * @param name Contract and file name, e.g. `TableVerifier`.
 * @param args Constructor arguments, in order.
 * @throws When the node at `rpcUrl` cannot be reached or the constructor reverts.
 */
export async function deployArtifact(
  rpcUrl: string,
  privateKey: Hex,
  name: string,
  args: readonly unknown[],
): Promise<Deployed> {
  buildContracts()
  const { abi, bytecode } = artifact(name)
  const transport = http(rpcUrl)
  const wallet = createWalletClient({ account: privateKeyToAccount(privateKey), transport })
  const client = createPublicClient({ transport, pollingInterval: 100 })
  const data = encodeDeployData({ abi: abi as Abi, bytecode, args })
  const hash = await wallet.sendTransaction({ data, chain: null })
  const receipt = await client.waitForTransactionReceipt({ hash })
  if (receipt.status !== 'success' || !receipt.contractAddress) {
    throw new Error(`${name} was not deployed: its constructor reverted in ${hash}`)
  }
  const address = receipt.contractAddress.toLowerCase() as Address
  return { address, blockNumber: receipt.blockNumber }
}

/**
 * Deploys a market: `Settlement` and its `Bonds`.
 * @param rpcUrl JSON-RPC over HTTP.
 * @param privateKey Pays for the deployment; has no rights afterwards.
 * @throws When the node cannot be reached, or the windows contradict each other (`BadWindows`).
 */
export async function deploy(
  rpcUrl: string,
  privateKey: Hex,
  windows: Windows = defaultWindows,
): Promise<Deployment> {
  const { address, blockNumber } = await deployArtifact(rpcUrl, privateKey, 'Settlement', [windows])
  const client = createPublicClient({ transport: http(rpcUrl) })
  const [bonds, chainId] = await Promise.all([
    client.readContract({ address, abi: settlementAbi, functionName: 'bonds' }),
    client.getChainId(),
  ])
  return { settlement: address, bonds: bonds.toLowerCase() as Address, chainId, blockNumber }
}
