/** A prover's own node, alice's, in each stage of one job that she wins before bob. */
import type { ProverDesk, Quote } from '#protocol/bidder'
import { proofHashOf } from '#simulations/pretence'
import {
  acceptance,
  alice,
  award,
  bid,
  bob,
  CLOSES_AT,
  MILLI,
  request,
  SOFT_DUE_AT,
  Stage,
  start,
} from '#test/support/messages'

export const of = request()
export const bids = [bid(of, alice, MILLI), bid(of, bob, 2n * MILLI)]
export const awarded = award(of, bids)
export const proofHash = proofHashOf(of.id, alice)
export const PATIENCE_MS = 3_000
export const PROVED_AT = CLOSES_AT + 2_000

export const desk = (
  quote: Quote | null = { priceWei: MILLI, readyAt: SOFT_DUE_AT },
  accepts = true,
): ProverDesk => ({
  quote: () => quote,
  accepts: () => accepts,
})

/** Alice's node, with the request heard. */
export function prover(prices: ProverDesk = desk(), from = of): Stage {
  const stage = new Stage({ self: alice, prover: prices })
  stage.hear(from)
  return stage
}

/** … named by the award, and asking for the inputs. */
export function named(prices = desk()): Stage {
  const stage = prover(prices)
  for (const { bid: signed } of bids) stage.hear(signed)
  stage.hear(awarded, CLOSES_AT + 10)
  return stage
}

export const fetched = (stage: Stage, ok = true) =>
  stage.feed({ kind: 'fetched', requestId: of.id, ok }, CLOSES_AT + 50)

/** … whose acceptance is stored. */
export function accepted(): Stage {
  const stage = named()
  fetched(stage)
  stage.feed({ kind: 'committed', from: acceptance(awarded) }, CLOSES_AT + 60)
  return stage
}

/** … and started. */
export function started(): Stage {
  const stage = accepted()
  stage.hear(start(awarded), CLOSES_AT + 110)
  return stage
}

export const prove = (
  stage: Stage,
  hash: typeof proofHash | null = proofHash,
  now = PROVED_AT,
): void => {
  stage.feed({ kind: 'proved', requestId: of.id, proofHash: hash }, now)
}

/** … with its proof ready. */
export function proved(from = started()): Stage {
  prove(from)
  return from
}

export const stageOf = (stage: Stage) => stage.market.bidder?.pursuits.get(of.id)?.stage
export const kinds = (stage: Stage) => stage.effects.map(({ kind }) => kind)
