import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ledgerText, parseLedger, readLedgers } from '#node/builder/ledger-file'
import { StateError } from '#node/builder/state-folder'
import { accountOf, createLedger, type Ledger, push, rootOf } from '#protocol/ledger-tree'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-ledgers-'))
})
afterAll(() => rm(folder, { recursive: true }))

const owner = `0x${'0a'.repeat(20)}`
async function read(content: unknown, rollups = [1n]): Promise<Map<bigint, Ledger>> {
  const file = join(folder, 'accounts.json')
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
  return readLedgers(file, rollups, 4)
}

const balance = fc.bigInt({ min: 0n, max: (1n << 96n) - 1n })
const ledgers = fc
  .record({
    accounts: fc.uniqueArray(
      fc.tuple(
        fc.nat(15),
        fc.tuple(fc.bigInt({ min: 0n, max: 1n << 253n }), fc.bigInt(0n, 9n)),
        balance,
      ),
      { selector: ([index]) => index },
    ),
    calls: fc.array(fc.tuple(fc.nat(15), balance), { maxLength: 3 }),
  })
  .map(({ accounts, calls }): Ledger => {
    const entries = accounts.map(
      ([index, key, balanceWei]) => [index, { key, balanceWei, nonce: 3n }] as const,
    )
    const pending = calls.reduce<Ledger['pending']>(
      (below, [account, amountWei]) => push(below, { account, amountWei }),
      null,
    )
    return { ...createLedger(7n, 4, entries), pending }
  })

describe('ledgers as text', () => {
  test('the accounts’ file gives the ledgers of its rollups', async () => {
    const content = {
      1: [
        { index: 3, owner, balanceWei: '10' },
        { index: 0, key: ['0x5', '6'], balanceWei: 0, nonce: 2 },
      ],
      2: [{ index: 15, owner, ownerRollup: 1, balanceWei: '79228162514264337593543950335' }],
      9: [],
    }
    const both = await read(content, [1n, 2n])
    expect([...both.keys()]).toEqual([1n, 2n])
    const [first, second] = [both.get(1n)!, both.get(2n)!]
    expect(accountOf(first, 3)).toEqual({ key: [BigInt(owner), 0n], balanceWei: 10n, nonce: 0n })
    expect(accountOf(first, 0)).toEqual({ key: [5n, 6n], balanceWei: 0n, nonce: 2n })
    expect(accountOf(first, 1)).toBeNull()
    expect(accountOf(second, 15)).toMatchObject({ key: [BigInt(owner), 1n] })
    expect(first.pending).toBeNull()
  })

  test.each<readonly [string, unknown, RegExp]>([
    ['no JSON', '{"1": [', /accounts\.json is not a JSON file/],
    ['a list', [], /accounts\.json is not a JSON file of accounts: an object is missing/],
    ['no rollup', {}, /has no accounts of rollup 1; give it a list "1"/],
    ['no balance', { 1: [{ index: 0, owner }] }, /rollup 1: account 1: balanceWei is not/],
    ['a short owner', { 1: [{ index: 0, owner: '0x1', balanceWei: 1 }] }, /owner is not/],
    ['an index beyond the tree', { 1: [{ index: 16, owner, balanceWei: 1 }] }, /16 does not fit/],
    ['a lone key part', { 1: [{ index: 1, key: ['1'], balanceWei: 1 }] }, /key is not a list/],
    [
      'one index twice',
      {
        1: [
          { index: 1, owner, balanceWei: 1 },
          { index: 1, owner, balanceWei: 2 },
        ],
      },
      /two accounts have one index/,
    ],
    [
      'a balance of 2^96',
      { 1: [{ index: 1, owner, balanceWei: (1n << 96n).toString() }] },
      /balanceWei is not a whole number below/,
    ],
  ])('%s in the accounts’ file is named', async (_, content, said) => {
    const reading = read(content)
    await expect(reading).rejects.toThrow(StateError)
    await expect(reading).rejects.toThrow(said)
  })

  test('a kept ledger is read back with its root, its accounts and what is pending', () => {
    fc.assert(
      fc.property(ledgers, (ledger) => {
        expect(parseLedger(ledgerText(ledger), rootOf(ledger))).toEqual(ledger)
      }),
      { numRuns: 20 },
    )
  })

  test('a kept ledger that was changed is not taken for its root', () => {
    const ledger = createLedger(1n, 4, [[2, { key: [1n, 0n], balanceWei: 5n, nonce: 0n }]])
    const text = ledgerText(ledger)
    const changed = text.replace('"balanceWei":"5"', '"balanceWei":"6"')
    expect(changed).not.toBe(text)
    expect(() => parseLedger(changed, rootOf(ledger))).toThrow(/has another root: remove it/)
    expect(() => parseLedger('{', rootOf(ledger))).toThrow(StateError)
    expect(() => parseLedger('{}', rootOf(ledger))).toThrow(StateError)
  })
})
