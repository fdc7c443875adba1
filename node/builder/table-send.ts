/** `proofwire table write` and `proofwire table send`: settings, wiring, and what is shown. */
import { join } from 'node:path'
import type { Hex } from '#protocol/schema'
import { ConfigError, printConfig, readConfig } from '../config.ts'
import { loadAccount } from '../keyfile.ts'
import { sayWhy } from '../lifetime.ts'
import { ChainReader } from './chain-reader.ts'
import { readCircuitKeys } from './circuit-keys.ts'
import { Composer, type ComposerEvent, SendError } from './composer.ts'
import { type Composition, checkComposition, compositionKeys } from './composition-config.ts'
import { DoorClient } from './door-client.ts'
import { createL1 } from './l1.ts'
import { PendingFile } from './pending-send.ts'
import { openRollups } from './rollup-set.ts'
import { StateFolder } from './state-folder.ts'
import { writeWhole } from './whole-file.ts'

export type Opened = { readonly composer: Composer; readonly warnings: readonly string[] }

/**
 * Reads keys, states and the chain, and says what does not fit.
 * @throws ConfigError, KeyfileError, StateError, L1Error, RpcUnreachable.
 */
export async function openComposer(
  settings: Composition,
  onEvent: (event: ComposerEvent) => void,
  signal: AbortSignal,
): Promise<Opened> {
  const { rpcUrl, chainId, registry, batchAccount, stateFolder } = settings
  const { keyFile, passwordFile, password } = settings
  const account = await loadAccount(keyFile, {
    ...(passwordFile === null ? {} : { passwordFile }),
    ...(password === null ? {} : { password }),
  })
  const l1 = await createL1({ rpcUrl, registry, batchAccount })
  if (l1.chainId !== chainId) {
    const what = `rpcUrl serves chain ${l1.chainId}, not ${chainId}`
    throw new ConfigError([`${what}. Set rpcUrl or chainId.`])
  }
  const states = new StateFolder(stateFolder, { chainId, registry })
  const from = account.address
  const { to, data, value: valueWei } = settings
  const composer = new Composer({
    ...{ l1, from, settings, onEvent, signal },
    chain: new ChainReader(rpcUrl, signal),
    door: new DoorClient(settings.doorUrl, settings.doorToken, signal),
    rollups: await openRollups(settings, { chainId, venue: registry }, states, (verifier) =>
      readCircuitKeys(rpcUrl, verifier, signal),
    ),
    pending: new PendingFile(join(states.folder, 'sends'), { from, to, data, valueWei }),
    privateKey: `0x${Buffer.from(account.privateKey).toString('hex')}` satisfies Hex,
    call: { to, data, valueWei },
  })
  return { composer, warnings: account.warnings }
}

/** Settings from file, flags and environment; null when only the file was asked for. */
function readSettings(argv: readonly string[]): Composition | null {
  if (argv.includes('--print-config')) {
    process.stdout.write(printConfig(compositionKeys, 'Settings of proofwire table write and send'))
    return null
  }
  const sources = { argv, env: process.env, folder: process.cwd() }
  const defaultFile = join(process.cwd(), 'proofwire-table.toml')
  const read = readConfig(compositionKeys, { ...sources, defaultFile }, checkComposition)
  for (const warning of read.warnings) process.stderr.write(`${warning}\n`)
  return read.values
}

/** One JSON object a line; amounts and ids as decimal text. */
const toLine = (event: object): string =>
  `${JSON.stringify(event, (_, value) => (typeof value === 'bigint' ? `${value}` : value))}\n`

/** An event as a person reads it. */
export function eventText(event: ComposerEvent): string {
  switch (event.event) {
    case 'entry':
      return event.text
    case 'table':
      return `\n${event.text}\ndigest ${event.digest}\n`
    case 'requested':
      return `asked the market for a proof${partOf(event)}: ${event.wantedId}, request ${event.requestId}`
    case 'proof':
      return `a proof of ${event.bytes} bytes is together, by ${event.provers.join(', ')}`
    case 'sending':
      return `sending ${event.transactionHash}${event.pays ? ', which pays the prover too' : ''}`
    case 'sent':
      return `block ${event.blockNumber} has it`
    case 'stale':
      return `table ${event.attempt} went stale: ${event.reason}; writing a fresh one`
    case 'resumed':
      return `going on from ${event.from}, of table ${event.digest}`
    case 'done':
      return doneText(event)
    default:
      return event satisfies never
  }
}

const partOf = ({ segment, segments }: { segment: number; segments: number }): string =>
  segments === 1 ? '' : ` of segment ${segment} of ${segments}`

function doneText({ answer, rollups, digest }: Extract<ComposerEvent, { event: 'done' }>): string {
  const lines = [`done; the call returned ${answer ?? 'what this node does not tell'}`]
  for (const { rollupId, stateRoot, balanceWei } of rollups)
    lines.push(`rollup ${rollupId} is at ${stateRoot}, the registry holds ${balanceWei} wei for it`)
  return [...lines, `the table stays as ${digest}`].join('\n')
}

async function run(
  argv: readonly string[],
  signal: AbortSignal,
  act: (composer: Composer, settings: Composition) => Promise<void>,
): Promise<void> {
  const settings = readSettings(argv)
  if (settings === null) return
  const { json } = settings
  const show = (event: ComposerEvent): void =>
    void process.stdout.write(json ? toLine(event) : `${eventText(event)}\n`)
  try {
    const { composer, warnings } = await openComposer(settings, show, signal)
    for (const warning of warnings) process.stderr.write(`${warning}\n`)
    await act(composer, settings)
  } catch (error) {
    if (json && !signal.aborted) {
      const code = (error as { code?: unknown }).code ?? 'INTERNAL'
      process.stdout.write(toLine({ event: 'failed', code, message: sayWhy(error) }))
    }
    throw error
  }
}

/** `table write`: writes the table, shows it, keeps it in a file if one is named. */
export const writeCommand = (argv: readonly string[], signal: AbortSignal): Promise<void> =>
  run(argv, signal, async (composer, { output }) => {
    const { canonical } = await composer.write()
    if (output === null) return
    await writeWhole(output, canonical).catch((cause: Error) => {
      throw new SendError(`Cannot write ${output}: ${cause.message}`, { cause })
    })
  })

/** `table send`: the whole way. */
export const sendCommand = (argv: readonly string[], signal: AbortSignal): Promise<void> =>
  run(argv, signal, (composer) => composer.send())
