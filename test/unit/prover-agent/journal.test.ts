import { describe, expect, test } from 'vitest'
import { createLog } from '#node/log'
import type { Pursuit } from '#protocol/bidder'
import type { MarketEvent } from '#protocol/effects'
import type { Address } from '#protocol/schema'
import { Journal } from '#prover-agent/journal'
import { hashOf } from '#simulations/pretence'
import { addressOf, alice, bob, carol, MILLI, SOFT_DUE_AT, terms } from '#test/support/messages'

const requestId = hashOf('request')
const transactionHash = hashOf('transaction')
const bidFor: Pursuit = {
  priceWei: 2n * MILLI,
  readyAt: SOFT_DUE_AT,
  bidId: hashOf('bid'),
  stage: 'bidding',
  acceptance: null,
  proofHash: null,
  provedAt: null,
  receipt: null,
  isCommitted: false,
  isClaimed: false,
}
const won = (changes: Partial<Extract<MarketEvent, { kind: 'awarded' }>> = {}): MarketEvent => ({
  kind: 'awarded',
  requestId,
  prover: bob,
  priceWei: MILLI,
  readyAt: SOFT_DUE_AT,
  bidCount: 2,
  backups: [],
  ...changes,
})

function journal(pursuit: Pursuit | null = bidFor) {
  const lines: Record<string, unknown>[] = []
  const own = new Journal({
    self: alice,
    log: createLog({
      level: 'info',
      format: 'json',
      write: (line) => lines.push(JSON.parse(line)),
    }),
    requestOf: () => terms(),
    pursuitOf: () => pursuit,
  })
  return { own, lines }
}

describe('a lost auction', () => {
  test('is one line that says to whom, why and by how much', () => {
    const { own, lines } = journal()
    own.hear(won())
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({
      message: 'lost an auction',
      winner: bob,
      why: 'price',
      byWei: String(MILLI),
      priceWei: String(2n * MILLI),
      winnerPriceWei: String(MILLI),
    })
    expect(own.figures()).toMatchObject({
      lost: { price: 1, promise: 0, tie: 0 },
      lostTo: [{ prover: bob, auctions: 1, byWei: MILLI }],
    })
  })

  test('was lost by its promise when the winner asked for no less', () => {
    const late = { ...bidFor, readyAt: SOFT_DUE_AT + 100_000 }
    const { own } = journal(late)
    own.hear(won({ priceWei: 3n * MILLI }))
    expect(own.figures().lost).toMatchObject({ promise: 1 })
    expect(own.figures().lostTo[0]?.byWei).toBe(9n * MILLI)
  })

  test('was a tie when both scored the same, and left out when we scored better', () => {
    const { own } = journal()
    own.hear(won({ priceWei: bidFor.priceWei }))
    own.hear(won({ priceWei: bidFor.priceWei + 1n }))
    expect(own.figures().lost).toEqual({ price: 0, promise: 0, tie: 1, 'left-out': 1 })
    expect(own.figures().lostTo).toEqual([{ prover: bob, auctions: 2, byWei: 0n }])
  })

  test('may still have named us as a backup', () => {
    const { own, lines } = journal()
    own.hear(won({ backups: [carol, alice] }))
    expect(lines[0]?.message).toBe('named as a backup')
    expect(own.figures()).toMatchObject({ backup: 1, won: 0 })
  })

  test('is nothing to us when we did not bid', () => {
    const { own, lines } = journal(null)
    own.hear(won())
    own.hear({ kind: 'ended', requestId, outcome: 'void' })
    expect(lines).toEqual([])
    expect(own.figures().lostTo).toEqual([])
  })

  test('is remembered for at most 64 rivals: the least dangerous is forgotten', () => {
    const { own } = journal()
    own.hear(won())
    own.hear(won())
    for (let i = 0; i < 100; i++) own.hear(won({ prover: addressOf(`rival ${i}`) as Address }))
    expect(own.figures().lostTo).toHaveLength(64)
    expect(own.figures().lostTo[0]).toMatchObject({ prover: bob, auctions: 2 })
  })
})

describe('figures', () => {
  test('count what was won, delivered and paid', () => {
    const { own, lines } = journal()
    const of = { requestId, prover: alice }
    own.hear({ kind: 'bid-seen', bidId: hashOf('bid'), ...of })
    own.hear(won({ prover: alice, priceWei: bidFor.priceWei }))
    own.hear({ kind: 'received', payWei: MILLI, deliveredAt: SOFT_DUE_AT + 40, ...of })
    expect(own.figures()).toMatchObject({
      bids: 1,
      won: 1,
      delivered: 1,
      awaitedWei: MILLI,
      earnedWei: 0n,
    })
    own.hear({ kind: 'paid', payWei: MILLI, transactionHash, ...of })
    expect(own.figures()).toMatchObject({ awaitedWei: 0n, earnedWei: MILLI })
    expect(lines.map(({ message }) => message)).toEqual([
      'won an auction',
      'delivered a proof',
      'paid',
    ])
    expect(lines[1]).toMatchObject({ afterPromiseMs: 40, payWei: String(MILLI) })
  })

  test('count what others get as theirs', () => {
    const { own, lines } = journal()
    const of = { requestId, prover: bob }
    own.hear({ kind: 'bid-seen', bidId: hashOf('bid'), ...of })
    own.hear({ kind: 'received', payWei: MILLI, deliveredAt: SOFT_DUE_AT, ...of })
    own.hear({ kind: 'paid', payWei: MILLI, transactionHash, ...of })
    own.hear({ kind: 'slashed', bondWei: MILLI, transactionHash, ...of })
    expect(own.figures()).toEqual(journal().own.figures())
    expect(lines).toEqual([])
  })

  test('count slashes, and auctions nobody won', () => {
    const { own, lines } = journal()
    own.hear({ kind: 'slashed', requestId, prover: alice, bondWei: MILLI, transactionHash })
    own.hear({ kind: 'ended', requestId, outcome: 'void' })
    expect(own.figures()).toMatchObject({ slashed: 1, slashedWei: MILLI, unawarded: 1 })
    expect(lines.map(({ level, message }) => [level, message])).toEqual([
      ['error', 'slashed'],
      ['info', 'nobody won an auction'],
    ])
  })

  test('wait for at most 1,024 receipts to be settled', () => {
    const { own } = journal()
    for (let i = 0; i < 2_000; i++) {
      own.hear({
        kind: 'received',
        requestId: hashOf(i),
        prover: alice,
        payWei: 1n,
        deliveredAt: 1,
      })
    }
    expect(own.figures().awaitedWei).toBe(1_024n)
  })
})
