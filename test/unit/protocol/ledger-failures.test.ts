import { describe, expect, test } from 'vitest'
import { readCall } from '#protocol/ledger-calls'
import {
  callFailure,
  callFailures,
  failedAmount,
  failedAnswer,
  failureOf,
  isAboutPayee,
  isUnpaid,
  isUnread,
  mayFail,
  payeeFailure,
  paysWithin,
} from '#protocol/ledger-failures'
import { accountOf } from '#protocol/ledger-tree'
import { failures } from '#test/support/ledger-failures'
import { answer, call, transaction } from '#test/support/ledger-sample'

const DEPTH = 4
const all = failures(DEPTH)
const accountFor = (one: (typeof all)[0]) =>
  accountOf(one.ledgers.get(one.entry.action.rollupId)!, Number(one.entry.action.destination))

describe('the reasons for which a call fails', () => {
  test('are tried one by one', () => {
    expect(new Set(all.map(({ reason }) => reason))).toEqual(new Set(callFailures))
  })

  test.each(all)('$name: only its account, or its payee, tells', (one) => {
    const { entry, reason, witness } = one
    const account = accountFor(one)
    const found = callFailure(entry.action, DEPTH, account)
    expect(found).toBe(isAboutPayee(reason) ? null : reason)
    expect(failureOf(entry.action, DEPTH, account)).toBe(found)
    expect(failureOf(entry.action, DEPTH, account, witness.credited?.account)).toBe(reason)
    if (isAboutPayee(reason)) {
      expect(paysWithin(entry.action)).toBe(true)
      expect(payeeFailure(entry.action, witness.credited!.account)).toBe(reason)
    }
  })

  test('are about the payee’s place only where somebody could be paid', () => {
    expect(callFailures.filter(isAboutPayee)).toEqual(['no-payee', 'payee-overflow'])
    expect(callFailures.filter(isUnpaid)).toEqual([
      ...['same-account', 'no-payee-place', 'no-payee', 'payee-overflow'],
    ])
    expect(callFailures.filter(isUnread)).toEqual(['no-function', 'no-place', 'no-account'])
    expect(payeeFailure(call('0x'), null)).toBeNull()
  })

  test('are none of a transaction that a key signed, or of an answer', () => {
    for (const { entry } of all) {
      const signed = transaction(entry.action.data)
      expect(mayFail(signed)).toBe(false)
      expect(failureOf(signed, DEPTH, null, null)).toBeNull()
    }
    expect(failureOf(answer(), DEPTH, null)).toBeNull()
  })
})

describe('the answer to a call that fails', () => {
  test.each(all)('$name: hands its value back, and says nothing more', ({ entry, reason }) => {
    const { action } = entry
    expect(failedAnswer(action)).toEqual(
      answer({
        ...{ rollupId: action.sourceRollup, sourceRollup: action.rollupId },
        ...{ scope: action.scope, value: action.value, failed: true },
      }),
    )
    const asked = readCall(action.data)
    const wei = asked !== null && 'wei' in asked ? asked.wei : null
    const expected = reason === 'balance-overflow' ? action.value : (wei ?? 0n)
    expect(failedAmount(action, reason)).toBe(isUnread(reason) ? 0n : expected)
  })
})
