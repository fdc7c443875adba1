import { describe, expect, test } from 'vitest'
import {
  bondsHeld,
  closesForGoodAt,
  coverHeldWei,
  endInTime,
  endsAt,
  extraCoverWei,
  isClosed,
  type Job,
  newJob,
  promiseOf,
  repeated,
  resolve,
  slashableAtS,
  takeAward,
  takeBid,
  takeReceipt,
  takeStart,
} from '#protocol/job'
import { defaultParams as params } from '#protocol/params'
import {
  alice,
  award,
  bid,
  bob,
  CLOSES_AT,
  carol,
  DUE_AT,
  MILLI,
  receipt,
  request,
  SOFT_DUE_AT,
  start,
  T0,
  terms,
} from '#test/support/messages'

const of = request()
const claimWei = params.claimGas * terms().claimBaseFeeCapWei
const paid = { kind: 'paid', payWei: MILLI, transactionHash: '0x' } as const
const bids = [bid(of, alice, MILLI), bid(of, bob, 2n * MILLI), bid(of, carol, 3n * MILLI)]
const awarded = award(of, bids)

/** A job with its award taken, and these provers started. */
function jobWith(started: readonly (typeof alice)[] = [], from = awarded): Job {
  const job = newJob(of)
  for (const { bid: signed, opening } of bids) {
    takeBid(job, signed, T0, params)
    job.openings.set(signed.id, opening)
  }
  takeAward(job, from, CLOSES_AT, params)
  for (const prover of started) takeStart(job, start(from, prover), CLOSES_AT + 100, params)
  return job
}

describe('a job ends (rule J3)', () => {
  const ends = (job: Job, now: number) => [endInTime(job, now, params), job.outcome]

  test('void, a grace after its close without an award', () => {
    const job = newJob(of)
    const at = endsAt(job, params)
    expect(at).toBe(CLOSES_AT + params.awardGraceMs + params.holdMs)
    expect(ends(job, at)).toEqual([null, null])
    expect(ends(job, at + 1)).toEqual(['void', 'void'])
    expect(ends(job, at + 2)).toEqual([null, 'void'])
  })

  test('void, at its due time when nobody was started', () => {
    const job = jobWith()
    expect(ends(job, DUE_AT + params.holdMs)).toEqual([null, null])
    expect(ends(job, DUE_AT + params.holdMs + 1)).toEqual(['void', 'void'])
  })

  test('defaulted or settled, by receipt, when the windows of its starts are over (rule D2)', () => {
    const at = (Math.ceil(DUE_AT / 1_000) + 2 * params.claimWindowS) * 1_000
    expect(slashableAtS(DUE_AT, params) * 1_000).toBe(at)
    expect(slashableAtS(12_000, params)).toBe(12 + 2 * params.claimWindowS)
    expect(slashableAtS(12_001, params)).toBe(13 + 2 * params.claimWindowS)
    expect(ends(jobWith([alice]), at)).toEqual([null, null])
    expect(ends(jobWith([alice]), at + 1)).toEqual(['defaulted', 'defaulted'])
    const delivered = jobWith([alice, bob])
    takeReceipt(delivered, receipt(of, bob), DUE_AT, params)
    expect(ends(delivered, at + 1)).toEqual(['settled', 'settled'])
  })

  test('settled, with the first payment', () => {
    const job = jobWith([alice, bob])
    resolve(job, alice, paid)
    expect([job.outcome, isClosed(job, DUE_AT, params)]).toEqual(['settled', false])
    resolve(job, bob, { kind: 'slashed', payWei: 0n, transactionHash: '0x' })
    expect([job.outcome, isClosed(job, DUE_AT, params)]).toEqual(['settled', true])
  })

  test('not by a slash alone', () => {
    const job = jobWith([alice])
    resolve(job, alice, { kind: 'slashed', payWei: 0n, transactionHash: '0x' })
    expect(job.outcome).toBeNull()
    expect(isClosed(job, DUE_AT, params)).toBe(false)
  })

  test('and is closed when its starts are resolved, or two more windows are over', () => {
    const job: Job = { ...jobWith([alice]), outcome: 'defaulted' }
    const at = closesForGoodAt(job, params)
    expect(at).toBe((slashableAtS(DUE_AT, params) + 2 * params.claimWindowS) * 1_000)
    expect([isClosed(job, at - 1, params), isClosed(job, at, params)]).toEqual([false, true])
    expect(isClosed({ ...jobWith(), outcome: 'void' }, T0, params)).toBe(true)
  })
})

describe('what a job holds', () => {
  test('of bonds: each start’s, until its receipt, payment or slash (rule G3)', () => {
    const job = jobWith([alice, bob, carol])
    takeReceipt(job, receipt(of, alice), DUE_AT, params)
    resolve(job, bob, paid)
    expect(bondsHeld(job)).toEqual([
      { prover: alice, wei: 0n },
      { prover: bob, wei: 0n },
      { prover: carol, wei: terms().bondWei },
    ])
  })

  test('of cover: reserve, then price, then what its starts may still cost (rule G4)', () => {
    expect(coverHeldWei(newJob(of), params)).toBe(terms().reserveWei + claimWei)
    expect(coverHeldWei(jobWith(), params)).toBe(MILLI + claimWei)
    const job = jobWith([alice, bob])
    expect(coverHeldWei(job, params)).toBe(3n * MILLI + 2n * claimWei)
    takeReceipt(job, receipt(of, alice, { payWei: 1n }), DUE_AT, params)
    expect(coverHeldWei(job, params)).toBe(1n + 2n * MILLI + claimWei)
    resolve(job, alice, paid)
    expect(coverHeldWei(job, params)).toBe(2n * MILLI + claimWei)
    expect(coverHeldWei({ ...job, outcome: 'defaulted' }, params)).toBe(0n)
    expect(coverHeldWei({ ...jobWith(), outcome: 'void' }, params)).toBe(0n)
  })

  test('of cover for a backup whose bid is not known here: the reserve', () => {
    const job = jobWith([bob])
    job.openings.clear()
    expect(coverHeldWei(job, params)).toBe(terms().reserveWei + claimWei)
  })

  test('more with each start: its price and claim cost, less what the award held for the first', () => {
    for (const started of [[], [alice], [alice, bob]]) {
      const job = jobWith(started)
      const before = coverHeldWei(job, params)
      const extraWei = extraCoverWei(job, 3n * MILLI, params)
      takeStart(job, start(awarded, carol), CLOSES_AT + 200, params)
      expect(coverHeldWei(job, params) - before).toBe(extraWei)
    }
  })
})

test('a promise is the bid’s for the winner, and shifts for a backup (rule P2)', () => {
  const job = jobWith([alice, bob])
  expect(promiseOf(job, alice, SOFT_DUE_AT)).toBe(SOFT_DUE_AT)
  expect(promiseOf(job, bob, SOFT_DUE_AT)).toBe(SOFT_DUE_AT + 100)
})

test('a repeated message is the same or an equivocation', () => {
  expect([repeated(of, of), repeated(of, request({ nonce: 2n }))]).toEqual([
    'DUPLICATE',
    'EQUIVOCATION',
  ])
})
