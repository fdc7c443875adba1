/**
 * A simple learning bidder. It asks more after it won and less after it lost, and never less than
 * production would without having learned anything. Who sees the others' bids knows how much: up
 * to, or down to, a hundredth below the best of them.
 */
import type { Quote } from '#protocol/bidder'
import type { MarketEvent } from '#protocol/effects'
import { scoreWei } from '#protocol/money'
import type { Id, ProofRequest } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import { percentOf } from './seats.ts'

/** What a bidder makes of an award. */
export type Learn = (
  event: Extract<MarketEvent, { kind: 'awarded' }>,
  request: ProofRequest,
  actor: Actor,
) => void

export type LearnerTraits = {
  /** How much more it asks after it won, and less after it lost. Percent. */
  readonly raisePercent: number
  readonly cutPercent: number
  /** Whether it sees what others bid. */
  readonly seesOpenings: boolean
}

/** After an award everybody has opened the bids by then. ms. */
const OPENED_MS = 100

export const within = (wei: bigint, least: bigint, most: bigint): bigint =>
  wei < least ? least : wei > most ? most : wei

export class Learner {
  readonly #traits: LearnerTraits
  #priceWei = 0n

  constructor(traits: LearnerTraits) {
    this.#traits = traits
  }

  /** Its price, in a quote of production's strategy that has learned nothing. */
  readonly bid = (quote: Quote, request: ProofRequest): Quote => {
    this.#priceWei = within(this.#priceWei, quote.priceWei, request.reserveWei)
    return { ...quote, priceWei: this.#priceWei }
  }

  readonly learn: Learn = ({ requestId, prover }, _, actor) => {
    const { raisePercent, cutPercent, seesOpenings } = this.#traits
    const isWon = prover === actor.account
    const wantedWei = percentOf(this.#priceWei, isWon ? 100 + raisePercent : 100 - cutPercent)
    if (!seesOpenings) this.#priceWei = wantedWei
    else actor.later(OPENED_MS, () => this.#look(requestId, actor, isWon ? wantedWei : null))
  }

  #look(requestId: Id, actor: Actor, wantedWei: bigint | null): void {
    const bestWei = bestBesides(requestId, actor)
    const belowWei = bestWei === null ? wantedWei : percentOf(bestWei, 99)
    if (belowWei !== null)
      this.#priceWei = wantedWei !== null && wantedWei < belowWei ? wantedWei : belowWei
  }
}

/** The best score among the bids of others, as this actor has opened them. wei. */
function bestBesides(requestId: Id, actor: Actor): bigint | null {
  const job = actor.market.job(requestId)
  let best: bigint | null = null
  for (const bid of job?.bids.values() ?? []) {
    const opening = job?.openings.get(bid.id)
    if (!job || !opening || bid.message.prover === actor.account) continue
    const score = scoreWei(job.request.message, opening.priceWei, opening.readyAt)
    if (best === null || score < best) best = score
  }
  return best
}
