import { describe, expect, test } from 'vitest'
import type { QuoteContext } from '#protocol/bidder'
import { defaultParams as params } from '#protocol/params'
import {
  acceptance,
  alice,
  award,
  bid,
  bob,
  builder,
  CLOSES_AT,
  DUE_AT,
  ETHER,
  MILLI,
  receipt,
  request,
  SOFT_DUE_AT,
  Stage,
  start,
  T0,
  terms,
} from '#test/support/messages'

import {
  accepted,
  awarded,
  bids,
  desk,
  fetched,
  kinds,
  named,
  of,
  PATIENCE_MS,
  PROVED_AT,
  proofHash,
  prove,
  proved,
  prover,
  stageOf,
  started,
} from '#test/support/prover-stage'

describe('a quote', () => {
  test('becomes a bid', () => {
    const stage = prover()
    expect(stage.done('bid')).toEqual([
      { kind: 'bid', request: of, priceWei: MILLI, readyAt: SOFT_DUE_AT },
    ])
    expect(stage.changed).toEqual([of.id])
  })

  test('is asked with the request, the builder’s record and our free bond', () => {
    const asked: QuoteContext[] = []
    const quote = (context: QuoteContext): null => {
      asked.push(context)
      return null
    }
    prover({ quote, accepts: () => true })
    expect(asked).toEqual([
      {
        request: of.message,
        now: T0 + 50,
        builder: { awards: 0, unawarded: 0, omissions: 0 },
        freeBondWei: ETHER,
      },
    ])
  })

  test('that is none, above the reserve or after the due time is no bid', () => {
    for (const quote of [
      null,
      { priceWei: terms().reserveWei + 1n, readyAt: SOFT_DUE_AT },
      { priceWei: 1n, readyAt: DUE_AT + 1 },
    ]) {
      const stage = prover(desk(quote))
      expect([stage.done('bid'), stage.market.bidder?.pursuits.size]).toEqual([[], 0])
    }
  })

  test('is not asked without a free bond (rule G3)', () => {
    const stage = new Stage({ self: alice, prover: desk() })
    stage.market.accounts.bonds.set('another start', alice, ETHER - terms().bondWei + 1n)
    stage.hear(of)
    expect(stage.done('bid')).toEqual([])
  })

  test('is not asked for what an acceptance that waits for its start still holds', () => {
    const stage = accepted()
    stage.fund(alice, { bondWei: terms().bondWei })
    const second = request({ nonce: 2n, openedAt: CLOSES_AT, closesAt: CLOSES_AT + 400 })
    expect(stage.verdict(second)).toBe('accept')
    expect(stage.done('bid')).toEqual([])
    // Never started: it is ours again.
    stage.tick(of.id, DUE_AT + 301)
    stage.hear(
      request({
        nonce: 3n,
        openedAt: DUE_AT + 300,
        closesAt: DUE_AT + 700,
        softDueAt: DUE_AT + 701,
        dueAt: DUE_AT + 9_000,
      }),
    )
    expect(stage.done('bid')).toHaveLength(1)
  })
})

describe('an award', () => {
  test('that names us has us fetch the inputs', () => {
    expect(named().done('fetch')).toEqual([{ kind: 'fetch', requestId: of.id }])
  })

  test('that names us as a backup has us wait for our turn', () => {
    const stage = prover()
    stage.hear(award(of, bids.toReversed()), CLOSES_AT + 10)
    expect(stage.done('fetch')).toHaveLength(1)
  })

  test('for a job we did not bid for is none of our business, nor is what follows', () => {
    const stage = prover(desk(null))
    for (const { bid: signed } of bids) stage.hear(signed)
    stage.hear(awarded, CLOSES_AT + 10)
    expect(stage.done('fetch')).toEqual([])
    fetched(stage)
    stage.feed({ kind: 'committed', from: acceptance(awarded) })
    stage.hear(start(awarded), CLOSES_AT + 110)
    prove(stage)
    stage.hear(receipt(of, alice), PROVED_AT + 100)
    stage.tick(of.id, DUE_AT)
    expect([kinds(stage), stage.market.bidder?.pursuits.size]).toEqual([[], 0])
  })

  test('that names others ends it', () => {
    const stage = prover()
    stage.hear(award(of, [bids[1]!]), CLOSES_AT + 10)
    expect([stage.done('fetch'), stageOf(stage)]).toEqual([[], 'over'])
    stage.tick(of.id, DUE_AT + 301)
    stage.tick(of.id, DUE_AT + 30_000)
    expect([stage.changed, stage.market.record(of.id)]).toEqual([[of.id], null])
  })
})

describe('inputs', () => {
  test('that fit are accepted, if there is room', () => {
    const stage = named()
    fetched(stage)
    const message = { requestId: of.id, awardId: awarded.id, prover: alice }
    expect(stage.done('accept')).toEqual([{ kind: 'accept', message }])
  })

  test('that do not fit, or without room, or for a job that ended, are not', () => {
    for (const [stage, ok] of [
      [named(), false],
      [named(desk(undefined, false)), true],
    ] as const) {
      fetched(stage, ok)
      expect([stage.done('accept'), stage.done('abort').length, stageOf(stage)]).toEqual([
        [],
        1,
        'over',
      ])
    }
    const ended = named()
    ended.tick(of.id, DUE_AT + 301)
    fetched(ended)
    expect(ended.done('accept')).toEqual([])
  })

  test('are not accepted with a bond that is taken (rule G3), nor from an uncovered builder (rule G4)', () => {
    const bound = named()
    bound.market.accounts.bonds.set('another start', alice, ETHER)
    fetched(bound)
    expect(bound.done('accept')).toEqual([])
    const uncovered = named()
    uncovered.fund(builder, { escrowWei: 0n, stakeWei: ETHER })
    fetched(uncovered)
    expect(uncovered.done('accept')).toEqual([])
  })

  test('are not accepted under an award of which another was seen (rule D7)', () => {
    const doubled = named()
    const other = award(of, bids, { bidsRoot: `0x${'11'.repeat(32)}` })
    doubled.hear(other, CLOSES_AT + 20)
    expect(doubled.done('report')).toHaveLength(1)
    fetched(doubled)
    expect(doubled.done('accept')).toEqual([])
    expect([doubled.done('abort').length, stageOf(doubled)]).toEqual([1, 'over'])
  })

  test('are accepted as a backup only if the cover bears a second start', () => {
    const backup = (escrowWei: bigint) => {
      const stage = prover(desk({ priceWei: MILLI, readyAt: SOFT_DUE_AT }))
      const ranked = [bid(of, bob, MILLI / 2n), bids[0]!]
      const first = award(of, ranked)
      stage.hear(first, CLOSES_AT + 10)
      stage.hear(start(first, bob), CLOSES_AT + 110)
      stage.fund(builder, { escrowWei, stakeWei: ETHER })
      stage.feed({ kind: 'fetched', requestId: of.id, ok: true }, CLOSES_AT + 4_000)
      return stage.done('accept').length
    }
    const claimWei = params.claimGas * terms().claimBaseFeeCapWei
    const neededWei = MILLI / 2n + MILLI + 2n * claimWei
    expect([backup(neededWei), backup(neededWei - 1n)]).toEqual([1, 0])
  })

  test('that nobody asked for change nothing', () => {
    const stage = accepted()
    fetched(stage, false)
    expect([kinds(stage), stageOf(stage)]).toEqual([[], 'proving'])
  })
})

describe('a stored acceptance (rule D4)', () => {
  test('has us prove, at once and once', () => {
    const stage = accepted()
    expect(stage.done('prove')).toHaveLength(1)
    expect(stage.done('wake').map(({ at }) => at)).toEqual([DUE_AT])
    stage.feed({ kind: 'committed', from: acceptance(awarded) })
    expect(kinds(stage)).toEqual([])
  })

  test('has us prove to the end though another delivers, or the job ends', () => {
    const stage = accepted()
    stage.hear(start(awarded, bob), CLOSES_AT + 600)
    stage.hear(receipt(of, bob), CLOSES_AT + 2_200)
    expect(stage.done('abort')).toEqual([])
    stage.tick(of.id, DUE_AT)
    prove(stage, proofHash, DUE_AT + 10)
    expect(stageOf(stage)).toBe('proved')
    stage.tick(of.id, DUE_AT + 10 + PATIENCE_MS)
    expect(stage.done('commit')).toHaveLength(1)
  })

  test('without a start is answered by a commitment, and remembered until no start can hurt', () => {
    const stage = proved(accepted())
    expect(stage.done('deliver')).toEqual([])
    stage.tick(of.id, PROVED_AT + PATIENCE_MS)
    expect(kinds(stage)).toEqual(['commit'])
    stage.tick(of.id, DUE_AT + 301)
    expect(stage.market.job(of.id)?.outcome).toBe('void')
    const dueS = Math.ceil(DUE_AT / 1_000)
    const until = (dueS + 4 * params.claimWindowS) * 1_000
    stage.tick(of.id, until - 1)
    expect(stage.market.job(of.id)).toBeDefined()
    // The start is shown with the slash: now it can be claimed.
    stage.hear(start(awarded), (dueS + 2 * params.claimWindowS) * 1_000 + 5)
    expect(stage.done('claim')).toMatchObject([{ obligation: { award: awarded } }])
  })

  test('leaves the job of another to itself, before it is stored', () => {
    const stage = named()
    stage.hear(start(awarded, bob), CLOSES_AT + 600)
    stage.hear(receipt(of, bob), CLOSES_AT + 2_200)
    expect([stage.done('abort').length, stageOf(stage)]).toEqual([1, 'over'])
  })
})

describe('a proof', () => {
  test('is noticed and delivered', () => {
    const stage = proved()
    const message = { requestId: of.id, prover: alice, proofHash, readyAt: PROVED_AT }
    expect(stage.done('publish')).toEqual([{ kind: 'publish', draft: { kind: 'Notice', message } }])
    expect(stage.done('deliver')).toHaveLength(1)
    expect(stage.done('wake').map(({ at }) => at)).toEqual([PROVED_AT + PATIENCE_MS])
  })

  test('that was faster than the start is noticed with it', () => {
    const stage = accepted()
    prove(stage, proofHash, CLOSES_AT + 90)
    expect(stage.done('publish')).toEqual([])
    stage.hear(start(awarded), CLOSES_AT + 110)
    const readyAt = CLOSES_AT + 100
    expect(stage.done('publish')).toMatchObject([{ draft: { message: { readyAt } } }])
    expect(stage.done('deliver')).toHaveLength(1)
  })

  test('that failed for good ends it', () => {
    const stage = started()
    prove(stage, null)
    expect([kinds(stage), stageOf(stage)]).toEqual([[], 'over'])
  })
})
