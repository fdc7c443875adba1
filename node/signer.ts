/**
 * The account's key and what it signed. A message of one identity (the award of a request, the
 * start of a prover) is signed once: its bytes are stored with fsync before anybody sees them, and
 * given again after a crash, so this node never says two things in one place. Home of `@hpke/core`:
 * bids are sealed here.
 */
import { randomBytes } from 'node:crypto'
import { Aes128Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import { encode } from '#protocol/codec'
import type { Signed } from '#protocol/effects'
import { encodeSigned, isRefusal, openSigned } from '#protocol/envelope'
import type { Opening } from '#protocol/money'
import type { Address, Bid, Domain, Hex, Id, Kind, Message, PeerClaim } from '#protocol/schema'
import { commitmentOf, encodeOpening, SEAL_INFO, sealAad } from '#protocol/sealing'
import { accountOf, digestOfWords, domainSeparator, signDigest } from '#protocol/signature'
import type { Store } from './store.ts'

/** Where all that a node stores of one job lives: removed together when the job is forgotten. */
export const ownKey = (requestId: Id, name: string): string => `own/${requestId}/${name}`

/**
 * How long a claim to speak through a peer id holds. One connection's life, and not much more. ms.
 */
const PEER_CLAIM_MS = 3_600_000

export type Signer = {
  readonly account: Address
  /** EIP-712 separator of this market. */
  readonly separator: Uint8Array
  /** Signs without storing: for what may be said twice. */
  readonly sign: <K extends Kind>(kind: K, message: Message<K>) => Signed<K, Message<K>>
  /**
   * Signs `message` as the one of its identity, or gives what was signed in its place before.
   * @param name The identity within the request: the kind, and the prover where there may be
   * several.
   */
  readonly signOnce: <K extends Kind>(
    kind: K,
    requestId: Id,
    name: string,
    message: Message<K>,
  ) => Promise<Signed<K, Message<K>>>
  /** Seals a price and a promise to an auction key; signed once. */
  readonly bid: (
    requestId: Id,
    auctionKey: Hex,
    priceWei: bigint,
    readyAt: number,
    /** How many requests of its bundle are taken at most; left out for a request alone. */
    lanes?: number,
  ) => Promise<Signed<'Bid', Bid>>
  readonly peerClaim: (peer: Hex, now: number) => Signed<'PeerClaim', PeerClaim>
}

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes128Gcm(),
})
const toHex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`
const bytesOf = (hex: Hex): Uint8Array => Buffer.from(hex.slice(2), 'hex')
/** Copies into a buffer of its own: WebCrypto refuses views of pooled ones. */
const owned = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer

/** HPKE single-shot seal: 32 bytes of key, 48 of text, 16 of tag, as three words (rule B1). */
export async function sealOpening(
  auctionKey: Hex,
  requestId: Id,
  prover: Address,
  opening: Opening,
): Promise<readonly [Hex, Hex, Hex]> {
  const recipientPublicKey = await suite.kem.deserializePublicKey(owned(bytesOf(auctionKey)))
  const { enc, ct } = await suite.seal(
    { recipientPublicKey, info: owned(SEAL_INFO) },
    owned(encodeOpening(opening)),
    owned(sealAad(requestId, prover)),
  )
  const text = new Uint8Array(ct)
  return [toHex(new Uint8Array(enc)), toHex(text.subarray(0, 32)), toHex(text.subarray(32))]
}

/**
 * @param privateKey 32 bytes, secp256k1. @throws when it is not a key.
 */
export function createSigner(privateKey: Uint8Array, domain: Domain, store: Store): Signer {
  const account = accountOf(privateKey)
  const separator = domainSeparator(domain)
  /** Identities being signed: a second asker gets the first one's bytes. */
  const signing = new Map<string, Promise<unknown>>()

  const sign = <K extends Kind>(kind: K, message: Message<K>): Signed<K, Message<K>> => {
    const hash = digestOfWords(kind, encode(kind, message), separator)
    const signature = signDigest(hash, privateKey)
    return { kind, id: toHex(hash), signer: account, message, signature }
  }

  const stored = async <K extends Kind>(kind: K, key: string) => {
    const bytes = await store.get(key)
    if (!bytes) return null
    const opened = openSigned(kind, bytes, separator)
    if (isRefusal(opened) || opened.signer !== account)
      throw new Error(`${key} holds another account's or market's message; use a fresh data folder`)
    return opened
  }

  const once = <K extends Kind>(kind: K, key: string, make: () => Promise<Message<K>>) => {
    const underway = signing.get(key)
    if (underway) return underway as Promise<Signed<K, Message<K>>>
    const signed = (async () => {
      const earlier = await stored(kind, key)
      if (earlier) return earlier
      const fresh = sign(kind, await make())
      await store.put(key, encodeSigned(kind, fresh.message, fresh.signature), { sync: true })
      return fresh
    })().finally(() => signing.delete(key))
    signing.set(key, signed)
    return signed
  }

  return {
    account,
    separator,
    sign,
    signOnce: (kind, requestId, name, message) =>
      once(kind, ownKey(requestId, name), async () => message),
    bid: (requestId, auctionKey, priceWei, readyAt, lanes = 0) =>
      once('Bid', ownKey(requestId, 'Bid'), async () => {
        const opening: Opening = { priceWei, readyAt, salt: toHex(randomBytes(16)), lanes }
        const commitment = commitmentOf(requestId, account, opening)
        const sealedOpening = await sealOpening(auctionKey, requestId, account, opening)
        return { requestId, prover: account, commitment, sealedOpening }
      }),
    peerClaim: (peer, now) => sign('PeerClaim', { peer, account, expiresAt: now + PEER_CLAIM_MS }),
  }
}
