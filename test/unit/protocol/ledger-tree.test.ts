import { describe, expect, test } from 'vitest'
import { poseidon, toHex, wordsToBytes } from '#protocol/field'
import {
  accountAddress,
  accountIndex,
  accountOf,
  createLedger,
  pendingHash,
  placeOf,
  push,
  rootOf,
  stateRoot,
  treeRootAbove,
  withAccount,
} from '#protocol/ledger-tree'

const account = { key: [7n, 8n] as const, balanceWei: 9n, nonce: 1n }

describe('createLedger', () => {
  test('has the root of a plain Merkle tree over its accounts, and nothing pending', () => {
    const ledger = createLedger(1n, 2, [[2, account]])
    const right = poseidon([poseidon([7n, 8n, 9n, 1n]), 0n])
    const root = poseidon([poseidon([poseidon([0n, 0n]), right]), 0n])
    expect(rootOf(ledger)).toBe(toHex(wordsToBytes([root])))
    expect(accountOf(ledger, 2)).toEqual(account)
    for (const index of [3, 4]) expect(accountOf(ledger, index)).toBeNull()
  })

  test('refuses depths and indices that cannot be', () => {
    for (const depth of [0, 33]) expect(() => createLedger(1n, depth, [])).toThrow(RangeError)
    for (const index of [4, -1, 0.5]) {
      expect(() => createLedger(1n, 2, [[index, account]])).toThrow(RangeError)
    }
  })
})

describe('a ledger', () => {
  const ledger = createLedger(1n, 5, [
    [2, account],
    [30, { ...account, nonce: 2n }],
  ])

  test('proves each account by its path, before and after a change', () => {
    for (const index of [2, 30]) {
      const place = placeOf(ledger, index)!
      expect(stateRoot(treeRootAbove(place, place.account), 0n)).toBe(rootOf(ledger))
      const richer = { ...place.account, balanceWei: 10n }
      const after = withAccount(ledger, index, richer)
      expect(stateRoot(treeRootAbove(place, richer), 0n)).toBe(rootOf(after))
      expect(accountOf(ledger, index)).toEqual(place.account)
      expect(accountOf(after, index)).toEqual(richer)
    }
    expect(placeOf(ledger, 3)).toBeNull()
    expect(() => withAccount(ledger, 32, account)).toThrow(RangeError)
  })

  test('has its pending calls in its root, the last one on top', () => {
    const first = push(null, { account: 2, amountWei: 5n })
    const second = push(first, { account: 30, amountWei: 6n })
    expect(second.hash).toBe(poseidon([poseidon([0n, 2n, 5n, 1n]), 30n, 6n, 1n]))
    expect(pendingHash(first.hash, 30, 6n)).toBe(second.hash)
    const roots = [null, first, second].map((pending) => rootOf({ ...ledger, pending }))
    expect(new Set(roots).size).toBe(3)
  })

  test('has an address for each index, and no index for an address beyond its tree', () => {
    expect(accountAddress(31)).toBe('0x000000000000000000000000000000000000001f')
    expect(accountIndex(accountAddress(31), 5)).toBe(31)
    expect(accountIndex(accountAddress(32), 5)).toBeNull()
    expect(accountIndex(`0x${'ff'.repeat(20)}`, 32)).toBeNull()
  })
})
