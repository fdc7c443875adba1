import { cp, rm } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Nonces } from '#node/nonces'
import { openStore } from '#node/store'
import { temporaryFolder } from '#test/support/own-market'

let folder: string
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => rm(folder, { recursive: true }))

const NOON = 1_800_000_000_000
const highest = (nonces: readonly bigint[]): bigint =>
  [...nonces].sort((a, b) => (a < b ? -1 : 1)).at(-1)!
/** Takes nonces as a process that is killed afterwards: nothing but the disk remains. */
async function takeSome(at: string, now: number, count: number): Promise<bigint[]> {
  const store = await openStore(at)
  const nonces = await Nonces.open(store, now)
  const taken = await Promise.all(Array.from({ length: count }, () => nonces.take()))
  await store.close()
  return taken
}

describe('nonces', () => {
  test('taken at once are all different, beyond what one write sets aside', async () => {
    const taken = await takeSome(folder, NOON, 1_000)
    expect(new Set(taken).size).toBe(1_000)
    expect(taken.every((nonce) => nonce < 1n << 64n)).toBe(true)
  })

  test('go on above all that were taken before, though the clock went back', async () => {
    const before = await takeSome(folder, NOON, 300)
    const after = await takeSome(folder, NOON - 86_400_000, 300)
    expect(after.every((nonce) => nonce > highest(before))).toBe(true)
  })

  test('of an old copy of the folder, or of a new folder, were never taken', async () => {
    const copy = `${folder}-copy`
    await takeSome(folder, NOON, 1)
    await cp(folder, copy, { recursive: true })
    const before = await takeSome(folder, NOON + 1_000, 5_000)
    const [fromCopy] = await takeSome(copy, NOON + 2_000, 1)
    await rm(copy, { recursive: true })
    expect(fromCopy).toBeGreaterThan(highest(before))
    const [fromNew] = await takeSome(copy, NOON + 3_000, 1)
    await rm(copy, { recursive: true })
    expect(fromNew).toBeGreaterThan(highest(before))
  })

  test('of one block share a word of the bitmap that keeps who was paid', async () => {
    const taken = await takeSome(folder, NOON, 256)
    expect(new Set(taken.map((nonce) => nonce >> 8n)).size).toBe(1)
  })
})
