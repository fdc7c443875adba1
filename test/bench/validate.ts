/**
 * What one bid costs a node that hears it: decode, digest, recover the signer, apply the market's
 * rules. Beside it the same path with pure-JavaScript recovery: the difference that decides whether
 * a thousand bids fit a second.
 */
import { createRequire } from 'node:module'
import { performance } from 'node:perf_hooks'
import type secp256k1 from 'secp256k1'
import { decode, messageBytes, SIGNATURE_BYTES } from '#protocol/codec'
import type { SignedBid } from '#protocol/effects'
import { isRefusal, openEnvelope } from '#protocol/envelope'
import type { Market } from '#protocol/market'
import type { Address } from '#protocol/schema'
import { digestOfWords, keccak } from '#protocol/signature'
import { envelopesOf, makeBids, OPENED_AT, openMarket, separator } from './auction-sample.ts'
import { type Metrics, median } from './measure.ts'

const BIDS = 1_000
const ROUNDS = 7
const OBSERVER: Address = `0x${'0b'.repeat(20)}`

const slow = createRequire(import.meta.url)('secp256k1/elliptic') as typeof secp256k1

const openNative = (data: Uint8Array): SignedBid => {
  const bid = openEnvelope('Bid', data, separator)
  if (isRefusal(bid)) throw new Error(`a good bid was refused: ${bid.code}`)
  return bid as SignedBid
}

/** The same steps as `openSigned`, with the library's own JavaScript for the curve. */
function openPureJs(data: Uint8Array): SignedBid {
  const words = data.subarray(0, messageBytes('Bid'))
  const message = decode('Bid', words)!
  const hash = digestOfWords('Bid', words, separator)
  const signature = data.slice(-SIGNATURE_BYTES)
  const point = slow.ecdsaRecover(signature.subarray(0, 64), signature[64]! - 27, hash, false)
  const signer: Address = `0x${keccak(point.subarray(1)).slice(-40)}`
  return { kind: 'Bid', id: `0x${Buffer.from(hash).toString('hex')}`, signer, message, signature }
}

const hear = (market: Market, bid: SignedBid): void => {
  const { verdict } = market.handle({ kind: 'message', from: bid }, OPENED_AT + 100)
  if (verdict !== 'accept') throw new Error(`a good bid was refused: ${JSON.stringify(verdict)}`)
}

/** Time of `act` over every envelope on a fresh market, µs each. */
function timeUs<T>(items: readonly T[], act: (item: T) => void): number {
  const startedAt = performance.now()
  for (const item of items) act(item)
  return ((performance.now() - startedAt) * 1_000) / items.length
}

export async function validate(): Promise<Metrics> {
  const bids = await makeBids(BIDS)
  const envelopes = envelopesOf(bids)
  const rounds = Array.from({ length: ROUNDS }, () => {
    const [whole, ruled, pure] = [0, 1, 2].map(() => openMarket(bids, OBSERVER))
    return {
      wholeUs: timeUs(envelopes, (data) => hear(whole!, openNative(data))),
      openUs: timeUs(envelopes, (data) => void openNative(data)),
      rulesUs: timeUs(bids, (bid) => hear(ruled!, bid)),
      pureJsUs: timeUs(envelopes.slice(0, BIDS / 10), (data) => hear(pure!, openPureJs(data))),
    }
  })
  const of = (name: keyof (typeof rounds)[0]) => median(rounds.map((round) => round[name]))
  const [wholeUs, pureJsUs] = [of('wholeUs'), of('pureJsUs')]
  return {
    bids: BIDS,
    validateUs: wholeUs,
    decodeDigestRecoverUs: of('openUs'),
    rulesUs: of('rulesUs'),
    validatePureJsUs: pureJsUs,
    pureJsOverNativeRatio: pureJsUs / wholeUs,
    bidsPerSecond: 1_000_000 / wholeUs,
  }
}
