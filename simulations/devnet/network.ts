/**
 * The devnet's processes and how each is set up: a chain with the contracts, a bootstrap node, a builder, prover
 * agents. All talk over loopback; this program only over their doors.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Address, Hex } from '#protocol/schema'
import { type Actor, createActors } from './accounts.ts'
import { CHAIN_ID, codeHash, fund, startChain } from './chain.ts'
import { Door } from './door.ts'
import { deposits, writeGenesis } from './genesis.ts'
import { freePorts } from './ports.ts'
import type { Processes, Running } from './processes.ts'

export type NetworkOptions = {
  /** Keys, stores and logs lie here. */
  readonly folder: string
  readonly processes: Processes
  readonly seed: string
  readonly shape: string
  /** Name of the shape's program; its keys are built. */
  readonly programId: Hex
  readonly provers: number
  /** The last prover takes a job and stays silent. */
  readonly hasStalling: boolean
  /** Ends every wait. */
  readonly signal: AbortSignal
}

/** Where the market lives on the chain. */
export type Market = {
  readonly settlement: Address
  readonly bonds: Address
  readonly verifier: Address
  readonly blockNumber: number
}

export type Role = 'bootstrap' | 'builder' | 'prover' | 'stalling prover'
/** A node or agent: what it is started with, again after a crash. */
export type Member = Actor & { readonly role: Role; readonly settings: Settings }

export type Network = {
  readonly rpcUrl: string
  readonly market: Market
  readonly members: readonly Member[]
  /** The builder's. */
  readonly door: Door
  /** Starts a member's process; resolves when it takes part. Its last process must be gone. */
  readonly start: (member: Member) => Promise<Running>
}

const ROOT = join(import.meta.dirname, '../..')
const pathOf = (file: string): string => join(ROOT, file)
/** What the stalling prover claims that a proof takes it. ms. */
const BOAST_MS = 50

type Settings = Readonly<Record<string, string | number | boolean | readonly string[]>>

/** TOML whose values are all JSON too. */
const toToml = (settings: Settings): string =>
  Object.entries(settings)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join('')

/** Builds what proofs of a shape need, unless it is there. Returns the program's name. */
export async function buildShape(
  processes: Processes,
  shape: string,
  onLine: (line: string) => void,
): Promise<Hex> {
  let programId: Hex | undefined
  const args = [pathOf('prover-agent/circuits/build.ts'), shape]
  await processes.run('build-circuits', process.execPath, args, {
    onLine: (line) => {
      programId ??= /program (0x[0-9a-f]{64})/.exec(line)?.[1] as Hex | undefined
      if (programId === undefined) onLine(line)
    },
  })
  if (programId === undefined) throw new Error(`building ${shape} named no program`)
  return programId
}

/** Starts the chain and deploys; the members are then started in their order, the first prover before others. */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  const { folder, processes, seed, shape, signal } = options
  const provers = Array.from({ length: options.provers }, (_, i) => `prover-${i + 1}`)
  const names = ['deployer', 'bootstrap', 'builder', ...provers]
  const [deployer, ...actors] = await createActors(seed, names, folder)
  const { paramsFile, windowsFile } = await writeGenesis(folder)
  const rpcUrl = await startChain(processes)
  await fund(
    rpcUrl,
    [deployer!, ...actors].map(({ address }) => address),
  )
  const keys = pathOf(`build/circuits/${shape}`)
  const market = await deploy(processes, rpcUrl, deployer!.keyFile, windowsFile, keys)
  const [doorPort, bootstrapPort, builderPort] = (await freePorts(3)) as [number, number, number]
  const common: Settings = {
    ...{ rpcUrl, chainId: CHAIN_ID, settlement: market.settlement, paramsFile },
    ...{ deploymentBlock: market.blockNumber, confirmations: 1, pollMs: 200, settleAfterMs: 500 },
  }
  const listenAt = (port: number): Settings => ({ listen: [`/ip4/127.0.0.1/tcp/${port}`] })
  const key = join(keys, 'verification-key.json')
  const agent: Settings = {
    shapes: [shape],
    verifierCodeHashes: [await codeHash(rpcUrl, market.verifier)],
    verifiers: [market.verifier],
    bondWei: deposits.bondWei.toString(),
    doorPort: 0,
  }
  // One machine, one measurement: the first prover makes it, alone, and the others begin with it.
  const measured = { calibrationFile: join(folder, 'prover-1', 'calibration.json') }
  const settingsOf: Readonly<Record<Role, Settings>> = {
    bootstrap: { ...listenAt(bootstrapPort), doorPort: 0 },
    builder: { ...listenAt(builderPort), doorPort, programKeys: [key] },
    prover: agent,
    'stalling prover': { ...agent, ...(await stalling(folder, options.programId)) },
  }
  const members = actors.map((actor): Member => {
    const role = roleOf(actor.name, options)
    const own = { dataFolder: join(folder, actor.name), keyFile: actor.keyFile }
    const known = role === 'prover' && actor.name !== 'prover-1' ? measured : {}
    return { ...actor, role, settings: { ...common, ...settingsOf[role], ...known, ...own } }
  })
  let bootstrap: readonly string[] = []
  return {
    rpcUrl,
    market,
    members,
    door: new Door(`http://127.0.0.1:${doorPort}`, signal),
    start: async (member) => {
      const running = await startMember(processes, folder, member, bootstrap)
      if (member.role === 'bootstrap') bootstrap = await addressesOf(running)
      return running
    },
  }
}

function roleOf(name: string, { provers, hasStalling }: NetworkOptions): Role {
  if (name === 'bootstrap' || name === 'builder') return name
  return hasStalling && name === `prover-${provers}` ? 'stalling prover' : 'prover'
}

/** What makes a prover win its first job and never prove it: a boast, a low price, a program that does nothing. */
async function stalling(folder: string, programId: Hex): Promise<Settings> {
  const calibrationFile = join(folder, 'boast.json')
  const boast = { version: 1, programs: { [programId]: { work: '1', recentMs: [BOAST_MS] } } }
  await writeFile(calibrationFile, JSON.stringify(boast))
  return {
    ...{
      backend: 'command',
      command: [process.execPath, pathOf(STALLING_PROVER)],
      calibrationFile,
    },
    ...{ bondWei: deposits.badBondWei.toString(), marginPercent: 0 },
  }
}
const STALLING_PROVER = 'simulations/devnet/stalling-prover.ts'

async function deploy(
  processes: Processes,
  rpcUrl: string,
  keyFile: string,
  windowsFile: string,
  shapeFolder: string,
): Promise<Market> {
  let market: Market | undefined
  const flags = ['--rpc-url', rpcUrl, '--key-file', keyFile, '--windows', windowsFile]
  const args = [pathOf('contracts/deploy.ts'), ...flags, '--shape', shapeFolder]
  await processes.run('deploy', process.execPath, args, {
    onLine: (line) => {
      if (line.startsWith('{')) market = JSON.parse(line) as Market
    },
  })
  if (market === undefined) throw new Error('the deployment printed no addresses')
  return market
}

/** Starts `proofwire node` or `proofwire agent`; resolves when it says that it runs. */
async function startMember(
  processes: Processes,
  folder: string,
  { name, role, settings }: Member,
  bootstrap: readonly string[],
): Promise<Running> {
  const config = join(folder, `${name}.toml`)
  await writeFile(config, toToml({ ...settings, bootstrap }))
  const isAgent = role === 'prover' || role === 'stalling prover'
  const args = [pathOf('proofwire.ts'), isAgent ? 'agent' : 'node', '--config', config]
  const running = processes.start(name, process.execPath, args)
  await running.line(isAgent ? /agent runs/ : /node runs/)
  return running
}

/** Where a node listens, with its peer id, as its log says it. */
async function addressesOf(running: Running): Promise<readonly string[]> {
  const [, list] = await running.line(/addresses=(\[.*?\])/)
  return JSON.parse(list!) as readonly string[]
}
