import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FIELD_ORDER, wordsToBytes } from '#protocol/field'
import {
  checkInputs,
  decodeInputs,
  encodeInputs,
  MAX_INPUTS_BYTES,
  witnessFor,
} from '#protocol/inputs'
import { encodeTable, tableDigest } from '#protocol/table'
import { failures } from '#test/support/ledger-failures'
import {
  context,
  operations,
  otherProgram,
  program,
  sample,
  transaction,
} from '#test/support/ledger-sample'

const { table, witnesses, inputs, terms, shape } = sample(4)
const none = { acting: null, credited: null }

describe('inputs', () => {
  test.each([...operations(4), ...failures(4)])(
    'of $name come back as they were',
    ({ table: one, witness }) => {
      const proofInputs = { table: one, depth: 4, witnesses: [witness] }
      expect(decodeInputs(encodeInputs(proofInputs))).toEqual(proofInputs)
    },
  )

  test('say nothing of an account where there is none', () => {
    const missing = failures(4).find(({ reason }) => reason === 'no-payee')!
    const bytes = encodeInputs({ table: missing.table, depth: 4, witnesses: [missing.witness] })
    const slotsAt = 6 + encodeTable(missing.table).length
    expect(bytes[slotsAt]).toBe(1 | 2 | 8)
    const balanceAt = slotsAt + 1 + 32 * (10 + 4 + 3)
    expect(decodeInputs(bytes.with(balanceAt + 31, 1))).toBeNull()
    expect(decodeInputs(bytes.with(slotsAt, 1 | 2 | 4 | 8))).toBeNull()
    for (const slots of [1 | 8, 4, 2 | 4, 16]) {
      expect(decodeInputs(bytes.with(slotsAt, slots)), `slots ${slots}`).toBeNull()
    }
  })

  test('hold the witness of the slots their program answers for, and no other', () => {
    const both = operations(4).find(({ name }) => name === 'a signed send to another rollup')!
    expect(witnessFor(both.table, program, 0, both.witness)).toEqual(both.witness)
    expect(witnessFor(both.table, otherProgram, 0, both.witness)).toEqual(none)
    const within = operations(4).find(({ name }) => name === 'a signed send')!
    expect(witnessFor(within.table, program, 0, within.witness)).toEqual(within.witness)
    const bytes = encodeInputs({ table, depth: 4, witnesses: [none, none] })
    expect(bytes).toHaveLength(6 + encodeTable(table).length + 2)
    expect(inputs).toHaveLength(bytes.length + 2 * 32 * (10 + 4))
  })

  test('need a witness for each entry, with a sibling for each level', () => {
    expect(() => encodeInputs({ table, depth: 4, witnesses: [] })).toThrow(RangeError)
    expect(() => encodeInputs({ table, depth: 5, witnesses })).toThrow(RangeError)
  })

  test('are refused with another version, depth, table length, slots or length', () => {
    const slotsAt = 6 + encodeTable(table).length
    expect(inputs[slotsAt]).toBe(1)
    for (const [at, byte] of [
      [0, 1],
      [1, 0],
      [1, 5],
      [1, 33],
      [2, 255],
      [5, inputs[5]! ^ 1],
      [slotsAt, 0],
      [slotsAt, 3],
      [slotsAt, 4],
    ] as const) {
      expect(decodeInputs(inputs.with(at, byte)), `byte ${at}`).toBeNull()
    }
    expect(decodeInputs(inputs.subarray(0, -1))).toBeNull()
    expect(decodeInputs(new Uint8Array([...inputs, 0]))).toBeNull()
    expect(decodeInputs(new Uint8Array(3))).toBeNull()
    expect(decodeInputs(new Uint8Array(MAX_INPUTS_BYTES + 1))).toBeNull()
  })

  test('are refused with a word not below the field order, or an account beyond the tree', () => {
    const dirty = inputs.slice()
    dirty.set(wordsToBytes([FIELD_ORDER]), dirty.length - 32)
    expect(decodeInputs(dirty)).toBeNull()
    const beyond = inputs.slice()
    beyond.set(wordsToBytes([16n]), 6 + encodeTable(table).length + 1)
    expect(decodeInputs(beyond)).toBeNull()
  })

  test('never make the reader throw', () => {
    fc.assert(
      fc.property(fc.nat(inputs.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const spoiled = inputs.with(at, byte)
        const read = decodeInputs(spoiled)
        expect(read === null || Buffer.from(encodeInputs(read)).equals(spoiled)).toBe(true)
      }),
      { numRuns: 300 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        expect(decodeInputs(bytes)).toBeNull()
      }),
    )
  })
})

describe('checkInputs', () => {
  test('accepts the inputs a request promised, in any circuit with room for them', () => {
    expect(checkInputs(inputs, terms, shape)).toBeNull()
    expect(checkInputs(inputs, terms, { entries: 5, depth: 4 })).toBeNull()
    const deep = sample(16, [transaction(table.entries[0]!.action.data)])
    expect(checkInputs(deep.inputs, deep.terms, { entries: 1, depth: 16 })).toBeNull()
  })

  test('refuses inputs that are not the ones the request names', () => {
    const zero = `0x${'00'.repeat(32)}` as const
    const check = (change: Partial<typeof terms>) =>
      checkInputs(inputs, { ...terms, ...change }, shape)
    expect(check({ inputBytes: inputs.length + 1 })).toBe('wrong-length')
    expect(check({ venue: context.executor })).toBe('wrong-venue')
    expect(check({ tableDigest: zero })).toBe('wrong-digest')
    expect(check({ publicInputsHash: zero })).toBe('wrong-public-inputs')
    expect(check({ verifier: context.venue })).toBe('wrong-public-inputs')
    expect(check({ programId: zero })).toBe('wrong-public-inputs')
    expect(checkInputs(inputs, terms, { entries: 2, depth: 5 })).toBe('wrong-shape')
    expect(checkInputs(inputs, terms, { entries: 1, depth: 4 })).toBe('wrong-shape')
  })

  test('refuses a table with no program of a rollup it names, or with two', () => {
    const check = (programs: typeof table.programs) => {
      const changed = { ...table, programs }
      const bytes = encodeInputs({ table: changed, depth: 4, witnesses })
      const digest = tableDigest(encodeTable(changed))
      const request = { ...terms, inputBytes: bytes.length, tableDigest: digest }
      return checkInputs(bytes, request, shape)
    }
    expect(check(table.programs)).toBeNull()
    expect(check([])).toBe('malformed-table')
    const [one] = table.programs as [(typeof table.programs)[0]]
    const second = { ...one, programId: otherProgram.programId }
    expect(check([one, second, ...table.programs.slice(1)])).toBe('malformed-table')
  })

  test('refuses garbled inputs, and a witness that proves nothing', () => {
    expect(checkInputs(inputs.with(0, 9), terms, shape)).toBe('malformed-inputs')
    const check = (changed: typeof witnesses) => {
      const bytes = encodeInputs({ table, depth: 4, witnesses: changed })
      return checkInputs(bytes, { ...terms, inputBytes: bytes.length }, shape)
    }
    expect(check(witnesses)).toBeNull()
    expect(check([none, none])).toBe('wrong-witness')
    expect(check([witnesses[1]!, witnesses[0]!])).not.toBeNull()
    const { acting } = witnesses[0]!
    const siblings = acting!.siblings.with(3, 1n)
    expect(check([{ acting: { ...acting!, siblings }, credited: null }, witnesses[1]!])).toBe(
      'wrong-root',
    )
  })
})
