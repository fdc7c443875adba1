import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { StateError, StateFolder } from '#node/builder/state-folder'
import type { Hex } from '#protocol/schema'

const registry: Hex = `0x${'ab'.repeat(20)}`
const rootOf = (number: number): Hex => `0x${number.toString(16).padStart(64, '0')}`
let folder: string
let states: StateFolder
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-states-'))
  states = new StateFolder(folder, { chainId: 31_337, registry })
})
afterEach(() => rm(folder, { recursive: true }))
const filesOf = (rollupId: number): Promise<string[]> =>
  readdir(join(folder, `31337-${registry}`, `rollup-${rollupId}`))

describe('the rollups’ states on disk', () => {
  test('a state is found by its rollup and root, in this registry and chain alone', async () => {
    await states.save(1n, rootOf(7), 'seven')
    expect(await states.load(1n, rootOf(7))).toBe('seven')
    expect(await states.load(2n, rootOf(7))).toBeNull()
    expect(await states.load(1n, rootOf(8))).toBeNull()
    const elsewhere = new StateFolder(folder, { chainId: 1, registry })
    expect(await elsewhere.load(1n, rootOf(7))).toBeNull()
  })

  test('saving again, and by many at once, leaves one whole file', async () => {
    const text = 'x'.repeat(100_000)
    await Promise.all([1, 2, 3, 4].map(() => states.save(1n, rootOf(7), text)))
    expect(await filesOf(1)).toEqual([`${rootOf(7)}.json`])
    expect(await states.load(1n, rootOf(7))).toBe(text)
  })

  test('what a crash left half written is never read as a state', async () => {
    await states.save(1n, rootOf(7), 'seven')
    const path = join(folder, `31337-${registry}`, 'rollup-1', `${rootOf(8)}.json.0badcafe.tmp`)
    await writeFile(path, 'ei')
    expect(await states.load(1n, rootOf(8))).toBeNull()
    await states.save(1n, rootOf(8), 'eight')
    expect(await states.load(1n, rootOf(8))).toBe('eight')
  })

  test('the newest states stay, and saving one again makes it the newest', async () => {
    for (let number = 0; number < 66; number++) {
      await states.save(1n, rootOf(number), `${number}`)
      const name = `${rootOf(number)}.json`
      const at = 1_000_000 + number
      await utimes(join(folder, `31337-${registry}`, 'rollup-1', name), at, at)
    }
    await states.save(1n, rootOf(0), '0')
    await states.prune(1n)
    expect((await filesOf(1)).length).toBe(64)
    expect(await states.load(1n, rootOf(0))).toBe('0')
    expect(await states.load(1n, rootOf(1))).toBeNull()
    expect(await states.load(1n, rootOf(2))).toBeNull()
    expect(await states.load(1n, rootOf(3))).toBe('3')
  })

  test('a folder that cannot be used is named, with what to do', async () => {
    await writeFile(join(folder, 'file'), '')
    const unusable = new StateFolder(join(folder, 'file'), { chainId: 1, registry })
    const saving = unusable.save(1n, rootOf(1), 'one')
    await expect(saving).rejects.toThrow(StateError)
    await expect(saving).rejects.toThrow(/rollup 1 .*file.*Set stateFolder/)
    await expect(unusable.load(1n, rootOf(1))).rejects.toThrow(/cannot read .*Check/)
    await unusable.prune(1n)
  })
})
