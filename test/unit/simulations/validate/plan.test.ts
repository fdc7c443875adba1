import { describe, expect, test } from 'vitest'
import {
  makePlan,
  mostStretch,
  neighbours,
  type Plan,
  runMs,
  thinkMs,
} from '#simulations/validate/plan'

const options = { seed: 7, nodes: 32, rounds: 5, stretch: null }

/** Nodes that can be reached from the first. */
function reached(plan: Plan): number {
  const beside = neighbours(plan)
  const found = new Set([0])
  for (const node of found) for (const other of beside[node]!) found.add(other)
  return found.size
}

describe('plan of a validation', () => {
  test('follows from its seed', () => {
    expect(makePlan(options)).toEqual(makePlan(options))
    expect(makePlan({ ...options, seed: 8 })).not.toEqual(makePlan(options))
  })

  test.each([8, 32, 64])('connects all of %i nodes, no two of them twice', (nodes) => {
    const plan = makePlan({ ...options, nodes })
    expect(reached(plan)).toBe(nodes)
    const pairs = plan.dials.map(([a, b]) => `${Math.min(a, b)} ${Math.max(a, b)}`)
    expect(new Set(pairs).size).toBe(pairs.length)
    expect(plan.dials.every(([a, b]) => a !== b)).toBe(true)
  })

  test('gives a node enough peers for a mesh of twelve', () => {
    for (const peers of neighbours(makePlan(options))) expect(peers.size).toBeGreaterThanOrEqual(10)
  })

  test('has four others bid in each round', () => {
    for (const { builder, bidders } of makePlan(options).rounds) {
      expect(new Set([builder, ...bidders]).size).toBe(5)
      expect(bidders).toHaveLength(4)
    }
  })

  test('has the first bid at once, the others one after the other', () => {
    const plan = makePlan({ ...options, stretch: 2 })
    const { builder, bidders } = plan.rounds[1]!
    expect(bidders.map((node) => thinkMs(plan, 1, node))).toEqual([0, 300, 600, 900])
    expect(thinkMs(plan, 1, builder)).toBeNull()
    expect(thinkMs(plan, 99, builder)).toBeNull()
  })

  test('stretches no further than its longest connection stands', () => {
    const plan = makePlan(options)
    expect(plan.stretch).toBeLessThanOrEqual(mostStretch(plan))
    expect(() => makePlan({ ...options, stretch: mostStretch(plan) + 1 })).toThrow(
      `this plan takes ${mostStretch(plan)}`,
    )
    expect(makePlan({ ...options, stretch: 2 }).stretch).toBe(2)
  })

  test('takes as long as its rounds, and as joining before them', () => {
    const [five, six] = [makePlan(options), makePlan({ ...options, rounds: 6 })]
    expect(runMs(six) - runMs(five)).toBe(1_650 * six.stretch + 3_000)
    expect(runMs({ ...five, joinMs: 0, warmUpMs: 0, rounds: [] })).toBe(0)
  })
})
