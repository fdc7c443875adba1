import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createVerifier } from '#node/verifier'
import { decodeSegmentProof } from '#protocol/proof'
import { programOfKeys } from '#protocol/segments'
import type { ProofJob } from '#prover-agent/backend'
import { createSnarkjsBackend } from '#prover-agent/backends/snarkjs'
import { buildShape } from '#prover-agent/circuits/build'
import { loadVerificationKey, shapes } from '#prover-agent/circuits/shapes'
import { oneSegment, otherPayee, payee, program, sample } from '#test/support/ledger-sample'

const { programId } = shapes.tiny
const of = { ...program, programId: programOfKeys([programId]) }
const made = sample(shapes.tiny.depth, undefined, { of, key: programId })
const { inputs, table, witnesses, terms, segments } = made
const never = new AbortController().signal
const job = (change: Partial<ProofJob> = {}): ProofJob => ({
  verifier: of.verifier,
  programId,
  inputs,
  payee,
  deadlineAt: Date.now() + 60_000,
  ...change,
})

const backend = createSnarkjsBackend({ shapes: ['tiny'] })
beforeAll(() => buildShape('tiny', () => {}), 120_000)
afterAll(() => backend.close())

describe('the snarkjs backend', () => {
  test('makes a proof that the verifier accepts, for its payee alone', async () => {
    const proof = await backend.prove(job(), never)
    expect(decodeSegmentProof(proof)).toMatchObject({ payee, index: 0, p: segments[0]!.p })
    const keys = new Map([[programId, await loadVerificationKey('tiny')]])
    const verifier = createVerifier({ keys })
    const { publicInputsHash } = terms
    expect(await verifier.verify(proof, programId, publicInputsHash, payee)).toBe(true)
    expect(await verifier.verify(proof, programId, publicInputsHash, otherPayee)).toBe(false)
    await verifier.close()
  })

  test('supports the shapes it was given, and no others', async () => {
    expect(backend.supports(programId)).toBe(true)
    expect(backend.supports(shapes.n1d16.programId)).toBe(false)
    const other = backend.prove(job({ programId: shapes.n1d16.programId }), never)
    await expect(other).rejects.toMatchObject({ code: 'unsupported' })
  })

  test('says when nobody could prove the inputs', async () => {
    const garbled = backend.prove(job({ inputs: inputs.subarray(1) }), never)
    await expect(garbled).rejects.toMatchObject({ code: 'invalid-input' })
    const deep = backend.prove(job({ inputs: sample(5).inputs }), never)
    await expect(deep).rejects.toMatchObject({ code: 'invalid-input' })
    const [first, second] = witnesses.toReversed()
    const forged = oneSegment(table, [first!, second!], { depth: 4, room: 2, of, key: programId })
    await expect(backend.prove(job({ inputs: forged }), never)).rejects.toMatchObject({
      code: 'invalid-input',
    })
  })

  test('takes one job a lane, and asks to try the next again', async () => {
    const first = backend.prove(job(), never)
    await expect(backend.prove(job(), never)).rejects.toMatchObject({ code: 'retry' })
    expect(decodeSegmentProof(await first)).not.toBeNull()
  })

  test('stops at once when the job is cancelled or too late, and proves the next one', async () => {
    const cancel = new AbortController()
    const cancelled = backend.prove(job(), cancel.signal)
    cancel.abort()
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' })
    const late = backend.prove(job({ deadlineAt: Date.now() + 50 }), never)
    await expect(late).rejects.toMatchObject({ code: 'timed-out' })
    expect(decodeSegmentProof(await backend.prove(job(), never))).not.toBeNull()
  })

  test('closes with its jobs cancelled', async () => {
    const closing = createSnarkjsBackend({ shapes: ['tiny'] })
    const cancelled = closing.prove(job(), never)
    const refused = expect(cancelled).rejects.toMatchObject({ code: 'cancelled' })
    await closing.close()
    await refused
  })
})
