/**
 * EdDSA over Baby Jubjub (EIP-2494) with Poseidon as its hash: the signature that is cheap inside
 * the circuit.
 *
 * Keys and signatures are those of iden3's implementations: secrets expand by BLAKE-512 as in RFC
 * 8032, and a signature holds when S·B = R8 + 8·H(R8, A, message)·A, which circomlib's
 * `EdDSAPoseidonVerifier` demands.
 */
import { babyjubjub } from '@noble/curves/misc.js'
import { blake512 } from '@noble/hashes/blake1.js'
import { concatBytes } from '@noble/hashes/utils.js'
import { FIELD_ORDER, poseidon, wordsToBytes } from './field.ts'

/** A point of Baby Jubjub: who may call from an account. */
export type EddsaKey = readonly [x: bigint, y: bigint]
/** The point R8 and the scalar S. */
export type EddsaSignature = readonly [r8x: bigint, r8y: bigint, s: bigint]

const { Point } = babyjubjub
/** Order of the subgroup that B generates. */
const SUBGROUP_ORDER = Point.Fn.ORDER

const littleEndian = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)

/** The secret's scalar, a multiple of 8, and the half of its hash that nonces come from. */
function expand(secret: Uint8Array): { scalar: bigint; prefix: Uint8Array } {
  if (secret.length !== 32) throw new RangeError(`a secret has 32 bytes, not ${secret.length}`)
  const hash = blake512(secret)
  const low = hash.slice(0, 32)
  low[0]! &= 0xf8
  low[31]! = (low[31]! & 0x7f) | 0x40
  return { scalar: littleEndian(low), prefix: hash.subarray(32) }
}

const timesBase = (scalar: bigint): EddsaKey => {
  const { x, y } = Point.BASE.multiply(scalar % SUBGROUP_ORDER).toAffine()
  return [x, y]
}

const bindingHash = (r8: EddsaKey, key: EddsaKey, message: bigint): bigint =>
  poseidon([...r8, ...key, message])

/** The key a 32-byte secret signs with. Pure: the secret is the caller's to make and keep. */
export const eddsaKey = (secret: Uint8Array): EddsaKey => timesBase(expand(secret).scalar >> 3n)

/** Signs a word. Deterministic: the same secret and message give the same signature. */
export function signEddsa(secret: Uint8Array, message: bigint): EddsaSignature {
  const { scalar, prefix } = expand(secret)
  const reversed = wordsToBytes([message]).reverse()
  const nonce = littleEndian(blake512(concatBytes(prefix, reversed))) % SUBGROUP_ORDER
  const r8 = timesBase(nonce)
  const h = bindingHash(r8, eddsaKey(secret), message)
  return [...r8, (nonce + h * scalar) % SUBGROUP_ORDER]
}

/**
 * Whether the signature is the key's over this word. False for points off the curve; never throws.
 */
export function verifyEddsa(key: EddsaKey, message: bigint, signature: EddsaSignature): boolean {
  const [r8x, r8y, s] = signature
  const words = [...key, message, ...signature]
  if (words.some((word) => word < 0n || word >= FIELD_ORDER) || s >= SUBGROUP_ORDER) return false
  try {
    const r8 = Point.fromAffine({ x: r8x, y: r8y })
    const a = Point.fromAffine({ x: key[0], y: key[1] })
    for (const point of [r8, a]) point.assertValidity()
    const a8 = a.clearCofactor()
    if (a8.is0()) return false // a key of small order: anyone could sign for it
    const h = bindingHash([r8x, r8y], key, message) % SUBGROUP_ORDER
    return Point.BASE.multiplyUnsafe(s).equals(r8.add(a8.multiplyUnsafe(h)))
  } catch {
    return false // a point off the curve
  }
}
