import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '#protocol/field'
import {
  actionHash,
  decodeTable,
  type Entry,
  encodeTable,
  fromActionAbi,
  MAX_DATA_BYTES,
  MAX_ENTRIES,
  MAX_SCOPE_STEPS,
  MAX_TABLE_BYTES,
  packScope,
  SCOPE_STEP_LIMIT,
  type Table,
  tableDigest,
  unpackScope,
} from '#protocol/table'
import { actionOf, anyTable, goldenTable, seedTable, wordOf } from '#test/support/table-sample'

const golden = JSON.parse(
  readFileSync(new URL('../../vectors/table.json', import.meta.url), 'utf8'),
)
const bytes = encodeTable(goldenTable)
const withFirst = (change: Partial<Entry>): Table => ({
  ...goldenTable,
  entries: [{ ...goldenTable.entries[0]!, ...change }],
})

describe('the golden table', () => {
  test('has the bytes and hashes both languages agree on', () => {
    expect(toHex(bytes)).toBe(golden.canonical)
    expect(tableDigest(bytes)).toBe(golden.tableDigest)
    expect(decodeTable(fromHex(golden.canonical))).toEqual(goldenTable)
    expect(goldenTable.entries.map(({ action }) => actionHash(action))).toEqual(golden.actionHashes)
    expect(goldenTable.entries.map(({ next }) => actionHash(next))).toEqual(golden.nextHashes)
  })
})

describe('canonical bytes', () => {
  test('come back as the same table', () => {
    fc.assert(
      fc.property(anyTable, (table) => {
        expect(decodeTable(encodeTable(table))).toEqual(table)
      }),
    )
  })

  test('with a byte changed are no table, or another one under another digest', () => {
    const digest = tableDigest(bytes)
    for (let at = 0; at < bytes.length; at++) {
      const spoiled = bytes.with(at, bytes[at]! ^ (1 << (at % 8)))
      const read = decodeTable(spoiled)
      if (read === null) continue
      expect(read).not.toEqual(goldenTable)
      expect(tableDigest(spoiled)).not.toBe(digest)
      expect(encodeTable(read)).toEqual(spoiled)
    }
  })

  test('are refused when a piece is missing or something is behind them', () => {
    expect(decodeTable(bytes.subarray(32))).toBeNull()
    expect(decodeTable(bytes.subarray(0, -32))).toBeNull()
    expect(decodeTable(new Uint8Array([...bytes, ...new Uint8Array(32)]))).toBeNull()
  })

  test('are refused beyond the limits', () => {
    const [first] = seedTable.entries
    const many = (count: number): Table => ({
      ...seedTable,
      entries: Array.from({ length: count }, () => first!),
    })
    expect(decodeTable(encodeTable(many(MAX_ENTRIES)))).not.toBeNull()
    for (const count of [0, MAX_ENTRIES + 1])
      expect(decodeTable(encodeTable(many(count)))).toBeNull()
    const data = (length: number) =>
      withFirst({ action: actionOf('CALL', { data: `0x${'00'.repeat(length)}` }) })
    expect(decodeTable(encodeTable(data(MAX_DATA_BYTES)))).not.toBeNull()
    expect(decodeTable(encodeTable(data(MAX_DATA_BYTES + 1)))).toBeNull()
    const { deltas } = goldenTable.entries[0]!
    for (const wrong of [[], [...deltas, ...deltas]])
      expect(decodeTable(encodeTable(withFirst({ deltas: wrong })))).toBeNull()
    expect(decodeTable(new Uint8Array(MAX_TABLE_BYTES + 32))).toBeNull()
  })

  test('are read once, wherever their offsets lead', () => {
    // 400 entries that are one, with data of 100 kB: an ABI decoder follows them for ten seconds.
    const [count, head] = [400, [32, 1, 1, 1, 1, 1, 0, 256, 288, 0]]
    const entry = [96, 128, 128, 0, 0, 0, 0, 0, 288, 0, 0, 0, 0]
    const offsets = Array<number>(count).fill(32 * count)
    const words = [...head, count, ...offsets, ...entry, 100_000].map((value) =>
      wordOf(BigInt(value)),
    )
    const hostile = new Uint8Array(32 * words.length + 100_000)
    hostile.set(words.flatMap((word) => [...fromHex(word)]))
    expect(decodeTable(hostile)).toBeNull()
  })

  test('never throw, whatever they are', () => {
    // Words that look like offsets and lengths get furthest into the decoder.
    const word = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.nat({ max: 2_000 }).map((value) => fromHex(`0x${value.toString(16).padStart(64, '0')}`)),
    )
    const wordy = fc
      .array(word, { maxLength: 24 })
      .map((list) => new Uint8Array(list.flatMap((one) => [...one])))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 600 }), wordy), (any) => {
        expect(decodeTable(any)).toBeNull()
      }),
      { numRuns: 20_000 },
    )
  })
})

describe('a scope', () => {
  const step = fc.integer({ min: 0, max: SCOPE_STEP_LIMIT - 1 })

  test('is one word and comes back from it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: MAX_SCOPE_STEPS }), (scope) => {
        expect(unpackScope(packScope(scope))).toEqual(scope)
      }),
    )
    expect(packScope([])).toBe(0n)
    expect(packScope([0, 4])).toBe(0x0005_0001n)
  })

  test('is refused when it is too long or a step is out of bounds, or the word is none', () => {
    for (const scope of [[-1], [SCOPE_STEP_LIMIT], [1 / 2], Array(MAX_SCOPE_STEPS + 1).fill(0)])
      expect(() => packScope(scope)).toThrow(RangeError)
    expect(unpackScope(0x0001_0000n)).toBeNull()
    expect(unpackScope(1n << 240n)).toBeNull()
  })
})

test('an action the contract sends is read, and none with an unknown type or scope', () => {
  const [{ action }] = goldenTable.entries as [Entry]
  const sent = { ...action, actionType: 5, scope: packScope(action.scope) }
  expect(fromActionAbi(sent)).toEqual(action)
  expect(fromActionAbi({ ...sent, actionType: 6 })).toBeNull()
  expect(fromActionAbi({ ...sent, scope: 1n << 16n })).toBeNull()
})
