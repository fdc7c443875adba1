/**
 * The ledger rollup: what an action does to its ledgers.
 *
 * `applyAction` is the rollup's state function: the rules of `ledger-calls.ts` over the whole
 * state. `ledger-check.ts` applies the same rules to the accounts of a witness, which is what the
 * circuit proves. An entry has two slots: its first delta's account *acts*, and an account of this
 * or the other rollup may be *credited*.
 */
import type { EddsaSignature } from './eddsa.ts'
import {
  type Actor,
  canBe,
  isInRange,
  type LedgerContext,
  type LedgerRefusal,
  type Outcome,
  outcomeOf,
  readCall,
} from './ledger-calls.ts'
import {
  type CallFailure,
  callFailure,
  failedAmount,
  failedAnswer,
  mayFail,
  payeeFailure,
  paysWithin,
} from './ledger-failures.ts'
import {
  type Account,
  accountAddress,
  accountIndex,
  BALANCE_LIMIT,
  type Ledger,
  type Ledgers,
  placeOf,
  push,
  rootOf,
  type Spot,
  spotOf,
  withAccount,
} from './ledger-tree.ts'
import type { Hex } from './schema.ts'
import { type Action, type StateDelta, ZERO_HASH } from './table.ts'
import { type Message, messageHash } from './words.ts'

/** The account that acts: with what the entry does not say. */
export type ActingWitness = Spot & {
  /** Hash of the pending calls, without the one that the action makes or answers. */
  readonly pending: bigint
  /** Amount of the call, or of the pending one that is answered; 0 for `balance()`. Wei. */
  readonly amountWei: bigint
  /** Of an L2TX; else null. */
  readonly signature: EddsaSignature | null
}

/**
 * The account that is credited; in a send within one rollup as it is once the sender paid. Or what
 * is found where an account is looked for that cannot be credited.
 */
export type CreditedWitness = Spot & {
  /** Hash of its rollup's pending calls. In a send within one rollup 0: the other slot has it. */
  readonly pending: bigint
  /** Address of the account that pays, as an integer. */
  readonly from: bigint
}

/** What a prover must know beside the entry. A slot is null when the entry does not need it. */
export type EntryWitness = {
  readonly acting: ActingWitness | null
  readonly credited: CreditedWitness | null
}

/** What an action did. */
export type LedgerStep = {
  readonly ledgers: Ledgers
  readonly deltas: readonly StateDelta[]
  readonly next: Action
  readonly witness: EntryWitness
  /** Why the call fails, which the entry says; null if it does not. */
  readonly failure: CallFailure | null
}

/**
 * Applies an action to the ledgers. Those given are unchanged. Never throws on an action that does
 * not fit the state.
 *
 * @param signature Of an L2TX: see `signTransaction`.
 */
export function applyAction(
  ledgers: Ledgers,
  context: LedgerContext,
  action: Action,
  signature: EddsaSignature | null = null,
): LedgerStep | LedgerRefusal {
  const ledger = ledgers.get(action.rollupId)
  if (ledger === undefined) return 'unknown-rollup'
  const failed = failedStep(ledgers, ledger, action)
  if (failed !== null) return failed
  const actor = actorOf(ledger, action, signature)
  if (typeof actor === 'string') return actor
  const outcome = outcomeOf(context, action, actor)
  if (typeof outcome === 'string') return outcome
  const pending = outcome.pending === 'pop' ? ledger.pending!.below : ledger.pending
  const acting: ActingWitness = {
    ...actor,
    pending: pending?.hash ?? 0n,
    amountWei: outcome.amountWei,
    signature: action.actionType === 'L2TX' ? signature : null,
  }
  const paid: Ledger = {
    ...withAccount(ledger, actor.index, outcome.after),
    pending:
      outcome.pending === 'push'
        ? push(pending, { account: actor.index, amountWei: outcome.amountWei })
        : pending,
  }
  const after = new Map(ledgers).set(ledger.rollup, paid)
  const step = { ledgers: after, next: outcome.next, acting, from: rootOf(ledger) }
  return outcome.transfer === null
    ? finish(step, ledger.rollup, outcome.etherDelta)
    : transfer(step, ledger.rollup, outcome, outcome.transfer)
}

/** What a call does that fails: nothing. Null if it does not fail. */
function failedStep(
  ledgers: Ledgers,
  ledger: Ledger,
  action: Action,
): LedgerStep | LedgerRefusal | null {
  if (!mayFail(action) || !canBe(action)) return null
  const { rollup, depth } = ledger
  // For an address outside of the tree any place will do.
  const spot = spotOf(ledger, accountIndex(action.destination, depth) ?? 0)!
  if (spot.account !== null && !isInRange(spot.account)) return 'out-of-range'
  const own = callFailure(action, depth, spot.account)
  const payee = own === null && paysWithin(action) ? payeeOf(ledger, action) : null
  const failure = payee === null ? own : payeeFailure(action, payee.account)
  if (failure === null) return null
  if (payee !== null && payee.account !== null && !isInRange(payee.account)) return 'out-of-range'
  const root = rootOf(ledger)
  const acting: ActingWitness = {
    ...spot,
    pending: ledger.pending?.hash ?? 0n,
    amountWei: failedAmount(action, failure),
    signature: null,
  }
  const credited = payee === null ? null : { ...payee, pending: 0n, from: BigInt(spot.index) }
  const delta = {
    ...{ rollupId: rollup, rootBefore: root, rootAfter: root, etherDelta: 0n },
    ...{ sent: ZERO_HASH, received: ZERO_HASH },
  }
  const next = failedAnswer(action)
  return { ledgers, deltas: [delta], next, witness: { acting, credited }, failure }
}

/** Where a call pays to, in its own rollup: a place in the tree. */
function payeeOf(ledger: Ledger, { data }: Action): Spot {
  const call = readCall(data) as { readonly to: bigint }
  return spotOf(ledger, Number(call.to))!
}

/** Whose account acts: the callee's, or the one whose pending call is answered. */
function actorOf(
  ledger: Ledger,
  action: Action,
  signature: EddsaSignature | null,
): (Spot & Actor) | LedgerRefusal {
  const { pending } = ledger
  const isAnswer = action.actionType === 'RESULT'
  if (isAnswer && pending === null) return 'nothing-pending'
  const index =
    isAnswer && pending !== null ? pending.account : accountIndex(action.destination, ledger.depth)
  const place = index === null ? null : placeOf(ledger, index)
  if (place === null) return 'unknown-account'
  return { ...place, amountWei: isAnswer && pending !== null ? pending.amountWei : 0n, signature }
}

type HalfStep = Pick<LedgerStep, 'ledgers' | 'next'> & {
  readonly acting: ActingWitness
  /** Root of the acting ledger before it. */
  readonly from: Hex
}

function finish(
  { ledgers, next, acting, from }: HalfStep,
  rollup: bigint,
  etherDelta: bigint,
  sent: Hex = ZERO_HASH,
): LedgerStep {
  const delta: StateDelta = {
    rollupId: rollup,
    rootBefore: from,
    rootAfter: rootOf(ledgers.get(rollup)!),
    etherDelta,
    sent,
    received: ZERO_HASH,
  }
  return { ledgers, deltas: [delta], next, witness: { acting, credited: null }, failure: null }
}

/** The second half of a send, on this ledger or another one. */
function transfer(
  step: HalfStep,
  rollup: bigint,
  { amountWei, etherDelta }: Outcome,
  { rollup: toRollup, to }: NonNullable<Outcome['transfer']>,
): LedgerStep | LedgerRefusal {
  const from = accountAddress(step.acting.index)
  const target = creditMessage(step.ledgers, {
    sourceRollup: rollup,
    source: from,
    destinationRollup: toRollup,
    destination: accountAddress(to),
    valueWei: amountWei,
  })
  if (typeof target === 'string') return target
  const { ledgers, delta, credited } = target
  if (rollup === toRollup) {
    const { deltas, ...done } = finish({ ...step, ledgers }, rollup, etherDelta)
    const witness = { acting: step.acting, credited: { ...credited, pending: 0n } }
    return { ...done, deltas, witness }
  }
  const { deltas, ...done } = finish({ ...step, ledgers }, rollup, etherDelta, delta.received)
  return { ...done, deltas: [...deltas, delta], witness: { acting: step.acting, credited } }
}

/** What a message did to the ledger that receives it. */
export type LedgerCredit = {
  readonly ledgers: Ledgers
  /** The second delta of the entry whose first one sends the message. */
  readonly delta: StateDelta
  readonly credited: CreditedWitness
}

/**
 * Credits an account with what another rollup sends it, whatever program speaks for that rollup.
 * The ledgers given are unchanged.
 */
export function creditMessage(ledgers: Ledgers, message: Message): LedgerCredit | LedgerRefusal {
  const ledger = ledgers.get(message.destinationRollup)
  if (ledger === undefined) return 'unknown-rollup'
  const index = accountIndex(message.destination, ledger.depth)
  const place = index === null ? null : placeOf(ledger, index)
  if (place === null) return 'unknown-account'
  const after = creditedAccount(place.account, message.valueWei)
  if (typeof after === 'string') return after
  const paid = withAccount(ledger, place.index, after)
  const delta: StateDelta = {
    rollupId: ledger.rollup,
    rootBefore: rootOf(ledger),
    rootAfter: rootOf(paid),
    etherDelta: message.valueWei,
    sent: ZERO_HASH,
    received: messageHash(message),
  }
  const credited = { ...place, pending: ledger.pending?.hash ?? 0n, from: BigInt(message.source) }
  return { ledgers: new Map(ledgers).set(ledger.rollup, paid), delta, credited }
}

/** An account with more on it. */
export function creditedAccount(account: Account, amountWei: bigint): Account | LedgerRefusal {
  const { balanceWei } = account
  for (const wei of [balanceWei, amountWei]) {
    if (wei < 0n || wei >= BALANCE_LIMIT) return 'out-of-range'
  }
  if (balanceWei + amountWei >= BALANCE_LIMIT) return 'balance-overflow'
  return { ...account, balanceWei: balanceWei + amountWei }
}
