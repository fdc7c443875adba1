// SPDX-License-Identifier: Apache-2.0
/** From a builder's inputs to the signals of the circuit, and back to a proof on the wire. */
import { FIELD_ORDER } from '#protocol/field'
import {
  decodeInputs,
  type InputsRefusal,
  type InputsTerms,
  NO_SIGNATURE,
  checkInputs as shapeCheckInputs,
  wordsFor,
} from '#protocol/inputs'
import type { EntryWitness } from '#protocol/ledger'
import { readCall } from '#protocol/ledger-calls'
import { callFailures, failureOf, isUnpaid, isUnread } from '#protocol/ledger-failures'
import type { Account } from '#protocol/ledger-tree'
import {
  encodeSegmentProof,
  type G1,
  type G2,
  type Points,
  type SegmentProof,
} from '#protocol/proof'
import type { Address } from '#protocol/schema'
import { boundaries, segmentPoint, segmentWords, tableChallenge } from '#protocol/segments'
import type { Entry } from '#protocol/table'
import { evaluate, padWords, poseidonDigest, publicInputsHash, type Shape } from '#protocol/words'
import { shapeOf, shapes } from './shapes.ts'

/**
 * Whether an agent with our circuits can prove what was requested from these inputs. Null if so.
 * Pure; see `protocol/inputs.ts`.
 */
export function checkInputs(
  bytes: Uint8Array,
  request: InputsTerms,
): InputsRefusal | 'unsupported-program' | null {
  const name = shapeOf(request.programId)
  return name === null ? 'unsupported-program' : shapeCheckInputs(bytes, request, shapes[name])
}

/**
 * Values of the circuit's input signals by name, as decimal strings: what circom's generated code
 * takes.
 */
export type CircuitInput = { readonly [signal: string]: Decimals }
type Decimals = string | readonly Decimals[]

/** A segment's proof that lacks only its points. */
export type Statement = Omit<SegmentProof, keyof Points> & { readonly input: CircuitInput }

type Values = bigint | readonly Values[]
const decimal = (values: Values): Decimals =>
  typeof values === 'bigint' ? String(mod(values)) : values.map(decimal)
const mod = (value: bigint) => ((value % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER

/** The kinds of entry and what else there is to choose, in the order of the circuit's flags. */
export const flagNames = [
  'deposit',
  'balance',
  'send',
  'withdraw',
  'answer',
  'signed',
  'tried',
  'named',
  'within',
  'failed',
  'vacant',
  // Why a call fails.
  ...callFailures,
] as const

/** What kind of entry it is, for an account that acts. */
function flagsOf({ action }: Entry, { acting, credited }: EntryWitness, depth: number): bigint[] {
  const { actionType, data, rollupId, failed } = action
  const isAnswer = actionType === 'RESULT'
  const failure = failureOf(action, depth, acting!.account, credited?.account)
  const called = isAnswer || isUnread(failure) ? null : readCall(data)
  const isWithin =
    failure === null ? called?.name === 'send' && called.rollup === rollupId : isUnpaid(failure)
  const flags: Readonly<Partial<Record<(typeof flagNames)[number], boolean>>> = {
    deposit: called?.name === 'deposit',
    balance: called?.name === 'balance',
    send: called?.name === 'send',
    withdraw: called?.name === 'withdraw',
    answer: isAnswer,
    signed: actionType === 'L2TX',
    tried: actionType === 'TRY_CALL',
    named: called?.name === 'deposit' && data !== '0x',
    within: isWithin,
    failed: isAnswer && failed,
    vacant: acting!.account === null,
    ...Object.fromEntries(callFailures.map((name) => [name, name === failure])),
  }
  return flagNames.map((name) => (flags[name] ? 1n : 0n))
}

/** Who pays whom how much. Zeros where nobody is credited. */
function paymentOf({ action, deltas }: Entry, { acting, credited }: EntryWitness) {
  const called = acting === null || action.actionType === 'RESULT' ? null : readCall(action.data)
  if (acting !== null && called?.name === 'send') {
    return { from: BigInt(acting.index), to: called.to, paid: called.wei }
  }
  if (credited === null) return { from: 0n, to: 0n, paid: 0n }
  const paid = deltas[1]?.etherDelta ?? 0n
  return { from: credited.from, to: BigInt(credited.index), paid }
}

const NO_ACCOUNT: Account = { key: [0n, 0n], balanceWei: 0n, nonce: 0n }

/** Nobody's account and path: for a slot that the circuit computes with and does not look at. */
const nowhere = (depth: number) => ({
  index: 0,
  account: NO_ACCOUNT,
  siblings: Array.from({ length: depth }, () => 0n),
  pending: 0n,
  amountWei: 0n,
  signature: null,
})

/** The signals of one entry; all zero for one that the circuit has room for and the table lacks. */
function entrySignals(
  entry: Entry | undefined,
  witness: EntryWitness,
  depth: number,
): Record<string, Values> {
  const acting = witness.acting ?? nowhere(depth)
  const credited = witness.credited ?? nowhere(depth)
  const account = acting.account ?? NO_ACCOUNT
  const creditedAccount = credited.account ?? NO_ACCOUNT
  const isActing = entry !== undefined && witness.acting !== null
  const isSigned = isActing && entry.action.actionType === 'L2TX'
  return {
    flags: isActing ? flagsOf(entry, witness, depth) : flagNames.map(() => 0n),
    index: BigInt(acting.index),
    key: account.key,
    balance: account.balanceWei,
    nonce: account.nonce,
    pending: acting.pending,
    amount: acting.amountWei,
    signature: (isSigned ? acting.signature : null) ?? NO_SIGNATURE,
    siblings: acting.siblings,
    creditedIndex: BigInt(credited.index),
    creditedKey: creditedAccount.key,
    creditedBalance: creditedAccount.balanceWei,
    creditedNonce: creditedAccount.nonce,
    creditedPending: credited.pending,
    creditedSiblings: credited.siblings,
    ...(entry === undefined ? { from: 0n, to: 0n, paid: 0n } : paymentOf(entry, witness)),
  }
}

/**
 * The signals of a circuit of this shape, for a proof that pays `payee`. Null when the bytes are no
 * inputs or do not fit the shape. Whether they can be proven, only `checkInputs` or the circuit
 * says.
 *
 * @param verifier That the proof is for: with the program it is named in the table's words.
 */
export function prepareStatement(
  bytes: Uint8Array,
  verifier: Address,
  payee: Address,
  shape: Shape,
): Statement | null {
  const inputs = decodeInputs(bytes)
  if (inputs === null || inputs.depth !== shape.depth) return null
  const { table, segments, index, depth, witnesses } = inputs
  const words = wordsFor(table, { verifier, programId: inputs.programId })
  const from = boundaries(segments)[index]!
  const entries = table.entries.slice(from, from + segments[index]!.entries)
  if (words === null || entries.length > shape.entries) return null
  const padded = padWords(segmentWords(words, from, from + entries.length), shape.entries)
  const p = poseidonDigest(padded)
  const challenge = tableChallenge(publicInputsHash(words), segments)
  const x = segmentPoint(challenge, index, payee)
  const y = evaluate(padded, x)
  const slots = Array.from({ length: shape.entries }, (_, at) =>
    entrySignals(entries[at], witnesses[at] ?? empty, depth),
  )
  const names = Object.keys(slots[0]!)
  const signals = [
    ...Object.entries({ p, x, y, words: padded }),
    ...names.map((name) => [name, slots.map((slot) => slot[name]!)] as const),
  ]
  const input = Object.fromEntries(signals.map(([name, value]) => [name, decimal(value)]))
  return { payee, challenge, index, p, y, input }
}

const empty: EntryWitness = { acting: null, credited: null }

/**
 * Groth16 points as snarkjs writes them: decimal strings, real parts first, with a third
 * coordinate.
 */
export type SnarkjsProof = {
  readonly pi_a: readonly string[]
  readonly pi_b: readonly (readonly string[])[]
  readonly pi_c: readonly string[]
}

/** The proof's bytes. @throws RangeError when the points are not decimal numbers below 2^256. */
export function finishProof(statement: Statement, points: SnarkjsProof): Uint8Array {
  const g1 = (point: readonly string[]): G1 => [BigInt(point[0] ?? ''), BigInt(point[1] ?? '')]
  const [[x0, x1] = [], [y0, y1] = []] = points.pi_b
  const b = [x1, x0, y1, y0].map((coordinate) => BigInt(coordinate ?? '')) as unknown as G2
  return encodeSegmentProof({ ...statement, a: g1(points.pi_a), b, c: g1(points.pi_c) })
}
