/**
 * What `Settlement` takes to pay for a delivered proof: the messages both sides signed, and the
 * proof. All of it but the proof is gossiped anyway.
 */
import type { Job, Obligation } from '#protocol/job'
import type { Market } from '#protocol/market'
import { type Address, type Hex, ZERO_WORD } from '#protocol/schema'
import type { BidProof } from './disputes.ts'
import { RpcError, rpcCodes } from './door-rpc.ts'
import type { WantedRecord } from './wanted-record.ts'

/** For the award's winner, whose price is in the award itself. */
const NO_BID: BidProof = {
  commitment: ZERO_WORD,
  sealedOpening: [ZERO_WORD, ZERO_WORD, ZERO_WORD],
  priceWei: 0n,
  readyAt: 0,
  path: [],
}

const toHex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`

/**
 * The arguments of `settleOnPost` and `claim` that do not depend on the table.
 * @throws RpcError `EVIDENCE_GONE` when the market has forgotten the job, or, since a restart, the
 * bid of the backup that delivered: the receipt pays for that proof.
 */
export function evidenceOf(
  market: Market,
  { wantedId }: Pick<WantedRecord, 'wantedId'>,
  { requestId, prover }: NonNullable<WantedRecord['delivery']>,
) {
  const job = market.job(requestId)
  const obligation = job?.obligations.get(prover)
  const bid = job && bidProofOf(market, job, prover)
  if (!job?.award || !obligation || !bid) {
    const message = `what pays for ${wantedId} is not kept any more; its prover settles the receipt`
    throw new RpcError(rpcCodes.notFound, message, { code: 'EVIDENCE_GONE', wantedId })
  }
  return {
    requestId,
    request: job.request.message,
    award: job.award.message,
    ...signedParts(obligation),
    bid,
  }
}

const signedParts = ({ start }: Obligation) => ({
  acceptanceSignature: toHex(start.acceptance.signature),
  start: start.message,
  startSignature: toHex(start.signature),
})

/** `null` when the bid or its path is not known any more. */
function bidProofOf({ auctioneer }: Market, job: Job, prover: Address): BidProof | null {
  if (job.award?.message.prover === prover) return NO_BID
  const bid = job.bids.get(prover)
  const candidates = auctioneer.auctions.get(job.id)?.candidates ?? []
  const candidate = candidates.find((other) => other.prover === prover)
  if (!bid || !candidate) return null
  const { commitment, sealedOpening } = bid.message
  const { priceWei, readyAt, path } = candidate
  return { commitment, sealedOpening, priceWei, readyAt, path }
}
