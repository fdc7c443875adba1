import { describe, expect, test } from 'vitest'
import { Accounts } from '#protocol/accounts'
import { type Job, newJob } from '#protocol/job'
import { defaultParams } from '#protocol/params'
import {
  checkAward,
  checkBuilder,
  checkRequest,
  MAX_BUNDLE,
  MAX_INPUT_BYTES,
} from '#protocol/rules'
import type { ProofRequest } from '#protocol/schema'
import {
  alice,
  award,
  bid,
  bob,
  builder,
  CLOSES_AT,
  DUE_AT,
  MILLI,
  nameOf,
  request,
  T0,
  terms,
} from '#test/support/messages'

const check = (changes: Partial<ProofRequest>, now = T0): string =>
  nameOf(checkRequest(terms(changes), now, defaultParams))
const word = `0x${'0b'.repeat(32)}` as const

describe('a request by itself', () => {
  test('[REJECT] REQUEST_WINDOW: bid window and due time are within bounds and in order', () => {
    const { minBidWindowMs, maxBidWindowMs, maxJobMs } = defaultParams
    const good: Partial<ProofRequest>[] = [
      {},
      { closesAt: T0 + minBidWindowMs },
      { closesAt: T0 + maxBidWindowMs },
      { dueAt: CLOSES_AT + maxJobMs },
      { softDueAt: T0 },
      { softDueAt: DUE_AT },
      { softDueAt: T0, dueAt: CLOSES_AT + 1 },
    ]
    for (const changes of good) expect([changes, check(changes)]).toEqual([changes, 'accept'])
    const bad: Partial<ProofRequest>[] = [
      { closesAt: T0 + minBidWindowMs - 1 },
      { closesAt: T0 + maxBidWindowMs + 1 },
      { closesAt: T0 - 1 },
      { openedAt: 0 },
      { dueAt: CLOSES_AT + maxJobMs + 1 },
      { dueAt: CLOSES_AT, softDueAt: CLOSES_AT },
      { softDueAt: DUE_AT + 1 },
      { dueAt: 2 ** 48 - 1 },
    ]
    for (const changes of bad)
      expect([changes, check(changes)]).toEqual([changes, 'reject REQUEST_WINDOW'])
  })

  test('[REJECT] REQUEST_FIELDS: reserve, bond, work, inputs, backups and bundle make sense', () => {
    const bundle = { bundleId: word, bundleIndex: 0, bundleSize: 1 }
    const good: Partial<ProofRequest>[] = [
      { inputBytes: MAX_INPUT_BYTES },
      { backups: 0 },
      { backups: 3 },
      bundle,
      { ...bundle, bundleIndex: MAX_BUNDLE - 1, bundleSize: MAX_BUNDLE },
    ]
    for (const changes of good) expect([changes, check(changes)]).toEqual([changes, 'accept'])
    const bad: Partial<ProofRequest>[] = [
      { reserveWei: 0n },
      { bondWei: 0n },
      { work: 0n },
      { inputBytes: 0 },
      { inputBytes: MAX_INPUT_BYTES + 1 },
      { backups: 4 },
      { bundleIndex: 1 },
      { bundleSize: 1 },
      { ...bundle, bundleIndex: 1 },
      { ...bundle, bundleSize: MAX_BUNDLE + 1 },
    ]
    for (const changes of bad)
      expect([changes, check(changes)]).toEqual([changes, 'reject REQUEST_FIELDS'])
  })

  test('[IGNORE] REQUEST_EARLY: it was opened already', () => {
    const { clockSkewMs } = defaultParams
    expect(check({}, T0 - clockSkewMs)).toBe('accept')
    expect(check({}, T0 - clockSkewMs - 1)).toBe('ignore REQUEST_EARLY')
  })

  test('[IGNORE] REQUEST_LATE: its bid window is still open', () => {
    expect(check({}, CLOSES_AT - 1)).toBe('accept')
    expect(check({}, CLOSES_AT)).toBe('ignore REQUEST_LATE')
  })
})

describe('a request and its builder', () => {
  const claimWei = defaultParams.claimGas * terms().claimBaseFeeCapWei
  const neededWei = terms().reserveWei + claimWei
  const accounts = (escrowWei: bigint, stakeWei = 1_000n * MILLI): Accounts => {
    const all = new Accounts()
    all.observe({ kind: 'account', account: builder, bondWei: 0n, stakeWei, escrowWei })
    return all
  }
  const checked = (
    of = request(),
    all = accounts(neededWei),
    open = 0,
    retried = newJob(request()),
    bundle: readonly Job[] = [],
  ) =>
    nameOf(
      checkBuilder(
        of,
        all,
        open,
        of.message.retryOf === retried.id ? retried : undefined,
        bundle,
        defaultParams,
      ),
    )

  test('[IGNORE] REQUEST_TOO_MANY: its builder has fewer than `maxOpenRequests` open', () => {
    const { maxOpenRequests } = defaultParams
    expect(checked(request(), accounts(neededWei), maxOpenRequests - 1)).toBe('accept')
    expect(checked(request(), accounts(neededWei), maxOpenRequests)).toBe('ignore REQUEST_TOO_MANY')
  })

  test('[IGNORE] REQUEST_UNCOVERED: reserve and claim cost are covered by what its other jobs leave free', () => {
    expect(checked()).toBe('accept')
    expect(checked(request(), accounts(neededWei - 1n))).toBe('ignore REQUEST_UNCOVERED')
    expect(checked(request(), accounts(neededWei, 2n * neededWei))).toBe('accept')
    expect(checked(request(), accounts(neededWei, 2n * neededWei - 1n))).toBe(
      'ignore REQUEST_UNCOVERED',
    )
    const busy = accounts(2n * neededWei - 1n)
    busy.cover.set('other', builder, neededWei)
    expect(checked(request(), busy)).toBe('ignore REQUEST_UNCOVERED')
  })

  test('[IGNORE] REQUEST_BUNDLE: it has an index of its own in its bundle, and size, times and bond of it', () => {
    const bundle = { bundleId: word, bundleSize: 3 }
    const first = newJob(request({ ...bundle, bundleIndex: 0 }))
    const beside = (changes: Partial<ProofRequest> = {}) =>
      checked(
        request({ nonce: 2n, ...bundle, bundleIndex: 1, ...changes }),
        accounts(100n * MILLI),
        0,
        undefined,
        [first],
      )
    expect(beside()).toBe('accept')
    for (const changes of [
      { bundleIndex: 0 },
      { bundleSize: 4 },
      { openedAt: T0 + 1 },
      { closesAt: CLOSES_AT - 1 },
      { dueAt: terms().dueAt + 1 },
      { bondWei: 1n },
    ])
      expect([changes, beside(changes)]).toEqual([changes, 'ignore REQUEST_BUNDLE'])
  })

  test("[IGNORE] REQUEST_RETRY: what it retries got no bid, was its builder's, and had a lower reserve", () => {
    const first = { ...newJob(request()), outcome: 'void' as const }
    const again = (changes: Partial<ProofRequest> = {}) =>
      request({ nonce: 2n, retryOf: first.id, reserveWei: 11n * MILLI, ...changes })
    const all = accounts(100n * MILLI)
    expect(checked(again(), all, 0, first)).toBe('accept')
    const refused = 'ignore REQUEST_RETRY'
    expect(checked(again({ reserveWei: 10n * MILLI }), all, 0, first)).toBe(refused)
    expect(checked(again(), all, 0, { ...first, bidsSeen: 1 })).toBe(refused)
    expect(checked(again(), all, 0, { ...first, outcome: null })).toBe(refused)
    expect(checked(again(), all, 0, { ...first, outcome: 'settled' })).toBe(refused)
    const others = { ...newJob(request({ builder: alice })), outcome: 'void' as const }
    const stolen = request({ nonce: 2n, retryOf: others.id, reserveWei: 11n * MILLI })
    expect(checked(stolen, all, 0, others)).toBe(refused)
    // One we never heard of may be true.
    expect(checked(request({ retryOf: word }), all)).toBe('accept')
  })
})

describe('an award by itself', () => {
  const of = request()
  const opened = bid(of, alice)
  const checked = (awarded = award(of, [opened])) => nameOf(checkAward(awarded, newJob(of)))

  test("[REJECT] AWARD_SECRET: the secret it publishes fits the request's auction key", () => {
    expect(checked()).toBe('accept')
    expect(checked(award(of, [opened], { auctionSecret: word }))).toBe('reject AWARD_SECRET')
  })

  test('[REJECT] AWARD_OPENING: the winning bid it carries opens to its price and promise', () => {
    const refused = 'reject AWARD_OPENING'
    const { opening } = opened
    for (const changes of [
      { bidId: word },
      { prover: bob },
      { priceWei: opening.priceWei + 1n },
      { readyAt: opening.readyAt - 1 },
    ])
      expect([changes, checked(award(of, [opened], changes))]).toEqual([changes, refused])
    const salted = { ...opened, opening: { ...opening, salt: `0x${'00'.repeat(16)}` as const } }
    expect(checked(award(of, [salted]))).toBe(refused)
    // A true bid, for another request.
    expect(checked(award(of, [bid(request({ nonce: 2n }), alice)]))).toBe(refused)
  })
})
