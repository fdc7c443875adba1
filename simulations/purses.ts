/**
 * The money in the market's contracts: bonds, stakes, escrow, credits, and what was burnt. What
 * `Purse` and `Bonds` do in `contracts/src`, to the wei.
 */
import type { Address } from '#protocol/schema'
import { Journal } from './journal.ts'

/** What an account has in the contracts. wei; seconds of block time. */
export type Balance = {
  bondWei: bigint
  stakeWei: bigint
  escrowWei: bigint
  creditWei: bigint
  /** On its way out: it still pays and can be slashed, but counts for no new work. */
  leavingBondWei: bigint
  leavingStakeWei: bigint
  leavingEscrowWei: bigint
  bondReadyAtS: number
  stakeReadyAtS: number
  escrowReadyAtS: number
}
/** Where an account can put money, and take it out of after the exit delay. */
export type Purse = 'bond' | 'stake' | 'escrow'

type Amount = Extract<keyof Balance, `${string}Wei`>
const active = { bond: 'bondWei', stake: 'stakeWei', escrow: 'escrowWei' } as const
const leaving = {
  bond: 'leavingBondWei',
  stake: 'leavingStakeWei',
  escrow: 'leavingEscrowWei',
} as const
const readyAt = { bond: 'bondReadyAtS', stake: 'stakeReadyAtS', escrow: 'escrowReadyAtS' } as const

/** The smaller and the larger of two amounts. */
export const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
export const most = (a: bigint, b: bigint): bigint => (a > b ? a : b)

const empty = (): Balance => ({
  bondWei: 0n,
  stakeWei: 0n,
  escrowWei: 0n,
  creditWei: 0n,
  leavingBondWei: 0n,
  leavingStakeWei: 0n,
  leavingEscrowWei: 0n,
  bondReadyAtS: 0,
  stakeReadyAtS: 0,
  escrowReadyAtS: 0,
})

/** All that an account has in the contracts. wei. */
export const wealthWei = (of: Readonly<Balance>): bigint =>
  of.bondWei +
  of.stakeWei +
  of.escrowWei +
  of.creditWei +
  of.leavingBondWei +
  of.leavingStakeWei +
  of.leavingEscrowWei

export class Purses {
  /** Takes back what a block did. */
  readonly journal = new Journal()
  /** Accounts whose money changed; who looks empties it. */
  readonly touched = new Set<Address>()
  readonly #balances = new Map<Address, Balance>()
  readonly #burnt = { wei: 0n }

  /** Wei that nobody owns now. */
  get burntWei(): bigint {
    return this.#burnt.wei
  }

  /** All accounts that were ever asked about. */
  get balances(): ReadonlyMap<Address, Readonly<Balance>> {
    return this.#balances
  }

  balance(account: Address): Readonly<Balance> {
    return this.#of(account)
  }

  #of(account: Address): Balance {
    const balance = this.#balances.get(account)
    if (balance) return balance
    const fresh = empty()
    this.#balances.set(account, fresh)
    return fresh
  }

  /** Money from outside, in no block: no reorg takes it back. */
  endow(account: Address, purse: Purse, wei: bigint): void {
    this.#of(account)[active[purse]] += wei
  }

  add(account: Address, amount: Amount, wei: bigint): void {
    if (wei === 0n) return
    this.touched.add(account)
    this.journal.add(this.#of(account), amount, wei)
  }

  deposit(account: Address, purse: Purse, wei: bigint): void {
    this.add(account, active[purse], wei)
  }

  credit(account: Address, wei: bigint): void {
    this.add(account, 'creditWei', wei)
  }

  /** Begins to take money out. `false`: there is not as much. */
  exit(account: Address, purse: Purse, wei: bigint, readyAtS: number): boolean {
    const balance = this.#of(account)
    if (wei === 0n || balance[active[purse]] < wei) return false
    this.add(account, active[purse], -wei)
    this.add(account, leaving[purse], wei)
    this.journal.put(balance, readyAt[purse], readyAtS)
    return true
  }

  /** When what leaves a purse may be taken out; `null`: nothing leaves. Seconds of block time. */
  readyAtS(account: Address, purse: Purse | 'credit'): number | null {
    const balance = this.#of(account)
    if (purse === 'credit') return balance.creditWei === 0n ? null : 0
    return balance[leaving[purse]] === 0n ? null : balance[readyAt[purse]]
  }

  /** Takes out what leaves a purse, or all credits. wei. */
  withdraw(account: Address, purse: Purse | 'credit'): bigint {
    const amount = purse === 'credit' ? 'creditWei' : leaving[purse]
    const wei = this.#of(account)[amount]
    this.add(account, amount, -wei)
    return wei
  }

  /** Takes from the active part first, then from what leaves. */
  #take(account: Address, purse: Purse, wei: bigint): void {
    const activeWei = least(wei, this.#of(account)[active[purse]])
    this.add(account, active[purse], -activeWei)
    this.add(account, leaving[purse], activeWei - wei)
  }

  #allOf(account: Address, purse: Purse): bigint {
    const balance = this.#of(account)
    return balance[active[purse]] + balance[leaving[purse]]
  }

  burn(wei: bigint): void {
    this.journal.add(this.#burnt, 'wei', wei)
  }

  /**
   * Takes a bond or stake: part to be paid, part burnt; both in proportion where there is less.
   */
  tear(
    account: Address,
    purse: 'bond' | 'stake',
    payWei: bigint,
    burnWei: bigint,
  ): { readonly paidWei: bigint; readonly burntWei: bigint } {
    const askedWei = payWei + burnWei
    const tornWei = least(askedWei, this.#allOf(account, purse))
    if (tornWei === 0n) return { paidWei: 0n, burntWei: 0n }
    const paidWei = (tornWei * payWei) / askedWei
    this.#take(account, purse, tornWei)
    this.burn(tornWei - paidWei)
    return { paidWei, burntWei: tornWei - paidWei }
  }

  /**
   * Takes up to so much from a builder, to be paid to somebody: from escrow; what that lacks, from
   * the stake, with as much again burnt. Gives what was taken. wei.
   */
  draw(builder: Address, wantedWei: bigint): bigint {
    const escrowWei = least(wantedWei, this.#allOf(builder, 'escrow'))
    this.#take(builder, 'escrow', escrowWei)
    const shortWei = wantedWei - escrowWei
    return escrowWei + this.tear(builder, 'stake', shortWei, shortWei).paidWei
  }

  /** Whether a builder has anything to be drawn from. */
  hasMoney(builder: Address): boolean {
    return this.#allOf(builder, 'escrow') + this.#allOf(builder, 'stake') / 2n > 0n
  }
}
