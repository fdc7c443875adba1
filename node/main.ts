/** `proofwire node`: relays and watches; with a key it also asks for proofs at its door. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseVerificationKey, programId, type VerificationKey } from '#protocol/proof'
import type { Hex } from '#protocol/schema'
import { isNative } from '#protocol/signature'
import { systemClock } from './clock.ts'
import { ConfigError, printConfig, readConfig } from './config.ts'
import { type Door, openDoor } from './door.ts'
import { DEFAULT_KEY_FOLDER } from './key-files.ts'
import { loadAccount } from './keyfile.ts'
import { fail, runUntilSignal } from './lifetime.ts'
import { createLog, type Log } from './log.ts'
import { type NodeOptions, type RunningNode, startNode } from './node.ts'
import { checkSettings, loadParams, type NodeSettings, nodeKeys } from './settings.ts'

const HELP = `proofwire node: a node of the proof market.

  proofwire node [--config FILE] [--KEY VALUE ...]
  proofwire node --print-config     every setting with its default, as a file to start from
  proofwire node --help

It relays the market's messages. With keyFile it is also a builder: callers ask for proofs at its
JSON-RPC door (http://127.0.0.1:4780), its escrow pays for them, its stake stands behind that.
`

/** The package's version, for the door and the logs. */
export const VERSION = '0.1.0'

/** Verification keys from files, by program. @throws ConfigError naming every file that is none. */
export async function loadProgramKeys(
  files: readonly string[],
): Promise<Map<Hex, VerificationKey>> {
  const keys = new Map<Hex, VerificationKey>()
  const problems: string[] = []
  for (const file of files) {
    try {
      const key = parseVerificationKey(JSON.parse(await readFile(file, 'utf8')))
      if (key) keys.set(programId(key), key)
      else problems.push(`programKeys: ${file} is not a Groth16 key with three public signals.`)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      problems.push(`programKeys: ${file} cannot be read: ${reason}.`)
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return keys
}

/**
 * The account's key; a node without one speaks for an account made up for this run, which owns
 * nothing.
 */
export async function loadPrivateKey(
  settings: Pick<NodeSettings, 'keyFile' | 'passwordFile' | 'password'>,
  log: Log,
): Promise<Uint8Array> {
  const { keyFile, passwordFile, password } = settings
  if (keyFile === null) return randomBytes(32)
  const account = await loadAccount(keyFile, {
    ...(passwordFile === null ? {} : { passwordFile }),
    ...(password === null ? {} : { password }),
  })
  for (const warning of account.warnings) log.warn(warning)
  return account.privateKey
}

/** What a node needs, from its settings. */
export function nodeOptions(
  settings: NodeSettings,
  privateKey: Uint8Array,
  keys: ReadonlyMap<Hex, VerificationKey>,
  log: Log,
): Omit<NodeOptions, 'onFatal'> {
  const { deploymentBlock, slash, serveKeys, serveKeysMibPerS, keyFolder, ...rest } = settings
  const keyServing = { folder: keyFolder ?? DEFAULT_KEY_FOLDER, mibPerS: serveKeysMibPerS }
  return {
    ...rest,
    ...(serveKeys ? { keyServing } : {}),
    ...(deploymentBlock === null ? {} : { deploymentBlock }),
    settlement: settings.settlement,
    params: loadParams(settings.paramsFile),
    slashes: slash,
    privateKey,
    keys,
    log,
  }
}

/** Opens the JSON-RPC door of a running node. */
export async function openNodeDoor(
  node: RunningNode,
  settings: Pick<NodeSettings, 'doorHost' | 'doorPort' | 'doorToken' | 'chainId' | 'settlement'>,
): Promise<Door> {
  const { host, gossip, chain, clockWatch } = node
  const door = await openDoor(
    {
      ...node,
      version: VERSION,
      domain: { chainId: settings.chainId, settlement: settings.settlement },
      clock: systemClock,
      network: () => ({
        peerKey: host.peerKey,
        addresses: host.addresses(),
        connectedPeers: host.peers().length,
        subscribers: {
          ProofRequest: gossip.subscribers('ProofRequest'),
          Bid: gossip.subscribers('Bid'),
          Award: gossip.subscribers('Award'),
          Start: gossip.subscribers('Start'),
          Notice: gossip.subscribers('Notice'),
          Receipt: gossip.subscribers('Receipt'),
        },
        clockOffset: clockWatch.offset(),
      }),
      problems: () => {
        const problems: string[] = []
        if (!chain.health().healthy)
          problems.push('the chain’s RPC does not answer, or stands still')
        if (host.peers().length === 0) problems.push('no peer is connected')
        const offset = clockWatch.offset()
        if (offset && Math.abs(offset.offsetMs) > node.params.clockSkewMs)
          problems.push(`the clock is off by ${offset.offsetMs} ms from its peers'; set it`)
        return problems
      },
    },
    { host: settings.doorHost, port: settings.doorPort, token: settings.doorToken },
  )
  node.onEvent(door.publish)
  return door
}

async function main(argv: readonly string[]): Promise<void> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(HELP)
    return
  }
  if (argv.includes('--print-config')) {
    process.stdout.write(printConfig(nodeKeys, 'Settings of a Proofwire node'))
    return
  }
  const { values, warnings } = readConfig(
    nodeKeys,
    {
      argv,
      env: process.env,
      defaultFile: join(homedir(), '.proofwire', 'node.toml'),
      folder: process.cwd(),
    },
    checkSettings,
  )
  const log = createLog({ level: values.logLevel, format: values.logFormat })
  for (const warning of warnings) log.warn(warning)
  if (!isNative())
    log.warn('secp256k1 runs in JavaScript: checking a message takes 1.2 ms; install build tools')
  const privateKey = await loadPrivateKey(values, log)
  const keys = await loadProgramKeys(values.programKeys)
  await runUntilSignal(log, async (onFatal) => {
    const node = await startNode({ ...nodeOptions(values, privateKey, keys, log), onFatal })
    const door = await openNodeDoor(node, values).catch(async (error: unknown) => {
      await node.stop()
      throw error
    })
    log.info('node runs', {
      account: node.account,
      door: door.url,
      addresses: node.host.addresses(),
    })
    return async () => {
      await door.close()
      await node.stop()
    }
  })
}

// Started itself, or by `proofwire.ts`, which sets `argv` so.
if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2)).catch(fail)
