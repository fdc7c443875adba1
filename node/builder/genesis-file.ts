/**
 * The file of an EVM rollup's state at the start:
 *
 *     { "accounts": [{ "address": "0x…", "balanceWei": "0", "nonce": 0, "code": "0x…",
 *                      "storage": { "0x…": "0x…" } }, …],
 *       "proxies": [{ "original": "0x…", "rollupId": 0 }, …] }
 *
 * All but the address may be left out. Code is what runs, not what creates; `proxies` are addresses
 * of other chains that have a proxy from the start.
 */
import { readFile } from 'node:fs/promises'
import type { Hex } from '#protocol/schema'
import type { Genesis } from './evm-rollup.ts'
import { StateError } from './state-folder.ts'

type Fields = Readonly<Record<string, unknown>>

const fieldsOf = (value: unknown, what: string): Fields => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw new RangeError(`${what} is no object`)
}
const listOf = (value: unknown, what: string): readonly unknown[] => {
  if (value === undefined || Array.isArray(value)) return value ?? []
  throw new RangeError(`${what} is no list`)
}
const hexOf = (value: unknown, what: string, bytes?: number): Hex => {
  const isHex = typeof value === 'string' && /^0x([0-9a-fA-F]{2})*$/.test(value)
  if (isHex && (bytes === undefined || value.length === 2 + 2 * bytes))
    return value.toLowerCase() as Hex
  throw new RangeError(
    `${what} is not 0x and ${bytes === undefined ? '' : `${2 * bytes} `}hex digits`,
  )
}
const integerOf = (value: unknown, what: string): bigint => {
  const isText = typeof value === 'string' && /^(0x[0-9a-fA-F]{1,64}|\d{1,78})$/.test(value)
  if (isText || (Number.isSafeInteger(value) && (value as number) >= 0))
    return BigInt(value as string | number)
  throw new RangeError(`${what} is no whole number`)
}

function readAccount(value: unknown): Genesis['accounts'][number] {
  const { address, balanceWei, nonce, code, storage } = fieldsOf(value, 'an account')
  const slots = Object.entries(fieldsOf(storage ?? {}, 'storage')).map(
    ([slot, word]) => [hexOf(slot, 'a slot', 32), hexOf(word, 'a word', 32)] as const,
  )
  return {
    address: hexOf(address, 'address', 20),
    balanceWei: integerOf(balanceWei ?? 0, 'balanceWei'),
    nonce: integerOf(nonce ?? 0, 'nonce'),
    ...(code === undefined ? {} : { code: hexOf(code, 'code') }),
    storage: Object.fromEntries(slots),
  }
}

const readProxy = (value: unknown) => {
  const { original, rollupId } = fieldsOf(value, 'a proxy')
  return { original: hexOf(original, 'original', 20), rollupId: integerOf(rollupId, 'rollupId') }
}

/** @throws StateError that names the file and what is wrong with it. */
export async function readGenesis(file: string): Promise<Genesis> {
  try {
    const { accounts, proxies } = fieldsOf(JSON.parse(await readFile(file, 'utf8')), 'the file')
    return {
      accounts: listOf(accounts, 'accounts').map(readAccount),
      proxies: listOf(proxies, 'proxies').map(readProxy),
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StateError(`${file} is not the start of an EVM rollup: ${reason}.`, { cause })
  }
}
