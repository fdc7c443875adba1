import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ProverDesk } from '#protocol/bidder'
import { Market } from '#protocol/market'
import type { ProofRequest } from '#protocol/schema'
import {
  fitsBeforeDue,
  type Held,
  heldJobs,
  keyOf,
  type LaneTimes,
  lanesFreeAt,
  reservedBondWei,
  timetable,
} from '#prover-agent/capacity'
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
  T0,
  terms,
} from '#test/support/messages'

/** When the first lane is free. */
const freeAt = (...of: Parameters<typeof lanesFreeAt>) => lanesFreeAt(...of)[0]

const eager: ProverDesk = {
  quote: () => ({ priceWei: MILLI, readyAt: SOFT_DUE_AT }),
  accepts: () => true,
}

/** A prover that has bid for one request. */
function bidder(nonce = 1n) {
  const stage = new Stage({ self: alice, prover: eager })
  const asked = request({ nonce })
  stage.hear(asked)
  const own = bid(asked, alice)
  stage.hear(own.bid)
  return { stage, asked, own }
}
const stagesOf = (stage: Stage, now = stage.now): string[] =>
  heldJobs(stage.market, alice, stage.params, now).map((held) => held.stage)

describe('held jobs', () => {
  test('a bid counts as if it were won until its award is known', () => {
    const { stage, asked, own } = bidder()
    expect(stagesOf(stage)).toEqual(['bid'])
    const rival = bid(asked, bob, MILLI / 2n)
    stage.hear(rival.bid)
    stage.hear(award(asked, [rival], { bidCount: 2 }), CLOSES_AT + 50)
    expect(stagesOf(stage)).toEqual([])
    expect(own.opening.priceWei).toBe(MILLI)
  })

  test('a bid whose award never comes is given up when the grace is over', () => {
    const { stage } = bidder()
    const { awardGraceMs, holdMs } = stage.params
    expect(stagesOf(stage, CLOSES_AT + awardGraceMs + holdMs)).toEqual(['bid'])
    expect(stagesOf(stage, CLOSES_AT + awardGraceMs + holdMs + 1)).toEqual([])
  })

  test('the winner holds its lane, a backup does not', () => {
    const { stage, asked, own } = bidder()
    stage.hear(award(asked, [own]), CLOSES_AT + 50)
    expect(stagesOf(stage)).toEqual(['won'])
    const other = bidder(2n)
    const rival = bid(other.asked, bob, MILLI / 2n)
    other.stage.hear(award(other.asked, [rival, other.own]), CLOSES_AT + 50)
    expect(other.stage.done('fetch')).toHaveLength(1)
    expect(stagesOf(other.stage)).toEqual([])
  })

  test('a winner whose turn went by waits like a backup', () => {
    const { stage, asked, own } = bidder()
    const rival = bid(asked, bob, 2n * MILLI)
    stage.hear(rival.bid)
    const awarded = award(asked, [own, rival])
    stage.hear(awarded, CLOSES_AT + 50)
    stage.hear(start(awarded, bob, { startedAt: CLOSES_AT + 600 }), CLOSES_AT + 700)
    expect(stagesOf(stage)).toEqual([])
  })

  test('an accepted job is held until its proof is made; its bond is the market’s to count', () => {
    const { stage, asked, own } = bidder()
    const awarded = award(asked, [own])
    expect(reservedBondWei(heldJobs(stage.market, alice, stage.params, T0))).toBe(100n * MILLI)
    stage.hear(awarded, CLOSES_AT + 50)
    const held = () => heldJobs(stage.market, alice, stage.params, stage.now)
    stage.feed({ kind: 'fetched', requestId: asked.id, ok: true }, CLOSES_AT + 100)
    expect(held()).toMatchObject([{ stage: 'accepted' }])
    stage.feed({ kind: 'committed', from: acceptance(awarded) })
    expect(reservedBondWei(held())).toBe(0n)
    stage.hear(start(awarded))
    expect(held()).toMatchObject([{ stage: 'accepted' }])
    stage.feed({ kind: 'proved', requestId: asked.id, proofHash: asked.id })
    expect(held()).toEqual([])
  })

  test('a restart brings back what was accepted', () => {
    const { stage, asked, own } = bidder()
    const awarded = award(asked, [own])
    stage.hear(awarded, CLOSES_AT + 50)
    stage.feed({ kind: 'fetched', requestId: asked.id, ok: true })
    stage.feed({ kind: 'committed', from: acceptance(awarded) })
    const stored = structuredClone(stage.market.record(asked.id)!)
    const { params } = stage
    const restarted = new Market({ self: alice, params, prover: eager })
    restarted.restore(stored, stage.now)
    expect(heldJobs(restarted, alice, params, stage.now)).toEqual(
      heldJobs(stage.market, alice, params, stage.now),
    )
    expect(heldJobs(restarted, alice, params, stage.now)).toMatchObject([{ stage: 'accepted' }])
  })
})

const MS = 1_000
const job = (
  key: string,
  changes: Partial<Held> = {},
  asked: Partial<ProofRequest> = {},
): Held => ({
  key,
  request: terms(asked),
  stage: 'accepted',
  promisedAt: SOFT_DUE_AT,
  ...changes,
})
const times = (lanes: number, began: Readonly<Record<string, number>> = {}): LaneTimes => ({
  lanes,
  startAllowanceMs: 500,
  durationMs: () => MS,
  beganAt: (key) => began[key] ?? null,
})

describe('lanes', () => {
  test('are free now when nothing is held', () => {
    expect(freeAt([], times(1), T0)).toBe(T0)
  })

  test('are free when what runs is done, counted from its beginning', () => {
    expect(freeAt([job('a')], times(1, { a: T0 - 400 }), T0)).toBe(T0 + 600)
    expect(freeAt([job('a')], times(1, { a: T0 - 5_000 }), T0)).toBe(T0)
    expect(freeAt([job('a')], times(2, { a: T0 }), T0)).toBe(T0)
  })

  test('take waiting jobs in the order of their promises', () => {
    const held = [job('late', { promisedAt: 2 }), job('early', { promisedAt: 1 })]
    expect([...timetable(held, times(1), T0).endsAt]).toEqual([
      ['early', T0 + MS],
      ['late', T0 + 2 * MS],
    ])
  })

  test('cannot begin what may be won before its auction is over', () => {
    expect(freeAt([job('bid', { stage: 'bid' })], times(1), T0)).toBe(CLOSES_AT + 500 + MS)
  })

  test('are never free earlier for one job more', () => {
    const anyJob = fc.record({
      promisedAt: fc.nat(20_000),
      durationMs: fc.nat(5_000),
      closesInMs: fc.nat(5_000),
      runs: fc.boolean(),
      stage: fc.constantFrom('bid' as const, 'won' as const, 'accepted' as const),
    })
    fc.assert(
      fc.property(
        fc.array(anyJob, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        (given, lanes) => {
          const held = given.map(({ promisedAt, closesInMs, stage }, index) =>
            job(String(index), { promisedAt, stage }, { closesAt: T0 + closesInMs }),
          )
          const running = given.flatMap(({ runs }, index) => (runs ? [index] : [])).slice(0, lanes)
          const of: LaneTimes = {
            lanes,
            startAllowanceMs: 500,
            durationMs: ({ key }) => given[Number(key)]!.durationMs,
            beganAt: (key) => (running.includes(Number(key)) ? T0 - 100 : null),
          }
          const all = timetable(held, of, T0).freeAt
          for (const index of held.keys()) {
            const fewer = timetable(held.toSpliced(index, 1), of, T0).freeAt
            for (const [lane, at] of fewer.entries()) expect(all[lane]).toBeGreaterThanOrEqual(at)
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('a job fits', () => {
  const asked = job('asked')

  test('while its worst time ends before it is due', () => {
    const late = (dueAt: number) =>
      fitsBeforeDue(job('asked', {}, { dueAt }), [], times(1), 250, T0)
    expect(late(T0 + MS + 250)).toBe(true)
    expect(late(T0 + MS + 249)).toBe(false)
  })

  test('only behind what is held already', () => {
    const due = { dueAt: T0 + 2 * MS + 250 }
    expect(fitsBeforeDue(job('asked', {}, due), [job('a')], times(1), 250, T0)).toBe(true)
    const two = [job('a'), job('b')]
    expect(fitsBeforeDue(job('asked', {}, due), two, times(1), 250, T0)).toBe(false)
    expect(fitsBeforeDue(job('asked', {}, due), two, times(2), 250, T0)).toBe(true)
  })

  test('only when no other becomes late by it', () => {
    const tight = job('tight', { promisedAt: SOFT_DUE_AT + 1 }, { dueAt: T0 + MS + 250 })
    expect(fitsBeforeDue(asked, [tight], times(1), 250, T0)).toBe(false)
    const behind = { ...asked, promisedAt: SOFT_DUE_AT + 2 }
    expect(fitsBeforeDue(behind, [tight], times(1), 250, T0)).toBe(true)
  })

  test('unless 64 are held', () => {
    const many = Array.from({ length: 64 }, (_, index) => job(String(index)))
    const quick = { ...times(1), durationMs: () => 0 }
    expect(fitsBeforeDue(asked, many, quick, 0, T0)).toBe(false)
    expect(fitsBeforeDue(asked, many.slice(1), quick, 0, T0)).toBe(true)
  })
})

test('a job is named by builder and nonce', () => {
  const names = [terms(), terms({ nonce: 2n }), terms({ builder: bob })].map(keyOf)
  expect(new Set(names).size).toBe(3)
})
