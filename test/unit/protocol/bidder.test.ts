import { describe, expect, test } from 'vitest'
import type { ProverDesk, Quote, QuoteContext } from '#protocol/bidder'
import type { SignedReceipt } from '#protocol/effects'
import { defaultParams as params } from '#protocol/params'
import { proofHashOf } from '#simulations/pretence'
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

const of = request()
const bids = [bid(of, alice, MILLI), bid(of, bob, 2n * MILLI)]
const awarded = award(of, bids)
const proofHash = proofHashOf(of.id, alice)
const PATIENCE_MS = 3_000
const PROVED_AT = CLOSES_AT + 2_000

const desk = (
  quote: Quote | null = { priceWei: MILLI, readyAt: SOFT_DUE_AT },
  accepts = true,
): ProverDesk => ({
  quote: () => quote,
  accepts: () => accepts,
})

/** Alice's node, with the request heard. */
function prover(prices: ProverDesk = desk(), from = of): Stage {
  const stage = new Stage({ self: alice, prover: prices })
  stage.hear(from)
  return stage
}

/** … named by the award, and asking for the inputs. */
function named(prices = desk()): Stage {
  const stage = prover(prices)
  for (const { bid: signed } of bids) stage.hear(signed)
  stage.hear(awarded, CLOSES_AT + 10)
  return stage
}

const fetched = (stage: Stage, ok = true) =>
  stage.feed({ kind: 'fetched', requestId: of.id, ok }, CLOSES_AT + 50)

/** … whose acceptance is stored. */
function accepted(): Stage {
  const stage = named()
  fetched(stage)
  stage.feed({ kind: 'committed', from: acceptance(awarded) }, CLOSES_AT + 60)
  return stage
}

/** … and started. */
function started(): Stage {
  const stage = accepted()
  stage.hear(start(awarded), CLOSES_AT + 110)
  return stage
}

const prove = (stage: Stage, hash: typeof proofHash | null = proofHash, now = PROVED_AT): void => {
  stage.feed({ kind: 'proved', requestId: of.id, proofHash: hash }, now)
}

/** … with its proof ready. */
function proved(from = started()): Stage {
  prove(from)
  return from
}

const stageOf = (stage: Stage) => stage.market.bidder?.pursuits.get(of.id)?.stage
const kinds = (stage: Stage) => stage.effects.map(({ kind }) => kind)

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

  test('that names others ends it', () => {
    const stage = prover()
    stage.hear(award(of, [bids[1]!]), CLOSES_AT + 10)
    expect([stage.done('fetch'), stageOf(stage)]).toEqual([[], 'over'])
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

describe('a receipt', () => {
  const hear = (stage: Stage, from: SignedReceipt, now = PROVED_AT + 100): number => {
    stage.hear(from, now)
    return stage.done('settle').length
  }
  /** Late by this much after the promise; paid so. */
  const lateBy = (ms: number, payWei: bigint) =>
    receipt(of, alice, { payWei, deliveredAt: SOFT_DUE_AT + ms })
  const perMs = 10n * terms().latenessWeiPerMs

  test('that pays what is owed is settled', () => {
    expect(hear(proved(), receipt(of, alice))).toBe(1)
    expect(hear(proved(), receipt(of, alice, { payWei: MILLI + 1n }))).toBe(1)
  })

  test('that pays less, or is for another proof, is no receipt: we claim', () => {
    for (const changes of [{ payWei: MILLI - 1n }, { proofHash: of.id }]) {
      const stage = proved()
      expect(hear(stage, receipt(of, alice, changes))).toBe(0)
      stage.tick(of.id, PROVED_AT + PATIENCE_MS)
      expect(kinds(stage)).toEqual(['commit', 'claim'])
    }
  })

  test('is believed on when the proof came, within three seconds of its making', () => {
    const hearLate = (payWei: bigint) => {
      const stage = started()
      prove(stage, proofHash, SOFT_DUE_AT + 1)
      return hear(stage, lateBy(5, payWei), SOFT_DUE_AT + 200)
    }
    expect([hearLate(MILLI - 5n * perMs), hearLate(MILLI - 5n * perMs - 1n)]).toEqual([1, 0])
  })

  test('that says the proof came later than three seconds after its making pays as if it had not', () => {
    const gentle = request({ latenessWeiPerMs: 10n ** 9n })
    const own = bid(gentle, alice, MILLI)
    const its = award(gentle, [own])
    const heard = (payWei: bigint) => {
      const stage = prover(desk(), gentle)
      stage.hear(own.bid)
      stage.hear(its, CLOSES_AT + 10)
      stage.feed({ kind: 'fetched', requestId: gentle.id, ok: true }, CLOSES_AT + 50)
      stage.feed({ kind: 'committed', from: acceptance(its) }, CLOSES_AT + 60)
      stage.hear(start(its), CLOSES_AT + 110)
      const hash = proofHashOf(gentle.id, alice)
      stage.feed({ kind: 'proved', requestId: gentle.id, proofHash: hash }, SOFT_DUE_AT)
      return hear(stage, receipt(gentle, alice, { payWei, deliveredAt: DUE_AT }), DUE_AT)
    }
    const believedWei = MILLI - 10n * 3_000n * 10n ** 9n
    expect([heard(believedWei), heard(believedWei - 1n)]).toEqual([1, 0])
  })

  test('of another prover changes nothing for us', () => {
    const stage = proved()
    stage.hear(start(awarded, bob), PROVED_AT + 50)
    expect(hear(stage, receipt(of, bob, { payWei: 2n * MILLI }))).toBe(0)
    expect(stageOf(stage)).toBe('proved')
  })
})

describe('without a receipt', () => {
  test('the proof is committed and claimed three seconds after its making, once', () => {
    const stage = proved()
    stage.tick(of.id, PROVED_AT + PATIENCE_MS - 1)
    expect(kinds(stage)).toEqual([])
    stage.tick(of.id, PROVED_AT + PATIENCE_MS)
    expect(kinds(stage)).toEqual(['commit', 'claim'])
    stage.tick(of.id, PROVED_AT + PATIENCE_MS + 1)
    expect(kinds(stage)).toEqual([])
  })

  test('or at the due time, which the chain’s window for commitments begins with', () => {
    const stage = started()
    prove(stage, proofHash, DUE_AT - 10)
    stage.tick(of.id, DUE_AT)
    expect(kinds(stage)).toEqual(['commit', 'claim'])
  })

  test('a payment of what is owed ends it, a smaller one does not', () => {
    const pay = (payWei: bigint): Stage => {
      const stage = proved()
      const event = {
        kind: 'paid',
        builder,
        prover: alice,
        nonce: 1n,
        payWei,
        transactionHash: of.id,
      } as const
      stage.feed({ kind: 'chain', event })
      stage.tick(of.id, PROVED_AT + PATIENCE_MS)
      return stage
    }
    expect([stageOf(pay(MILLI)), stageOf(pay(MILLI - 1n))]).toEqual(['over', 'proved'])
    expect(pay(0n).done('claim')).toHaveLength(1)
  })

  test('a slash ends it', () => {
    const stage = proved()
    const event = {
      kind: 'slashed',
      builder,
      prover: alice,
      nonce: 1n,
      bondWei: 1n,
      transactionHash: of.id,
    } as const
    stage.feed({ kind: 'chain', event })
    expect(stageOf(stage)).toBe('over')
  })
})

describe('after a restart', () => {
  function restarted(old: Stage, now: number): Stage {
    const stage = new Stage({ self: alice, prover: desk() })
    stage.market.restore(structuredClone(old.market.record(of.id)!), now)
    stage.feed({ kind: 'resume' }, now)
    return stage
  }
  const doing = (old: Stage, now = PROVED_AT) =>
    kinds(restarted(old, now)).filter((kind) => kind !== 'wake')

  test('goes on where it stood', () => {
    const accepting = named()
    fetched(accepting)
    expect(doing(prover())).toEqual([])
    expect(doing(named())).toEqual(['fetch'])
    expect(doing(accepting)).toEqual(['fetch'])
    expect(doing(accepted())).toEqual(['prove', 'accept'])
    expect(doing(started())).toEqual(['prove', 'accept'])
    expect(doing(proved())).toEqual(['accept', 'deliver'])
  })

  test('commits and claims again: the chain drops what is done', () => {
    const old = proved()
    old.tick(of.id, PROVED_AT + PATIENCE_MS)
    const stage = restarted(old, DUE_AT)
    stage.tick(of.id, DUE_AT + PATIENCE_MS)
    expect(kinds(stage)).toEqual(['commit', 'claim'])
  })

  test('settles the receipt it had', () => {
    const old = proved()
    old.hear(receipt(of, alice), PROVED_AT + 100)
    expect(doing(old)).toEqual(['settle'])
  })

  test('does not ask for what is over', () => {
    expect(doing(named(), DUE_AT + 1)).toEqual([])
  })

  test('proves what it accepted, though another delivered meanwhile (rule D4)', () => {
    const old = accepted()
    old.hear(start(awarded, bob), CLOSES_AT + 600)
    old.hear(receipt(of, bob), CLOSES_AT + 2_200)
    expect(doing(old, DUE_AT)).toEqual(['prove', 'accept'])
  })

  test('wins a bid that was still open', () => {
    const old = prover()
    for (const { bid: signed } of bids) old.hear(signed)
    const stage = restarted(old, CLOSES_AT)
    stage.hear(awarded, CLOSES_AT + 10)
    expect(stage.done('fetch')).toHaveLength(1)
  })
})
