/** What nodes send to the chain, and when; and the contracts' rarer rules. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { bidTree } from '#protocol/auction'
import { gas, gasOf } from '#simulations/calls'
import {
  alice,
  award,
  bob,
  builder,
  carol,
  ETHER,
  MILLI,
  receipt,
  request,
  start,
  stranger,
} from '#test/support/messages'
import {
  awarded,
  bidOf,
  bids,
  ChainStage,
  DUE_S,
  obligationOf,
  of,
  params,
  SLASH_S,
  START_S,
} from '#test/support/sim-chain'

const jobs = (count: number) =>
  Array.from({ length: count }, (_, index) => request({ nonce: BigInt(index) }))
const settlesOf = ({ chain }: ChainStage) =>
  Array.from({ length: chain.blocks.head.number + 1 }, (_, number) => chain.blocks.at(number)!)
    .flatMap(({ done }) => done)
    .flatMap(({ transaction: { call } }) => (call.kind === 'settle' ? [call.receipts.length] : []))

describe('receipts', () => {
  test('wait to share a transaction, 32 at most', () => {
    const stage = new ChainStage({ settleAfterMs: 60_000 })
    for (const job of jobs(40)) stage.chain.settle(receipt(job, alice, { payWei: 1n }))
    stage.runSlots(1)
    expect(settlesOf(stage)).toEqual([32])
    stage.runSlots(4)
    expect(stage.credit(alice)).toBe(32n)
    stage.runSlots(6)
    expect([settlesOf(stage), stage.credit(alice)]).toEqual([[32, 8], 40n])
  })

  test('wait no longer than a quarter of the claim window', () => {
    const stage = new ChainStage({ settleAfterMs: 1e9 })
    stage.chain.settle(receipt(of, alice))
    stage.runTo(START_S + params.claimWindowS / 4 + params.slotS)
    expect(stage.credit(alice)).toBe(MILLI)
  })

  test('wait for their sender to be up, and are asked for once', () => {
    const stage = new ChainStage({ settleAfterMs: 5_000 })
    stage.chain.settle(receipt(of, alice))
    stage.isUp = false
    stage.runSlots(2)
    expect(settlesOf(stage)).toEqual([])
    stage.isUp = true
    stage.follow()
    stage.chain.settle(receipt(of, alice))
    stage.runSlots(4)
    expect([settlesOf(stage), stage.credit(alice)]).toEqual([[1], MILLI])
    stage.chain.settle(receipt(of, alice))
    stage.runSlots(6)
    expect(settlesOf(stage)).toEqual([1])
  })

  test('that a builder cannot pay protect, and are tried again when it has money', () => {
    const stage = new ChainStage({}, MILLI / 4n, 0n)
    stage.chain.settle(receipt(of, alice))
    stage.runSlots(1)
    expect([stage.credit(alice), stage.paid()]).toMatchObject([
      MILLI / 4n,
      [{ payWei: MILLI / 4n }],
    ])
    const [job] = jobs(1)
    stage.chain.settle(receipt(job!, alice))
    stage.runTo(START_S + 700)
    expect(stage.chain.settlement.isResolved(`${builder}/${alice}/0`)).toBe(true)
    expect(settlesOf(stage)).toEqual([1, 1])
    stage.chain.fund(builder, 'escrow', ETHER)
    stage.simulator.runUntil((START_S + 1_400) * 1_000)
    expect(stage.credit(alice)).toBe(2n * MILLI)
  })

  test('settled by their builder leave a claim open, and a better receipt', () => {
    const stage = new ChainStage()
    stage.chain.settle(receipt(of, alice, { payWei: 1n }), builder)
    stage.chain.settle(receipt(of, bob, { payWei: 1n }), builder)
    stage.chain.commit(of.id, alice)
    stage.runSlots(1)
    expect(stage.credit(alice)).toBe(1n)
    stage.chain.claim(obligationOf(alice), bidOf(alice))
    stage.chain.settle(receipt(of, bob, { payWei: MILLI }))
    stage.runSlots(3)
    expect([stage.credit(alice), stage.credit(bob)]).toEqual([MILLI, MILLI])
    expect(stage.paid()).toHaveLength(4)
  })

  test('settled by their prover are final', () => {
    const stage = new ChainStage()
    stage.chain.settle(receipt(of, alice, { payWei: 1n }))
    stage.chain.commit(of.id, alice)
    stage.chain.claim(obligationOf(alice), bidOf(alice))
    stage.runSlots(5)
    expect(stage.credit(alice)).toBe(1n)
  })

  test('of somebody else’s hand, or changed, pay nothing', () => {
    const stage = new ChainStage()
    stage.chain.settle(receipt(of, alice, {}, alice))
    const [changed, good] = [receipt(of, bob), receipt(of, carol, {}, stranger)]
    stage.chain.settle({ ...changed, message: { ...changed.message, payWei: ETHER } })
    stage.chain.setSigner(builder, stranger)
    stage.chain.settle(good)
    stage.runSlots(2)
    expect([alice, bob, carol].map((who) => stage.credit(who))).toEqual([0n, 0n, MILLI])
  })
})

describe('slashes', () => {
  test('pay half to the backup whose proof the chain verified', () => {
    const stage = new ChainStage()
    stage.chain.commit(of.id, bob)
    stage.chain.claim(obligationOf(bob), bidOf(bob))
    stage.chain.slash(obligationOf(alice), SLASH_S, () => false)
    stage.runTo(SLASH_S + 2 * params.slotS)
    const { bondWei } = of.message
    expect(stage.bond(alice)).toBe(ETHER - bondWei)
    // Started 100 ms after the close, its promise moves by as much: nothing is late.
    expect(stage.credit(bob)).toBe(2n * MILLI + bondWei / 2n)
    expect(stage.chain.burntWei).toBe(bondWei / 2n)
  })

  test('asked for twice come once, and never while a challenge lasts', () => {
    const stage = new ChainStage()
    stage.chain.commit(of.id, alice)
    stage.chain.slash(obligationOf(alice), SLASH_S, () => false)
    stage.chain.slash(obligationOf(alice), SLASH_S, () => false)
    stage.runTo(SLASH_S - 100)
    // Somebody else's hurry makes it a challenge, and is early after that.
    stage.chain.send({ kind: 'slash', obligation: obligationOf(alice) }, stranger)
    stage.runTo(SLASH_S + params.claimWindowS - 20)
    expect(stage.bond(alice)).toBe(ETHER)
    expect(stage.challenges).toHaveLength(1)
    stage.chain.claim(obligationOf(alice), bidOf(alice))
    stage.runTo(SLASH_S + 3 * params.claimWindowS)
    expect([stage.bond(alice), stage.credit(alice)]).toEqual([ETHER, MILLI])
  })

  test('must begin within a window of being allowed', () => {
    const stage = new ChainStage()
    stage.runTo(SLASH_S + params.claimWindowS)
    stage.chain.slash(obligationOf(alice), SLASH_S, () => false)
    stage.runTo(SLASH_S + 2 * params.claimWindowS)
    expect(stage.bond(alice)).toBe(ETHER)
  })

  test('are of what was accepted and started, by those who say so', () => {
    const stage = new ChainStage()
    const other = award(of, bids.toReversed())
    const bad = [
      { ...obligationOf(alice), request: { ...of.message, bondWei: ETHER } },
      { ...obligationOf(alice), start: { ...start(awarded, alice), signer: stranger } },
      { ...obligationOf(bob), start: { ...start(awarded, bob), ...noSigner(bob) } },
      {
        ...obligationOf(carol),
        start: { ...start(awarded, carol), acceptance: start(other).acceptance },
      },
    ]
    for (const obligation of bad) stage.chain.send({ kind: 'slash', obligation }, builder)
    stage.runTo(SLASH_S + 2 * params.slotS)
    expect([alice, bob, carol].map((who) => stage.bond(who))).toEqual([ETHER, ETHER, ETHER])
    expect(stage.chain.blocks.pool).toEqual([])
  })
  const noSigner = (prover: typeof alice) => ({
    acceptance: { ...start(awarded, prover).acceptance, signer: builder },
  })

  test('find money that is leaving, and pay in proportion when there is less', () => {
    const stage = new ChainStage()
    stage.chain.exit(alice, 'bond', ETHER - MILLI)
    stage.chain.slash(obligationOf(alice), SLASH_S, () => false)
    stage.runTo(SLASH_S + 2 * params.slotS)
    expect(stage.chain.balance(alice)).toMatchObject({
      bondWei: 0n,
      leavingBondWei: ETHER - of.message.bondWei,
    })
  })

  test('are told to a prover that was down when it comes back', () => {
    const stage = new ChainStage()
    stage.chain.commit(of.id, alice)
    stage.runSlots(2)
    stage.isUp = false
    stage.chain.settle(receipt(request({ nonce: 9n }), bob))
    stage.chain.slash(obligationOf(alice), SLASH_S, () => false)
    stage.runTo(SLASH_S + 2 * params.slotS)
    expect([stage.challenges, stage.paid()]).toEqual([[], []])
    stage.isUp = true
    expect(stage.follow()).toContainEqual(expect.objectContaining({ kind: 'paid', nonce: 9n }))
    stage.runTo(SLASH_S + 3 * params.slotS)
    expect(stage.challenges).toEqual([obligationOf(alice).start])
    expect(stage.follow().map(({ kind }) => kind)).not.toContain('paid')
  })
})

describe('claims', () => {
  test('need a proof that verifies, and to be named by the award', () => {
    const stage = new ChainStage({ verifies: (_, prover) => prover !== bob })
    const strangers = award(of, bids.slice(0, 1))
    for (const prover of [bob, carol]) stage.chain.commit(of.id, prover)
    stage.chain.claim(obligationOf(bob), bidOf(bob))
    stage.chain.claim({ ...obligationOf(carol), award: strangers }, bidOf(carol))
    stage.runSlots(5)
    expect([stage.credit(bob), stage.credit(carol)]).toEqual([0n, 0n])
  })

  test('pay nothing for what was committed a slot after the due time', () => {
    const stage = new ChainStage()
    stage.runTo(DUE_S + params.slotS)
    stage.chain.commit(of.id, alice)
    stage.chain.claim(obligationOf(alice), bidOf(alice))
    stage.chain.slash(obligationOf(alice), SLASH_S, () => false)
    stage.runTo(SLASH_S + 2 * params.claimWindowS)
    // In time to keep the bond.
    expect([stage.credit(alice), stage.bond(alice)]).toEqual([0n, ETHER])
  })

  test('are too late a window after the due time', () => {
    const stage = new ChainStage()
    stage.chain.commit(of.id, alice)
    stage.runTo(DUE_S + params.claimWindowS)
    stage.chain.claim(obligationOf(alice), bidOf(alice))
    stage.runTo(DUE_S + params.claimWindowS + 30)
    expect(stage.credit(alice)).toBe(0n)
  })
})

describe('provable lies', () => {
  const first = { request: of.message, award: awarded }

  test('two awards of a nonce cost the reserve, half to the reporter, once', () => {
    const stage = new ChainStage()
    const second = { request: of.message, award: award(of, bids.toReversed()) }
    stage.chain.reportDoubleAward(first, second, carol)
    stage.chain.reportDoubleAward(first, second, alice)
    stage.chain.reportDoubleAward(first, first, alice)
    stage.runSlots(1)
    const { reserveWei } = of.message
    expect([stage.credit(carol), stage.credit(alice)]).toEqual([reserveWei / 2n, 0n])
    expect(stage.chain.balance(builder).stakeWei).toBe(2n * ETHER - reserveWei)
    expect(stage.chain.offences).toEqual(['double award 1', 'double award 1'])
    stage.chain.reorg(1, 0)
    expect(stage.chain.offences).toEqual([])
  })

  test('an award past a better bid costs as much, half to the one passed over', () => {
    const tree = bidTree(bids)
    const [better, second] = [bids[0]!, bids[1]!]
    const { priceWei, readyAt } = second.opening
    const wrong = award(of, [second, better, bids[2]!], { priceWei, readyAt, bidsRoot: tree.root })
    const stage = new ChainStage()
    const path = tree.path(better.bid.id)!
    stage.chain.reportMisaward({ request: of.message, award: wrong }, better, path, bob)
    stage.chain.reportMisaward(first, second, tree.path(second.bid.id)!, bob)
    stage.runSlots(1)
    expect(stage.credit(alice)).toBe(of.message.reserveWei / 2n)
    expect([stage.credit(bob), stage.chain.offences]).toEqual([0n, ['misaward 1']])
  })
})

describe('money', () => {
  test('leaves after the exit delay, and not before', () => {
    const stage = new ChainStage()
    const { chain, simulator } = stage
    expect(chain.settlement.exitDelayS).toBe(3_600)
    chain.exit(builder, 'escrow', ETHER / 2n)
    chain.exit(builder, 'escrow', ETHER)
    stage.runSlots(1)
    chain.withdraw(builder, 'escrow')
    chain.withdraw(bob, 'credit')
    stage.runTo(START_S + 3_605)
    expect(chain.balance(builder)).toMatchObject({
      escrowWei: ETHER / 2n,
      leavingEscrowWei: ETHER / 2n,
    })
    const before = chain.totalWei
    simulator.runUntil((START_S + 3_612) * 1_000)
    expect(before - chain.totalWei).toBe(ETHER / 2n)
    expect(chain.blocks.pool).toEqual([])
  })
})

test('gas is what was measured', () => {
  const path = new URL('../../contracts/snapshots/gas.json', import.meta.url)
  const measured: Record<string, number> = JSON.parse(readFileSync(path, 'utf8'))
  // Reads as much as a penalty does, which has no figure of its own.
  for (const [name, units] of Object.entries(gas))
    expect([name, Number(units)]).toEqual([name, measured[name]])
  const receipts = jobs(32).map((job) => receipt(job, alice))
  const each = gasOf({ kind: 'settle', receipts }, []) / 32n
  expect(Number(each)).toBeCloseTo(measured.settle32OfOneProverEach!, -1)
  expect(gasOf({ kind: 'settle', receipts: receipts.slice(0, 1) }, [])).toBe(gas.settleOne)
})
