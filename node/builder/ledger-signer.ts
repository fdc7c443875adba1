/** Signs a ledger's own transactions (L2TX) with the key of its accounts. */
import type { EddsaSignature } from '#protocol/eddsa'
import { type LedgerContext, signTransaction } from '#protocol/ledger-calls'
import { accountIndex, accountOf, type Ledger } from '#protocol/ledger-tree'
import type { Action } from '#protocol/table'

/**
 * What signs an L2TX; it answers null when there is no such account.
 * @param secret An EdDSA secret, 32 bytes.
 * @param live Where the rollups stand on L1: an account's next nonce is signed, so an account has
 * one transaction in a table.
 */
export const signerOf =
  (secret: Uint8Array, context: LedgerContext, live: ReadonlyMap<bigint, Ledger | null>) =>
  ({ rollupId, destination, data }: Action): EddsaSignature | null => {
    const ledger = live.get(rollupId) ?? null
    const index = ledger && accountIndex(destination, ledger.depth)
    const account = ledger === null || index === null ? null : accountOf(ledger, index)
    if (index === null || account === null) return null
    const { nonce } = account
    return signTransaction(secret, context, { rollup: rollupId, account: index, data, nonce })
  }
