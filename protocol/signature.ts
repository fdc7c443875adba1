/**
 * EIP-712 digests by hand-built struct hashes, and secp256k1 through the native `secp256k1`
 * package. viem's `hashTypedData` (150 µs) and pure-JavaScript recovery (1.2 ms) would each make an
 * auction miss its second; the unit test compares every digest and signature with viem's.
 */
import { createRequire } from 'node:module'
import { keccak_256 } from '@noble/hashes/sha3.js'
import secp256k1 from 'secp256k1'
import { encode, fields, SIGNATURE_BYTES } from './codec.ts'
import {
  type Address,
  DOMAIN_NAME,
  DOMAIN_VERSION,
  type Domain,
  domainFields,
  type Hex,
  type Id,
  type Kind,
  type Message,
  schema,
} from './schema.ts'

const ascii = (text: string): Uint8Array => Buffer.from(text, 'utf8')
const toHex = (bytes: Uint8Array): Hex =>
  `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`

/** keccak256 of bytes, as hex. */
export const keccak = (bytes: Uint8Array): Hex => toHex(keccak_256(bytes))

const typeOf = (name: string, members: readonly { name: string; type: string }[]): string =>
  `${name}(${members.map((member) => `${member.type} ${member.name}`).join(',')})`

/** EIP-712 type string of a message, `encodeType` of the standard. */
export const typeString = (kind: Kind): string => typeOf(kind, schema[kind])

const typeHashes = Object.fromEntries(
  (Object.keys(schema) as Kind[]).map((kind) => [kind, keccak_256(ascii(typeString(kind)))]),
) as Record<Kind, Uint8Array>

/** EIP-712 `typeHash` of a message. */
export const typeHash = (kind: Kind): Hex => toHex(typeHashes[kind])

const word = (value: bigint | number): Buffer =>
  Buffer.from(value.toString(16).padStart(64, '0'), 'hex')

/** EIP-712 domain separator of one `Settlement` on one chain. */
export function domainSeparator({ chainId, settlement }: Domain): Uint8Array {
  return keccak_256(
    Buffer.concat([
      keccak_256(ascii(typeOf('EIP712Domain', domainFields))),
      keccak_256(ascii(DOMAIN_NAME)),
      keccak_256(ascii(DOMAIN_VERSION)),
      word(chainId),
      word(BigInt(settlement)),
    ]),
  )
}

/**
 * EIP-712 digest of a message whose ABI words are `words` (as `encode` gives them).
 * @param separator What `domainSeparator` returned: computed once, not for each message.
 */
export function digestOfWords(kind: Kind, words: Uint8Array, separator: Uint8Array): Uint8Array {
  const members: Uint8Array[] = [typeHashes[kind]]
  let at = 0
  for (const { length } of fields(kind)) {
    const slice = words.subarray(at, at + 32 * (length ?? 1))
    members.push(length === null ? slice : keccak_256(slice))
    at += slice.length
  }
  const structHash = keccak_256(Buffer.concat(members))
  return keccak_256(Buffer.concat([EIP191_PREFIX, separator, structHash]))
}
/** "\x19\x01": EIP-191 version byte of structured data. */
const EIP191_PREFIX = Uint8Array.of(0x19, 0x01)

/** EIP-712 digest of a message: its id. */
export function digest<K extends Kind>(kind: K, message: Message<K>, separator: Uint8Array): Id {
  return toHex(digestOfWords(kind, encode(kind, message), separator))
}

/**
 * Half of the group order: a signature with s above it is the malleable twin of one below (EIP-2).
 */
const HALF_ORDER = Buffer.from(
  '7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0',
  'hex',
)

/** Address of an uncompressed public key (65 bytes, leading 4). */
const addressOf = (publicKey: Uint8Array): Address =>
  toHex(keccak_256(publicKey.subarray(1)).subarray(12))

/** Address of a private key. @throws if the key is zero or not below the group order. */
export const accountOf = (privateKey: Uint8Array): Address =>
  addressOf(secp256k1.publicKeyCreate(privateKey, false))

/**
 * Who signed `hash`, or `null`: for a signature of another length, with high s, with v not 27 or
 * 28, or that recovers to no key. Never throws. About 50 µs.
 */
export function recover(hash: Uint8Array, signature: Uint8Array): Address | null {
  if (signature.byteLength !== SIGNATURE_BYTES) return null
  const v = signature[64]!
  if (v !== 27 && v !== 28) return null
  if (Buffer.compare(signature.subarray(32, 64), HALF_ORDER) > 0) return null
  try {
    return addressOf(secp256k1.ecdsaRecover(signature.subarray(0, 64), v - 27, hash, false))
  } catch {
    // The library throws for r or s of zero, out of range, or off the curve: all are just bad
    // signatures.
    return null
  }
}

/** Signs a digest deterministically (RFC 6979), low s. 65 bytes. */
export function signDigest(hash: Uint8Array, privateKey: Uint8Array): Uint8Array {
  const { signature, recid } = secp256k1.ecdsaSign(hash, privateKey)
  const out = new Uint8Array(SIGNATURE_BYTES)
  out.set(signature)
  out[64] = 27 + recid
  return out
}

/**
 * Whether the native library is in use; without it, auctions miss their second. `doctor` and
 * start-up say so.
 */
export function isNative(): boolean {
  const elliptic = createRequire(import.meta.url)('secp256k1/elliptic') as typeof secp256k1
  return secp256k1.ecdsaRecover !== elliptic.ecdsaRecover
}
