/**
 * Numbers of the proof system: the two prime fields of BN254, 32-byte words, and Poseidon.
 *
 * A *word* is a field element of the circuit: an integer below `FIELD_ORDER`, big-endian in 32
 * bytes wherever it becomes bytes, as the chain reads it.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { poseidon2 } from 'poseidon-lite/poseidon2'
import { poseidon4 } from 'poseidon-lite/poseidon4'
import { poseidon5 } from 'poseidon-lite/poseidon5'
import { poseidon11 } from 'poseidon-lite/poseidon11'
import { poseidon15 } from 'poseidon-lite/poseidon15'
import type { Hex } from './schema.ts'

/** Order r of BN254's groups: the field the circuit computes in (EIP-196). */
export const FIELD_ORDER =
  21888242871839275222246405745257275088548364400416034343698204186575808495617n
/** Order q of the field BN254's coordinates lie in (EIP-196). */
export const COORDINATE_ORDER =
  21888242871839275222246405745257275088696311157297823662689037894645226208583n

/** Bytes of a word. */
export const WORD_BYTES = 32

/** The widths in use; each has constants of its own, so only these are loaded. */
const poseidons = new Map<number, (inputs: bigint[]) => bigint>([
  [2, poseidon2],
  [4, poseidon4],
  [5, poseidon5],
  [11, poseidon11],
  [15, poseidon15],
])

/**
 * Poseidon over BN254 with the constants circomlib uses (x^5, 8 full rounds).
 *
 * @param inputs Words; 2, 4, 5, 11 or 15 of them.
 * @throws RangeError for another count, which is a bug of the caller.
 */
export function poseidon(inputs: readonly bigint[]): bigint {
  const hash = poseidons.get(inputs.length)
  if (hash === undefined) throw new RangeError(`no Poseidon of ${inputs.length} inputs`)
  return hash([...inputs])
}

/** Big-endian words, one after the other. Each must be in [0, 2^256), else RangeError. */
export function wordsToBytes(words: readonly bigint[]): Uint8Array {
  const hex = words.map((word) => {
    const digits = word.toString(16).padStart(2 * WORD_BYTES, '0')
    if (word < 0n || digits.length > 2 * WORD_BYTES) throw new RangeError(`not a word: ${word}`)
    return digits
  })
  return hexToBytes(hex.join(''))
}

/** The words that fill `bytes`, whose length must be a multiple of 32, else RangeError. */
export function bytesToWords(bytes: Uint8Array): bigint[] {
  if (bytes.length % WORD_BYTES !== 0) throw new RangeError(`${bytes.length} bytes are no words`)
  return Array.from({ length: bytes.length / WORD_BYTES }, (_, index) =>
    BigInt(`0x${bytesToHex(bytes.subarray(index * WORD_BYTES, (index + 1) * WORD_BYTES))}`),
  )
}

/**
 * A short ASCII name as a word, padded with zero bytes on the right: Solidity's `bytes32("name")`.
 */
export function tagWord(name: string): bigint {
  const bytes = new TextEncoder().encode(name)
  if (bytes.length >= WORD_BYTES) throw new RangeError(`tag too long: ${name}`)
  return BigInt(`0x${bytesToHex(bytes).padEnd(2 * WORD_BYTES, '0')}`)
}

/** `bytes` as lower-case hex with prefix. */
export const toHex = (bytes: Uint8Array): Hex => `0x${bytesToHex(bytes)}`

/** The bytes of a hex text with prefix. @throws Error for anything else. */
export const fromHex = (text: Hex): Uint8Array => hexToBytes(text.slice(2))
