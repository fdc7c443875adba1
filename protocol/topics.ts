/** Names on the wire: gossip topics and stream protocols, one set for each market. */
import type { GossipKind } from './effects.ts'
import type { Params } from './params.ts'
import type { Domain } from './schema.ts'
import { keccak } from './signature.ts'

/** Version of the wire: raised with any change of messages, envelopes or stream frames. */
export const WIRE_VERSION = 1

const names: Record<GossipKind, string> = {
  ProofRequest: 'requests',
  Bid: 'bids',
  Award: 'awards',
  Start: 'starts',
  Notice: 'notices',
  Receipt: 'receipts',
}

/** First four bytes of the parameters' hash: nodes with other rules never hear each other. */
export function paramsTag(params: Params): string {
  const entries = Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1))
  const text = entries.map(([name, value]) => `${name}=${value}`).join('\n')
  return keccak(Buffer.from(text)).slice(2, 10)
}

/**
 * Gossip topics of one market: `/proofwire/1/<chain id>/<settlement>/<params tag>/<name>` (rule
 * T1).
 */
export function topics(domain: Domain, params: Params): Record<GossipKind, string> {
  const market = `${domain.chainId}/${domain.settlement.toLowerCase()}/${paramsTag(params)}`
  return Object.fromEntries(
    Object.entries(names).map(([kind, name]) => [
      kind,
      `/proofwire/${WIRE_VERSION}/${market}/${name}`,
    ]),
  ) as Record<GossipKind, string>
}

/** Stream protocols. Of a job's three the prover always dials the builder. */
export const streamProtocols = {
  /** PeerClaim ‖ request id → the inputs, once it is the prover's turn. */
  inputs: `/proofwire/inputs/${WIRE_VERSION}`,
  /** Acceptance → the start's envelope. */
  accept: `/proofwire/accept/${WIRE_VERSION}`,
  /** PeerClaim ‖ request id ‖ proof → the receipt. */
  deliver: `/proofwire/deliver/${WIRE_VERSION}`,
  /** Nothing → the peer's time, ms since the Unix epoch, u64. */
  time: `/proofwire/time/${WIRE_VERSION}`,
  /** Address ‖ index of a piece, or 0xffffffff → the piece, or the file's piece list. */
  keys: `/proofwire/keys/${WIRE_VERSION}`,
} as const
