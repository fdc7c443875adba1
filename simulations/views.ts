/**
 * How accounts stand in the blocks that are deep enough to count, which lags behind how they stand
 * in the contracts.
 */
import type { ChainEvent } from '#protocol/effects'
import type { Address } from '#protocol/schema'
import type { Purse, Purses } from './purses.ts'

/** What counts for new work. wei. */
type Money = { bondWei: bigint; stakeWei: bigint; escrowWei: bigint }
const names = ['bondWei', 'stakeWei', 'escrowWei'] as const

function moneyOf(map: Map<Address, Money>, account: Address): Money {
  const money = map.get(account)
  if (money) return money
  const fresh = { bondWei: 0n, stakeWei: 0n, escrowWei: 0n }
  map.set(account, fresh)
  return fresh
}

function add(to: Money, change: Money, sign: 1n | -1n): void {
  for (const name of names) to[name] += sign * change[name]
}

export class Views {
  readonly #purses: Purses
  /** As of the newest block, and as of the newest that counts. */
  readonly #newest = new Map<Address, Money>()
  readonly #shown = new Map<Address, Money>()
  /** What each block changed, by its number. */
  readonly #changes = new Map<number, Map<Address, Money>>()

  constructor(purses: Purses) {
    this.#purses = purses
  }

  get accounts(): Address[] {
    return [...this.#shown.keys()]
  }

  /** What a node hears of an account. */
  event(account: Address): Extract<ChainEvent, { kind: 'account' }> {
    return { kind: 'account', account, ...moneyOf(this.#shown, account) }
  }

  endow(account: Address, purse: Purse, wei: bigint): void {
    moneyOf(this.#newest, account)[`${purse}Wei`] += wei
    moneyOf(this.#shown, account)[`${purse}Wei`] += wei
  }

  /** A block has ended. */
  mined(number: number): void {
    const changes = new Map<Address, Money>()
    for (const account of this.#purses.touched) {
      const change = { bondWei: 0n, stakeWei: 0n, escrowWei: 0n }
      const newest = moneyOf(this.#newest, account)
      const balance = this.#purses.balance(account)
      for (const name of names) change[name] = balance[name] - newest[name]
      if (names.every((name) => change[name] === 0n)) continue
      add(newest, change, 1n)
      changes.set(account, change)
    }
    this.#purses.touched.clear()
    if (changes.size > 0) this.#changes.set(number, changes)
  }

  /** A block counts now; whom it changed. That is kept for as long as the block can go again. */
  confirmed(number: number): Address[] {
    const changes = this.#changes.get(number)
    this.#changes.delete(number - KEPT)
    for (const [account, change] of changes ?? []) add(moneyOf(this.#shown, account), change, 1n)
    return [...(changes?.keys() ?? [])]
  }

  /** A block is gone; whose shown money changed by that. */
  undone(number: number, wasShown: boolean): Address[] {
    const changes = this.#changes.get(number)
    this.#changes.delete(number)
    for (const [account, change] of changes ?? []) {
      add(moneyOf(this.#newest, account), change, -1n)
      if (wasShown) add(moneyOf(this.#shown, account), change, -1n)
    }
    return wasShown ? [...(changes?.keys() ?? [])] : []
  }
}

/** Blocks: more than a reorg can take back. */
const KEPT = 128
