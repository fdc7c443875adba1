import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FIELD_ORDER, wordsToBytes } from '#protocol/field'
import {
  checkInputs,
  decodeInputs,
  encodeInputs,
  MAX_INPUTS_BYTES,
  type ProofInputs,
  witnessFor,
} from '#protocol/inputs'
import { encodeBalance, encodeDeposit } from '#protocol/ledger-calls'
import { statementHash, wholeTable } from '#protocol/segments'
import { encodeTable, tableDigest } from '#protocol/table'
import { publicInputsHash, tableWords } from '#protocol/words'
import { failures } from '#test/support/ledger-failures'
import {
  call,
  context,
  errand,
  operations,
  otherProgram,
  program,
  sample,
  transaction,
} from '#test/support/ledger-sample'

const { table, witnesses, inputs, terms, shape, segments } = sample(4)
const none = { acting: null, credited: null }
const { programId } = program
const inputsOf = (
  of: Pick<ProofInputs, 'table' | 'witnesses'>,
  change: Partial<ProofInputs> = {},
) => encodeInputs({ programId, segments, index: 0, depth: 4, ...of, ...change })
/** Four entries in two segments of two, and in four of one. */
const long = [...errand, call(encodeDeposit(), { value: 7n }), call(encodeBalance())]
const cut = (index: number, room = 2) => sample(4, long, { index, entries: room })
/** A table of one entry, but for its witness. */
const alone = (one: typeof table) => ({
  ...{ programId, table: one, segments: [{ ...segments[0]!, entries: 1 }] },
  ...{ index: 0, depth: 4 },
})
const HEAD_BYTES = 36
const SEGMENT_BYTES = 65
const TABLE_AT = HEAD_BYTES + SEGMENT_BYTES

describe('inputs', () => {
  test.each([...operations(4), ...failures(4)])(
    'of $name come back as they were',
    ({ table: one, witness }) => {
      const whole = { ...alone(one), witnesses: [witness] }
      expect(decodeInputs(encodeInputs(whole))).toEqual(whole)
    },
  )

  test('say nothing of an account where there is none', () => {
    const missing = failures(4).find(({ reason }) => reason === 'no-payee')!
    const bytes = encodeInputs({ ...alone(missing.table), witnesses: [missing.witness] })
    const slotsAt = TABLE_AT + 4 + encodeTable(missing.table).length
    expect(bytes[slotsAt]).toBe(1 | 2 | 8)
    const balanceAt = slotsAt + 1 + 32 * (10 + 4 + 3)
    expect(decodeInputs(bytes.with(balanceAt + 31, 1))).toBeNull()
    expect(decodeInputs(bytes.with(slotsAt, 1 | 2 | 4 | 8))).toBeNull()
    for (const slots of [1 | 8, 4, 2 | 4, 16]) {
      expect(decodeInputs(bytes.with(slotsAt, slots)), `slots ${slots}`).toBeNull()
    }
  })

  test('of a segment hold the whole table, and the witnesses of its own entries', () => {
    for (const index of [0, 1]) {
      const made = cut(index)
      const read = decodeInputs(made.inputs)!
      expect(read.segments).toHaveLength(2)
      expect(read.table).toEqual(made.table)
      expect(read.witnesses).toEqual(made.witnesses)
      expect(read).toMatchObject({ index, programId, depth: 4 })
    }
  })

  test('hold the witness of the slots their program answers for, and no other', () => {
    const both = operations(4).find(({ name }) => name === 'a signed send to another rollup')!
    expect(witnessFor(both.table, program, 0, both.witness)).toEqual(both.witness)
    expect(witnessFor(both.table, otherProgram, 0, both.witness)).toEqual(none)
    const within = operations(4).find(({ name }) => name === 'a signed send')!
    expect(witnessFor(within.table, program, 0, within.witness)).toEqual(within.witness)
    const bytes = inputsOf({ table, witnesses: [none, none] })
    expect(bytes).toHaveLength(TABLE_AT + 4 + encodeTable(table).length + 2)
    expect(inputs).toHaveLength(bytes.length + 2 * 32 * (10 + 4))
  })

  test('need a witness for each entry, with a sibling for each level', () => {
    expect(() => inputsOf({ table, witnesses: [] })).toThrow(RangeError)
    expect(() => inputsOf({ table, witnesses }, { depth: 5 })).toThrow(RangeError)
  })

  test('are refused with another version, depth, segment, table length, slots or length', () => {
    const slotsAt = TABLE_AT + 4 + encodeTable(table).length
    expect(inputs[slotsAt]).toBe(1)
    for (const [at, byte] of [
      [0, 2],
      [1, 0],
      [1, 5],
      [1, 33],
      [HEAD_BYTES - 2, 1],
      [HEAD_BYTES - 1, 0],
      [HEAD_BYTES - 1, 2],
      [HEAD_BYTES - 1, 65],
      [HEAD_BYTES + 32, 0],
      [HEAD_BYTES + 32, 1],
      [HEAD_BYTES + 32, 3],
      [HEAD_BYTES + 33, 255],
      [TABLE_AT, 255],
      [TABLE_AT + 3, inputs[TABLE_AT + 3]! ^ 1],
      [slotsAt, 0],
      [slotsAt, 3],
      [slotsAt, 4],
    ] as const) {
      expect(decodeInputs(inputs.with(at, byte)), `byte ${at}`).toBeNull()
    }
    expect(decodeInputs(inputs.subarray(0, -1))).toBeNull()
    expect(decodeInputs(inputs.subarray(0, TABLE_AT + 2))).toBeNull()
    expect(decodeInputs(new Uint8Array([...inputs, 0]))).toBeNull()
    expect(decodeInputs(new Uint8Array(3))).toBeNull()
    expect(decodeInputs(new Uint8Array(MAX_INPUTS_BYTES + 1))).toBeNull()
  })

  test('are refused with a word not below the field order, or an account beyond the tree', () => {
    const dirty = inputs.slice()
    dirty.set(wordsToBytes([FIELD_ORDER]), dirty.length - 32)
    expect(decodeInputs(dirty)).toBeNull()
    const beyond = inputs.slice()
    beyond.set(wordsToBytes([16n]), TABLE_AT + 4 + encodeTable(table).length + 1)
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
    // Another circuit has another digest of the same words.
    const roomy = sample(4, undefined, { entries: 5 })
    expect(checkInputs(roomy.inputs, roomy.terms, { entries: 5, depth: 4 })).toBeNull()
    const deep = sample(16, [transaction(table.entries[0]!.action.data)], { entries: 1 })
    expect(checkInputs(deep.inputs, deep.terms, { entries: 1, depth: 16 })).toBeNull()
  })

  test('accepts each segment of a table, and takes none for another', () => {
    for (const room of [1, 2]) {
      const parts = Array.from({ length: 4 / room }, (_, index) => cut(index, room))
      for (const part of parts) {
        expect(checkInputs(part.inputs, part.terms, part.shape)).toBeNull()
        for (const other of parts.filter((one) => one !== part)) {
          const asked = { ...other.terms, inputBytes: part.inputs.length }
          expect(checkInputs(part.inputs, asked, part.shape)).toBe('wrong-public-inputs')
        }
      }
    }
  })

  test('refuses a segment whose digest is not that of its words, and looks at no other', () => {
    const spoiled = (which: number) => {
      const [first, second] = cut(0).segments
      const changed = [first!, second!].with(which, { ...first!, p: first!.p + 1n })
      const made = cut(0)
      const bytes = inputsOf(made, { segments: changed })
      const words = tableWords(made.table, program)
      const hash = statementHash(publicInputsHash(words), programId, changed, 0)
      const asked = { ...made.terms, inputBytes: bytes.length, publicInputsHash: hash }
      return checkInputs(bytes, asked, made.shape)
    }
    expect(spoiled(0)).toBe('wrong-public-inputs')
    expect(spoiled(1)).toBeNull()
  })

  test('accepts a whole table for a program without circuits, by the table’s own hash', () => {
    const whole = [wholeTable(programId, 2)]
    const bytes = inputsOf({ table, witnesses }, { segments: whole })
    const kd = publicInputsHash(tableWords(table, program))
    const asked = { ...terms, programId, inputBytes: bytes.length, publicInputsHash: kd }
    expect(checkInputs(bytes, asked, { entries: 2, depth: 4 })).toBeNull()
    const named = { ...asked, programId: terms.programId }
    expect(checkInputs(bytes, named, { entries: 2, depth: 4 })).toBe('wrong-public-inputs')
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
      const bytes = inputsOf({ table: changed, witnesses })
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
      const bytes = inputsOf({ table, witnesses: changed })
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
