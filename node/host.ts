/**
 * Who we are connected to: home of libp2p. Peers are named by the raw Ed25519 key of their peer id,
 * as in `ProofRequest.builderPeer`; libp2p's own types leave this file only as streams.
 */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { bootstrap } from '@libp2p/bootstrap'
import { generateKeyPairFromSeed, publicKeyFromRaw } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p, PeerId, Stream } from '@libp2p/interface'
import { kadDHT, passthroughMapper, removePrivateAddressesMapper } from '@libp2p/kad-dht'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { isPrivate, messageStreamToDuplex } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { Hex } from '#protocol/schema'
import { Keeper } from './keeper.ts'
import type { Log } from './log.ts'
import {
  type Channel,
  defaultHostLimits,
  type Host,
  HostError,
  type HostLimits,
  type HostOptions,
  listenError,
  type PeerEvent,
  unreachable,
} from './peers.ts'

export type { Channel, Host, HostLimits, HostOptions, HostService, PeerEvent } from './peers.ts'
export { HostError } from './peers.ts'

/**
 * Raw Ed25519 key of a peer id; `null` for the other key types, which have no place in our
 * messages.
 */
export function peerKeyOf(peerId: PeerId): Hex | null {
  if (peerId.type !== 'Ed25519') return null
  return `0x${Buffer.from(peerId.publicKey.raw).toString('hex')}`
}

/** Throws `HostError` on anything but 32 bytes of hex. */
export function peerKeyToPeerId(peerKey: string): PeerId {
  if (!/^0x[0-9a-f]{64}$/.test(peerKey)) {
    throw new HostError('ADDRESS_BAD', `${peerKey} is not a peer key (32 bytes of lower-case hex).`)
  }
  return peerIdFromPublicKey(publicKeyFromRaw(Buffer.from(peerKey.slice(2), 'hex')))
}

/** Our own table of peers: the public one of IPFS knows nobody of ours. */
const DHT_PROTOCOL = '/proofwire/kad/1'
/** A bootstrap peer that restarts is back within this. ms. */
const REDIAL_MIN_MS = 200
const REDIAL_MAX_MS = 5_000
/** A peer that could not be dialled is left alone this long when we look for more peers. ms. */
const SHUN_MS = 30_000
/** A node that just started looks around this often until it knows somebody. ms. */
const FIRST_SEARCH_MS = 200
/** How often a node with too few peers looks for more when nothing else happens. ms. */
const SEEK_MS = 15_000
/** Above any score gossip's own tags give, so that these connections close last. */
const KEPT_TAG = { 'proofwire-kept': { value: 1_000 } }
/** Streams one peer may have open to another: a prover waits for its turn in many jobs at once. */
const MAX_OUTBOUND_STREAMS = 256

/**
 * Starts the node's networking. Throws `HostError`: `ADDRESS_IN_USE`, `ADDRESS_BAD`. Bootstrap
 * peers that are down do not fail it; they are dialled on in the background.
 */
export async function createHost(options: HostOptions): Promise<Host> {
  const limits = { ...defaultHostLimits, ...options.limits }
  const privateKey = await generateKeyPairFromSeed('Ed25519', options.peerSeed)
  const peerKey: Hex = `0x${Buffer.from(privateKey.publicKey.raw).toString('hex')}`
  const listen = options.listen.map((text) => parseAddress(text, 'listen'))
  const announce = (options.announce ?? []).map((text) => parseAddress(text, 'announce'))
  const first = options.bootstrap
    .map((text) => parseAddress(text, 'bootstrap'))
    .filter((address) => peerKeyIn(address, 'bootstrap') !== peerKey)
  // Addresses inside a private network are only dialled by nodes that were told of one: otherwise
  // any peer could make this machine knock at its neighbours' doors.
  const isLocal = [...listen, ...announce, ...first].some(isPrivateAddress)

  const libp2p = await createLibp2p({
    privateKey,
    start: false,
    nodeInfo: { name: 'proofwire', version: '1' },
    addresses: { listen: listen.map(String), announce: announce.map(String) },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    // A prover may open many streams at once right after it connects.
    streamMuxers: [yamux({ maxEarlyStreams: MAX_OUTBOUND_STREAMS })],
    ...(first.length > 0
      ? { peerDiscovery: [bootstrap({ list: first.map(String), timeout: 0, tagTTL: Infinity })] }
      : {}),
    connectionManager: {
      maxConnections: limits.maxConnections,
      inboundConnectionThreshold: limits.inboundPerSecond,
      maxIncomingPendingConnections: limits.maxPending,
      reconnectRetries: 0,
    },
    connectionGater: {
      denyInboundEncryptedConnection: (peerId) => peerKeyOf(peerId) === null,
      denyOutboundEncryptedConnection: (peerId) => peerKeyOf(peerId) === null,
      filterMultiaddrForPeer: (_, address) => isLocal || !isPrivateAddress(address),
    },
    services: {
      identify: identify(),
      // By default one at a time: where monitor and DHT ping at once, a healthy peer is dropped.
      ping: ping({ maxInboundStreams: 8, maxOutboundStreams: 8 }),
      dht: kadDHT({
        protocol: DHT_PROTOCOL,
        clientMode: listen.length === 0,
        initialQuerySelfInterval: FIRST_SEARCH_MS,
        peerInfoMapper: isLocal ? passthroughMapper : removePrivateAddressesMapper,
      }),
      ...(options.gossip ? { gossip: options.gossip as (components: unknown) => object } : {}),
    },
  })
  refuseRecords(libp2p.services.dht)
  const host = new RunningHost(libp2p, peerKey, limits, options.log)
  try {
    await libp2p.start()
  } catch (error) {
    await host.stop()
    throw listenError(options.listen, error)
  }
  host.join(first)
  return host
}

/**
 * Our DHT only finds peers. Records and provider lists of strangers would fill memory without
 * bound, so their messages have no handler: libp2p resets the stream.
 */
function refuseRecords(dht: object): void {
  const { rpc } = dht as { rpc?: { handlers?: Record<string, unknown> } }
  if (rpc?.handlers?.FIND_NODE === undefined) throw new Error('kad-dht has changed')
  for (const kind of ['PUT_VALUE', 'GET_VALUE', 'ADD_PROVIDER', 'GET_PROVIDERS']) {
    delete rpc.handlers[kind]
  }
}

class RunningHost implements Host {
  readonly peerKey: Hex
  readonly log: Log
  readonly #libp2p: Libp2p
  readonly #limits: HostLimits
  readonly #keeper: Keeper
  readonly #listeners = new Set<(event: PeerEvent) => void>()
  readonly #stopping = new AbortController()
  readonly #firstAddresses = new Map<Hex, Multiaddr[]>()
  #seeking = false
  readonly #seekTimer: NodeJS.Timeout

  constructor(libp2p: Libp2p, peerKey: Hex, limits: HostLimits, log: Log) {
    this.#libp2p = libp2p
    this.#limits = limits
    this.peerKey = peerKey
    this.log = log
    this.#keeper = new Keeper({
      dial: (key, signal) => this.#connectKey(key, signal),
      isConnected: (key) => libp2p.getConnections(peerKeyToPeerId(key)).length > 0,
      maxKept: limits.maxKept,
      minDelayMs: REDIAL_MIN_MS,
      maxDelayMs: REDIAL_MAX_MS,
      log,
    })
    libp2p.addEventListener('peer:connect', ({ detail }) => this.#tell('connected', detail))
    libp2p.addEventListener('peer:disconnect', ({ detail }) => this.#tell('disconnected', detail))
    libp2p.addEventListener('peer:discovery', () => this.#seek())
    this.#seekTimer = setInterval(() => this.#seek(), SEEK_MS).unref()
  }

  /** Dials the bootstrap peers and stays connected to them for ever. */
  join(first: readonly Multiaddr[]): void {
    for (const address of first) {
      const key = peerKeyIn(address, 'bootstrap')
      this.#firstAddresses.set(key, [...(this.#firstAddresses.get(key) ?? []), address])
    }
    for (const key of this.#firstAddresses.keys()) this.#keep(key, true)
  }

  addresses(): readonly string[] {
    return this.#libp2p.getMultiaddrs().map(String)
  }

  peers(): readonly Hex[] {
    return this.#libp2p.getPeers().flatMap((peerId) => peerKeyOf(peerId) ?? [])
  }

  onPeer(listener: (event: PeerEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  protect(peerKey: Hex): void {
    this.#keep(peerKey, false)
  }

  unprotect(peerKey: Hex): void {
    if (this.#firstAddresses.has(peerKey)) return
    this.#keeper.release(peerKey)
    this.#tag(peerKey, { 'proofwire-kept': undefined })
  }

  #tell(kind: PeerEvent['kind'], peerId: PeerId): void {
    const peerKey = peerKeyOf(peerId)
    if (peerKey === null || this.#stopping.signal.aborted) return
    if (kind === 'disconnected') {
      this.#keeper.onDisconnected(peerKey)
      this.#seek()
    }
    for (const listener of this.#listeners) listener({ kind, peerKey })
  }

  connect(target: string, signal?: AbortSignal): Promise<Hex> {
    if (!target.startsWith('/')) return this.#connectKey(target, signal)
    const address = parseAddress(target, 'connect')
    const limit = this.#limit(signal)
    return this.#libp2p.dial(address, { signal: limit }).then(
      ({ remotePeer }) => peerKeyOf(remotePeer)!,
      (error: unknown) => Promise.reject(unreachable(target, error)),
    )
  }

  async #connectKey(target: string, signal?: AbortSignal): Promise<Hex> {
    const peerKey = target as Hex
    const peerId = peerKeyToPeerId(target)
    if (this.#libp2p.getConnections(peerId).length > 0) return peerKey
    const limit = this.#limit(signal)
    const first = this.#firstAddresses.get(peerKey)
    try {
      if (first !== undefined) {
        await this.#libp2p.dial(first, { signal: limit })
        return peerKey
      }
      // Looked up before dialling, never by the dial itself: the search would wait for that dial in
      // turn.
      const dialled = (await this.#hasAddress(peerId)) && (await this.#isDialled(peerId, limit))
      if (!dialled) {
        await this.#libp2p.peerRouting.findPeer(peerId, { signal: limit })
        await this.#libp2p.dial(peerId, { signal: limit })
      }
    } catch (error) {
      throw unreachable(target, error)
    }
    return peerKey
  }

  async #hasAddress(peerId: PeerId): Promise<boolean> {
    if (!(await this.#libp2p.peerStore.has(peerId))) return false
    return (await this.#libp2p.peerStore.get(peerId)).addresses.length > 0
  }

  /** Whether a known address still is the peer's. */
  #isDialled(peerId: PeerId, signal: AbortSignal): Promise<boolean> {
    return this.#libp2p.dial(peerId, { signal }).then(
      () => true,
      () => false,
    )
  }

  #limit(signal?: AbortSignal): AbortSignal {
    const bounds = [AbortSignal.timeout(this.#limits.connectMs), this.#stopping.signal]
    return AbortSignal.any(signal === undefined ? bounds : [...bounds, signal])
  }

  #keep(peerKey: Hex, forever: boolean): void {
    this.#tag(peerKey, KEPT_TAG)
    for (const leaving of this.#keeper.keep(peerKey, { forever })) this.unprotect(leaving)
  }

  #tag(peerKey: Hex, tags: Record<string, { value: number } | undefined>): void {
    this.#libp2p.peerStore
      .merge(peerKeyToPeerId(peerKey), { tags })
      .catch((error: unknown) => this.log.debug('peer not tagged', { peerKey, error }))
  }

  /** Dials peers it has heard of while it has too few. One search at a time. */
  #seek(): void {
    if (this.#seeking || this.#missing() <= 0) return
    this.#seeking = true
    this.#dialKnown()
      .catch((error: unknown) => this.log.debug('looking for peers failed', { error }))
      .finally(() => {
        this.#seeking = false
      })
  }

  #missing(): number {
    if (this.#stopping.signal.aborted) return 0
    return this.#limits.wantedPeers - this.#libp2p.getPeers().length
  }

  async #dialKnown(): Promise<void> {
    const isRecent = (metadata: Map<string, Uint8Array>): boolean => {
      const failedAt = metadata.get('last-dial-failure')
      return failedAt !== undefined && Date.now() - Number(Buffer.from(failedAt)) < SHUN_MS
    }
    const connected = new Set(this.#libp2p.getPeers().map(String))
    const known = await this.#libp2p.peerStore.all()
    const candidates = known
      .filter(({ id, addresses, metadata }) => {
        const isNew = !connected.has(`${id}`) && !id.equals(this.#libp2p.peerId)
        return isNew && addresses.length > 0 && !isRecent(metadata)
      })
      .map((peer) => ({ peer, rank: Math.random() }))
      .sort((a, b) => a.rank - b.rank)
    const chosen = candidates.slice(0, Math.max(0, this.#missing()))
    const signal = this.#limit()
    await Promise.allSettled(chosen.map(({ peer }) => this.#libp2p.dial(peer.id, { signal })))
  }

  async open(peerKey: Hex, protocol: string, signal: AbortSignal): Promise<Channel> {
    await this.#connectKey(peerKey, signal)
    const options = { signal, maxOutboundStreams: MAX_OUTBOUND_STREAMS }
    return channelOf(await this.#libp2p.dialProtocol(peerKeyToPeerId(peerKey), protocol, options))
  }

  async disconnect(peerKey: Hex): Promise<void> {
    const peerId = peerKeyToPeerId(peerKey)
    // As one that could not be dialled: else the search for peers would bring it back at once.
    const metadata = { 'last-dial-failure': Buffer.from(`${Date.now()}`) }
    await this.#libp2p.peerStore.merge(peerId, { metadata })
    await this.#libp2p.hangUp(peerId)
  }

  async handle(
    protocol: string,
    maxStreams: number,
    handler: (channel: Channel, peerKey: Hex) => void,
  ): Promise<() => Promise<void>> {
    await this.#libp2p.handle(
      protocol,
      (stream, connection) => handler(channelOf(stream), peerKeyOf(connection.remotePeer)!),
      { maxInboundStreams: maxStreams },
    )
    return () => this.#libp2p.unhandle(protocol)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    clearInterval(this.#seekTimer)
    this.#keeper.stop()
    await this.#libp2p.stop()
  }
}

function channelOf(stream: Stream): Channel {
  const closing = new AbortController()
  stream.addEventListener('close', () => closing.abort(), { once: true })
  const { source, sink } = messageStreamToDuplex(stream)
  return {
    source: inOnePiece(source),
    sink,
    closed: closing.signal,
    abort: (error) => stream.abort(error),
  }
}

async function* inOnePiece(source: AsyncIterable<{ subarray: () => Uint8Array }>) {
  for await (const chunk of source) yield chunk.subarray()
}

function parseAddress(text: string, key: string): Multiaddr {
  try {
    return multiaddr(text)
  } catch (cause) {
    const example = '/ip4/203.0.113.7/tcp/4001'
    const what = `${JSON.stringify(text)} in ${key} is not a multiaddr`
    throw new HostError('ADDRESS_BAD', `${what}. Write it like ${example}.`, { cause })
  }
}

/** The peer a multiaddr ends in; throws `HostError`. For `createGossip`'s `trusted`. */
export const peerKeyOfAddress = (text: string): Hex =>
  peerKeyIn(parseAddress(text, 'bootstrap'), 'bootstrap')

function peerKeyIn(address: Multiaddr, key: string): Hex {
  const peer = address.getComponents().findLast(({ name }) => name === 'p2p')?.value
  const peerKey = peer === undefined ? null : peerKeyOf(peerIdFromString(peer))
  if (peerKey !== null) return peerKey
  const advice = 'Add /p2p/<peer id>, as the other node prints it at its start'
  throw new HostError('ADDRESS_BAD', `${address} in ${key} does not name its peer. ${advice}.`)
}

/** An IP of a private network or of this machine; not a name, nor "all interfaces". */
function isPrivateAddress(address: Multiaddr): boolean {
  const ip = address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')?.value
  if (ip === undefined || ip === '0.0.0.0' || ip === '::') return false
  try {
    return isPrivate(address)
  } catch {
    // A stranger's address that cannot be understood is not one to dial.
    return true
  }
}
