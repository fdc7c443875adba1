/**
 * Asks the market for a proof once, or for a bundle: requests signed, stored and then said.
 */
import { randomBytes } from 'node:crypto'
import type { Market } from '#protocol/market'
import type { Params } from '#protocol/params'
import { checkRequest } from '#protocol/rules'
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
import { costOf, explain } from './wanted-refusal.ts'

export type WantedPorts = {
  readonly market: Market
  readonly store: Store
  readonly signer: Signer
  readonly engine: Pick<Engine, 'sayAll' | 'keepSecret'>
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

/** One request of a wanted proof. */
export type Asked = {
  readonly record: WantedRecord
  readonly inputs: Uint8Array
  /** Never used before. */
  readonly nonce: bigint
  readonly ask: Ask
}

/**
 * Says one request for a wanted proof, or a bundle of them, in its order; all that their auctions
 * need is on disk before. Returns their ids.
 * @throws WantedRefused when our own market does not take one: then nothing is left of any, here
 * or elsewhere.
 */
export async function sayRequests(
  ports: WantedPorts,
  records: WantedRecords,
  all: readonly Asked[],
): Promise<Id[]> {
  const { signer, engine, market, params, log } = ports
  const shared = {
    openedAt: ports.clock.now(),
    bundleId: all.length > 1 ? toHex(randomBytes(32)) : ZERO_WORD,
    bundleSize: all.length > 1 ? all.length : 0,
  }
  const files = all.map((asked, bundleIndex) => {
    const secret = randomBytes(32)
    const auctionKey = auctionKeyOf(toHex(secret))
    const message = messageOf(ports, asked, { ...shared, bundleIndex, auctionKey })
    const signed = signer.sign('ProofRequest', message)
    return { ...asked, secret, signed, requestId: signed.id }
  })
  const messages = files.map(({ signed }) => signed.message)
  if (all.length > 1) requireFit(messages, market, params)
  for (const { record, signed } of files)
    record.requests.push(newRequest(signed.id, signed.message))
  await records.begin(files)
  // The engine judges at once, and gossips after its disk: a refused request's secret is not kept.
  const saying = engine.sayAll(files.map(({ signed }) => signed))
  const areTaken = files.every(({ requestId }) => market.job(requestId) !== undefined)
  if (areTaken)
    for (const { requestId, secret } of files) engine.keepSecret(requestId, toHex(secret))
  const verdicts = await saying.catch((error: unknown) => {
    if (!areTaken) throw error
    // The auctions run all the same; without peers nobody bids, and that is said in time.
    log.warn('request not gossiped', { requestId: files[0]?.requestId, error })
    return []
  })
  const refused = verdicts.findIndex((verdict) => verdict !== 'accept' && 'code' in verdict)
  const verdict = verdicts[refused]
  if (areTaken || verdict === undefined || verdict === 'accept' || !('code' in verdict))
    return files.map(({ requestId }) => requestId)
  // What our market took of a bundle, nobody else heard of: there it ends without a bid.
  await records.undo(files)
  throw explain(verdict.code, [messages[refused]!], market, params)
}

/**
 * A bundle is refused as a whole before any of it is taken. @throws WantedRefused
 */
function requireFit(messages: readonly ProofRequest[], market: Market, params: Params): void {
  const { builder, openedAt } = messages[0]!
  for (const message of messages) {
    const unfit = checkRequest(message, openedAt, params)
    if (unfit) throw explain(unfit.code, [message], market, params)
  }
  const { reserve, claim } = costOf(messages, params)
  if (market.accounts.freeCoverWei(builder) < reserve + claim)
    throw explain('REQUEST_UNCOVERED', messages, market, params)
  if (market.book.openRequests(builder) + messages.length > params.maxOpenRequests)
    throw explain('REQUEST_TOO_MANY', messages, market, params)
}

type Place = Pick<
  ProofRequest,
  'openedAt' | 'bundleId' | 'bundleIndex' | 'bundleSize' | 'auctionKey'
>

function messageOf(
  { signer, builderPeer, bidWindowMs }: WantedPorts,
  { record, nonce, ask }: Asked,
  place: Place,
): ProofRequest {
  const { maxReserveWei: _, ...terms } = record.terms
  return {
    ...terms,
    ...ask,
    ...place,
    nonce,
    builder: signer.account,
    builderPeer,
    closesAt: place.openedAt + bidWindowMs,
    bundleIndex: place.bundleSize === 0 ? 0 : place.bundleIndex,
  }
}
