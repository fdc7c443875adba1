/** The devnet's chain: anvil with a block every second, funded accounts, and what is read from it by hand. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Address } from '#protocol/schema'
import { rpc } from './json-rpc.ts'
import type { Processes } from './processes.ts'

/** Blocks a second apart: a devnet's windows are seconds, and a slash must be seen before the coffee is cold. */
export const BLOCK_S = 1
export const CHAIN_ID = 31_337
/** Enough for any deposit and all gas. wei. */
const ALLOWANCE_WEI = 1_000n * 10n ** 18n

/**
 * anvil's own binary: its npm wrapper is a second process that outlives a kill.
 * @throws Error when the package for this platform is missing.
 */
function anvilBinary(): string {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const name = `@foundry-rs/anvil-${process.platform}-${arch}`
  const file = process.platform === 'win32' ? 'anvil.exe' : 'anvil'
  try {
    const folder = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
    const path = join(folder, 'bin', file)
    if (existsSync(path)) return path
  } catch {
    // Said below.
  }
  throw new Error(`anvil is missing: the package ${name} is not installed. Run npm install again.`)
}

/** Starts anvil on a free port. Resolves with its RPC once it listens. */
export async function startChain(processes: Processes): Promise<string> {
  const chain = processes.start('chain', anvilBinary(), [
    ...['--port', '0', '--chain-id', String(CHAIN_ID)],
    ...['--block-time', String(BLOCK_S), '--hardfork', 'prague', '--accounts', '1'],
  ])
  const [, address] = await chain.line(/Listening on (\S+)/)
  return `http://${address}`
}

/** Gives accounts what they need to deposit and to pay for gas. */
export async function fund(rpcUrl: string, accounts: readonly Address[]): Promise<void> {
  const amount = `0x${ALLOWANCE_WEI.toString(16)}`
  await Promise.all(accounts.map((account) => rpc(rpcUrl, 'anvil_setBalance', [account, amount])))
}
