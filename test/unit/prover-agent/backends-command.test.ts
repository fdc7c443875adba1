import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, watch } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createVerifier } from '#node/verifier'
import type { ProofJob } from '#prover-agent/backend'
import { type CommandOptions, createCommandBackend } from '#prover-agent/backends/command'
import { MAX_PROOF_FILE_BYTES } from '#prover-agent/backends/job-file'
import { buildShape } from '#prover-agent/circuits/build'
import { loadVerificationKey, shapes } from '#prover-agent/circuits/shapes'
import { payee, program, sample } from '#test/support/ledger-sample'

const { programId } = shapes.tiny
const { inputs, terms } = sample(shapes.tiny.depth, undefined, { key: programId })
const never = new AbortController().signal
const job = (change: Partial<ProofJob> = {}): ProofJob => ({
  verifier: program.verifier,
  programId,
  inputs,
  payee,
  deadlineAt: Date.now() + 60_000,
  ...change,
})

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'proofwire-test-'))
})
afterAll(() => rm(directory, { recursive: true }))

/** Waits until a file is there; the test's own time limit bounds it. */
async function appears(path: string): Promise<void> {
  const watching = new AbortController()
  const events = watch(directory, { signal: watching.signal })
  const seen = (async () => {
    for await (const { filename } of events) if (filename === basename(path)) return
  })()
  if (!existsSync(path)) await seen
  watching.abort()
  await seen.catch(() => {})
}

/** A backend whose program is this script, run by Node in the job's directory. */
const scripted = (script: string, options: Partial<CommandOptions> = {}) =>
  createCommandBackend({
    name: 'scripted',
    argv: [process.execPath, '-e', `const fs = require('node:fs')\n${script}`],
    programIds: [programId],
    directory,
    ...options,
  })

describe('the command backend', () => {
  test('proves with the example program, by the contract alone', async () => {
    await buildShape('tiny', () => {})
    const example = new URL('../../../prover-agent/backends/example-command.ts', import.meta.url)
    let meta: unknown
    const backend = createCommandBackend({
      name: 'example',
      argv: [process.execPath, fileURLToPath(example)],
      programIds: [programId],
      directory,
      onMeta: (told) => {
        meta = told
      },
    })
    const proof = await backend.prove(job(), never)
    const keys = new Map([[programId, await loadVerificationKey('tiny')]])
    const verifier = createVerifier({ keys })
    expect(await verifier.verify(proof, programId, terms.publicInputsHash, payee)).toBe(true)
    await verifier.close()
    expect(meta).toMatchObject({ prover: 'snarkjs', provingMs: expect.any(Number) })

    const garbled = backend.prove(job({ inputs: inputs.subarray(1) }), never)
    await expect(garbled).rejects.toMatchObject({ code: 'invalid-input' })
  })

  test('gives the program its job in a fresh directory, and leaves none behind', async () => {
    const backend = scripted(
      `const job = JSON.parse(fs.readFileSync('job.json', 'utf8'))
      const found = { job, inputs: fs.readFileSync(job.inputs, 'hex'), files: fs.readdirSync('.') }
      fs.writeFileSync('proof.bin', JSON.stringify(found))`,
    )
    const asked = job()
    const found = JSON.parse(Buffer.from(await backend.prove(asked, never)).toString())
    expect(found.job).toEqual({
      version: 3,
      verifier: program.verifier,
      programId,
      payee,
      deadlineAt: asked.deadlineAt,
      inputs: 'inputs.bin',
    })
    expect(found.inputs).toBe(Buffer.from(inputs).toString('hex'))
    expect(found.files.sort()).toEqual(['inputs.bin', 'job.json'])
    expect(await readdir(directory)).toEqual([])
  })

  test('starts the program without a shell, and without our settings', async () => {
    process.env.PROOFWIRE_PASSWORD = 'secret'
    const script = `const told = [process.argv[1], process.env.PROOFWIRE_PASSWORD ?? null]
      fs.writeFileSync('proof.bin', JSON.stringify(told))`
    const argument = '$(echo shell); *'
    const backend = createCommandBackend({
      name: 'echo',
      argv: [process.execPath, '-e', `const fs = require('node:fs')\n${script}`, argument],
      programIds: [programId],
      directory,
    })
    const told = await backend.prove(job(), never)
    delete process.env.PROOFWIRE_PASSWORD
    expect(JSON.parse(Buffer.from(told).toString())).toEqual([argument, null])
  })

  test('reads the exit status: 2 unsupported, 3 invalid input, 75 retry, else failed', async () => {
    const statuses = { 2: 'unsupported', 3: 'invalid-input', 75: 'retry', 1: 'failed' }
    for (const [status, code] of Object.entries(statuses)) {
      const backend = scripted(`console.error('because of me'); process.exitCode = ${status}`)
      const failing = backend.prove(job(), never)
      await expect(failing).rejects.toMatchObject({
        code,
        message: expect.stringContaining('because of me'),
      })
    }
  })

  test('fails when the program cannot be started, or leaves no proof', async () => {
    const missing = scripted('', { argv: ['/nonexistent/prover'] })
    await expect(missing.prove(job(), never)).rejects.toMatchObject({ code: 'failed' })
    const idle = scripted('')
    await expect(idle.prove(job(), never)).rejects.toMatchObject({ code: 'failed' })
  })

  test('refuses a proof longer than any, an empty one, and one that is not a file', async () => {
    for (const script of [
      `fs.writeFileSync('proof.bin', Buffer.alloc(${MAX_PROOF_FILE_BYTES + 1}))`,
      `fs.writeFileSync('proof.bin', '')`,
      `fs.mkdirSync('proof.bin')`,
      `fs.symlinkSync('/etc/hostname', 'proof.bin')`,
    ]) {
      await expect(scripted(script).prove(job(), never)).rejects.toMatchObject({ code: 'failed' })
    }
    const meta = `fs.writeFileSync('meta.json', '{'); fs.writeFileSync('proof.bin', 'x')`
    expect(await scripted(meta).prove(job(), never)).toHaveLength(1)
  })

  test('keeps the end of a flood of output, and no more', async () => {
    const flood = `console.log('x'.repeat(1e6)); console.error('the end'); process.exitCode = 1`
    const failing = scripted(flood).prove(job(), never)
    const error = (await failing.catch((caught: unknown) => caught)) as Error
    expect(error.message.length).toBeLessThan(3_000)
  })

  test('asks with SIGTERM, and kills what does not listen after the grace', async () => {
    const polite = join(directory, 'polite')
    const cancel = new AbortController()
    const listens = scripted(
      `process.on('SIGTERM', () => {
        fs.writeFileSync(${JSON.stringify(polite)}, '')
        process.exit(0)
      })
      fs.writeFileSync(${JSON.stringify(`${polite}-ready`)}, String(process.pid))
      setInterval(() => {}, 1000)`,
    )
    const cancelled = listens.prove(job(), cancel.signal)
    const refused = expect(cancelled).rejects.toMatchObject({ code: 'cancelled' })
    await appears(`${polite}-ready`)
    cancel.abort()
    await refused
    expect(await readFile(polite, 'utf8')).toBe('')

    const deaf = join(directory, 'deaf')
    const kill = new AbortController()
    const ignores = scripted(
      `process.on('SIGTERM', () => {})
      fs.writeFileSync(${JSON.stringify(`${deaf}.part`)}, String(process.pid))
      fs.renameSync(${JSON.stringify(`${deaf}.part`)}, ${JSON.stringify(deaf)})
      setInterval(() => {}, 1000)`,
      { graceMs: 100 },
    )
    const killed = ignores.prove(job(), kill.signal)
    const ended = expect(killed).rejects.toMatchObject({ code: 'cancelled' })
    await appears(deaf)
    const pid = Number(await readFile(deaf, 'utf8'))
    kill.abort()
    await ended
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  test('ends what is not done by its deadline', async () => {
    const late = scripted('setInterval(() => {}, 1000)', { graceMs: 100 })
    const proving = late.prove(job({ deadlineAt: Date.now() + 500 }), never)
    await expect(proving).rejects.toMatchObject({ code: 'timed-out' })
  })

  test('ends what a program leaves running behind it', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const connected = once(server, 'connection')
    const left = `const socket = require('node:net').connect(${port}, '127.0.0.1')
      socket.on('connect', () => console.log('here'))`
    const backend = scripted(
      `const { spawn } = require('node:child_process')
      const left = spawn(process.execPath, ['-e', ${JSON.stringify(left)}])
      left.stdout.once('data', () => {
        fs.writeFileSync('proof.bin', 'x')
        process.exit(0)
      })`,
    )
    const proved = backend.prove(job(), never)
    const [socket] = (await connected) as [Socket]
    // A killed process resets its connections.
    const ended = once(socket.on('error', () => {}).resume(), 'close')
    await proved
    await ended
    server.close()
  })

  test('takes one job a lane, and cancels it when it is closed', async () => {
    const backend = scripted('setInterval(() => {}, 1000)')
    const first = backend.prove(job(), never)
    const refused = expect(first).rejects.toMatchObject({ code: 'cancelled' })
    await expect(backend.prove(job(), never)).rejects.toMatchObject({ code: 'retry' })
    const other = backend.prove(job({ programId: shapes.n1d16.programId }), never)
    await expect(other).rejects.toMatchObject({ code: 'unsupported' })
    await backend.close()
    await refused
  })
})
