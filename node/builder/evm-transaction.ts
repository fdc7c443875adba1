/**
 * Transactions of an EVM rollup's own accounts, as an L2TX carries them: EIP-1559 transactions,
 * signed as for any chain. The rollup charges no fee: prices and the gas limit are not read.
 */
import { fromRlp, keccak256, toHex, toRlp } from 'viem/utils'
import { fromHex } from '#protocol/field'
import type { Address, Hex } from '#protocol/schema'
import { recover } from '#protocol/signature'

/** What a rollup's account asks for. */
export type RollupTransaction = {
  readonly from: Address
  readonly nonce: bigint
  /** Null: it creates a contract. */
  readonly to: Address | null
  readonly valueWei: bigint
  readonly data: Hex
}

/** Fields of an EIP-1559 transaction, and where its signature begins. */
const FIELDS = 12
const SIGNATURE_AT = 9

/**
 * Reads and checks a signed transaction. Null unless it is a canonical EIP-1559 transaction without
 * access list, for this chain, with a valid signature (low s). Never throws.
 *
 * @param evmChainId `evmChainIdOf` of the rollup.
 */
export function readTransaction(raw: Hex, evmChainId: number): RollupTransaction | null {
  try {
    if (!raw.startsWith('0x02')) return null
    const body: Hex = `0x${raw.slice(4)}`
    const fields = fromRlp(body) as readonly Hex[]
    if (fields.length !== FIELDS || toRlp(fields) !== body) return null
    const [chainId, nonce, , , , to, value, data, accessList, parity, r, s] = fields
    if (number(chainId!) !== BigInt(evmChainId) || accessList!.length !== 0) return null
    if (to !== '0x' && to!.length !== 42) return null
    const unsigned = toRlp(fields.slice(0, SIGNATURE_AT))
    const digest = keccak256(fromHex(`0x02${unsigned.slice(2)}`))
    const signature = `0x${word(r!)}${word(s!)}${(number(parity!) + 27n).toString(16)}` as Hex
    const from = recover(fromHex(digest), fromHex(signature))
    if (from === null) return null
    const target = to === '0x' ? null : (to!.toLowerCase() as Address)
    return { from, nonce: number(nonce!), to: target, valueWei: number(value!), data: data! }
  } catch {
    // The decoder throws for what is no RLP, `fromHex` for what is no signature.
    return null
  }
}

const number = (field: Hex): bigint => (field === '0x' ? 0n : BigInt(field))
const word = (field: Hex): string => field.slice(2).padStart(64, '0')

/** Chain ids are safe integers for every wallet. */
const CHAIN_ID_BITS = 52n

/**
 * The chain id of an EVM rollup: taken from a hash over the L1's chain, registry and rollup, so
 * that a transaction signed for one rollup is good on no other. Below 2^52.
 */
export const evmChainIdOf = (chainId: number, venue: Address, rollupId: bigint): number => {
  const words = [BigInt(chainId), BigInt(venue), rollupId].map((one) => toHex(one, { size: 32 }))
  const hash = keccak256(`0x${words.map((one) => one.slice(2)).join('')}`)
  return Number(BigInt(hash) >> (256n - CHAIN_ID_BITS))
}
