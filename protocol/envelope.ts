/**
 * What travels: signed messages of fixed length, two of them composite. Opening an envelope decodes
 * it, computes its digest and recovers its signer; who may say what is for `market.ts`.
 *
 *   request, bid, notice, receipt   message ‖ signature
 *   award                           award ‖ signature ‖ winning bid ‖ signature ‖ opening
 *   start                           acceptance ‖ signature ‖ start ‖ signature
 */
import { concat } from 'uint8arrays/concat'
import { decode, encode, messageBytes, SIGNATURE_BYTES, signedBytes } from './codec.ts'
import type { Gossiped, GossipKind, Refusal, Signed, SignedAward, SignedStart } from './effects.ts'
import { reject } from './refusals.ts'
import type { Kind, Message } from './schema.ts'
import { decodeOpening, encodeOpening, OPENING_BYTES } from './sealing.ts'
import { digestOfWords, recover } from './signature.ts'

export const gossipKinds = ['ProofRequest', 'Bid', 'Award', 'Start', 'Notice', 'Receipt'] as const

/** Exact size of each gossiped envelope. Bytes. */
export const envelopeBytes: Record<GossipKind, number> = {
  ProofRequest: signedBytes('ProofRequest'),
  Bid: signedBytes('Bid'),
  Award: signedBytes('Award') + signedBytes('Bid') + OPENING_BYTES,
  Start: signedBytes('Acceptance') + signedBytes('Start'),
  Notice: signedBytes('Notice'),
  Receipt: signedBytes('Receipt'),
}

/** Encodes one signed message. */
export function encodeSigned<K extends Kind>(
  kind: K,
  message: Message<K>,
  signature: Uint8Array,
): Uint8Array {
  return concat([encode(kind, message), signature])
}

/** Decodes and recovers one signed message of exactly its length. Never throws. */
export function openSigned<K extends Kind>(
  kind: K,
  data: Uint8Array,
  separator: Uint8Array,
): Signed<K, Message<K>> | Refusal {
  // [REJECT] MALFORMED: a message is exactly its words, with nothing in their padding, and a signature.
  if (data.byteLength !== signedBytes(kind)) return reject('MALFORMED')
  const words = data.subarray(0, messageBytes(kind))
  const message = decode(kind, words)
  if (!message) return reject('MALFORMED')
  const hash = digestOfWords(kind, words, separator)
  // A copy: what we keep must not change with, or keep alive, the buffer it came in.
  const signature = new Uint8Array(data.subarray(-SIGNATURE_BYTES))
  const signer = recover(hash, signature)
  // [REJECT] SIGNATURE_INVALID: somebody signed it, with low s and v of 27 or 28.
  if (!signer) return reject('SIGNATURE_INVALID')
  return { kind, id: `0x${Buffer.from(hash).toString('hex')}`, signer, message, signature }
}

/** Whether opening something refused it. */
export const isRefusal = (value: object): value is Refusal => 'action' in value

function openAward(data: Uint8Array, separator: Uint8Array): SignedAward | Refusal {
  const bidAt = signedBytes('Award')
  const openingAt = bidAt + signedBytes('Bid')
  const opening = decodeOpening(data.subarray(openingAt))
  // Lanes would be whoever relays it's word: they show when its bid is opened.
  // [REJECT] MALFORMED: an opening ends in zeros.
  if (!opening || opening.lanes !== undefined) return reject('MALFORMED')
  const award = openSigned('Award', data.subarray(0, bidAt), separator)
  if (isRefusal(award)) return award
  const bid = openSigned('Bid', data.subarray(bidAt, openingAt), separator)
  if (isRefusal(bid)) return bid
  return { ...award, bid, opening }
}

function openStart(data: Uint8Array, separator: Uint8Array): SignedStart | Refusal {
  const startAt = signedBytes('Acceptance')
  const acceptance = openSigned('Acceptance', data.subarray(0, startAt), separator)
  if (isRefusal(acceptance)) return acceptance
  const start = openSigned('Start', data.subarray(startAt), separator)
  if (isRefusal(start)) return start
  return { ...start, acceptance }
}

/** Opens what came by gossip under this kind's topic. Never throws. */
export function openEnvelope(
  kind: GossipKind,
  data: Uint8Array,
  separator: Uint8Array,
): Gossiped | Refusal {
  // [REJECT] MALFORMED: an envelope has exactly its length.
  if (data.byteLength !== envelopeBytes[kind]) return reject('MALFORMED')
  if (kind === 'Award') return openAward(data, separator)
  if (kind === 'Start') return openStart(data, separator)
  return openSigned(kind, data, separator) as Gossiped | Refusal
}

/** The bytes of an envelope; `openEnvelope` gives it back. */
export function sealEnvelope(from: Gossiped): Uint8Array {
  const own = encodeSigned(from.kind, from.message as never, from.signature)
  if (from.kind === 'Award') {
    const bid = encodeSigned('Bid', from.bid.message, from.bid.signature)
    const { priceWei, readyAt, salt } = from.opening
    return concat([own, bid, encodeOpening({ priceWei, readyAt, salt })])
  }
  if (from.kind === 'Start') {
    const { message, signature } = from.acceptance
    return concat([encodeSigned('Acceptance', message, signature), own])
  }
  return own
}
