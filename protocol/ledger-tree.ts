/**
 * The state of a ledger rollup: accounts in a Poseidon Merkle tree, and the stack of its calls that
 * wait for an answer. States are immutable: a change returns a new one and shares the rest.
 *
 * An account's address is its index in the tree. A leaf is Poseidon(key x, key y, balance, nonce),
 * the place of no account is 0; the state root is Poseidon(root of the tree, pending), where
 * pending is 0 or Poseidon(pending below, account, amount, 1) of the call made last.
 */
import { poseidon, toHex, wordsToBytes } from './field.ts'
import type { Address, Hex } from './schema.ts'

export type Account = {
  /**
   * Who may move its money: an EdDSA key, or as (x, y) the address and rollup of the contract that
   * owns it; (a, 0) is the contract a on L1.
   */
  readonly key: readonly [x: bigint, y: bigint]
  /** Below 2^96. */
  readonly balanceWei: bigint
  /** Transactions the key has signed; below 2^64. */
  readonly nonce: bigint
}

/** A node of the account tree. An absent subtree is null; its hash depends on its height alone. */
type Tree =
  | { readonly hash: bigint; readonly account: Account }
  | { readonly hash: bigint; readonly left: Tree | null; readonly right: Tree | null }

/** A withdrawal whose call to L1 has not been answered yet, above those made before it. */
export type PendingCall = {
  readonly hash: bigint
  readonly account: number
  readonly amountWei: bigint
  readonly below: PendingCall | null
}

/** One rollup's state. Make it with `createLedger`. */
export type Ledger = {
  readonly rollup: bigint
  /** The tree has 2^depth places for accounts; at most 32. */
  readonly depth: number
  readonly tree: Tree | null
  /** Null when nothing waits. */
  readonly pending: PendingCall | null
}

/** The ledger rollups one process keeps, by id. */
export type Ledgers = ReadonlyMap<bigint, Ledger>

/** A place in a tree with its path: what proves which account is there, or that none is. */
export type Spot = {
  readonly index: number
  readonly account: Account | null
  /** Hashes beside the path, from the leaf up: `depth` of them. */
  readonly siblings: readonly bigint[]
}

/** An account with its path. */
export type Place = Spot & { readonly account: Account }

/** Exclusive bound of a balance and of every amount, wei. */
export const BALANCE_LIMIT = 1n << 96n
export const MAX_DEPTH = 32

/** Hash of a subtree without accounts, by height; the place of one account is 0. */
const emptyHashes: bigint[] = [0n]
while (emptyHashes.length <= MAX_DEPTH) {
  const below = emptyHashes.at(-1)!
  emptyHashes.push(poseidon([below, below]))
}

const hashOf = (tree: Tree | null, height: number) => tree?.hash ?? emptyHashes[height]!

const leafHash = ({ key, balanceWei, nonce }: Account): bigint =>
  poseidon([key[0], key[1], balanceWei, nonce])

/**
 * A ledger with these accounts and nothing pending.
 *
 * @param accounts By index, below 2^depth.
 * @throws RangeError for a depth outside 1 to 32 or an index that does not fit.
 */
export function createLedger(
  rollup: bigint,
  depth: number,
  accounts: Iterable<readonly [index: number, account: Account]>,
): Ledger {
  if (depth < 1 || depth > MAX_DEPTH) throw new RangeError(`depth ${depth} is not in 1 to 32`)
  let tree: Tree | null = null
  for (const [index, account] of accounts) {
    if (!fits(index, depth)) throw new RangeError(`account ${index} does not fit depth ${depth}`)
    tree = withLeaf(tree, depth, index, account)
  }
  return { rollup, depth, tree, pending: null }
}

const fits = (index: number, depth: number) =>
  Number.isInteger(index) && index >= 0 && index < 2 ** depth

/** The address of the account at an index. */
export const accountAddress = (index: number | bigint): Address =>
  `0x${index.toString(16).padStart(40, '0')}`

/** The index an address stands for in a tree of this depth, or null if it is outside of it. */
export function accountIndex(address: Address, depth: number): number | null {
  const index = BigInt(address)
  return index < 1n << BigInt(depth) ? Number(index) : null
}

/** Bit `level` of an index, without 32-bit surprises. */
const bitOf = (index: number, level: number) => Math.floor(index / 2 ** level) % 2

const children = (tree: Tree | null): readonly [Tree | null, Tree | null] =>
  tree !== null && 'left' in tree ? [tree.left, tree.right] : [null, null]

function withLeaf(tree: Tree | null, height: number, index: number, account: Account): Tree {
  if (height === 0) return { hash: leafHash(account), account }
  let [left, right] = children(tree)
  if (bitOf(index, height - 1) === 1) right = withLeaf(right, height - 1, index, account)
  else left = withLeaf(left, height - 1, index, account)
  const hash = poseidon([hashOf(left, height - 1), hashOf(right, height - 1)])
  return { hash, left, right }
}

/** The ledger with an account opened or replaced. @throws RangeError for an index beyond it. */
export function withAccount(ledger: Ledger, index: number, account: Account): Ledger {
  if (!fits(index, ledger.depth)) throw new RangeError(`no place ${index} in the tree`)
  return { ...ledger, tree: withLeaf(ledger.tree, ledger.depth, index, account) }
}

/** The pending calls with one more on top. */
export function push(
  below: PendingCall | null,
  { account, amountWei }: Pick<PendingCall, 'account' | 'amountWei'>,
): PendingCall {
  const hash = pendingHash(below?.hash ?? 0n, account, amountWei)
  return { hash, account, amountWei, below }
}

/** Hash of the pending calls below with one more on top. */
export const pendingHash = (below: bigint, account: number, amountWei: bigint): bigint =>
  poseidon([below, BigInt(account), amountWei, 1n])

/** The state root a table names. */
export const rootOf = ({ tree, depth, pending }: Ledger): Hex =>
  stateRoot(hashOf(tree, depth), pending?.hash ?? 0n)

/** Poseidon(root of the tree, pending), as a table writes it. */
export const stateRoot = (treeRoot: bigint, pending: bigint): Hex =>
  toHex(wordsToBytes([poseidon([treeRoot, pending])]))

/** The account at `index`, or null if there is none. */
export const accountOf = (ledger: Ledger, index: number): Account | null =>
  placeOf(ledger, index)?.account ?? null

/** The account at `index` with its path, or null if there is none. */
export function placeOf(ledger: Ledger, index: number): Place | null {
  const spot = spotOf(ledger, index)
  return spot === null || spot.account === null ? null : { ...spot, account: spot.account }
}

/** The place at `index` with its path, account or none; null if it is not in the tree. */
export function spotOf(ledger: Ledger, index: number): Spot | null {
  if (!fits(index, ledger.depth)) return null
  const siblings: bigint[] = []
  let tree = ledger.tree
  for (let height = ledger.depth - 1; height >= 0; height--) {
    const [left, right] = children(tree)
    const turn = bitOf(index, height) === 1
    siblings.unshift(hashOf(turn ? left : right, height))
    tree = turn ? right : left
  }
  return { index, account: tree !== null && 'account' in tree ? tree.account : null, siblings }
}

/** Root of the tree with `account`, or none, at the end of a path. */
export const treeRootAbove = ({ index, siblings }: Spot, account: Account | null): bigint =>
  siblings.reduce(
    (hash, sibling, level) => poseidon(bitOf(index, level) ? [sibling, hash] : [hash, sibling]),
    account === null ? 0n : leafHash(account),
  )
