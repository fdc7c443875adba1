import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bytesToWords,
  COORDINATE_ORDER,
  FIELD_ORDER,
  poseidon,
  tagWord,
  toHex,
  wordsToBytes,
} from '#protocol/field'

const word = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n })

describe('words', () => {
  test('and bytes are each other’s inverse', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        const bytes = wordsToBytes(words)
        expect(bytes.length).toBe(32 * words.length)
        expect(bytesToWords(bytes)).toEqual(words)
      }),
    )
  })

  test('are 32 bytes, big-endian; anything else is an error', () => {
    expect(toHex(wordsToBytes([258n]))).toBe(`0x${'00'.repeat(30)}0102`)
    for (const bad of [-1n, 2n ** 256n]) expect(() => wordsToBytes([bad])).toThrow(RangeError)
    expect(() => bytesToWords(new Uint8Array(33))).toThrow(RangeError)
  })

  test('of short names are Solidity’s bytes32 literals', () => {
    expect(toHex(wordsToBytes([tagWord('ab')]))).toBe(`0x6162${'00'.repeat(30)}`)
    expect(() => tagWord('a'.repeat(32))).toThrow(RangeError)
  })
})

describe('Poseidon', () => {
  test('gives circomlib’s value of (1, 2)', () => {
    const expected = 0x115cc0f5e7d690413df64c6b9662e9cf2a3617f2743245519e19607a4417189an
    expect(poseidon([1n, 2n])).toBe(expected)
  })

  test('has the widths in use, and no others', () => {
    for (const width of [2, 4, 5, 11, 15])
      expect(poseidon(Array(width).fill(1n))).toBeLessThan(FIELD_ORDER)
    expect(() => poseidon([1n])).toThrow(RangeError)
  })
})

test('the fields are those of EIP-196', () => {
  expect([FIELD_ORDER % 2n, COORDINATE_ORDER % 4n]).toEqual([1n, 3n])
  expect(COORDINATE_ORDER).toBeGreaterThan(FIELD_ORDER)
})
