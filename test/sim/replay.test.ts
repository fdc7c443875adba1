import { describe, expect, test } from 'vitest'
import type { Actor } from '#simulations/actor'
import { Random } from '#simulations/random'
import { ETHER, eventsOf, type ProverTraits, SimMarket } from '#test/support/sim'

/** Provers of every sort: quick, slow, late, declining, silent. */
function someProvers(random: Random): Record<string, ProverTraits> {
  const provers: Record<string, ProverTraits> = {}
  for (let index = 0; index < 12; index++) {
    const provingMs = random.chance(0.1) ? null : Math.floor(random.between(500, 9_000))
    provers[`prover ${index}`] = {
      priceWei: BigInt(Math.floor(random.between(1, 100))) * (ETHER / 10_000n),
      promiseMs: Math.floor(random.between(1_000, 9_000)),
      provingMs,
      accepts: !random.chance(0.1),
    }
  }
  return provers
}

/** Forty jobs over bad links among nodes that crash now and then. */
function soak(seed: number): SimMarket {
  const random = new Random(seed)
  const links = { delayMs: 10, jitterMs: 200, loss: 0.02, duplication: 0.05 }
  const market = new SimMarket({ seed, links, provers: someProvers(random), bondWei: ETHER / 2n })
  const actors = [...market.world.actors.values()]
  for (let job = 0; job < 40; job++) {
    if (random.chance(0.2)) bounce(random.pick(actors), Math.floor(random.between(1, 3_000)))
    if (market.builder.isUp) market.ask({ backups: random.index(4) })
    market.run(Math.floor(random.between(100, 2_000)))
  }
  market.runOut()
  return market
}

function bounce(actor: Actor, downMs: number): void {
  if (!actor.isUp) return
  actor.crash()
  actor.world.simulator.after(downMs, () => actor.restart())
}

describe('a market over bad links, with crashes', () => {
  test('gives the same log for the same seed, and another for another', () => {
    const digestOf = (seed: number) => soak(seed).world.simulator.digest
    expect(digestOf(7)).toBe(digestOf(7))
    expect(digestOf(7)).not.toBe(digestOf(8))
  })

  test.each([1, 2, 3, 4, 5, 6])(
    'conserves wei, ends every job, and pays or slashes a start once, seed %i',
    (seed) => {
      const market = soak(seed)
      const { chain } = market.world
      expect(chain.totalWei).toBe(ETHER + 2n * ETHER + (12n * ETHER) / 2n)
      expect(eventsOf(market.observer, 'ended').length).toBeGreaterThan(5)
      for (const actor of market.world.actors.values()) {
        expect(actor.market.book.size).toBe(0)
        expect(actor.market.heldCount).toBe(0)
        expect(actor.market.accounts.sizes).toMatchObject({ bonds: 0, cover: 0 })
        expect(actor.disk.records.size).toBe(0)
      }
      const ends = [
        ...eventsOf(market.observer, 'paid'),
        ...eventsOf(market.observer, 'slashed'),
      ].map(({ requestId, prover }) => `${requestId}/${prover}`)
      expect(new Set(ends).size).toBe(ends.length)
      expect(ends.length).toBeGreaterThan(5)
    },
  )
})
