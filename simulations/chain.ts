/**
 * A chain in small: deposits, settlements, commitments, claims and slashes, each in the next block,
 * with the windows of the contracts. Everybody hears what happened. Reorgs and gas come with the
 * full model.
 */
import type { ChainEvent, Obligation, SignedReceipt, SignedStart } from '#protocol/effects'
import { payWei, promisedAt } from '#protocol/money'
import type { Params } from '#protocol/params'
import type { Address, Hex, Id, ProofRequest } from '#protocol/schema'
import { hashOf } from './pretence.ts'
import type { Simulator } from './simulator.ts'

type Balance = { bondWei: bigint; stakeWei: bigint; escrowWei: bigint; creditWei: bigint }
type Listener = {
  readonly event: (event: ChainEvent) => void
  /** A slash met this prover's commitment: here is the start it was slashed for. */
  readonly challenged: (start: SignedStart) => void
}
type Commitment = { readonly minedAtS: number; challengedAtS: number | null }

/** One obligation, as the contract's bitmap names it. */
const keyOf = (request: Pick<ProofRequest, 'builder' | 'nonce'>, prover: Address): string =>
  `${request.builder}/${prover}/${request.nonce}`

export class Chain {
  readonly #simulator: Simulator
  readonly #params: Params
  readonly #balances = new Map<Address, Balance>()
  readonly #signers = new Map<Address, Address>()
  readonly #listeners = new Map<Address, Listener>()
  readonly #resolved = new Set<string>()
  readonly #commitments = new Map<string, Commitment>()
  /** Wei that nobody owns now. */
  burntWei = 0n
  /** Offences of builders that were proven. */
  readonly offences: string[] = []

  constructor(simulator: Simulator, params: Params) {
    this.#simulator = simulator
    this.#params = params
  }

  balance(account: Address): Balance {
    const balance = this.#balances.get(account)
    if (balance) return balance
    const empty = { bondWei: 0n, stakeWei: 0n, escrowWei: 0n, creditWei: 0n }
    this.#balances.set(account, empty)
    return empty
  }

  /** All wei there is, wherever it lies: constant but for deposits. */
  get totalWei(): bigint {
    let total = this.burntWei
    for (const { bondWei, stakeWei, escrowWei, creditWei } of this.#balances.values())
      total += bondWei + stakeWei + escrowWei + creditWei
    return total
  }

  /** Has `listener` hear all events; returns what it would have heard of accounts so far. */
  follow(account: Address, listener: Listener): ChainEvent[] {
    this.#listeners.set(account, listener)
    const events: ChainEvent[] = [...this.#balances.keys()].map((of) => this.#accountEvent(of))
    for (const [of, signer] of this.#signers) events.push({ kind: 'signer', account: of, signer })
    return events
  }

  deposit(account: Address, added: Partial<Balance>): void {
    const balance = this.balance(account)
    balance.bondWei += added.bondWei ?? 0n
    balance.stakeWei += added.stakeWei ?? 0n
    balance.escrowWei += added.escrowWei ?? 0n
    this.#tell(this.#accountEvent(account))
  }

  /** Lets `signer` speak for `account`. */
  setSigner(account: Address, signer: Address): void {
    this.#signers.set(account, signer)
    this.#tell({ kind: 'signer', account, signer })
  }

  #accountEvent(account: Address): ChainEvent {
    const { bondWei, stakeWei, escrowWei } = this.balance(account)
    return { kind: 'account', account, bondWei, stakeWei, escrowWei }
  }

  #tell(event: ChainEvent): void {
    for (const listener of this.#listeners.values()) listener.event(event)
  }

  /** Runs `act` in the first block at or after `atS`, and not before the next one. */
  #mine(act: (blockS: number) => void, atS = 0): void {
    const slotMs = this.#params.slotS * 1_000
    const at = Math.max(this.#simulator.now + 1, atS * 1_000)
    const blockAt = Math.ceil(at / slotMs) * slotMs
    this.#simulator.schedule(blockAt, () => act(blockAt / 1_000))
  }

  settle({ message }: SignedReceipt): void {
    this.#mine(() => {
      const key = keyOf(message, message.prover)
      if (this.#resolved.has(key)) return
      this.#resolved.add(key)
      this.#pay(message.builder, message.prover, message.nonce, message.payWei)
    })
  }

  /** From escrow; what it lacks, from the stake, with as much again burnt. */
  #pay(builder: Address, prover: Address, nonce: bigint, dueWei: bigint): void {
    const from = this.balance(builder)
    const escrowWei = from.escrowWei < dueWei ? from.escrowWei : dueWei
    const shortWei = dueWei - escrowWei
    const stakeWei = shortWei < from.stakeWei / 2n ? shortWei : from.stakeWei / 2n
    from.escrowWei -= escrowWei
    from.stakeWei -= 2n * stakeWei
    this.burntWei += stakeWei
    const paidWei = escrowWei + stakeWei
    this.balance(prover).creditWei += paidWei
    const transactionHash = hashOf('paid', builder, prover, nonce)
    this.#tell({ kind: 'paid', builder, prover, nonce, payWei: paidWei, transactionHash })
    this.#tell(this.#accountEvent(builder))
  }

  commit(requestId: Id, prover: Address): void {
    this.#mine((minedAtS) => {
      const key = `${requestId}/${prover}`
      if (!this.#commitments.has(key)) this.#commitments.set(key, { minedAtS, challengedAtS: null })
    })
  }

  /** @param bid The prover's own bid: the contract sees it under the award's root. */
  claim(of: Obligation, bid: { readonly priceWei: bigint; readonly readyAt: number }): void {
    this.#mine((nowS) => {
      const { request, award, start } = of
      const prover = start.message.prover
      const commitment = this.#inTime(start.message.requestId, prover, request)
      const key = keyOf(request, prover)
      if (!commitment || this.#resolved.has(key)) return
      const fromS = commitment.challengedAtS ?? Math.ceil(request.dueAt / 1_000)
      if (nowS > fromS + this.#params.claimWindowS) return
      this.#resolved.add(key)
      const isBackup = award.message.prover !== prover
      const promise = promisedAt(request, bid.readyAt, start.message.startedAt, isBackup)
      const deliveredAt = (commitment.minedAtS - this.#params.slotS) * 1_000
      const dueWei = payWei(request, bid.priceWei, promise, deliveredAt, this.#params)
      this.#pay(request.builder, prover, request.nonce, dueWei)
    })
  }

  #inTime(requestId: Id, prover: Address, { dueAt }: ProofRequest): Commitment | null {
    const commitment = this.#commitments.get(`${requestId}/${prover}`)
    const untilS = Math.ceil(dueAt / 1_000) + this.#params.commitWindowS
    return commitment && commitment.minedAtS <= untilS ? commitment : null
  }

  /**
   * Takes the bond at `atS`; a commitment in time makes it a challenge, and the slash comes a
   * window later.
   * @param isReceived Whether the one who slashes has given its receipt meanwhile.
   */
  slash(of: Obligation, atS: number, isReceived: () => boolean): void {
    this.#mine((nowS) => {
      if (isReceived()) return
      const { request, start } = of
      const { prover, requestId } = start.message
      const key = keyOf(request, prover)
      if (this.#resolved.has(key)) return
      const commitment = this.#inTime(requestId, prover, request)
      if (commitment && commitment.challengedAtS === null) {
        commitment.challengedAtS = nowS
        this.#listeners.get(prover)?.challenged(start)
        this.slash(of, nowS + this.#params.claimWindowS + 1, isReceived)
        return
      }
      this.#resolved.add(key)
      this.#take(request, prover)
    }, atS)
  }

  #take({ builder, nonce, bondWei }: ProofRequest, prover: Address): void {
    const balance = this.balance(prover)
    const takenWei = balance.bondWei < bondWei ? balance.bondWei : bondWei
    balance.bondWei -= takenWei
    this.burntWei += takenWei
    const transactionHash: Hex = hashOf('slashed', builder, prover, nonce)
    this.#tell({ kind: 'slashed', builder, prover, nonce, bondWei: takenWei, transactionHash })
    this.#tell(this.#accountEvent(prover))
  }

  /** Notes an offence, proven in the next block. */
  report(offence: string): void {
    this.#mine(() => this.offences.push(offence))
  }
}
