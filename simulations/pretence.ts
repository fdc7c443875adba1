/**
 * Stand-ins for signing and sealing: a message's id is a hash of its content, its signer is named,
 * and a sealed bid is a key into a table only `open` looks at. The market cannot tell, and runs a
 * hundred times faster than with the real ones.
 */
import { createHash } from 'node:crypto'
import type { Signed, SignedBid } from '#protocol/effects'
import type { Opening } from '#protocol/money'
import {
  type Address,
  type Hex,
  type Id,
  type Kind,
  type Message,
  type ProofRequest,
  ZERO_ADDRESS,
  ZERO_WORD,
} from '#protocol/schema'
import { commitmentOf } from '#protocol/sealing'

const plain = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? `${value}n` : value

/** 32 bytes that depend on all of `parts`. */
export const hashOf = (...parts: readonly unknown[]): Hex =>
  `0x${createHash('sha256').update(JSON.stringify(parts, plain)).digest('hex')}`

/** A message as if `signer` had signed it. */
export const pretendSigned = <K extends Kind>(
  kind: K,
  message: Message<K>,
  signer: Address,
): Signed<K, Message<K>> => ({
  kind,
  id: hashOf(kind, message),
  signer,
  message,
  signature: new Uint8Array(65),
})

/** What a request says that stands alone and whose table, circuit and peer nobody looks at. */
export const plainTerms = {
  venue: ZERO_ADDRESS,
  verifier: ZERO_ADDRESS,
  programId: ZERO_WORD,
  publicInputsHash: ZERO_WORD,
  tableDigest: ZERO_WORD,
  builderPeer: ZERO_WORD,
  work: 1n,
  retryOf: ZERO_WORD,
  bundleId: ZERO_WORD,
  bundleIndex: 0,
  bundleSize: 0,
} as const satisfies Partial<ProofRequest>

/** What sealed bids hold, by commitment. */
export class Seals {
  readonly #openings = new Map<Hex, Opening>()

  /** A bid that hides this price and promise. */
  seal(requestId: Id, prover: Address, signer: Address, terms: Omit<Opening, 'salt'>): SignedBid {
    const salt: Hex = `0x${hashOf(requestId, prover).slice(2, 34)}`
    const opening = { ...terms, salt }
    const commitment = commitmentOf(requestId, prover, opening)
    this.#openings.set(commitment, opening)
    const message = { requestId, prover, commitment, sealedOpening: SEALED }
    return pretendSigned('Bid', message, signer)
  }

  /** What a bid hides; `null` when it was never sealed here: it does not open. */
  open(bid: SignedBid): Opening | null {
    return this.#openings.get(bid.message.commitment) ?? null
  }
}

const WORD: Hex = `0x${'5e'.repeat(32)}`
const SEALED = [WORD, WORD, WORD] as const

/** What a proof of this job by this prover hashes to. */
export const proofHashOf = (requestId: Id, prover: Address): Hex =>
  hashOf('proof', requestId, prover)

/**
 * The one-time secret of a builder's auction: from its nonce, as nothing here needs to be secret.
 */
export const auctionSecretOf = (of: Pick<ProofRequest, 'builder' | 'nonce'>): Hex =>
  hashOf('secret', of.builder, of.nonce)
