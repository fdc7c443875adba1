/** Honest nodes on a chain and a network at their worst: no invariant breaks. */
import { describe, expect, test } from 'vitest'
import type { Effect } from '#protocol/effects'
import { slashableAtS } from '#protocol/job'
import { defaultParams as params } from '#protocol/params'
import { mainnetChain } from '#simulations/chain'
import { Random } from '#simulations/random'
import {
  addressOf,
  bond,
  credit,
  ETHER,
  eventsOf,
  MILLI,
  type ProverTraits,
  SimMarket,
} from '#test/support/sim'

/** Past every window of a job asked now. ms. */
const OUT_MS = 12_400 + 6 * params.claimWindowS * 1_000
const isReceipt = (effect: Effect): boolean =>
  effect.kind === 'publish' && effect.draft.kind === 'Receipt'

/** Provers of every sort, and silent ones. */
function someProvers(random: Random): Record<string, ProverTraits> {
  const provers: Record<string, ProverTraits> = {}
  for (let index = 0; index < 8; index++)
    provers[`prover ${index}`] = {
      priceWei: BigInt(1 + random.index(9)) * MILLI,
      promiseMs: 1_000 + random.index(8_000),
      provingMs: random.chance(0.15) ? null : 500 + random.index(9_000),
      accepts: !random.chance(0.1),
    }
  return provers
}

/** Twenty jobs on mainnet's chain, among nodes that crash, with reorgs and missed slots. */
function badDay(seed: number): SimMarket {
  const random = new Random(seed)
  const links = { delayMs: 10, jitterMs: 200, loss: 0.02, duplication: 0.05 }
  const baseFees = [
    { fromS: 0, gwei: 1 },
    { fromS: 20, gwei: 20 },
    { fromS: 400, gwei: 2 },
  ]
  const chain = {
    ...mainnetChain,
    baseFees,
    inclusion: 0.7,
    missedShare: 0.1,
    random: random.fork(),
  }
  const withheld = random.fork()
  const market = new SimMarket({
    ...{ seed, links, chain, provers: someProvers(random), bondWei: ETHER / 2n },
    builder: { deviates: (effect) => isReceipt(effect) && withheld.chance(0.3) },
  })
  const { simulator, chain: mined } = market.world
  for (let job = 0; job < 20; job++) {
    // An observer stores nothing, so a crash makes it forget what it saw: it stays up.
    const actor = random.pick([market.builder, ...Object.values(market.provers)])
    if (actor.isUp && random.chance(0.3)) {
      actor.crash()
      simulator.after(1 + random.index(3_000), () => actor.restart())
    }
    if (random.chance(0.2)) mined.reorg(1 + random.index(2), 0.5)
    if (random.chance(0.1)) mined.blocks.miss(1)
    if (market.builder.isUp) market.ask({ backups: random.index(4) })
    market.run(500 + random.index(8_000))
  }
  market.run(OUT_MS)
  return market
}

describe('honest nodes on a bad day', () => {
  test.each([1, 2, 3, 4, 5])('break nothing, seed %i', (seed) => {
    const market = badDay(seed)
    expect(market.checks.violations).toEqual([])
    expect(eventsOf(market.observer, 'paid').length).toBeGreaterThan(3)
    expect(market.world.chain.blocks.pool).toEqual([])
  })

  test('make the same log from the same seed', () => {
    const digestOf = (seed: number) => badDay(seed).world.simulator.digest
    expect(digestOf(3)).toBe(digestOf(3))
    expect(digestOf(3)).not.toBe(digestOf(4))
  })
})

describe('a payment that a reorg takes back', () => {
  /**
   * The builder keeps its receipt to itself but settles it; the block with that is replaced, the
   * receipt is not sent again, and when the time comes the builder slashes.
   */
  function run(confirmations: number): SimMarket {
    const market = new SimMarket({
      chain: { confirmations },
      // Ready a second before the block: earlier, and it would be committed before it is paid.
      provers: { alice: { promiseMs: 11_000, provingMs: 10_500 } },
      builder: {
        deviates: (effect, actor) => {
          if (effect.kind !== 'publish' || effect.draft.kind !== 'Receipt') return false
          const receipt = actor.signOnce('Receipt', 'kept', effect.draft.message)
          actor.world.chain.send({ kind: 'settle', receipts: [receipt] }, actor.account, false)
          return true
        },
      },
    })
    const softDueAt = market.now + 30_000
    const id = market.ask({ softDueAt, dueAt: softDueAt + 10_000 })
    market.run(13_000)
    expect(credit(market, 'alice')).toBe(MILLI)
    const job = market.builder.market.job(id)!
    const { start } = job.obligations.get(addressOf('alice'))!
    const of = { request: job.request.message, award: job.award!, start }
    market.world.chain.slash(of, slashableAtS(of.request.dueAt, params), () => false)
    market.world.chain.reorg(1, 1)
    expect(credit(market, 'alice')).toBe(0n)
    market.run(OUT_MS)
    expect(market.checks.violations).toEqual([])
    return market
  }

  test('costs its prover nothing when it waits for two blocks: it claims', () => {
    const market = run(2)
    expect([credit(market, 'alice'), bond(market, 'alice')]).toEqual([MILLI, ETHER])
  })

  test('costs it pay and bond when it believes the first: it has put its proof aside', () => {
    const market = run(1)
    expect([credit(market, 'alice'), bond(market, 'alice')]).toEqual([0n, ETHER - ETHER / 10n])
  })
})
