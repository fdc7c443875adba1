import { describe, expect, test } from 'vitest'
import type { Gossiped } from '#protocol/effects'
import { FlatNetwork, type Links } from '#simulations/network'
import { Random } from '#simulations/random'
import { Simulator, START_AT } from '#simulations/simulator'
import { addressOf, request } from '#test/support/messages'

/** How often, and when, two listeners heard a thousand messages. */
function hearing(links: Partial<Links>) {
  const simulator = new Simulator()
  const all = { delayMs: 10, jitterMs: 0, loss: 0, duplication: 0, ...links }
  const network = new FlatNetwork(simulator, new Random(1), all)
  const heard: number[] = []
  const echo: Gossiped[] = []
  network.join(addressOf('a'), (from) => {
    echo.push(from)
    return 'accept'
  })
  for (const name of ['b', 'c'])
    network.join(addressOf(name), () => {
      heard.push(simulator.now - START_AT)
      return 'accept'
    })
  for (let count = 0; count < 1_000; count++) network.publish(addressOf('a'), request())
  simulator.runUntil(START_AT + 1_000)
  return { heard, echo }
}

describe('the network', () => {
  test('carries to everybody but the publisher, after the delay', () => {
    const { heard, echo } = hearing({})
    expect([heard.length, echo.length, new Set(heard)]).toEqual([2_000, 0, new Set([10])])
  })

  test('spreads by the jitter', () => {
    const { heard } = hearing({ jitterMs: 20 })
    expect([Math.min(...heard), Math.max(...heard)]).toEqual([10, 30])
  })

  test('loses and doubles the share it should', () => {
    expect(Math.abs(hearing({ loss: 0.1 }).heard.length - 1_800)).toBeLessThan(60)
    expect(Math.abs(hearing({ duplication: 0.1 }).heard.length - 2_200)).toBeLessThan(60)
    expect(hearing({ loss: 1 }).heard).toEqual([])
  })

  test('never loses what a stream carries', () => {
    const simulator = new Simulator()
    const links = { delayMs: 5, jitterMs: 0, loss: 1, duplication: 0 }
    let arrived = 0
    const network = new FlatNetwork(simulator, new Random(1), links)
    const isSent = network.carry(addressOf('a'), addressOf('b'), 100, () => arrived++)
    expect(isSent).toBe(true)
    simulator.runUntil(START_AT + 4)
    expect(arrived).toBe(0)
    simulator.runUntil(START_AT + 5)
    expect(arrived).toBe(1)
  })
})
