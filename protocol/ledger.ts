/**
 * The ledger rollup: accounts with a key, a balance and a nonce in a Poseidon Merkle tree, and the
 * one thing that happens to it, a cross-rollup call that debits an account here and credits one on
 * another ledger.
 *
 * `checkCall` states, in plain code, what the circuit proves of an entry. States are immutable: a
 * call returns the ledgers after it and shares what did not change.
 */
import { type EddsaKey, type EddsaSignature, signEddsa, verifyEddsa } from './eddsa.ts'
import { poseidon, toHex } from './field.ts'
import { CALL_TYPE, type Entry, type LedgerCall, type TableContext } from './table.ts'

export type Account = {
  /** Whose signature moves its money. */
  readonly key: EddsaKey
  /** Below 2^96. */
  readonly balanceWei: bigint
  /** Calls the account has made; below 2^64. */
  readonly nonce: bigint
}

/** A node of the account tree. An absent subtree is null; its hash depends on its height alone. */
type Tree =
  | { readonly hash: bigint; readonly account: Account }
  | { readonly hash: bigint; readonly left: Tree | null; readonly right: Tree | null }

/** One rollup's state. Make it with `createLedger`. */
export type Ledger = {
  readonly rollup: bigint
  /** The tree has 2^depth places for accounts; at most 32. */
  readonly depth: number
  readonly tree: Tree | null
}

/** The rollups of one application, by id. */
export type Ledgers = ReadonlyMap<bigint, Ledger>

/**
 * What a prover must know of one call besides its entry: both accounts before it, and their paths.
 */
export type CallWitness = {
  readonly source: Account
  /** Hashes beside the path, from the leaf up. */
  readonly sourceSiblings: readonly bigint[]
  readonly destination: Account
  readonly destinationSiblings: readonly bigint[]
  readonly signature: EddsaSignature
}

/** Why a call cannot be applied, or an entry not be proven. */
export type CallRefusal =
  | 'unknown-rollup'
  | 'same-rollup'
  | 'unknown-account'
  | 'wrong-nonce'
  | 'insufficient-balance'
  | 'balance-overflow'
  | 'wrong-signature'
  | 'wrong-root'
  | 'wrong-delta'
  | 'out-of-range'

/** Chain and venue a signature is bound to. */
export type CallDomain = Pick<TableContext, 'chainId' | 'venue'>

const BALANCE_LIMIT = 1n << 96n
const NONCE_LIMIT = (1n << 64n) - 1n
const MAX_DEPTH = 32
/**
 * First input of the signed message: the ASCII name as a big-endian integer, so that it fits the
 * field.
 */
const CALL_TAG = BigInt(toHex(new TextEncoder().encode('proofwire/call/1')))

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
 * A ledger with these accounts.
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
    tree = withAccount(tree, depth, index, account)
  }
  return { rollup, depth, tree }
}

const fits = (index: number, depth: number) =>
  Number.isInteger(index) && index >= 0 && index < 2 ** depth

/** Bit `level` of an index, without 32-bit surprises. */
const bitOf = (index: number, level: number) => Math.floor(index / 2 ** level) % 2

const children = (tree: Tree | null): readonly [Tree | null, Tree | null] =>
  tree !== null && 'left' in tree ? [tree.left, tree.right] : [null, null]

function withAccount(tree: Tree | null, height: number, index: number, account: Account): Tree {
  if (height === 0) return { hash: leafHash(account), account }
  let [left, right] = children(tree)
  if (bitOf(index, height - 1) === 1) right = withAccount(right, height - 1, index, account)
  else left = withAccount(left, height - 1, index, account)
  const hash = poseidon([hashOf(left, height - 1), hashOf(right, height - 1)])
  return { hash, left, right }
}

/** The state root. */
export const rootOf = (ledger: Ledger): bigint => hashOf(ledger.tree, ledger.depth)

/** The account at `index`, or null if there is none. */
export function accountOf(ledger: Ledger, index: number): Account | null {
  return fits(index, ledger.depth) ? walk(ledger, index).account : null
}

/** The account at `index` and the hashes beside its path, from the leaf up. */
function walk(ledger: Ledger, index: number): { account: Account | null; siblings: bigint[] } {
  const siblings: bigint[] = []
  let tree = ledger.tree
  for (let height = ledger.depth - 1; height >= 0; height--) {
    const [left, right] = children(tree)
    const turn = bitOf(index, height) === 1
    siblings.unshift(hashOf(turn ? left : right, height))
    tree = turn ? right : left
  }
  return { account: tree !== null && 'account' in tree ? tree.account : null, siblings }
}

/** What the sender signs: chain, venue and the whole action. */
function callMessage({ chainId, venue }: CallDomain, call: LedgerCall): bigint {
  return poseidon([
    CALL_TAG,
    BigInt(chainId),
    BigInt(venue),
    CALL_TYPE,
    call.sourceRollup,
    BigInt(call.sourceAccount),
    call.destinationRollup,
    BigInt(call.destinationAccount),
    call.valueWei,
    call.nonce,
    call.data,
  ])
}

/** Signs a call. Deterministic: the same secret and call give the same signature. */
export const signCall = (
  secret: Uint8Array,
  domain: CallDomain,
  call: LedgerCall,
): EddsaSignature => signEddsa(secret, callMessage(domain, call))

/**
 * Applies a signed call: the ledgers after it, the entry that records it, and the witness that
 * proves the entry. The ledgers given are unchanged. Never throws on a call that does not fit the
 * state.
 */
export function applyCall(
  ledgers: Ledgers,
  domain: CallDomain,
  call: LedgerCall,
  signature: EddsaSignature,
): { ledgers: Ledgers; entry: Entry; witness: CallWitness } | CallRefusal {
  if (call.sourceRollup === call.destinationRollup) return 'same-rollup'
  const from = ledgers.get(call.sourceRollup)
  const to = ledgers.get(call.destinationRollup)
  if (from === undefined || to === undefined) return 'unknown-rollup'
  if (!fits(call.sourceAccount, from.depth)) return 'unknown-account'
  if (!fits(call.destinationAccount, to.depth)) return 'unknown-account'
  const { account: source, siblings: sourceSiblings } = walk(from, call.sourceAccount)
  const { account: destination, siblings: destinationSiblings } = walk(to, call.destinationAccount)
  if (source === null || destination === null) return 'unknown-account'
  const witness = { source, sourceSiblings, destination, destinationSiblings, signature }
  const refusal = checkTransfer(domain, call, witness)
  if (refusal !== null) return refusal
  const [sourceAfter, destinationAfter] = accountsAfter(call, witness)
  const fromAfter = replace(from, call.sourceAccount, sourceAfter)
  const toAfter = replace(to, call.destinationAccount, destinationAfter)
  const entry: Entry = {
    ...call,
    sourceBefore: rootOf(from),
    sourceAfter: rootOf(fromAfter),
    destinationBefore: rootOf(to),
    destinationAfter: rootOf(toAfter),
    sourceDeltaWei: -call.valueWei,
    destinationDeltaWei: call.valueWei,
  }
  const after = new Map(ledgers).set(from.rollup, fromAfter).set(to.rollup, toAfter)
  return { ledgers: after, entry, witness }
}

const replace = (ledger: Ledger, index: number, account: Account): Ledger => ({
  ...ledger,
  tree: withAccount(ledger.tree, ledger.depth, index, account),
})

const accountsAfter = (call: LedgerCall, { source, destination }: CallWitness) =>
  [
    { ...source, balanceWei: source.balanceWei - call.valueWei, nonce: source.nonce + 1n },
    { ...destination, balanceWei: destination.balanceWei + call.valueWei },
  ] as const

const below = (value: bigint, limit: bigint) => value >= 0n && value < limit

/** The rules of a call that need no tree. */
function checkTransfer(
  domain: CallDomain,
  call: LedgerCall,
  witness: CallWitness,
): CallRefusal | null {
  const { source, destination } = witness
  if (!below(call.valueWei, BALANCE_LIMIT) || !below(call.nonce, NONCE_LIMIT)) return 'out-of-range'
  if (!below(call.data, 1n << 248n)) return 'out-of-range'
  for (const account of [source, destination]) {
    if (!below(account.balanceWei, BALANCE_LIMIT)) return 'out-of-range'
  }
  for (const rollup of [call.sourceRollup, call.destinationRollup]) {
    if (rollup === 0n || !below(rollup, 1n << 64n)) return 'out-of-range'
  }
  if (call.nonce !== source.nonce) return 'wrong-nonce'
  if (call.valueWei > source.balanceWei) return 'insufficient-balance'
  if (call.valueWei + destination.balanceWei >= BALANCE_LIMIT) return 'balance-overflow'
  const signed = verifyEddsa(source.key, callMessage(domain, call), witness.signature)
  return signed ? null : 'wrong-signature'
}

/** The root above `leaf` at `index` with these siblings. */
function rootAbove(leaf: bigint, index: number, siblings: readonly bigint[]): bigint {
  return siblings.reduce(
    (hash, sibling, level) => poseidon(bitOf(index, level) ? [sibling, hash] : [hash, sibling]),
    leaf,
  )
}

/**
 * Whether the witness proves the entry: everything the circuit demands of it. Null if so.
 *
 * @param depth Of the circuit's trees. Takes about 20 ms at depth 16: hashes and a signature in
 *   plain JavaScript.
 */
export function checkCall(
  domain: CallDomain,
  depth: number,
  entry: Entry,
  witness: CallWitness,
): CallRefusal | null {
  const { source, destination, sourceSiblings, destinationSiblings } = witness
  if (entry.sourceRollup === entry.destinationRollup) return 'same-rollup'
  if (!fits(entry.sourceAccount, depth) || !fits(entry.destinationAccount, depth)) {
    return 'unknown-account'
  }
  if (sourceSiblings.length !== depth || destinationSiblings.length !== depth) return 'wrong-root'
  if (entry.sourceDeltaWei !== -entry.valueWei) return 'wrong-delta'
  if (entry.destinationDeltaWei !== entry.valueWei) return 'wrong-delta'
  const refusal = checkTransfer(domain, entry, witness)
  if (refusal !== null) return refusal
  const [sourceAfter, destinationAfter] = accountsAfter(entry, witness)
  const claims = [
    [source, entry.sourceAccount, sourceSiblings, entry.sourceBefore],
    [sourceAfter, entry.sourceAccount, sourceSiblings, entry.sourceAfter],
    [destination, entry.destinationAccount, destinationSiblings, entry.destinationBefore],
    [destinationAfter, entry.destinationAccount, destinationSiblings, entry.destinationAfter],
  ] as const
  const wrong = claims.some(
    ([account, index, siblings, root]) => rootAbove(leafHash(account), index, siblings) !== root,
  )
  return wrong ? 'wrong-root' : null
}
