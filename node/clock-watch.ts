/**
 * How far the peers' clocks are from ours. Messages carry absolute ms, so a node whose clock is off
 * loses auctions or accepts what it cannot deliver; it shows the difference and trades only while
 * it is small.
 */
import type { Hex } from '#protocol/schema'
import type { Host } from './host.ts'
import type { Log } from './log.ts'
import { ask, serve } from './streams.ts'

export type ClockWatch = {
  /**
   * Median of (peers' clocks − ours) in ms and how many peers it rests on; `null` before the first.
   */
  readonly offset: () => { readonly offsetMs: number; readonly peers: number } | null
  readonly stop: () => Promise<void>
}

export type ClockWatchOptions = {
  readonly host: Host
  /** Stream protocol id. */
  readonly protocol: string
  readonly now: () => number
  readonly log: Log
  /** How often all peers are asked anew. Default: a minute. ms. */
  readonly againMs?: number
  readonly onSample?: (peerKey: Hex, offsetMs: number) => void
}

type Sample = { readonly offsetMs: number; readonly roundTripMs: number }

/** A slower answer says too little: the offset is uncertain by half the round trip. ms. */
const MAX_ROUND_TRIP_MS = 400
/** The quickest answer of so many is the one least delayed on one of its two ways. */
const TRIES = 3
/** A peer that does not answer by then is left out. ms. */
const ASK_LIMIT_MS = 2_000
/** Clocks drift by some ms in this, and a peer that could not answer gets another chance. ms. */
const AGAIN_MS = 60_000
/** Most peers remembered: a median needs no more, and strangers must not fill memory. */
const MAX_SAMPLES = 64

/**
 * Asks every peer for its time when it connects and now and then, and answers the same question.
 * The median stands against a minority of liars; a peer's sample leaves with the peer.
 */
export async function watchClock(options: ClockWatchOptions): Promise<ClockWatch> {
  const { host, protocol, now } = options
  const samples = new Map<Hex, number>()
  const stopServing = await serve(
    host,
    protocol,
    { maxRequestBytes: 0, maxConcurrent: 64, maxConcurrentPerPeer: 2, timeLimitMs: ASK_LIMIT_MS },
    async () => {
      const answer = Buffer.alloc(8)
      answer.writeBigUInt64BE(BigInt(now()))
      return answer
    },
  )
  const askOnce = async (peerKey: Hex): Promise<Sample> => {
    const sentAt = now()
    const limits = { maxResponseBytes: 8, timeLimitMs: ASK_LIMIT_MS }
    const answer = await ask(host, peerKey, protocol, new Uint8Array(0), limits)
    const roundTripMs = now() - sentAt
    const theirs = answer.length === 8 ? Number(Buffer.from(answer).readBigUInt64BE()) : Number.NaN
    return { offsetMs: Math.round(theirs - sentAt - roundTripMs / 2), roundTripMs }
  }
  const sample = async (peerKey: Hex): Promise<void> => {
    const tries: Sample[] = []
    while (tries.length < TRIES) tries.push(await askOnce(peerKey))
    const { offsetMs, roundTripMs } = tries.sort((x, y) => x.roundTripMs - y.roundTripMs)[0]!
    if (Number.isNaN(offsetMs) || roundTripMs < 0 || roundTripMs > MAX_ROUND_TRIP_MS) return
    const isKnown = samples.has(peerKey)
    if ((samples.size >= MAX_SAMPLES && !isKnown) || !host.peers().includes(peerKey)) return
    samples.set(peerKey, offsetMs)
    options.onSample?.(peerKey, offsetMs)
  }
  const look = (peerKey: Hex): void => {
    sample(peerKey).catch((error: unknown) =>
      options.log.debug('peer did not tell its time', { peerKey, error }),
    )
  }
  const lookAround = (): void => {
    for (const peerKey of host.peers().slice(0, MAX_SAMPLES)) look(peerKey)
  }
  const stopListening = host.onPeer(({ kind, peerKey }) => {
    if (kind === 'disconnected') samples.delete(peerKey)
    else look(peerKey)
  })
  const timer = setInterval(lookAround, options.againMs ?? AGAIN_MS).unref()
  lookAround()
  return {
    offset: () => {
      if (samples.size === 0) return null
      const sorted = [...samples.values()].sort((a, b) => a - b)
      return { offsetMs: sorted[Math.floor((sorted.length - 1) / 2)]!, peers: sorted.length }
    },
    stop: async () => {
      stopListening()
      clearInterval(timer)
      await stopServing()
    },
  }
}
