/** The devnet's figures: of every job, and whether every wei is where it should be. */
import type { JobOutcome } from '#protocol/effects'
import type { Address, Hex, Id } from '#protocol/schema'
import type { Job } from './journal.ts'

/** One job. Amounts are wei as decimal text, durations ms; null: it did not get so far. */
export type JobReport = {
  readonly requestId: Id
  readonly bids: number
  readonly winner: Address | null
  readonly priceWei: string | null
  readonly requestToAwardMs: number | null
  /** To the first start, which carries the acceptance. */
  readonly awardToAcceptanceMs: number | null
  readonly awardToProofMs: number | null
  readonly outcome: JobOutcome | null
  readonly slashed: readonly Address[]
  /** What paid its proof; null when nothing was paid. */
  readonly transactionHash: Hex | null
}

/** All the market's money, as its builder's node reads it from the chain at the end. wei. */
export type Money = {
  readonly blockNumber: number
  readonly depositedWei: bigint
  readonly withdrawnWei: bigint
  readonly escrowWei: bigint
  /** Provers' bonds and builders' stakes. */
  readonly bondsWei: bigint
  readonly creditsWei: bigint
  readonly burntWei: bigint
  /** What the contracts hold. */
  readonly balanceWei: bigint
}

export type Report = {
  readonly jobs: readonly JobReport[]
  readonly conservation: Readonly<Record<string, string | number | boolean>>
  /** ms. */
  readonly requestToAward: { readonly p50Ms: number; readonly p99Ms: number }
}

/** The value below which a share `p` of the values lies, by nearest rank. NaN of none. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN
}

/**
 * Invariant I1: escrow + bonds + credits + burnt = deposited − withdrawn = what the contracts
 * hold.
 */
export function isConserved(money: Money): boolean {
  const heldWei = money.escrowWei + money.bondsWei + money.creditsWei + money.burntWei
  return heldWei === money.depositedWei - money.withdrawnWei && heldWei === money.balanceWei
}

function jobReport(job: Job): JobReport {
  const { award, delivery } = job
  const [firstStart] = job.startedAt.values()
  const since = (at: number | undefined) => (award && at !== undefined ? at - award.at : null)
  return {
    requestId: job.requestId,
    bids: job.bidders.size,
    winner: award?.winner ?? null,
    priceWei: award?.priceWei.toString() ?? null,
    requestToAwardMs: award ? award.at - job.openedAt : null,
    awardToAcceptanceMs: since(firstStart),
    awardToProofMs: since(delivery?.at),
    outcome: job.outcome,
    slashed: [...job.slashed],
    transactionHash: [...job.paid.values()][0] ?? null,
  }
}

export function makeReport(jobs: readonly Job[], money: Money): Report {
  const reports = jobs.map(jobReport)
  const awardsMs = reports.flatMap(({ requestToAwardMs }) => requestToAwardMs ?? [])
  const amounts = Object.entries(money).map(
    ([name, value]) => [name, typeof value === 'bigint' ? value.toString() : value] as const,
  )
  return {
    jobs: reports,
    conservation: { ok: isConserved(money), ...Object.fromEntries(amounts) },
    requestToAward: { p50Ms: percentile(awardsMs, 0.5), p99Ms: percentile(awardsMs, 0.99) },
  }
}
