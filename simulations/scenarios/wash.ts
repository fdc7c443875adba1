/**
 * False auctions: a builder asks what nobody honest can do in time, awards it to a prover of its
 * own at any price, and never starts it. Whoever learns prices from awards learns that one.
 */
import type { Hex, Id } from '#protocol/schema'
import type { Member, Stage } from '../stage.ts'
import { addBidder } from './seats.ts'

/** Too soon for any proof. ms after the close. */
const DUE_MS = 300

export type Wash = { readonly ask: (programId: Hex) => Id }

/** Puts such a builder on the stage, with its prover. They ask their reserve for all they do. */
export function addWash(stage: Stage): Wash {
  const builder: Member = stage.addBuilder('washing builder', { isAdversary: true })
  const { account } = builder.actor
  addBidder(stage, 'washing prover', () => null, {
    desk: {
      quote: ({ request: { builder: by, reserveWei, dueAt } }) =>
        by === account ? { priceWei: reserveWei, readyAt: dueAt } : null,
      accepts: () => false,
    },
  })
  return {
    ask: (programId) => {
      const dueAt = builder.actor.now + stage.number('bidWindowMs') + DUE_MS
      return stage.ask(builder, { programId, softDueAt: dueAt, dueAt })
    },
  }
}
