/** The devnet as its user has it: one command, its output, and no process of it left behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

const ROOT = join(import.meta.dirname, '../..')
/**
 * A variable all processes of a run inherit, so that any left over is found, whoever its parent is
 * now.
 */
const MARK = 'DEVNET_RUN'
/** Between two looks at the machine's processes. ms. */
const LOOK_MS = 100

export type Living = { readonly pid: number; readonly command: string }

export type Command = {
  readonly child: ChildProcess
  /** The first line of its output, past or to come, that matches. Rejects when it ends before. */
  readonly line: (pattern: RegExp) => Promise<RegExpExecArray>
  readonly output: () => string
  /** Exit status, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>
  /** The processes of this run that live. Linux only; elsewhere none is found. */
  readonly living: () => Promise<readonly Living[]>
  /** Resolves when none lives any more; rejects with their names after `limitMs`. */
  readonly gone: (limitMs: number) => Promise<void>
}

const running = new Set<ChildProcess>()
// A test that fails before its end must not leave a devnet behind; the devnet sees to its own.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Runs `proofwire` with these arguments. */
export function proofwire(args: readonly string[]): Command {
  const mark = `${MARK}=${randomUUID()}`
  const child = spawn(process.execPath, [join(ROOT, 'proofwire.ts'), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [MARK]: mark.slice(MARK.length + 1) },
  })
  running.add(child)
  const lines: string[] = []
  const waiting = new Set<(line: string) => void>()
  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line)
      for (const take of waiting) take(line)
    })
  }
  const output = (): string => lines.join('\n')
  const { promise: exited, resolve } = Promise.withResolvers<number | NodeJS.Signals>()
  child.once('close', (status, signal) => {
    running.delete(child)
    resolve(status ?? signal!)
  })
  const living = () => processesWith(mark)
  return {
    child,
    output,
    exited,
    living,
    line: (pattern) => {
      const found = Promise.withResolvers<RegExpExecArray>()
      const take = (line: string): void => {
        const match = pattern.exec(line)
        if (match) found.resolve(match)
      }
      lines.forEach(take)
      waiting.add(take)
      const ended = exited.then((status): never => {
        throw new Error(`it ended with ${status} before ${pattern}:\n${output()}`)
      })
      return Promise.race([found.promise, ended]).finally(() => waiting.delete(take))
    },
    gone: async (limitMs) => {
      const endAt = Date.now() + limitMs
      for (let left = await living(); left.length > 0; left = await living()) {
        if (Date.now() > endAt) {
          throw new Error(`still there: ${left.map(({ command }) => command).join('; ')}`)
        }
        await pause(LOOK_MS)
      }
    },
  }
}

async function processesWith(mark: string): Promise<readonly Living[]> {
  const pids = await readdir('/proc').catch(() => [])
  const found = await Promise.all(
    pids
      .filter((pid) => /^\d+$/.test(pid))
      .map(async (pid) => {
        // A process that ended meanwhile, or is not ours to read, is none of this run.
        const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')
        if (!(await read('environ')).split('\0').includes(mark)) return []
        const command = (await read('cmdline')).replaceAll('\0', ' ').trim()
        return [{ pid: Number(pid), command }]
      }),
  )
  return found.flat()
}
