/** A simulated chain with a builder's and three provers' money on it, and what alice hears. */
import type { ChainEvent, Obligation, SignedStart } from '#protocol/effects'
import { slashableAtS } from '#protocol/job'
import { defaultParams } from '#protocol/params'
import type { Address } from '#protocol/schema'
import { Chain, type ChainOptions } from '#simulations/chain'
import { Simulator, START_AT } from '#simulations/simulator'
import {
  alice,
  award,
  bid,
  bob,
  builder,
  carol,
  DUE_AT,
  ETHER,
  MILLI,
  request,
  SOFT_DUE_AT,
  start,
} from '#test/support/messages'

export const params = defaultParams
export const START_S = START_AT / 1_000
export const DUE_S = Math.ceil(DUE_AT / 1_000)
export const SLASH_S = slashableAtS(DUE_AT, params)
export const of = request()
export const bids = [alice, bob, carol].map((prover, index) =>
  bid(of, prover, BigInt(index + 1) * MILLI, SOFT_DUE_AT),
)
export const awarded = award(of, bids)
/** What all need who claim from, or slash, this prover of the one job. */
export const obligationOf = (prover: Address): Obligation => ({
  request: of.message,
  award: awarded,
  start: start(awarded, prover),
})
export const bidOf = (prover: Address) => bids[[alice, bob, carol].indexOf(prover)]!.opening

export class ChainStage {
  readonly simulator = new Simulator()
  readonly chain: Chain
  readonly events: ChainEvent[] = []
  readonly challenges: SignedStart[] = []
  /** Whether alice's node is up. */
  isUp = true
  readonly #total: bigint

  constructor(options: ChainOptions = {}, escrowWei = ETHER, stakeWei = 2n * ETHER) {
    this.chain = new Chain(this.simulator, params, options)
    this.chain.deposit(builder, { escrowWei, stakeWei })
    for (const prover of [alice, bob, carol]) this.chain.deposit(prover, { bondWei: ETHER })
    this.follow()
    this.#total = this.chain.totalWei
  }

  /** Alice follows the chain, as she does when she starts; what she is told at once. */
  follow(): ChainEvent[] {
    return this.chain.follow(alice, {
      event: (event) => this.events.push(event),
      challenged: (from) => this.challenges.push(from),
      isUp: () => this.isUp,
    })
  }

  /** Runs to an instant in seconds since the Unix epoch. Throws if wei was made or lost. */
  runTo(seconds: number): void {
    this.simulator.runUntil(seconds * 1_000)
    if (this.chain.totalWei !== this.#total) throw new Error('wei was made or lost')
  }

  /** Runs until so many slots after the start are over. */
  runSlots(slots: number): void {
    this.runTo(START_S + slots * params.slotS)
  }

  paid(): ChainEvent[] {
    return this.events.filter(({ kind }) => kind === 'paid')
  }

  /** Wei of an account, by what it is. */
  credit(account: Address): bigint {
    return this.chain.balance(account).creditWei
  }

  bond(account: Address): bigint {
    return this.chain.balance(account).bondWei
  }
}
