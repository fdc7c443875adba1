import { describe, expect, test } from 'vitest'
import type { MarketEvent } from '#protocol/effects'
import { Tally } from '#simulations/tally'
import { alice, bob, carol, request, T0 } from '#test/support/messages'

const [first, second] = [request({ nonce: 1n }), request({ nonce: 2n })]
const hash = `0x${'ab'.repeat(32)}` as const

function told(...events: MarketEvent[]): Tally {
  const tally = new Tally()
  for (const { id, message } of [first, second]) tally.begin(id, message)
  for (const [index, event] of events.entries()) tally.atBuilder(event, T0 + 400 + index)
  return tally
}
const awarded: MarketEvent = {
  ...{ kind: 'awarded', requestId: first.id, prover: alice, priceWei: 5n, readyAt: T0 },
  ...{ bidCount: 2, backups: [bob] },
}

describe('the tally', () => {
  test('counts bids that were made, and those that their builder took', () => {
    const tally = told({ kind: 'bid-seen', requestId: first.id, bidId: hash, prover: alice })
    expect(new Tally().countedShare()).toBe(1)
    for (const prover of [alice, bob, carol]) tally.bid(first.id, prover)
    tally.bid(hash, alice)
    expect(tally.countedShare()).toBe(1 / 3)
    expect(tally.countedShare((prover) => prover === alice)).toBe(1)
    expect(tally.countedShare((prover) => prover === bob)).toBe(0)
  })

  test('knows when each was awarded, to whom, and how it ended', () => {
    const tally = told(
      awarded,
      { kind: 'started', requestId: first.id, prover: alice, at: T0 },
      { kind: 'silent', requestId: first.id, prover: alice },
      { kind: 'received', requestId: first.id, prover: bob, payWei: 4n, deliveredAt: T0 + 9_000 },
      { kind: 'received', requestId: first.id, prover: alice, payWei: 0n, deliveredAt: T0 + 9_500 },
      { kind: 'paid', requestId: first.id, prover: bob, payWei: 4n, transactionHash: hash },
      { kind: 'slashed', requestId: first.id, prover: alice, bondWei: 1n, transactionHash: hash },
      { kind: 'ended', requestId: first.id, outcome: 'settled' },
      { kind: 'ended', requestId: second.id, outcome: 'void' },
    )
    const [auction] = tally.all
    expect(auction).toMatchObject({
      ...{ winner: alice, priceWei: 5n, started: [alice], silent: [alice], slashed: [alice] },
      ...{ deliveredAt: T0 + 9_000, outcome: 'settled', paidWei: new Map([[bob, 4n]]) },
    })
    expect(tally.awardLatencies()).toEqual([400])
    expect(tally.winLatencies()).toEqual([])
    tally.won(first.id, T0 + 550)
    tally.won(first.id, T0 + 700)
    expect(tally.winLatencies()).toEqual([550])
    expect([tally.outcomeShare('settled'), tally.outcomeShare('void')]).toEqual([0.5, 0.5])
  })

  test('takes no notice of what it was not told to begin', () => {
    const tally = told({ ...awarded, requestId: hash })
    expect(tally.awardLatencies()).toEqual([])
  })
})
