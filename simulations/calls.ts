/**
 * What can be asked of the market's contracts, what they say they did, and what it costs in gas.
 */
import type { OpenedBid } from '#protocol/auction'
import type { Obligation, SignedAward, SignedReceipt, SignedStart } from '#protocol/effects'
import type { Address, Hex, Id, ProofRequest } from '#protocol/schema'
import type { Purse } from './purses.ts'

/** An award with the request it is for. */
export type Awarded = { readonly request: ProofRequest; readonly award: SignedAward }
/** A prover's own bid, which the contract sees under the award's root. wei; ms since the epoch. */
export type OwnBid = { readonly priceWei: bigint; readonly readyAt: number }

export type Call =
  | { readonly kind: 'settle'; readonly receipts: readonly SignedReceipt[] }
  | { readonly kind: 'commit'; readonly requestId: Id; readonly prover: Address }
  | { readonly kind: 'claim'; readonly obligation: Obligation; readonly bid: OwnBid }
  | { readonly kind: 'slash'; readonly obligation: Obligation }
  | { readonly kind: 'doubleAward'; readonly first: Awarded; readonly second: Awarded }
  | {
      readonly kind: 'misaward'
      readonly awarded: Awarded
      readonly better: OpenedBid
      readonly path: readonly Hex[]
    }
  | {
      readonly kind: 'deposit'
      readonly account: Address
      readonly purse: Purse
      readonly wei: bigint
    }
  | { readonly kind: 'exit'; readonly purse: Purse; readonly wei: bigint }
  | { readonly kind: 'withdraw'; readonly purse: Purse | 'credit' }

/** A contract's event: one thing that a call did. */
export type Deed =
  | {
      readonly kind: 'paid'
      readonly by: 'receipt' | 'claim'
      readonly builder: Address
      readonly prover: Address
      readonly nonce: bigint
      readonly payWei: bigint
      /** Given back beside the pay, for a claim's gas. */
      readonly gasWei: bigint
    }
  | {
      /** A receipt that paid nothing. `unpaid`: it is good, and there is nothing to pay it from. */
      readonly kind: 'unpaid'
      readonly receipt: SignedReceipt
      readonly why: 'resolved' | 'bad signature' | 'unpaid'
    }
  | { readonly kind: 'committed'; readonly requestId: Id; readonly prover: Address }
  | { readonly kind: 'challenged'; readonly start: SignedStart; readonly untilS: number }
  | {
      readonly kind: 'slashed'
      readonly builder: Address
      readonly prover: Address
      readonly nonce: bigint
      readonly bondWei: bigint
      readonly rescuer: Address | null
      readonly rewardWei: bigint
    }
  | {
      readonly kind: 'punished'
      readonly offence: 'double award' | 'misaward'
      readonly builder: Address
      readonly nonce: bigint
      readonly injured: Address
      /** Taken from the stake, and how much of it went to `injured`. */
      readonly takenWei: bigint
      readonly paidWei: bigint
    }
  /** Money came in from outside, or left (below zero). */
  | { readonly kind: 'moved'; readonly account: Address; readonly wei: bigint }

/** `early`: time will mend it, so its sender keeps it; `refused`: it will never succeed. */
export type Fate = 'done' | 'early' | 'refused'
export type Outcome = { readonly fate: Fate; readonly deeds: readonly Deed[] }

/** Whose call it is, and in which block. Seconds; wei for one unit of gas. */
export type Moment = {
  readonly from: Address
  readonly atS: number
  readonly baseFeeWei: bigint
}

/**
 * Gas of real transactions, the tables' verifier included: `test/contracts/snapshots/gas.json`,
 * which a test compares. Penalties are not measured there; a claim by a backup reads as much.
 */
export const gas = {
  settleOne: 68_219n,
  /** Each of 32 receipts of one builder and prover in a batch. */
  settle32OfOneProverEach: 10_005n,
  commitProof: 47_249n,
  commitAndClaimOfTable: 394_703n,
  slash: 87_655n,
  slashWithRescuer: 102_006n,
  claimByBackup: 129_347n,
} as const

/** What every transaction costs before it does anything. */
const TRANSACTION_GAS = 21_000n
/** Each further receipt of a group: 32 of them less one alone, over 31. */
const FURTHER_GAS = (32n * gas.settle32OfOneProverEach - gas.settleOne) / 31n

/** Each (builder, prover) costs what one receipt alone does, less the transaction's own. */
function settleGas(receipts: readonly SignedReceipt[]): bigint {
  const groups = new Set(receipts.map(({ message }) => `${message.builder}/${message.prover}`))
  const count = BigInt(groups.size)
  const further = BigInt(receipts.length) - count
  return TRANSACTION_GAS + count * (gas.settleOne - TRANSACTION_GAS) + further * FURTHER_GAS
}

/** What a call that did this used. Deposits and withdrawals are not measured: nothing. */
export function gasOf(call: Call, deeds: readonly Deed[]): bigint {
  switch (call.kind) {
    case 'settle':
      return settleGas(call.receipts)
    case 'commit':
      return gas.commitProof
    case 'claim':
      return gas.commitAndClaimOfTable - gas.commitProof
    case 'slash':
      return deeds.some((deed) => deed.kind === 'slashed' && deed.rescuer)
        ? gas.slashWithRescuer
        : gas.slash
    case 'doubleAward':
    case 'misaward':
      return gas.claimByBackup
    default:
      return 0n
  }
}

/** One obligation, as the contract's bitmap names it. */
export const debtKey = (of: {
  readonly builder: Address
  readonly prover: Address
  readonly nonce: bigint
}): string => `${of.builder}/${of.prover}/${of.nonce}`

/** A call in words, for whoever has to find what went wrong. */
export function wordsOf(call: Call, from: Address): string {
  switch (call.kind) {
    case 'settle': {
      const ids = call.receipts.map(({ message }) => `${message.requestId} for ${message.prover}`)
      return `settling ${ids.join(', ')} by ${from}`
    }
    case 'commit':
      return `commitment of ${call.prover} for ${call.requestId} by ${from}`
    case 'claim':
    case 'slash': {
      const { requestId, prover } = call.obligation.start.message
      return `${call.kind} of ${prover} for ${requestId} by ${from}`
    }
    case 'doubleAward':
      return `report of two awards of nonce ${call.first.request.nonce} by ${from}`
    case 'misaward':
      return `report of the award ${call.awarded.award.id} by ${from}`
    case 'deposit':
      return `deposit of ${call.wei} wei for ${call.account} by ${from}`
    case 'exit':
      return `exit of ${call.wei} wei of ${call.purse} by ${from}`
    case 'withdraw':
      return `withdrawal of ${call.purse} by ${from}`
    default:
      return call satisfies never
  }
}
