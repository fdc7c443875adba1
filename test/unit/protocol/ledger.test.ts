import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eddsaKey } from '#protocol/eddsa'
import { poseidon } from '#protocol/field'
import {
  accountOf,
  applyCall,
  type CallWitness,
  checkCall,
  createLedger,
  type Ledgers,
  rootOf,
  signCall,
} from '#protocol/ledger'
import type { Entry, LedgerCall } from '#protocol/table'
import { context, sample, sampleCall, sampleLedgers, secret } from '#test/support/ledger-sample'

const DEPTH = 4
const ledgers = sampleLedgers(DEPTH)
const { table, witness } = sample(DEPTH)
const entry = table.entries[0]!

const apply = (call: LedgerCall, signer = 1, to: Ledgers = ledgers) =>
  applyCall(to, context, call, signCall(secret(signer), context, call))
const applied = apply(sampleCall)
if (typeof applied === 'string') throw new Error(applied)

describe('createLedger', () => {
  test('has the root of a plain Merkle tree over its accounts', () => {
    const account = { key: [7n, 8n] as const, balanceWei: 9n, nonce: 1n }
    const ledger = createLedger(1n, 2, [[2, account]])
    const leaf = poseidon([7n, 8n, 9n, 1n])
    const right = poseidon([leaf, 0n])
    const left = poseidon([0n, 0n])
    expect(rootOf(ledger)).toBe(poseidon([left, right]))
    expect(accountOf(ledger, 2)).toEqual(account)
    expect(accountOf(ledger, 3)).toBeNull()
    expect(accountOf(ledger, 4)).toBeNull()
  })

  test('refuses depths and indices that cannot be', () => {
    const account = { key: [7n, 8n] as const, balanceWei: 9n, nonce: 1n }
    expect(() => createLedger(1n, 0, [])).toThrow(RangeError)
    expect(() => createLedger(1n, 33, [])).toThrow(RangeError)
    expect(() => createLedger(1n, 2, [[4, account]])).toThrow(RangeError)
    expect(() => createLedger(1n, 2, [[-1, account]])).toThrow(RangeError)
  })
})

describe('applyCall', () => {
  test('moves the value, counts the call, and records both roots', () => {
    const [from, to] = [applied.ledgers.get(1n)!, applied.ledgers.get(2n)!]
    expect(accountOf(from, 3)).toMatchObject({ balanceWei: 750n, nonce: 1n })
    expect(accountOf(to, 5)).toMatchObject({ balanceWei: 1_250n, nonce: 0n })
    expect(applied.entry).toEqual({
      ...sampleCall,
      sourceBefore: rootOf(ledgers.get(1n)!),
      sourceAfter: rootOf(from),
      destinationBefore: rootOf(ledgers.get(2n)!),
      destinationAfter: rootOf(to),
      sourceDeltaWei: -250n,
      destinationDeltaWei: 250n,
    })
  })

  test('leaves the ledgers it was given as they were', () => {
    const fresh = sampleLedgers(DEPTH)
    for (const [rollup, ledger] of ledgers) {
      expect(rootOf(ledger)).toBe(rootOf(fresh.get(rollup)!))
    }
  })

  test('refuses calls that do not fit the state, and says why', () => {
    const refusal = (change: Partial<LedgerCall>, signer = 1) =>
      apply({ ...sampleCall, ...change }, signer)
    expect(refusal({ destinationRollup: 1n })).toBe('same-rollup')
    expect(refusal({ destinationRollup: 3n })).toBe('unknown-rollup')
    expect(refusal({ sourceAccount: 4 })).toBe('unknown-account')
    expect(refusal({ destinationAccount: 16 })).toBe('unknown-account')
    expect(refusal({ nonce: 1n })).toBe('wrong-nonce')
    expect(refusal({ valueWei: 1_001n })).toBe('insufficient-balance')
    expect(refusal({ valueWei: -1n })).toBe('out-of-range')
    expect(refusal({ data: 1n << 248n })).toBe('out-of-range')
    expect(refusal({}, 2)).toBe('wrong-signature')
  })

  test('refuses a balance beyond 96 bits', () => {
    const rich = { key: eddsaKey(secret(9)), balanceWei: (1n << 96n) - 250n, nonce: 0n }
    const full = new Map(ledgers).set(2n, createLedger(2n, DEPTH, [[5, rich]]))
    expect(apply(sampleCall, 1, full)).toBe('balance-overflow')
    expect(apply({ ...sampleCall, valueWei: 249n }, 1, full)).toHaveProperty('entry')
  })

  test('refuses a call signed for another chain or venue, and the same call twice', () => {
    const elsewhere = signCall(secret(1), { ...context, chainId: 1 }, sampleCall)
    expect(applyCall(ledgers, context, sampleCall, elsewhere)).toBe('wrong-signature')
    const otherVenue = { ...context, venue: context.executor }
    const forOther = signCall(secret(1), otherVenue, sampleCall)
    expect(applyCall(ledgers, context, sampleCall, forOther)).toBe('wrong-signature')
    expect(apply(sampleCall, 1, applied.ledgers)).toBe('wrong-nonce')
  })

  test('conserves the sum of all balances over any sequence of calls', () => {
    const places = [
      { rollup: 1n, account: 3, signer: 1 },
      { rollup: 1n, account: 15, signer: 2 },
      { rollup: 2n, account: 0, signer: 3 },
      { rollup: 2n, account: 5, signer: 4 },
    ]
    const step = fc.record({
      from: fc.constantFrom(...places),
      to: fc.constantFrom(...places),
      valueWei: fc.bigInt({ min: 0n, max: 1_500n }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
        let state: Ledgers = ledgers
        for (const { from, to, valueWei } of steps) {
          const call: LedgerCall = {
            sourceRollup: from.rollup,
            sourceAccount: from.account,
            destinationRollup: to.rollup,
            destinationAccount: to.account,
            valueWei,
            nonce: accountOf(state.get(from.rollup)!, from.account)!.nonce,
            data: 0n,
          }
          const next = apply(call, from.signer, state)
          if (typeof next === 'string') continue
          expect(checkCall(context, DEPTH, next.entry, next.witness)).toBeNull()
          state = next.ledgers
        }
        const sum = places.reduce(
          (total, { rollup, account }) =>
            total + accountOf(state.get(rollup)!, account)!.balanceWei,
          0n,
        )
        expect(sum).toBe(4_000n)
      }),
      { numRuns: 20 },
    )
  })
})

describe('checkCall', () => {
  const check = (change: Partial<Entry>, other: Partial<CallWitness> = {}) =>
    checkCall(context, DEPTH, { ...entry, ...change }, { ...witness, ...other })

  test('accepts what applyCall made', () => {
    expect(check({})).toBeNull()
  })

  test('refuses wrong roots, deltas, paths and signatures', () => {
    expect(check({ sourceBefore: entry.sourceBefore + 1n })).toBe('wrong-root')
    expect(check({ sourceAfter: entry.sourceBefore })).toBe('wrong-root')
    expect(check({ destinationBefore: 0n })).toBe('wrong-root')
    expect(check({ destinationAfter: entry.sourceAfter })).toBe('wrong-root')
    expect(check({ sourceDeltaWei: 0n })).toBe('wrong-delta')
    expect(check({ destinationDeltaWei: 251n })).toBe('wrong-delta')
    expect(check({ data: 1n })).toBe('wrong-signature')
    expect(check({ destinationAccount: 4 })).toBe('wrong-signature')
    expect(check({ sourceAccount: 16 })).toBe('unknown-account')
    expect(check({ destinationRollup: 1n })).toBe('same-rollup')
    const siblings = witness.sourceSiblings.with(0, 1n)
    expect(check({}, { sourceSiblings: siblings })).toBe('wrong-root')
    expect(check({}, { sourceSiblings: siblings.slice(1) })).toBe('wrong-root')
  })

  test('refuses L1 as a ledger', () => {
    const call = { ...sampleCall, sourceRollup: 0n }
    const signature = signCall(secret(1), context, call)
    expect(check({ sourceRollup: 0n }, { signature })).toBe('out-of-range')
  })
})
