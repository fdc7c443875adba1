/**
 * The devnet's user: somebody without a GPU whose transactions on L1 call two rollups. Its
 * contracts are `contracts/src/examples`; every transaction is sent by `proofwire table send`,
 * which has its table proven by the market.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eddsaKey } from '#protocol/eddsa'
import { encodeSend } from '#protocol/ledger-calls'
import { accountAddress } from '#protocol/ledger-tree'
import type { Address, Hex } from '#protocol/schema'
import { keccak } from '#protocol/signature'
import type { Actor } from './accounts.ts'
import { CHAIN_ID } from './chain.ts'
import { terms } from './genesis.ts'
import { shapes } from './load.ts'
import { type Market, ROOT } from './members.ts'
import type { Processes } from './processes.ts'

/** Where the examples are: what `contracts/deploy-examples.ts` prints. */
export type Examples = {
  /** Two ledger rollups. */
  readonly rollupIds: readonly [string, string]
  readonly accounts: readonly { readonly place: number; readonly key: readonly string[] }[]
  readonly till: Address
  readonly errand: Address
  readonly splitter: Address
}

/** A transaction of the user. */
export type UserTransaction = {
  /** One line for people. */
  readonly what: string
  readonly to: Address
  readonly data: Hex
  readonly valueWei: bigint
}

/** One event of `proofwire table send --json`, as far as the devnet shows it. */
export type SendEvent = { readonly event: string } & Readonly<Record<string, unknown>>

const ETHER = 10n ** 18n
/** What each transaction moves. wei. Deposits come first and are larger than what leaves later. */
const [DEPOSIT_WEI, ERRAND_WEI, SEND_WEI] = [ETHER, ETHER / 10n, ETHER / 5n]
/** Places of the accounts: `contracts/deploy-examples.ts`. */
const [HOLDER, ERRAND] = [1, 2]
/** How long a table stays good: its proof, and a backup's. Blocks. */
const TABLE_BLOCKS = 60

/** The key of the account holder on the rollups. */
const holderSecret = (seed: string): Uint8Array =>
  Buffer.from(keccak(Buffer.from(`${seed}/holder`)).slice(2), 'hex')

export type UserOptions = {
  readonly folder: string
  readonly processes: Processes
  readonly seed: string
  readonly shape: string
  /** Most entries of a segment. Default: what the circuit has room for. */
  readonly entries?: number
  readonly rpcUrl: string
  readonly market: Market
  /** Of the builder. */
  readonly doorUrl: string
  readonly deployer: Actor
  readonly user: Actor
}

export type User = {
  readonly account: Address
  readonly examples: Examples
  /** The n-th transaction, from 1: three kinds in turn. */
  readonly transaction: (number: number) => UserTransaction
  /**
   * Has it proven, posted and executed; resolves when it is mined, or with false when the market
   * gave no proof for it.
   * @throws ProcessDied when it did not pass for another reason, with what was said.
   */
  readonly send: (
    transaction: UserTransaction,
    dueInMs: number,
    onEvent: (event: SendEvent) => void,
  ) => Promise<boolean>
  /** What people call the accounts that its tables name. */
  readonly names: ReadonlyMap<Address, string>
}

/** Deploys the user's contracts and registers its rollups. */
export async function createUser(options: UserOptions): Promise<User> {
  const examples = await deployExamples(options)
  const config = await writeConfig(options, examples)
  return {
    account: options.user.address,
    examples,
    transaction: (number) => transactionOf(number, examples, options.market),
    names: namesOf(examples, options.user),
    send: ({ to, data, valueWei }, dueInMs, onEvent) => {
      const call = ['--to', to, '--data', data, '--value', valueWei.toString()]
      const flags = ['--config', config, ...call, '--due-in-ms', String(dueInMs), '--json']
      return runSend(options, flags, onEvent)
    },
  }
}

/** One process a transaction, as a user would run it. */
async function runSend(
  { processes, folder }: UserOptions,
  flags: readonly string[],
  onEvent: (event: SendEvent) => void,
): Promise<boolean> {
  let code: unknown
  const args = [pathOf('proofwire.ts'), 'table', 'send', ...flags]
  const onLine = (line: string): void => {
    if (!line.startsWith('{')) return
    const event = JSON.parse(line) as SendEvent
    if (event.event === 'failed') code = event.code
    onEvent(event)
  }
  const environment = { TMPDIR: folder }
  try {
    await processes.run('table-send', process.execPath, args, { environment, onLine })
    return true
  } catch (error) {
    if (code === 'NO_PROOF') return false
    throw error
  }
}

const namesOf = (examples: Examples, user: Actor): ReadonlyMap<Address, string> =>
  new Map([
    [user.address, 'user'],
    [examples.splitter, 'Splitter'],
    [examples.errand, 'Errand'],
    [examples.till, 'Till'],
    [accountAddress(HOLDER), "the holder's account"],
    [accountAddress(ERRAND), "Errand's account"],
  ])

const pathOf = (file: string): string => join(ROOT, file)

async function deployExamples(options: UserOptions): Promise<Examples> {
  const { processes, rpcUrl, deployer, market, shape, seed } = options
  const flags = {
    'rpc-url': rpcUrl,
    'key-file': deployer.keyFile,
    rollups: market.rollups,
    verifier: market.verifier,
    'program-id': market.programId,
    depth: String(shapes[shape]!.depth),
    holder: eddsaKey(holderSecret(seed)).join(','),
  }
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
  let examples: Examples | undefined
  const script = pathOf('contracts/deploy-examples.ts')
  await processes.run('deploy-examples', process.execPath, [script, ...args], {
    onLine: (line) => {
      if (line.startsWith('{')) examples = JSON.parse(line) as Examples
    },
  })
  if (examples === undefined) throw new Error('the examples printed no addresses')
  return examples
}

/** Three kinds in turn: into both rollups, out of one to L1 and back, from one to the other. */
function transactionOf(number: number, examples: Examples, market: Market): UserTransaction {
  const [first, second] = examples.rollupIds.map(BigInt) as [bigint, bigint]
  const kinds: readonly UserTransaction[] = [
    {
      what: 'L1 calls two rollups: one ether split between them, by their answers',
      to: examples.splitter,
      data: callOf('split()'),
      valueWei: DEPOSIT_WEI,
    },
    {
      what: 'L1 calls a rollup that calls L1, and back: 1/10 ether from the rollup to a till',
      to: examples.errand,
      data: callOf('run(uint256)', ERRAND_WEI),
      valueWei: 0n,
    },
    {
      what: 'a transaction of a rollup pays an account of the other: 1/5 ether, without L1 between',
      to: market.rollups,
      data: l2Transaction(first, HOLDER, encodeSend(second, ERRAND, SEND_WEI)),
      valueWei: 0n,
    },
  ]
  return kinds[(number - 1) % kinds.length]!
}

const wordOf = (value: bigint): string => value.toString(16).padStart(64, '0')

const callOf = (signature: string, ...args: readonly bigint[]): Hex =>
  `${keccak(Buffer.from(signature)).slice(0, 10) as Hex}${args.map(wordOf).join('')}`

/** `executeL2TX(uint64,address,bytes)`: the one dynamic argument lies behind three words. */
function l2Transaction(rollup: bigint, account: number, data: Hex): Hex {
  const bytes = (data.length - 2) / 2
  const padded = data.slice(2).padEnd(64 * Math.ceil(bytes / 32), '0')
  const head = callOf(
    'executeL2TX(uint64,address,bytes)',
    ...[rollup, BigInt(accountAddress(account)), 96n, BigInt(bytes)],
  )
  return `${head}${padded}`
}

/** The settings of `proofwire table send`; returns their file. */
async function writeConfig(options: UserOptions, examples: Examples): Promise<string> {
  const { folder, market, shape, entries, user, rpcUrl, doorUrl, seed } = options
  const ids = examples.rollupIds.map(Number)
  const accounts = examples.accounts.map(({ place, key }) => ({
    ...{ index: place, key, balanceWei: '0' },
  }))
  const accountsFile = join(folder, 'accounts.json')
  const holderFile = join(folder, 'holder.key')
  await writeFile(accountsFile, JSON.stringify(Object.fromEntries(ids.map((id) => [id, accounts]))))
  const secret = Buffer.from(holderSecret(seed)).toString('hex')
  await writeFile(holderFile, `${secret}\n`, { mode: 0o600 })
  const { depth } = shapes[shape]!
  const settings = {
    ...{ rpcUrl, chainId: CHAIN_ID, doorUrl, keyFile: user.keyFile },
    ...{ registry: market.rollups, batchAccount: market.batchAccount },
    ...{ settlement: market.settlement, stateFolder: join(folder, 'rollups') },
    ...{ windowBlocks: TABLE_BLOCKS, backups: terms.backups, softDueInMs: terms.softDueInMs },
    reserveWei: terms.reserveWei.toString(),
    bondWei: terms.bondWei.toString(),
    latenessWeiPerMs: terms.latenessWeiPerMs.toString(),
    claimBaseFeeCapWei: terms.claimBaseFeeCapWei.toString(),
  }
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
  lines.push(
    '[ledger]',
    `rollups = [${ids.join(', ')}]`,
    `verifier = "${market.verifier}"`,
    `programId = "${market.programId}"`,
    `depth = ${depth}`,
    ...(entries === undefined ? [] : [`entries = ${entries}`]),
    `accounts = ${JSON.stringify(accountsFile)}`,
    `key = ${JSON.stringify(holderFile)}`,
  )
  const config = join(folder, 'user.toml')
  await writeFile(config, `${lines.join('\n')}\n`)
  return config
}
