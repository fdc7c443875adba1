/** Who takes part in a devnet and how each is set up. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Address, Hex } from '#protocol/schema'
import type { Actor } from './accounts.ts'
import { CHAIN_ID, codeHash } from './chain.ts'
import { Door } from './door.ts'
import { deposits } from './genesis.ts'
import { freePorts } from './ports.ts'

export const ROOT = join(import.meta.dirname, '../..')

/** Where the market lives on the chain. */
export type Market = {
  readonly settlement: Address
  readonly bonds: Address
  readonly verifier: Address
  /** What the verifier answers for: the ledgers' program. */
  readonly programId: Hex
  /** The registry of rollups: the venue of every table. */
  readonly rollups: Address
  readonly batchAccount: Address
  /** Of the deployment. */
  readonly blockNumber: number
}

export type Role = 'bootstrap' | 'builder' | 'prover' | 'stalling prover'
export type Settings = Readonly<Record<string, string | number | boolean | readonly string[]>>

/** A node or agent: what it is started with, again after a crash. */
export type Member = Actor & {
  readonly role: Role
  readonly settings: Settings
  readonly door: Door
}

export type MemberOptions = {
  /** Keys, stores and logs lie here. */
  readonly folder: string
  readonly shape: string
  /** The shape's key. */
  readonly keyId: Hex
  /** Proofs each prover makes at a time. Default 1. */
  readonly lanes?: number
  /** What the provers' proofs took before, on this machine. Default: the first one measures. */
  readonly calibrationFile?: string | undefined
  /** The last prover takes a job and stays silent. */
  readonly hasStalling: boolean
  readonly rpcUrl: string
  readonly market: Market
  readonly paramsFile: string
  /** Ends every wait at a door. */
  readonly signal: AbortSignal
}

/** The names of all members, in the order they start in. */
export const memberNames = (provers: number): readonly string[] => [
  ...['bootstrap', 'builder'],
  ...Array.from({ length: provers }, (_, i) => `prover-${i + 1}`),
]

/** What the stalling prover claims that a proof takes it. ms. */
const BOAST_MS = 50
/** One confirmation, quick polls and no waiting for company: a devnet is watched. */
const pace = { confirmations: 1, pollMs: 200, settleAfterMs: 500 } as const

/** Sets up every actor by its name. */
export async function createMembers(
  actors: readonly Actor[],
  options: MemberOptions,
): Promise<readonly Member[]> {
  const { folder, rpcUrl, market, paramsFile, calibrationFile, hasStalling, signal } = options
  const settingsOf = await roleSettings(options)
  const ports = await freePorts(2 * actors.length)
  const stalling = hasStalling ? actors.at(-1) : undefined
  return actors.map((actor, index): Member => {
    const { name, keyFile } = actor
    const [doorPort, listenPort] = [ports[2 * index]!, ports[2 * index + 1]!]
    const role = roleOf(name, actor === stalling)
    const isAgent = role === 'prover' || role === 'stalling prover'
    const settings: Settings = {
      ...{ rpcUrl, chainId: CHAIN_ID, settlement: market.settlement, paramsFile, ...pace },
      ...{ deploymentBlock: market.blockNumber, dataFolder: join(folder, name), keyFile, doorPort },
      // Agents dial, as they would behind NAT.
      listen: isAgent ? [] : [`/ip4/127.0.0.1/tcp/${listenPort}`],
      ...settingsOf[role],
      // One machine, one measurement: the first prover makes it, alone, and the others begin with
      // it.
      ...(role === 'prover' && (calibrationFile !== undefined || name !== 'prover-1')
        ? { calibrationFile: calibrationFile ?? join(folder, 'prover-1', 'calibration.json') }
        : {}),
    }
    return { ...actor, role, settings, door: new Door(`http://127.0.0.1:${doorPort}`, signal) }
  })
}

const roleOf = (name: string, isStalling: boolean): Role =>
  name === 'bootstrap' || name === 'builder' ? name : isStalling ? 'stalling prover' : 'prover'

async function roleSettings(options: MemberOptions): Promise<Readonly<Record<Role, Settings>>> {
  const { shape, rpcUrl, market, lanes = 1 } = options
  const prover: Settings = {
    shapes: [shape],
    lanes,
    verifierCodeHashes: [await codeHash(rpcUrl, market.verifier)],
    verifiers: [market.verifier],
    bondWei: deposits.bondWei.toString(),
  }
  const key = join(ROOT, 'build/circuits', shape, 'verification-key.json')
  return {
    bootstrap: {},
    builder: { programKeys: [key] },
    prover,
    'stalling prover': { ...prover, ...(await stallingSettings(options)) },
  }
}

/**
 * What makes a prover win its first job and never prove it: a boast, a low price, a program that
 * does nothing.
 */
async function stallingSettings({ folder, keyId }: MemberOptions): Promise<Settings> {
  const calibrationFile = join(folder, 'boast.json')
  const boast = { version: 1, programs: { [keyId]: { work: '1', recentMs: [BOAST_MS] } } }
  await writeFile(calibrationFile, JSON.stringify(boast))
  const program = join(import.meta.dirname, 'stalling-prover.ts')
  return {
    ...{ backend: 'command', command: [process.execPath, program], calibrationFile },
    ...{ bondWei: deposits.badBondWei.toString(), marginPercent: 0 },
  }
}
