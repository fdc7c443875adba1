/** What this account wants done on chain, and how that can end. */
import type { Address, Hex } from '#protocol/schema'

/**
 * Something to be done on chain. The key names it: asking for the same key again changes nothing.
 */
export type Intent = {
  readonly key: string
  readonly to: Address
  readonly data: Hex
  readonly valueWei: bigint
}

export type DropReason =
  /** The chain holds the outcome already: paid, slashed, committed. */
  | 'resolved'
  /** Too late: the contract's window is over. */
  | 'window-closed'
  /** The contract refuses it; `detail` is its error. */
  | 'reverted'
  /** The builder has nothing to pay it from; it stays owed. */
  | 'unpaid'
  /** The account cannot pay for it, and the chain cannot tell later whether it is still wanted. */
  | 'no-funds'
  /**
   * A transaction sent from elsewhere took its nonce, and the chain cannot tell whether it is still
   * wanted.
   */
  | 'nonce-taken'
  /** The node is closing; the intent is stored and goes on at the next start. */
  | 'closed'

/** Successful, and as deep as was asked. */
export type Mined = { readonly kind: 'mined'; readonly hash: Hex }
export type Dropped = {
  readonly kind: 'dropped'
  readonly reason: DropReason
  readonly detail: string
}
export type Sent = Mined | Dropped

export const dropped = (reason: DropReason, detail = ''): Dropped => ({
  kind: 'dropped',
  reason,
  detail,
})

/**
 * Whether the chain still lacks what an intent would do. `unknown`: the chain cannot tell (a
 * deposit), so on a doubt it is not done a second time.
 */
export type Need = 'wanted' | 'unknown' | Dropped
