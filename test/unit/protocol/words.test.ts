import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FIELD_ORDER, fromHex } from '#protocol/field'
import type { Hex } from '#protocol/schema'
import { ZERO_HASH } from '#protocol/table'
import {
  actionWords,
  dataWords,
  ENTRY_WORDS,
  evaluate,
  HEADER_WORDS,
  type Message,
  messageHash,
  padWords,
  poseidonDigest,
  programWord,
  publicInputsHash,
  tableWords,
  wordCount,
} from '#protocol/words'
import { addressOf, anyTable, goldenTable, wordOf } from '#test/support/table-sample'

const golden = JSON.parse(
  readFileSync(new URL('../../vectors/table.json', import.meta.url), 'utf8'),
)
const [first, second] = goldenTable.programs
const words = tableWords(goldenTable, first!)
const word = fc.bigInt({ min: 0n, max: FIELD_ORDER - 1n })

describe('the golden table', () => {
  test('has the words, hashes and digest both languages agree on', () => {
    expect(words.map(wordOf)).toEqual(golden.words0)
    expect(tableWords(goldenTable, second!).map(wordOf)).toEqual(golden.words1)
    expect([first!, second!].map((program) => wordOf(programWord(program)))).toEqual(
      golden.programWords,
    )
    const hashes = goldenTable.programs.map((one) => publicInputsHash(tableWords(goldenTable, one)))
    expect(hashes).toEqual(golden.publicInputsHashes)
    expect(wordOf(poseidonDigest(words))).toBe(golden.p)
    expect(wordOf(evaluate(words, BigInt(golden.x)))).toBe(golden.y)
  })
})

describe('tableWords', () => {
  test('gives a header and so many words an entry, all below the field order', () => {
    fc.assert(
      fc.property(anyTable, (table) => {
        for (const program of table.programs) {
          const all = tableWords(table, program)
          expect(all).toHaveLength(HEADER_WORDS + ENTRY_WORDS * table.entries.length)
          expect(all.every((value) => value >= 0n && value < FIELD_ORDER)).toBe(true)
        }
      }),
      { numRuns: 30 },
    )
  })

  test('refuses a word that is not in the field, and a rollup without one program', () => {
    const [entry] = goldenTable.entries
    const [delta] = entry!.deltas
    const bad = { ...entry!, deltas: [{ ...delta!, rootAfter: `0x${'ff'.repeat(32)}` as Hex }] }
    expect(() => tableWords({ ...goldenTable, entries: [bad] }, first!)).toThrow('not in the field')
    expect(() => tableWords({ ...goldenTable, programs: [first!] }, first!)).toThrow(
      'rollup 3 has no program',
    )
    const twice = { ...goldenTable, programs: [...goldenTable.programs, first!] }
    expect(() => tableWords(twice, first!)).toThrow('a rollup has two programs')
  })
})

describe('the words of data', () => {
  const show = (data: Hex) => dataWords(fromHex(data))
  const word7 = wordOf(7n).slice(2)

  test('are its length, the bytes in front, and up to three words', () => {
    expect(show('0x')).toEqual([0n, 0n, 0n, 0n, 0n, 0n])
    expect(show('0x01020304')).toEqual([4n, 0x01020304n, 0n, 0n, 0n, 0n])
    expect(show(`0x01020304${word7}`)).toEqual([36n, 0x01020304n, 7n, 0n, 0n, 0n])
    expect(show(`0x${word7.repeat(3)}`)).toEqual([96n, 0n, 7n, 7n, 7n, 0n])
  })

  test('are its length and hash when it is longer, or a word is not in the field', () => {
    for (const data of [`0x${word7.repeat(4)}`, `0x${'ff'.repeat(32)}`] as const) {
      const [length, ...rest] = show(data)
      expect(length).toBe(BigInt((data.length - 2) / 2))
      expect(rest.slice(0, 4)).toEqual([0n, 0n, 0n, 0n])
      expect(rest[4]).toBeGreaterThan(0n)
      expect(rest[4]).toBeLessThan(1n << 248n)
    }
  })

  test('differ wherever the data differs', () => {
    const data = fc.uint8Array({ maxLength: 140 })
    fc.assert(
      fc.property(data, data, (a, b) => {
        const isSame = Buffer.from(a).equals(Buffer.from(b))
        expect(dataWords(a).join() === dataWords(b).join()).toBe(isSame)
      }),
    )
    expect(show('0x00')).not.toEqual(show('0x0000'))
  })
})

describe('the digest rule', () => {
  test('gives other words another digest', () => {
    const changed = words.with(9, words[9]! + 1n)
    expect(poseidonDigest(changed)).not.toBe(poseidonDigest(words))
  })

  test('evaluates the sum of words times powers of x', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 20 }), word, (list, x) => {
        let [sum, power] = [0n, 1n]
        for (const value of list) {
          sum = (sum + value * power) % FIELD_ORDER
          power = (power * x) % FIELD_ORDER
        }
        expect(evaluate(list, x)).toBe(sum)
      }),
    )
  })

  test('gives a padded table the same value at every point, and no larger table fits', () => {
    const padded = padWords(words, 5)
    expect(padded).toHaveLength(wordCount(5))
    expect(evaluate(padded, 12_345n)).toBe(evaluate(words, 12_345n))
    expect(() => padWords(words, 2)).toThrow(RangeError)
  })
})

test('an action that is there never looks like padding', () => {
  expect(actionWords(goldenTable.entries[1]!.action)[0]).toBe(1n)
})

test('a message has a hash of its own for each of its fields', () => {
  const message: Message = {
    sourceRollup: 1n,
    source: addressOf(3),
    destinationRollup: 2n,
    destination: addressOf(5),
    valueWei: 250n,
  }
  const hashes = [
    message,
    { ...message, sourceRollup: 4n },
    { ...message, source: addressOf(4) },
    { ...message, destinationRollup: 4n },
    { ...message, destination: addressOf(4) },
    { ...message, valueWei: 4n },
  ].map(messageHash)
  expect(new Set(hashes).size).toBe(hashes.length)
  expect(hashes.every((hash) => hash !== ZERO_HASH && BigInt(hash) < FIELD_ORDER)).toBe(true)
})
