/** A builder's own node in each stage of one job: alice wins, bob and carol stand behind her. */
import type { OpenedBid } from '#protocol/auction'
import { defaultParams as params } from '#protocol/params'
import type { Address } from '#protocol/schema'
import { proofHashOf } from '#simulations/pretence'
import {
  acceptance,
  alice,
  award,
  bid,
  bob,
  builder,
  CLOSES_AT,
  carol,
  MILLI,
  nameOf,
  request,
  Stage,
  start,
  T0,
} from '#test/support/messages'

export const of = request()
export const PROMISE = CLOSES_AT + 3_000
export const bids = [
  bid(of, alice, MILLI, PROMISE),
  bid(of, bob, 2n * MILLI, PROMISE),
  bid(of, carol, 3n * MILLI, PROMISE),
]
export const awarded = award(of, bids)

/** The builder's own node, with its request published and these bids heard. */
export function auction(heard: readonly OpenedBid[] = bids, own = of): Stage {
  const stage = new Stage({ self: builder })
  stage.hear(own)
  for (const { bid: signed } of heard) stage.hear(signed)
  return stage
}

export function openAll(stage: Stage, found: readonly OpenedBid[] = bids, now = T0 + 100): void {
  const openings = found.map(({ bid: signed, opening }) => ({ bidId: signed.id, opening }))
  stage.feed({ kind: 'opened', requestId: of.id, openings }, now)
}

/** … and its award signed and heard: alice's turn has begun. */
export function inTurn(): Stage {
  const stage = auction()
  openAll(stage)
  stage.tick(of.id, CLOSES_AT)
  stage.hear(awarded, CLOSES_AT + 10)
  return stage
}

export const TURN_ENDS = CLOSES_AT + 10 + params.turnMs
export const STARTED_AT = CLOSES_AT + 100
/** … and alice started. */
export function inProgress(): Stage {
  const stage = inTurn()
  stage.feed({ kind: 'accepted', from: acceptance(awarded) }, STARTED_AT)
  stage.hear(start(awarded), STARTED_AT)
  return stage
}

export const wait = (stage: Stage, prover: Address, now = stage.now): string =>
  nameOf(stage.feed({ kind: 'waiting', requestId: of.id, prover }, now))
export const accept = (
  stage: Stage,
  prover: Address,
  now = stage.now,
  from = acceptance(awarded, prover),
) => nameOf(stage.feed({ kind: 'accepted', from }, now))
export const deliver = (
  stage: Stage,
  prover: Address,
  deliveredAt: number,
  now = deliveredAt,
): string => {
  const proofHash = proofHashOf(of.id, prover)
  return nameOf(
    stage.feed({ kind: 'delivered', requestId: of.id, prover, proofHash, deliveredAt }, now),
  )
}
export const drafts = (stage: Stage) => stage.done('publish').map(({ draft }) => draft)
