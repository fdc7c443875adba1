import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { calibration } from '#test/support/calibrated'
import { proofwire } from '#test/support/devnet'

/** Ending a node means storing what it has; ending all of them, a second or two. ms. */
const GONE_WITHIN_MS = 10_000

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-e2e-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** What a market of the tests measured here before: one that measures takes ten seconds more. */
const known = (): string[] => {
  const file = calibration()
  return file === undefined ? [] : ['--calibration', file]
}

describe('devnet', () => {
  test('Ctrl-C in the middle of a job leaves no process and no folder behind', async () => {
    const devnet = proofwire(['devnet', ...known(), '--jobs', '9'])
    await devnet.line(/is silent past its promise/)
    const commands = (await devnet.living()).map(({ command }) => command)
    // The devnet and its watchdog, the chain, bootstrap, builder, three agents, and what proves for
    // them.
    expect(commands.length).toBeGreaterThanOrEqual(9)
    const [, data] = /--config (\S+)\/builder\.toml/.exec(commands.join('\n'))!
    devnet.child.kill('SIGINT')
    expect(await devnet.exited).toBe(130)
    expect(devnet.output(), 'the jobs go on').not.toMatch(/job 2 /)
    await devnet.gone(GONE_WITHIN_MS)
    await expect(readFile(join(data!, 'builder.toml'))).rejects.toThrow('ENOENT')
  })

  test('killed outright while its nodes start, it leaves no process behind', async () => {
    const devnet = proofwire(['devnet', '--keep', join(folder, 'killed')])
    await devnet.line(/nodes: starting/)
    devnet.child.kill('SIGKILL')
    expect(await devnet.exited).toBe('SIGKILL')
    await devnet.gone(GONE_WITHIN_MS)
  })

  test('a process that dies is named with its last words, and the rest is ended', async () => {
    const kept = join(folder, 'died')
    const devnet = proofwire(['devnet', '--keep', kept])
    await devnet.line(/nodes: starting/)
    const chain = (await devnet.living()).find(({ command }) => command.includes('/anvil'))
    process.kill(chain!.pid, 'SIGKILL')
    expect(await devnet.exited).toBe(1)
    expect(devnet.output()).toMatch(/chain ended with SIGKILL. Its last lines:\n {2}\S/)
    await devnet.gone(GONE_WITHIN_MS)
  })
})
