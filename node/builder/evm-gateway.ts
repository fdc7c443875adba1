/**
 * The border of an EVM rollup, as its own contracts see it: an account that stands where the
 * registry stands on L1, and the proxies it makes for addresses outside.
 *
 * The proxies are the very contract that L1 has (`CrossChainProxy.sol`), made by CREATE2 with the
 * gateway as their registry, so anyone can compute where they are.
 */
import {
  concatHex,
  decodeFunctionData,
  encodeAbiParameters,
  encodeErrorResult,
  getContractAddress,
  keccak256,
  parseAbi,
  stringToHex,
} from 'viem/utils'
import { toHex, wordsToBytes } from '#protocol/field'
import type { Address, Hex } from '#protocol/schema'

/** Nobody has a key for it: the end of a hash. */
export const GATEWAY = `0x${keccak256(stringToHex('proofwire/gateway/1')).slice(26)}` as Address

/** What the gateway understands, the part of `IRollups` for proxies; and why it reverts. */
export const gatewayAbi = parseAbi([
  'function executeCall(address source, bytes data) payable returns (bytes)',
  'function lookup(address source, bytes data) view returns (bytes)',
  'function createProxy(address original, uint64 rollupId) returns (address)',
  'function proxyOf(address original, uint64 rollupId) view returns (address)',
  'error NotProxy(address caller)',
  'error UnknownFunction()',
  'error OwnRollup(uint64 rollupId)',
  'error DataTooLong(uint256 bytesGiven)',
  'error TooDeep(uint256 steps)',
  'error StaticCall()',
])

/** A call to the gateway: passing a call on, or about a proxy. */
export type GatewayCall =
  | { readonly kind: 'call'; readonly source: Address; readonly data: Hex }
  | {
      readonly kind: 'create' | 'where'
      readonly original: Address
      readonly rollupId: bigint
    }

/** Reads what a contract sent to the gateway; null when it means nothing. Never throws. */
export function readGatewayCall(data: Hex): GatewayCall | null {
  try {
    const { functionName, args } = decodeFunctionData({ abi: gatewayAbi, data })
    if (functionName === 'executeCall' || functionName === 'lookup') {
      return { kind: 'call', source: lower(args[0]), data: args[1] }
    }
    const kind = functionName === 'createProxy' ? 'create' : 'where'
    return { kind, original: lower(args[0]), rollupId: args[1] }
  } catch {
    return null
  }
}

/** An outside address: where it is at home. Rollup 0 is L1. */
export type Outside = { readonly original: Address; readonly rollupId: bigint }

/** What a machine needs to know of its rollup. */
export type MachineRules = {
  readonly rollupId: bigint
  readonly evmChainId: number
  /** Creation code of `CrossChainProxy`. */
  readonly proxyCode: Hex
}

/** The init code of the proxy of an outside address. `proxyCode`: creation code of the contract. */
export const proxyInitCode = (proxyCode: Hex, { original, rollupId }: Outside): Hex =>
  concatHex([
    proxyCode,
    encodeAbiParameters(
      [{ type: 'address' }, { type: 'address' }, { type: 'uint64' }],
      [GATEWAY, original, rollupId],
    ),
  ])

/** All proxies of a registry have the same salt: what tells them apart is in their init code. */
export const PROXY_SALT: Hex = `0x${'00'.repeat(32)}`

/**
 * Where the proxy of an outside address is on every EVM rollup, in lower case, made or not.
 *
 * @param proxyCode Creation code of `CrossChainProxy`.
 */
export const proxyAddressOn = (proxyCode: Hex, outside: Outside): Address =>
  lower(
    getContractAddress({
      opcode: 'CREATE2',
      from: GATEWAY,
      salt: PROXY_SALT,
      bytecode: proxyInitCode(proxyCode, outside),
    }),
  )

/** What the gateway returns to a proxy: the answer as `bytes`. */
export const encodeBytes = (data: Hex): Hex => encodeAbiParameters([{ type: 'bytes' }], [data])
/** What it returns about a proxy. */
export const encodeAddress = (address: Address): Hex =>
  encodeAbiParameters([{ type: 'address' }], [address])

type GatewayError = Extract<(typeof gatewayAbi)[number], { type: 'error' }>['name']

/** The revert data of one of the gateway's errors. */
export const gatewayError = (errorName: GatewayError, args: readonly unknown[] = []): Hex =>
  encodeErrorResult({ abi: gatewayAbi, errorName, args } as never)

const lower = (address: string): Address => address.toLowerCase() as Address

/** The gateway's storage holds, at the address of each proxy, whose it is. */
export const slotOf = (proxy: Address): Uint8Array => wordsToBytes([BigInt(proxy)])
const RECORD_BITS = 160n
/** The word there. */
export const packOutside = ({ original, rollupId }: Outside): Uint8Array =>
  // The mark keeps the record of (zero address, L1) from being empty.
  wordsToBytes([(1n << 224n) | (rollupId << RECORD_BITS) | BigInt(original)])
/** Reads that word. */
export const unpackOutside = (record: Uint8Array): Outside => {
  const word = BigInt(toHex(record))
  const original = word & ((1n << RECORD_BITS) - 1n)
  const rollupId = (word >> RECORD_BITS) & ((1n << 64n) - 1n)
  return { original: `0x${original.toString(16).padStart(40, '0')}`, rollupId }
}
