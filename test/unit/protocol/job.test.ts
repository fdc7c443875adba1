import { describe, expect, test } from 'vitest'
import {
  forgetBids,
  isAllOpened,
  type Job,
  newJob,
  openedBids,
  takeAward,
  takeBid,
  takeNotice,
  takeOpenings,
  takeReceipt,
  takeStart,
} from '#protocol/job'
import { defaultParams as params } from '#protocol/params'
import { type Award, ZERO_ADDRESS } from '#protocol/schema'
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
  dave,
  MILLI,
  nameOf,
  notice,
  receipt,
  request,
  start,
  T0,
  terms,
} from '#test/support/messages'

const of = request()
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

describe('a bid', () => {
  test('is taken with the instant it was seen', () => {
    const job = newJob(of)
    expect(takeBid(job, bids[0]!.bid, T0 + 7, params)).toBeNull()
    expect([...job.seenAt.values(), job.bids.size, job.bidsSeen]).toEqual([T0 + 7, 1, 1])
  })

  test('[IGNORE] BID_LATE: the auction of its request is still open', () => {
    const take = (job: Job, now: number) => nameOf(takeBid(job, bids[0]!.bid, now, params))
    expect(take(newJob(of), CLOSES_AT - 1)).toBe('accept')
    expect(take(newJob(of), CLOSES_AT)).toBe('ignore BID_LATE')
    expect(take({ ...newJob(of), award: awarded }, T0)).toBe('ignore BID_LATE')
    expect(take({ ...newJob(of), outcome: 'void' }, T0)).toBe('ignore BID_LATE')
  })

  test('[REJECT] BID_OWN_REQUEST: a builder does not bid for its own request', () => {
    expect(nameOf(takeBid(newJob(of), bid(of, builder).bid, T0, params))).toBe(
      'reject BID_OWN_REQUEST',
    )
  })

  test('[IGNORE] AUCTION_FULL: the earliest `maxBids` bids are counted', () => {
    const job = newJob(of)
    const small = { ...params, maxBids: 2 }
    const verdicts = bids.map(({ bid: signed }) => nameOf(takeBid(job, signed, T0, small)))
    expect(verdicts).toEqual(['accept', 'accept', 'ignore AUCTION_FULL'])
  })
})

describe('openings', () => {
  test('are taken once, for bids that were seen', () => {
    const job = newJob(of)
    takeBid(job, bids[0]!.bid, T0, params)
    const [{ bid: first, opening }, { bid: unseen }] = [bids[0]!, bids[1]!]
    expect(isAllOpened(job)).toBe(false)
    expect(takeOpenings(job, [{ bidId: unseen.id, opening }])).toBe(false)
    expect(takeOpenings(job, [{ bidId: first.id, opening: null }])).toBe(true)
    expect(takeOpenings(job, [{ bidId: first.id, opening }])).toBe(false)
    expect(isAllOpened(job)).toBe(true)
    expect(openedBids(job)).toEqual([])
  })

  test('of an ended job are let go, but those of started provers', () => {
    const job = jobWith([bob])
    forgetBids(job)
    expect([...job.bids.keys()]).toEqual([bob])
    expect([...job.openings.keys()]).toEqual([bids[1]!.bid.id])
    expect([job.seenAt.size, job.bidsSeen]).toEqual([0, 3])
  })
})

describe('an award', () => {
  const take = (from = awarded, now = CLOSES_AT, job = newJob(of)) =>
    nameOf(takeAward(job, from, now, params))

  test('brings its winning bid and opening', () => {
    const job = newJob(of)
    takeAward(job, awarded, CLOSES_AT, params)
    expect(openedBids(job)).toEqual([bids[0]])
  })

  test('[IGNORE] AWARD_EARLY: the bid window is over', () => {
    expect(take(awarded, CLOSES_AT - params.clockSkewMs)).toBe('accept')
    expect(take(awarded, CLOSES_AT - params.clockSkewMs - 1)).toBe('ignore AWARD_EARLY')
  })

  test('[IGNORE] AWARD_LATE: it came within `awardGraceMs` of the close (and what gossip takes)', () => {
    const latest = CLOSES_AT + params.awardGraceMs + params.holdMs
    expect(take(awarded, latest)).toBe('accept')
    expect(take(awarded, latest + 1)).toBe('ignore AWARD_LATE')
    expect(take(awarded, CLOSES_AT, { ...newJob(of), outcome: 'void' })).toBe('ignore AWARD_LATE')
  })

  test('[REJECT] AWARD_TERMS: winner within reserve and due time, backups allowed, distinct, counted', () => {
    const named = (...backups: (typeof alice)[]): Partial<Award> => ({
      backups: [0, 1, 2].map((index) => backups[index] ?? ZERO_ADDRESS) as never,
    })
    const good: Partial<Award>[] = [
      named(),
      named(bob, carol),
      { ...named(bob, carol, dave), bidCount: 4 },
      { ...named(), bidCount: 1 },
      { bidCount: params.maxBids },
      { priceWei: terms().reserveWei, readyAt: DUE_AT },
    ]
    for (const changes of good)
      expect([changes, take(award(of, bids, changes))]).toEqual([changes, 'accept'])
    const bad: Partial<Award>[] = [
      { priceWei: terms().reserveWei + 1n },
      { readyAt: DUE_AT + 1 },
      named(bob, bob),
      named(alice),
      named(builder),
      { prover: builder },
      { ...named(bob, carol), bidCount: 2 },
      { ...named(), bidCount: 0 },
      { bidCount: params.maxBids + 1 },
    ]
    for (const changes of bad)
      expect([changes, take(award(of, bids, changes))]).toEqual([changes, 'reject AWARD_TERMS'])
    const alone = request({ backups: 1 })
    const two = award(alone, [bid(alone, alice)], named(bob, carol))
    expect(
      take({ ...two, message: { ...two.message, bidCount: 3 } }, CLOSES_AT, newJob(alone)),
    ).toBe('reject AWARD_TERMS')
  })
})

describe('a start', () => {
  const take = (from = start(awarded), now = CLOSES_AT + 100, job = jobWith(), mayReopen = false) =>
    nameOf(takeStart(job, from, now, params, mayReopen))

  test('makes an obligation of its own for each prover', () => {
    const job = jobWith([alice, bob])
    expect([...job.obligations.keys()]).toEqual([alice, bob])
  })

  test('[REJECT] START_MISMATCH: the start answers the acceptance that travels with it', () => {
    expect(take()).toBe('accept')
    const word = `0x${'0c'.repeat(32)}` as const
    const refused = 'reject START_MISMATCH'
    expect(take(start(awarded, alice, { acceptanceId: word }))).toBe(refused)
    expect(take(start(awarded, alice, {}, acceptance(awarded, bob)))).toBe(refused)
    expect(take(start(awarded, alice, {}, acceptance(awarded, alice, { awardId: word })))).toBe(
      refused,
    )
    expect(take(start(awarded, alice, {}, acceptance(awarded, alice, { requestId: word })))).toBe(
      refused,
    )
  })

  test('[IGNORE] NOT_AWARDED: it stands on the award we know, and names its winner or a backup', () => {
    expect(take(start(awarded, carol))).toBe('accept')
    expect(take(start(awarded, builder))).toBe('ignore NOT_AWARDED')
    const other = award(of, bids, { bidCount: 9 })
    expect(take(start(other))).toBe('ignore NOT_AWARDED')
    expect(take(start(awarded), CLOSES_AT + 100, newJob(of))).toBe('ignore NOT_AWARDED')
  })

  test('[IGNORE] START_TIME: started between close and due time, and not in the future', () => {
    const { clockSkewMs } = params
    const at = (startedAt: number, now: number) => take(start(awarded, alice, { startedAt }), now)
    expect(at(CLOSES_AT - clockSkewMs, CLOSES_AT)).toBe('accept')
    expect(at(CLOSES_AT - clockSkewMs - 1, CLOSES_AT)).toBe('ignore START_TIME')
    expect(at(CLOSES_AT + clockSkewMs, CLOSES_AT)).toBe('accept')
    expect(at(CLOSES_AT + clockSkewMs + 1, CLOSES_AT)).toBe('ignore START_TIME')
    expect(at(DUE_AT, DUE_AT)).toBe('accept')
    expect(at(DUE_AT + 1, DUE_AT + 1)).toBe('ignore START_TIME')
  })

  test('[IGNORE] JOB_ENDED: the job has not ended', () => {
    for (const outcome of ['void', 'settled', 'defaulted'] as const)
      expect(take(start(awarded), DUE_AT, { ...jobWith(), outcome })).toBe('ignore JOB_ENDED')
  })

  test('reopens a void job for the prover it binds, and for nobody else (rule D4)', () => {
    const job: Job = { ...jobWith(), outcome: 'void' }
    expect(take(start(awarded), DUE_AT + 1_000_000, job, true)).toBe('accept')
    expect(job.outcome).toBeNull()
    const settled: Job = { ...jobWith(), outcome: 'settled' }
    expect(take(start(awarded), DUE_AT, settled, true)).toBe('ignore JOB_ENDED')
  })
})

describe('a notice', () => {
  const take = (from = notice(of, alice), now = CLOSES_AT + 2_000, job = jobWith([alice])) =>
    nameOf(takeNotice(job, from, now, params))

  test('[IGNORE] NOT_STARTED: its prover was started', () => {
    expect(take()).toBe('accept')
    expect(take(notice(of, bob))).toBe('ignore NOT_STARTED')
    const unstarted = nameOf(takeReceipt(jobWith([alice]), receipt(of, bob), DUE_AT, params))
    expect(unstarted).toBe('ignore NOT_STARTED')
  })

  test("[IGNORE] DUPLICATE, EQUIVOCATION: the prover's first notice", () => {
    const job = jobWith([alice])
    const readyAt = CLOSES_AT + 1_999
    expect(take(undefined, undefined, job)).toBe('accept')
    expect(take(undefined, undefined, job)).toBe('ignore DUPLICATE')
    expect(take(notice(of, alice, { readyAt }), undefined, job)).toBe('ignore EQUIVOCATION')
  })

  test('[IGNORE] NOTICE_TIME: ready since the start, and not in the future', () => {
    const at = (readyAt: number, now = CLOSES_AT + 2_000) =>
      take(notice(of, alice, { readyAt }), now)
    expect(at(CLOSES_AT + 100)).toBe('accept')
    expect(at(CLOSES_AT + 99)).toBe('ignore NOTICE_TIME')
    expect(at(CLOSES_AT + 2_000 + params.clockSkewMs)).toBe('accept')
    expect(at(CLOSES_AT + 2_001 + params.clockSkewMs)).toBe('ignore NOTICE_TIME')
  })
})

describe('a receipt', () => {
  const take = (from = receipt(of, alice), now = DUE_AT, job = jobWith([alice])) =>
    nameOf(takeReceipt(job, from, now, params))

  test("[IGNORE] DUPLICATE, EQUIVOCATION: the builder's first receipt for this prover", () => {
    const job = jobWith([alice])
    expect(take(undefined, undefined, job)).toBe('accept')
    expect(take(undefined, undefined, job)).toBe('ignore DUPLICATE')
    expect(take(receipt(of, alice, { payWei: 1n }), undefined, job)).toBe('ignore EQUIVOCATION')
  })

  test('[REJECT] RECEIPT_TERMS: it is for this request, within the reserve and the due time', () => {
    const good = [{}, { payWei: 0n }, { payWei: terms().reserveWei }, { deliveredAt: DUE_AT }]
    for (const changes of good)
      expect([changes, take(receipt(of, alice, changes))]).toEqual([changes, 'accept'])
    for (const changes of [
      { builder: bob },
      { nonce: 2n },
      { payWei: terms().reserveWei + 1n },
      { deliveredAt: DUE_AT + 1 },
    ])
      expect([changes, take(receipt(of, alice, changes))]).toEqual([
        changes,
        'reject RECEIPT_TERMS',
      ])
  })

  test('[IGNORE] RECEIPT_TIME: delivered since the start we know, and not in the future', () => {
    const at = (deliveredAt: number, now = DUE_AT) => take(receipt(of, alice, { deliveredAt }), now)
    expect(at(CLOSES_AT + 100)).toBe('accept')
    expect(at(CLOSES_AT + 99)).toBe('ignore RECEIPT_TIME')
    expect(at(CLOSES_AT + 2_000, CLOSES_AT + 1_900)).toBe('accept')
    expect(at(CLOSES_AT + 2_000, CLOSES_AT + 1_899)).toBe('ignore RECEIPT_TIME')
  })
})
