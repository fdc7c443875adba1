/** Whom a key file is asked of: what each peer was worth so far, and who is not asked any more. */
import type { Hex } from '#protocol/schema'
import type { Log } from './log.ts'
import type { Host } from './peers.ts'
import type { StreamError } from './streams.ts'

/** A piece's index, or the piece list. */
export type What = 'list' | number

export type Source = {
  readonly peerKey: Hex
  /** What it is asked for now, and since when. */
  readonly asked: Map<What, number>
  /** Answers that were of no use since the last that was. */
  failures: number
  restsUntil: number
  /** Pieces it gave. */
  given: number
}

export type RestLimits = {
  /** First rest of a peer that was of no use; doubled up to the longest. ms. */
  readonly restMs: number
  readonly longestRestMs: number
}

/** Questions under way to one peer that gave something. */
const MAX_ASKED_OF_ONE = 2
/** Refusals that pass soon: no reason to rest for long. */
const passing = new Set(['BUSY', 'STOPPING', 'EXPIRED', 'INTERNAL'])
/** Longest rest of a busy peer, in first rests. */
const LONGEST_BUSY = 20
const MAX_DOUBLINGS = 16

/** Monotonic ms. */
const now = (): number => performance.now()

export type SourcesPorts = {
  readonly host: Pick<Host, 'peers' | 'disconnect'>
  readonly log: Log
  readonly limits: RestLimits
  /** Who sent garbage before. Grows. */
  readonly dropped: Set<Hex>
}

export class Sources {
  readonly #ports: SourcesPorts
  readonly #all = new Map<Hex, Source>()

  constructor(ports: SourcesPorts) {
    this.#ports = ports
  }

  /** Peers that are connected and were not dropped. */
  connected(): Source[] {
    const { host, dropped } = this.#ports
    const here = new Set(host.peers().filter((peerKey) => !dropped.has(peerKey)))
    // Who left is forgotten, so that passers-by do not fill memory; its failures with it.
    for (const { peerKey, asked } of this.#all.values()) {
      if (!here.has(peerKey) && asked.size === 0) this.#all.delete(peerKey)
    }
    return [...here].map((peerKey) => {
      const fresh: Source = { peerKey, asked: new Map(), failures: 0, restsUntil: 0, given: 0 }
      const source = this.#all.get(peerKey) ?? fresh
      this.#all.set(peerKey, source)
      return source
    })
  }

  /**
   * Those that may be asked now, the best first. A stranger gets one question, so that many silent
   * ones cannot take all places.
   */
  free(): Source[] {
    const rank = ({ failures, given, asked }: Source): number =>
      4 * failures + 2 * asked.size - Math.min(1, given)
    return this.connected()
      .filter(({ asked, given, restsUntil }) => {
        return restsUntil <= now() && asked.size < (given > 0 ? MAX_ASKED_OF_ONE : 1)
      })
      .sort((a, b) => rank(a) - rank(b))
  }

  /** ms until the next rest ends; `Infinity` when nobody rests. */
  get nextMs(): number {
    const rests = this.connected().map(({ restsUntil }) => restsUntil - now())
    return Math.min(Infinity, ...rests.filter((ms) => ms > 0))
  }

  /** How many are asked for each thing, and since when the last of them. */
  asked(): Map<What, { readonly count: number; readonly since: number }> {
    const asked = new Map<What, { readonly count: number; readonly since: number }>()
    for (const source of this.#all.values()) {
      for (const [what, at] of source.asked) {
        const before = asked.get(what) ?? { count: 0, since: 0 }
        asked.set(what, { count: before.count + 1, since: Math.max(before.since, at) })
      }
    }
    return asked
  }

  /** Questions under way. */
  get askedCount(): number {
    return [...this.#all.values()].reduce((sum, { asked }) => sum + asked.size, 0)
  }

  /** A peer answered nothing of use: garbage ends it, anything else an honest one may do. */
  failed(source: Source, error: StreamError): void {
    const { limits, log } = this.#ports
    if (error.code === 'TOO_LARGE' || error.code === 'MALFORMED') {
      this.drop(source, error.message)
      return
    }
    const isBusy = error.code === 'BUSY' || passing.has(error.reason ?? '')
    const longest = isBusy ? LONGEST_BUSY * limits.restMs : limits.longestRestMs
    const restMs = Math.min(longest, limits.restMs * 2 ** Math.min(source.failures, MAX_DOUBLINGS))
    // Silence costs the most: the place it takes is lost to others for the whole time.
    source.restsUntil = now() + (error.code === 'EXPIRED' ? limits.longestRestMs : restMs)
    source.failures += 1
    const { peerKey } = source
    log.debug('a peer gives nothing of a key file', { peerKey, error: error.message })
  }

  /** Garbage: it is disconnected, and not asked for this or any other file any more. */
  drop({ peerKey }: Source, why: string): void {
    const { host, dropped, log } = this.#ports
    if (dropped.has(peerKey)) return
    dropped.add(peerKey)
    log.warn('a peer sends garbage for a key file and is dropped', { peerKey, why })
    host
      .disconnect(peerKey)
      .catch((error: unknown) => log.debug('cannot disconnect a peer', { peerKey, error }))
  }
}
