import { readFileSync } from 'node:fs'
import { hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesToWords, FIELD_ORDER, wordsToBytes } from '#protocol/field'
import type { Address } from '#protocol/schema'
import {
  challenge,
  decodeTable,
  ENTRY_WORDS,
  type Entry,
  encodeTable,
  evaluate,
  HEADER_WORDS,
  MAX_ENTRIES,
  poseidonDigest,
  publicInputsHash,
  type Table,
  tableDigest,
  tableWords,
  wordCount,
} from '#protocol/table'
import { otherPayee, payee, sample } from '#test/support/ledger-sample'

const golden = JSON.parse(
  readFileSync(new URL('../../vectors/table.json', import.meta.url), 'utf8'),
)
const { table, words } = sample(4)

const below = (bits: bigint) => fc.bigInt({ min: 0n, max: (1n << bits) - 1n })
const word = fc.bigInt({ min: 0n, max: FIELD_ORDER - 1n })
const account = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const amount = fc.bigInt({ min: 1n - (1n << 96n), max: (1n << 96n) - 1n })
const address = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((bytes): Address => `0x${Buffer.from(bytes).toString('hex')}`)
const entry: fc.Arbitrary<Entry> = fc.record({
  sourceRollup: below(64n),
  destinationRollup: below(64n),
  sourceAccount: account,
  destinationAccount: account,
  valueWei: below(96n),
  nonce: below(64n),
  data: below(248n),
  sourceBefore: word,
  sourceAfter: word,
  destinationBefore: word,
  destinationAfter: word,
  sourceDeltaWei: amount,
  destinationDeltaWei: amount,
})
const anyTable: fc.Arbitrary<Table> = fc
  .record({
    chainId: fc.maxSafeNat(),
    venue: address,
    executor: address,
    blocks: fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()),
    entries: fc.array(entry, { minLength: 1, maxLength: 4 }),
  })
  .map(({ blocks, ...rest }) => ({
    ...rest,
    firstBlock: Math.min(...blocks),
    lastBlock: Math.max(...blocks),
  }))

describe('the golden table', () => {
  test('has the words, hashes and challenge both languages agree on', () => {
    expect(words.map((value) => `0x${value.toString(16).padStart(64, '0')}`)).toEqual(golden.words)
    expect(encodeTable(table)).toEqual(hexToBytes(golden.canonical.slice(2)))
    expect(tableDigest(encodeTable(table))).toBe(golden.tableDigest)
    expect(publicInputsHash(words)).toBe(golden.kd)
    const p = poseidonDigest(words)
    expect(p).toBe(BigInt(golden.p))
    const x = challenge(golden.kd, p, payee)
    expect(x).toBe(BigInt(golden.x))
    expect(evaluate(words, x)).toBe(BigInt(golden.y))
  })
})

describe('tableWords', () => {
  test('gives a header and fourteen words an entry, all below the field order', () => {
    fc.assert(
      fc.property(anyTable, (any) => {
        const all = tableWords(any)
        expect(all).toHaveLength(HEADER_WORDS + ENTRY_WORDS * any.entries.length)
        expect(all.every((value) => value >= 0n && value < FIELD_ORDER)).toBe(true)
      }),
    )
  })

  test('pads a shorter table with zero words', () => {
    const padded = tableWords(table, 3)
    expect(padded).toHaveLength(wordCount(3))
    expect(padded.slice(0, words.length)).toEqual(words)
    expect(padded.slice(words.length).every((value) => value === 0n)).toBe(true)
  })

  test('refuses a table that does not fit, and fields out of their bounds', () => {
    const [first] = table.entries
    const withEntry = (change: Partial<Entry>): Table => ({
      ...table,
      entries: [{ ...first!, ...change }],
    })
    expect(() => tableWords({ ...table, entries: [first!, first!] }, 1)).toThrow(RangeError)
    for (const change of [
      { valueWei: 1n << 96n },
      { valueWei: -1n },
      { sourceRollup: 1n << 64n },
      { sourceAccount: 2 ** 32 },
      { data: 1n << 248n },
      { sourceAfter: FIELD_ORDER },
      { sourceDeltaWei: -(1n << 96n) },
      { destinationDeltaWei: 1n << 96n },
    ]) {
      expect(() => tableWords(withEntry(change))).toThrow(RangeError)
    }
    expect(() => tableWords({ ...table, chainId: 2 ** 53 })).toThrow(RangeError)
  })
})

describe('canonical bytes', () => {
  test('come back as the same table', () => {
    fc.assert(
      fc.property(anyTable, (any) => {
        expect(decodeTable(encodeTable(any))).toEqual(any)
      }),
    )
  })

  test('are the only bytes a table is read from', () => {
    const bytes = encodeTable(table)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const spoiled = bytes.slice()
        spoiled[at]! ^= change
        const read = decodeTable(spoiled)
        expect(read === null || Buffer.from(encodeTable(read)).equals(spoiled)).toBe(true)
        expect(read).not.toEqual(table)
      }),
      { numRuns: 500 },
    )
  })

  test('are refused when their length, tag or a word is wrong', () => {
    const bytes = encodeTable(table)
    const all = bytesToWords(bytes)
    const withWord = (index: number, value: bigint) =>
      decodeTable(wordsToBytes(all.toSpliced(index, 1, value)))
    expect(decodeTable(new Uint8Array())).toBeNull()
    expect(decodeTable(bytes.subarray(1))).toBeNull()
    expect(decodeTable(bytes.subarray(32))).toBeNull()
    expect(decodeTable(wordsToBytes(all.slice(0, 1 + HEADER_WORDS)))).toBeNull()
    expect(withWord(0, all[0]! + 1n)).toBeNull()
    expect(withWord(2, 1n << 160n)).toBeNull()
    expect(withWord(5, BigInt(table.firstBlock) - 1n)).toBeNull() // the last block before the first
    expect(withWord(6, 0n)).toBeNull() // padding has no place in canonical bytes
    expect(withWord(6, 2n)).toBeNull()
    expect(withWord(14, FIELD_ORDER)).toBeNull()
    expect(withWord(18, 1n << 100n)).toBeNull() // an ether delta nobody can hold
    expect(withWord(14, 7n)).not.toBeNull()
  })

  test('are refused beyond the longest table', () => {
    const [first] = table.entries
    const entries = (count: number) => Array.from({ length: count }, () => first!)
    const longest = encodeTable({ ...table, entries: entries(MAX_ENTRIES) })
    expect(decodeTable(longest)).not.toBeNull()
    expect(decodeTable(encodeTable({ ...table, entries: entries(MAX_ENTRIES + 1) }))).toBeNull()
  })

  test('never throw, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_000 }), (bytes) => {
        expect(decodeTable(bytes)).toBeNull()
      }),
    )
  })
})

describe('the digest rule', () => {
  test('gives every table, payee and digest a challenge of its own', () => {
    const kd = publicInputsHash(words)
    const p = poseidonDigest(words)
    const changed = words.with(9, words[9]! + 1n)
    const challenges = [
      challenge(kd, p, payee),
      challenge(kd, p, otherPayee),
      challenge(kd, p + 1n, payee),
      challenge(publicInputsHash(changed), p, payee),
    ]
    expect(new Set(challenges).size).toBe(challenges.length)
    expect(challenges.every((x) => x < FIELD_ORDER)).toBe(true)
    expect(poseidonDigest(changed)).not.toBe(p)
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
})
