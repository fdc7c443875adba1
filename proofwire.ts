#!/usr/bin/env node
/**
 * The one command. It knows the commands' files by path and none of what is in them: each reads
 * `process.argv` as if it had been started itself.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Type stripping without a flag, and what libp2p needs. */
const LEAST_NODE = 24

const commands: Readonly<Record<string, { readonly file: string; readonly does: string }>> = {
  node: { file: 'node/main.ts', does: 'run a node: ask for proofs over JSON-RPC, relay, watch' },
  agent: { file: 'prover-agent/main.ts', does: 'run a prover agent: bid, prove, get paid' },
  devnet: { file: 'simulations/devnet/main.ts', does: 'run a whole market on this machine' },
  sim: { file: 'simulations/main.ts', does: 'simulate a market of thousands, from a seed' },
  table: { file: 'node/table.ts', does: 'check an execution table against its commitment' },
  keys: {
    file: 'prover-agent/keys.ts',
    does: 'hold a ceremony for proving keys, tell what a key is',
  },
}

const pathOf = (file: string): string => join(import.meta.dirname, file)
/** Only what this version has. */
const present = Object.entries(commands).filter(([, { file }]) => existsSync(pathOf(file)))

const usage = [
  'Usage: proofwire <command> [--key value ...]',
  '',
  ...present.map(([name, { does }]) => `  ${name.padEnd(8)} ${does}`),
  '',
  'proofwire <command> --help tells more.',
].join('\n')

const [name, ...rest] = process.argv.slice(2)
const command = present.find(([known]) => known === name)?.[1]

if (Number(process.versions.node.split('.')[0]) < LEAST_NODE) {
  console.error(`proofwire needs Node ${LEAST_NODE} or newer; this is ${process.version}.`)
  process.exitCode = 1
} else if (command !== undefined) {
  const path = pathOf(command.file)
  process.argv = [process.execPath, path, ...rest]
  await import(pathToFileURL(path).href)
} else if (name === undefined || name === '--help' || name === 'help') {
  console.log(usage)
} else {
  console.error(`proofwire has no command ${JSON.stringify(name)}.\n\n${usage}`)
  process.exitCode = 2
}
