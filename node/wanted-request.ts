/** Asks the market for a proof once: one request, signed, stored and then said. */
import { randomBytes } from 'node:crypto'
import type { Market } from '#protocol/market'
import type { Params } from '#protocol/params'
import { type Hex, type Id, type ProofRequest, ZERO_WORD } from '#protocol/schema'
import { auctionKeyOf } from '#protocol/sealing'
import type { Clock } from './clock.ts'
import type { Engine } from './engine.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Signer } from './signer.ts'
import type { Store } from './store.ts'
import type { Ask } from './wanted-policy.ts'
import { newRequest, type WantedRecord } from './wanted-record.ts'
import type { WantedRecords } from './wanted-records.ts'
import { explain } from './wanted-refusal.ts'

export type WantedPorts = {
  readonly market: Market
  readonly store: Store
  readonly signer: Signer
  readonly engine: Pick<Engine, 'say' | 'keepSecret'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<Metrics, 'countAuction' | 'countJob'>
  readonly params: Params
  /** This node's peer key: provers dial it. */
  readonly builderPeer: Hex
  /** How long provers may bid, `closesAt − openedAt`. Within the market's bounds. */
  readonly bidWindowMs: number
  /** The disk failed: the node must stop. */
  readonly onFatal: (error: unknown) => void
}

const toHex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`

/**
 * Says one request for a wanted proof; all that its auction needs is on disk before. Returns its
 * id.
 * @param nonce Never used before.
 * @throws WantedRefused when our own market does not take it: then nothing of it is left, here or
 * elsewhere.
 */
export async function sayRequest(
  ports: WantedPorts,
  records: WantedRecords,
  record: WantedRecord,
  inputs: Uint8Array,
  nonce: bigint,
  ask: Ask,
): Promise<Id> {
  const { signer, engine, market, params, log } = ports
  const secret = randomBytes(32)
  const message = messageOf(ports, record, nonce, ask, auctionKeyOf(toHex(secret)))
  const signed = signer.sign('ProofRequest', message)
  const requestId = signed.id
  record.requests.push(newRequest(requestId, message))
  await records.begin(record, { requestId, secret, inputs })
  // The engine judges at once, and gossips after its disk: a refused request's secret is not kept.
  const saying = engine.say(signed)
  const isTaken = market.job(requestId) !== undefined
  if (isTaken) engine.keepSecret(requestId, toHex(secret))
  const verdict = await saying.catch((error: unknown) => {
    if (!isTaken) throw error
    // Its auction runs all the same; without peers nobody bids, and that is said in time.
    log.warn('request not gossiped', { requestId, error })
    return 'accept' as const
  })
  if (isTaken || verdict === 'accept' || !('code' in verdict)) return requestId
  await records.undo(record, requestId)
  throw explain(verdict.code, message, market, params)
}

function messageOf(
  { signer, clock, builderPeer, bidWindowMs }: WantedPorts,
  { terms: { maxReserveWei: _, ...terms } }: WantedRecord,
  nonce: bigint,
  ask: Ask,
  auctionKey: Hex,
): ProofRequest {
  const openedAt = clock.now()
  return {
    ...terms,
    ...ask,
    nonce,
    builder: signer.account,
    builderPeer,
    openedAt,
    closesAt: openedAt + bidWindowMs,
    auctionKey,
    bundleId: ZERO_WORD,
    bundleIndex: 0,
    bundleSize: 0,
  }
}
