import { describe, expect, test } from 'vitest'
import { defaultParams as params } from '#protocol/params'
import {
  accept,
  auction,
  awarded,
  bids,
  deliver,
  drafts,
  inProgress,
  inTurn,
  of,
  openAll,
  PROMISE,
  STARTED_AT,
  TURN_ENDS,
} from '#test/support/builder-stage'
import {
  alice,
  bob,
  builder,
  CLOSES_AT,
  DUE_AT,
  MILLI,
  receipt,
  SOFT_DUE_AT,
  Stage,
  start,
  terms,
} from '#test/support/messages'

describe('a delivery', () => {
  const payOf = (stage: Stage): bigint | undefined => {
    const [draft] = drafts(stage)
    return draft?.kind === 'Receipt' ? draft.message.payWei : undefined
  }

  test('in time is paid in full', () => {
    const stage = inProgress()
    expect(deliver(stage, alice, PROMISE)).toBe('accept')
    expect(payOf(stage)).toBe(MILLI)
  })

  test('late is paid by the rule (rule P1)', () => {
    const stage = inProgress()
    deliver(stage, alice, SOFT_DUE_AT + 2)
    expect(payOf(stage)).toBe(MILLI - 2n * 10n * terms().latenessWeiPerMs)
  })

  test('[IGNORE] NOT_STARTED: only a started prover is paid', () => {
    expect(deliver(inProgress(), bob, PROMISE)).toBe('ignore NOT_STARTED')
    expect(deliver(inTurn(), alice, PROMISE)).toBe('ignore NOT_STARTED')
  })

  test('[IGNORE] JOB_ENDED: it came by `dueAt`', () => {
    const stage = inProgress()
    expect(deliver(stage, alice, DUE_AT, DUE_AT + 100)).toBe('accept')
    expect(deliver(stage, alice, DUE_AT + 1)).toBe('ignore JOB_ENDED')
  })

  test('of a second started prover is paid too, from its own price and shifted promise', () => {
    const stage = inProgress()
    stage.tick(of.id, PROMISE + params.silenceMs)
    const startedAt = PROMISE + params.silenceMs + 100
    accept(stage, bob, startedAt)
    stage.hear(start(awarded, bob, { startedAt }), startedAt)
    stage.hear(receipt(of, alice), startedAt + 10)
    const promise = PROMISE + startedAt - CLOSES_AT
    expect(promise).toBeGreaterThan(SOFT_DUE_AT)
    deliver(stage, bob, promise + 3)
    expect(payOf(stage)).toBe(2n * MILLI - 10n * 3n * terms().latenessWeiPerMs)
  })

  test('before the start, by a clock that was set back, counts as at the start', () => {
    const stage = inProgress()
    deliver(stage, alice, STARTED_AT - 5)
    expect(drafts(stage)).toMatchObject([{ message: { deliveredAt: STARTED_AT } }])
  })
})

describe('after a restart', () => {
  /** A new node with what the old one stored, resumed at `now`. */
  function restarted(old: Stage, now: number): Stage {
    const stage = new Stage({ self: builder })
    stage.market.restore(structuredClone(old.market.record(of.id)!), now)
    stage.feed({ kind: 'resume' }, now)
    return stage
  }

  test('the present turn begins anew, with time to find us again', () => {
    const stage = restarted(inTurn(), TURN_ENDS - 1)
    const until = TURN_ENDS - 1 + 4 * params.turnMs
    expect(stage.done('turn')).toMatchObject([{ prover: alice }])
    expect(stage.done('wake').map(({ at }) => at)).toContain(until)
    expect(accept(stage, alice, until - 1)).toBe('accept')
  })

  test('an award that may not have been said is said again, and so are starts and receipts', () => {
    expect(drafts(restarted(inTurn(), STARTED_AT))).toMatchObject([
      { kind: 'Award', message: awarded.message, bid: awarded.bid },
    ])
    const delivered = inProgress()
    delivered.hear(receipt(of, alice), CLOSES_AT + 2_200)
    expect(drafts(restarted(delivered, DUE_AT)).map(({ kind }) => kind)).toEqual([
      'Award',
      'Start',
      'Receipt',
    ])
  })

  test('a started prover is not silent before it can have found us again', () => {
    const stage = restarted(inProgress(), PROMISE + 400)
    stage.tick(of.id, PROMISE + params.silenceMs)
    expect(stage.announced()).toEqual([])
    stage.tick(of.id, PROMISE + 400 + 4 * params.turnMs + params.silenceMs)
    expect(stage.announced()).toContain('silent')
  })

  test('a delivered job gives no further turn', () => {
    const old = inProgress()
    old.tick(of.id, PROMISE + params.silenceMs)
    old.hear(receipt(of, alice, { deliveredAt: PROMISE + 520 }), PROMISE + 530)
    expect(restarted(old, PROMISE + 600).done('turn')).toEqual([])
  })

  test('an auction that awarded does not award again', () => {
    const old = auction()
    openAll(old)
    old.tick(of.id, CLOSES_AT)
    const stage = restarted(old, CLOSES_AT + 50)
    for (const { bid: signed } of bids) stage.hear(signed, CLOSES_AT - 1)
    openAll(stage, bids, CLOSES_AT + 60)
    expect(drafts(stage)).toEqual([])
  })

  test('a default is slashed, even when the job had ended by then', () => {
    const old = inProgress()
    old.tick(of.id, DUE_AT + 1_000)
    const over = (Math.ceil(DUE_AT / 1_000) + 2 * params.claimWindowS) * 1_000 + 1
    old.tick(of.id, over)
    expect(old.market.job(of.id)?.outcome).toBe('defaulted')
    const stage = restarted(old, over + 5)
    stage.tick(of.id, over + 5)
    expect(stage.done('slash')).toHaveLength(1)
  })

  test('a void job is left alone', () => {
    const old = inTurn()
    old.tick(of.id, DUE_AT + 301)
    expect(drafts(restarted(old, DUE_AT + 400))).toEqual([])
  })
})
