import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eddsaKey } from '#protocol/eddsa'
import { applyAction, creditMessage } from '#protocol/ledger'
import {
  encodeAnswer,
  encodeBalance,
  encodeDeposit,
  encodeSend,
  encodeWithdraw,
} from '#protocol/ledger-calls'
import { checkEntry } from '#protocol/ledger-check'
import { accountAddress, accountOf, type Ledgers, rootOf, withAccount } from '#protocol/ledger-tree'
import type { Hex } from '#protocol/schema'
import { type Action, ZERO_HASH } from '#protocol/table'
import { messageHash } from '#protocol/words'
import { failures } from '#test/support/ledger-failures'
import {
  answer,
  call,
  context,
  errand,
  owner,
  program,
  run,
  sampleLedgers,
  secret,
  signatureOf,
  tableOf,
  till,
  transaction,
} from '#test/support/ledger-sample'

const DEPTH = 4
const ledgers = sampleLedgers(DEPTH)
const balanceOf = (state: Ledgers, rollup: bigint, index: number) =>
  accountOf(state.get(rollup)!, index)!.balanceWei
const apply = (action: Action, to: Ledgers = ledgers, signer = 1) =>
  applyAction(to, context, action, signatureOf(to, action, signer))
/** Why a call is refused or fails. */
function refusal(data: Hex, change: Partial<Action> = {}) {
  const step = apply(call(data, change))
  return typeof step === 'string' ? step : step.failure
}

const payeeWith = (balanceWei: bigint) => {
  const first = ledgers.get(1n)!
  return new Map(ledgers).set(1n, withAccount(first, 3, { ...accountOf(first, 3)!, balanceWei }))
}

describe('applyAction', () => {
  test('credits a deposit, by its selector or none, and answers with the balance', () => {
    for (const data of ['0x', encodeDeposit()] as const) {
      const { ledgers: after, entries } = run(ledgers, [call(data, { value: 70n })])
      expect(balanceOf(after, 1n, 1)).toBe(1_070n)
      expect(entries[0]!.deltas).toMatchObject([{ rollupId: 1n, etherDelta: 70n, sent: ZERO_HASH }])
      expect(entries[0]!.next).toEqual(
        answer({ rollupId: 0n, sourceRollup: 1n, scope: [], data: encodeAnswer(1_070n) }),
      )
    }
  })

  test('tells a balance to whoever asks, and changes nothing', () => {
    const { entries } = run(ledgers, [call(encodeBalance(), { sourceRollup: 7n, scope: [2] })])
    const [{ deltas, next }] = entries as [(typeof entries)[0]]
    expect(deltas[0]!.rootAfter).toBe(deltas[0]!.rootBefore)
    expect(next).toMatchObject({ rollupId: 7n, scope: [2], data: encodeAnswer(1_000n) })
  })

  test('moves money within a rollup and counts what a key signed', () => {
    const { ledgers: after, entries } = run(ledgers, [transaction(encodeSend(1n, 1, 250n))])
    expect(accountOf(after.get(1n)!, 3)).toMatchObject({ balanceWei: 750n, nonce: 1n })
    expect(accountOf(after.get(1n)!, 1)).toMatchObject({ balanceWei: 1_250n, nonce: 0n })
    expect(entries[0]!.deltas).toMatchObject([{ etherDelta: 0n, sent: ZERO_HASH }])
  })

  test('sends money to another rollup by a message both deltas name', () => {
    const { ledgers: after, entries } = run(ledgers, [call(encodeSend(2n, 5, 250n))])
    expect(balanceOf(after, 1n, 1)).toBe(750n)
    expect(balanceOf(after, 2n, 5)).toBe(1_250n)
    const hash = messageHash({
      sourceRollup: 1n,
      source: accountAddress(1),
      destinationRollup: 2n,
      destination: accountAddress(5),
      valueWei: 250n,
    })
    expect(entries[0]!.deltas).toMatchObject([
      { rollupId: 1n, etherDelta: -250n, sent: hash, received: ZERO_HASH },
      { rollupId: 2n, etherDelta: 250n, sent: ZERO_HASH, received: hash },
    ])
  })

  test('calls L1 with a withdrawal, and answers when L1 did', () => {
    const { ledgers: after, entries } = run(ledgers, errand)
    expect(entries[0]!.next).toEqual({
      ...call('0x', { rollupId: 0n, destination: till, value: 250n, scope: [0] }),
      sourceAddress: accountAddress(1),
      sourceRollup: 1n,
    })
    expect(entries[1]!.deltas[0]).toMatchObject({ etherDelta: 0n })
    expect(entries[1]!.next).toMatchObject({ rollupId: 0n, scope: [], data: encodeAnswer(750n) })
    expect(balanceOf(after, 1n, 1)).toBe(750n)
    expect(after.get(1n)!.pending).toBeNull()
    expect(entries[1]!.deltas[0]!.rootAfter).not.toBe(entries[0]!.deltas[0]!.rootAfter)
  })

  test('takes back what L1 refused', () => {
    const failed = answer({ failed: true, value: 250n, data: '0xdead' })
    const { ledgers: after, entries } = run(ledgers, [errand[0]!, failed])
    expect(balanceOf(after, 1n, 1)).toBe(1_000n)
    expect(rootOf(after.get(1n)!)).toBe(rootOf(ledgers.get(1n)!))
    expect(entries[1]!.deltas[0]).toMatchObject({ etherDelta: 250n })
    expect(entries[1]!.next).toMatchObject({ failed: true, data: '0x', value: 0n })
  })

  test('answers the call made last first', () => {
    const inner = call(encodeWithdraw(till, 30n))
    const { ledgers: after, entries } = run(ledgers, [errand[0]!, inner, answer(), answer()])
    expect(after.get(1n)!.pending).toBeNull()
    const roots = entries.map(({ deltas }) => deltas[0]!.rootAfter)
    expect(new Set(roots).size).toBe(4)
    expect(entries[3]!.next.data).toBe(encodeAnswer(720n))
  })

  test('leaves the ledgers it was given as they were', () => {
    const fresh = sampleLedgers(DEPTH)
    for (const [rollup, ledger] of ledgers) expect(rootOf(ledger)).toBe(rootOf(fresh.get(rollup)!))
  })

  test('refuses accounts, rollups and functions there are not', () => {
    expect(refusal('0x', { rollupId: 3n })).toBe('unknown-rollup')
    expect(refusal(encodeSend(3n, 5, 1n))).toBe('unknown-rollup')
    expect(refusal(encodeSend(2n, 1, 1n))).toBe('unknown-account')
    expect(refusal(encodeSend(2n, 16, 1n))).toBe('unknown-account')
    const place = { destination: accountAddress(2) }
    const nobody = transaction(encodeSend(2n, 5, 1n), place)
    expect(applyAction(ledgers, context, nobody)).toBe('unknown-account')
    expect(apply(transaction(encodeSend(1n, 2, 1n)))).toBe('unknown-account')
    expect(apply(transaction(encodeSend(1n, 16, 1n)))).toBe('unknown-account')
    expect(apply(transaction(encodeSend(1n, 3, 1n)))).toBe('same-account')
    expect(apply(transaction(encodeDeposit()))).toBe('unknown-function')
  })

  test('refuses whoever does not own the account', () => {
    const data = encodeSend(2n, 5, 1n)
    expect(apply(transaction(data), ledgers, 2)).toBe('wrong-signature')
    expect(applyAction(ledgers, context, transaction(data))).toBe('wrong-signature')
    const signature = signatureOf(ledgers, transaction(data))
    for (const where of [
      { ...context, chainId: 1 },
      { ...context, venue: owner },
    ]) {
      expect(applyAction(ledgers, where, transaction(data), signature)).toBe('wrong-signature')
    }
    const { ledgers: after } = run(ledgers, [transaction(data)])
    expect(applyAction(after, context, transaction(data), signature)).toBe('wrong-signature')
  })

  test('refuses what would make or lose money', () => {
    expect(apply(transaction(encodeSend(2n, 5, 1_001n)))).toBe('insufficient-balance')
    expect(apply(transaction(encodeSend(2n, 5, 1n << 96n)))).toBe('out-of-range')
    for (const data of [encodeSend(2n, 5, 1n), encodeWithdraw(till, 1n)]) {
      expect(apply(transaction(data, { value: 1n }))).toBe('wrong-action')
    }
    const rich = { key: eddsaKey(secret(9)), balanceWei: (1n << 96n) - 250n, nonce: 0n }
    const full = new Map(ledgers).set(2n, withAccount(ledgers.get(2n)!, 5, rich))
    const broken = { ...rich, balanceWei: 1n << 96n }
    const odd = new Map(ledgers).set(1n, withAccount(ledgers.get(1n)!, 1, broken))
    expect(apply(call('0x12345678'), odd)).toBe('out-of-range')
    expect(apply(call(encodeSend(1n, 3, 1n)), payeeWith(1n << 96n))).toBe('out-of-range')
    expect(apply(call(encodeSend(2n, 5, 250n)), full)).toBe('balance-overflow')
    expect(apply(call(encodeSend(2n, 5, 249n)), full)).toHaveProperty('deltas')
  })

  test.each(failures(DEPTH))('lets a call fail: $name', ({ reason, entry, ledgers: state }) => {
    const step = apply(entry.action, state)
    if (typeof step === 'string') throw new Error(step)
    const { rollupId, sourceRollup, scope, value } = entry.action
    const root = rootOf(state.get(rollupId)!)
    expect(step.failure).toBe(reason)
    expect(step.ledgers).toBe(state)
    expect(step.deltas).toEqual([
      {
        ...{ rollupId, rootBefore: root, rootAfter: root, etherDelta: 0n },
        ...{ sent: ZERO_HASH, received: ZERO_HASH },
      },
    ])
    const back = { rollupId: sourceRollup, sourceRollup: rollupId, scope, value }
    expect(step.next).toEqual(answer({ ...back, failed: true }))
  })

  test.each(failures(DEPTH))('and not where it need not: $name', ({ mended }) => {
    expect(apply(mended.action, mended.ledgers)).toHaveProperty('failure', null)
  })

  test('refuses actions that cannot be', () => {
    expect(refusal('0x', { actionType: 'REVERT_CONTINUE', failed: true })).toBe('wrong-action')
    expect(refusal('0x', { failed: true })).toBe('wrong-action')
    expect(refusal('0x', { sourceRollup: 1n })).toBe('wrong-action')
    expect(refusal(encodeWithdraw(till, 1n), { scope: [1] })).toBe('wrong-action')
    expect(refusal('0x12345678', { sourceRollup: 1n })).toBe('wrong-action')
    expect(apply(answer())).toBe('nothing-pending')
    const { ledgers: waiting } = run(ledgers, [errand[0]!])
    expect(apply(answer({ scope: [] }), waiting)).toBe('wrong-action')
    expect(apply(answer({ value: 250n }), waiting)).toBe('wrong-action')
    expect(apply(answer({ failed: true, value: 249n }), waiting)).toBe('wrong-action')
    expect(apply(answer({ sourceRollup: 2n }), waiting)).toBe('wrong-action')
  })

  test('keeps as much money as its ether deltas say, and every entry can be proven', () => {
    const accounts = [
      [1n, 1],
      [1n, 3],
      [1n, 15],
      [2n, 0],
      [2n, 5],
    ] as const
    const amount = fc.bigInt({ min: 0n, max: 700n })
    const to = fc.constantFrom(...accounts)
    const anyAction = fc.oneof(
      fc
        .tuple(to, amount)
        .map(([[rollup, index], value]) =>
          call('0x', { rollupId: rollup, destination: accountAddress(index), value }),
        ),
      fc
        .tuple(to, amount, fc.constantFrom(call, transaction))
        .map(([[rollup, index], wei, of]) => of(encodeSend(rollup, index, wei))),
      fc
        .tuple(amount, fc.constantFrom(call, transaction))
        .map(([wei, of]) => of(encodeWithdraw(till, wei))),
      fc.constant(answer()),
    )
    const total = (state: Ledgers) =>
      accounts.reduce((sum, [rollup, index]) => sum + balanceOf(state, rollup, index), 0n)
    fc.assert(
      fc.property(fc.array(anyAction, { maxLength: 6 }), (actions) => {
        let state = ledgers
        for (const action of actions) {
          const step = apply(action, state)
          if (typeof step === 'string') continue
          const { deltas, next, witness } = step
          const table = tableOf([{ deltas, action, next }])
          expect(checkEntry(table, program, DEPTH, 0, witness)).toBeNull()
          const moved = deltas.reduce((sum, { etherDelta }) => sum + etherDelta, 0n)
          expect(total(step.ledgers)).toBe(total(state) + moved)
          expect(moved).toBe(action.value - next.value)
          state = step.ledgers
        }
      }),
      { numRuns: 20 },
    )
  })
})

describe('creditMessage', () => {
  test('credits what a rollup of any program sends', () => {
    const message = {
      sourceRollup: 9n,
      source: owner,
      destinationRollup: 2n,
      destination: accountAddress(5),
      valueWei: 40n,
    }
    const credit = creditMessage(ledgers, message)
    if (typeof credit === 'string') throw new Error(credit)
    expect(balanceOf(credit.ledgers, 2n, 5)).toBe(1_040n)
    expect(credit.delta).toMatchObject({ etherDelta: 40n, received: messageHash(message) })
    expect(credit.credited).toMatchObject({ index: 5, from: BigInt(owner) })
    expect(creditMessage(ledgers, { ...message, valueWei: -1n })).toBe('out-of-range')
    expect(creditMessage(ledgers, { ...message, destinationRollup: 9n })).toBe('unknown-rollup')
  })
})
