import { describe, expect, test } from 'vitest'
import type { Effect } from '#protocol/effects'
import type { Address } from '#protocol/schema'
import type { Actor } from '#simulations/actor'
import { Chain } from '#simulations/chain'
import { Checks } from '#simulations/checks'
import { pretendSigned } from '#simulations/pretence'
import { Settlement } from '#simulations/settlement'
import { Simulator } from '#simulations/simulator'
import { alice, builder, ETHER, receipt, request } from '#test/support/messages'
import { SimMarket } from '#test/support/sim'
import { params } from '#test/support/sim-chain'

/** Makes a wei with every payment. */
class Mint extends Settlement {
  override draw(from: Address, wantedWei: bigint): bigint {
    this.add(from, 'escrowWei', 1n)
    return super.draw(from, wantedWei)
  }
}

function checked(settlement = new Settlement(params)) {
  const simulator = new Simulator()
  const chain = new Chain(simulator, params, { settlement })
  chain.deposit(builder, { escrowWei: ETHER, stakeWei: 2n * ETHER })
  const actors = new Map<Address, Actor>()
  const shared = { simulator, chain, params, actors } as ConstructorParameters<typeof Checks>[0]
  const checks = new Checks(shared)
  return { simulator, chain, checks }
}

describe('checks', () => {
  test('take money that is there as deposited, and count what comes and goes', () => {
    const { simulator, chain, checks } = checked()
    chain.deposit(alice, { bondWei: ETHER })
    chain.fund(alice, 'bond', ETHER)
    chain.exit(alice, 'bond', ETHER / 2n)
    chain.settle(receipt(request(), alice))
    simulator.runUntil(simulator.now + 24_000)
    chain.withdraw(alice, 'bond')
    chain.withdraw(alice, 'credit')
    simulator.runUntil(simulator.now + 4_000_000)
    expect(chain.balance(alice)).toMatchObject({ creditWei: 0n, leavingBondWei: 0n })
    chain.reorg(40)
    simulator.runUntil(simulator.now + 12_000)
    expect(checks.violations).toEqual([])
  })

  test('keep the first twenty violations and count the rest', () => {
    const { simulator, chain, checks } = checked(new Mint(params))
    for (let nonce = 0n; nonce < 25n; nonce++) {
      chain.settle(receipt(request({ nonce }), alice))
      simulator.runUntil(simulator.now + 12_000)
    }
    expect([checks.violations.length, checks.count]).toEqual([20, 25])
    expect(checks.violations[19]).toMatchObject({ invariant: 'I1', atMs: 240_000 })
    const [first, second] = checks.violations
    expect(second!.event).toBeGreaterThan(first!.event)
  })

  test('count again only after an event that touched money', () => {
    const { simulator, chain, checks } = checked()
    let counts = 0
    const { balances } = chain.settlement
    Object.defineProperty(chain.settlement, 'balances', {
      get: () => {
        counts += 1
        return balances
      },
    })
    for (let event = 0; event < 1_000; event++) simulator.after(event, () => undefined)
    chain.settle(receipt(request(), alice))
    simulator.runUntil(simulator.now + 120_000)
    expect(simulator.executed).toBeGreaterThan(1_000)
    expect([counts, checks.count]).toEqual([1, 0])
  })

  test('hear an honest node say two things in one place, and let an adversary', () => {
    const market = new SimMarket()
    const said = (nonce: bigint, reserveWei: bigint) =>
      market.checks.said(
        market.builder.account,
        pretendSigned('ProofRequest', market.terms({ nonce, reserveWei }), market.builder.signer),
      )
    said(1n, 1n)
    said(1n, 1n)
    said(2n, 1n)
    expect(market.checks.count).toBe(0)
    said(1n, 2n)
    expect(market.checks.violations).toMatchObject([{ invariant: 'I8' }])
    expect(market.checks.violations[0]!.what).toContain(`ProofRequest/${market.builder.account}/1`)
    market.checks.excuse(market.builder.account)
    said(2n, 3n)
    expect(market.checks.count).toBe(1)
  })

  test('give a node that was down at the end of a job the time to end it', () => {
    let isDeaf = false
    const deviates = ({ kind }: Effect): boolean => isDeaf && kind === 'wake'
    const market = new SimMarket({ provers: { alice: { provingMs: null, deviates } } })
    market.ask()
    market.run(5_000)
    const { alice: prover } = market.provers
    prover!.crash()
    market.run(1_600_000)
    prover!.restart()
    market.run(10_000)
    expect(market.checks.violations).toEqual([])
    // The next time it comes back, it does not look at its clock any more.
    market.ask({ nonce: 5n })
    market.run(5_000)
    prover!.crash()
    market.run(1_600_000)
    isDeaf = true
    prover!.restart()
    market.run(4_000)
    expect(market.checks.count).toBe(0)
    // Looked at with the next event, which is a block.
    market.run(12_000)
    expect(market.checks.violations).toMatchObject([{ invariant: 'I7' }])
  })
})
