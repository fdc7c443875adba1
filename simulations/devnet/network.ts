/**
 * The devnet's processes: a chain with the contracts, a bootstrap node, a builder, prover agents.
 * All talk over loopback; this program only over their doors.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hex } from '#protocol/schema'
import { type Actor, createActors } from './accounts.ts'
import { fund, startChain } from './chain.ts'
import type { Door } from './door.ts'
import { writeGenesis } from './genesis.ts'
import {
  createMembers,
  type Market,
  type Member,
  type MemberOptions,
  memberNames,
  ROOT,
  type Settings,
} from './members.ts'
import type { Processes, Running } from './processes.ts'

export type NetworkOptions = Pick<
  MemberOptions,
  'folder' | 'shape' | 'keyId' | 'lanes' | 'calibrationFile' | 'hasStalling' | 'signal'
> & { readonly processes: Processes; readonly seed: string; readonly provers: number }

export type Network = {
  readonly rpcUrl: string
  readonly market: Market
  /** Pays for deployments; has no rights. */
  readonly deployer: Actor
  /** Whose transactions are played; has no node. */
  readonly user: Actor
  /** The bootstrap node, the builder, the provers. */
  readonly members: readonly Member[]
  /** The builder's. */
  readonly door: Door
  /**
   * Starts a member's process; resolves when it says that it runs. Its last process must be gone.
   */
  readonly start: (member: Member) => Promise<void>
  /** The last process of each member, by its name. */
  readonly running: ReadonlyMap<string, Running>
}

const pathOf = (file: string): string => join(ROOT, file)

/** TOML whose values are all JSON too. */
const toToml = (settings: Settings): string =>
  Object.entries(settings)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join('')

/** Builds what proofs of a shape need, unless it is there. Returns its key's id. */
export async function buildShape(
  processes: Processes,
  shape: string,
  onLine: (line: string) => void,
): Promise<Hex> {
  let keyId: Hex | undefined
  const args = [pathOf('prover-agent/circuits/build.ts'), shape]
  await processes.run('build-circuits', process.execPath, args, {
    onLine: (line) => {
      keyId ??= /key (0x[0-9a-f]{64})/.exec(line)?.[1] as Hex | undefined
      if (keyId === undefined) onLine(line)
    },
  })
  if (keyId === undefined) throw new Error(`building ${shape} named no key`)
  return keyId
}

/**
 * Starts the chain and deploys. The members are then to be started in their order, the first prover
 * before others.
 */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  const { folder, processes, seed, shape, provers } = options
  const names = ['deployer', 'user', ...memberNames(provers)]
  const [deployer, user, ...actors] = await createActors(seed, names, folder)
  const { paramsFile, windowsFile } = await writeGenesis(folder)
  const rpcUrl = await startChain(processes)
  const accounts = [deployer!, user!, ...actors].map(({ address }) => address)
  await fund(rpcUrl, accounts)
  const keys = pathOf(`build/circuits/${shape}`)
  const market = await deploy(processes, rpcUrl, deployer!.keyFile, windowsFile, keys)
  const members = await createMembers(actors, { ...options, rpcUrl, market, paramsFile })
  const running = new Map<string, Running>()
  let bootstrap: readonly string[] = []
  return {
    running,
    rpcUrl,
    market,
    deployer: deployer!,
    user: user!,
    members,
    door: members[1]!.door,
    start: async (member) => {
      const started = await startMember(processes, folder, member, bootstrap)
      running.set(member.name, started)
      if (member.role === 'bootstrap') bootstrap = await addressesOf(started)
    },
  }
}

async function deploy(
  processes: Processes,
  rpcUrl: string,
  keyFile: string,
  windowsFile: string,
  shapeFolder: string,
): Promise<Market> {
  let market: Market | undefined
  const flags = ['--rpc-url', rpcUrl, '--key-file', keyFile, '--windows', windowsFile, '--rollups']
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
  // What a killed agent leaves in the temporary folder goes with ours.
  const environment = { TMPDIR: folder }
  const running = processes.start(name, process.execPath, args, { environment })
  await running.line(isAgent ? /agent runs/ : /node runs/)
  return running
}

/** Where a node listens, with its peer id, as its log says it. */
async function addressesOf(running: Running): Promise<readonly string[]> {
  const [, list] = await running.line(/addresses=(\[.*?\])/)
  return JSON.parse(list!) as readonly string[]
}
