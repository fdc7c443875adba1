import { describe, expect, test } from 'vitest'
import { bidsRoot, bidTree, type OpenedBid } from '#protocol/auction'
import { defaultParams as params } from '#protocol/params'
import {
  accept,
  auction,
  awarded,
  bids,
  drafts,
  inProgress,
  inTurn,
  of,
  openAll,
  PROMISE,
  STARTED_AT,
  TURN_ENDS,
  wait,
} from '#test/support/builder-stage'
import {
  acceptance,
  alice,
  award,
  bid,
  bob,
  builder,
  CLOSES_AT,
  carol,
  DUE_AT,
  ETHER,
  MILLI,
  notice,
  receipt,
  request,
  start,
  stranger,
  T0,
  terms,
} from '#test/support/messages'

describe('the auction', () => {
  test('opens bids as they arrive', () => {
    const stage = auction([])
    expect(stage.done('wake').map(({ at }) => at)).toContain(CLOSES_AT)
    stage.hear(bids[0]!.bid)
    expect(stage.done('open')).toEqual([
      { kind: 'open', requestId: of.id, bids: [bids[0]!.bid], secret: null },
    ])
  })

  test('awards at the close, not before: the best bid, the next as backups, the root of all', () => {
    const stage = auction()
    openAll(stage)
    stage.tick(of.id, CLOSES_AT - 1)
    expect(drafts(stage)).toEqual([])
    stage.tick(of.id, CLOSES_AT)
    expect(drafts(stage)).toMatchObject([
      {
        kind: 'Award',
        bid: bids[0]!.bid,
        opening: bids[0]!.opening,
        message: {
          prover: alice,
          priceWei: MILLI,
          readyAt: PROMISE,
          bidsRoot: bidsRoot(bids),
          bidCount: 3,
          backups: [bob, carol, `0x${'00'.repeat(20)}`],
        },
      },
    ])
    stage.tick(of.id, CLOSES_AT + 1)
    expect(drafts(stage)).toEqual([])
  })

  test('names no more backups than the request allows', () => {
    const one = request({ backups: 1 })
    const stage = auction([], one)
    const own = [alice, bob, carol].map((prover) => bid(one, prover))
    for (const { bid: signed } of own) stage.hear(signed)
    const openings = own.map(({ bid: signed, opening }) => ({ bidId: signed.id, opening }))
    stage.feed({ kind: 'opened', requestId: one.id, openings }, CLOSES_AT)
    const [draft] = drafts(stage)
    if (draft?.kind !== 'Award') return expect.fail('no award')
    expect(draft.message.backups.filter((backup) => BigInt(backup) !== 0n)).toHaveLength(1)
  })

  test('waits for openings until half its grace is gone, then awards among what is opened', () => {
    const stage = auction()
    openAll(stage, bids.slice(1))
    stage.tick(of.id, CLOSES_AT)
    const pressing = CLOSES_AT + params.awardGraceMs / 2
    expect([drafts(stage), stage.done('wake').map(({ at }) => at)]).toEqual([[], [pressing]])
    stage.tick(of.id, pressing)
    expect(drafts(stage)).toMatchObject([{ message: { prover: bob, bidCount: 2 } }])
  })

  test('awards as soon as the last opening comes after the close', () => {
    const stage = auction()
    openAll(stage, bids.slice(1))
    stage.tick(of.id, CLOSES_AT)
    openAll(stage, bids, CLOSES_AT + 30)
    expect(drafts(stage)).toMatchObject([{ message: { prover: alice, bidCount: 3 } }])
  })

  test('leaves out bids that do not open, that may not win, or whose bond is taken', () => {
    const stage = auction()
    const [lost, dear, bound] = bids as [OpenedBid, OpenedBid, OpenedBid]
    const openings = [
      { bidId: lost.bid.id, opening: null },
      { bidId: dear.bid.id, opening: { ...dear.opening, priceWei: terms().reserveWei + 1n } },
      { bidId: bound.bid.id, opening: bound.opening },
    ]
    stage.feed({ kind: 'opened', requestId: of.id, openings })
    stage.market.accounts.bonds.set('another start', carol, ETHER)
    stage.tick(of.id, CLOSES_AT)
    expect(drafts(stage)).toEqual([])
    stage.market.accounts.bonds.delete('another start')
    stage.tick(of.id, CLOSES_AT + 1)
    expect(drafts(stage)).toMatchObject([{ message: { prover: carol, bidCount: 1 } }])
  })

  test('does not award when its grace is over', () => {
    const stage = auction()
    openAll(stage)
    stage.tick(of.id, CLOSES_AT + params.awardGraceMs + 1)
    expect(drafts(stage)).toEqual([])
    const last = auction()
    openAll(last)
    last.tick(of.id, CLOSES_AT + params.awardGraceMs)
    expect(drafts(last)).toHaveLength(1)
  })
})

describe('a turn', () => {
  test('gives the winner the inputs, with its path, when it asks or as soon as it may', () => {
    const stage = inTurn()
    const path = bidTree(bids).path(bids[0]!.bid.id)
    expect(stage.done('turn')).toEqual([{ kind: 'turn', requestId: of.id, prover: alice, path }])
    expect(stage.done('wake').map(({ at }) => at)).toContain(TURN_ENDS)
    expect(wait(stage, alice)).toBe('accept')
    expect(stage.done('turn')).toEqual([{ kind: 'turn', requestId: of.id, prover: alice, path }])
  })

  test('[IGNORE] NOT_AWARDED: the award names it', () => {
    const stage = inTurn()
    expect(wait(stage, stranger)).toBe('ignore NOT_AWARDED')
    expect(wait(auction(), alice)).toBe('ignore NOT_AWARDED')
  })

  test('lets a backup wait for its own', () => {
    const stage = inTurn()
    expect([wait(stage, bob), stage.done('turn')]).toEqual(['accept', []])
    stage.tick(of.id, TURN_ENDS)
    expect(stage.announced()).toEqual(['turn-missed', 'turn-begun'])
    expect(stage.done('turn')).toMatchObject([
      { prover: bob, path: bidTree(bids).path(bids[1]!.bid.id) },
    ])
    expect(stage.done('wake').map(({ at }) => at)).toContain(TURN_ENDS + params.turnMs)
  })

  test('[IGNORE] JOB_ENDED: it is still needed', () => {
    const stage = inTurn()
    stage.tick(of.id, TURN_ENDS)
    expect(wait(stage, alice)).toBe('ignore JOB_ENDED')
    const delivered = inProgress()
    delivered.hear(receipt(of, alice), CLOSES_AT + 2_200)
    expect(wait(delivered, bob)).toBe('ignore JOB_ENDED')
    // A started prover may fetch again, whatever became of the others.
    expect(wait(delivered, alice)).toBe('accept')
    expect(delivered.done('turn')).toHaveLength(1)
  })

  test('of the last one missed sends everybody away', () => {
    const stage = inTurn()
    for (const at of [1, 2, 3]) stage.tick(of.id, TURN_ENDS + at * params.turnMs)
    expect(stage.done('dismiss')).toHaveLength(1)
    stage.tick(of.id, TURN_ENDS + 4 * params.turnMs)
    expect(stage.done('turn')).toEqual([])
  })
})

describe('an acceptance', () => {
  test('in its turn is answered by a start', () => {
    const stage = inTurn()
    expect(accept(stage, alice, STARTED_AT)).toBe('accept')
    const from = acceptance(awarded)
    expect(drafts(stage)).toMatchObject([
      {
        kind: 'Start',
        acceptance: from,
        message: { acceptanceId: from.id, startedAt: STARTED_AT },
      },
    ])
  })

  test('at the end of its turn keeps the turn while the start is signed', () => {
    const stage = inTurn()
    accept(stage, alice, TURN_ENDS - 1)
    stage.tick(of.id, TURN_ENDS)
    expect(stage.done('turn')).toEqual([])
    stage.hear(start(awarded, alice, { startedAt: TURN_ENDS - 1 }), TURN_ENDS + 5)
    stage.tick(of.id, TURN_ENDS - 1 + params.turnMs)
    expect(stage.done('turn')).toEqual([])
  })

  test('[IGNORE] SIGNER_UNKNOWN: the accepting prover, or its registered signer, signed it', () => {
    const stage = inTurn()
    const forged = acceptance(awarded, alice, {}, stranger)
    expect(accept(stage, alice, STARTED_AT, forged)).toBe('ignore SIGNER_UNKNOWN')
  })

  test('[IGNORE] NOT_AWARDED: it is for our award', () => {
    const other = acceptance(award(of, bids, { bidCount: 4 }))
    expect(accept(inTurn(), alice, STARTED_AT, other)).toBe('ignore NOT_AWARDED')
    expect(accept(auction(), alice, T0 + 100)).toBe('ignore NOT_AWARDED')
  })

  test("[IGNORE] NOT_YOUR_TURN: its prover's turn has come and is not over, or it was started", () => {
    const stage = inTurn()
    expect(accept(stage, bob, STARTED_AT)).toBe('ignore NOT_YOUR_TURN')
    stage.tick(of.id, TURN_ENDS)
    expect(accept(stage, alice)).toBe('ignore NOT_YOUR_TURN')
    expect(accept(stage, bob)).toBe('accept')
  })

  test('[IGNORE] JOB_ENDED: there is time left, and no proof yet', () => {
    // Bob's turn begins when alice is silent; then her proof comes after all.
    const saved = inProgress()
    saved.tick(of.id, PROMISE + params.silenceMs)
    saved.hear(receipt(of, alice, { deliveredAt: PROMISE + 520 }), PROMISE + 530)
    expect(accept(saved, bob)).toBe('ignore JOB_ENDED')
    const stage = inTurn()
    expect(accept(stage, alice, DUE_AT)).toBe('accept')
    expect(accept(stage, alice, DUE_AT + 1)).toBe('ignore JOB_ENDED')
  })

  test('[IGNORE] BOND_NOT_FREE: nothing else took its bond since it bid', () => {
    const stage = inTurn()
    stage.market.accounts.bonds.set('another start', alice, ETHER)
    expect(accept(stage, alice, STARTED_AT)).toBe('ignore BOND_NOT_FREE')
  })

  test('[IGNORE] BUILDER_UNCOVERED: the builder could pay it beside those it started before', () => {
    const stage = inProgress()
    stage.tick(of.id, PROMISE + params.silenceMs)
    const heldWei = stage.market.accounts.cover.total(builder)
    const claimWei = params.claimGas * terms().claimBaseFeeCapWei
    const neededWei = heldWei + 2n * MILLI + claimWei
    stage.fund(builder, { escrowWei: neededWei - 1n, stakeWei: ETHER })
    expect(accept(stage, bob)).toBe('ignore BUILDER_UNCOVERED')
    stage.fund(builder, { escrowWei: neededWei, stakeWei: ETHER })
    expect(accept(stage, bob)).toBe('accept')
  })

  test('again after the start gets the same start, even when the job is over', () => {
    const stage = inProgress()
    accept(stage, alice, STARTED_AT + 900)
    expect(drafts(stage)).toMatchObject([{ kind: 'Start', message: { startedAt: STARTED_AT } }])
    stage.hear(receipt(of, alice), CLOSES_AT + 2_200)
    expect(accept(stage, alice, DUE_AT + 1)).toBe('accept')
  })
})

describe('a started prover', () => {
  test('that neither notices nor delivers is silent half a second after its promise', () => {
    const stage = inProgress()
    const silentAt = PROMISE + params.silenceMs
    expect(stage.done('wake').map(({ at }) => at)).toContain(silentAt)
    stage.tick(of.id, silentAt - 1)
    expect(stage.done('turn')).toEqual([])
    stage.tick(of.id, silentAt)
    expect(stage.announced()).toEqual(['silent', 'turn-begun'])
    expect(stage.done('turn')).toMatchObject([{ prover: bob }])
  })

  test('buys the time to carry its proof over by a notice, once', () => {
    const stage = inProgress()
    stage.hear(notice(of, alice, { readyAt: PROMISE + 100 }), PROMISE + 200)
    stage.tick(of.id, PROMISE + params.silenceMs)
    expect(stage.done('turn')).toEqual([])
    expect(stage.done('wake').map(({ at }) => at)).toContain(PROMISE + 100 + params.silenceMs)
    stage.tick(of.id, PROMISE + 100 + params.silenceMs)
    expect(stage.announced()).toContain('silent')
  })

  test('that delivered ends the turns: nobody else is started', () => {
    const stage = inProgress()
    stage.hear(receipt(of, alice), CLOSES_AT + 2_200)
    expect(stage.done('dismiss')).toHaveLength(1)
    stage.tick(of.id, PROMISE + params.silenceMs)
    expect(stage.done('turn')).toEqual([])
  })

  test('without a receipt has defaulted after the due time, once, and is slashed after the windows', () => {
    const stage = inProgress()
    const defaultsAt = DUE_AT + params.receiptMs + 1
    stage.tick(of.id, defaultsAt - 1)
    expect(stage.done('slash')).toEqual([])
    stage.tick(of.id, defaultsAt)
    expect([stage.announced(), stage.done('dismiss').length]).toEqual([['defaulted'], 1])
    const atS = Math.ceil(DUE_AT / 1_000) + 2 * params.claimWindowS
    expect(stage.done('slash')).toMatchObject([
      { atS, obligation: { request: of.message, award: awarded }, rescuers: [] },
    ])
    stage.tick(of.id, defaultsAt + 1)
    expect(stage.done('slash')).toEqual([])
  })
})
