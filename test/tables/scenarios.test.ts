/**
 * Calls across L1 and rollups through tables, each beside the same calls on a single chain: what
 * every contract is left with must be the same.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { WrittenTable } from '#node/builder/writer'
import type { CallStep, Party, Script } from '#test/support/script'
import { parties, TwinChains } from '#test/support/twin-chains'

let twins: TwinChains
beforeAll(async () => {
  twins = await TwinChains.start()
})
afterAll(() => twins?.stop())

/** The user calls p. p and q are on L1, a and a2 on rollup 1, b and b2 on 2, c on 3. */
const [p, q, a, a2, b, b2, c] = parties as [Party, Party, Party, Party, Party, Party, Party]

const to =
  (kind: CallStep['kind']) =>
  (party: Party, script: Script = [], valueWei = 0n): CallStep => ({
    kind,
    to: party,
    valueWei,
    script,
  })
const [call, attempt, look, tryCall] = [to('call'), to('try'), to('static'), to('tryCall')]
const write = (slot: number, word: bigint) => ({ kind: 'write', slot, word }) as const
const read = (slot: number) => ({ kind: 'read', slot }) as const
const note = (slot: number) => ({ kind: 'note', slot }) as const
const balance = { kind: 'balance' } as const
const revert = { kind: 'revert' } as const

/** The entries, as types and rollups. */
const entriesOf = ({ table }: WrittenTable): string[] =>
  table.entries.map(
    ({ action, next }) =>
      `${action.actionType} ${action.rollupId} → ${next.actionType} ${next.rollupId}` +
      `${next.failed ? ' failed' : ''}`,
  )

/** Plays a script both ways. Resolves with the entries and the table. */
async function play(script: Script) {
  const { plain, tables, written } = await twins.play([...script, balance, note(0)])
  expect(tables).toEqual(plain)
  return { written, entries: entriesOf(written) }
}

describe('as on a single chain', () => {
  test('L1 calls a rollup and uses its answer', async () => {
    const { entries } = await play([call(a, [write(1, 5n), balance], 7n)])
    expect(entries).toEqual(['CALL 1 → RESULT 0'])
  })

  test('A (L1) → B (rollup) → C (L1) → back takes exactly the two entries of the seed', async () => {
    const { entries } = await play([call(a, [call(q, [write(1, 3n)], 5n), note(1)], 9n)])
    expect(entries).toEqual(['CALL 1 → CALL 0', 'RESULT 1 → RESULT 0'])
  })

  test('A (L1) → rollup 1 → L1 → rollup 2, whose result changes rollup 1’s root', async () => {
    const inner = call(b, [write(1, 3n), read(1)])
    const { entries, written } = await play([call(a, [call(q, [inner]), note(1)])])
    expect(entries).toEqual(['CALL 1 → CALL 0', 'CALL 2 → RESULT 0', 'RESULT 1 → RESULT 0'])
    const [first] = written.table.entries
    const last = written.table.entries.at(-1)!.deltas[0]!
    expect(last.rollupId).toBe(1n)
    expect(last.rootAfter).not.toBe(first!.deltas[0]!.rootBefore)
  })

  test('a rollup calls another rollup', async () => {
    const { entries } = await play([call(a, [call(b, [write(1, 3n), balance], 5n), note(1)], 9n)])
    expect(entries).toEqual(['CALL 1 → CALL 2', 'CALL 2 → RESULT 1', 'RESULT 1 → RESULT 0'])
  })

  test('three rollups move together', async () => {
    const { written } = await play([
      call(a, [write(1, 1n)], 3n),
      call(b, [write(1, 2n)], 4n),
      call(c, [write(1, 3n)], 5n),
    ])
    expect(written.table.programs).toHaveLength(3)
  })

  test('or none of the three does', async () => {
    const all = [call(a, [write(1, 1n)], 3n), call(b, [write(1, 2n)]), call(c, [revert])]
    const { entries } = await play([attempt(q, all, 10n)])
    expect(entries).toEqual(['CALL 1 → RESULT 0', 'CALL 2 → RESULT 0', 'CALL 3 → RESULT 0 failed'])
  })

  test('a revert in the innermost frame', async () => {
    const { entries } = await play([
      call(a, [attempt(q, [write(1, 1n), call(b, [write(1, 2n), revert], 2n)], 3n), note(1)], 4n),
    ])
    expect(entries).toEqual(['CALL 1 → CALL 0', 'CALL 2 → RESULT 0 failed', 'RESULT 1 → RESULT 0'])
  })

  test('a revert in the middle, which takes back what it called', async () => {
    const { entries } = await play([
      attempt(a, [write(1, 1n), call(q, [call(b, [write(1, 2n)], 1n)], 2n), revert], 4n),
    ])
    expect(entries.at(-1)).toBe('REVERT_CONTINUE 1 → RESULT 0 failed')
  })

  test('a revert inside a rollup, after it called across two rollups, and what follows it', async () => {
    const inner = call(a2, [call(q, [call(b, [write(1, 2n)], 1n)], 2n), revert], 3n)
    const { entries } = await play([
      call(a, [write(1, 1n), { ...inner, kind: 'try' }, balance, note(2)], 4n),
    ])
    expect(entries).toEqual([
      'CALL 1 → CALL 0',
      'CALL 2 → RESULT 0',
      'RESULT 1 → REVERT 1',
      'REVERT_CONTINUE 1 → RESULT 0',
    ])
  })

  test('a rollup that goes on after what another rollup answered by a revert', async () => {
    const { entries } = await play([
      call(a, [attempt(b, [write(1, 2n), call(q, [write(1, 1n)]), revert], 2n), note(1)], 4n),
    ])
    expect(entries.at(-2)).toBe('REVERT_CONTINUE 2 → RESULT 1 failed')
    expect(entries.at(-1)).toBe('RESULT 1 → RESULT 0')
  })

  test('TRY_CALL of a call that succeeds', async () => {
    const { entries } = await play([tryCall(a, [write(1, 1n), call(q, [write(1, 2n)], 1n)], 2n)])
    expect(entries).toEqual(['TRY_CALL 1 → CALL 0', 'RESULT 1 → RESULT 0'])
  })

  test('TRY_CALL of a call that fails gives the caller its value back', async () => {
    const { entries } = await play([tryCall(a, [write(1, 1n), call(q, [], 1n), revert], 2n)])
    expect(entries).toEqual([
      'TRY_CALL 1 → CALL 0',
      'RESULT 1 → REVERT 1',
      'REVERT_CONTINUE 1 → RESULT 0 failed',
    ])
  })

  test('two calls with the same answer and no write between take an entry each', async () => {
    const { written } = await play([call(a, [read(1)]), call(a, [read(1)])])
    const [first, second, ...more] = written.table.entries
    expect(more).toEqual([])
    expect(second).toEqual(first)
  })

  test('a static call leaves its entry, which answers the next one too', async () => {
    const { entries } = await play([look(a, [read(1)]), look(a, [read(1)]), look(b2, [balance])])
    expect(entries).toEqual(['CALL 1 → RESULT 0', 'CALL 2 → RESULT 0'])
  })

  test('a rollup is reentered while it waits for L1', async () => {
    const again = call(a, [write(1, 9n), call(q, [write(2, 4n)], 1n), balance], 2n)
    const { entries } = await play([
      call(a, [write(1, 1n), call(p, [again, read(1)], 3n), read(1), note(2)], 4n),
    ])
    expect(entries).toHaveLength(4)
  })

  test('a reentered rollup whose outer call reverts', async () => {
    const again = call(a, [write(1, 9n)], 2n)
    await play([attempt(a, [write(1, 1n), call(p, [again], 3n), revert], 4n)])
  })
})
