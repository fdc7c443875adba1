import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Address } from '#protocol/schema'
import type { Backend } from '#prover-agent/backend'
import { checkBackend, type Finding, type Rule, rules } from '#prover-agent/backends/check'
import { createGround } from '#prover-agent/backends/check-ground'
import { type CheckJobs, folderJobs, shapeJobs } from '#prover-agent/backends/check-jobs'
import { createCommandBackend } from '#prover-agent/backends/command'
import { writeJob } from '#prover-agent/backends/job-file'
import { createSnarkjsBackend } from '#prover-agent/backends/snarkjs'
import { buildShape } from '#prover-agent/circuits/build'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const main = join(root, 'prover-agent/backends/check-main.ts')
const example = join(root, 'prover-agent/backends/example-command.ts')

let jobs: CheckJobs
let scratch: string
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'proofwire-test-'))
  await buildShape('tiny', () => {})
  jobs = await shapeJobs('tiny')
}, 120_000)
afterAll(async () => {
  await jobs.close()
  await rm(scratch, { recursive: true })
})

const verdicts = (findings: readonly Finding[]) =>
  Object.fromEntries(findings.map(({ rule, verdict }) => [rule, verdict]))
const broken = (findings: readonly Finding[]): Rule[] =>
  findings.filter(({ verdict }) => verdict === 'broken').map(({ rule }) => rule)
const seen = (findings: readonly Finding[], rule: Rule): string =>
  findings.find((finding) => finding.rule === rule)!.seen

/** Checks a program that is this shell script. */
async function checkScript(
  script: string,
  change: { caches?: string[]; watched?: string[]; jobs?: CheckJobs } = {},
): Promise<readonly Finding[]> {
  const ground = await createGround({ caches: [], watched: [], ...change })
  const graceMs = 500
  try {
    return await checkBackend({
      create: (programIds, onEnd) =>
        createCommandBackend({
          name: 'script',
          argv: ['sh', '-c', script],
          programIds,
          graceMs,
          directory: ground.jobs,
          environment: ground.environment,
          onEnd,
        }),
      ground,
      jobs: change.jobs ?? jobs,
      timeoutMs: 1_500,
      graceMs,
    })
  } finally {
    await ground.remove()
  }
}

/** Runs the command as `npm run backend-check` does. */
async function run(...args: string[]): Promise<{ status: number; output: string }> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'exit')
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [status] = await ended
  return { status, output: output + errors }
}

describe('backend-check', () => {
  test('finds no fault with the example program', async () => {
    const { status, output } = await run('--grace', '5', process.execPath, example)
    expect(output).toContain('0 broken')
    expect(output).not.toContain('BROKEN')
    for (const rule of ['B1', 'B2', 'B3', 'B4', 'B5', 'B6', 'B10']) {
      expect(output).toMatch(new RegExp(`^holds +${rule} `, 'm'))
    }
    expect(status).toBe(0)
  }, 120_000)

  test('finds no fault with the snarkjs backend', async () => {
    const findings = await checkBackend({
      create: () => createSnarkjsBackend({ shapes: ['tiny'] }),
      ground: null,
      jobs,
      timeoutMs: 60_000,
      graceMs: 5_000,
    })
    expect(broken(findings)).toEqual([])
    const held = { B1: 'holds', B3: 'holds', B4: 'holds', B5: 'holds', B6: 'holds' }
    expect(verdicts(findings)).toMatchObject(held)
  }, 120_000)

  test('names the rule that a program breaks, and says what was seen', async () => {
    const { status, output } = await run('sh', '-c', 'exit 3')
    expect(status).toBe(1)
    expect(output).toMatch(/^BROKEN +B6 .*\n +it says so of inputs that can be proven/m)
    expect(output).toContain(rules.B6)
  })

  test('names the proof when a program prints garbage as one', async () => {
    const findings = await checkScript('printf garbage > proof.bin')
    expect(broken(findings)).toContain('B3')
    expect(verdicts(findings)).toMatchObject({ B1: 'holds', B2: 'holds' })
    expect(seen(findings, 'B3')).toContain('7 bytes that do not verify')
  })

  test('names the deadline when a program hangs', async () => {
    const findings = await checkScript('exec sleep 600')
    expect(broken(findings)).toEqual(['B1'])
    expect(seen(findings, 'B1')).toBe('no answer within 1500 ms')
    expect(verdicts(findings)).toMatchObject({ B7: 'holds', B8: 'holds' })
  })

  test('names proof.bin when a program exits with 0 and leaves none', async () => {
    const findings = await checkScript('exit 0')
    expect(broken(findings)).toContain('B2')
    expect(seen(findings, 'B2')).toContain('missing')
    const folder = await checkScript('mkdir proof.bin')
    expect(seen(folder, 'B2')).toContain('not a plain file')
  })

  test('names the inputs when a program always exits with 3', async () => {
    const findings = await checkScript('exit 3')
    expect(broken(findings)).toEqual(['B1', 'B5', 'B6'])
  })

  test('names SIGTERM when a program ignores it', async () => {
    const findings = await checkScript(`trap '' TERM; while :; do sleep 0.1; done`)
    expect(broken(findings)).toEqual(['B1', 'B7', 'B8'])
    expect(seen(findings, 'B7')).toContain('had to be killed')
  })

  test('names the folder when a program writes outside of its own', async () => {
    const watched = join(scratch, 'watched')
    await mkdir(watched)
    await writeFile(join(watched, 'own'), 'as it was')
    for (const path of ['../stray', '$HOME/.stray', '$TMPDIR/stray', `${watched}/own`]) {
      const findings = await checkScript(`printf x > "${path}"; exit 75`, { watched: [watched] })
      expect(broken(findings)).toContain('B10')
      expect(seen(findings, 'B10')).toContain(path.split('/').at(-1))
    }
    const findings = await checkScript('printf x > notes; exit 75', { watched: [watched] })
    expect(verdicts(findings)).toMatchObject({ B10: 'holds' })
  })

  test('lets a program write in the cache it was allowed', async () => {
    const cache = join(scratch, 'cache')
    const findings = await checkScript(`printf x > "${cache}/kept"; exit 75`, {
      caches: [cache],
      watched: [scratch],
    })
    expect(await readFile(join(cache, 'kept'), 'utf8')).toBe('x')
    expect(verdicts(findings)).toMatchObject({ B10: 'holds' })
  })

  test('names what a program leaves running', async () => {
    const leave = `require('node:child_process').spawn('sleep', ['600'],
      { detached: true, stdio: 'ignore' }).unref(); process.exit(75)`
    const findings = await checkScript(`exec "${process.execPath}" -e "${leave}"`)
    // Elsewhere a process cannot be told from another's.
    const verdict = process.platform === 'linux' ? 'broken' : 'not checked'
    expect(verdicts(findings)).toMatchObject({ B9: verdict })
  })

  test('names the payee when a proof is good for two', async () => {
    const backend: Backend = {
      name: 'generous',
      supports: () => true,
      prove: async () => Uint8Array.of(1),
      close: async () => {},
    }
    const check = (verify: (proof: Uint8Array, payee: Address) => Promise<boolean>) =>
      checkBackend({
        create: () => backend,
        ground: null,
        jobs: { ...jobs, verify },
        timeoutMs: 1_000,
        graceMs: 100,
      })
    const findings = await check(async () => true)
    expect(seen(findings, 'B4')).toContain('verifies for the other')
    let asked = 0
    const onlyFirst = await check(async () => asked++ === 0)
    expect(seen(onlyFirst, 'B4')).toContain('does not verify for')
  })

  test('names the error when a backend throws another than ours', async () => {
    const backend: Backend = {
      name: 'broken',
      supports: () => true,
      prove: async () => {
        throw new TypeError('of my own')
      },
      close: async () => {},
    }
    const create = () => backend
    const limits = { timeoutMs: 1_000, graceMs: 100 }
    const findings = await checkBackend({ create, ground: null, jobs, ...limits })
    expect(broken(findings)).toEqual(['B1', 'B5', 'B6'])
  })

  test('says what is not checked of a program whose circuit is not ours', async () => {
    const job = { ...jobs.good, payee: `0x${'cc'.repeat(20)}`, deadlineAt: 1 } as const
    await writeJob(scratch, job)
    const foreign = await folderJobs(scratch)
    expect(foreign.good).toEqual({ ...jobs.good, inputs: Buffer.from(jobs.good.inputs) })
    expect(foreign.verify).toBeNull()
    const findings = await checkScript('printf x > proof.bin', { jobs: foreign })
    expect(verdicts(findings)).toMatchObject({ B1: 'holds', B3: 'not checked', B5: 'broken' })
  })

  test('refuses arguments it does not know, and says which there are', async () => {
    const { status, output } = await run('--timeout', 'soon', 'sh')
    expect(status).toBe(2)
    expect(output).toContain('not soon\n\nnpm run backend-check -- [OPTIONS] CMD')
  })
})
