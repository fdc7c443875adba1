/**
 * Invariants I1 to I6, over what the contracts did: an account of its own of every wei that came,
 * was earned or was taken, compared with the balances after each event that touched money. What
 * makes a payment or a slash right is what the world saw: who proved, who signed, when it was
 * committed.
 */
import type { SignedReceipt } from '#protocol/effects'
import { claimCostWei, payWei, promisedAt } from '#protocol/money'
import type { Params } from '#protocol/params'
import type { Address, Id } from '#protocol/schema'
import type { Transaction } from './blocks.ts'
import { type Call, type Deed, debtKey, type Outcome, wordsOf } from './calls.ts'
import type { Chain, Watch } from './chain.ts'
import { Journal } from './journal.ts'
import { hashOf } from './pretence.ts'
import { least, type Purse, wealthWei } from './purses.ts'
import type { Violation } from './result.ts'

/** What the world saw happen outside of the chain. */
export type Witness = {
  /** When this prover's backend ended with a proof; `null`: it never did. ms since the epoch. */
  readonly provedAt: (requestId: Id, prover: Address) => number | null
  /** Whether this prover signed the acceptance itself; `null`: nobody watched it. */
  readonly hasAccepted: (prover: Address, acceptanceId: Id) => boolean | null
  /** Since when this account is down, or it is nobody's duty to answer for it; `null` if it is. */
  readonly absentSince: (account: Address) => number | null
}
export type Report = (invariant: Violation['invariant'], what: string) => void

type At = { readonly atS: number; readonly baseFeeWei: bigint }
type Debt = { readonly builder: Address; readonly prover: Address; readonly nonce: bigint }
type Slash = Extract<Call, { kind: 'slash' }>
type Claim = Extract<Call, { kind: 'claim' }>

/** A node that was there for so long after a challenge has heard of it and has claimed. */
const ANSWER_MS = 120_000

const pairOf = (requestId: Id, prover: Address): string => `${requestId}/${prover}`

/** Whose wealth a penalty must not raise. */
function builderOf(call: Call): Address | null {
  if (call.kind === 'slash') return call.obligation.request.builder
  if (call.kind === 'doubleAward') return call.first.request.builder
  return call.kind === 'misaward' ? call.awarded.request.builder : null
}

export class MoneyChecks implements Watch {
  /** Something happened that moved money. */
  isDirty = false
  /** What the last such thing was. */
  lastEvent = 'the start'
  readonly #chain: Chain
  readonly #params: Params
  readonly #witness: Witness
  readonly #report: Report
  readonly #journal = new Journal()
  /** What undoes each block, oldest first. */
  readonly #undos: (() => void)[] = []
  /** Deposited, less withdrawn. */
  readonly #outside = { wei: 0n }
  /** What each account should have in credits and in its bond, leaving or not. */
  readonly #credits = new Map<Address, bigint>()
  readonly #bonds = new Map<Address, bigint>()
  /** By debt: what was paid, and the most that a receipt or claim has shown to be right. */
  readonly #paid = new Map<string, bigint>()
  readonly #right = new Map<string, bigint>()
  /** By request and prover. Seconds of block time. */
  readonly #committed = new Map<string, number>()
  readonly #challenged = new Map<string, number>()
  #wealthBefore = 0n

  constructor(chain: Chain, params: Params, witness: Witness, report: Report) {
    this.#chain = chain
    this.#params = params
    this.#witness = witness
    this.#report = report
    this.#outside.wei = chain.totalWei
    for (const account of chain.settlement.balances.keys()) this.#believe(account)
  }

  #bondOf(account: Address): bigint {
    const { bondWei, leavingBondWei } = this.#chain.balance(account)
    return bondWei + leavingBondWei
  }

  /** Takes an account's money as it is. */
  #believe(account: Address): void {
    this.#credits.set(account, this.#chain.balance(account).creditWei)
    this.#bonds.set(account, this.#bondOf(account))
  }

  #add<Key>(map: Map<Key, bigint>, key: Key, wei: bigint): void {
    if (wei !== 0n) this.#journal.set(map, key, (map.get(key) ?? 0n) + wei)
  }

  // --- What the chain tells ----------------------------------------------------------------------

  endowed(account: Address, purse: Purse, wei: bigint): void {
    this.isDirty = true
    this.lastEvent = `deposit of ${wei} wei for ${account}`
    this.#outside.wei += wei
    if (purse === 'bond') this.#bonds.set(account, (this.#bonds.get(account) ?? 0n) + wei)
  }

  before({ call }: Transaction): void {
    const builder = builderOf(call)
    if (builder) this.#wealthBefore = wealthWei(this.#chain.balance(builder))
  }

  after({ call, from }: Transaction, at: At, { fate, deeds }: Outcome): void {
    this.isDirty = true
    this.lastEvent = `${wordsOf(call, from)}, ${fate}`
    for (const [index, deed] of deeds.entries()) this.#take(deed, call, at, index)
    const builder = builderOf(call)
    if (!builder) return
    const gainedWei = wealthWei(this.#chain.balance(builder)) - this.#wealthBefore
    if (gainedWei > 0n)
      this.#report('I6', `it made the builder ${builder} richer by ${gainedWei} wei`)
  }

  mined(): void {
    this.#undos.push(this.#journal.cut())
  }

  undone(depth: number): void {
    this.isDirty = true
    this.lastEvent = `reorg of ${depth} blocks`
    for (let block = 0; block < depth; block++) this.#undos.pop()?.()
    for (let block = 0; block < depth; block++) this.#undos.push(() => undefined)
  }

  #take(deed: Deed, call: Call, at: At, index: number): void {
    switch (deed.kind) {
      case 'paid':
        this.#add(this.#credits, deed.prover, deed.payWei + deed.gasWei)
        if (call.kind === 'settle') this.#checkReceipt(deed, call.receipts[index]!)
        else if (call.kind === 'claim') this.#checkClaim(deed, call, at)
        this.#checkPaid(deed)
        break
      case 'unpaid':
        // It is good, and keeps the bond safe, whatever there is to pay it from.
        if (deed.why === 'unpaid') this.#checkReceipt(deed.receipt.message, deed.receipt)
        break
      case 'committed':
        this.#journal.set(this.#committed, pairOf(deed.requestId, deed.prover), at.atS)
        break
      case 'challenged': {
        const { requestId, prover } = deed.start.message
        this.#journal.set(this.#challenged, pairOf(requestId, prover), at.atS)
        break
      }
      case 'slashed':
        this.#add(this.#bonds, deed.prover, -deed.bondWei)
        if (deed.rescuer) this.#add(this.#credits, deed.rescuer, deed.rewardWei)
        if (call.kind === 'slash') this.#checkSlash(deed, call)
        break
      case 'punished':
        this.#add(this.#credits, deed.injured, deed.paidWei)
        break
      case 'moved':
        this.#journal.add(this.#outside, 'wei', deed.wei)
        this.#move(deed, call)
        break
      default:
        deed satisfies never
    }
  }

  #move({ account, wei }: Extract<Deed, { kind: 'moved' }>, call: Call): void {
    if (call.kind !== 'deposit' && call.kind !== 'withdraw') return
    if (call.purse === 'bond') this.#add(this.#bonds, account, wei)
    if (call.purse === 'credit') this.#add(this.#credits, account, wei)
  }

  // --- I2, I3: who is paid -----------------------------------------------------------------------

  #speaksFor(account: Address, signer: Address): boolean {
    return signer === account || this.#chain.settlement.signers.get(account) === signer
  }

  /** The builder's word: then so much is right. */
  #checkReceipt(debt: Debt, { id, signer, message }: SignedReceipt): void {
    const isWord = this.#speaksFor(message.builder, signer) && id === hashOf('Receipt', message)
    if (isWord && debtKey(message) === debtKey(debt)) this.#raise(debtKey(debt), message.payWei)
    else this.#report('I3', `${debt.prover} settled a receipt that is not its builder's`)
  }

  /** A proof that the world saw, committed before: then the pay rule says how much is right. */
  #checkClaim(deed: Extract<Deed, { kind: 'paid' }>, { obligation, bid }: Claim, at: At): void {
    const { request, award, start } = obligation
    const { requestId, prover, startedAt } = start.message
    const minedAtS = this.#committed.get(pairOf(requestId, prover))
    const provedAt = this.#witness.provedAt(requestId, prover)
    if (minedAtS === undefined || provedAt === null || provedAt > minedAtS * 1_000) {
      const said = minedAtS === undefined ? 'commitment' : 'proof before its commitment'
      this.#report('I3', `${prover} was paid for a claim without a ${said}`)
      return
    }
    const isBackup = award.message.prover !== prover
    const { priceWei, readyAt } = isBackup ? bid : award.message
    const promise = promisedAt(request, readyAt, startedAt, isBackup)
    const deliveredAt = (minedAtS - this.#params.slotS) * 1_000
    const earnedWei = payWei(request, priceWei, promise, deliveredAt, this.#params)
    const claimBaseFeeCapWei = least(at.baseFeeWei, request.claimBaseFeeCapWei)
    const mostWei = earnedWei + claimCostWei({ claimBaseFeeCapWei }, this.#params)
    this.#raise(debtKey(deed), mostWei)
  }

  #raise(key: string, wei: bigint): void {
    if (wei > (this.#right.get(key) ?? -1n)) this.#journal.set(this.#right, key, wei)
  }

  #checkPaid(deed: Extract<Deed, { kind: 'paid' }>): void {
    const key = debtKey(deed)
    const before = this.#paid.get(key)
    const totalWei = (before ?? 0n) + deed.payWei + deed.gasWei
    this.#journal.set(this.#paid, key, totalWei)
    const rightWei = this.#right.get(key)
    // Without any right it was reported as that.
    if (rightWei === undefined || totalWei <= rightWei) return
    const what = `${deed.prover} has got ${totalWei} wei for nonce ${deed.nonce} of ${deed.builder}`
    const isAgain = before !== undefined && before > 0n
    this.#report(isAgain ? 'I2' : 'I3', `${what}, and ${rightWei} are right`)
  }

  // --- I4, I5: who is slashed --------------------------------------------------------------------

  #checkSlash(deed: Extract<Deed, { kind: 'slashed' }>, { obligation }: Slash): void {
    const { request, start } = obligation
    const { requestId, acceptanceId } = start.message
    const { prover, rescuer } = deed
    if (this.#right.has(debtKey(deed)))
      this.#report('I4', `${prover} lost a bond after its receipt or claim was settled`)
    else if (this.#isCommitted(requestId, prover, request.dueAt))
      this.#report('I4', `${prover} lost a bond with a proof committed in time`)
    const isBuilders = this.#speaksFor(request.builder, start.signer)
    const isStart = isBuilders && start.id === hashOf('Start', start.message)
    if (!isStart || start.message.prover !== prover)
      this.#report('I5', `${prover} lost a bond without a start of it by ${request.builder}`)
    const { acceptance } = start
    const isSigned =
      this.#witness.hasAccepted(prover, acceptanceId) ?? this.#speaksFor(prover, acceptance.signer)
    if (!isSigned) this.#report('I5', `${prover} lost a bond, and never signed ${acceptanceId}`)
    if (rescuer && this.#witness.provedAt(requestId, rescuer) === null)
      this.#report('I3', `${rescuer} was rewarded as a rescuer without a proof`)
  }

  /**
   * Whether a prover had its proof committed in time and answers for itself: who was away for all
   * of a challenge did not claim, and nobody can do that for it.
   */
  #isCommitted(requestId: Id, prover: Address, dueAt: number): boolean {
    const pair = pairOf(requestId, prover)
    const minedAtS = this.#committed.get(pair)
    const provedAt = this.#witness.provedAt(requestId, prover)
    if (minedAtS === undefined || provedAt === null || provedAt > minedAtS * 1_000) return false
    if (minedAtS > Math.ceil(dueAt / 1_000) + this.#params.commitWindowS) return false
    const absentSince = this.#witness.absentSince(prover)
    const challengedAtS = this.#challenged.get(pair)
    if (absentSince === null || challengedAtS === undefined) return true
    return absentSince > challengedAtS * 1_000 + ANSWER_MS
  }

  // --- I1, and what no deed explains -------------------------------------------------------------

  /** Counts all money again. */
  recount(): void {
    this.isDirty = false
    let heldWei = this.#chain.burntWei
    for (const [account, balance] of this.#chain.settlement.balances) {
      heldWei += wealthWei(balance)
      this.#checkAccount(account, balance.creditWei)
    }
    if (heldWei === this.#outside.wei) return
    const overWei = heldWei - this.#outside.wei
    this.#report('I1', `there are ${overWei} wei more than were deposited and not withdrawn`)
    this.#outside.wei = heldWei
  }

  #checkAccount(account: Address, creditWei: bigint): void {
    const earnedWei = this.#credits.get(account) ?? 0n
    const ownWei = this.#bonds.get(account) ?? 0n
    const bondWei = this.#bondOf(account)
    if (creditWei === earnedWei && bondWei === ownWei) return
    if (creditWei > earnedWei)
      this.#report('I3', `${account} has ${creditWei - earnedWei} wei more than it earned`)
    if (creditWei < earnedWei)
      this.#report('I1', `${account} has ${earnedWei - creditWei} wei less than it earned`)
    if (bondWei < ownWei)
      this.#report('I5', `${account} lost ${ownWei - bondWei} wei of its bond to no slash`)
    if (bondWei > ownWei)
      this.#report(
        'I1',
        `${account} has ${bondWei - ownWei} wei more in its bond than it put there`,
      )
    this.#believe(account)
  }
}
