import { describe, expect, test } from 'vitest'
import { Random } from '#simulations/random'
import {
  delayMs,
  drawRegion,
  jitterMs,
  oneWayMs,
  type Place,
  regionNames,
} from '#simulations/regions'

const cloud = (region: number): Place => ({ region, nodeClass: 'cloud' })
const named = (name: string): Place => cloud(regionNames.indexOf(name))

describe('regions', () => {
  test('are drawn by where nodes of such networks stand', () => {
    const random = new Random(1)
    const counts = new Map<string, number>()
    for (let count = 0; count < 20_000; count++) {
      const part = regionNames[drawRegion(random)]!.slice(0, 2)
      counts.set(part, (counts.get(part) ?? 0) + 1)
    }
    const share = (part: string): number => (100 * (counts.get(part) ?? 0)) / 20_000
    expect(Math.abs(share('eu') - 49.4)).toBeLessThan(1.5)
    expect(share('us') + share('ca')).toBeGreaterThan(34)
    expect(share('sa')).toBeGreaterThan(0)
  })

  test('are half of a round trip apart, more with lines at home', () => {
    const [ireland, virginia] = [named('eu-west-1'), named('us-east-1')]
    const apart = oneWayMs(ireland, virginia)
    expect(apart).toBeGreaterThan(30)
    expect(apart).toBeLessThan(45)
    expect(oneWayMs({ ...ireland, nodeClass: 'home' }, virginia)).toBe(apart + 20)
    expect(oneWayMs(ireland, { ...virginia, nodeClass: 'laggy' })).toBe(apart + 300)
  })

  test('know every pair', () => {
    for (const from of regionNames.keys())
      for (const to of regionNames.keys()) {
        expect(oneWayMs(cloud(from), cloud(to))).toBeGreaterThan(0)
        expect(jitterMs(cloud(from), cloud(to))).toBeGreaterThanOrEqual(0)
      }
  })
})

test('one way in ten takes longer than its jitter says', () => {
  const random = new Random(3)
  const delays = Array.from({ length: 20_000 }, () => delayMs(50, 10, random))
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(50)
  const longer = delays.filter((delay) => delay > 60).length
  expect(Math.abs(longer / 20_000 - 0.1)).toBeLessThan(0.01)
})
