import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const main = fileURLToPath(new URL('../../simulations/main.ts', import.meta.url))
const sizes = ['--nodes', '120', ...['provers=12', 'auctions=6'].flatMap((each) => ['--set', each])]

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-sim-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Runs the command as `npm run sim -- …` does. */
async function sim(...args: string[]): Promise<{ status: number; output: string; errors: string }> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'exit')
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [status] = await ended
  return { status, output, errors }
}

const digestsOf = async (path: string): Promise<string[]> =>
  JSON.parse(await readFile(path, 'utf8')).runs.map(({ digest }: { digest: string }) => digest)

describe('npm run sim', () => {
  test('gives the same event log for the same seed, on one core and on two', async () => {
    const files = ['one.json', 'two.json'].map((name) => join(folder, name)) as [string, string]
    const runs = await Promise.all(
      files.map((file, index) =>
        sim('baseline', ...sizes, '--seeds', '3', '--cores', `${index + 1}`, '--json', file),
      ),
    )
    expect(runs.map(({ status }) => status)).toEqual([0, 0])
    const [one, two] = [await digestsOf(files[0]), await digestsOf(files[1])]
    expect(one).toEqual(two)
    expect(new Set(one).size).toBe(3)
    for (const digest of one) expect(digest).toMatch(/^[0-9a-f]{64}$/)
  })

  test('gives the same event log under another major of Node', async () => {
    // A folder of its own: two packages called node would get in each other's way.
    const npx = spawn('npx', ['-y', '-p', 'node@26', 'node', main, 'baseline', ...sizes], {
      cwd: folder,
      // What npm has told this process is about this project.
      env: Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^npm_/.test(key))),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [other, own] = await Promise.all([text(npx.stdout), sim('baseline', ...sizes)])
    const digest = /digest ([0-9a-f]{64})/
    expect(own.output).toMatch(digest)
    expect(digest.exec(other)?.[1]).toBe(digest.exec(own.output)?.[1])
    expect(process.version).not.toMatch(/^v26/)
  })

  test('whose line fails says what was seen, ends with 1 and prints what plays it again', async () => {
    const { status, output } = await sim('baseline', ...sizes, '--set', 'bidWindowMs=100')
    expect(status).toBe(1)
    expect(output).toMatch(/FAILED +honest bids counted/)
    const replay = /plays it again:\n +npm run sim -- (baseline --seed 1 .*bidWindowMs=100)/.exec(
      output,
    )?.[1]
    const again = await sim(...replay!.trim().split(' '))
    const digest = /[0-9a-f]{64}/
    expect(digest.exec(again.output)?.[0]).toBe(digest.exec(output)?.[0])
  })

  test('writes a page, and compares with what was written before', async () => {
    const [before, page] = [join(folder, 'before.json'), join(folder, 'page.html')]
    await sim('baseline', ...sizes, '--seeds', '2', '--json', before)
    const { status, output } = await sim(
      ...['baseline', ...sizes, '--seeds', '2', '--set', 'degree=6'],
      ...['--compare', before, '--html', page],
    )
    expect(status).toBe(0)
    expect(output).toContain(`written: ${page}`)
    expect(await readFile(page, 'utf8')).toMatch(/^<!doctype html>/i)
  })

  test('says what is wrong with what it was given, and loses nothing', async () => {
    const wrong = await sim('basline')
    expect([wrong.status, wrong.output]).toEqual([2, ''])
    expect(wrong.errors).toMatch(/no scenario "basline"/)
    const missing = await sim('baseline', ...sizes, '--compare', join(folder, 'nothing.json'))
    expect(missing.status).toBe(2)
    expect(missing.errors).toContain('nothing.json')
    expect(missing.errors).not.toMatch(/\n +at /)
    const listed = await sim('--list')
    expect([listed.status, listed.errors]).toEqual([0, ''])
    expect(listed.output).toMatch(/^ {2}baseline /m)
  })
})
