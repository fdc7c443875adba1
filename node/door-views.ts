/** What the door shows of jobs and wanted proofs: plain data, for JSON. */
import type { Job } from '#protocol/job'
import type { Address } from '#protocol/schema'
import type { WantedRecord } from './wanted-record.ts'

/** A job as the market sees it, anybody's. Instants in ms since the Unix epoch, amounts in wei. */
export function jobView(job: Job) {
  const award = job.award
  return {
    requestId: job.id,
    request: job.request.message,
    bids: [...job.bids.values()].map(({ id, message: { prover } }) => ({
      bidId: id,
      prover,
      seenAt: job.seenAt.get(id) ?? null,
      // Prices show after the award only: whoever runs the auction must not tell a bidder of the
      // others' before.
      ...(award ? priceOf(job, id) : {}),
    })),
    award: award && {
      awardId: award.id,
      prover: award.message.prover,
      priceWei: award.message.priceWei,
      readyAt: award.message.readyAt,
      bidCount: award.message.bidCount,
      bidsRoot: award.message.bidsRoot,
      backups: named(award.message.backups),
    },
    starts: [...job.obligations].map(([prover, { start, notice, receipt, resolution }]) => ({
      prover,
      startedAt: start.message.startedAt,
      noticedAt: notice?.message.readyAt ?? null,
      receipt: receipt && {
        payWei: receipt.message.payWei,
        proofHash: receipt.message.proofHash,
        deliveredAt: receipt.message.deliveredAt,
      },
      resolution,
    })),
    outcome: job.outcome,
  }
}

function priceOf(job: Job, bidId: Job['id']) {
  const opening = job.openings.get(bidId)
  return opening ? { priceWei: opening.priceWei, readyAt: opening.readyAt } : {}
}

const named = (backups: readonly Address[]): Address[] =>
  backups.filter((backup) => BigInt(backup) !== 0n)

/** All that is remembered of a wanted proof. */
export function wantedView({ termsHash: _, ...record }: WantedRecord) {
  return record
}

/** One line of a list. */
export const wantedLine = (record: WantedRecord) => ({
  wantedId: record.wantedId,
  status: record.status,
  openedAt: record.openedAt,
  dueAt: record.terms.dueAt,
  endedAt: record.endedAt,
  bundle: record.bundle ?? null,
  requestIds: record.requests.map(({ requestId }) => requestId),
  delivery: record.delivery,
  failure: record.failure,
})
