import { describe, expect, test } from 'vitest'
import type { Action } from '#protocol/table'
import { checkAction, checkNext, isCall } from '#protocol/table-actions'
import { actionOf, alice, bank, wordOf } from '#test/support/table-sample'

const acting = 2n
const call = { rollupId: acting, destination: bank, sourceAddress: alice }
const fromRollup = { ...call, sourceRollup: 1n, scope: [0] }
const answer = { rollupId: acting, sourceRollup: 0n, scope: [0] }
const same = { rollupId: acting, sourceRollup: acting, scope: [0], data: wordOf(1n) }

describe('an entry starts', () => {
  test.each<[string, Action]>([
    ['with a call from L1', actionOf('CALL', { ...call, value: 5n })],
    ['with a call from a rollup', actionOf('TRY_CALL', fromRollup)],
    ['with a rollup’s own transaction', actionOf('L2TX', { rollupId: acting, destination: bank })],
    ['with an answer', actionOf('RESULT', answer)],
    [
      'with an answer that hands value back',
      actionOf('RESULT', { ...answer, failed: true, value: 5n }),
    ],
    ['after a revert', actionOf('REVERT_CONTINUE', { ...same, failed: true, value: 5n })],
  ])('%s', (_, action) => {
    expect(checkAction(action)).toBeNull()
  })

  test.each<[string, Action, string]>([
    ['with a REVERT', actionOf('REVERT', same), 'ACTION_TYPE'],
    ['on L1', actionOf('CALL', { ...call, rollupId: 0n }), 'ACTION_FIELDS'],
    ['with a call that failed', actionOf('CALL', { ...call, failed: true }), 'ACTION_FIELDS'],
    ['with a call from L1 in a frame', actionOf('CALL', { ...call, scope: [0] }), 'ACTION_FIELDS'],
    [
      'with a call from a rollup in none',
      actionOf('CALL', { ...fromRollup, scope: [] }),
      'ACTION_FIELDS',
    ],
    ['with an L2TX of value', actionOf('L2TX', { rollupId: acting, value: 1n }), 'ACTION_FIELDS'],
    [
      'with an L2TX from somebody',
      actionOf('L2TX', { rollupId: acting, sourceAddress: alice }),
      'ACTION_FIELDS',
    ],
    [
      'with an L2TX from a rollup',
      actionOf('L2TX', { rollupId: acting, sourceRollup: 1n }),
      'ACTION_FIELDS',
    ],
    [
      'with an L2TX in a frame',
      actionOf('L2TX', { rollupId: acting, scope: [0] }),
      'ACTION_FIELDS',
    ],
    [
      'with an L2TX that failed',
      actionOf('L2TX', { rollupId: acting, failed: true }),
      'ACTION_FIELDS',
    ],
    ['with an answer in no frame', actionOf('RESULT', { ...answer, scope: [] }), 'ACTION_FIELDS'],
    [
      'with an answer that names accounts',
      actionOf('RESULT', { ...answer, destination: bank }),
      'ACTION_FIELDS',
    ],
    [
      'with an answer that keeps value',
      actionOf('RESULT', { ...answer, value: 1n }),
      'ACTION_FIELDS',
    ],
    [
      'with a rollup’s answer to itself',
      actionOf('RESULT', { ...answer, sourceRollup: acting }),
      'ACTION_FIELDS',
    ],
    ['after a revert that did not fail', actionOf('REVERT_CONTINUE', same), 'ACTION_FIELDS'],
    [
      'after another rollup’s revert',
      actionOf('REVERT_CONTINUE', { ...same, sourceRollup: 1n, failed: true }),
      'ACTION_FIELDS',
    ],
    [
      'after a revert of everything',
      actionOf('REVERT_CONTINUE', { ...same, scope: [], failed: true }),
      'ACTION_FIELDS',
    ],
    [
      'after a revert with other data',
      actionOf('REVERT_CONTINUE', { ...same, data: '0x', failed: true }),
      'ACTION_FIELDS',
    ],
    [
      'after a revert of an account',
      actionOf('REVERT_CONTINUE', { ...same, sourceAddress: alice, failed: true }),
      'ACTION_FIELDS',
    ],
  ])('never %s', (_, action, code) => {
    expect(checkAction(action)).toMatchObject({ rule: 'E5', code })
  })
})

describe('an entry leads', () => {
  const out = { destination: bank, sourceAddress: alice, sourceRollup: acting, scope: [0] }
  const back = { sourceRollup: acting }

  test.each<[string, Action]>([
    ['to a call to L1', actionOf('CALL', { ...out, value: 5n })],
    ['to a call to a rollup', actionOf('TRY_CALL', { ...out, rollupId: 1n })],
    ['to an answer to L1', actionOf('RESULT', back)],
    ['to an answer to a rollup', actionOf('RESULT', { ...back, rollupId: 1n, scope: [0] })],
    ['to a revert', actionOf('REVERT', same)],
  ])('%s', (_, next) => {
    expect(checkNext(next, acting)).toBeNull()
  })

  test.each<[string, Action, string]>([
    ['to an L2TX', actionOf('L2TX', { sourceRollup: acting }), 'NEXT_TYPE'],
    ['to a REVERT_CONTINUE', actionOf('REVERT_CONTINUE', { ...same, failed: true }), 'NEXT_TYPE'],
    ['to what another rollup does', actionOf('CALL', { ...out, sourceRollup: 1n }), 'NEXT_SOURCE'],
    ['to a call in no frame', actionOf('CALL', { ...out, scope: [] }), 'NEXT_FIELDS'],
    ['to an answer to L1 in a frame', actionOf('RESULT', { ...back, scope: [0] }), 'NEXT_FIELDS'],
    [
      'to an answer to a rollup in none',
      actionOf('RESULT', { ...back, rollupId: 1n }),
      'NEXT_FIELDS',
    ],
    [
      'to an answer to itself',
      actionOf('RESULT', { ...back, rollupId: acting, scope: [0] }),
      'NEXT_FIELDS',
    ],
    ['to a revert with value', actionOf('REVERT', { ...same, value: 1n }), 'NEXT_FIELDS'],
    ['to a revert marked as failed', actionOf('REVERT', { ...same, failed: true }), 'NEXT_FIELDS'],
  ])('never %s', (_, next, code) => {
    expect(checkNext(next, acting)).toMatchObject({ rule: 'E6', code })
  })
})

test('both kinds of call are calls', () => {
  expect([actionOf('CALL', call), actionOf('TRY_CALL', call)].every(isCall)).toBe(true)
  expect(isCall(actionOf('RESULT', answer))).toBe(false)
})
