/**
 * What an account of a ledger rollup can be asked, and what an action makes of one account: the
 * rules of the ledger without its tree.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { concatBytes } from '@noble/hashes/utils.js'
import { type EddsaSignature, signEddsa, verifyEddsa } from './eddsa.ts'
import { fromHex, poseidon, toHex, wordsToBytes } from './field.ts'
import {
  type Account,
  accountAddress,
  accountIndex,
  BALANCE_LIMIT,
  type Place,
} from './ledger-tree.ts'
import { type Address, type Hex, ZERO_ADDRESS } from './schema.ts'
import { type Action, L1, type TableContext } from './table.ts'
import { dataWords } from './words.ts'

/** Why a ledger cannot take an action, or why an entry cannot be proven. */
export type LedgerRefusal =
  | 'unknown-rollup'
  | 'unknown-account'
  | 'unknown-function'
  | 'not-owner'
  | 'wrong-signature'
  | 'wrong-action'
  | 'same-account'
  | 'insufficient-balance'
  | 'balance-overflow'
  | 'nothing-pending'
  | 'out-of-range'
  | 'wrong-witness'
  | 'wrong-root'
  | 'wrong-delta'
  | 'wrong-next'

/** Chain and venue a signature is bound to. */
export type LedgerContext = Pick<TableContext, 'chainId' | 'venue'>

/** A transaction of a rollup, as the key of its account signs it. */
export type LedgerTransaction = {
  readonly rollup: bigint
  readonly account: number
  /** Call data: `encodeSend` or `encodeWithdraw`. */
  readonly data: Hex
  /** The account's nonce before it. */
  readonly nonce: bigint
}

const NONCE_LIMIT = (1n << 64n) - 1n
/** First input of the signed message: the ASCII name as a big-endian integer. */
const TRANSACTION_TAG = BigInt(toHex(new TextEncoder().encode('proofwire/l2tx/1')))

const selector = (signature: string): Uint8Array =>
  keccak_256(new TextEncoder().encode(signature)).slice(0, 4)
const selectors = {
  deposit: selector('deposit()'),
  balance: selector('balance()'),
  send: selector('send(uint64,uint256,uint256)'),
  withdraw: selector('withdraw(address,uint256)'),
}

const encodeCall = (name: keyof typeof selectors, ...words: bigint[]): Hex =>
  toHex(concatBytes(selectors[name], wordsToBytes(words)))

/** Data of `deposit()`: the ether sent along goes to the account. Empty data does the same. */
export const encodeDeposit = (): Hex => encodeCall('deposit')
/** Data of `balance()`. */
export const encodeBalance = (): Hex => encodeCall('balance')
/** Data of `send(uint64,uint256,uint256)`: pays an account of a ledger rollup. */
export const encodeSend = (rollup: bigint, to: number, amountWei: bigint): Hex =>
  encodeCall('send', rollup, BigInt(to), amountWei)
/** Data of `withdraw(address,uint256)`: calls an address of L1 with ether. */
export const encodeWithdraw = (to: Address, amountWei: bigint): Hex =>
  encodeCall('withdraw', BigInt(to), amountWei)
/** The answer of every call that succeeds: a balance, wei. */
export const encodeAnswer = (balanceWei: bigint): Hex => toHex(wordsToBytes([balanceWei]))

/** What call data asks for. Amounts of any size that fits the field. */
export type LedgerCall =
  | { readonly name: 'deposit' }
  | { readonly name: 'balance' }
  | Send
  | Withdraw
type Send = {
  readonly name: 'send'
  readonly rollup: bigint
  readonly to: bigint
  readonly wei: bigint
}
type Withdraw = { readonly name: 'withdraw'; readonly to: bigint; readonly wei: bigint }

const heads = new Map(
  Object.entries(selectors).map(([name, bytes]) => [
    BigInt(toHex(bytes)),
    name as LedgerCall['name'],
  ]),
)
/** Bytes of each call, which with its words are all of it. */
const lengths = { deposit: 4n, balance: 4n, send: 100n, withdraw: 68n }

/** Reads call data. Null for a function accounts do not have, or words that do not fit it. */
export function readCall(data: Hex): LedgerCall | null {
  const [length, head, first, second, third, hash] = dataWords(fromHex(data)) as Six
  if (length === 0n) return { name: 'deposit' }
  const name = heads.get(head)
  if (name === undefined || length !== lengths[name] || hash !== 0n) return null
  if (name === 'send') return { name, rollup: first, to: second, wei: third }
  if (name === 'withdraw') return { name, to: first, wei: second }
  return { name }
}

type Six = [bigint, bigint, bigint, bigint, bigint, bigint]

/** What the key signs: chain, venue, rollup, account, the whole data and the nonce. */
function transactionMessage(
  { chainId, venue }: LedgerContext,
  { rollup, account, data, nonce }: LedgerTransaction,
): bigint {
  const [length, head, first, second, third] = dataWords(fromHex(data)) as Six
  return poseidon([
    ...[TRANSACTION_TAG, BigInt(chainId), BigInt(venue), rollup, BigInt(account)],
    ...[length, head, first, second, third, nonce],
  ])
}

/** Signs a transaction (L2TX). Deterministic: the same secret and call give the same signature. */
export const signTransaction = (
  secret: Uint8Array,
  context: LedgerContext,
  transaction: LedgerTransaction,
): EddsaSignature => signEddsa(secret, transactionMessage(context, transaction))

/** What an action does to the account it is for, and what follows. */
export type Outcome = {
  readonly after: Account
  readonly etherDelta: bigint
  readonly next: Action
  /** A withdrawal goes onto the pending calls, its answer takes it off. */
  readonly pending: 'push' | 'pop' | null
  /** Of the call or of the pending one that is answered. */
  readonly amountWei: bigint
  /** Another account that gets `amountWei`. */
  readonly transfer: { readonly rollup: bigint; readonly to: bigint } | null
}

/** The account that acts, and what the key signed if it did. */
export type Actor = Pick<Place, 'index' | 'account'> & {
  /** For an answer: the amount of the pending call. */
  readonly amountWei: bigint
  readonly signature: EddsaSignature | null
}

const below = (value: bigint, limit: bigint) => value >= 0n && value < limit

/** Whether the circuit can reckon with an account. */
export const isInRange = ({ balanceWei, nonce }: Account): boolean =>
  below(balanceWei, BALANCE_LIMIT) && below(nonce, NONCE_LIMIT + 1n)

/**
 * What `action` makes of an account, unless it fails. Of the tree and the pending calls it knows
 * nothing.
 */
export function outcomeOf(
  context: LedgerContext,
  action: Action,
  actor: Actor,
): Outcome | LedgerRefusal {
  if (!isInRange(actor.account)) return 'out-of-range'
  const outcome =
    action.actionType === 'RESULT' ? answered(action, actor) : called(context, action, actor)
  if (typeof outcome === 'string') return outcome
  if (!below(outcome.amountWei, BALANCE_LIMIT)) return 'out-of-range'
  if (outcome.after.balanceWei < 0n) return 'insufficient-balance'
  return outcome.after.balanceWei < BALANCE_LIMIT ? outcome : 'balance-overflow'
}

/** L1 answered the withdrawal made last. What a failed one took comes back. */
function answered(action: Action, actor: Actor): Outcome | LedgerRefusal {
  const { failed, value } = action
  const { amountWei, account } = actor
  if (BigInt(action.destination) !== 0n || !fromNobody(action)) return 'wrong-action'
  if (action.scope.length !== 1 || action.scope[0] !== 0) return 'wrong-action'
  const backWei = failed ? amountWei : 0n
  if (value !== backWei) return 'wrong-action'
  const after = { ...account, balanceWei: account.balanceWei + backWei }
  const next = {
    ...answerTo({ ...action, scope: [] }, after),
    ...(failed ? { failed, data: '0x' as const } : {}),
  }
  return { after, etherDelta: backWei, next, pending: 'pop', amountWei, transfer: null }
}

const fromNobody = ({ sourceAddress, sourceRollup }: Action) =>
  BigInt(sourceAddress) === 0n && sourceRollup === L1

function called(context: LedgerContext, action: Action, actor: Actor): Outcome | LedgerRefusal {
  if (!canBe(action)) return 'wrong-action'
  if (accountIndex(action.destination, MAX_INDEX_BITS) !== actor.index) return 'unknown-account'
  const call = readCall(action.data)
  if (call === null) return 'unknown-function'
  const { account } = actor
  if (call.name === 'deposit' || call.name === 'balance') {
    if (action.actionType === 'L2TX') return 'unknown-function'
    const amountWei = call.name === 'deposit' ? action.value : 0n
    if (action.value !== amountWei) return 'wrong-action'
    const after = { ...account, balanceWei: account.balanceWei + amountWei }
    const next = answerTo(action, after)
    return { after, etherDelta: amountWei, next, pending: null, amountWei, transfer: null }
  }
  const refusal = authorise(context, action, actor)
  if (refusal !== null) return refusal
  const signed = action.actionType === 'L2TX' ? 1n : 0n
  const { balanceWei, nonce } = account
  const after = { ...account, balanceWei: balanceWei - call.wei, nonce: nonce + signed }
  return call.name === 'send' ? sent(action, call, after) : withdrawn(action, call, actor, after)
}

const MAX_INDEX_BITS = 32

/** Whether anybody can call like this. An answer of a rollup to itself nobody waits for. */
export const canBe = ({ actionType, failed, rollupId, sourceRollup }: Action): boolean =>
  ['CALL', 'TRY_CALL', 'L2TX'].includes(actionType) && !failed && sourceRollup !== rollupId

/** Whether the account's key, or the contract that owns it, asks for this. Null if so. */
function authorise(
  context: LedgerContext,
  action: Action,
  { account, index, signature }: Actor,
): LedgerRefusal | null {
  const { key, nonce } = account
  const { rollupId, sourceAddress, sourceRollup, scope, data } = action
  if (action.value !== 0n) return 'wrong-action'
  if (action.actionType !== 'L2TX') {
    return key[0] === BigInt(sourceAddress) && key[1] === sourceRollup ? null : 'not-owner'
  }
  if (!fromNobody(action) || scope.length > 0) return 'wrong-action'
  if (nonce >= NONCE_LIMIT) return 'out-of-range'
  const message = transactionMessage(context, { rollup: rollupId, account: index, data, nonce })
  return signature !== null && verifyEddsa(key, message, signature) ? null : 'wrong-signature'
}

function sent(action: Action, { rollup, to, wei }: Send, after: Account): Outcome | LedgerRefusal {
  const own = rollup === action.rollupId
  if (own && to === BigInt(action.destination)) return 'same-account'
  return {
    after,
    etherDelta: own ? 0n : -wei,
    next: answerTo(action, after),
    pending: null,
    amountWei: wei,
    transfer: { rollup, to },
  }
}

function withdrawn(
  action: Action,
  { to, wei }: Withdraw,
  { index }: Actor,
  after: Account,
): Outcome | LedgerRefusal {
  // Only L1 can be answered by the RESULT that follows, and only from the outermost frame.
  if (action.sourceRollup !== L1 || action.scope.length > 0) return 'wrong-action'
  if (!below(to, 1n << 160n)) return 'out-of-range'
  const next: Action = {
    actionType: 'CALL',
    rollupId: L1,
    destination: accountAddress(to),
    value: wei,
    data: '0x',
    failed: false,
    sourceAddress: accountAddress(index),
    sourceRollup: action.rollupId,
    scope: [0],
  }
  return { after, etherDelta: -wei, next, pending: 'push', amountWei: wei, transfer: null }
}

/** The answer to whoever called: the account's balance afterwards. */
const answerTo = ({ rollupId, sourceRollup, scope }: Action, after: Account): Action => ({
  actionType: 'RESULT',
  rollupId: sourceRollup,
  destination: ZERO_ADDRESS,
  value: 0n,
  // Out of range only where the outcome is refused for it.
  data: encodeAnswer(after.balanceWei < 0n ? 0n : after.balanceWei),
  failed: false,
  sourceAddress: ZERO_ADDRESS,
  sourceRollup: rollupId,
  scope,
})
