import { describe, expect, test } from 'vitest'
import type { MarketEvent } from '#protocol/effects'
import type { Address, Hex, ProofRequest } from '#protocol/schema'
import { ZERO_ADDRESS } from '#protocol/schema'
import { isClosed, Journal } from '#simulations/devnet/journal'
import { isConserved, makeReport, percentile } from '#simulations/devnet/report'

const requestId: Hex = `0x${'01'.repeat(32)}`
const bad: Address = `0x${'ba'.repeat(20)}`
const good: Address = `0x${'90'.repeat(20)}`
const transactionHash: Hex = `0x${'7a'.repeat(32)}`
const request = { openedAt: 1_000, dueAt: 30_000 } as ProofRequest

/** A job whose winner stays silent and whose backup delivers, as the builder's node tells it. */
const rescued: readonly (readonly [at: number, event: MarketEvent])[] = [
  [1_001, { kind: 'requested', requestId, request }],
  [1_100, { kind: 'bid-seen', requestId, bidId: requestId, prover: bad }],
  [1_110, { kind: 'bid-seen', requestId, bidId: requestId, prover: good }],
  [
    1_420,
    {
      kind: 'awarded',
      requestId,
      prover: bad,
      priceWei: 7n,
      readyAt: 2_000,
      bidCount: 2,
      backups: [good, ZERO_ADDRESS, ZERO_ADDRESS],
    },
  ],
  [1_450, { kind: 'started', requestId, prover: bad, at: 1_445 }],
  [2_500, { kind: 'silent', requestId, prover: bad }],
  [2_550, { kind: 'started', requestId, prover: good, at: 2_545 }],
  [4_000, { kind: 'received', requestId, prover: good, payWei: 9n, deliveredAt: 3_920 }],
  [6_000, { kind: 'paid', requestId, prover: good, payWei: 9n, transactionHash }],
  [6_000, { kind: 'ended', requestId, outcome: 'settled' }],
  [30_001, { kind: 'defaulted', requestId, prover: bad }],
]
const slash: MarketEvent = { kind: 'slashed', requestId, prover: bad, bondWei: 5n, transactionHash }

const told = (events: typeof rescued): Journal => {
  const journal = new Journal()
  for (const [at, event] of events) journal.take({ at, event })
  return journal
}
const money = {
  blockNumber: 9,
  depositedWei: 100n,
  withdrawnWei: 10n,
  escrowWei: 40n,
  bondsWei: 30n,
  creditsWei: 15n,
  burntWei: 5n,
  balanceWei: 90n,
}

describe('devnet report', () => {
  test('a rescued job: durations from request, award and the first start, both outcomes', () => {
    const journal = told([...rescued, [40_000, slash]])
    expect(makeReport(journal.jobs, money).jobs).toEqual([
      {
        requestId,
        bids: 2,
        winner: bad,
        priceWei: '7',
        requestToAwardMs: 420,
        awardToAcceptanceMs: 25,
        awardToProofMs: 2_500,
        outcome: 'settled',
        slashed: [bad],
        transactionHash,
      },
    ])
  })

  test('a settled job with a silent prover is not closed before the slash', () => {
    const journal = told(rescued)
    expect(journal.jobs.every(isClosed)).toBe(false)
    journal.take({ at: 40_000, event: slash })
    expect(journal.jobs.every(isClosed)).toBe(true)
  })

  test('events that come twice change nothing', () => {
    const once = told(rescued)
    const twice = told([...rescued, ...rescued.map(([at, event]) => [at + 9_000, event] as const)])
    expect(twice.jobs).toEqual(once.jobs)
  })

  test('a job nobody bid for has no award, no durations and its outcome', () => {
    const journal = told([rescued[0]!, [2_300, { kind: 'ended', requestId, outcome: 'void' }]])
    const [job] = makeReport(journal.jobs, money).jobs
    expect(job).toMatchObject({ bids: 0, winner: null, requestToAwardMs: null, outcome: 'void' })
  })

  test('money is conserved when held, flows and balance agree to the wei', () => {
    expect(isConserved(money)).toBe(true)
    const amounts = ['depositedWei', 'withdrawnWei', 'escrowWei', 'bondsWei', 'creditsWei'] as const
    for (const name of [...amounts, 'burntWei', 'balanceWei'] as const) {
      expect(isConserved({ ...money, [name]: money[name] + 1n }), name).toBe(false)
    }
  })

  test('percentiles are by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect([percentile(values, 0.5), percentile(values, 0.99)]).toEqual([50, 99])
    expect(percentile([7], 0.99)).toBe(7)
    expect(percentile([], 0.5)).toBeNaN()
  })
})
