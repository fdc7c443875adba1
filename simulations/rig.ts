/**
 * A prover's machine and its operator's choices: how long proofs take there, what they cost, and
 * production's desk on top.
 */

import type { ProverDesk } from '#protocol/bidder'
import type { Params } from '#protocol/params'
import type { ProofRequest } from '#protocol/schema'
import { Desk } from '#prover-agent/desk'
import { LearnedPrices } from '#prover-agent/prices'
import type { Policy, Timing } from '#prover-agent/strategy'
import type { Actor } from './actor.ts'
import type { Random } from './random.ts'

export type RigTraits = {
  readonly lanes: number
  /** The fastest proof of one unit of work. ms. */
  readonly fastestMs: number
  /** How much longer the mean proof takes, exponentially spread. ms. */
  readonly spreadMs: number
  readonly policy: Policy
}

/** Quantiles of an exponential with mean 1: half, nine in ten, and the slowest of a hundred. */
const [P50, P90, SLOWEST] = [0.69, 2.3, 4.6]

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
}

type Run = { readonly from: number; readonly to: number }

export class Rig {
  readonly traits: RigTraits
  readonly prices = new LearnedPrices()
  readonly #random: Random
  /** When each lane is free. ms since the Unix epoch. */
  readonly #freeAt: number[]
  readonly #runs = new Map<string, Run>()
  /** Time spent proving, all lanes together. ms. */
  busyMs = 0

  constructor(traits: RigTraits, random: Random) {
    this.traits = traits
    this.#random = random
    this.#freeAt = Array.from({ length: traits.lanes }, () => 0)
  }

  /** What its calibration says of a proof of this much work. */
  timingOf(work: bigint): Timing {
    const { fastestMs, spreadMs } = this.traits
    const units = Number(work)
    const at = (share: number): number => Math.ceil(units * (fastestMs + share * spreadMs))
    return { p50Ms: at(P50), p90Ms: at(P90), maxMs: at(SLOWEST), count: 64 }
  }

  /** What a proof of it costs its owner. wei. */
  costWei({ work }: Pick<ProofRequest, 'work'>): bigint {
    const { policy } = this.traits
    return policy.fixedCostWei + policy.costWeiPerMs * BigInt(this.timingOf(work).p50Ms)
  }

  /** Begins a proof, in the first lane that is free: how long from now until it is there. ms. */
  prove(request: ProofRequest, now: number): number {
    const { fastestMs, spreadMs } = this.traits
    const units = Number(request.work)
    const tookMs = Math.ceil(units * (fastestMs + spreadMs * this.#random.exponential()))
    const lane = this.#freeAt.indexOf(Math.min(...this.#freeAt))
    const from = Math.max(now, this.#freeAt[lane]!)
    const to = from + tookMs
    this.#freeAt[lane] = to
    this.busyMs += tookMs
    this.#runs.set(`${request.builder}/${request.nonce}`, { from, to })
    return to - now
  }

  /** What is being proven, and since when. */
  #running(now: number): ReadonlyMap<string, number> {
    const running = new Map<string, number>()
    for (const [key, { from, to }] of this.#runs) {
      if (to <= now) this.#runs.delete(key)
      else if (from <= now) running.set(key, from)
    }
    return running
  }

  /** Production's desk for the actor that `actor` gives, once it is there. */
  desk(actor: () => Actor, params: Params): ProverDesk {
    const rig = this
    return new Desk({
      get account() {
        return actor().account
      },
      market: {
        job: (id) => actor().market.job(id),
        get bidder() {
          return actor().market.bidder
        },
        get accounts() {
          return actor().market.accounts
        },
      },
      params,
      policy: this.traits.policy,
      lanes: {
        count: this.traits.lanes,
        get running() {
          return rig.#running(actor().now)
        },
      },
      backend: { supports: () => true },
      calibration: { timingOf: (_programId, work) => this.timingOf(work) },
      prices: this.prices,
      verifiers: { standing: () => 'allowed' },
      clock: { now: () => actor().now },
      log: silent,
      unwell: () => null,
      isStopping: () => false,
    })
  }
}
