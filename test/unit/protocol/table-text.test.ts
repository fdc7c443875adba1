import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describeTable, MAX_COLUMNS, type Names } from '#protocol/table-text'
import {
  actionOf,
  alice,
  anyTable,
  bank,
  cellar,
  goldenTable,
  seedTable,
  tableOfEntries,
  wordOf,
} from '#test/support/table-sample'

const people = new Map([
  [alice, 'A'],
  [bank, 'B'],
  [cellar, 'C'],
])
const names: Names = (address) => people.get(address)

test('the seed’s table: A on L1 calls B on a rollup, which calls C on L1', () => {
  expect(describeTable(seedTable, names)).toBe(`\
table 0xd753…b26b: 2 entries, chain 31337, blocks 100 to 102, for 0x0000…00ee
 1  A on L1 calls B on rollup 2: 5 wei, 0x371303c0
    rollup 2 …0011 → …0022, +5 wei; then B calls C on L1: 0x01
 2  L1 answers rollup 2: 42
    rollup 2 …0022 → …0023; then answers L1: 43`)
})

test('accounts without a name, failures, money on the way and between rollups', () => {
  expect(describeTable({ ...goldenTable, lastBlock: 100 })).toBe(`\
table 0xf2b6…4fb6: 3 entries, chain 31337, block 100, for 0x0000…00ee
 1  0x0000…11ce on L1 tries 0x0000…00ba on rollup 1: 5 wei, 0x11121314
    rollup 1 …0001 → …000a, −3 wei, sends; then answers L1
    with rollup 3 …0003 → …001e, +8 wei, receives
 2  0x0000…11ce on L1 calls 0x0000…00ba on rollup 1: 0x11121314… (100 B)
    rollup 1 …000a → …000b, −2 wei; then 0x0000…00ba calls 0x0000…00ce on L1: 2 wei, 0x11121314… (1…
 3  L1 answers rollup 1 with a failure: 2 wei, 0xf0f1f2f3… (32 B)
    rollup 1 …000b → …000c, +2 wei; then answers L1: 0x11121314… (33 B)`)
})

test('transactions of rollups, reverts, and what stays', () => {
  const both = { rollupId: 1n, sourceRollup: 1n, scope: [0, 2], data: wordOf(7n) }
  const delta = { rollupId: 1n, rootBefore: wordOf(1n), rootAfter: wordOf(1n) }
  const nothing = { etherDelta: 0n, sent: wordOf(0n), received: wordOf(0n) }
  const deltas = [{ ...delta, ...nothing }]
  const own = actionOf('L2TX', { rollupId: 1n, destination: bank, data: '0x' })
  const goOn = actionOf('REVERT_CONTINUE', { ...both, failed: true, value: 15n * 10n ** 17n })
  const table = tableOfEntries([
    { deltas, action: own, next: actionOf('REVERT', both) },
    { deltas, action: goOn, next: actionOf('RESULT', { sourceRollup: 1n, failed: true }) },
  ])
  expect(
    describeTable({ ...table, executor: alice }, names)
      .split('\n')
      .slice(1)
      .join('\n'),
  ).toBe(` 1  B on rollup 1 sends its own transaction
    rollup 1 stays; then reverts its calls in frame 0.2
 2  rollup 1 goes on after the revert of frame 0.2: 1.5 ether
    rollup 1 stays; then answers L1 with a failure`)
})

test('no line is longer than a terminal', () => {
  const long: Names = (_, rollupId) => (rollupId === 1n ? 'n'.repeat(200) : undefined)
  fc.assert(
    fc.property(anyTable, (table) => {
      const lines = describeTable(table, long).split('\n')
      expect(lines.length).toBeGreaterThan(2 * table.entries.length)
      expect(lines.filter((line) => line.length > MAX_COLUMNS)).toEqual([])
    }),
    { numRuns: 50 },
  )
})
