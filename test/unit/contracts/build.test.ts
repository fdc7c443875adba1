import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { artifact, buildContracts, foundryBinary } from '#contracts/build'

const root = join(import.meta.dirname, '../../..')
const cache = join(root, 'contracts/cache/solidity-files-cache.json')
const lock = join(root, 'contracts/cache/building')

test('a built contract has its ABI and its creation bytecode', () => {
  buildContracts()
  const { abi, bytecode } = artifact('Settlement')
  expect(abi).toContainEqual(expect.objectContaining({ type: 'function', name: 'settle' }))
  expect(bytecode).toMatch(/^0x[0-9a-f]{10000,}$/)
})

test('what is up to date is not built again', () => {
  buildContracts()
  const { mtimeMs } = statSync(cache)
  buildContracts()
  expect(statSync(cache).mtimeMs).toBe(mtimeMs)
})

test('an unknown contract is named, with what to do', () => {
  expect(() => artifact('Nonesuch')).toThrow(/Nonesuch.*did buildContracts\(\) run/)
})

test('the binary is the tool itself, not its wrapper', () => {
  const { stdout } = spawnSync(foundryBinary('forge'), ['--version'], { encoding: 'utf8' })
  expect(stdout).toMatch(/^forge Version: 1\./)
})

test('a build that a killed process left locked is taken over', () => {
  buildContracts()
  const { pid } = spawnSync(process.execPath, ['--version'])
  writeFileSync(lock, String(pid))
  const { atime, mtime } = statSync(cache)
  utimesSync(cache, atime, new Date(0)) // older than any source
  buildContracts()
  expect(existsSync(lock)).toBe(false)
  if (statSync(cache).mtimeMs === 0) utimesSync(cache, atime, mtime)
  rmSync(lock, { force: true })
})
