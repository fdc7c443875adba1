/**
 * Puts a node together: store, key, chain, host, gossip, engine, streams, wanted proofs. Nothing is
 * decided here; the order is what matters. Accounts are known before messages are judged, stored
 * jobs are back before peers are answered, and everything stops in the reverse order.
 */
import { join } from 'node:path'
import type { ProverDesk } from '#protocol/bidder'
import type { ChainEvent, MarketEvent } from '#protocol/effects'
import { envelopeBytes } from '#protocol/envelope'
import { Market } from '#protocol/market'
import type { Params } from '#protocol/params'
import type { VerificationKey } from '#protocol/proof'
import type { Address, Hex } from '#protocol/schema'
import { streamProtocols, topics } from '#protocol/topics'
import { type Chain, connectChain } from './chain.ts'
import { systemClock } from './clock.ts'
import { type ClockWatch, watchClock } from './clock-watch.ts'
import { createDuties } from './duties.ts'
import { Engine } from './engine.ts'
import { BuilderCounter, createProverExchange } from './exchange.ts'
import { createGossip, type Gossip } from './gossip.ts'
import { createHost, peerKeyOfAddress } from './host.ts'
import { serveKeys } from './key-serving.ts'
import { loadPeerSeed } from './keyfile.ts'
import type { Log } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import type { Host } from './peers.ts'
import { type ProverRole, Proving } from './proving.ts'
import { createSigner } from './signer.ts'
import { openStore, type Store } from './store.ts'
import { createVerifier } from './verifier.ts'
import { WantedProofs } from './wanted.ts'

export type NodeOptions = {
  readonly dataFolder: string
  /** 32 bytes, secp256k1. */
  readonly privateKey: Uint8Array
  readonly listen: readonly string[]
  readonly announce: readonly string[]
  readonly bootstrap: readonly string[]
  /** Most connections. */
  readonly maxPeers: number
  readonly rpcUrl: string
  readonly chainId: number
  readonly settlement: Address
  readonly deploymentBlock?: number
  readonly confirmations?: number
  readonly pollMs?: number
  readonly settleAfterMs?: number
  /** Most offered for one unit of gas. wei. */
  readonly maxFeeWei?: bigint
  readonly params: Params
  readonly bidWindowMs: number
  readonly slashes: boolean
  /** Verification keys of the programs whose proofs this node can check, by program id. */
  readonly keys: ReadonlyMap<Hex, VerificationKey>
  /** Key files given to peers, when they are. */
  readonly keyServing?: { readonly folder: string; readonly mibPerS: number }
  /** Set for a prover agent. */
  readonly prover?: { readonly desk: ProverDesk; readonly role: ProverRole }
  /** Told all that the chain announces, beginning with what happened while the node was away. */
  readonly onChain?: (event: ChainEvent) => void
  readonly log: Log
  /** The node cannot go on: its disk failed. */
  readonly onFatal: (error: unknown) => void
}

export type RunningNode = {
  readonly account: Address
  readonly host: Host
  readonly gossip: Gossip
  readonly market: Market
  readonly chain: Chain
  readonly engine: Engine
  readonly wanted: WantedProofs
  readonly store: Store
  readonly metrics: Metrics
  readonly clockWatch: ClockWatch
  readonly params: Params
  readonly log: Log
  /** Calls back with everything the market announces. Returns the cancellation. */
  readonly onEvent: (listener: (event: MarketEvent) => void) => () => void
  readonly onChain: (listener: (event: ChainEvent) => void) => () => void
  readonly stop: () => Promise<void>
}

/** Listeners of one kind of event; one that throws does not keep it from the others. */
function listeners<E>(log: Log) {
  const all = new Set<(event: E) => void>()
  return {
    add: (listener: (event: E) => void) => {
      all.add(listener)
      return () => void all.delete(listener)
    },
    tell: (event: E) => {
      for (const listener of all) {
        try {
          listener(event)
        } catch (error) {
          log.error('a listener failed', { error })
        }
      }
    },
  }
}

/**
 * Runs closings in reverse, each even if an earlier one failed; the first failure is thrown at the
 * end.
 */
function closings() {
  const all: (() => Promise<void> | void)[] = []
  return {
    add: (close: () => Promise<void> | void) => void all.push(close),
    run: async () => {
      const failures: unknown[] = []
      for (const close of all.splice(0).reverse()) {
        try {
          await close()
        } catch (error) {
          failures.push(error)
        }
      }
      if (failures.length > 0) throw failures[0]
    },
  }
}

/**
 * Starts a node.
 * @throws what its parts throw, each saying what was wrong and what to do; what was started is
 * stopped again.
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const closing = closings()
  try {
    return await assemble(options, closing)
  } catch (error) {
    await closing.run().catch((after: unknown) => options.log.error('stopping failed', { after }))
    throw error
  }
}

async function assemble(
  options: NodeOptions,
  closing: ReturnType<typeof closings>,
): Promise<RunningNode> {
  const { dataFolder, params, log, privateKey, onFatal } = options
  const domain = { chainId: options.chainId, settlement: options.settlement }
  const store = await openStore(join(dataFolder, 'store'))
  closing.add(() => store.close())
  const peerSeed = await loadPeerSeed(join(dataFolder, 'peer.key'))
  const metrics = createMetrics()
  closing.add(() => metrics.stop())
  const signer = createSigner(privateKey, domain, store)
  const prover = options.prover
  const market = new Market({
    self: signer.account,
    params,
    ...(prover ? { prover: prover.desk } : {}),
  })
  const verifier = createVerifier({ keys: options.keys })
  closing.add(() => verifier.close())

  // Late bound: gossip asks the engine, the engine publishes by gossip.
  let engine: Engine | null = null
  const events = listeners<MarketEvent>(log)
  const chainEvents = listeners<ChainEvent>(log)
  if (options.onChain) chainEvents.add(options.onChain)
  let answerChallenge: ReturnType<typeof createDuties>['answerChallenge'] = () => undefined

  const chain = await connectChain({
    ...options,
    privateKey: `0x${Buffer.from(privateKey).toString('hex')}`,
    expectedChainId: options.chainId,
    store,
    onWithheldStart: (start) => answerChallenge(start),
  })
  closing.add(() => chain.close())

  const gossip = createGossip({
    topics: topics(domain, params),
    maxBytes: envelopeBytes,
    validate: async (kind, data) => (engine ? engine.validate(kind, data) : 'ignore'),
    onDropped: (kind, reason) => metrics.countDropped(kind, reason),
    trusted: options.bootstrap.map(peerKeyOfAddress),
    log,
  })
  const { listen, announce, bootstrap } = options
  const host = await createHost({
    listen,
    announce,
    bootstrap,
    peerSeed,
    gossip: gossip.service,
    limits: { maxConnections: options.maxPeers },
    log,
  })
  closing.add(() => host.stop())

  const clock = systemClock
  const shared = { host, signer, clock, params, market, store, log, verifier }
  const feed: Engine['feed'] = (input) => running.feed(input)
  const counter = new BuilderCounter({
    ...shared,
    feed,
    onProof: (requestId, from, proof) => wanted.keepProof(requestId, from, proof),
  })
  const proving = prover
    ? new Proving({
        ...shared,
        chain,
        exchange: createProverExchange(shared),
        role: prover.role,
        feed,
        feedStored: (input) => running.feedStored(input),
      })
    : null
  const duties = createDuties({ chain, market, store, signer, log, slashes: options.slashes })
  answerChallenge = duties.answerChallenge
  const running: Engine = new Engine({
    ...shared,
    metrics,
    publish: gossip.publish,
    chain: duties.actions,
    counter,
    prover: proving,
    onEvent: events.tell,
    onFatal,
  })
  closing.add(() => running.stop())
  closing.add(() => proving?.stop())
  const wanted: WantedProofs = await WantedProofs.open({
    ...shared,
    engine: running,
    metrics,
    builderPeer: host.peerKey,
    bidWindowMs: options.bidWindowMs,
    onFatal,
  })
  closing.add(() => wanted.stop())
  events.add((event) => wanted.observe(event))

  // Before the chain tells what was paid and slashed while we were away.
  const count = await running.restore()
  await chain.start((event) => {
    running.feed({ kind: 'chain', event })
    chainEvents.tell(event)
  })
  engine = running
  if (count > 0) log.info('jobs restored', { count })
  running.resume()
  wanted.resume()
  await counter.open()
  closing.add(() => counter.stop())
  const protocol = streamProtocols.time
  const clockWatch = await watchClock({ host, protocol, now: clock.now, log })
  closing.add(() => clockWatch.stop())
  if (options.keyServing) {
    const keys = { host, protocol: streamProtocols.keys, log, ...options.keyServing }
    const serving = await serveKeys(keys)
    closing.add(() => serving.stop())
  }

  return {
    account: signer.account,
    host,
    gossip,
    market,
    chain,
    engine: running,
    wanted,
    store,
    metrics,
    clockWatch,
    params,
    log,
    onEvent: events.add,
    onChain: chainEvents.add,
    stop: () => closing.run(),
  }
}
