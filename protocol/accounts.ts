/**
 * What every account can answer for: bonds, stakes and escrow as the chain last confirmed them,
 * less what public messages already bind. A prover's open starts hold its bond; a builder's open
 * jobs hold its cover.
 */
import type { ChainEvent } from './effects.ts'
import { coverWei } from './money.ts'
import type { Address } from './schema.ts'

type Balance = { readonly bondWei: bigint; readonly stakeWei: bigint; readonly escrowWei: bigint }
const EMPTY: Balance = { bondWei: 0n, stakeWei: 0n, escrowWei: 0n }

/** Sums of named amounts by account; naming one again replaces it. */
class Holds {
  readonly #amounts = new Map<string, { readonly account: Address; readonly wei: bigint }>()
  readonly #totals = new Map<Address, bigint>()

  set(key: string, account: Address, wei: bigint): void {
    this.delete(key)
    if (wei === 0n) return
    this.#amounts.set(key, { account, wei })
    this.#totals.set(account, this.total(account) + wei)
  }

  delete(key: string): void {
    const held = this.#amounts.get(key)
    if (!held) return
    this.#amounts.delete(key)
    const left = this.total(held.account) - held.wei
    if (left === 0n) this.#totals.delete(held.account)
    else this.#totals.set(held.account, left)
  }

  total(account: Address): bigint {
    return this.#totals.get(account) ?? 0n
  }

  get size(): number {
    return this.#amounts.size
  }
}

export class Accounts {
  readonly #balances = new Map<Address, Balance>()
  readonly #signers = new Map<Address, Address>()
  /** Bonds held by open starts, one a (request, prover). */
  readonly bonds = new Holds()
  /** Cover held by open jobs, one a request. */
  readonly cover = new Holds()

  /** Takes what the chain says of one account. Bounded by who deposited on chain. */
  observe(event: Extract<ChainEvent, { kind: 'account' | 'signer' }>): void {
    const account = event.account
    if (event.kind === 'signer') {
      if (event.signer === null) this.#signers.delete(account)
      else this.#signers.set(account, event.signer)
      return
    }
    const { bondWei, stakeWei, escrowWei } = event
    if (bondWei + stakeWei + escrowWei === 0n) this.#balances.delete(account)
    else this.#balances.set(account, { bondWei, stakeWei, escrowWei })
  }

  #of(account: Address): Balance {
    return this.#balances.get(account) ?? EMPTY
  }

  /**
   * Whether `signer` may speak for `account`: itself, or the EOA it registered on chain (rule M4).
   */
  speaksFor(account: Address, signer: Address): boolean {
    return signer === account || this.#signers.get(account) === signer
  }

  /** Whether an account has anything on chain to lose. */
  hasFunds(account: Address): boolean {
    return this.#balances.has(account)
  }

  /**
   * Bond that no open start holds; negative when the chain slashed what a start still holds. wei.
   */
  freeBondWei(prover: Address): bigint {
    return this.#of(prover).bondWei - this.bonds.total(prover)
  }

  /** Cover that no open job holds (rule G4). wei. */
  freeCoverWei(builder: Address): bigint {
    return coverWei(this.#of(builder)) - this.cover.total(builder)
  }

  get sizes(): { balances: number; signers: number; bonds: number; cover: number } {
    return {
      balances: this.#balances.size,
      signers: this.#signers.size,
      bonds: this.bonds.size,
      cover: this.cover.size,
    }
  }
}
