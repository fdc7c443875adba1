import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FIELD_ORDER } from '#protocol/field'
import type { Hex } from '#protocol/schema'
import {
  boundaries,
  type CircuitKey,
  cutTable,
  digestSegments,
  programOfKeys,
  type Segment,
  segmentHash,
  segmentPoint,
  segmentWords,
  statementHash,
  tableChallenge,
  wholeTable,
} from '#protocol/segments'
import { padWords, poseidonDigest, publicInputsHash, tableWords, wordCount } from '#protocol/words'
import { otherPayee, payee } from '#test/support/ledger-sample'
import { goldenKey, goldenPayee, goldenTable, wordOf } from '#test/support/table-sample'

const golden = JSON.parse(
  readFileSync(new URL('../../vectors/table.json', import.meta.url), 'utf8'),
)
const keyNamed = (byte: number): Hex => `0x${byte.toString(16).padStart(2, '0').repeat(32)}`
const circuit = (room: number): CircuitKey => ({ keyId: keyNamed(room), room })
const [one, four, eight] = [circuit(1), circuit(4), circuit(8)]
const words = tableWords(goldenTable, goldenTable.programs[0]!)
const kd = publicInputsHash(words)

describe('cutTable', () => {
  const rooms = (entries: number, keys: readonly CircuitKey[], most?: number) =>
    cutTable(entries, keys, most).map((cut) => [
      Number.parseInt(cut.keyId.slice(2, 4), 16),
      cut.entries,
    ])

  test('takes the largest circuit while it is full, then the smallest that has room', () => {
    const keys = [four, one, eight]
    expect(rooms(8, keys)).toEqual([[8, 8]])
    expect(rooms(1, keys)).toEqual([[1, 1]])
    expect(rooms(3, keys)).toEqual([[4, 3]])
    expect(rooms(17, keys)).toEqual([
      [8, 8],
      [8, 8],
      [1, 1],
    ])
  })

  test('gives a segment no more entries than were asked for', () => {
    const keys = [one, four, eight]
    expect(rooms(8, keys, 4)).toEqual([
      [4, 4],
      [4, 4],
    ])
    expect(rooms(3, keys, 1)).toHaveLength(3)
    expect(rooms(5, [eight, four], 2)).toEqual([
      [4, 2],
      [4, 2],
      [4, 1],
    ])
  })

  test('gives every entry one place, and no circuit more than its room', () => {
    const anyKeys = fc.uniqueArray(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 8 })
    const entries = fc.integer({ min: 1, max: 64 })
    fc.assert(
      fc.property(entries, anyKeys, entries, (count, sizes, most) => {
        const keys = sizes.map(circuit)
        const cuts = cutTable(count, keys, most)
        expect(boundaries(cuts).at(-1)).toBe(count)
        for (const cut of cuts) {
          const { room } = keys.find(({ keyId }) => keyId === cut.keyId)!
          expect(cut.entries).toBeGreaterThan(0)
          expect(cut.entries).toBeLessThanOrEqual(Math.min(room, most))
        }
      }),
    )
  })
})

describe('a segment', () => {
  const entries = goldenTable.entries.length
  const keys = [one, four]
  const cuts = cutTable(entries, keys, 1)
  const segments = digestSegments(words, cuts, keys)

  test('is about the header and its own entries', () => {
    expect(entries).toBe(3)
    expect(segmentWords(words, 0, entries)).toEqual(words)
    for (const [index, { p }] of segments.entries()) {
      const own = segmentWords(words, index, index + 1)
      expect(own).toHaveLength(wordCount(1))
      expect(own.slice(0, 8)).toEqual(words.slice(0, 8))
      expect(own.slice(8)).toEqual(words.slice(8 + 42 * index, 50 + 42 * index))
      expect(p).toBe(poseidonDigest(own))
    }
  })

  test('has the digest of its words padded to the circuit', () => {
    const [whole] = digestSegments(words, [{ keyId: four.keyId, entries }], keys)
    expect(whole!.p).toBe(poseidonDigest(padWords(words, 4)))
    expect(() => digestSegments(words, [{ keyId: one.keyId, entries }], keys)).toThrow(RangeError)
    expect(() => digestSegments(words, [{ keyId: eight.keyId, entries }], keys)).toThrow(RangeError)
  })

  test('has the hash and point both languages agree on', () => {
    const of: Segment = { keyId: goldenKey, entries, p: BigInt(golden.p) }
    const challenge = tableChallenge(kd, [of])
    expect(challenge).toBe(golden.challenge)
    expect(segmentHash(challenge, 0, of)).toBe(golden.segmentHash)
    expect(wordOf(segmentPoint(challenge, 0, goldenPayee))).toBe(golden.x)
  })

  test('is bound to table, place, circuit and every segment beside it', () => {
    const hash = (all: readonly Segment[], index: number, of = kd) =>
      statementHash(of, keyNamed(99), all, index)
    const [first, second, third] = segments as [Segment, Segment, Segment]
    const hashes = [
      hash(segments, 0),
      hash(segments, 1),
      hash(segments, 0, publicInputsHash(words.with(9, words[9]! + 1n))),
      hash([first, third, second], 0),
      hash([{ ...first, p: first.p + 1n }, second, third], 0),
      hash([first, { ...second, p: second.p + 1n }, third], 0),
      hash([{ ...first, keyId: four.keyId }, second, third], 0),
      hash([first, { ...second, keyId: four.keyId }, third], 0),
      hash([first, { ...second, entries: 2 }, third], 0),
      hash([first, second], 0),
    ]
    expect(new Set(hashes).size).toBe(hashes.length)
  })

  test('has another point for every payee and place, below the field order', () => {
    const challenge = tableChallenge(kd, segments)
    const points = [
      segmentPoint(challenge, 0, payee),
      segmentPoint(challenge, 0, otherPayee),
      segmentPoint(challenge, 1, payee),
      segmentPoint(kd, 0, payee),
    ]
    expect(new Set(points).size).toBe(points.length)
    expect(points.every((x) => x < FIELD_ORDER)).toBe(true)
  })

  test('that is a whole table for a program without circuits has the table’s own hash', () => {
    const programId = keyNamed(77)
    expect(statementHash(kd, programId, [wholeTable(programId, entries)], 0)).toBe(kd)
    expect(statementHash(kd, keyNamed(78), [wholeTable(programId, entries)], 0)).not.toBe(kd)
    const twice = [wholeTable(programId, 1), wholeTable(programId, 2)]
    expect(statementHash(kd, programId, twice, 0)).not.toBe(kd)
  })
})

test('a program of several circuits has a name of its own, by their order too', () => {
  const all = [[1], [1, 4], [4, 1], [1, 4, 8]].map((rooms) =>
    programOfKeys(rooms.map((room) => keyNamed(room))),
  )
  expect(new Set(all).size).toBe(all.length)
  expect(all).not.toContain(keyNamed(1))
})
