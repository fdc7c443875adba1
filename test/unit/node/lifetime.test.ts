import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { ConfigError } from '#node/config'
import { sayWhy } from '#node/lifetime'

const root = join(import.meta.dirname, '../../..')

/** What a command of ours needs; `say` tells the test, `forever` keeps the process running. */
const HEAD = `
import { once } from 'node:events'
import { ConfigError } from '#node/config'
import { fail, runUntilSignal } from '#node/lifetime'
import { createLog } from '#node/log'
const log = createLog({ level: 'info', format: 'human' })
const say = (line) => process.stdout.write(line + '\\n')
const forever = setInterval(() => undefined, 1_000_000)
const coded = (text) => Object.assign(new Error(text), { code: 'BROKEN' })
`
let children: ChildProcess[] = []
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children = []
})

/** A process of its own, because only a real one has signals and an exit code. */
function command(code: string) {
  const args = ['--input-type=module', '--eval', HEAD + code]
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'pipe' })
  children.push(child)
  const text = { stdout: '', stderr: '' }
  const looks = new Set<() => void>()
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk
      for (const look of looks) look()
    })
  const closed = once(child, 'close')
  return {
    text,
    child,
    /** Resolves when the process has said this. */
    said: (what: string, where: 'stdout' | 'stderr' = 'stdout') =>
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (text[where].includes(what)) resolve()
        }
        looks.add(look)
        look()
      }),
    /** How it ended: its exit code, or the signal that killed it. */
    ended: async (): Promise<unknown> => {
      const [exitCode, signal] = await closed
      return exitCode ?? signal
    },
  }
}
const RUNS = `
await runUntilSignal(log, async () => {
  say('runs')
  return async () => say('stopped')
})`

describe('a command', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'stops cleanly on %s and exits with 0',
    async (signal) => {
      const { child, text, said, ended } = command(RUNS)
      await said('runs')
      child.kill(signal)
      expect(await ended()).toBe(0)
      expect(text.stdout).toBe('runs\nstopped\n')
      expect(text.stderr).toContain(`signal=${signal}`)
    },
  )

  test('exits at once with 1 on a second signal', async () => {
    const { child, said, ended, text } = command(`
      await runUntilSignal(log, async () => {
        say('runs')
        return () => {
          say('stopping')
          return new Promise(() => undefined)
        }
      })`)
    await said('runs')
    child.kill('SIGINT')
    await said('stopping')
    child.kill('SIGTERM')
    expect(await ended()).toBe(1)
    expect(text.stderr).toContain('once more to stop at once')
  })

  test('obeys a signal during its start when the start is done', async () => {
    const { child, text, said, ended } = command(`
      await runUntilSignal(log, async () => {
        say('starting')
        await once(process.stdin, 'data')
        return async () => say('stopped')
      })`)
    await said('starting')
    child.kill('SIGINT')
    await said('stopping', 'stderr')
    expect(text.stdout).toBe('starting\n')
    child.stdin.write('go on\n')
    expect(await ended()).toBe(0)
    expect(text.stdout).toBe('starting\nstopped\n')
  })

  test('whose start watches for a signal ends at once and exits with 0', async () => {
    const { child, text, said, ended } = command(`
      await runUntilSignal(log, async (fatal, stopping) => {
        say('starting')
        await once(stopping, 'abort')
        throw stopping.reason
      })`)
    await said('starting')
    child.kill('SIGINT')
    expect(await ended()).toBe(0)
    expect(text.stdout).toBe('starting\n')
  })

  test('that cannot go on stops cleanly, says why and exits with 1', async () => {
    const { text, ended } = command(`
      await runUntilSignal(log, async (fatal) => {
        fatal(coded('the disk is full; make room'))
        return async () => say('stopped')
      })`)
    expect(await ended()).toBe(1)
    expect(text).toEqual({
      stdout: 'stopped\n',
      stderr: 'proofwire: the disk is full; make room\n',
    })
  })

  test('says why it stopped, not what then went wrong while stopping', async () => {
    const { text, ended } = command(`
      await runUntilSignal(log, async (fatal) => {
        fatal(coded('the disk is full'))
        return async () => { throw coded('cannot close') }
      })`)
    expect(await ended()).toBe(1)
    expect(text.stderr).toBe('proofwire: the disk is full\n')
  })

  test('whose stopping fails after a signal says so and exits with 1', async () => {
    const { child, text, said, ended } = command(`
      await runUntilSignal(log, async () => {
        say('runs')
        return async () => { throw coded('cannot close') }
      })`)
    await said('runs')
    child.kill('SIGINT')
    expect(await ended()).toBe(1)
    expect(text.stderr).toContain('proofwire: cannot close\n')
  })

  test('that cannot start exits with 1, with settings to mend 2, without a stack', async () => {
    const failing = command(`await runUntilSignal(log, () => Promise.reject(coded('no chain')))`)
    const misused = command(`fail(new ConfigError(['rpcUrl: is no address.']))`)
    expect(await failing.ended()).toBe(1)
    expect(failing.text).toEqual({ stdout: '', stderr: 'proofwire: no chain\n' })
    expect(await misused.ended()).toBe(2)
    expect(misused.text.stderr).toContain('rpcUrl: is no address.')
    expect(misused.text.stderr).not.toContain('    at ')
  })

  test('that meets a bug shows where', async () => {
    const { text, ended } = command(`fail(new TypeError('never so'))`)
    expect(await ended()).toBe(1)
    expect(text.stderr).toMatch(/^proofwire: TypeError: never so\n {4}at /)
  })
})

describe('why a command cannot go on', () => {
  test('is the error’s own words when it has a code or names settings, else its stack', () => {
    const coded = Object.assign(new Error('no chain'), { code: 'UNREACHABLE' })
    expect(sayWhy(coded)).toBe('no chain')
    const settings = new ConfigError(['a', 'b'])
    expect(sayWhy(settings)).toBe(settings.message)
    const bug = new Error('never so')
    expect(sayWhy(bug)).toBe(bug.stack)
    expect(sayWhy('text')).toBe('text')
  })
})
