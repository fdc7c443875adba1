/**
 * What the rest of the node knows of its networking: peers by their keys, streams by protocol.
 * `host.ts` is the one that makes it of libp2p.
 */
import type { Hex } from '#protocol/schema'
import type { Log } from './log.ts'

export type HostLimits = {
  /** Above it the least useful connections close. */
  readonly maxConnections: number
  /** Connections one IP may open in a second; farms and devnets share one. */
  readonly inboundPerSecond: number
  /** Connections still shaking hands: each costs CPU before anything is known of the peer. */
  readonly maxPending: number
  /** Below this many connections, peers heard of are dialled. */
  readonly wantedPeers: number
  /** Builders kept connected at once, besides bootstrap peers. */
  readonly maxKept: number
  /** Longest search for a peer's address and dial. ms. */
  readonly connectMs: number
}

/** Reasons: DESIGN 4.4 and 4.6, FACTS. A mesh of degree 8 needs a few peers more than 8. */
export const defaultHostLimits: HostLimits = {
  maxConnections: 300,
  inboundPerSecond: 30,
  maxPending: 64,
  wantedPeers: 16,
  maxKept: 64,
  connectMs: 5_000,
}

export type HostOptions = {
  /** Multiaddrs to listen at. None: a node behind NAT, which only dials. */
  readonly listen: readonly string[]
  /** Multiaddrs others should dial, when they differ from where we listen. */
  readonly announce?: readonly string[]
  /** Multiaddrs of first peers, each ending in `/p2p/<peer id>`. */
  readonly bootstrap: readonly string[]
  /** Ed25519 seed, 32 bytes. */
  readonly peerSeed: Uint8Array
  /** `createGossip(...).service`. */
  readonly gossip?: HostService
  readonly limits?: Partial<HostLimits>
  readonly log: Log
}

/** A libp2p service; what it needs of libp2p is its own file's business. */
export type HostService = (components: never) => object

export type PeerEvent = { readonly kind: 'connected' | 'disconnected'; readonly peerKey: Hex }

/** One stream, both ways. `closed` aborts when it is reset or its connection is lost. */
export type Channel = {
  readonly source: AsyncIterable<Uint8Array>
  readonly sink: (source: AsyncIterable<Uint8Array>) => Promise<void>
  readonly closed: AbortSignal
  readonly abort: (error: Error) => void
}

export type Host = {
  readonly peerKey: Hex
  /** Multiaddrs of this node, each with its peer id. */
  readonly addresses: () => readonly string[]
  readonly peers: () => readonly Hex[]
  /**
   * Connects to a multiaddr or a peer key: by the standing connection, else by known addresses,
   * else by looking the key up in the DHT. Returns the peer's key. Throws `HostError` `UNREACHABLE`
   * within `connectMs`.
   */
  readonly connect: (target: string, signal?: AbortSignal) => Promise<Hex>
  /** Tells of each peer's first connection and of the end of its last. Returns the cancellation. */
  readonly onPeer: (listener: (event: PeerEvent) => void) => () => void
  /**
   * Stay connected to this peer: dialled again whenever it is lost, and not closed to make room.
   */
  readonly protect: (peerKey: Hex) => void
  readonly unprotect: (peerKey: Hex) => void
  /**
   * Closes every connection to this peer, and looks for others first. Kept peers are dialled again,
   * and it may come back itself.
   */
  readonly disconnect: (peerKey: Hex) => Promise<void>
  /** Opens a stream, connecting first where needed. Throws `HostError` or libp2p's own errors. */
  readonly open: (peerKey: Hex, protocol: string, signal: AbortSignal) => Promise<Channel>
  /**
   * Takes streams of a protocol; above `maxStreams` of one peer they are reset. Returns the end of
   * it.
   */
  readonly handle: (
    protocol: string,
    maxStreams: number,
    handler: (channel: Channel, peerKey: Hex) => void,
  ) => Promise<() => Promise<void>>
  readonly log: Log
  readonly stop: () => Promise<void>
}

export type HostErrorCode = 'ADDRESS_IN_USE' | 'ADDRESS_BAD' | 'UNREACHABLE'

export class HostError extends Error {
  readonly code: HostErrorCode
  constructor(code: HostErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'HostError'
    this.code = code
  }
}

/** Why listening failed, and what to do about it. */
export function listenError(listen: readonly string[], cause: unknown): HostError {
  const text = cause instanceof Error ? cause.message : String(cause)
  const where = listen.join(', ')
  if (text.includes('EADDRINUSE')) {
    const advice = 'Stop the other program, or set listen to another port (0 takes a free one)'
    return new HostError('ADDRESS_IN_USE', `The port of ${where} is in use. ${advice}.`, { cause })
  }
  const advice = 'Check that listen names an address of this machine and a port you may open'
  return new HostError('ADDRESS_BAD', `Cannot listen at ${where}: ${text}. ${advice}.`, { cause })
}

/** No address of the peer answered in time. */
export const unreachable = (target: string, cause: unknown): HostError =>
  new HostError('UNREACHABLE', `Peer ${target} cannot be reached`, { cause })
