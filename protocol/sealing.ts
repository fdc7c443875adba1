/**
 * What a sealed bid holds and how it opens: HPKE base mode (RFC 9180) with DHKEM(X25519,
 * HKDF-SHA256), HKDF-SHA256, AES-128-GCM. Opening is by node:crypto, 186 µs against the library's
 * 956; sealing, which needs randomness, is in `node/signer.ts`. Tested against RFC 9180 appendix
 * A.1 and against `@hpke/core`.
 */
import {
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
} from 'node:crypto'
import type { Opening } from './money.ts'
import type { Address, Bid, Hex, Id } from './schema.ts'
import { keccak } from './signature.ts'

/** HPKE `info`: binds a ciphertext to this use and version. */
export const SEAL_INFO: Uint8Array = Buffer.from('proofwire/bid/1')
/**
 * price u128 ‖ promise u48 ‖ salt b16 ‖ lanes u8 ‖ nine zero bytes: 48, so that key, text and tag
 * fill three words.
 */
export const OPENING_BYTES = 48
const SALT_AT = 22
const SALT_BYTES = 16
const LANES_AT = SALT_AT + SALT_BYTES
const KEY_BYTES = 32
const TAG_BYTES = 16

const bytesOf = (hex: Hex): Buffer => Buffer.from(hex.slice(2), 'hex')

/**
 * Additional data of a sealed bid: a rival cannot replay it under its own name or for another
 * request.
 */
export const sealAad = (requestId: Id, prover: Address): Uint8Array =>
  Buffer.concat([bytesOf(requestId), bytesOf(prover)])

export function encodeOpening({ priceWei, readyAt, salt, lanes = 0 }: Opening): Uint8Array {
  const out = Buffer.alloc(OPENING_BYTES)
  out.write(priceWei.toString(16).padStart(32, '0'), 0, 'hex')
  out.writeUIntBE(readyAt, 16, 6)
  out.write(salt.slice(2), SALT_AT, 'hex')
  out.writeUInt8(lanes, LANES_AT)
  return out
}

/** Strict: exact length and zero padding, else `null`. Never throws. */
export function decodeOpening(data: Uint8Array): Opening | null {
  if (data.byteLength !== OPENING_BYTES) return null
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  if (bytes.subarray(LANES_AT + 1).some((byte) => byte !== 0)) return null
  const lanes = bytes.readUInt8(LANES_AT)
  return {
    priceWei: BigInt(`0x${bytes.toString('hex', 0, 16)}`),
    readyAt: bytes.readUIntBE(16, 6),
    salt: `0x${bytes.toString('hex', SALT_AT, LANES_AT)}`,
    ...(lanes === 0 ? {} : { lanes }),
  }
}

/**
 * `keccak256(abi.encode(requestId, prover, priceWei, readyAt, salt))`: what a bid commits to (rule
 * B2).
 */
export function commitmentOf(requestId: Id, prover: Address, opening: Opening): Hex {
  const words = Buffer.alloc(5 * 32)
  words.write(requestId.slice(2), 0, 'hex')
  words.write(prover.slice(2), 44, 'hex')
  words.write(opening.priceWei.toString(16).padStart(64, '0'), 64, 'hex')
  words.writeUIntBE(opening.readyAt, 122, 6)
  words.write(opening.salt.slice(2), 128, 'hex')
  return keccak(words)
}

/** DER heads of raw X25519 keys (RFC 8410), which is how node:crypto takes them. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex')
const SPKI_HEAD = Buffer.from('302a300506032b656e032100', 'hex')

const privateKeyOf = (secret: Hex): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([PKCS8_HEAD, bytesOf(secret)]),
    format: 'der',
    type: 'pkcs8',
  })
const publicKeyOf = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI_HEAD, raw]), format: 'der', type: 'spki' })

/**
 * Public key of a 32-byte auction secret: an award's `auctionSecret` must give its request's
 * `auctionKey`.
 */
export function auctionKeyOf(secret: Hex): Hex {
  const spki = createPublicKey(privateKeyOf(secret)).export({ format: 'der', type: 'spki' })
  return `0x${spki.subarray(SPKI_HEAD.length).toString('hex')}`
}

const suiteId = (prefix: string, ...ids: number[]): Buffer =>
  Buffer.concat([Buffer.from(prefix), ...ids.map((id) => Buffer.from([id >> 8, id & 255]))])
/** DHKEM(X25519, HKDF-SHA256) = 0x0020; HKDF-SHA256 = 1; AES-128-GCM = 1. RFC 9180 section 7. */
const KEM_SUITE = suiteId('KEM', 0x0020)
const HPKE_SUITE = suiteId('HPKE', 0x0020, 1, 1)
const VERSION = Buffer.from('HPKE-v1')

const hmac = (key: Uint8Array, data: Uint8Array): Buffer =>
  createHmac('sha256', key).update(data).digest()
/** RFC 9180 section 4, `LabeledExtract`. */
const extract = (salt: Uint8Array, suite: Buffer, label: string, input: Uint8Array): Buffer =>
  hmac(salt, Buffer.concat([VERSION, suite, Buffer.from(label), input]))
/** RFC 9180 section 4, `LabeledExpand`, for outputs of one hash block (≤ 32 bytes). */
function expand(
  key: Buffer,
  suite: Buffer,
  label: string,
  info: Uint8Array,
  bytes: number,
): Buffer {
  const labeled = Buffer.concat([Buffer.from([0, bytes]), VERSION, suite, Buffer.from(label), info])
  return hmac(key, Buffer.concat([labeled, Buffer.from([1])])).subarray(0, bytes)
}

/** Mode base, empty psk and psk_id: the part of the key schedule that only `info` changes. */
const scheduleContext = (info: Uint8Array): Buffer =>
  Buffer.concat([
    Buffer.from([0]),
    extract(Buffer.alloc(0), HPKE_SUITE, 'psk_id_hash', Buffer.alloc(0)),
    extract(Buffer.alloc(0), HPKE_SUITE, 'info_hash', info),
  ])
const SEAL_CONTEXT = scheduleContext(SEAL_INFO)

/** One auction's secret, parsed once, with the public key beside it. */
export type AuctionSecret = { readonly key: KeyObject; readonly publicKey: Buffer }
export const parseSecret = (secret: Hex): AuctionSecret => ({
  key: privateKeyOf(secret),
  publicKey: bytesOf(auctionKeyOf(secret)),
})

/**
 * RFC 9180 `OpenBase`, single shot. `null` when the ciphertext is not for this key and data. Never
 * throws.
 * @param info What the sender gave as `info`; bids always give `SEAL_INFO`.
 */
export function openSealed(
  secret: AuctionSecret,
  encapsulated: Uint8Array,
  ciphertext: Uint8Array,
  aad: Uint8Array,
  info: Uint8Array = SEAL_INFO,
): Buffer | null {
  if (ciphertext.length < TAG_BYTES) return null
  try {
    const context = info === SEAL_INFO ? SEAL_CONTEXT : scheduleContext(info)
    const shared = diffieHellman({ privateKey: secret.key, publicKey: publicKeyOf(encapsulated) })
    const kemContext = Buffer.concat([encapsulated, secret.publicKey])
    const eae = extract(Buffer.alloc(0), KEM_SUITE, 'eae_prk', shared)
    const sharedSecret = expand(eae, KEM_SUITE, 'shared_secret', kemContext, 32)
    const schedule = extract(sharedSecret, HPKE_SUITE, 'secret', Buffer.alloc(0))
    const key = expand(schedule, HPKE_SUITE, 'key', context, 16)
    const nonce = expand(schedule, HPKE_SUITE, 'base_nonce', context, 12)
    const decipher = createDecipheriv('aes-128-gcm', key, nonce)
    decipher.setAAD(aad)
    decipher.setAuthTag(ciphertext.subarray(ciphertext.length - TAG_BYTES))
    const text = decipher.update(ciphertext.subarray(0, ciphertext.length - TAG_BYTES))
    return Buffer.concat([text, decipher.final()])
  } catch {
    // A low-order point, or a tag that does not fit: the bid is void, which is the bidder's loss.
    return null
  }
}

/**
 * Opens one bid; `null` if it does not open to its commitment: such a bid is void (rule B3). Never
 * throws.
 */
export function openBid(secret: AuctionSecret, bid: Bid): Opening | null {
  const sealed = Buffer.concat(bid.sealedOpening.map(bytesOf))
  const aad = sealAad(bid.requestId, bid.prover)
  const text = openSealed(secret, sealed.subarray(0, KEY_BYTES), sealed.subarray(KEY_BYTES), aad)
  const opening = text && decodeOpening(text)
  if (!opening || commitmentOf(bid.requestId, bid.prover, opening) !== bid.commitment) return null
  return opening
}
