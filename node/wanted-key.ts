/** The idempotency key of what is wanted: asked for again with it, nothing is asked twice. */
import { createHash } from 'node:crypto'
import { encodeJson } from './store.ts'
import type { WantedRecord } from './wanted-record.ts'
import { WantedRefused } from './wanted-refusal.ts'

/** SHA-256 of all terms but the key, whatever their order. */
export const hashOf = ({
  idempotencyKey: _,
  ...terms
}: {
  readonly idempotencyKey?: string
  readonly [term: string]: unknown
}): string => {
  const sorted = Object.entries(terms).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(encodeJson(Object.fromEntries(sorted)))
    .digest('hex')
}

/** What was opened with a key, if it was on these terms. @throws WantedRefused */
export function sameTerms(records: WantedRecord[], key: string, termsHash: string): WantedRecord[] {
  if (records[0]?.termsHash === termsHash) return records
  const what = `idempotencyKey ${JSON.stringify(key)} was used with other terms`
  throw new WantedRefused('IDEMPOTENCY_MISMATCH', `${what}; use a new key for a new proof`)
}
