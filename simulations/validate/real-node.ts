/**
 * One node of the real stack: production's host, gossip, engine and market, with a disk in memory
 * and no chain. It asks and bids when the plan says so, and tells of every copy that reaches it.
 */
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '#node/clock'
import { Engine, type Ports } from '#node/engine'
import { createGossip, defaultGossipLimits, type Gossip } from '#node/gossip'
import { createHost, type Host } from '#node/host'
import { silentLog } from '#node/log'
import type { Metrics } from '#node/metrics'
import { createSigner, type Signer } from '#node/signer'
import type { Store } from '#node/store'
import type { GossipKind } from '#protocol/effects'
import { envelopeBytes } from '#protocol/envelope'
import { Market } from '#protocol/market'
import type { Hex } from '#protocol/schema'
import { topics } from '#protocol/topics'
import { type Plan, thinkMs } from './plan.ts'
import { accountAt, accountKey, domain, FUNDS_WEI, paramsOf, peerSeed, requestOf } from './terms.ts'

/** What a node tells of, with the bytes it is about. */
export type Watch = {
  readonly onPublish: (node: number, kind: GossipKind, data: Uint8Array) => void
  readonly onCopy: (node: number, data: Uint8Array, fromPeerKey: Hex) => void
  /** A message was not accepted, or dropped unread: with the kind of message and why. */
  readonly onRefused: (node: number, why: string) => void
}

/** Nothing answers there: nodes that hear of each other cannot connect past the plan. */
const NOWHERE = '/ip4/127.0.0.1/tcp/1'
/** Connecting all nodes of one machine at once takes its time. ms. */
const CONNECT_MS = 60_000

export class RealNode {
  readonly index: number
  readonly port: number
  readonly #plan: Plan
  readonly #host: Host
  readonly #gossip: Gossip
  readonly #engine: Engine
  readonly #signer: Signer

  private constructor(
    index: number,
    port: number,
    plan: Plan,
    parts: { host: Host; gossip: Gossip; engine: Engine; signer: Signer },
  ) {
    this.index = index
    this.port = port
    this.#plan = plan
    this.#host = parts.host
    this.#gossip = parts.gossip
    this.#engine = parts.engine
    this.#signer = parts.signer
  }

  /** Starts one; it is connected to nobody. */
  static async start(plan: Plan, index: number, watch: Watch): Promise<RealNode> {
    const params = paramsOf(plan.stretch)
    const store = memoryStore()
    const mind: Mind = { thinkMs: 0 }
    const own = createSigner(accountKey(plan.seed, index), domain, store)
    const signer = thoughtful(own, mind)
    const gossip = createGossip({
      topics: topics(domain, params),
      maxBytes: envelopeBytes,
      validate: (kind, data) => engine.validate(kind, data),
      limits: { validationMs: defaultGossipLimits.validationMs * plan.stretch },
      onDropped: (kind, reason) => watch.onRefused(index, `${kind} dropped: ${reason}`),
      onCopy: (_kind, data, from) => watch.onCopy(index, data, from),
      log: silentLog,
    })
    const engine = new Engine({
      ...silentPorts,
      market: marketOf(plan, index, mind),
      store,
      signer,
      metrics: countsRefusals((why) => watch.onRefused(index, why)),
      publish: async (kind, data) => {
        watch.onPublish(index, kind, data)
        await gossip.publish(kind, data)
      },
      onFatal: (error) => watch.onRefused(index, `fatal: ${error}`),
    })
    const port = await freePort()
    const host = await createHost({
      listen: [`/ip4/127.0.0.1/tcp/${port}`],
      announce: [NOWHERE],
      bootstrap: [],
      peerSeed: peerSeed(plan.seed, index),
      gossip: gossip.service,
      limits: {
        wantedPeers: 0,
        inboundPerSecond: 1_000,
        maxPending: 1_000,
        connectMs: CONNECT_MS,
      },
      log: silentLog,
    })
    return new RealNode(index, port, plan, { host, gossip, engine, signer })
  }

  get peerKey(): Hex {
    return this.#host.peerKey
  }

  /** Its name in multiaddrs. */
  get peerId(): string {
    return this.#host.addresses()[0]!.split('/p2p/')[1]!
  }

  get peers(): readonly Hex[] {
    return this.#host.peers()
  }

  meshSize(kind: GossipKind): number {
    return this.#gossip.meshSize(kind)
  }

  /** Dials a peer at a port of this machine. */
  async dial(port: number, peerId: string): Promise<void> {
    await this.#host.connect(`/ip4/127.0.0.1/tcp/${port}/p2p/${peerId}`)
  }

  /** Asks for a proof: everybody who hears it and is a bidder of the round will bid. */
  async ask(round: number): Promise<void> {
    const request = requestOf(this.#plan.seed, round, this.index, Date.now())
    const verdict = await this.#engine.say(this.#signer.sign('ProofRequest', request))
    if (verdict !== 'accept') throw new Error(`own request: ${JSON.stringify(verdict)}`)
  }

  async stop(): Promise<void> {
    await this.#engine.stop()
    await this.#host.stop()
  }
}

/** How long this node thinks about the request it heard last. Real ms. */
type Mind = { thinkMs: number }

/** A signer that thinks before it bids. */
const thoughtful = (signer: Signer, mind: Mind): Signer => ({
  ...signer,
  bid: async (...terms) => {
    await sleep(mind.thinkMs)
    return signer.bid(...terms)
  },
})

/** A market that knows everybody's money, and bids in the rounds the plan gives it. */
function marketOf(plan: Plan, index: number, mind: Mind): Market {
  const market = new Market({
    self: accountAt(plan.seed, index),
    params: paramsOf(plan.stretch),
    prover: {
      quote: ({ request }) => {
        const ms = thinkMs(plan, Number(request.nonce), index)
        if (ms === null) return null
        mind.thinkMs = ms
        return { priceWei: request.reserveWei / 2n, readyAt: request.softDueAt }
      },
      accepts: () => false,
    },
  })
  for (let node = 0; node < plan.places.length; node++) {
    const funds = { bondWei: FUNDS_WEI, stakeWei: FUNDS_WEI, escrowWei: FUNDS_WEI }
    const event = { kind: 'account', account: accountAt(plan.seed, node), ...funds } as const
    market.handle({ kind: 'chain', event }, Date.now())
  }
  return market
}

const nothing = (): void => undefined

/** No auction ends, so neither chain nor streams are ever asked. */
const silentPorts: Pick<Ports, 'clock' | 'log' | 'chain' | 'counter' | 'prover' | 'onEvent'> = {
  clock: systemClock,
  log: silentLog,
  chain: {
    settle: nothing,
    commit: nothing,
    claim: nothing,
    slash: nothing,
    report: nothing,
    reportMisaward: nothing,
  },
  counter: { turn: nothing, dismiss: nothing, answer: nothing },
  prover: null,
  onEvent: nothing,
}

const countsRefusals = (onRefused: (why: string) => void): Metrics => ({
  countMessage: (kind, verdict, code) => {
    if (verdict !== 'accept') onRefused(`${kind} ${verdict}: ${code}`)
  },
  countAuction: nothing,
  countJob: nothing,
  countDropped: nothing,
  countStream: nothing,
  observeValidation: nothing,
  setGossipPeers: nothing,
  setQueueLength: nothing,
  setClockOffset: nothing,
  render: async () => '',
  contentType: '',
  stop: nothing,
})

/** Nothing here has to outlive the process. */
function memoryStore(): Store {
  const values = new Map<string, Uint8Array>()
  return {
    get: async (key) => values.get(key) ?? null,
    put: async (key, value) => void values.set(key, value),
    del: async (key) => void values.delete(key),
    batch: async (writes) => {
      for (const write of writes) {
        if (write.kind === 'put') values.set(write.key, write.value)
        else values.delete(write.key)
      }
    },
    entries: async function* (prefix) {
      for (const [key, value] of values) if (key.startsWith(prefix)) yield { key, value }
    },
    putJson: async () => undefined,
    getJson: async () => null,
    close: async () => undefined,
  }
}

/** A port nobody listens at: the host does not tell which one it took when it announces another. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = address && typeof address === 'object' ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}
