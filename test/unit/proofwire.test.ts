import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

let folder: string
/** A copy of the command beside commands of the test's own, and none of the others. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proofwire-command-'))
  cpSync('proofwire.ts', join(folder, 'proofwire.ts'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  mkdirSync(join(folder, 'node'))
  const main = 'console.log(process.argv.slice(2).join()); process.exitCode = 7'
  writeFileSync(join(folder, 'node/main.ts'), `${main} as number`)
})
afterEach(() => rmSync(folder, { recursive: true }))

const run = (...args: string[]) =>
  spawnSync(process.execPath, [join(folder, 'proofwire.ts'), ...args], { encoding: 'utf8' })

describe('proofwire', () => {
  test('a command gets its flags and decides the exit code', () => {
    const { stdout, status } = run('node', '--poll-ms', '5', '--help')
    expect(stdout).toBe('--poll-ms,5,--help\n')
    expect(status).toBe(7)
  })

  test('help lists the commands this version has', () => {
    for (const args of [[], ['--help'], ['help']]) {
      const { stdout, status } = run(...args)
      expect(stdout).toMatch(/^ {2}node +run a node/m)
      expect(stdout).not.toMatch(/^ {2}agent/m)
      expect(status).toBe(0)
    }
  })

  test('an unknown command, or one this version lacks, is refused with the list', () => {
    for (const name of ['nodes', 'agent', 'toString', '--poll-ms']) {
      const { stdout, stderr, status } = run(name)
      expect(stderr).toContain(`no command "${name}"`)
      expect(stderr).toContain('  node ')
      expect(stdout).toBe('')
      expect(status).toBe(2)
    }
  })
})
