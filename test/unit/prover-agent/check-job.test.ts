import { afterAll, describe, expect, test } from 'vitest'
import { decodeInputs, encodeInputs } from '#protocol/inputs'
import { wholeTable } from '#protocol/segments'
import { encodeTable, tableDigest } from '#protocol/table'
import { publicInputsHash as hashOfWords } from '#protocol/words'
import { checkJob } from '#prover-agent/check-job'
import { openInputsCheck } from '#prover-agent/measuring'
import { sampleOf } from '#prover-agent/sample'
import { hashOf } from '#simulations/pretence'
import { program as ledgerProgram, sample as ledgerSample } from '#test/support/ledger-sample'
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

  test('of other programs must hash to what the request names, for the room that it names', () => {
    const of = { verifier, programId: hashOf('another program') }
    // A segment of two entries, in a circuit with room for five.
    const other = ledgerSample(5, undefined, { of, entries: 5 })
    const foreign = terms({ ...other.terms, work: 5n })
    expect(checkJob(other.inputs, foreign)).toBeNull()
    for (const [work, refusal] of [
      [1n, 'wrong-shape'],
      [2n, 'wrong-public-inputs'],
      [2n ** 63n, 'wrong-public-inputs'],
    ] as const) {
      expect(checkJob(other.inputs, { ...foreign, work })).toBe(refusal)
    }
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

  test('of a whole table may name any work: the program counts in its own unit', () => {
    const { programId: named } = ledgerProgram
    const { table: whole, witnesses, terms: said, words } = ledgerSample(4)
    const segments = [wholeTable(named, 2)]
    const all = { programId: named, table: whole, segments, index: 0, depth: 4, witnesses }
    const bytes = encodeInputs(all)
    const kd = hashOfWords(words)
    const asked = { ...said, programId: named, publicInputsHash: kd, inputBytes: bytes.length }
    for (const work of [1n, 1_000_000n])
      expect(checkJob(bytes, terms({ ...asked, work }))).toBeNull()
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
