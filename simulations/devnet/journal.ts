/**
 * What became of every job, from the builder's events alone: what a person sees and the report
 * says. Times are ms since the Unix epoch, as the builder's node stamped them.
 */
import type { JobOutcome, MarketEvent } from '#protocol/effects'
import type { Address, Hex, Id } from '#protocol/schema'

/** An event and when the node announced it. */
export type Seen = { readonly at: number; readonly event: MarketEvent }

/** Everything known of one job. */
export type Job = {
  readonly requestId: Id
  /** From 1, in the order of the requests. */
  readonly number: number
  readonly openedAt: number
  readonly dueAt: number
  readonly bidders: Set<Address>
  award: {
    readonly at: number
    readonly winner: Address
    readonly priceWei: bigint
    readonly backups: readonly Address[]
  } | null
  /** When each prover was started, in order. */
  readonly startedAt: Map<Address, number>
  /** The first receipt. */
  delivery: { readonly at: number; readonly prover: Address; readonly payWei: bigint } | null
  readonly slashed: Set<Address>
  /** The first transaction that paid, by prover: a receipt may add to what a post paid. */
  readonly paid: Map<Address, Hex>
  outcome: JobOutcome | null
}

export class Journal {
  readonly #jobs = new Map<Id, Job>()

  get jobs(): readonly Job[] {
    return [...this.#jobs.values()]
  }

  job(requestId: Id): Job | undefined {
    return this.#jobs.get(requestId)
  }

  /** Takes one event. Returns the job it is about, if it is about one; events may come twice. */
  take({ at, event }: Seen): Job | null {
    if (event.kind === 'equivocation') return null
    if (event.kind === 'requested') this.#begin(event)
    const job = this.#jobs.get(event.requestId)
    if (!job) return null
    switch (event.kind) {
      case 'bid-seen':
        job.bidders.add(event.prover)
        break
      case 'awarded':
        job.award ??= {
          at,
          winner: event.prover,
          priceWei: event.priceWei,
          backups: event.backups.filter((backup) => BigInt(backup) !== 0n),
        }
        break
      case 'started':
        if (!job.startedAt.has(event.prover)) job.startedAt.set(event.prover, event.at)
        break
      case 'received':
        job.delivery ??= { at: event.deliveredAt, prover: event.prover, payWei: event.payWei }
        break
      case 'paid':
        if (!job.paid.has(event.prover)) job.paid.set(event.prover, event.transactionHash)
        break
      case 'slashed':
        job.slashed.add(event.prover)
        break
      case 'ended':
        job.outcome = event.outcome
        break
      default:
        break
    }
    return job
  }

  #begin({ requestId, request }: Extract<MarketEvent, { kind: 'requested' }>): void {
    if (this.#jobs.has(requestId)) return
    this.#jobs.set(requestId, {
      requestId,
      number: this.#jobs.size + 1,
      openedAt: request.openedAt,
      dueAt: request.dueAt,
      bidders: new Set(),
      award: null,
      startedAt: new Map(),
      delivery: null,
      slashed: new Set(),
      paid: new Map(),
      outcome: null,
    })
  }
}

/**
 * Whether all that can come of the job has come: an outcome, and every prover that was started paid
 * or slashed.
 */
export const isClosed = ({ outcome, startedAt, paid, slashed }: Job): boolean =>
  outcome !== null && [...startedAt.keys()].every((each) => paid.has(each) || slashed.has(each))

/** Whether a proof came or none will. */
export const isDelivered = ({ delivery, outcome }: Job): boolean =>
  delivery !== null || outcome !== null
