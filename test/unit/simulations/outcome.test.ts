import { beforeAll, describe, expect, test } from 'vitest'
import { commandOf, gainOf, pricesOverCost, resultOf } from '#simulations/outcome'
import { stageOf } from '#simulations/run'
import { resolve } from '#simulations/scenario'
import { baseline } from '#simulations/scenarios/baseline'
import { ETHER, type Stage } from '#simulations/stage'

const sizes = { nodes: 60, provers: 8, builders: 2, auctions: 8 }
const values = resolve(baseline, sizes)
let stage: Stage
beforeAll(() => {
  stage = stageOf(baseline, values, 3)
  stage.simulator.runUntil(stage.endsAt)
})

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)

describe('the outcome of a run', () => {
  test('names the command that plays it again, with the settings that were changed', () => {
    const set = '--set nodes=60 --set provers=8 --set builders=2 --set auctions=8'
    expect(commandOf(baseline, values, 3)).toBe(`npm run sim -- baseline --seed 3 ${set}`)
    expect(commandOf(baseline, resolve(baseline, {}), 1)).toBe('npm run sim -- baseline --seed 1')
  })

  test('has gains that add up to what was spent: burnt, proven and paid for gas', () => {
    const { members, chain } = stage
    const gas = sum(members.map(({ actor }) => Number(chain.costsWei(actor.account))))
    const proving = members.map(({ rig }) =>
      rig ? rig.busyMs * Number(rig.traits.policy.costWeiPerMs) : 0,
    )
    expect(gas).toBeGreaterThan(0)
    expect(sum(proving)).toBeGreaterThan(0)
    const spent = (gas + sum(proving) + Number(chain.burntWei)) / Number(ETHER)
    const gained = sum(members.map((member) => gainOf(stage, member)))
    expect(gained).toBeCloseTo(-spent, 6)
  })

  test('has a price for each payment, above what the proof cost', () => {
    const prices = pricesOverCost(stage)
    expect(prices).toHaveLength(8)
    for (const price of prices) expect(price).toBeGreaterThan(1)
  })

  test('has every curve, every region with nodes, and each party once', () => {
    const result = resultOf(baseline, values, 3, stage)
    expect(result.curves.map(({ name }) => name)).toEqual([
      ...['propagation', 'request to award', 'price over cost', 'utilisation'],
      ...['duplicates', 'bytes sent'],
    ])
    for (const { quantiles } of result.curves) expect(quantiles).toHaveLength(101)
    expect(sum(result.regions.map(({ nodes }) => nodes))).toBe(60)
    expect(sum(result.regions.map(({ wins }) => wins))).toBe(8)
    expect(result.gains.map(({ who }) => who)).toEqual(['honest builders', 'honest provers'])
    expect(result.events).toBeGreaterThan(stage.simulator.executed)
  })
})
