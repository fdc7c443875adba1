/**
 * What the market asks of the chain, with what it needs from the store: each is queued durably and
 * reported.
 */
import type { Obligation } from '#protocol/effects'
import { isRefusal, openSigned } from '#protocol/envelope'
import type { Market } from '#protocol/market'
import type { Hex, Id } from '#protocol/schema'
import type { Chain } from './chain.ts'
import type { Challenge } from './chain-events.ts'
import type { BidProof } from './disputes.ts'
import type { ChainActions } from './engine.ts'
import type { Sent } from './intents.ts'
import type { Log } from './log.ts'
import { ownKey, type Signer } from './signer.ts'
import type { Store } from './store.ts'

export type DutiesPorts = {
  readonly chain: Chain
  readonly market: Market
  readonly store: Store
  readonly signer: Signer
  readonly log: Log
  /** Whether this node sends the slashes its own defaulted jobs allow. It earns nothing by them. */
  readonly slashes: boolean
}

export type Duties = {
  readonly actions: ChainActions
  /** Our builder kept the start to itself and now slashes: claim while the challenge lasts. */
  readonly answerChallenge: (challenge: Challenge) => void
}

export function createDuties({ chain, market, store, signer, log, slashes }: DutiesPorts): Duties {
  const report = (what: string, requestId: Id, sending: Promise<Sent>): void => {
    sending.then(
      (sent) => log.info(what, { requestId, ...sent }),
      (error: unknown) => log.error(`${what} failed`, { requestId, error }),
    )
  }
  const proofOf = async (requestId: Id): Promise<Uint8Array> => {
    const proof = await store.get(ownKey(requestId, 'proof'))
    if (!proof) throw new Error(`the proof of ${requestId} is missing from the store`)
    return proof
  }

  /** A backup shows its own bid under the award's root; the winner's price is in the award. */
  const bidProof = async ({ request, award, start }: Obligation): Promise<BidProof | undefined> => {
    if (award.message.prover === start.message.prover) return undefined
    const { requestId } = start.message
    const bytes = await store.get(ownKey(requestId, 'Bid'))
    const path = await store.getJson<Hex[]>(ownKey(requestId, 'path'))
    const bid = bytes && openSigned('Bid', bytes, signer.separator)
    const pursuit = market.bidder?.pursuits.get(requestId)
    if (!bid || isRefusal(bid) || !path || !pursuit)
      throw new Error(`our bid for ${requestId} of ${request.builder} is missing from the store`)
    const { commitment, sealedOpening } = bid.message
    const { priceWei, readyAt } = pursuit
    return { commitment, sealedOpening, priceWei, readyAt, path }
  }

  const claim = async (requestId: Id, obligation: Obligation): Promise<Sent> =>
    chain.claim(obligation, await proofOf(requestId), await bidProof(obligation))

  const actions: ChainActions = {
    settle: ({ receipt }) =>
      report('receipt settled', receipt.message.requestId, chain.queueReceipt(receipt)),
    commit: ({ requestId }) =>
      report(
        'proof committed',
        requestId,
        proofOf(requestId).then((proof) => chain.commitProof(requestId, proof)),
      ),
    claim: ({ requestId, obligation }) =>
      report('claimed', requestId, claim(requestId, obligation)),
    slash: ({ obligation, atS }) => {
      if (!slashes) return
      const { requestId, prover } = obligation.start.message
      // A proof that came in time may have been verified only after the default was said.
      const isOwed = () => !market.job(requestId)?.obligations.get(prover)?.receipt
      report('slash', requestId, chain.slash(obligation, atS, isOwed))
    },
    report: ({ first, second }) =>
      report(
        'double award reported',
        first.award.message.requestId,
        chain.reportDoubleAward(first, second),
      ),
    reportMisaward: ({ request, award, better, path }) => {
      const { commitment, sealedOpening, prover, requestId } = better.bid.message
      const { priceWei, readyAt } = better.opening
      const proof: BidProof = { commitment, sealedOpening, priceWei, readyAt, path: [...path] }
      const sending = chain.reportMisaward({ request, award }, prover, proof)
      report('misaward reported', requestId, sending)
    },
  }

  return {
    actions,
    answerChallenge: ({ requestId, prover, startedAt, startSignature }) => {
      const signature = Buffer.from(startSignature.slice(2), 'hex')
      const job = market.job(requestId)
      const acceptance = market.bidder?.pursuits.get(requestId)?.acceptance
      if (!job?.award || !acceptance) {
        log.error('challenged over a job that is not remembered', { requestId, prover })
        return
      }
      const awardId = job.award.id
      const start = signer.sign('Start', {
        requestId,
        awardId,
        acceptanceId: acceptance.id,
        prover,
        startedAt,
      })
      // The builder's signature, not ours: `sign` only gives the message its id.
      const shown = { ...start, signer: job.request.message.builder, signature, acceptance }
      const obligation = { request: job.request.message, award: job.award, start: shown }
      report('claimed after a challenge', requestId, claim(requestId, obligation))
    },
  }
}
