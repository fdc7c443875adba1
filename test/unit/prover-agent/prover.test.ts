import { describe, expect, test } from 'vitest'
import { createLog } from '#node/log'
import { defaultParams } from '#protocol/params'
import type { ProofRequest } from '#protocol/schema'
import { type Backend, BackendError, type ProofJob } from '#prover-agent/backend'
import { Lanes } from '#prover-agent/lanes'
import { createRole, type ProverPorts, rescueMs } from '#prover-agent/prover'
import { HandClock, settled } from '#test/support/hand-clock'
import { alice, DUE_AT, T0, terms } from '#test/support/messages'

const PROOF = new Uint8Array([1, 2, 3])
type Answer = Uint8Array | BackendError | Error

/** A role whose backend gives these answers, one an attempt; the last one again and again. */
function bench(answers: readonly Answer[], changes: Partial<ProverPorts> = {}) {
  const clock = new HandClock(T0)
  const lanes = new Lanes(1, clock.now)
  lanes.open()
  const attempts: ProofJob[] = []
  const told = { faults: [] as string[], proved: [] as number[], lines: [] as string[] }
  const backend: Backend = {
    name: 'a device',
    supports: () => true,
    prove: async (job) => {
      const answer = answers[Math.min(attempts.length, answers.length - 1)]!
      attempts.push(job)
      if (answer instanceof Uint8Array) return answer
      throw answer
    },
    close: async () => undefined,
  }
  const role = createRole({
    backend,
    lanes,
    clock,
    log: createLog({ level: 'debug', format: 'human', write: (line) => told.lines.push(line) }),
    verify: async (proof) => proof === PROOF,
    check: async () => null,
    elapsedMs: clock.now,
    rescueMs: 12_000,
    attemptLimitMs: 60_000,
    promisedAt: ({ dueAt }) => dueAt,
    onProved: (_, tookMs) => told.proved.push(tookMs),
    onFault: (reason) => told.faults.push(reason),
    ...changes,
  })
  const prove = (signal = new AbortController().signal, request: Partial<ProofRequest> = {}) =>
    role.prove({ request: terms(request), inputs: new Uint8Array(1_000), payee: alice }, signal)
  return { clock, lanes, attempts, told, prove }
}

describe('proving', () => {
  test('gives the proof to whom it pays, and says how long it took', async () => {
    const { prove, attempts, told } = bench([PROOF])
    expect(await prove()).toBe(PROOF)
    expect(attempts).toMatchObject([{ payee: alice, programId: terms().programId }])
    expect(told).toMatchObject({ faults: [], proved: [0] })
  })

  test('a busy device is asked again, and is not taken for a broken one', async () => {
    const busy = new BackendError('retry', 'all lanes are busy')
    const { prove, clock, attempts, told } = bench([busy, busy, PROOF])
    const proof = prove()
    await clock.moveTo(T0 + 1_000)
    expect(await proof).toBe(PROOF)
    expect(attempts).toHaveLength(3)
    expect(told.faults).toEqual([])
  })

  test.each([
    ['failed', new BackendError('failed', 'no driver'), 'failed: no driver'],
    ['timed out', new BackendError('timed-out', 'too slow'), 'timed-out: too slow'],
    ['broke its contract', new Error('oops'), 'failed: a device broke its contract: Error: oops'],
    [
      'gave a wrong proof',
      new Uint8Array([9]),
      'failed: a device made a proof that does not verify',
    ],
  ])(
    'a backend that %s is tried again while there is time, and is not trusted',
    async (_, answer, fault) => {
      const { prove, clock, told } = bench([answer, PROOF])
      const proof = prove()
      await clock.moveTo(T0 + 1_000)
      expect(await proof).toBe(PROOF)
      expect(told.faults).toEqual([fault])
    },
  )

  test.each(['unsupported', 'invalid-input'] as const)('%s ends it at once', async (code) => {
    const { prove, attempts, told } = bench([new BackendError(code, 'never')])
    expect(await prove()).toBeNull()
    expect(attempts).toHaveLength(1)
    expect(told.lines.join()).toContain(`code=${code} reason=never`)
  })

  test('goes on as long as a proof can still save the bond, and not longer', async () => {
    const { prove, clock, attempts, told } = bench([new BackendError('failed', 'no driver')])
    const proof = prove()
    await clock.moveTo(DUE_AT + 11_999)
    const tried = attempts.length
    expect(attempts.every(({ deadlineAt }) => deadlineAt === DUE_AT + 12_000)).toBe(true)
    await clock.moveTo(DUE_AT + 60_000)
    expect(await proof).toBeNull()
    expect(attempts.length - tried).toBeLessThanOrEqual(1)
    expect(tried).toBeGreaterThan(10)
    expect(told.lines.join()).toContain('gave up a job')
  })

  test('one attempt takes at most its limit', async () => {
    const { prove, attempts } = bench([PROOF], { attemptLimitMs: 5_000 })
    await prove()
    expect(attempts[0]?.deadlineAt).toBe(T0 + 5_000)
  })

  test('aborting ends it between two attempts, and frees its lane', async () => {
    const { prove, clock, lanes } = bench([new BackendError('retry', 'busy')])
    const stop = new AbortController()
    const proof = prove(stop.signal)
    await clock.moveTo(T0 + 50)
    stop.abort()
    await expect(proof).rejects.toMatchObject({ name: 'AbortError' })
    expect(lanes.running.size).toBe(0)
    expect(clock.waiting).toBe(0)
  })

  test('aborting ends it in the middle of one', async () => {
    const { prove, told } = bench([new BackendError('cancelled', 'cancelled')])
    const stop = new AbortController()
    const proof = prove(stop.signal)
    stop.abort()
    await expect(proof).rejects.toMatchObject({ name: 'AbortError' })
    await settled()
    expect(told.faults).toEqual([])
  })

  test('a proof nobody could check here is left to the node', async () => {
    const verify = () => Promise.reject(new Error('the verifier is closed'))
    const { prove } = bench([PROOF], { verify })
    expect(await prove()).toBe(PROOF)
  })

  test('the bond can be saved until two slots before commitments end', () => {
    expect(rescueMs(defaultParams)).toBe(12_000)
    expect(rescueMs({ commitWindowS: 1, slotS: 12 })).toBe(0)
  })
})
