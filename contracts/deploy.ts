/**
 * Deploys the contracts. `Settlement` deploys its own `Bonds`, so one transaction makes both and
 * neither has an owner. Nothing is ever upgraded: another deployment is another market.
 *
 *     node contracts/deploy.ts --rpc-url URL --key-file FILE [--windows FILE] [--shape FOLDER ...]
 *         [--rollups]
 *
 * `--windows` is JSON in the form of `Windows`; `--shape` a built circuit, for which a verifier is
 * deployed too (again for each further size of it); `--rollups` asks for a registry of rollups and
 * the account that posts and calls in one transaction. Prints where everything is, as JSON; null
 * for what was not asked for.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  type Abi,
  type Address,
  BaseError,
  createPublicClient,
  createWalletClient,
  decodeErrorResult,
  encodeDeployData,
  type Hex,
  http,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { whyInsecure } from '#protocol/development-key'
import {
  programId as keyId,
  parseVerificationKey,
  type VerificationKey,
  verifierConstructorArgs,
} from '#protocol/proof'
import { programOfKeys } from '#protocol/segments'
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
  /** 64 slots: a claim survives an epoch of congestion, twice. */
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

/** What the node said: the constructor's own error where it reverted, else the first line. */
function reasonOf(abi: Abi, error: unknown): string {
  if (!(error instanceof BaseError)) return String(error)
  const raw = error.walk((cause) => typeof (cause as { data?: unknown }).data === 'string')
  if (raw === null) return error.shortMessage
  const { data } = raw as unknown as { data: Hex }
  try {
    const { errorName, args } = decodeErrorResult({ abi, data })
    const said = JSON.stringify(args ?? [], (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    )
    return `its constructor says ${errorName}${said}`
  } catch {
    return `its constructor reverted with ${data}`
  }
}

/**
 * Deploys any contract of `contracts/src`, e.g. a verifier with its key.
 * @param name Contract and file name, e.g. `BatchVerifier`.
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
  const hash = await wallet.sendTransaction({ data, chain: null }).catch((error: unknown) => {
    throw new Error(`${name} was not deployed: ${reasonOf(abi as Abi, error)}`, { cause: error })
  })
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

/** Chains whose money is made up: anvil's and hardhat's, geth's `--dev`. */
const developmentChains: ReadonlySet<number> = new Set([31_337, 1_337])

/** A verifier and the name of the program it answers for, which rollups register. */
export type DeployedVerifier = Deployed & { readonly programId: Hex }

/**
 * Deploys a `BatchVerifier` for built circuits of one statement.
 * @param folders Of `verification-key.json` and `meta.json`, as `prover-agent/circuits/build.ts`
 * and the key ceremony write them; the order is part of the program's name.
 * @throws When a key whose trapdoor is public would guard real money.
 */
export async function deployVerifier(
  rpcUrl: string,
  privateKey: Hex,
  folders: readonly string[],
): Promise<DeployedVerifier> {
  const chainId = await createPublicClient({ transport: http(rpcUrl) }).getChainId()
  const keys = await Promise.all(folders.map((folder) => readKey(folder, chainId)))
  const args = verifierConstructorArgs(keys)
  const deployed = await deployArtifact(rpcUrl, privateKey, 'BatchVerifier', args)
  return { ...deployed, programId: programOfKeys(keys.map(keyId)) }
}

/** @throws When it is no key, or one that must not be used on this chain. */
async function readKey(folder: string, chainId: number): Promise<VerificationKey> {
  const read = async (file: string) => JSON.parse(await readFile(join(folder, file), 'utf8'))
  const key = parseVerificationKey(await read('verification-key.json'))
  if (key === null) throw new Error(`${folder} has no verification key; build the shape again`)
  const reason = whyInsecure(key, await read('meta.json').catch(() => undefined))
  if (reason !== null && !developmentChains.has(chainId)) {
    const what = `the key in ${folder} is INSECURE: ${reason}. Anyone may be able to forge proofs`
    throw new Error(`${what}. Chain ${chainId} is no development chain; use a ceremony's key.`)
  }
  return key
}

/** Where tables go: addresses in lower case. */
export type RollupsDeployment = {
  /** The registry, which is the venue of its tables. */
  readonly rollups: Address
  /** The code an account takes on (EIP-7702) to post a table and consume it at once. */
  readonly batchAccount: Address
  /** Block of the registry: nothing happened to it before. */
  readonly blockNumber: bigint
}

/**
 * Deploys a registry of rollups, and `BatchAccount`. Nobody owns either; a rollup is registered by
 * whoever likes to.
 * @param rpcUrl JSON-RPC over HTTP.
 * @param privateKey Pays for the deployment; has no rights afterwards.
 * @throws When the node cannot be reached.
 */
export async function deployRollups(rpcUrl: string, privateKey: Hex): Promise<RollupsDeployment> {
  const { address, blockNumber } = await deployArtifact(rpcUrl, privateKey, 'Rollups', [])
  const batch = await deployArtifact(rpcUrl, privateKey, 'BatchAccount', [])
  return { rollups: address, batchAccount: batch.address, blockNumber }
}

async function main(args: readonly string[]): Promise<void> {
  const text = { type: 'string' } as const
  const rollups = { type: 'boolean' } as const
  const shape = { type: 'string', multiple: true } as const
  const options = { 'rpc-url': text, 'key-file': text, windows: text, shape, rollups }
  const { values } = parseArgs({ args: [...args], options })
  const { 'rpc-url': rpcUrl, 'key-file': keyFile } = values
  if (!rpcUrl || !keyFile) throw new Error('--rpc-url and --key-file are needed')
  const digits = /^(?:0x)?([0-9a-fA-F]{64})$/.exec((await readFile(keyFile, 'utf8')).trim())?.[1]
  if (!digits) throw new Error(`${keyFile} is not a key of 64 hex digits`)
  const windows = values.windows
    ? (JSON.parse(await readFile(values.windows, 'utf8')) as Windows)
    : defaultWindows
  const key: Hex = `0x${digits}`
  const market = await deploy(rpcUrl, key, windows)
  const verifier = values.shape ? await deployVerifier(rpcUrl, key, values.shape) : null
  const registry = values.rollups ? await deployRollups(rpcUrl, key) : null
  const places = {
    ...market,
    blockNumber: Number(market.blockNumber),
    verifier: verifier?.address ?? null,
    programId: verifier?.programId ?? null,
    rollups: registry?.rollups ?? null,
    batchAccount: registry?.batchAccount ?? null,
  }
  console.log(JSON.stringify(places))
}

if (import.meta.main) {
  main(process.argv.slice(2)).catch((error: Error) => {
    console.error(`deploy: ${error.message}`)
    process.exitCode = 1
  })
}
