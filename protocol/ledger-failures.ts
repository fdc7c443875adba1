/**
 * Calls that fail. Nothing changes, and who called gets its value back: an entry that says so is
 * proven like any other, so that L1 can go on after it. Each reason is one the circuit can show;
 * what cannot be shown, or nobody would pay for, is refused instead (`ledger-calls.ts`).
 */
import { readCall } from './ledger-calls.ts'
import { type Account, accountIndex, BALANCE_LIMIT } from './ledger-tree.ts'
import { ZERO_ADDRESS } from './schema.ts'
import { type Action, L1 } from './table.ts'

/** Why a call fails, in the order of the circuit's flags. */
export const callFailures = [
  'no-function',
  'no-place',
  'no-account',
  'not-payable',
  'not-from-l1',
  'not-owner',
  'insufficient-balance',
  'balance-overflow',
  'no-address',
  'same-account',
  'no-payee-place',
  'no-payee',
  'payee-overflow',
] as const
export type CallFailure = (typeof callFailures)[number]

/** Whether a call fails for its data, or before anybody reads that. */
export const isUnread = (failure: CallFailure | null): boolean =>
  failure === 'no-function' || failure === 'no-place' || failure === 'no-account'

/** Whether a call fails for an account of the same rollup that it pays. */
export const isUnpaid = (failure: CallFailure | null): boolean =>
  failure === 'same-account' || failure === 'no-payee-place' || isAboutPayee(failure)

/** Whether that account's place has to be shown. */
export const isAboutPayee = (failure: CallFailure | null): boolean =>
  failure === 'no-payee' || failure === 'payee-overflow'

/** Whether an action is one that may fail. A transaction that a key signed is refused instead. */
export const mayFail = ({ actionType }: Action): boolean =>
  actionType === 'CALL' || actionType === 'TRY_CALL'

/** Whether a call pays an account of the rollup it is for. */
export function paysWithin({ data, rollupId }: Action): boolean {
  const call = readCall(data)
  return call?.name === 'send' && call.rollup === rollupId
}

/**
 * Why a call fails, as far as the account it is for can tell; null if it does not.
 *
 * @param depth Of the ledger's tree.
 * @param account At the place of the call's destination; null if there is none.
 */
export function callFailure(
  action: Action,
  depth: number,
  account: Account | null,
): CallFailure | null {
  if (!mayFail(action)) return null
  if (accountIndex(action.destination, depth) === null) return 'no-place'
  if (account === null) return 'no-account'
  const call = readCall(action.data)
  if (call === null) return 'no-function'
  if (call.name === 'deposit') {
    return account.balanceWei + action.value < BALANCE_LIMIT ? null : 'balance-overflow'
  }
  if (action.value !== 0n) return 'not-payable'
  if (call.name === 'balance') return null
  if (call.name === 'withdraw' && action.sourceRollup !== L1) return 'not-from-l1'
  const [owner, ownerRollup] = account.key
  if (owner !== BigInt(action.sourceAddress) || ownerRollup !== action.sourceRollup) {
    return 'not-owner'
  }
  if (call.wei > account.balanceWei) return 'insufficient-balance'
  if (call.name === 'withdraw') return call.to < 1n << 160n ? null : 'no-address'
  if (call.rollup !== action.rollupId) return null
  if (call.to === BigInt(action.destination)) return 'same-account'
  return call.to < 1n << BigInt(depth) ? null : 'no-payee-place'
}

/** Why a send within one rollup fails that its account could pay: for the account it pays. */
export function payeeFailure(action: Action, payee: Account | null): CallFailure | null {
  const call = mayFail(action) ? readCall(action.data) : null
  if (call?.name !== 'send' || call.rollup !== action.rollupId) return null
  if (payee === null) return 'no-payee'
  return payee.balanceWei + call.wei < BALANCE_LIMIT ? null : 'payee-overflow'
}

/**
 * Why a call fails; null if it does not.
 *
 * @param account At the place of its destination; null if there is none.
 * @param payee Who is found where it pays to, if anybody looked.
 */
export function failureOf(
  action: Action,
  depth: number,
  account: Account | null,
  payee?: Account | null,
): CallFailure | null {
  const failure = callFailure(action, depth, account)
  return failure ?? (payee === undefined ? null : payeeFailure(action, payee))
}

/** What the circuit calls the amount of a call that fails. Wei. */
export function failedAmount(action: Action, failure: CallFailure): bigint {
  const call = isUnread(failure) ? null : readCall(action.data)
  if (call === null || call.name === 'balance') return 0n
  return call.name === 'deposit' ? action.value : call.wei
}

/** The answer to whoever called: it failed, and here is the value. */
export const failedAnswer = ({ rollupId, sourceRollup, scope, value }: Action): Action => ({
  actionType: 'RESULT',
  rollupId: sourceRollup,
  destination: ZERO_ADDRESS,
  value,
  data: '0x',
  failed: true,
  sourceAddress: ZERO_ADDRESS,
  sourceRollup: rollupId,
  scope,
})
