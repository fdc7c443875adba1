/**
 * Deploys the examples of a development network: two ledger rollups in a registry, and L1 contracts
 * that call them.
 *
 *     node contracts/deploy-examples.ts --rpc-url URL --key-file FILE --rollups ADDRESS
 *         --verifier ADDRESS --program-id HASH --depth N --holder X,Y
 *
 * `--holder` is the key (two numbers) of the account holder who signs transactions of the rollups.
 * Each rollup begins with two empty accounts: the holder's (1) and one that `Errand` owns (2).
 * Prints addresses, rollup ids and the accounts as JSON.
 */
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import {
  type Address,
  createPublicClient,
  createWalletClient,
  type Hex,
  http,
  parseEventLogs,
  type TransactionReceipt,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { accountAddress, createLedger, rootOf } from '#protocol/ledger-tree'
import { ZERO_ADDRESS } from '#protocol/schema'
import { rollupsAbi } from './abi.ts'
import { artifact, buildContracts } from './build.ts'
import { deployArtifact } from './deploy.ts'

/** Where an account of each rollup is. An account's address is its place in the tree. */
export const HOLDER = 1
export const ERRAND = 2

type Options = {
  readonly rpcUrl: string
  readonly privateKey: Hex
  readonly rollups: Address
  readonly verifier: Address
  readonly programId: Hex
  readonly depth: number
  readonly holder: readonly [bigint, bigint]
}

/** Sends transactions of one account, one after the other, and waits for each. */
function createSender({ rpcUrl, privateKey }: Options) {
  const transport = http(rpcUrl)
  const wallet = createWalletClient({ account: privateKeyToAccount(privateKey), transport })
  const client = createPublicClient({ transport, pollingInterval: 100 })
  return {
    client,
    /** @throws when the call reverts, with the contract's error. */
    async write(call: {
      address: Address
      abi: readonly unknown[]
      functionName: string
      args: readonly unknown[]
    }): Promise<TransactionReceipt> {
      await client.simulateContract({ ...call, account: wallet.account } as never)
      const hash = await wallet.writeContract({ ...call, chain: null } as never)
      return client.waitForTransactionReceipt({ hash })
    },
  }
}

type Sender = ReturnType<typeof createSender>

async function register(sender: Sender, options: Options, root: Hex): Promise<bigint> {
  const receipt = await sender.write({
    address: options.rollups,
    abi: rollupsAbi,
    functionName: 'register',
    args: [ZERO_ADDRESS, options.verifier, options.programId, root, false],
  })
  const [log] = parseEventLogs({ abi: rollupsAbi, logs: receipt.logs, eventName: 'Registered' })
  return log!.args.rollupId
}

async function proxyOf(
  sender: Sender,
  rollups: Address,
  place: number,
  rollup: bigint,
): Promise<Address> {
  const args = [accountAddress(place), rollup] as const
  const on = { address: rollups, abi: rollupsAbi } as const
  await sender.write({ ...on, functionName: 'createProxy', args })
  const proxy = await sender.client.readContract({ ...on, functionName: 'proxyOf', args })
  return proxy.toLowerCase() as Address
}

/** Deploys all; returns what is printed. @throws when the node cannot be reached or refuses. */
export async function deployExamples(options: Options) {
  const { rpcUrl, privateKey, rollups, depth, holder } = options
  buildContracts()
  const deploy = (name: string, args: readonly unknown[]) =>
    deployArtifact(rpcUrl, privateKey, name, args).then(({ address }) => address)
  const till = await deploy('Till', [])
  const errand = await deploy('Errand', [till])
  const accounts = [
    { place: HOLDER, key: holder },
    { place: ERRAND, key: [BigInt(errand), 0n] as const },
  ]
  const sender = createSender(options)
  const ids: bigint[] = []
  const count = await sender.client.readContract({
    address: rollups,
    abi: rollupsAbi,
    functionName: 'rollupCount',
  })
  for (const id of [count + 1n, count + 2n]) {
    const places = accounts.map(
      ({ place, key }) => [place, { key, balanceWei: 0n, nonce: 0n }] as const,
    )
    ids.push(await register(sender, options, rootOf(createLedger(id, depth, places))))
  }
  const [first, second] = ids as [bigint, bigint]
  const errandProxy = await proxyOf(sender, rollups, ERRAND, second)
  const holderProxy = await proxyOf(sender, rollups, HOLDER, first)
  const splitter = await deploy('Splitter', [holderProxy, errandProxy])
  const { abi } = artifact('Errand')
  await sender.write({ address: errand, abi, functionName: 'open', args: [errandProxy] })
  return { rollupIds: ids, accounts, till, errand, splitter, holderProxy, errandProxy }
}

async function main(args: readonly string[]): Promise<void> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      'rpc-url': text,
      'key-file': text,
      rollups: text,
      verifier: text,
      'program-id': text,
      depth: text,
      holder: text,
    },
  })
  const given = (name: keyof typeof values): string => {
    const value = values[name]
    if (!value) throw new Error(`--${name} is needed`)
    return value
  }
  const [x, y] = given('holder').split(',').map(BigInt)
  const key = (await readFile(given('key-file'), 'utf8')).trim()
  const deployed = await deployExamples({
    rpcUrl: given('rpc-url'),
    privateKey: `0x${key.replace(/^0x/, '')}`,
    rollups: given('rollups') as Address,
    verifier: given('verifier') as Address,
    programId: given('program-id') as Hex,
    depth: Number(given('depth')),
    holder: [x!, y!],
  })
  console.log(
    JSON.stringify(deployed, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
  )
}

if (import.meta.main) {
  main(process.argv.slice(2)).catch((error: Error) => {
    console.error(`deploy-examples: ${error.message}`)
    process.exitCode = 1
  })
}
