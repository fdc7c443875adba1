/**
 * The devnet's chain: anvil with a block every second, funded accounts, and what is read from it by
 * hand.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Address, Hex } from '#protocol/schema'
import { keccak } from '#protocol/signature'
import { rpc } from './json-rpc.ts'
import type { Processes } from './processes.ts'

/**
 * Blocks a second apart: a devnet's windows are seconds, and a slash must be seen before the coffee
 * is cold.
 */
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

/** keccak256 of a contract's code: what provers' allow-lists name. */
export async function codeHash(rpcUrl: string, address: Address): Promise<Hex> {
  const code = await rpc<Hex>(rpcUrl, 'eth_getCode', [address, 'latest'])
  return keccak(Buffer.from(code.slice(2), 'hex'))
}

/** One account's money in the market. wei. */
export type Balance = {
  readonly bondWei: bigint
  readonly stakeWei: bigint
  readonly escrowWei: bigint
  readonly creditWei: bigint
}

/** Reads an account's money from the contracts, by hand-made calls: a devnet has no ABI. */
export async function balanceOf(
  rpcUrl: string,
  market: { readonly settlement: Address; readonly bonds: Address },
  account: Address,
): Promise<Balance> {
  const call = async (to: Address, signature: string, ...args: readonly bigint[]) => {
    const selector = keccak(Buffer.from(signature)).slice(0, 10)
    const words = args.map((arg) => arg.toString(16).padStart(64, '0')).join('')
    const answer = await rpc<Hex>(rpcUrl, 'eth_call', [{ to, data: selector + words }, 'latest'])
    return (answer.slice(2).match(/.{64}/g) ?? []).map((word) => BigInt(`0x${word}`))
  }
  const [bond, stake, escrow, credit] = await Promise.all([
    call(market.bonds, 'stakeOf(address,uint8)', BigInt(account), 0n),
    call(market.bonds, 'stakeOf(address,uint8)', BigInt(account), 1n),
    call(market.settlement, 'escrowOf(address)', BigInt(account)),
    call(market.settlement, 'creditOf(address)', BigInt(account)),
  ])
  // Each ledger's first two words: what counts for new work, and what is leaving.
  const both = ([active = 0n, leaving = 0n]: readonly bigint[]) => active + leaving
  return {
    bondWei: both(bond),
    stakeWei: both(stake),
    escrowWei: both(escrow),
    creditWei: credit[0] ?? 0n,
  }
}
