/**
 * A market on an anvil of its own, nodes' chain drivers connected to it, and signed jobs to settle.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Deployment, deploy, type Windows } from '#contracts/deploy'
import { type Chain, type ChainOptions, connectChain } from '#node/chain'
import { silentLog } from '#node/log'
import { openStore, type Store } from '#node/store'
import type { ChainEvent, Obligation, Signed, SignedReceipt } from '#protocol/effects'
import { defaultParams, type Params } from '#protocol/params'
import {
  type Address,
  type Hex,
  type Id,
  type Kind,
  type Message,
  type ProofRequest,
  ZERO_ADDRESS,
  ZERO_WORD,
} from '#protocol/schema'
import { accountOf, digest, domainSeparator, signDigest } from '#protocol/signature'
import { type Anvil, devKeys, startAnvil } from './anvil.ts'

export const windows: Windows = {
  claimWindowS: 60,
  commitWindowS: 36,
  slotS: 12,
  maxJobS: 60,
  exitDelayS: 301,
}
export const params: Params = {
  ...defaultParams,
  claimWindowS: windows.claimWindowS,
  commitWindowS: windows.commitWindowS,
  slotS: windows.slotS,
}

const bytesOf = (hex: Hex): Uint8Array => Buffer.from(hex.slice(2), 'hex')
const word = (): Hex => `0x${randomBytes(32).toString('hex')}`

/** Who takes part: the deployer pays for the market, each other has its own key. */
export const [deployer, builder, prover, backup] = devKeys.map((key) => ({
  key,
  address: accountOf(bytesOf(key)),
})) as [Party, Party, Party, Party]
export type Party = { readonly key: Hex; readonly address: Address }

/** A chain driver with everything it has announced. */
export type Watched = {
  readonly chain: Chain
  readonly store: Store
  readonly events: ChainEvent[]
  /** Resolves with the first event, past or future, that fits. */
  readonly seen: (fits: (event: ChainEvent) => boolean) => Promise<ChainEvent>
  readonly stop: () => Promise<void>
}

export type MarketChain = {
  readonly anvil: Anvil
  readonly market: Deployment
  /** A driver for this party, started, on a data folder that is kept until `stop`. */
  readonly connect: (party: Party, options?: Partial<ChainOptions>) => Promise<Watched>
  readonly sign: <K extends Kind>(by: Party, kind: K, message: Message<K>) => Signed<K, Message<K>>
  /** Mines a block at this time, seconds since the Unix epoch. */
  readonly mineAt: (timestampS: number) => Promise<void>
  readonly stop: () => Promise<void>
}

type Running = { watched: Watched; folder: string }

/** Starts anvil, deploys a market with short windows. */
export async function startMarket(args: readonly string[] = []): Promise<MarketChain> {
  const anvil = await startAnvil({ args })
  const market = await deploy(anvil.rpcUrl, deployer.key, windows)
  const separator = domainSeparator(market)
  const folders = new Map<string, string>()
  const running = new Set<Running>()

  const connect: MarketChain['connect'] = async (party, options = {}) => {
    const folder = folders.get(party.key) ?? (await mkdtemp(join(tmpdir(), 'proofwire-chain-')))
    folders.set(party.key, folder)
    const store = options.store ?? (await openStore(folder))
    const chain = await connectChain({
      rpcUrl: anvil.rpcUrl,
      privateKey: party.key,
      expectedChainId: market.chainId,
      settlement: market.settlement,
      params,
      log: silentLog,
      confirmations: 1,
      pollMs: 20,
      settleAfterMs: 0,
      ...options,
      store,
    })
    const watched = await watch(chain, store)
    running.add({ watched, folder })
    return watched
  }
  return {
    anvil,
    market,
    connect,
    sign: (by, kind, message) => {
      const id = digest(kind, message, separator)
      const signature = signDigest(bytesOf(id), bytesOf(by.key))
      return { kind, id, signer: by.address, message, signature }
    },
    mineAt: async (timestampS) => {
      await anvil.request('evm_setNextBlockTimestamp', timestampS)
      await anvil.request('evm_mine')
    },
    stop: async () => {
      for (const { watched } of running) await watched.stop()
      await anvil.stop()
      for (const folder of folders.values()) await rm(folder, { recursive: true, force: true })
    },
  }
}

async function watch(chain: Chain, store: Store): Promise<Watched> {
  const events: ChainEvent[] = []
  const waiting = new Set<(event: ChainEvent) => void>()
  const hear = (event: ChainEvent): void => {
    events.push(event)
    for (const each of waiting) each(event)
  }
  await chain.start(hear)
  let stopped: Promise<void> | null = null
  return {
    chain,
    store,
    events,
    seen: async (fits) => {
      const past = events.find(fits)
      if (past) return past
      const { promise, resolve } = Promise.withResolvers<ChainEvent>()
      const listen = (event: ChainEvent): void => {
        if (fits(event)) resolve(event)
      }
      waiting.add(listen)
      return promise.finally(() => waiting.delete(listen))
    },
    stop: () => {
      stopped ??= chain.close().then(() => store.close())
      return stopped
    },
  }
}

export type JobTerms = Partial<ProofRequest>

/** A request of our builder, due `dueInMs` from `nowMs` (ms since the Unix epoch). */
export function requestAt(nowMs: number, nonce: bigint, terms: JobTerms = {}): ProofRequest {
  return {
    builder: builder.address,
    nonce,
    venue: ZERO_ADDRESS,
    verifier: ZERO_ADDRESS,
    programId: word(),
    publicInputsHash: word(),
    tableDigest: word(),
    builderPeer: word(),
    work: 1n,
    inputBytes: 100,
    reserveWei: 10n ** 16n,
    latenessWeiPerMs: 0n,
    bondWei: 10n ** 17n,
    claimBaseFeeCapWei: 10n ** 11n,
    openedAt: nowMs,
    closesAt: nowMs + 400,
    softDueAt: nowMs + 5_000,
    dueAt: nowMs + 10_000,
    auctionKey: word(),
    backups: 0,
    retryOf: ZERO_WORD,
    bundleId: ZERO_WORD,
    bundleIndex: 0,
    bundleSize: 1,
    ...terms,
  }
}

/**
 * A job that our builder awarded to this prover, which promised its proof for `readyAt` (ms since
 * the Unix epoch), and started: what a claim, a post or a slash needs.
 */
export function startedJob(
  { sign }: Pick<MarketChain, 'sign'>,
  request: ProofRequest,
  by: Party = prover,
  readyAt: number = request.dueAt,
): Obligation & { readonly requestId: Id } {
  const requestId = sign(builder, 'ProofRequest', request).id
  const opening = { priceWei: request.reserveWei / 2n, readyAt, salt: word() }
  const sealedOpening: [Hex, Hex, Hex] = [word(), word(), word()]
  const bid = sign(by, 'Bid', {
    requestId,
    prover: by.address,
    commitment: word(),
    sealedOpening,
  })
  const award = sign(builder, 'Award', {
    requestId,
    bidId: bid.id,
    prover: by.address,
    priceWei: opening.priceWei,
    readyAt: opening.readyAt,
    bidsRoot: word(),
    bidCount: 1,
    auctionSecret: word(),
    backups: [ZERO_ADDRESS, ZERO_ADDRESS, ZERO_ADDRESS],
  })
  const parties = { requestId, awardId: award.id, prover: by.address }
  const acceptance = sign(by, 'Acceptance', parties)
  const message = { ...parties, acceptanceId: acceptance.id, startedAt: request.closesAt + 100 }
  const start = { ...sign(builder, 'Start', message), acceptance }
  return { requestId, request, award: { ...award, bid, opening }, start }
}

/** The builder's receipt for this nonce. */
export function receiptFor(
  { sign }: Pick<MarketChain, 'sign'>,
  nonce: bigint,
  payWei: bigint,
  signedBy: Party = builder,
): SignedReceipt {
  return sign(signedBy, 'Receipt', {
    builder: builder.address,
    nonce,
    requestId: word(),
    prover: prover.address,
    payWei,
    proofHash: word(),
    deliveredAt: Date.now(),
  })
}
