/** What the nodes of a validation run agree on: one market, its rules, its accounts. */
import { createHash } from 'node:crypto'
import { defaultParams, type Params } from '#protocol/params'
import type { Address, Domain, Hex, ProofRequest } from '#protocol/schema'
import { auctionKeyOf } from '#protocol/sealing'
import { accountOf } from '#protocol/signature'
import { plainTerms } from '#simulations/pretence'

export const domain: Domain = {
  chainId: 31_337,
  settlement: '0x5e771e0000000000000000000000000000000001',
}

/** Longer than any run: only requests and bids are measured, so no auction closes. ms. */
const WINDOW_MS = 3_600_000
const GWEI = 10n ** 9n
const ETHER = 10n ** 18n
/** More than all requests of a run ask for, and fewer than nodes may hold back. wei. */
export const FUNDS_WEI = 1_000_000n * ETHER

/** Production's rules, with what is measured against the network's speed as slow as that is. */
export const paramsOf = (stretch: number): Params => ({
  ...defaultParams,
  maxBidWindowMs: WINDOW_MS,
  holdMs: Math.ceil(defaultParams.holdMs * stretch),
  maxOpenRequests: defaultParams.maxJobs,
})

const bytesFor = (...parts: readonly unknown[]): Buffer =>
  createHash('sha256')
    .update(`validate/${parts.join('/')}`)
    .digest()

/** A node's keys follow from the seed. */
export const accountKey = (seed: number, node: number): Uint8Array =>
  bytesFor(seed, 'account', node)
export const peerSeed = (seed: number, node: number): Uint8Array => bytesFor(seed, 'peer', node)
export const accountAt = (seed: number, node: number): Address => accountOf(accountKey(seed, node))

/** The request of a round: its nonce is the round's number. `now`: ms since the Unix epoch. */
export function requestOf(seed: number, round: number, builder: number, now: number): ProofRequest {
  const secret: Hex = `0x${bytesFor(seed, 'auction', round).toString('hex')}`
  const closesAt = now + WINDOW_MS
  return {
    builder: accountAt(seed, builder),
    nonce: BigInt(round),
    ...plainTerms,
    inputBytes: 1_000,
    reserveWei: ETHER / 100n,
    latenessWeiPerMs: 100n * GWEI,
    bondWei: ETHER / 10n,
    claimBaseFeeCapWei: GWEI,
    openedAt: now,
    closesAt,
    softDueAt: closesAt + 6_000,
    dueAt: closesAt + 12_000,
    auctionKey: auctionKeyOf(secret),
    backups: 0,
  }
}
