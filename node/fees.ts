/**
 * What a transaction offers for its gas (EIP-1559), and what its replacement has to offer. Pure.
 */

/** wei for one unit of gas. */
export type Fees = { readonly maxFeeWei: bigint; readonly tipWei: bigint }

/** Room for the base fee to double: six full blocks in a row (EIP-1559: at most 12.5 % a block). */
const BASE_FEE_ROOM = 2n

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/**
 * Fees of a new transaction; `null` while the base fee alone is above the cap.
 * @param tipWei What the node suggests for the block's proposer.
 */
export function marketFees(baseFeeWei: bigint, tipWei: bigint, capWei: bigint): Fees | null {
  if (baseFeeWei > capWei) return null
  const maxFeeWei = least(baseFeeWei * BASE_FEE_ROOM + tipWei, capWei)
  return { maxFeeWei, tipWei: least(tipWei, maxFeeWei) }
}

/**
 * An eighth more, rounded up: nodes ask for 10 %, some for 12.5 %, before they replace a
 * transaction.
 */
const raised = (wei: bigint): bigint => (wei * 9n + 7n) / 8n

/**
 * Fees that replace a transaction of the same nonce: at least 12.5 % more of both, and no less than
 * the market asks now; `null` when that is above the cap.
 */
export function bumpFees(from: Fees, market: Fees | null, capWei: bigint): Fees | null {
  const leastFeeWei = raised(from.maxFeeWei)
  if (leastFeeWei > capWei) return null
  const maxFeeWei = most(leastFeeWei, market?.maxFeeWei ?? 0n)
  return { maxFeeWei, tipWei: least(most(raised(from.tipWei), market?.tipWei ?? 0n), maxFeeWei) }
}
