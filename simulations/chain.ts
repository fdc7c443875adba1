/**
 * The chain as its accounts see it: they ask for things, blocks do them (`blocks.ts`,
 * `settlement.ts`), and everybody hears what happened once it is deep enough. What an honest node
 * sends and when is production's (`settling.ts`, `disputes.ts`); who is not honest calls `send`.
 */
import type { OpenedBid } from '#protocol/auction'
import type { ChainEvent, Obligation, SignedReceipt, SignedStart } from '#protocol/effects'
import type { Params } from '#protocol/params'
import type { Address, Hex, Id } from '#protocol/schema'
import {
  type Block,
  type BlockOptions,
  Blocks,
  calmBlocks,
  type Done,
  type Transaction,
} from './blocks.ts'
import { type Awarded, type Call, gasOf, type Outcome, type OwnBid, wordsOf } from './calls.ts'
import { Disputes } from './disputes.ts'
import { type Balance, type Purse, wealthWei } from './purses.ts'
import { Random } from './random.ts'
import { Settlement, type SettlementOptions } from './settlement.ts'
import { Settling } from './settling.ts'
import type { Simulator } from './simulator.ts'
import { Views } from './views.ts'

export type Listener = {
  readonly event: (event: ChainEvent) => void
  /** A slash met this prover's commitment: here is the start it was slashed for. */
  readonly challenged: (start: SignedStart) => void
  /** Whoever is down hears nothing, and catches up when it follows again. Up unless told. */
  readonly isUp?: () => boolean
}

export type ChainOptions = Partial<BlockOptions> &
  SettlementOptions & {
    /** Draws inclusion, missed slots and losses. One of its own by default. */
    readonly random?: Random
    /** Depth from which a block counts: 1 (or 0) is the head itself. */
    readonly confirmations?: number
    /** How long a receipt waits for others to share its transaction. ms. */
    readonly settleAfterMs?: number
    /** Other contracts than ours: what a planted bug brings. */
    readonly settlement?: Settlement
  }

/** Production's settings, on a chain of ordinary days. */
export const mainnetChain = {
  confirmations: 2,
  settleAfterMs: 60_000,
  inclusion: 0.95,
  missedShare: 0.01,
  baseFees: [{ fromS: 0, gwei: 1 }],
} as const satisfies ChainOptions

/** What checks see of the chain while it runs. */
export type Watch = {
  /** Money came in from outside (or left, below zero), in no block. */
  readonly endowed: (account: Address, purse: Purse, wei: bigint) => void
  readonly before: (transaction: Transaction) => void
  readonly after: (
    transaction: Transaction,
    at: Pick<Block, 'atS' | 'baseFeeWei'>,
    outcome: Outcome,
  ) => void
  /** A block has ended. */
  readonly mined: () => void
  /** The last so many blocks were replaced by empty ones. */
  readonly undone: (depth: number) => void
}

export class Chain {
  readonly settlement: Settlement
  readonly blocks: Blocks
  /** Who looks on. */
  watch: Watch | null = null
  /** What was told of blocks that a reorg then took back. */
  undoneCount = 0
  readonly #simulator: Simulator
  readonly #confirmations: number
  readonly #views: Views
  readonly #settling: Settling
  readonly #disputes: Disputes
  readonly #listeners = new Map<Address, Listener>()
  /** What accounts that are down have not heard. */
  readonly #missed = new Map<Address, ChainEvent[]>()
  readonly #challenges = new Map<Address, { start: SignedStart; untilS: number }[]>()
  readonly #costs = new Map<Address, bigint>()
  /** Number of the newest block that was told of. */
  #heard = 0

  constructor(simulator: Simulator, params: Params, options: ChainOptions = {}) {
    const { random = new Random(0), confirmations = 1, settleAfterMs = 0 } = options
    this.#simulator = simulator
    this.#confirmations = Math.max(1, confirmations)
    this.settlement = options.settlement ?? new Settlement(params, options)
    this.#views = new Views(this.settlement)
    const isUp = (account: Address): boolean => this.#isUp(account)
    this.blocks = new Blocks(
      simulator,
      params.slotS,
      random,
      { ...calmBlocks, ...options },
      {
        run: (transaction, at) => this.#run(transaction, at),
        cut: () => this.settlement.journal.cut(),
        mined: (block) => this.#mined(block),
        isUp,
      },
    )
    const { settlement, blocks } = this
    const reach = { simulator, settlement, blocks, isUp, confirmations: this.#confirmations }
    // A receipt protects its prover's bond only once it is settled.
    const latestMs = (params.claimWindowS * 1_000) / 4
    this.#settling = new Settling(reach, Math.min(settleAfterMs, latestMs))
    this.#disputes = new Disputes(reach)
  }

  // --- Money -------------------------------------------------------------------------------------

  balance(account: Address): Readonly<Balance> {
    return this.settlement.balance(account)
  }

  /** All wei there is, wherever it lies: constant but for deposits and withdrawals. */
  get totalWei(): bigint {
    let total = this.burntWei
    for (const balance of this.settlement.balances.values()) total += wealthWei(balance)
    return total
  }

  /** Wei that nobody owns now. */
  get burntWei(): bigint {
    return this.settlement.burntWei
  }

  /** Offences of builders that were proven, as text; of one that was proven again, again. */
  get offences(): readonly string[] {
    return this.settlement.offences
  }

  /** What an account paid for gas, out of money that is in none of the contracts. wei. */
  costsWei(account: Address): bigint {
    return this.#costs.get(account) ?? 0n
  }

  /** Gives an account money before the story begins: at once, known to all, in no block. */
  deposit(account: Address, added: Partial<Pick<Balance, `${Purse}Wei`>>): void {
    const purses: Purse[] = ['bond', 'stake', 'escrow']
    for (const purse of purses) {
      const wei = added[`${purse}Wei`] ?? 0n
      if (wei === 0n) continue
      this.settlement.endow(account, purse, wei)
      this.#views.endow(account, purse, wei)
      this.watch?.endowed(account, purse, wei)
    }
    this.#tell(this.#views.event(account))
  }

  /** Deposits in a block. */
  fund(account: Address, purse: Purse, wei: bigint): Transaction {
    return this.send({ kind: 'deposit', account, purse, wei }, account)
  }

  /** Begins to take money out: after `exitDelayS` it can be withdrawn. */
  exit(account: Address, purse: Purse, wei: bigint): Transaction {
    return this.send({ kind: 'exit', purse, wei }, account)
  }

  /** Takes out what has left a purse, as soon as the chain allows, or all credits. */
  withdraw(account: Address, purse: Purse | 'credit'): Transaction {
    return this.send({ kind: 'withdraw', purse }, account)
  }

  // --- What accounts do --------------------------------------------------------------------------

  /**
   * Puts a call into the pool as it is, for the next block.
   * @param resends Whether its sender sends it again when a reorg lost it.
   */
  send(call: Call, from: Address, resends = true): Transaction {
    return this.blocks.send(call, from, resends)
  }

  /** Lets `signer` speak for `account`, at once. */
  setSigner(account: Address, signer: Address): void {
    this.settlement.setSigner(account, signer)
    this.#tell({ kind: 'signer', account, signer })
  }

  /** Has a receipt settled, with others where they come in time. */
  settle(receipt: SignedReceipt, from: Address = receipt.message.prover): void {
    this.#settling.queue(receipt, from)
  }

  commit(requestId: Id, prover: Address): void {
    this.#disputes.commit(requestId, prover)
  }

  /**
   * Claims once the prover's commitment is confirmed.
   * @param bid The prover's own bid: the contract sees it under the award's root.
   */
  claim(of: Obligation, bid: OwnBid): void {
    this.#disputes.claim(of, bid)
  }

  /**
   * Slashes once block time reaches `atS`; where that meets a commitment in time, it is a
   * challenge, and the slash comes a window later.
   * @param isReceived Whether the one who slashes has given its receipt meanwhile.
   */
  slash(
    of: Obligation,
    atS: number,
    isReceived: () => boolean,
    from: Address = of.request.builder,
  ): void {
    this.#disputes.slash(of, atS, isReceived, from)
  }

  /** Two awards of one builder for one nonce: half of the penalty goes to the reporter. */
  reportDoubleAward(first: Awarded, second: Awarded, reporter: Address): void {
    this.send({ kind: 'doubleAward', first, second }, reporter)
  }

  /** An award that passed over a better bid: half of the penalty goes to that bid's prover. */
  reportMisaward(
    awarded: Awarded,
    better: OpenedBid,
    path: readonly Hex[],
    reporter: Address,
  ): void {
    this.send({ kind: 'misaward', awarded, better, path }, reporter)
  }

  // --- Blocks ------------------------------------------------------------------------------------

  #isUp(account: Address): boolean {
    return this.#listeners.get(account)?.isUp?.() ?? true
  }

  #run(transaction: Transaction, at: Pick<Block, 'atS' | 'baseFeeWei'>): Outcome {
    const { call, from } = transaction
    this.watch?.before(transaction)
    const outcome = this.settlement.run(call, { from, ...at })
    if (outcome.fate === 'done') {
      const costWei = gasOf(call, outcome.deeds) * at.baseFeeWei
      this.settlement.journal.set(this.#costs, from, this.costsWei(from) + costWei)
    }
    this.watch?.after(transaction, at, outcome)
    this.#simulator.note(`${wordsOf(call, from)} ${outcome.fate}`)
    return outcome
  }

  #mined(block: Block): void {
    this.watch?.mined()
    this.#views.mined(block.number)
    for (const done of block.done) this.#conclude(done)
    const confirmed = block.number - this.#confirmations + 1
    while (this.#heard < confirmed) {
      this.#heard += 1
      const told = this.blocks.at(this.#heard)
      if (told) this.#tellOf(told)
    }
    this.#disputes.advance()
  }

  #conclude(done: Done): void {
    const { call, from } = done.transaction
    if (call.kind === 'settle') this.#settling.concluded(call.receipts, done.deeds, from)
    else this.#disputes.concluded(call, done)
  }

  /**
   * Takes the last blocks back: their transactions' effects are undone and they wait again, behind
   * empty blocks in the same slots.
   * @param depth How many blocks.
   * @param lostShare Probability that a transaction is lost and has to be sent again.
   */
  reorg(depth: number, lostShare = 0): void {
    const gone = this.blocks.reorg(depth, lostShare)
    this.#simulator.note(`reorg of ${gone.length} blocks`)
    const changed = new Set<Address>()
    for (const block of gone) {
      const isTold = block.number <= this.#heard
      for (const account of this.#views.undone(block.number, isTold)) changed.add(account)
      if (isTold) for (const { deeds } of block.done) this.undoneCount += deeds.length
    }
    this.watch?.undone(gone.length)
    // Nobody is told that a payment or slash is gone: production's nodes only log it.
    for (const account of changed) this.#tell(this.#views.event(account))
  }

  // --- Who hears of it ---------------------------------------------------------------------------

  /**
   * Has `listener` hear all events; returns what it would have heard so far of accounts, and what
   * it missed since it last heard anything.
   */
  follow(account: Address, listener: Listener): ChainEvent[] {
    this.#listeners.set(account, listener)
    const events: ChainEvent[] = this.#views.accounts.map((of) => this.#views.event(of))
    for (const [of, signer] of this.settlement.signers)
      events.push({ kind: 'signer', account: of, signer })
    const missed = this.#missed.get(account) ?? []
    this.#missed.delete(account)
    this.#simulator.after(0, () => this.#catchUp(account))
    return [...events, ...missed]
  }

  /** Goes on with what waited for this account to be up. */
  #catchUp(account: Address): void {
    this.#settling.flush(account)
    for (const { start, untilS } of this.#challenges.get(account) ?? [])
      if (untilS >= this.blocks.head.atS) this.#challenge(account, start)
  }

  #challenge(prover: Address, start: SignedStart): void {
    if (this.#isUp(prover)) this.#listeners.get(prover)?.challenged(start)
  }

  #tell(event: ChainEvent): void {
    for (const [account, listener] of this.#listeners) {
      if (this.#isUp(account)) listener.event(event)
      // A crash while hearing it counts as not having heard.
      if (!this.#isUp(account)) this.#miss(account, event)
    }
  }

  #miss(account: Address, event: ChainEvent): void {
    // How accounts stand is told anew to whoever follows again.
    if (event.kind === 'account' || event.kind === 'signer') return
    const missed = this.#missed.get(account) ?? []
    this.#missed.set(account, missed)
    missed.push(event)
  }

  #tellOf(block: Block): void {
    const changed = this.#views.confirmed(block.number)
    for (const { transaction, deeds } of block.done)
      for (const deed of deeds) {
        const { hash: transactionHash } = transaction
        if (deed.kind === 'paid') {
          const { builder, prover, nonce, payWei } = deed
          this.#tell({ kind: 'paid', builder, prover, nonce, payWei, transactionHash })
        } else if (deed.kind === 'slashed') {
          const { builder, prover, nonce, bondWei } = deed
          this.#tell({ kind: 'slashed', builder, prover, nonce, bondWei, transactionHash })
        } else if (deed.kind === 'challenged') {
          const { start, untilS } = deed
          const { prover } = start.message
          const known = this.#challenges.get(prover) ?? []
          this.#challenges.set(prover, [...known, { start, untilS }])
          this.#challenge(prover, start)
        }
      }
    for (const account of changed) this.#tell(this.#views.event(account))
  }
}
