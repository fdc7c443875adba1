import { describe, expect, test } from 'vitest'
import type { Action, Entry } from '#protocol/table'
import { checkSessions, unfinished } from '#protocol/table-sessions'
import { actionOf, alice, bank, cellar, wordOf } from '#test/support/table-sample'

/** What the deltas are is for other rules. */
const entry = (action: Action, next: Action): Entry => ({ deltas: [], action, next })
const data = wordOf(7n)

// A on L1 calls B on rollup 1, which calls C on rollup 2 with 5 wei.
const start = actionOf('CALL', { rollupId: 1n, destination: bank, sourceAddress: alice })
const inner = actionOf('CALL', {
  rollupId: 2n,
  destination: cellar,
  value: 5n,
  sourceAddress: bank,
  sourceRollup: 1n,
  scope: [0, 0],
})
const innerAnswer = actionOf('RESULT', { rollupId: 1n, sourceRollup: 2n, data, scope: [0, 0] })
const innerFailure: Action = { ...innerAnswer, failed: true, value: 5n }
const end = actionOf('RESULT', { sourceRollup: 1n, data })
const toL1: Action = { ...inner, rollupId: 0n, value: 0n }
const fromL1: Action = { ...innerAnswer, sourceRollup: 0n }
const both = { rollupId: 1n, sourceRollup: 1n, data, scope: [0] }
const revert = actionOf('REVERT', both)
const goOn = actionOf('REVERT_CONTINUE', { ...both, failed: true, value: 5n })

const calls = [entry(start, inner), entry(inner, innerAnswer)]
const other: Action = { ...start, destination: cellar }

describe('entries in the order in which they are consumed', () => {
  test.each<[string, Entry[]]>([
    ['a call and its answer', [...calls, entry(innerAnswer, end)]],
    [
      'a call that fails',
      [entry(start, inner), entry(inner, innerFailure), entry(innerFailure, end)],
    ],
    ['a call to L1', [entry(start, toL1), entry(fromL1, end)]],
    [
      'L1 calling another rollup before it answers',
      [entry(start, toL1), entry(other, end), entry(fromL1, end)],
    ],
    ['a frame reverted', [...calls, entry(innerAnswer, revert), entry(goOn, end)]],
    ['two transactions', [entry(start, end), entry(start, end)]],
  ])('%s', (_, entries) => {
    expect(checkSessions(entries)).toBeNull()
    expect(unfinished(entries)).toEqual([])
  })

  test.each<[string, Entry[], number, string, string]>([
    ['a call nobody made', [entry(inner, innerAnswer)], 0, 'E10', 'CALL_NOT_MADE'],
    [
      'another call than was made',
      [entry(start, inner), entry({ ...inner, value: 4n }, innerAnswer)],
      1,
      'E10',
      'CALL_NOT_MADE',
    ],
    ['an answer to nobody', [entry(innerAnswer, end)], 0, 'E10', 'ANSWERS_NO_CALL'],
    [
      'another answer than was given',
      [...calls, entry({ ...innerAnswer, data: '0x' }, end)],
      2,
      'E10',
      'ANSWERS_NO_CALL',
    ],
    [
      'an answer of L1 for a rollup',
      [entry(start, inner), entry(fromL1, end)],
      1,
      'E10',
      'ANSWERS_NO_CALL',
    ],
    [
      'an answer of L1 in another scope',
      [entry(start, toL1), entry({ ...fromL1, scope: [0] }, end)],
      1,
      'E10',
      'ANSWERS_NO_CALL',
    ],
    [
      'leading to an answer nobody waits for',
      [entry(start, { ...innerAnswer, rollupId: 2n, sourceRollup: 1n })],
      0,
      'E10',
      'ANSWERS_NO_CALL',
    ],
    [
      'an answer with the wrong value',
      [entry(start, inner), entry(inner, { ...innerFailure, value: 4n })],
      1,
      'E10',
      'ANSWERS_NO_CALL',
    ],
    [
      'the transaction’s answer from another rollup',
      [...calls.slice(0, 1), entry(inner, { ...end, sourceRollup: 2n })],
      1,
      'E10',
      'ANSWERS_NO_CALL',
    ],
    ['a call answered twice', [...calls, entry(innerAnswer, inner)], 2, 'E10', 'SCOPE_SHARED'],
    [
      'a revert of a frame not opened',
      [...calls, entry(innerAnswer, { ...revert, scope: [1] })],
      2,
      'E10',
      'REVERTS_NO_FRAME',
    ],
    [
      'a revert of somebody else’s frame',
      [entry(start, inner), entry(inner, { ...revert, rollupId: 2n, sourceRollup: 2n })],
      1,
      'E10',
      'REVERTS_NO_FRAME',
    ],
    [
      'a continuation without a revert',
      [...calls, entry(goOn, end)],
      2,
      'E11',
      'CONTINUES_NO_REVERT',
    ],
    [
      'a continuation with other data',
      [...calls, entry(innerAnswer, revert), entry({ ...goOn, data: wordOf(8n) }, end)],
      3,
      'E11',
      'CONTINUES_NO_REVERT',
    ],
    [
      'a continuation with other value',
      [...calls, entry(innerAnswer, revert), entry({ ...goOn, value: 0n }, end)],
      3,
      'E11',
      'CONTINUES_NO_REVERT',
    ],
    [
      'a frame reverted twice',
      [...calls, entry(innerAnswer, revert), entry(goOn, revert)],
      3,
      'E10',
      'REVERTS_NO_FRAME',
    ],
  ])('but not %s', (_, entries, at, rule, code) => {
    expect(checkSessions(entries)).toMatchObject({ entry: at, rule, code })
  })

  test('may leave a transaction in the middle, and that is known', () => {
    const left = [entry(start, toL1), entry(other, inner)]
    expect(checkSessions(left)).toBeNull()
    expect(unfinished(left)).toEqual([start, other])
    const goneBack = [...left, entry(fromL1, end)]
    expect(checkSessions(goneBack)).toBeNull()
    expect(unfinished(goneBack)).toEqual([other])
  })
})
