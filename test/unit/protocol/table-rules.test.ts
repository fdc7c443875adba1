import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FIELD_ORDER } from '#protocol/field'
import type { Hex } from '#protocol/schema'
import {
  type Action,
  actionTypes,
  type Entry,
  encodeTable,
  MAX_DATA_BYTES,
  MAX_ENTRIES,
  MAX_SCOPE_STEPS,
  type StateDelta,
  type Table,
  tableDigest,
} from '#protocol/table'
import { accumulator, checkTable, tableRisks } from '#protocol/table-rules'
import { publicInputsHash, tableWords } from '#protocol/words'
import {
  actionOf,
  addressOf,
  alice,
  anyTable,
  bank,
  goldenTable,
  programOf,
  seedTable,
  tableOfEntries,
  wordOf,
  ZERO_ADDRESS,
} from '#test/support/table-sample'

const [first, second, third] = goldenTable.entries as [Entry, Entry, Entry]
const withEntry = (at: number, change: Partial<Entry>): Table => ({
  ...goldenTable,
  entries: goldenTable.entries.with(at, { ...goldenTable.entries[at]!, ...change }),
})
const withDelta = (at: number, which: number, change: Partial<StateDelta>): Table => {
  const { deltas } = goldenTable.entries[at]!
  return withEntry(at, { deltas: deltas.with(which, { ...deltas[which]!, ...change }) })
}
const withAction = (at: number, change: Partial<Action>): Table =>
  withEntry(at, { action: { ...goldenTable.entries[at]!.action, ...change } })

describe('a table that keeps the rules', () => {
  test('passes', () => {
    fc.assert(
      fc.property(anyTable, (table) => {
        expect(checkTable(table)).toBeNull()
      }),
      { numRuns: 300 },
    )
    expect(checkTable(goldenTable)).toBeNull()
    expect(checkTable(seedTable)).toBeNull()
  })
})

/** Every value one change of one field away, all the way down. */
function* changesOf(value: unknown): Generator<unknown> {
  if (typeof value === 'boolean') yield !value
  if (typeof value === 'number' || typeof value === 'bigint') {
    const one = (typeof value === 'number' ? 1 : 1n) as never
    yield (value as never) + one
    yield (value as never) - one
  }
  if (actionTypes.some((type) => type === value))
    yield* actionTypes.filter((type) => type !== value)
  else if (typeof value === 'string') {
    // A text of bytes: its first, its last, one more, one less.
    const flip = (at: number) =>
      value.slice(0, at) + (Number.parseInt(value[at]!, 16) ^ 1).toString(16) + value.slice(at + 1)
    if (value.length > 2) yield* [flip(2), flip(value.length - 1), value.slice(0, -2)]
    yield `${value}00`
  } else if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) {
      for (const changed of changesOf(item)) yield value.with(at, changed)
      yield value.toSpliced(at, 1)
      yield value.toSpliced(at, 0, item)
    }
    if (value.length < 2 && value.every(Number.isInteger)) yield [...value, 0]
  } else if (typeof value === 'object') {
    for (const [key, field] of Object.entries(value as object)) {
      for (const changed of changesOf(field)) yield { ...value, [key]: changed }
    }
  }
}

const hashesOf = (table: Table): Hex[] =>
  table.programs.map((program) => publicInputsHash(tableWords(table, program)))

/** How many changes of a table were refused, and how many were another table. */
function tryChanges(table: Table): { refused: number; other: number } {
  const digest = tableDigest(encodeTable(table))
  const hashes = new Set(hashesOf(table))
  const count = { refused: 0, other: 0 }
  for (const change of changesOf(table)) {
    const changed = change as Table
    if (checkTable(changed) !== null) {
      count.refused++
      continue
    }
    count.other++
    expect(tableDigest(encodeTable(changed))).not.toBe(digest)
    expect(hashesOf(changed).filter((hash) => hashes.has(hash))).toEqual([])
  }
  return count
}

describe('a table with one field changed', () => {
  test('is refused, or has another digest and other public inputs: the golden one', () => {
    const { refused, other } = tryChanges(goldenTable)
    expect(refused).toBeGreaterThan(100)
    expect(other).toBeGreaterThan(20)
  })

  test('is refused, or has another digest and other public inputs: any', () => {
    const small = anyTable.filter(({ entries }) => entries.length <= 6)
    fc.assert(
      fc.property(small, (table) => {
        tryChanges(table)
      }),
      { numRuns: 12 },
    )
  })
})

describe('what is wrong is named with its entry and its rule', () => {
  const long: Hex = `0x${'00'.repeat(MAX_DATA_BYTES + 1)}`
  const tooHigh: Hex = `0x${FIELD_ORDER.toString(16)}`
  const program = programOf(1n)

  test.each<[string, Table, number | null, string, string]>([
    ['no entry', { ...goldenTable, entries: [] }, null, 'E2', 'TABLE_SIZE'],
    [
      'too many entries',
      { ...goldenTable, entries: Array(MAX_ENTRIES + 1).fill(first) },
      null,
      'E2',
      'TABLE_SIZE',
    ],
    ['a chain that is no number', { ...goldenTable, chainId: 1 / 2 }, null, 'E2', 'BAD_FIELD'],
    ['blocks backwards', { ...goldenTable, firstBlock: 103 }, null, 'E2', 'BLOCKS_OUT_OF_ORDER'],
    [
      'a venue in capitals',
      { ...goldenTable, venue: `0x${'AA'.repeat(20)}` },
      null,
      'E2',
      'BAD_FIELD',
    ],
    ['no parent hash', { ...goldenTable, parentHash: '0x' }, null, 'E2', 'BAD_FIELD'],
    ['no delta', withEntry(1, { deltas: [] }), 1, 'E2', 'DELTA_COUNT'],
    ['long data', withAction(1, { data: long }), 1, 'E2', 'DATA_SIZE'],
    ['half a byte', withAction(1, { data: '0x0' }), 1, 'E2', 'BAD_FIELD'],
    [
      'a deep scope',
      withAction(2, { scope: Array(MAX_SCOPE_STEPS + 1).fill(0) }),
      2,
      'E2',
      'SCOPE_SIZE',
    ],
    ['a negative value', withAction(0, { value: -1n }), 0, 'E2', 'BAD_FIELD'],
    ['a rollup beyond 2^64', withAction(0, { sourceRollup: 1n << 64n }), 0, 'E2', 'BAD_FIELD'],
    ['a root beyond the field', withDelta(1, 0, { rootAfter: tooHigh }), 1, 'E2', 'NOT_IN_FIELD'],
    ['a delta of −2^127 wei', withDelta(1, 0, { etherDelta: -(1n << 127n) }), 1, 'E2', 'BAD_FIELD'],
    ['a delta of L1', withDelta(0, 1, { rollupId: 0n }), 0, 'E2', 'BAD_FIELD'],
    ['another first delta', withDelta(1, 0, { rollupId: 3n }), 1, 'E3', 'WRONG_ACTING_ROLLUP'],
    ['one rollup twice', withDelta(0, 1, { rollupId: 1n }), 0, 'E3', 'ROLLUP_TWICE'],
    [
      'programs unsorted',
      { ...goldenTable, programs: goldenTable.programs.toReversed() },
      null,
      'E4',
      'PROGRAMS_UNSORTED',
    ],
    ['a program missing', { ...goldenTable, programs: [program] }, 0, 'E4', 'PROGRAM_MISSING'],
    [
      'a program unused',
      { ...goldenTable, programs: [program, programOf(2n), programOf(3n)] },
      null,
      'E4',
      'PROGRAM_UNUSED',
    ],
    ['ether from nowhere', withDelta(2, 0, { etherDelta: 3n }), 2, 'E7', 'ETHER_NOT_CONSERVED'],
    [
      'a message lost',
      withDelta(0, 1, { received: wordOf(0n) }),
      0,
      'E8',
      'MESSAGES_DO_NOT_CANCEL',
    ],
    [
      'a message to itself',
      withEntry(1, {
        deltas: [{ ...second.deltas[0]!, sent: wordOf(5n), received: wordOf(5n) }],
      }),
      1,
      'E8',
      'MESSAGES_DO_NOT_CANCEL',
    ],
    ['a root from nowhere', withDelta(2, 0, { rootBefore: wordOf(99n) }), 2, 'E9', 'ROOT_UNKNOWN'],
    ['an answer to nothing', { ...goldenTable, entries: [first, third] }, 1, 'E9', 'ROOT_UNKNOWN'],
  ])('%s', (_, table, entry, rule, code) => {
    expect(checkTable(table)).toMatchObject({ entry, rule, code })
  })

  test('and says it in words, with the values', () => {
    expect(checkTable(withDelta(1, 0, { rollupId: 3n }))?.message).toBe(
      'the first delta is of rollup 3, but rollup 1 acts',
    )
    expect(checkTable(withDelta(2, 0, { etherDelta: 3n }))?.message).toBe(
      'the ether deltas add up to 3 wei, but 2 wei come in and 0 wei go out',
    )
  })

  test('a table whose bytes are too many, though each entry is within its limits', () => {
    const data: Hex = `0x${'00'.repeat(MAX_DATA_BYTES)}`
    const root = { rollupId: 1n, rootBefore: wordOf(1n), rootAfter: wordOf(1n) }
    const nothing = { etherDelta: 0n, sent: wordOf(0n), received: wordOf(0n) }
    const entry: Entry = {
      deltas: [{ ...root, ...nothing }],
      action: actionOf('CALL', { rollupId: 1n, destination: bank, sourceAddress: alice, data }),
      next: actionOf('RESULT', { sourceRollup: 1n, data }),
    }
    const table = tableOfEntries(Array(20).fill(entry))
    expect(checkTable(table)).toMatchObject({ entry: null, rule: 'E2', code: 'TABLE_SIZE' })
  })
})

test('the accumulator counts what is sent and not received, and the reverse', () => {
  expect(accumulator(first)).toEqual(new Map())
  const [giver, taker] = first.deltas
  expect(accumulator({ ...first, deltas: [giver!] })).toEqual(new Map([[wordOf(77n), 1]]))
  expect(accumulator({ ...first, deltas: [taker!] })).toEqual(new Map([[wordOf(77n), -1]]))
})

describe('the risks of a table', () => {
  const codes = (table: Table, facts = { owner: ZERO_ADDRESS, nativeToken: false }) =>
    tableRisks(table, new Map([[1n, facts]])).map(({ code }) => code)
  const calm: Table = { ...goldenTable, parentHash: wordOf(0n) }

  test('are none where nothing is unusual', () => {
    expect(codes(calm)).toEqual([])
  })

  test('name owners, native tokens, executors, parents, windows, and what nobody ends', () => {
    const owner = addressOf(0x0b)
    expect(codes(calm, { owner, nativeToken: false })).toEqual(['OWNER_CAN_CHANGE_ROLLUP'])
    expect(codes(calm, { owner: ZERO_ADDRESS, nativeToken: true })).toEqual(['NATIVE_TOKEN'])
    expect(codes({ ...calm, executor: ZERO_ADDRESS })).toEqual(['ANYONE_MAY_EXECUTE'])
    expect(codes(goldenTable)).toEqual(['BOUND_TO_PARENT'])
    expect(codes({ ...calm, lastBlock: 124 })).toEqual([])
    expect(codes({ ...calm, lastBlock: 125 })).toEqual(['LONG_WINDOW'])
    expect(codes({ ...calm, entries: [first, second] })).toEqual(['UNFINISHED'])
  })

  test('say what they are about', () => {
    const facts = { owner: ZERO_ADDRESS, nativeToken: true }
    const message = (table: Table) => tableRisks(table, new Map([[1n, facts]]))[0]?.message
    expect(message(calm)).toContain('the registry refuses the ether this table moves')
    const free = {
      action: { ...first.action, value: 0n },
      deltas: [{ ...first.deltas[0]!, etherDelta: 0n, sent: wordOf(0n) }],
    }
    expect(message({ ...calm, entries: [{ ...first, ...free }] })).toContain(
      'no ether may reach it',
    )
  })
})
