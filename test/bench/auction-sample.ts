/**
 * One auction of a thousand provers, as a node meets it: accounts, a request, signed and sealed
 * bids.
 */

import { sealOpening } from '#node/signer'
import { encode } from '#protocol/codec'
import type { Signed, SignedBid, SignedRequest } from '#protocol/effects'
import { sealEnvelope } from '#protocol/envelope'
import { Market } from '#protocol/market'
import { defaultParams } from '#protocol/params'
import type { Address, Domain, Hex, Kind, Message } from '#protocol/schema'
import { ZERO_WORD } from '#protocol/schema'
import { auctionKeyOf, commitmentOf } from '#protocol/sealing'
import { accountOf, digestOfWords, domainSeparator, keccak, signDigest } from '#protocol/signature'

/** Instant the request was opened: any will do. ms since the Unix epoch. */
export const OPENED_AT = 1_800_000_000_000
export const CLOSES_AT = OPENED_AT + 400

const domain: Domain = { chainId: 31_337, settlement: `0x${'5e'.repeat(20)}` }
export const separator = domainSeparator(domain)

const secretOf = (name: string): Buffer => Buffer.from(keccak(Buffer.from(name)).slice(2), 'hex')
const builderKey = secretOf('builder')
export const builder = accountOf(builderKey)
export const auctionSecret: Hex = keccak(Buffer.from('auction'))

function sign<K extends Kind>(
  kind: K,
  message: Message<K>,
  key: Uint8Array,
): Signed<K, Message<K>> {
  const hash = digestOfWords(kind, encode(kind, message), separator)
  const id: Hex = `0x${Buffer.from(hash).toString('hex')}`
  return { kind, id, signer: accountOf(key), message, signature: signDigest(hash, key) }
}

export const request: SignedRequest = sign(
  'ProofRequest',
  {
    builder,
    nonce: 1n,
    venue: `0x${'aa'.repeat(20)}`,
    verifier: `0x${'bb'.repeat(20)}`,
    programId: keccak(Buffer.from('program')),
    publicInputsHash: keccak(Buffer.from('inputs')),
    tableDigest: keccak(Buffer.from('table')),
    builderPeer: keccak(Buffer.from('peer')),
    work: 1n,
    inputBytes: 1_824,
    reserveWei: 10n ** 15n,
    latenessWeiPerMs: 10n ** 9n,
    bondWei: 10n ** 16n,
    claimBaseFeeCapWei: 10n ** 9n,
    openedAt: OPENED_AT,
    closesAt: CLOSES_AT,
    softDueAt: OPENED_AT + 5_000,
    dueAt: OPENED_AT + 12_000,
    auctionKey: auctionKeyOf(auctionSecret),
    backups: 3,
    retryOf: ZERO_WORD,
    bundleId: ZERO_WORD,
    bundleIndex: 0,
    bundleSize: 0,
  },
  builderKey,
)

/** Seals and signs the bids of `count` provers. About 1.3 ms each. */
export async function makeBids(count: number): Promise<readonly SignedBid[]> {
  const bids: SignedBid[] = []
  for (let index = 0; index < count; index++) {
    const key = secretOf(`prover ${index}`)
    const prover = accountOf(key)
    const opening = {
      priceWei: 4n * 10n ** 14n + BigInt((index * 7_919) % 1_000) * 10n ** 11n,
      readyAt: CLOSES_AT + 1_000 + ((index * 104_729) % 7_000),
      salt: keccak(key).slice(0, 34) as Hex,
    }
    const requestId = request.id
    const sealedOpening = await sealOpening(request.message.auctionKey, requestId, prover, opening)
    const commitment = commitmentOf(requestId, prover, opening)
    bids.push(sign('Bid', { requestId, prover, commitment, sealedOpening }, key))
  }
  return bids
}

export const envelopesOf = (bids: readonly SignedBid[]): readonly Uint8Array[] =>
  bids.map(sealEnvelope)

/** A node that knows everybody's money and has heard the request. `self`: whose node it is. */
export function openMarket(bids: readonly SignedBid[], self: Address): Market {
  const market = new Market({ self, params: defaultParams })
  const rich = { bondWei: 10n ** 18n, stakeWei: 10n ** 18n, escrowWei: 10n ** 18n }
  for (const account of [builder, ...bids.map(({ message }) => message.prover)]) {
    market.handle({ kind: 'chain', event: { kind: 'account', account, ...rich } }, OPENED_AT)
  }
  const { verdict } = market.handle({ kind: 'message', from: request }, OPENED_AT + 1)
  if (verdict !== 'accept') throw new Error(`the request was refused: ${JSON.stringify(verdict)}`)
  return market
}
