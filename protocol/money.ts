/**
 * Wei rules: what a bid scores, what a delivery is paid, what a builder must have covered. The
 * contracts repeat `payWei` and `scoreWei` in Solidity; `test/vectors/money.json` holds both to the
 * same figures.
 */
import type { Params } from './params.ts'
import type { Hex, ProofRequest } from './schema.ts'

/** What a bid's commitment hides. */
export type Opening = {
  readonly priceWei: bigint
  /** Promised instant of delivery, ms since the Unix epoch. */
  readonly readyAt: number
  /** 16 random bytes, so that a commitment to a guessable price hides it. */
  readonly salt: Hex
  /**
   * How many segments of one bundle its prover takes at most (rule B9); one when it does not say.
   * Not in the commitment: the ciphertext binds it.
   */
  readonly lanes?: number
}

type Terms = Pick<ProofRequest, 'latenessWeiPerMs' | 'softDueAt' | 'dueAt'>

/**
 * Score of a bid, lower is better: `price + lateness cost of its promise` (rule A1). wei.
 * @param readyAt Promised delivery, ms since the Unix epoch.
 */
export function scoreWei(terms: Terms, priceWei: bigint, readyAt: number): bigint {
  return priceWei + terms.latenessWeiPerMs * BigInt(Math.max(0, readyAt - terms.softDueAt))
}

/**
 * What a delivery earns (rule P1): the price, less κ times the lateness cost past the promise,
 * never below zero; nothing after `dueAt`. wei.
 * @param promisedAt The prover's own promise; a backup's is shifted by its delay (`promisedAt`).
 */
export function payWei(
  terms: Terms,
  priceWei: bigint,
  promisedAt: number,
  deliveredAt: number,
  params: Pick<Params, 'latenessFactor'>,
): bigint {
  if (deliveredAt > terms.dueAt) return 0n
  const lateMs = Math.max(0, deliveredAt - Math.max(promisedAt, terms.softDueAt))
  const pay = priceWei - params.latenessFactor * terms.latenessWeiPerMs * BigInt(lateMs)
  return pay > 0n ? pay : 0n
}

/**
 * A started prover's promise (rule P2). The winner's is its bid's; a backup bid to start at
 * `closesAt`, so its promise moves by how much later it was started.
 */
export function promisedAt(
  request: Pick<ProofRequest, 'closesAt'>,
  readyAt: number,
  startedAt: number,
  isBackup: boolean,
): number {
  return isBackup ? readyAt + Math.max(0, startedAt - request.closesAt) : readyAt
}

/**
 * Most a claim of this request can cost beside the price: fixed gas at the capped base fee (rule
 * P3). wei.
 */
export function claimCostWei(
  request: Pick<ProofRequest, 'claimBaseFeeCapWei'>,
  params: Pick<Params, 'claimGas'>,
): bigint {
  return params.claimGas * request.claimBaseFeeCapWei
}

/**
 * What a builder's open jobs may add up to (rule G4): its escrow, and no more than half of its
 * stake, because what escrow cannot pay is taken from the stake twice.
 */
export function coverWei(account: {
  readonly escrowWei: bigint
  readonly stakeWei: bigint
}): bigint {
  const half = account.stakeWei / 2n
  return account.escrowWei < half ? account.escrowWei : half
}
