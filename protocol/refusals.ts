/**
 * Why an input was refused: the whole list. Codes are metric labels and test titles;
 * `protocol/README.md` names the rule behind each. *ignore* costs the sending peer nothing,
 * *reject* costs it gossip score.
 */
import type { Refusal } from './effects.ts'

export type RefusalCode =
  // Bytes and signatures: no honest peer sends these.
  | 'MALFORMED'
  | 'SIGNATURE_INVALID'
  | 'SIGNER_UNKNOWN'
  // Requests.
  | 'REQUEST_WINDOW'
  | 'REQUEST_FIELDS'
  | 'REQUEST_EARLY'
  | 'REQUEST_LATE'
  | 'REQUEST_UNCOVERED'
  | 'REQUEST_RETRY'
  | 'REQUEST_TOO_MANY'
  | 'REQUEST_BUNDLE'
  | 'DUPLICATE'
  | 'EQUIVOCATION'
  // Bids.
  | 'UNKNOWN_REQUEST'
  | 'BID_LATE'
  | 'BID_OWN_REQUEST'
  | 'BOND_NOT_FREE'
  | 'TURNS_UNANSWERED'
  | 'AUCTION_FULL'
  // Awards.
  | 'AWARD_EARLY'
  | 'AWARD_LATE'
  | 'AWARD_SECRET'
  | 'AWARD_OPENING'
  | 'AWARD_TERMS'
  | 'BUILDER_UNCOVERED'
  // Acceptances and starts.
  | 'NOT_AWARDED'
  | 'NOT_YOUR_TURN'
  | 'START_MISMATCH'
  | 'START_TIME'
  // Notices, deliveries, receipts.
  | 'NOT_STARTED'
  | 'NOTICE_TIME'
  | 'RECEIPT_TERMS'
  | 'RECEIPT_TIME'
  | 'JOB_ENDED'
  // Limits.
  | 'HOLD_FULL'
  | 'HOLD_EXPIRED'

export const ignore = (code: RefusalCode): Refusal => ({ action: 'ignore', code })
export const reject = (code: RefusalCode): Refusal => ({ action: 'reject', code })
