import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { decodeSegmentProof } from '#protocol/proof'
import type { Address } from '#protocol/schema'
import {
  type CheckJobs,
  shapeJobs,
  type Terms,
  UNKNOWN_PROGRAM,
} from '#prover-agent/backends/check-jobs'
import { jobFiles, writeJob } from '#prover-agent/backends/job-file'
import { buildShape } from '#prover-agent/circuits/build'
import { shapeFiles } from '#prover-agent/circuits/shapes'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const wrapper = join(root, 'prover-agent/backends/groth16-command.ts')
const cli = join(root, 'node_modules/snarkjs/build/cli.cjs')
const payee: Address = `0x${'a1'.repeat(20)}`
/** What a prover might write: the generators, which prove nothing. */
const points = {
  pi_a: ['1', '2', '1'],
  pi_b: [
    ['3', '4'],
    ['5', '6'],
  ],
  pi_c: ['7', '8', '1'],
}

let jobs: CheckJobs
let folder: string
beforeAll(async () => {
  await buildShape('tiny', () => {})
  jobs = await shapeJobs('tiny')
}, 120_000)
afterAll(() => jobs.close())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-test-'))
  return () => rm(folder, { recursive: true })
})

/** Runs the wrapper in a job's directory, as the backend does. */
async function run(terms: Terms, ...args: string[]): Promise<{ status: number; errors: string }> {
  await writeJob(folder, { ...terms, payee, deadlineAt: 0 })
  const child = spawn(process.execPath, [wrapper, ...args], {
    cwd: folder,
    env: { ...process.env, POINTS: JSON.stringify(points) },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'exit')
  const errors = await text(child.stderr)
  const [status] = await ended
  return { status, errors }
}

const proofFile = () => readFile(join(folder, jobFiles.proof))

describe('the command around a Groth16 prover', () => {
  test('proves with a program that takes the arguments rapidsnark takes', async () => {
    const prover = [process.execPath, cli, 'groth16', 'prove']
    const paths = ['{zkey}', '{wtns}', '{proof}', '{public}']
    expect(await run(jobs.good, '--', ...prover, ...paths)).toMatchObject({ status: 0 })
    expect(await jobs.verify!(await proofFile(), payee)).toBe(true)
    const meta = JSON.parse(await readFile(join(folder, jobFiles.meta), 'utf8'))
    expect(meta).toMatchObject({ prover: process.execPath, provingMs: expect.any(Number) })
  })

  test('speaks to a program that reads its commands from standard input', async () => {
    const line = 'prove --witness {wtns} --zkey {zkey} --proof {proof} --public {public}'
    const script = 'cat > lines; printf "%s\\0" "$POINTS" > proof.json'
    const lines = ['--stdin', line, '--stdin', 'exit']
    expect(await run(jobs.good, ...lines, '--', 'sh', '-c', script)).toMatchObject({ status: 0 })
    const { zkey } = shapeFiles('tiny')
    const names = `--witness witness.wtns --zkey ${zkey} --proof proof.json --public public.json`
    expect(await readFile(join(folder, 'lines'), 'utf8')).toBe(`prove ${names}\nexit\n`)
    const proof = decodeSegmentProof(await proofFile())
    expect(proof).toMatchObject({ payee, a: [1n, 2n], b: [4n, 3n, 6n, 5n], c: [7n, 8n] })
  })

  test('says which programs and inputs it cannot prove', async () => {
    const unknown = await run({ ...jobs.good, programId: UNKNOWN_PROGRAM }, '--', 'false')
    expect(unknown).toMatchObject({ status: 2, errors: expect.stringContaining('no circuit') })
    for (const { terms } of jobs.bad) {
      expect(await run(terms, '--', 'false')).toMatchObject({ status: 3 })
    }
  })

  test('fails with what the prover said, and when it left no proof', async () => {
    const failing = await run(jobs.good, '--', 'sh', '-c', 'echo no memory >&2; exit 3')
    expect(failing).toMatchObject({ status: 1, errors: expect.stringContaining('no memory') })
    const idle = await run(jobs.good, '--', 'sh', '-c', 'exit 0')
    expect(idle).toMatchObject({ status: 1, errors: expect.stringContaining('proof.json') })
    const empty = await run(jobs.good, '--', 'sh', '-c', 'echo "{}" > proof.json')
    expect(empty).toMatchObject({ status: 1, errors: expect.stringContaining('pi_a') })
    const missing = await run(jobs.good, '--', '/nonexistent/prover')
    expect(missing).toMatchObject({ status: 1, errors: expect.stringContaining('ENOENT') })
    await expect(proofFile()).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
