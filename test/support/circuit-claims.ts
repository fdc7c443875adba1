/**
 * What provers may claim of an action: inputs of the circuit for honest entries, and for entries
 * that say it failed, for whichever reason, or succeeded, whether or not that is so. All hashes
 * fit, so that nothing but the rules is in the way of a lie.
 */
import type { EddsaSignature } from '#protocol/eddsa'
import { FIELD_ORDER } from '#protocol/field'
import { witnessFor } from '#protocol/inputs'
import type { CreditedWitness, EntryWitness } from '#protocol/ledger'
import { encodeAnswer, type LedgerCall, readCall } from '#protocol/ledger-calls'
import {
  type CallFailure,
  callFailures,
  failedAmount,
  failedAnswer,
  isAboutPayee,
  isUnpaid,
  isUnread,
} from '#protocol/ledger-failures'
import {
  type Account,
  accountAddress,
  accountIndex,
  type Ledger,
  type Ledgers,
  push,
  rootOf,
  type Spot,
  spotOf,
  withAccount,
} from '#protocol/ledger-tree'
import { segmentPoint } from '#protocol/segments'
import { type Action, type Entry, L1, type Table, ZERO_HASH } from '#protocol/table'
import {
  evaluate,
  messageHash,
  poseidonDigest,
  publicInputsHash,
  type Shape,
} from '#protocol/words'
import { type CircuitInput, flagNames, prepareStatement } from '#prover-agent/circuits/witness'
import { call as bareCall, oneSegment, payee, program, tableOf } from './ledger-sample.ts'

/** What the agent gives a circuit. */
export function inputOf(
  table: Table,
  witnesses: readonly EntryWitness[],
  shape: Shape,
  of = program,
  paid = payee,
): CircuitInput {
  const { depth, entries: room } = shape
  const inputs = oneSegment(table, witnesses, { depth, room, of })
  return prepareStatement(inputs, of.verifier, paid, shape)!.input
}

export const wordsOf = (input: CircuitInput): bigint[] => (input.words as string[]).map(BigInt)

/** The input with other words, whose digest, challenge and value are computed anew. */
export function withWords(input: CircuitInput, words: readonly bigint[]): CircuitInput {
  const p = poseidonDigest(words)
  const x = segmentPoint(publicInputsHash(words), 0, payee)
  const y = evaluate(words, x)
  return { ...input, p: String(p), x: String(x), y: String(y), words: words.map(String) }
}

/** The input with another value of an entry's signal. */
export const withSignal = (
  input: CircuitInput,
  name: string,
  value: CircuitInput[string],
  entry = 0,
): CircuitInput =>
  ({ ...input, [name]: (input[name] as CircuitInput[string][]).with(entry, value) }) as CircuitInput

const mod = (value: bigint) => ((value % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER
const NO_ACCOUNT: Account = { key: [0n, 0n], balanceWei: 0n, nonce: 0n }
const NO_CREDIT = { sent: ZERO_HASH, received: ZERO_HASH }

/** Flags of a call that failed for a reason, or of one that did not. */
function flagsFor(
  { actionType, data, rollupId }: Action,
  { reason, isVacant }: { readonly reason: CallFailure | null; readonly isVacant: boolean },
): string[] {
  const called = isUnread(reason) ? null : (readCall(data) ?? { name: 'balance' as const })
  const isWithin = called?.name === 'send' && called.rollup === rollupId
  const chosen: readonly (string | false | null)[] = [
    called?.name ?? null,
    actionType === 'L2TX' && 'signed',
    actionType === 'TRY_CALL' && 'tried',
    called?.name === 'deposit' && data !== '0x' && 'named',
    (reason === null ? isWithin : isUnpaid(reason)) && 'within',
    isVacant && 'vacant',
    reason,
  ]
  return flagNames.map((name) => (chosen.includes(name) ? '1' : '0'))
}

/** Where a call goes: the place it names, or any. */
const placeFor = (ledger: Ledger, { destination }: Action): Spot =>
  spotOf(ledger, accountIndex(destination, ledger.depth) ?? 0)!

/** Where a number points to in a tree, or any place. */
const placeAt = (ledger: Ledger, to: bigint): Spot =>
  spotOf(ledger, to < 1n << BigInt(ledger.depth) ? Number(to) : 0)!

/** Entries that say that a call failed, one for each reason there is. */
export function failureClaims(
  ledgers: Ledgers,
  action: Action,
  shape: Shape,
  signature: EddsaSignature | null = null,
): { readonly reason: CallFailure; readonly input: CircuitInput }[] {
  const ledger = ledgers.get(action.rollupId)!
  const root = rootOf(ledger)
  const delta = { rollupId: ledger.rollup, rootBefore: root, rootAfter: root, etherDelta: 0n }
  const entry = { action, next: failedAnswer(action), deltas: [{ ...delta, ...NO_CREDIT }] }
  const spot = placeFor(ledger, action)
  const asked = readCall(action.data)
  return callFailures.map((reason) => {
    const acting = {
      ...spot,
      pending: ledger.pending?.hash ?? 0n,
      amountWei: failedAmount(action, reason),
      signature,
    }
    const to = asked?.name === 'send' ? asked.to : 0n
    const credited = isAboutPayee(reason)
      ? { ...placeAt(ledger, to), pending: 0n, from: BigInt(spot.index) }
      : null
    const input = inputOf(tableOf([entry]), [{ acting, credited }], shape)
    const isVacant = reason === 'no-account' || (reason === 'no-place' && spot.account === null)
    return { reason, input: withSignal(input, 'flags', flagsFor(action, { reason, isVacant })) }
  })
}

/** Exclusive bounds of what a table can say: of an ether delta, and of an address. */
const DELTA_LIMIT = 1n << 127n
const ADDRESS_LIMIT = 1n << 160n

/**
 * An entry that says that an action was done, as if every rule but the hashes' were off. Null where
 * no table can say so.
 */
export function successClaim(
  ledgers: Ledgers,
  action: Action,
  shape: Shape,
  signature: EddsaSignature | null = null,
): CircuitInput | null {
  const asked: LedgerCall = readCall(action.data) ?? { name: 'deposit' }
  const ledger = ledgers.get(action.rollupId)!
  const spot = placeFor(ledger, action)
  const account = spot.account ?? NO_ACCOUNT
  const amountWei = asked.name === 'deposit' ? action.value : 'wei' in asked ? asked.wei : 0n
  const isSigned = action.actionType === 'L2TX'
  const change = asked.name === 'deposit' ? amountWei : -amountWei
  const after = {
    ...account,
    balanceWei: mod(account.balanceWei + change),
    nonce: mod(account.nonce + (isSigned ? 1n : 0n)),
  }
  const done = { ...withAccount(ledger, spot.index, after), pending: ledger.pending }
  const acting = {
    ...spot,
    pending: ledger.pending?.hash ?? 0n,
    amountWei,
    signature,
  }
  const doing: Doing = {
    ledgers,
    action,
    amountWei,
    before: ledger,
    done,
    next: answerOf(action, after),
  }
  const claim =
    asked.name === 'send'
      ? sending(doing, asked, spot)
      : asked.name === 'withdraw'
        ? withdrawing(doing, asked, spot)
        : { entry: plain(doing, amountWei), credited: null }
  if (claim === null) return null
  const table = tableOf([claim.entry])
  const witness = witnessFor(table, program, 0, { acting, credited: claim.credited })
  const input = inputOf(table, [witness], shape)
  return withSignal(input, 'flags', flagsFor(action, { reason: null, isVacant: false }))
}

type Doing = {
  readonly ledgers: Ledgers
  readonly action: Action
  readonly amountWei: bigint
  readonly before: Ledger
  readonly done: Ledger
  readonly next: Action
}
type Claim = { readonly entry: Entry; readonly credited: CreditedWitness | null }

const answerOf = ({ rollupId, sourceRollup, scope }: Action, after: Account): Action =>
  bareCall(encodeAnswer(after.balanceWei), {
    actionType: 'RESULT',
    rollupId: sourceRollup,
    sourceRollup: rollupId,
    destination: accountAddress(0),
    sourceAddress: accountAddress(0),
    scope,
  })

const plain = ({ action, next, before, done }: Doing, etherDelta: bigint): Entry => ({
  action,
  next,
  deltas: [
    {
      ...{ rollupId: before.rollup, rootBefore: rootOf(before), rootAfter: rootOf(done) },
      ...{ etherDelta, ...NO_CREDIT },
    },
  ],
})

function withdrawing(doing: Doing, { to }: { readonly to: bigint }, { index }: Spot): Claim | null {
  const { action, amountWei, done } = doing
  if (to >= ADDRESS_LIMIT || amountWei >= DELTA_LIMIT) return null
  const pending = push(done.pending, { account: index, amountWei })
  const next = bareCall('0x', {
    rollupId: L1,
    destination: accountAddress(to),
    value: amountWei,
    sourceAddress: accountAddress(index),
    sourceRollup: action.rollupId,
    scope: [0],
  })
  return {
    entry: plain({ ...doing, next, done: { ...done, pending } }, -amountWei),
    credited: null,
  }
}

function sending(
  doing: Doing,
  { rollup, to }: { readonly rollup: bigint; readonly to: bigint },
  spot: Spot,
): Claim | null {
  const { ledgers, action, amountWei, done } = doing
  const isWithin = rollup === action.rollupId
  const other = isWithin ? done : ledgers.get(rollup)
  if (other === undefined) return null
  const place = placeAt(other, to)
  const paid = place.account ?? NO_ACCOUNT
  const gained = withAccount(other, place.index, {
    ...paid,
    balanceWei: mod(paid.balanceWei + amountWei),
  })
  const credited = {
    ...{ ...place, account: paid, from: BigInt(spot.index) },
    pending: isWithin ? 0n : (other.pending?.hash ?? 0n),
  }
  if (isWithin) return { entry: plain({ ...doing, done: gained }, 0n), credited }
  if (to >= ADDRESS_LIMIT || amountWei >= DELTA_LIMIT) return null
  const message = {
    ...{ sourceRollup: action.rollupId, source: accountAddress(spot.index) },
    ...{ destinationRollup: rollup, destination: accountAddress(to), valueWei: amountWei },
  }
  const sent = messageHash(message)
  const entry = plain(doing, -amountWei)
  const first = { ...entry.deltas[0]!, sent }
  const second = {
    ...{ rollupId: rollup, rootBefore: rootOf(other), rootAfter: rootOf(gained) },
    ...{ etherDelta: amountWei, sent: ZERO_HASH, received: sent },
  }
  return { entry: { ...entry, deltas: [first, second] }, credited }
}
