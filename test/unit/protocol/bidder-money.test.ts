import { describe, expect, test } from 'vitest'
import type { SignedReceipt } from '#protocol/effects'
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
  MILLI,
  receipt,
  request,
  SOFT_DUE_AT,
  Stage,
  start,
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
    const pay = (...parts: bigint[]): Stage => {
      const stage = proved()
      for (const [i, payWei] of parts.entries()) {
        const debt = { builder, prover: alice, nonce: 1n, payWei }
        const transactionHash = `0x${i}` as const
        stage.feed({ kind: 'chain', event: { kind: 'paid', ...debt, transactionHash } })
      }
      stage.tick(of.id, PROVED_AT + PATIENCE_MS)
      return stage
    }
    expect([stageOf(pay(MILLI)), stageOf(pay(MILLI - 1n))]).toEqual(['over', 'proved'])
    expect(pay(0n).done('claim')).toHaveLength(1)
    // A receipt over too little, then a post (rule P6).
    expect(stageOf(pay(1n, MILLI - 1n))).toBe('over')
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
    expect(stage.done('wake').map(({ at }) => at)).toContain(DUE_AT + PATIENCE_MS)
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
