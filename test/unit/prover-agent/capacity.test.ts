import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ProverDesk } from '#protocol/bidder'
import { Market } from '#protocol/market'
import type { ProofRequest } from '#protocol/schema'
import {
  besides,
  fitsBeforeDue,
  type Held,
  heldJobs,
  keyOf,
  type LaneTimes,
  lanesFor,
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
  DUE_AT,
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

  describe('for a bundle', () => {
    const bundle = (bundleIndex: number, work = 1n) =>
      request({
        nonce: BigInt(bundleIndex + 1),
        ...{ bundleId: `0x${'b0'.repeat(32)}` as const, bundleIndex, bundleSize: 3, work },
      })
    /** A prover that has bid for three segments of one bundle, with so many lanes each. */
    function bundled(lanes: readonly (number | undefined)[]) {
      const desk: ProverDesk = {
        quote: ({ request: { bundleIndex } }) => {
          const own = lanes[bundleIndex]
          return { ...eager.quote({} as never)!, ...(own === undefined ? {} : { lanes: own }) }
        },
        accepts: () => true,
      }
      const stage = new Stage({ self: alice, prover: desk })
      const asked = [bundle(0), bundle(1, 3n), bundle(2, 2n)]
      for (const each of asked) stage.hear(each)
      const held = () => heldJobs(stage.market, alice, stage.params, stage.now)
      return { stage, asked, held }
    }

    test('bids are alternatives: as many count as its fewest lanes, those with the most work', () => {
      expect(bundled([undefined, undefined, undefined]).held().length).toBe(1)
      expect(bundled([2, 2, 2]).held().length).toBe(2)
      const { held } = bundled([3, 2, 3])
      expect(held().map(({ request: of }) => of.work)).toEqual([3n, 2n])
      expect(reservedBondWei(held())).toBe(200n * MILLI)
      expect(besides(held(), bundle(0).message)).toEqual([])
      expect(besides(held(), request({ nonce: 9n }).message)).toEqual(held())
    })

    test('what is won takes a lane from what may still be won', () => {
      const { stage, asked, held } = bundled([2, 2, 2])
      stage.hear(award(asked[0]!, [bid(asked[0]!, alice)]), CLOSES_AT + 50)
      expect(held().map(({ stage: at, request: of }) => [at, of.work])).toEqual([
        ['won', 1n],
        ['bid', 3n],
      ])
      expect(besides(held(), asked[1]!.message).map(({ stage: at }) => at)).toEqual(['won'])
    })
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

describe('lanes named in a bid for a bundle', () => {
  const beginsAt = CLOSES_AT + 500
  test.each([
    ['all that are free when a winner begins', [T0, beginsAt], [T0, beginsAt], 9n, 9, 2],
    ['not those that are free later', [T0, beginsAt + 1], [T0, T0], 9n, 9, 1],
    ['not those that may be free later', [T0, T0], [T0, beginsAt + 1], 9n, 9, 1],
    ['those free with the first, when that is later', [DUE_AT, DUE_AT], [DUE_AT, DUE_AT], 9n, 9, 2],
    ['no more than its bond bears', [T0, T0, T0], [T0, T0, T0], 2n, 9, 2],
    ['no more than there is room for', [T0, T0, T0], [T0, T0, T0], 9n, 1, 1],
    ['at least one', [T0], [T0], 0n, 0, 1],
  ])('are %s', (_, expected, worst, bonds, room, lanes) => {
    expect(lanesFor(expected, worst, beginsAt, bonds, room)).toBe(lanes)
  })
})
