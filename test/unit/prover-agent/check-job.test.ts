import { afterAll, describe, expect, test } from 'vitest'
import { decodeInputs } from '#protocol/inputs'
import { encodeTable, tableDigest } from '#protocol/table'
import { checkJob } from '#prover-agent/check-job'
import { openInputsCheck } from '#prover-agent/measuring'
import { sampleOf } from '#prover-agent/sample'
import { hashOf } from '#simulations/pretence'
import { sample as ledgerSample } from '#test/support/ledger-sample'
import { alice, terms } from '#test/support/messages'

const thread = openInputsCheck()
afterAll(() => thread.close())

describe('inputs', () => {
  const { inputs, verifier, programId, publicInputsHash } = sampleOf('tiny')
  const { table } = decodeInputs(inputs)!
  const fitting = terms({
    verifier,
    programId,
    publicInputsHash,
    venue: table.venue,
    tableDigest: tableDigest(encodeTable(table)),
    inputBytes: inputs.length,
  })

  test('of our circuits must fit the request and the circuit', () => {
    expect(checkJob(inputs, fitting)).toBeNull()
    expect(checkJob(inputs, { ...fitting, publicInputsHash: hashOf('x') })).not.toBeNull()
    expect(checkJob(inputs.slice(1), fitting)).toBe('wrong-length')
  })

  test('of other programs must hash to what the request names, entry for entry', () => {
    const of = { verifier, programId: hashOf('another program') }
    const other = ledgerSample(5, undefined, { of })
    const foreign = terms(other.terms)
    expect(checkJob(other.inputs, foreign)).toBeNull()
    const check = (change: Partial<typeof foreign>) =>
      checkJob(other.inputs, { ...foreign, ...change })
    expect(check({ tableDigest: hashOf('x') })).toBe('wrong-digest')
    expect(check({ publicInputsHash: hashOf('x') })).toBe('wrong-public-inputs')
    expect(check({ programId: hashOf('a third') })).toBe('wrong-public-inputs')
    expect(check({ venue: alice })).toBe('wrong-venue')
    expect(checkJob(other.inputs.slice(1), foreign)).toBe('wrong-length')
    const junk = new Uint8Array(other.inputs.length).fill(255)
    expect(checkJob(junk, foreign)).toBe('malformed-inputs')
  })

  test('are checked in a thread: the event loop is free meanwhile', async () => {
    let turns = 0
    const turning = setInterval(() => turns++, 1)
    const asked = Array.from({ length: 8 }, () => thread.ask({ inputs, request: fitting }))
    expect(await Promise.all(asked)).toEqual(asked.map(() => null))
    clearInterval(turning)
    expect(turns).toBeGreaterThan(8)
    const other = { ...fitting, publicInputsHash: hashOf('x') }
    expect(await thread.ask({ inputs, request: other })).toBe('wrong-public-inputs')
  })
})
