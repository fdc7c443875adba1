import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ProcessDied, Processes } from '#simulations/devnet/processes'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-processes-'))
})
afterEach(() => rm(folder, { recursive: true }))

const node = process.execPath
/** Starts a process of its own, prints both ids, ignores SIGTERM where asked to, and stays. */
const parent = (isStubborn: boolean): string => `
  const { spawn } = require('node:child_process')
  ${isStubborn ? "process.on('SIGTERM', () => {})" : ''}
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
  child.once('spawn', () => console.log('pids', process.pid, child.pid))
  setInterval(() => {}, 1000)`

/** Whether a process lives; one that is dead and unreaped does not. */
async function lives(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  // Elsewhere than on Linux there is no such file, and somebody reaps.
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return !/^State:\s+Z/m.test(status)
}

/** Killing outright takes the watchdog's grace of three seconds. ms. */
const GONE_WITHIN_MS = 10_000
const gone = (pid: string) =>
  expect.poll(() => lives(Number(pid)), { timeout: GONE_WITHIN_MS }).toBe(false)

describe('devnet processes', () => {
  test('a line is found whether it was printed before or comes after', async () => {
    const processes = new Processes(folder)
    const script = "console.log('one'); process.stdin.once('end', () => 0); console.error('two')"
    const running = processes.start('talker', node, [
      '-e',
      `${script}; setInterval(() => {}, 1000)`,
    ])
    await running.line(/^two$/)
    expect((await running.line(/^o(.)e$/))[1]).toBe('n')
    await processes.stopAll()
    expect(await readFile(join(folder, 'talker.log'), 'utf8')).toContain('one\n')
  })

  test('one that dies is named with its last lines, to whoever waits for it', async () => {
    const processes = new Processes(folder)
    const script = "console.error('the disk is full'); process.exit(3)"
    const running = processes.start('node-1', node, ['-e', script])
    const message = /node-1 ended with 3[\s\S]*the disk is full/
    await expect(running.line(/ready/)).rejects.toThrow(message)
    await expect(processes.died).rejects.toThrow(message)
    await processes.stopAll()
  })

  test('a build that fails says why; one that succeeds is no death', async () => {
    const processes = new Processes(folder)
    await processes.run('good', node, ['-e', '0'])
    const failing = processes.run('bad', node, [
      '-e',
      "console.log('no such key'); process.exit(1)",
    ])
    await expect(failing).rejects.toThrow(ProcessDied)
    await expect(failing).rejects.toThrow('no such key')
    const first = await Promise.race([processes.died.catch(() => 'died'), Promise.resolve('alive')])
    expect(first).toBe('alive')
    await processes.stopAll()
  })

  test('stopping leaves nothing behind, nor what a process started itself', async () => {
    const processes = new Processes(folder)
    const running = processes.start('parent', node, ['-e', parent(false)])
    const [, own, childs] = await running.line(/^pids (\d+) (\d+)$/)
    await processes.stopAll()
    await Promise.all([gone(own!), gone(childs!)])
    expect(() => processes.start('late', node, ['-e', '0'])).toThrow(ProcessDied)
  })

  test('when we are killed outright everything ends, even what ignores SIGTERM', async () => {
    const file = join(import.meta.dirname, '../../../../simulations/devnet/processes.ts')
    const child = parent(true)
    const script = `
      import { Processes } from '${file}'
      const processes = new Processes(${JSON.stringify(folder)})
      const args = ['-e', ${JSON.stringify(child)}]
      const running = processes.start('parent', process.execPath, args)
      console.log((await running.line(/^pids/)).input)`
    const args = ['--input-type=module-typescript', '-e', script]
    const devnet = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(createInterface({ input: devnet.stdout }), 'line')) as [string]
    const [, own, childs] = /^pids (\d+) (\d+)$/.exec(line)!
    devnet.kill('SIGKILL')
    await Promise.all([gone(own!), gone(childs!)])
  })
})
