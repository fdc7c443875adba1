/** The cast of a scenario with some seats taken by adversaries, and what such scenarios share. */
import type { ProverDesk, Quote } from '#protocol/bidder'
import type { Address, ProofRequest } from '#protocol/schema'
import type { Block } from '../blocks.ts'
import { START_AT } from '../simulator.ts'
import type { BuilderOptions, Member, MemberOptions, ProverOptions, Stage } from '../stage.ts'

export type Seats = {
  /** Each adds one builder or prover, in place of an honest one. */
  readonly builders?: readonly (() => Member)[]
  readonly provers?: readonly (() => Member)[]
}
export type Manners = {
  readonly builder?: BuilderOptions
  readonly prover?: ProverOptions
  readonly observer?: MemberOptions
}

/**
 * As many builders, provers and observers as the settings ask for. Adversaries come first of each,
 * so that provers are connected to their builders as to any other.
 * @returns All builders, adversaries first.
 */
export function seat(stage: Stage, seats: Seats, honest: Manners = {}): Member[] {
  const { builders = [], provers = [] } = seats
  const all = builders.map((add) => add())
  for (let index = all.length; index < stage.number('builders'); index++)
    all.push(stage.addBuilder(`builder ${index + 1}`, honest.builder))
  for (const add of provers) add()
  for (let index = provers.length; index < stage.number('provers'); index++)
    stage.addProver(`prover ${index + 1}`, honest.prover)
  for (let index = 0; index < stage.number('observers'); index++)
    stage.addObserver(`observer ${index + 1}`, honest.observer)
  return all
}

/** What an adversary makes of the quote of production's strategy on its rig; `null`: no bid. */
export type Change = (quote: Quote, request: ProofRequest) => Quote | null

/** A prover that bids as production's strategy does, but for a change; it bears all builders. */
export function addBidder(
  stage: Stage,
  name: string,
  change: Change,
  options: ProverOptions = {},
): Member {
  let desk: ProverDesk | null = null
  const own = (): ProverDesk => {
    desk ??= member.rig!.desk(() => member.actor, stage.params)
    return desk
  }
  const member: Member = stage.addProver(name, {
    isAdversary: true,
    desk: {
      quote: (context) => {
        const quote = own().quote(context)
        return quote && change(quote, context.request)
      },
      accepts: (request, now) => own().accepts(request, now),
    },
    ...options,
    policy: { maxUnfairPercent: 100, ...options.policy },
  })
  return member
}

/** A hundredth part of an amount, so many times. wei. */
export const percentOf = (wei: bigint, percent: number): bigint =>
  (wei * BigInt(Math.round(percent))) / 100n

/** Whether an account is somebody on the stage who keeps to the rules. */
export const isHonest = (stage: Stage, account: Address): boolean =>
  stage.members.some(({ actor, isAdversary }) => actor.account === account && !isAdversary)

/** Starts of honest provers: without any, none of them could have lost anything. */
export function honestStarts(stage: Stage): number {
  const started = stage.tally.all.flatMap((auction) => auction.started)
  return started.filter((prover) => isHonest(stage, prover)).length
}

/** Honest provers with less bond than they put in; no number where none was ever started. */
export function honestBondsLost(stage: Stage): number {
  if (honestStarts(stage) === 0) return Number.NaN
  return stage.members.filter(({ isAdversary, rig, actor, depositedWei }) => {
    const { bondWei, leavingBondWei } = stage.chain.balance(actor.account)
    return rig !== null && !isAdversary && bondWei + leavingBondWei < depositedWei
  }).length
}

/** Honest builders with less stake than `stakeWei`; no number without an honest builder. */
export function honestStakesLost(stage: Stage, stakeWei: bigint): number {
  const honest = stage.members.filter(
    ({ isAdversary, name }) => !isAdversary && name.startsWith('builder'),
  )
  if (honest.length === 0) return Number.NaN
  return honest.filter(({ actor }) => stage.chain.balance(actor.account).stakeWei < stakeWei).length
}

/** Shows every block as it is when it is new, until the run is over. */
export function eachBlock(stage: Stage, see: (block: Block) => void): void {
  const { simulator, chain, params } = stage
  const slotMs = params.slotS * 1_000
  let seen = chain.blocks.head.number
  const look = (slot: number): void => {
    simulator.schedule(START_AT + slot * slotMs, () => {
      // The chain's own event of this instant was scheduled a slot ago, before this one.
      const { head } = chain.blocks
      if (head.number > seen) see(head)
      seen = Math.max(seen, head.number)
      if (simulator.now < stage.endsAt) look(slot + 1)
    })
  }
  look(1)
}
