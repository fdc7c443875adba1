import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { decodeInputs } from '#protocol/inputs'
import type { Hex } from '#protocol/schema'
import { encodeTable, tableDigest } from '#protocol/table'
import { type Backend, BackendError, type ProofJob } from '#prover-agent/backend'
import { Calibration, loadCalibration, measure, saveCalibration } from '#prover-agent/calibration'
import { shapes } from '#prover-agent/circuits/shapes'
import { checkInputs } from '#prover-agent/circuits/witness'
import { sampleOf } from '#prover-agent/sample'
import { hashOf } from '#simulations/pretence'
import { alice } from '#test/support/messages'

const program: Hex = hashOf('program')
const recorded = (times: readonly number[], work = 1n): Calibration => {
  const calibration = new Calibration()
  for (const ms of times) calibration.record(program, work, ms)
  return calibration
}

describe('a calibration', () => {
  test('knows median, 90 % quantile and the slowest of the proofs recorded', () => {
    const times = Array.from({ length: 10 }, (_, index) => 100 * (10 - index))
    expect(recorded(times).timingOf(program, 1n)).toEqual({
      p50Ms: 500,
      p90Ms: 900,
      maxMs: 1_000,
      count: 10,
    })
  })

  test('knows nothing of what was never measured', () => {
    expect(recorded([1]).timingOf(hashOf('other'), 1n)).toBeNull()
  })

  test('follows the device: the last 64 proofs count', () => {
    const timing = recorded([9_000, ...Array.from({ length: 64 }, () => 100)]).timingOf(program, 1n)
    expect(timing).toEqual({ p50Ms: 100, p90Ms: 100, maxMs: 100, count: 64 })
  })

  test('more work takes proportionally longer, less is not trusted to be faster', () => {
    const calibration = recorded([100, 200, 300], 4n)
    expect(calibration.timingOf(program, 8n)?.maxMs).toBe(600)
    expect(calibration.timingOf(program, 5n)?.maxMs).toBe(375)
    expect(calibration.timingOf(program, 1n)?.maxMs).toBe(300)
    expect(calibration.timingOf(program, 0n)?.maxMs).toBe(300)
    calibration.record(program, 8n, 1_000)
    expect(calibration.timingOf(program, 4n)?.maxMs).toBe(500)
  })

  test('times are whole ms, at least one, and in order, whatever was measured and is asked', () => {
    const measured = fc.tuple(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
    )
    fc.assert(
      fc.property(
        fc.array(measured, { minLength: 1, maxLength: 80 }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (proofs, asked) => {
          const calibration = new Calibration()
          for (const [work, ms] of proofs) calibration.record(program, work, ms)
          const { p50Ms, p90Ms, maxMs, count } = calibration.timingOf(program, asked)!
          for (const ms of [p50Ms, p90Ms, maxMs]) {
            expect(Number.isInteger(ms)).toBe(true)
            expect(ms).toBeGreaterThanOrEqual(1)
          }
          expect(p90Ms).toBeGreaterThanOrEqual(p50Ms)
          expect(maxMs).toBeGreaterThanOrEqual(p90Ms)
          expect(count).toBe(Math.min(64, proofs.length))
          expect(
            Calibration.parse(JSON.parse(calibration.toText())).timingOf(program, asked),
          ).toEqual(calibration.timingOf(program, asked))
        },
      ),
    )
  })
})

describe('its file', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'proofwire-calibration-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  test('gives back what was kept, in a folder made for it, and leaves nothing else behind', async () => {
    const path = join(folder, 'data', 'calibration.json')
    expect(await loadCalibration(path)).toBeNull()
    await saveCalibration(path, recorded([1, 2]))
    await saveCalibration(path, recorded([3, 4, 5], 7n))
    const loaded = await loadCalibration(path)
    expect(loaded?.timingOf(program, 7n)).toEqual({ p50Ms: 4, p90Ms: 5, maxMs: 5, count: 3 })
    expect(await readdir(join(folder, 'data'))).toEqual(['calibration.json'])
  })

  test('a write that fails leaves no draft behind', async () => {
    await mkdir(join(folder, 'calibration.json'))
    await expect(saveCalibration(join(folder, 'calibration.json'), recorded([1]))).rejects.toThrow()
    expect(await readdir(folder)).toEqual(['calibration.json'])
  })

  test.each([
    ['text that is no JSON', '{', /is not JSON/],
    ['another version', '{"version":2}', /its version is not 1/],
    ['null', 'null', /its version is not 1/],
    ['a bad program', '{"version":1,"programs":{"x":{}}}', /"x" is not a programId/],
    ['no work', `{"version":1,"programs":{"${program}":{"recentMs":[1]}}}`, /"work" of 0x/],
    ['no times', `{"version":1,"programs":{"${program}":{"work":"1"}}}`, /"recentMs" of 0x/],
    [
      'times of zero',
      `{"version":1,"programs":{"${program}":{"work":"1","recentMs":[0]}}}`,
      /"recentMs" of 0x/,
    ],
    ['null for a program', `{"version":1,"programs":{"${program}":null}}`, /"work" of 0x/],
  ])('with %s is refused with its name and what to do', async (_, text, message) => {
    const path = join(folder, 'calibration.json')
    await writeFile(path, text)
    const refusal = await loadCalibration(path).catch((error: Error) => error)
    expect(refusal).toMatchObject({ name: 'AgentError', code: 'FILE' })
    expect(String(refusal)).toMatch(message)
    expect(String(refusal)).toContain(path)
  })
})

describe('measuring', () => {
  const { signal } = new AbortController()
  let elapsed = 0
  const backend = (answers: readonly number[], seen: ProofJob[] = []): Backend => ({
    name: 'a device',
    supports: () => true,
    prove: async (job) => {
      elapsed += answers[seen.length]!
      seen.push(job)
      return new Uint8Array([seen.length])
    },
    close: async () => undefined,
  })
  const options = (device: Backend, isProof = true) => ({
    backend: device,
    sample: sampleOf('tiny'),
    payee: alice,
    count: 3,
    elapsedMs: () => elapsed,
    verify: async () => isProof,
    signal,
  })

  test('proves the sample so many times and gives the whole ms of each', async () => {
    const seen: ProofJob[] = []
    const told: number[][] = []
    const took = await measure({
      ...options(backend([20.2, 10, 0], seen)),
      onProof: (done, ms) => told.push([done, ms]),
    })
    expect(took).toEqual([21, 10, 1])
    expect(told).toEqual([
      [1, 21],
      [2, 10],
      [3, 1],
    ])
    expect(seen.map(({ payee }) => payee)).toEqual([alice, alice, alice])
    expect(seen.every(({ inputs }) => inputs === seen[0]?.inputs)).toBe(true)
  })

  test('a device whose proofs do not verify is not fit for the market', async () => {
    await expect(measure(options(backend([1, 1, 1]), false))).rejects.toMatchObject({
      code: 'DEVICE',
      message: expect.stringContaining('a device'),
    })
  })

  test('what the backend throws ends it', async () => {
    const broken = new BackendError('failed', 'no driver')
    const device = { ...backend([]), prove: () => Promise.reject(broken) }
    await expect(measure(options(device))).rejects.toBe(broken)
  })
})

describe('the sample', () => {
  test.each(['tiny', 'n1d16'] as const)('of %s can be proven, and is always the same', (name) => {
    const sample = sampleOf(name)
    const { table } = decodeInputs(sample.inputs)!
    const refusal = checkInputs(sample.inputs, {
      verifier: sample.verifier,
      programId: shapes[name].programId,
      inputBytes: sample.inputs.length,
      venue: table.venue,
      tableDigest: tableDigest(encodeTable(table)),
      publicInputsHash: sample.publicInputsHash,
    })
    expect(refusal).toBeNull()
    expect(sampleOf(name)).toEqual(sample)
  })
})
