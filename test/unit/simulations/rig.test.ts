import { describe, expect, test } from 'vitest'
import { defaultPolicy } from '#prover-agent/strategy'
import { Random } from '#simulations/random'
import { Rig, type RigTraits } from '#simulations/rig'
import { request } from '#test/support/messages'

const traits: RigTraits = {
  ...{ lanes: 2, fastestMs: 1_000, spreadMs: 100 },
  policy: { ...defaultPolicy, costWeiPerMs: 10n ** 9n },
}
const of = (nonce: bigint, work = 1n) => request({ nonce, work }).message

describe('a simulated rig', () => {
  test('is calibrated as its proofs are spread', () => {
    const rig = new Rig({ ...traits, lanes: 20_000 }, new Random(1))
    const took = Array.from({ length: 20_000 }, (_, nonce) => rig.prove(of(BigInt(nonce)), 0))
    const sorted = took.toSorted((a, b) => a - b)
    const { p50Ms, p90Ms, maxMs } = rig.timingOf(1n)
    expect(Math.min(...took)).toBeGreaterThanOrEqual(1_000)
    expect(Math.abs(sorted[10_000]! - p50Ms)).toBeLessThan(5)
    expect(Math.abs(sorted[18_000]! - p90Ms)).toBeLessThan(10)
    const slower = took.filter((ms) => ms > maxMs).length / 20_000
    expect(Math.abs(slower - 0.01)).toBeLessThan(0.003)
  })

  test('takes longer, and asks more, for more work', () => {
    const rig = new Rig(traits, new Random(1))
    expect(rig.timingOf(3n).p50Ms).toBe(3 * rig.timingOf(1n).p50Ms)
    const fixed = defaultPolicy.fixedCostWei
    expect(rig.costWei({ work: 3n }) - fixed).toBe(3n * (rig.costWei({ work: 1n }) - fixed))
  })

  test('proves in the first lane that is free, and waits for one', () => {
    const rig = new Rig(traits, new Random(1))
    const [first, second] = [rig.prove(of(1n), 0), rig.prove(of(2n), 0)]
    const third = rig.prove(of(3n), 0)
    expect(Math.max(first, second)).toBeLessThan(2_000)
    expect(third).toBeGreaterThanOrEqual(Math.min(first, second) + 1_000)
    expect(rig.prove(of(4n), 60_000)).toBeLessThan(2_000)
    expect(rig.busyMs).toBeGreaterThan(4_000)
  })
})
