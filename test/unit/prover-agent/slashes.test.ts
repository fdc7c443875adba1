import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Slashes } from '#prover-agent/slashes'
import { hashOf } from '#simulations/pretence'
import { builder, T0 } from '#test/support/messages'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-slashes-'))
  path = join(folder, 'slashes.json')
})
afterEach(() => rm(folder, { recursive: true }))

const slash = (nonce: number) => ({
  builder,
  nonce: String(nonce),
  transactionHash: hashOf(nonce),
  bondWei: '100',
  at: T0,
})
const never = (error: unknown): never => {
  throw error
}

describe('a slash', () => {
  test('is remembered over restarts until it is reset', async () => {
    const slashes = await Slashes.open(path)
    expect(slashes.open).toEqual([])
    expect(slashes.add(slash(1), never)).toBe(true)
    expect(slashes.open).toHaveLength(1)
    await slashes.idle()
    const restarted = await Slashes.open(path)
    expect(restarted.open).toEqual([{ ...slash(1), isReset: false }])
    expect(await restarted.reset()).toHaveLength(1)
    expect((await Slashes.open(path)).open).toEqual([])
  })

  test('seen again after it was reset changes nothing', async () => {
    const slashes = await Slashes.open(path)
    slashes.add(slash(1), never)
    await slashes.reset()
    const again = { ...slash(1), transactionHash: hashOf('the same on another fork') }
    expect(slashes.add(again, never)).toBe(false)
    expect(slashes.open).toEqual([])
    expect(slashes.add(slash(2), never)).toBe(true)
    expect(slashes.open).toHaveLength(1)
    await slashes.idle()
  })

  test('counts at once, even when it cannot be written', async () => {
    const slashes = await Slashes.open(join(folder, 'file', 'slashes.json'))
    await writeFile(join(folder, 'file'), '')
    const failed = Promise.withResolvers<unknown>()
    slashes.add(slash(1), failed.resolve)
    expect(slashes.open).toHaveLength(1)
    expect(await failed.promise).toBeInstanceOf(Error)
  })

  test.each(['{', 'null', '{}', '[1]', '[{"builder":"0x"}]'])(
    'a record that is damaged (%s) is not taken for an empty one',
    async (text) => {
      await writeFile(path, text)
      await expect(Slashes.open(path)).rejects.toMatchObject({
        code: 'FILE',
        message: expect.stringContaining(path),
      })
    },
  )
})
