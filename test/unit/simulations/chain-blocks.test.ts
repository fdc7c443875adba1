import { describe, expect, test } from 'vitest'
import { gas } from '#simulations/calls'
import { mainnetChain } from '#simulations/chain'
import { Random } from '#simulations/random'
import { alice, bob, builder, carol, ETHER, MILLI, receipt, stranger } from '#test/support/messages'
import { bidOf, ChainStage, obligationOf, of, params, START_S } from '#test/support/sim-chain'

const GWEI = 10n ** 9n
/** All that the contracts hold, as text. */
const moneyOf = ({ chain }: ChainStage): string =>
  JSON.stringify([...chain.settlement.balances, chain.burntWei], (_, value) =>
    typeof value === 'bigint' ? `${value}` : value,
  )

describe('blocks', () => {
  test('come every slot, and a transaction goes into the one after it was sent', () => {
    const stage = new ChainStage()
    stage.runSlots(1)
    stage.chain.settle(receipt(of, alice))
    expect(stage.chain.blocks.pool).toHaveLength(1)
    stage.runTo(START_S + 2 * params.slotS - 0.001)
    expect(stage.paid()).toEqual([])
    stage.runSlots(2)
    expect(stage.paid()).toHaveLength(1)
    expect(stage.chain.blocks.head).toMatchObject({ number: 2, atS: START_S + 24 })
    expect(stage.chain.blocks.at(1)).toMatchObject({ number: 1, done: [] })
    expect(stage.chain.blocks.at(3)).toBeNull()
  })

  test('take a transaction with the probability that was asked for', () => {
    const stage = new ChainStage({ inclusion: 0.5, random: new Random(5) })
    for (let nonce = 0n; nonce < 400n; nonce++)
      stage.chain.send({ kind: 'deposit', account: builder, purse: 'escrow', wei: nonce }, stranger)
    const left = [1, 2, 3].map((slot) => {
      stage.simulator.runUntil((START_S + slot * params.slotS) * 1_000)
      return stage.chain.blocks.pool.length
    })
    expect(left[0]).toBeGreaterThan(160)
    expect(left[0]).toBeLessThan(240)
    expect(left[1]).toBeLessThan(140)
    expect(left[2]).toBeLessThan(80)
  })

  test('are missing in slots that are missed', () => {
    const stage = new ChainStage()
    stage.chain.settle(receipt(of, alice))
    stage.chain.blocks.miss(2)
    stage.runSlots(2)
    expect([stage.paid(), stage.chain.blocks.head.number]).toEqual([[], 0])
    stage.runSlots(3)
    expect(stage.paid()).toHaveLength(1)
    expect(stage.chain.blocks.head).toMatchObject({ number: 1, atS: START_S + 36 })
    const often = new ChainStage({ missedShare: 0.25, random: new Random(1) })
    often.runSlots(1_000)
    expect(often.chain.blocks.head.number).toBeGreaterThan(700)
    expect(often.chain.blocks.head.number).toBeLessThan(800)
  })

  test('leave out what their proposer censors', () => {
    const censors = (_: unknown, atS: number): boolean => atS < START_S + 30
    const stage = new ChainStage({ censors })
    stage.chain.settle(receipt(of, alice))
    stage.runSlots(2)
    expect(stage.paid()).toEqual([])
    stage.runSlots(3)
    expect(stage.paid()).toHaveLength(1)
  })

  test('give the same with the same seed, on mainnet’s settings', () => {
    const run = (seed: number) => {
      const stage = new ChainStage({ ...mainnetChain, inclusion: 0.4, random: new Random(seed) })
      stage.chain.settle(receipt(of, alice))
      stage.chain.commit(of.id, bob)
      stage.runSlots(40)
      return stage.simulator.digest
    }
    expect(run(1)).toBe(run(1))
    expect(new Set([1, 2, 3, 4, 5].map(run)).size).toBeGreaterThan(1)
  })
})

describe('gas', () => {
  test('is paid from outside by who sends, at the base fee of the block', () => {
    const baseFees = [
      { fromS: 0, gwei: 2 },
      { fromS: 20, gwei: 3.5 },
    ]
    const stage = new ChainStage({ baseFees })
    stage.chain.settle(receipt(of, alice))
    stage.runSlots(1)
    expect(stage.chain.costsWei(alice)).toBe(2n * GWEI * gas.settleOne)
    stage.chain.commit(of.id, bob)
    stage.runSlots(2)
    expect(stage.chain.costsWei(bob)).toBe((7n * GWEI * gas.commitProof) / 2n)
    expect(stage.chain.costsWei(builder)).toBe(0n)
  })

  test('of a claim comes back from the builder, up to the cap it agreed to', () => {
    for (const [gwei, refundGwei] of [
      [0.5, 0.5],
      [20, 1],
    ] as const) {
      const stage = new ChainStage({ baseFees: [{ fromS: 0, gwei }] })
      stage.chain.commit(of.id, alice)
      stage.chain.claim(obligationOf(alice), bidOf(alice))
      stage.runSlots(3)
      const refundWei = params.claimGas * BigInt(refundGwei * 1e9)
      expect(stage.credit(alice)).toBe(MILLI + refundWei)
      // What is heard is the pay alone.
      expect(stage.paid()).toMatchObject([{ payWei: MILLI }])
      expect(stage.chain.costsWei(alice)).toBe(BigInt(gwei * 1e9) * gas.commitAndClaimOfTable)
    }
  })

  test('that rises twenty times holds up what was sent before, for two slots', () => {
    const baseFees = [
      { fromS: 0, gwei: 1 },
      { fromS: 10, gwei: 20 },
    ]
    const stage = new ChainStage({ baseFees })
    stage.chain.settle(receipt(of, alice))
    stage.runSlots(2)
    expect(stage.paid()).toEqual([])
    // Its sender has offered more meanwhile.
    stage.runSlots(3)
    expect(stage.paid()).toHaveLength(1)
    const late = new ChainStage({ baseFees })
    late.runTo(START_S + 11)
    late.chain.settle(receipt(of, alice))
    late.runSlots(1)
    expect(late.paid()).toHaveLength(1)
  })

  test('above what anybody pays keeps all out until it falls', () => {
    const baseFees = [
      { fromS: 0, gwei: 400 },
      { fromS: 60, gwei: 100 },
    ]
    const stage = new ChainStage({ baseFees })
    stage.chain.settle(receipt(of, alice))
    stage.runSlots(4)
    expect(stage.paid()).toEqual([])
    stage.runSlots(6)
    expect(stage.paid()).toHaveLength(1)
  })
})

describe('confirmations', () => {
  test('a block is heard of once it is so deep', () => {
    const stage = new ChainStage({ confirmations: 3 })
    stage.chain.settle(receipt(of, alice))
    stage.runSlots(2)
    expect([stage.credit(alice), stage.events]).toEqual([MILLI, []])
    stage.runSlots(3)
    expect(stage.events.map(({ kind }) => kind)).toEqual(['paid', 'account'])
    expect(stage.follow()).toContainEqual(expect.objectContaining({ escrowWei: ETHER - MILLI }))
  })

  test('none, or one, is the newest block itself', () => {
    for (const confirmations of [0, 1]) {
      const stage = new ChainStage({ confirmations })
      stage.chain.settle(receipt(of, alice))
      stage.runSlots(1)
      expect(stage.paid()).toHaveLength(1)
    }
  })

  test('a claim waits for its commitment to be so deep', () => {
    const stage = new ChainStage({ confirmations: 3 })
    stage.chain.commit(of.id, alice)
    stage.chain.claim(obligationOf(alice), bidOf(alice))
    stage.runSlots(2)
    expect(stage.chain.blocks.pool).toEqual([])
    stage.runSlots(3)
    expect(stage.chain.blocks.pool).toHaveLength(1)
    stage.runSlots(4)
    expect(stage.credit(alice)).toBe(MILLI)
  })
})

describe('a reorg', () => {
  /** Blocks that do something of everything. */
  function busy(stage: ChainStage): void {
    stage.chain.settle(receipt(of, alice))
    stage.chain.commit(of.id, bob)
    stage.chain.claim(obligationOf(bob), bidOf(bob))
    stage.chain.exit(carol, 'bond', ETHER / 4n)
    stage.chain.exit(builder, 'stake', ETHER)
  }

  test.each([1, 2, 3])('of %i blocks undoes their effects exactly', (depth) => {
    const stage = new ChainStage({ baseFees: [{ fromS: 0, gwei: 1 }], confirmations: 2 })
    const money = [moneyOf(stage)]
    busy(stage)
    for (let slot = 1; slot <= 3; slot++) {
      stage.runSlots(slot)
      money.push(moneyOf(stage))
    }
    expect(new Set(money).size).toBeGreaterThan(2)
    const costs = stage.chain.costsWei(alice)
    stage.chain.reorg(depth)
    expect(moneyOf(stage)).toBe(money[3 - depth])
    expect(stage.chain.costsWei(alice)).toBe(depth === 3 ? 0n : costs)
    expect(stage.chain.settlement.isResolved(`${builder}/${alice}/1`)).toBe(depth < 3)
    // Empty blocks stand in their places, and all comes again.
    expect(stage.chain.blocks.head.number).toBe(3)
    stage.runSlots(8)
    // Committed again three slots later, the proof counts as late: it earns nothing, and is safe.
    const claimedWei = depth === 3 ? 0n : 2n * MILLI + params.claimGas * GWEI
    expect([stage.credit(alice), stage.credit(bob)]).toEqual([MILLI, claimedWei])
    expect(stage.chain.blocks.pool).toEqual([])
  })

  test('leaves money that came in no block where it is', () => {
    const stage = new ChainStage()
    stage.chain.settle(receipt(of, alice))
    stage.runSlots(1)
    stage.chain.deposit(builder, { escrowWei: 5n })
    stage.chain.reorg(1)
    expect(stage.chain.balance(builder).escrowWei).toBe(ETHER + 5n)
  })

  test('loses transactions, which their senders send again when they are up', () => {
    const stage = new ChainStage()
    stage.chain.settle(receipt(of, alice))
    stage.runSlots(1)
    stage.isUp = false
    stage.chain.reorg(1, 1)
    stage.runSlots(4)
    expect(stage.credit(alice)).toBe(0n)
    stage.isUp = true
    // The next block is seen not to have it, and the one after that has it.
    stage.runSlots(6)
    expect(stage.credit(alice)).toBe(MILLI)
  })

  test('loses for good what its sender does not send again', () => {
    const stage = new ChainStage()
    stage.chain.send({ kind: 'settle', receipts: [receipt(of, alice)] }, builder, false)
    stage.runSlots(1)
    expect(stage.credit(alice)).toBe(MILLI)
    stage.chain.reorg(1, 1)
    stage.runSlots(9)
    expect([stage.credit(alice), stage.chain.blocks.pool]).toEqual([0n, []])
  })

  test('of what was not deep enough is nobody’s news', () => {
    const stage = new ChainStage({ confirmations: 2 })
    stage.chain.send({ kind: 'settle', receipts: [receipt(of, alice)] }, builder, false)
    stage.runSlots(1)
    stage.chain.reorg(1, 1)
    stage.runSlots(9)
    expect([stage.events, stage.chain.undoneCount]).toEqual([[], 0])
  })

  test('of what was deep enough tells how accounts stand now, and is counted', () => {
    const stage = new ChainStage({ confirmations: 1 })
    stage.chain.send({ kind: 'settle', receipts: [receipt(of, alice)] }, builder, false)
    stage.runSlots(1)
    stage.chain.reorg(1, 1)
    expect(stage.chain.undoneCount).toBe(1)
    // That it was paid, nobody takes back.
    expect(stage.events).toMatchObject([
      { kind: 'paid' },
      { kind: 'account', escrowWei: ETHER - MILLI },
      { kind: 'account', escrowWei: ETHER },
    ])
  })

  test('can be too late for a commitment', () => {
    const stage = new ChainStage()
    stage.runTo(START_S + 36)
    stage.chain.commit(of.id, alice)
    stage.chain.claim(obligationOf(alice), bidOf(alice))
    stage.runSlots(4)
    expect(stage.chain.settlement.commitmentOf(of.id, alice)).not.toBeNull()
    stage.chain.reorg(1)
    stage.runSlots(9)
    // Its window ends 36 s after the due second, which is 13 s after the start.
    const { minedAtS } = stage.chain.settlement.commitmentOf(of.id, alice)!
    expect([minedAtS, stage.credit(alice)]).toEqual([START_S + 60, 0n])
  })
})
