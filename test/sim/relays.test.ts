import { describe, expect, test } from 'vitest'
import { resolve, type Scenario } from '#simulations/scenario'
import { baseline } from '#simulations/scenarios/baseline'
import { Stage } from '#simulations/stage'

/** A market of 60 nodes whose relays share one market, or each have one of their own. */
function play(isShared: boolean, set: Record<string, number> = {}) {
  const scenario: Scenario = {
    ...baseline,
    play: (stage) => {
      stage.cast()
      const { nodes, provers, builders, observers } = stage.values as Record<string, number>
      const relays = nodes! - provers! - builders! - observers!
      if (!isShared)
        for (let index = 0; index < relays; index++) stage.addObserver(`relay ${index}`)
      stage.askInTurn()
    },
  }
  const sizes = { nodes: 60, provers: 12, builders: 2, observers: 0, auctions: 12, ...set }
  const stage = new Stage(scenario, resolve(scenario, sizes), 4)
  stage.network.settleMeshes()
  scenario.play(stage)
  stage.simulator.runUntil(stage.endsAt)
  return stage
}

describe('relays that share one market', () => {
  test('pass on and refuse what relays with a market each do', () => {
    const [shared, each] = [play(true), play(false)]
    expect(shared.tally.outcomeShare('settled')).toBe(1)
    expect(each.tally.outcomeShare('settled')).toBe(1)
    expect(shared.tally.countedShare()).toBe(each.tally.countedShare())
    const [a, b] = [shared.traffic, each.traffic]
    const firsts = ({ traffic }: Stage): number => traffic.firsts.reduce((x, y) => x + y, 0)
    expect(Math.abs(firsts(shared) / firsts(each) - 1)).toBeLessThan(0.02)
    for (const share of [0.5, 0.95])
      expect(
        Math.abs(a.propagation.quantile(share) / b.propagation.quantile(share) - 1),
      ).toBeLessThan(0.02)
    expect(Math.abs(a.duplicatesPerDelivery / b.duplicatesPerDelivery - 1)).toBeLessThan(0.02)
  })

  test('pass on what names a message that went round long ago', () => {
    // Proofs take longer than the network keeps a message in mind.
    const sizes = { nodes: 60, provers: 4, builders: 1, observers: 0, auctions: 4, everyMs: 20_000 }
    const values = resolve(baseline, { ...sizes, provingMs: 10_000, dueMs: 60_000 })
    const stage = new Stage(baseline, values, 4)
    stage.network.settleMeshes()
    stage.cast()
    const kinds = new Map<string, number>()
    stage.addObserver('observer 1', {
      hears: ({ kind }) => {
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      },
    })
    stage.askInTurn()
    stage.simulator.runUntil(stage.endsAt)
    expect(stage.tally.outcomeShare('settled')).toBe(1)
    expect([kinds.get('started'), kinds.get('noticed'), kinds.get('received')]).toEqual([4, 4, 4])
  })

  test('refuse late bids by their own clocks, as those do', () => {
    const set = { bidWindowMs: 100, skewMs: 30 }
    const [shared, each] = [play(true, set), play(false, set)]
    const late = ({ traffic }: Stage): number => traffic.refused.get('BID_LATE') ?? 0
    expect(late(shared)).toBeGreaterThan(300)
    expect(Math.abs(late(shared) / late(each) - 1)).toBeLessThan(0.05)
    expect(Math.abs(shared.tally.countedShare() - each.tally.countedShare())).toBeLessThan(0.02)
  })
})
