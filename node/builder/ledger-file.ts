/**
 * Ledgers as text: the file of accounts an operator writes for the start, and the states kept
 * afterwards.
 *
 *     accounts   { "1": [{ "index": 0, "owner": "0x…", "balanceWei": "10" }, …], "2": […] }
 *                by rollup. Instead of `owner`, a contract or account of L1 (or of the rollup
 *                `ownerRollup`), a `key`: [x, y] of an EdDSA key. `nonce` is 0 if it is left out.
 *     state      { "rollup": "1", "depth": 4, "accounts": [like above], "pending": […] }
 *
 * Amounts and key parts are decimal or 0x text.
 */
import { readFile } from 'node:fs/promises'
import { FIELD_ORDER } from '#protocol/field'
import {
  type Account,
  BALANCE_LIMIT,
  createLedger,
  type Ledger,
  push,
  rootOf,
} from '#protocol/ledger-tree'
import type { Hex } from '#protocol/schema'
import { StateError } from './state-folder.ts'

type Fields = Readonly<Record<string, unknown>>

const fieldsOf = (value: unknown): Fields => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw new RangeError('an object is missing')
}
const listOf = (value: unknown, what: string): readonly unknown[] => {
  if (Array.isArray(value)) return value
  throw new RangeError(`${what} is not a list`)
}
const integerOf = (value: unknown, what: string, below: bigint): bigint => {
  const isText = typeof value === 'string' && /^(0x[0-9a-fA-F]{1,64}|\d{1,78})$/.test(value)
  const isNumber = Number.isSafeInteger(value) && (value as number) >= 0
  const read = isText || isNumber ? BigInt(value as string | number) : below
  if (read >= below) throw new RangeError(`${what} is not a whole number below ${below}`)
  return read
}

const NONCE_LIMIT = 1n << 64n
const ROLLUP_LIMIT = 1n << 64n
const ADDRESS_LIMIT = 1n << 160n

function readAccount(value: unknown): readonly [index: number, account: Account] {
  const { index, key, owner, ownerRollup, balanceWei, nonce } = fieldsOf(value)
  return [
    Number(integerOf(index, 'index', 1n << 32n)),
    {
      key: key === undefined ? readOwner(owner, ownerRollup) : readKey(key),
      balanceWei: integerOf(balanceWei, 'balanceWei', BALANCE_LIMIT),
      nonce: integerOf(nonce ?? 0, 'nonce', NONCE_LIMIT),
    },
  ]
}

const readOwner = (owner: unknown, rollup: unknown): Account['key'] => {
  if (typeof owner !== 'string' || !/^0x[0-9a-fA-F]{40}$/.test(owner))
    throw new RangeError('owner is not an address, and there is no key')
  return [
    integerOf(owner, 'owner', ADDRESS_LIMIT),
    integerOf(rollup ?? 0, 'ownerRollup', ROLLUP_LIMIT),
  ]
}

const readKey = (key: unknown): Account['key'] => {
  const parts = listOf(key, 'key')
  if (parts.length !== 2) throw new RangeError('key is not a list of x and y')
  const [x, y] = parts.map((part) => integerOf(part, 'key', FIELD_ORDER))
  return [x!, y!]
}

/**
 * The ledgers at the start.
 * @param rollups Ids; the file may have others.
 * @throws StateError that names the file, the rollup, the account and what is wrong.
 */
export async function readLedgers(
  file: string,
  rollups: readonly bigint[],
  depth: number,
): Promise<Map<bigint, Ledger>> {
  const given = await readJson(file)
  const ledgers = new Map<bigint, Ledger>()
  for (const rollup of rollups) {
    const accounts = (given as Fields)[`${rollup}`]
    if (accounts === undefined)
      throw new StateError(
        `${file} has no accounts of rollup ${rollup}; give it a list "${rollup}"`,
      )
    ledgers.set(
      rollup,
      within(`${file}, rollup ${rollup}`, () => ledgerOf(rollup, depth, accounts)),
    )
  }
  return ledgers
}

async function readJson(file: string): Promise<unknown> {
  try {
    return fieldsOf(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StateError(`${file} is not a JSON file of accounts: ${reason}.`, { cause })
  }
}

function readNumbered(value: unknown, at: number): ReturnType<typeof readAccount> {
  try {
    return readAccount(value)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new RangeError(`account ${at + 1}: ${error.message}`)
  }
}

function ledgerOf(rollup: bigint, depth: number, accounts: unknown): Ledger {
  const read = listOf(accounts, 'the accounts').map(readNumbered)
  const indices = new Set(read.map(([index]) => index))
  if (indices.size < read.length) throw new RangeError('two accounts have one index')
  return createLedger(rollup, depth, read)
}

function within<T>(place: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    const isBad = error instanceof RangeError || error instanceof SyntaxError
    if (!isBad) throw error
    throw new StateError(`${place}: ${error.message}.`, { cause: error })
  }
}

/** A ledger as text; `parseLedger` reads it. */
export const ledgerText = (ledger: Ledger): string =>
  `${JSON.stringify({
    rollup: `${ledger.rollup}`,
    depth: ledger.depth,
    accounts: [...accountsIn(ledger.tree, 0)].map(([index, { key, balanceWei, nonce }]) => ({
      index,
      key: key.map(String),
      balanceWei: `${balanceWei}`,
      nonce: `${nonce}`,
    })),
    pending: pendingOf(ledger),
  })}\n`

const pendingOf = ({ pending }: Ledger): readonly object[] => {
  const calls = []
  for (let call = pending; call !== null; call = call.below)
    calls.unshift({ account: call.account, amountWei: `${call.amountWei}` })
  return calls
}

/** The accounts below a node, by index. The left child has the even ones of its level. */
function* accountsIn(
  tree: Ledger['tree'],
  first: number,
): Generator<readonly [index: number, account: Account]> {
  if (tree === null) return
  if ('account' in tree) {
    yield [first, tree.account]
    return
  }
  // The children of a node at one height cover halves of what the node covers.
  yield* accountsIn(tree.left, 2 * first)
  yield* accountsIn(tree.right, 2 * first + 1)
}

/**
 * Reads what `ledgerText` wrote.
 * @throws StateError when it is not the state of this root: the file was changed.
 */
export function parseLedger(text: string, root: Hex): Ledger {
  const ledger = within(`the kept state ${root}`, () => {
    const { rollup, depth, accounts, pending } = fieldsOf(JSON.parse(text))
    const read = ledgerOf(
      integerOf(rollup, 'rollup', ROLLUP_LIMIT),
      Number(integerOf(depth, 'depth', 33n)),
      accounts,
    )
    const calls = listOf(pending, 'pending').map(fieldsOf)
    const stack = calls.reduce(
      (below: Ledger['pending'], { account, amountWei }) =>
        push(below, {
          account: Number(integerOf(account, 'account', 1n << 32n)),
          amountWei: integerOf(amountWei, 'amountWei', BALANCE_LIMIT),
        }),
      null,
    )
    return { ...read, pending: stack }
  })
  if (rootOf(ledger) === root) return ledger
  throw new StateError(`the kept state ${root} has another root: remove it from stateFolder.`)
}
