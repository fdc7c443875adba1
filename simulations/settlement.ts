/**
 * The market's contracts, rule by rule as in `contracts/src/settlement`, over pretended signatures:
 * receipts, commitments, claims, challenges, slashes, provable lies. No clock and no blocks: those
 * are `blocks.ts`. What is public beside `run` is what a planted bug overrides.
 */
import { bidLeaf, compareBids, isEligible, lineUp, rootOf } from '#protocol/auction'
import type { Obligation, Signed, SignedReceipt } from '#protocol/effects'
import { slashableAtS } from '#protocol/job'
import { claimCostWei, payWei, promisedAt } from '#protocol/money'
import type { Params } from '#protocol/params'
import type { Address, Id, Kind, Message, ProofRequest } from '#protocol/schema'
import {
  type Awarded,
  type Call,
  type Deed,
  debtKey,
  type Moment,
  type Outcome,
  type OwnBid,
} from './calls.ts'
import { hashOf } from './pretence.ts'
import { least, most, Purses } from './purses.ts'

/** Seconds of block time. */
export type Commitment = { readonly minedAtS: number; readonly challengedAtS: number | null }
/** What was paid for a resolved receipt or claim, and is owed still; kept where more may come. */
export type Dues = {
  readonly paidWei: bigint
  readonly owedWei: bigint
  /** Settled by somebody else than its prover: a claim may show that more is due. */
  readonly isUnasked: boolean
}
export type SettlementOptions = {
  /** How long money takes to leave. Seconds of block time. */
  readonly exitDelayS?: number
  /** Whether the proof that this prover shows is one: everybody's, unless a test knows better. */
  readonly verifies?: (requestId: Id, prover: Address) => boolean
}

const NO_DUES: Dues = { paidWei: 0n, owedWei: 0n, isUnasked: false }
const refused: Outcome = { fate: 'refused', deeds: [] }
const early: Outcome = { fate: 'early', deeds: [] }
const done = (...deeds: readonly Deed[]): Outcome => ({ fate: 'done', deeds })
const above = (a: bigint, b: bigint): bigint => (a > b ? a - b : 0n)
/** What is left for the last slash and for a round number: 3,600 s with mainnet's windows. */
const EXIT_MARGIN_S = 468

const isIntact = <K extends Kind>(signed: Signed<K, Message<K>>): boolean =>
  signed.id === hashOf(signed.kind, signed.message)

export class Settlement extends Purses {
  readonly params: Params
  /** Offences of builders that were proven, as text. */
  readonly offences: string[] = []
  readonly #options: SettlementOptions
  readonly #signers = new Map<Address, Address>()
  readonly #resolved = new Map<string, true>()
  readonly #dues = new Map<string, Dues>()
  readonly #commitments = new Map<string, Commitment>()
  readonly #rescuers = new Map<Id, Address>()
  readonly #taken = new Map<string, bigint>()

  constructor(params: Params, options: SettlementOptions = {}) {
    super()
    this.params = params
    this.#options = options
  }

  /** Executes one call in a block. What is not `done` has changed nothing. */
  run(call: Call, at: Moment): Outcome {
    switch (call.kind) {
      case 'settle':
        return done(...call.receipts.map((receipt) => this.#settle(receipt, at.from)))
      case 'commit':
        return this.#commit(call.requestId, call.prover, at)
      case 'claim':
        return this.#claim(call.obligation, call.bid, at)
      case 'slash':
        return this.#slash(call.obligation, at)
      case 'doubleAward':
        return this.#doubleAward(call.first, call.second, at.from)
      case 'misaward':
        return this.#misaward(call)
      case 'deposit':
        this.deposit(call.account, call.purse, call.wei)
        return done({ kind: 'moved', account: call.account, wei: call.wei })
      case 'exit':
        return this.exit(at.from, call.purse, call.wei, at.atS + this.exitDelayS) ? done() : refused
      case 'withdraw': {
        const readyAtS = this.readyAtS(at.from, call.purse)
        if (readyAtS === null || at.atS < readyAtS) return readyAtS === null ? refused : early
        return done({ kind: 'moved', account: at.from, wei: -this.withdraw(at.from, call.purse) })
      }
      default:
        return call satisfies never
    }
  }

  get exitDelayS(): number {
    const { maxJobMs, claimWindowS } = this.params
    const shortestS = Math.ceil(maxJobMs / 1_000) + 4 * claimWindowS
    return this.#options.exitDelayS ?? shortestS + EXIT_MARGIN_S
  }

  // --- Who speaks for whom -----------------------------------------------------------------------

  get signers(): ReadonlyMap<Address, Address> {
    return this.#signers
  }

  setSigner(account: Address, signer: Address): void {
    this.#signers.set(account, signer)
  }

  speaksFor(account: Address, signer: Address): boolean {
    return signer === account || this.#signers.get(account) === signer
  }

  isReceipt(receipt: SignedReceipt): boolean {
    return isIntact(receipt) && this.speaksFor(receipt.message.builder, receipt.signer)
  }

  /** Whether the prover accepted and the builder started exactly this. */
  isStarted({ request, start }: Obligation): boolean {
    const { requestId, awardId, acceptanceId, prover } = start.message
    const { acceptance } = start
    const { message } = acceptance
    const isOne = message.requestId === requestId && message.awardId === awardId
    return (
      requestId === hashOf('ProofRequest', request) &&
      isOne &&
      message.prover === prover &&
      acceptance.id === acceptanceId &&
      isIntact(acceptance) &&
      isIntact(start) &&
      this.speaksFor(prover, acceptance.signer) &&
      this.speaksFor(request.builder, start.signer)
    )
  }

  #isAwarded({ award, start }: Obligation): boolean {
    const { awardId, requestId, prover } = start.message
    const isIt = award.id === awardId && award.message.requestId === requestId && isIntact(award)
    return isIt && lineUp(award.message).includes(prover)
  }

  // --- Receipts ----------------------------------------------------------------------------------

  /** Whether a debt was paid, or its prover slashed. */
  isResolved(key: string): boolean {
    return this.#resolved.has(key)
  }

  duesOf(key: string): Dues {
    return this.#dues.get(key) ?? NO_DUES
  }

  /** A good receipt always resolves, even when there is nothing to pay it from. */
  #settle(receipt: SignedReceipt, from: Address): Deed {
    const { builder, prover, nonce, payWei: saidWei } = receipt.message
    const key = debtKey(receipt.message)
    const isAsked = this.speaksFor(prover, from)
    const isAgain = this.isResolved(key)
    const dues = this.duesOf(key)
    let wantedWei = saidWei
    if (isAgain) {
      const betterWei =
        dues.isUnasked && this.isReceipt(receipt) ? above(saidWei, dues.paidWei) : 0n
      wantedWei = most(betterWei, dues.owedWei)
      if (wantedWei === 0n) return { kind: 'unpaid', receipt, why: 'resolved' }
    } else {
      if (!this.isReceipt(receipt)) return { kind: 'unpaid', receipt, why: 'bad signature' }
      this.journal.set(this.#resolved, key, true)
    }
    const paidWei = this.draw(builder, wantedWei)
    if (isAgain || paidWei < wantedWei || !isAsked)
      this.journal.set(this.#dues, key, {
        paidWei: dues.paidWei + paidWei,
        owedWei: wantedWei - paidWei,
        isUnasked: isAgain ? dues.isUnasked : !isAsked,
      })
    this.credit(prover, paidWei)
    if (paidWei === 0n && wantedWei > 0n) return { kind: 'unpaid', receipt, why: 'unpaid' }
    return { kind: 'paid', by: 'receipt', builder, prover, nonce, payWei: paidWei, gasWei: 0n }
  }

  // --- Commitments, claims -----------------------------------------------------------------------

  commitmentOf(requestId: Id, prover: Address): Commitment | null {
    return this.#commitments.get(`${requestId}/${prover}`) ?? null
  }

  #commit(requestId: Id, prover: Address, { from, atS }: Moment): Outcome {
    const isKnown = this.commitmentOf(requestId, prover) !== null
    if (isKnown || !this.speaksFor(prover, from)) return refused
    const commitment = { minedAtS: atS, challengedAtS: null }
    this.journal.set(this.#commitments, `${requestId}/${prover}`, commitment)
    return done({ kind: 'committed', requestId, prover })
  }

  /** First second not before the due time: the chain rounds in the prover's favour. */
  dueS({ dueAt }: ProofRequest): number {
    return Math.ceil(dueAt / 1_000)
  }

  isInTime({ minedAtS }: Commitment, request: ProofRequest): boolean {
    return minedAtS <= this.dueS(request) + this.params.commitWindowS
  }

  verifies(requestId: Id, prover: Address): boolean {
    return this.#options.verifies?.(requestId, prover) ?? true
  }

  #claim(of: Obligation, bid: OwnBid, { atS, baseFeeWei }: Moment): Outcome {
    const { request, award, start } = of
    const { requestId, prover, awardId } = start.message
    const { builder, nonce } = request
    if (!this.isStarted(of) || !this.#isAwarded(of)) return refused
    const commitment = this.commitmentOf(requestId, prover)
    if (!commitment) return early
    const fromS = commitment.challengedAtS ?? this.dueS(request)
    const isOpen = this.isInTime(commitment, request) && atS <= fromS + this.params.claimWindowS
    if (!isOpen || !this.verifies(requestId, prover)) return refused
    const key = debtKey({ builder, prover, nonce })
    const dues = this.duesOf(key)
    if (this.isResolved(key) && !dues.isUnasked) return refused
    const rightWei = this.#rightWei(of, award.message.prover === prover ? award.message : bid, {
      minedAtS: commitment.minedAtS,
    })
    const feeWei = least(baseFeeWei, request.claimBaseFeeCapWei)
    const refundWei =
      rightWei > dues.paidWei ? claimCostWei({ claimBaseFeeCapWei: feeWei }, this.params) : 0n
    const paidWei = this.#payShown(key, builder, prover, rightWei + refundWei)
    // What came is the price's first, the gas's last.
    const overWei = above(dues.paidWei + paidWei, rightWei)
    const gasWei = least(overWei, refundWei)
    if (!this.#rescuers.has(awardId)) this.journal.set(this.#rescuers, awardId, prover)
    const payWei = paidWei - gasWei
    return done({ kind: 'paid', by: 'claim', builder, prover, nonce, payWei, gasWei })
  }

  /** What a delivery one slot before its commitment's block earns. wei. */
  #rightWei(of: Obligation, bid: OwnBid, { minedAtS }: { readonly minedAtS: number }): bigint {
    const { request, award, start } = of
    const isBackup = award.message.prover !== start.message.prover
    const promise = promisedAt(request, bid.readyAt, start.message.startedAt, isBackup)
    const deliveredAt = (minedAtS - this.params.slotS) * 1_000
    return payWei(request, bid.priceWei, promise, deliveredAt, this.params)
  }

  /** Pays what a claim shows to be due, less what was paid; what cannot be paid stays owed. */
  #payShown(key: string, builder: Address, prover: Address, dueWei: bigint): bigint {
    const dues = this.duesOf(key)
    const leftWei = above(dueWei, dues.paidWei)
    const wantedWei = most(leftWei, dues.owedWei)
    const paidWei = this.draw(builder, wantedWei)
    if (paidWei < wantedWei || dues.owedWei > 0n || dues.isUnasked)
      this.journal.set(this.#dues, key, {
        paidWei: dues.paidWei + paidWei,
        owedWei: wantedWei - paidWei,
        isUnasked: false,
      })
    this.journal.set(this.#resolved, key, true)
    this.credit(prover, paidWei)
    return paidWei
  }

  // --- Slashes -----------------------------------------------------------------------------------

  /** First prover of an award whose claim was verified. */
  rescuerOf(awardId: Id): Address | null {
    return this.#rescuers.get(awardId) ?? null
  }

  /** Takes a bond; a commitment in time makes it a challenge first, which lasts a window. */
  #slash(of: Obligation, { atS }: Moment): Outcome {
    const { request, start } = of
    const { prover, awardId } = start.message
    const openS = slashableAtS(request.dueAt, this.params)
    if (atS < openS) return early
    const { builder, nonce, bondWei } = request
    const key = debtKey({ builder, prover, nonce })
    if (!this.isStarted(of) || this.isResolved(key)) return refused
    const challenged = this.#challenge(of, openS, atS)
    if (challenged) return challenged

    this.journal.set(this.#resolved, key, true)
    const named = request.backups === 0 ? null : this.rescuerOf(awardId)
    // No builder gains by a slash.
    const rescuer = named === builder ? null : named
    const rewardWei = rescuer ? bondWei / 2n : 0n
    const { paidWei, burntWei } = this.tear(prover, 'bond', rewardWei, bondWei - rewardWei)
    if (rescuer) this.credit(rescuer, paidWei)
    const takenWei = paidWei + burntWei
    const deed = { builder, prover, nonce, bondWei: takenWei, rescuer, rewardWei: paidWei }
    return done({ kind: 'slashed', ...deed })
  }

  /** `null`: nothing stands between this prover and its slash. */
  #challenge({ request, start }: Obligation, openS: number, atS: number): Outcome | null {
    const { requestId, prover } = start.message
    const commitment = this.commitmentOf(requestId, prover)
    const { claimWindowS } = this.params
    if (commitment && commitment.challengedAtS !== null)
      return atS <= commitment.challengedAtS + claimWindowS ? early : null
    if (atS > openS + claimWindowS) return refused
    if (!commitment || !this.isInTime(commitment, request)) return null
    const challenged = { ...commitment, challengedAtS: atS }
    this.journal.set(this.#commitments, `${requestId}/${prover}`, challenged)
    return done({ kind: 'challenged', start, untilS: atS + claimWindowS })
  }

  // --- Provable lies -----------------------------------------------------------------------------

  #isAward({ request, award }: Awarded): boolean {
    return (
      award.message.requestId === hashOf('ProofRequest', request) &&
      isIntact(award) &&
      this.speaksFor(request.builder, award.signer)
    )
  }

  #doubleAward(first: Awarded, second: Awarded, reporter: Address): Outcome {
    const [a, b] = [first.request, second.request]
    const isTwo =
      a.builder === b.builder && a.nonce === b.nonce && first.award.id !== second.award.id
    if (!isTwo || !this.#isAward(first) || !this.#isAward(second)) return refused
    return this.#punish('double award', a.reserveWei > b.reserveWei ? a : b, reporter)
  }

  #misaward({ awarded, better, path }: Extract<Call, { kind: 'misaward' }>): Outcome {
    const { request, award } = awarded
    const { priceWei, readyAt } = better.opening
    const leaf = bidLeaf(better.bid.id, priceWei, readyAt)
    if (!this.#isAward(awarded) || rootOf(leaf, path) !== award.message.bidsRoot) return refused
    const { bidId, ...said } = award.message
    const won = { bid: { ...award.bid, id: bidId }, opening: { ...award.opening, ...said } }
    const isBetter =
      isEligible(request, better.opening) &&
      (!isEligible(request, won.opening) || compareBids(request, better, won) < 0)
    return isBetter ? this.#punish('misaward', request, better.bid.message.prover) : refused
  }

  /**
   * Takes what is left of the reserve from the stake: half to the injured, half burnt. Proven
   * again, there is nothing left to take.
   */
  #punish(offence: 'double award' | 'misaward', of: ProofRequest, injured: Address): Outcome {
    const { builder, nonce, reserveWei } = of
    const key = `${offence}/${builder}/${nonce}`
    const beforeWei = this.#taken.get(key) ?? 0n
    const leftWei = above(reserveWei, beforeWei)
    const { paidWei, burntWei } = this.tear(builder, 'stake', leftWei / 2n, leftWei - leftWei / 2n)
    const takenWei = paidWei + burntWei
    this.journal.set(this.#taken, key, beforeWei + takenWei)
    this.credit(injured, paidWei)
    this.journal.push(this.offences, `${offence} ${nonce}`)
    return done({ kind: 'punished', offence, builder, nonce, injured, takenWei, paidWei })
  }
}
