import { describe, expect, test } from 'vitest'
import { defaultLinkOptions, Links } from '#simulations/links'
import { Random } from '#simulations/random'
import { jitterMs, type NodeClass, oneWayMs, type Place, regionNames } from '#simulations/regions'
import { graphOf } from '#simulations/topology'

const place = (name: string, nodeClass: NodeClass = 'cloud'): Place => ({
  region: regionNames.indexOf(name),
  nodeClass,
})
const [here, there] = [place('eu-west-1'), place('us-east-1')]
const pair = (places: readonly [Place, Place] = [here, there], options = {}) =>
  new Links(graphOf(2, [[0, 1]]), places, new Random(1), { ...defaultLinkOptions, ...options })

describe('a link', () => {
  test('takes half of the round trip, and jitter beyond it', () => {
    const links = pair()
    const ways = Array.from({ length: 2_000 }, (_, index) => {
      // Jitter is drawn anew after a second.
      const at = index * 2_000
      return links.send(0, 100, at) - at
    }).sort((a, b) => a - b)
    const least = oneWayMs(here, there)
    expect(ways[0]).toBeGreaterThanOrEqual(least)
    expect(ways[0]! - least).toBeLessThan(0.2)
    const p90 = ways[1_800]! - least
    expect(Math.abs(p90 / jitterMs(here, there) - 1)).toBeLessThan(0.1)
  })

  test('lets nothing overtake', () => {
    const links = pair([here, there], { loss: 0.3 })
    let last = 0
    for (let at = 0; at < 20_000; at += 7) {
      const arrival = links.send(0, 300, at)
      expect(arrival).toBeGreaterThanOrEqual(last)
      last = arrival
    }
  })

  test('sends one byte after the other: a home line takes its time', () => {
    const [home, cloud] = [pair([place('eu-west-1', 'home'), there]), pair()]
    const second = (links: Links): number => {
      const first = links.send(0, 1_000_000, 0)
      return links.send(0, 1_000_000, 0) - first
    }
    expect(Math.abs(second(home) - 160)).toBeLessThan(1)
    expect(Math.abs(second(cloud) - 8)).toBeLessThan(1)
    expect(home.sentBytes[0]).toBeGreaterThan(2_000_000)
  })

  test('that loses a packet delivers it a retransmission later', () => {
    const late = pair([here, there], { loss: 1 }).send(0, 100, 0)
    const plain = pair().send(0, 100, 0)
    expect(late - plain).toBeGreaterThanOrEqual(190)
    expect(late - plain).toBeLessThan(300)
  })

  test('is open while both ends are up and on one side', () => {
    const links = pair()
    expect(links.isOpen(0)).toBe(true)
    expect(links.sendDirectly(0, 1, 100, 0)).toBeGreaterThan(30)
    links.side[1] = 1
    expect([links.isOpen(0), links.sendDirectly(0, 1, 100, 0)]).toEqual([false, null])
    links.side[1] = 0
    links.isUp[1] = 0
    expect([links.isOpen(0), links.sendDirectly(0, 1, 100, 0)]).toEqual([false, null])
  })

  test('is as many times as long as it is stretched', () => {
    const [plain, stretched] = [pair(), pair([here, there], { stretch: 10 })]
    expect(stretched.oneWay(0)).toBeCloseTo(10 * plain.oneWay(0), 6)
  })
})
