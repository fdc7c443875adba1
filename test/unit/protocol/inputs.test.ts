import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FIELD_ORDER, wordsToBytes } from '#protocol/field'
import { checkInputs, decodeInputs, encodeInputs, inputsBytes } from '#protocol/inputs'
import { context, sample } from '#test/support/ledger-sample'

const { table, witness, inputs, terms, shape } = sample(4)

describe('inputs', () => {
  test('come back as they were, and have the length their head says', () => {
    expect(decodeInputs(inputs)).toEqual({ table, depth: 4, witnesses: [witness] })
    expect(inputs).toHaveLength(inputsBytes(shape))
    expect(sample(16).inputs).toHaveLength(inputsBytes({ entries: 1, depth: 16 }))
  })

  test('need a witness for each entry, with a sibling for each level', () => {
    expect(() => encodeInputs({ table, depth: 4, witnesses: [] })).toThrow(RangeError)
    expect(() => encodeInputs({ table, depth: 5, witnesses: [witness] })).toThrow(RangeError)
  })

  test('are refused with another version, depth, count or length', () => {
    expect(decodeInputs(inputs.with(0, 2))).toBeNull()
    expect(decodeInputs(inputs.with(1, 0))).toBeNull()
    expect(decodeInputs(inputs.with(1, 5))).toBeNull()
    expect(decodeInputs(inputs.with(3, 2))).toBeNull()
    expect(decodeInputs(inputs.subarray(0, -1))).toBeNull()
    expect(decodeInputs(new Uint8Array(3))).toBeNull()
  })

  test('are refused with a word not below the field order', () => {
    const dirty = inputs.slice()
    dirty.set(wordsToBytes([FIELD_ORDER]), dirty.length - 32)
    expect(decodeInputs(dirty)).toBeNull()
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
  test('accepts the inputs a request promised', () => {
    expect(checkInputs(inputs, terms, shape)).toBeNull()
  })

  test('refuses inputs that are not the ones the request names', () => {
    const zero = `0x${'00'.repeat(32)}` as const
    const check = (change: Partial<typeof terms>) =>
      checkInputs(inputs, { ...terms, ...change }, shape)
    expect(check({ inputBytes: inputs.length + 1 })).toBe('wrong-length')
    expect(check({ venue: context.executor })).toBe('wrong-venue')
    expect(check({ tableDigest: zero })).toBe('wrong-digest')
    expect(check({ publicInputsHash: zero })).toBe('wrong-public-inputs')
    expect(checkInputs(inputs, terms, { entries: 1, depth: 5 })).toBe('wrong-shape')
    // Padded to another circuit the same table has another hash.
    expect(checkInputs(inputs, terms, { entries: 2, depth: 4 })).toBe('wrong-public-inputs')
    const padded = sample(4, 2)
    expect(checkInputs(padded.inputs, padded.terms, padded.shape)).toBeNull()
  })

  test('refuses garbled inputs, and a witness that proves nothing', () => {
    const garbled = inputs.with(0, 9)
    expect(checkInputs(garbled, terms, shape)).toBe('malformed-inputs')
    const unsigned = { ...witness, signature: [0n, 1n, 0n] as const }
    const bytes = encodeInputs({ table, depth: 4, witnesses: [unsigned] })
    expect(checkInputs(bytes, terms, shape)).toBe('wrong-signature')
    const siblings = { ...witness, destinationSiblings: witness.sourceSiblings }
    const wrongPath = encodeInputs({ table, depth: 4, witnesses: [siblings] })
    expect(checkInputs(wrongPath, terms, shape)).toBe('wrong-root')
  })
})
