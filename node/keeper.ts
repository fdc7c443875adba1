/**
 * Keeps the connections that matter: bootstrap peers for ever, builders we bid for as long as they
 * are wanted. A peer that is down is dialled again by a timer, ever later up to a cap, and at once
 * begins anew when a connection that stood is lost.
 */
import type { Hex } from '#protocol/schema'
import type { Log } from './log.ts'

export type KeeperOptions = {
  /**
   * Resolves once connected; rejects when the peer cannot be reached. Bounded in time by itself.
   */
  readonly dial: (peerKey: Hex, signal: AbortSignal) => Promise<unknown>
  readonly isConnected: (peerKey: Hex) => boolean
  /** Most peers kept besides those kept for ever; the longest kept leaves first. */
  readonly maxKept: number
  /** First pause before dialling again, and the longest; each doubles the last. ms. */
  readonly minDelayMs: number
  readonly maxDelayMs: number
  readonly log: Log
}

type Kept = {
  readonly forever: boolean
  failures: number
  timer: NodeJS.Timeout | null
  busy: boolean
}

export class Keeper {
  readonly #options: KeeperOptions
  readonly #kept = new Map<Hex, Kept>()
  readonly #stopping = new AbortController()

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  /**
   * Connects and stays connected until `release`. Returns the peers that had to leave for it, which
   * is none for a peer kept `forever` (a bootstrap peer).
   */
  keep(peerKey: Hex, options: { readonly forever: boolean }): readonly Hex[] {
    if (this.#kept.has(peerKey) || this.#stopping.signal.aborted) return []
    this.#kept.set(peerKey, { forever: options.forever, failures: 0, timer: null, busy: false })
    this.#dial(peerKey)
    const mortal = [...this.#kept].filter(([, kept]) => !kept.forever).map(([key]) => key)
    const leaving = mortal.slice(0, Math.max(0, mortal.length - this.#options.maxKept))
    for (const key of leaving) this.release(key)
    return leaving
  }

  /** No longer dials the peer; a standing connection stays as it is. */
  release(peerKey: Hex): void {
    const kept = this.#kept.get(peerKey)
    if (kept?.timer) clearTimeout(kept.timer)
    this.#kept.delete(peerKey)
  }

  /** The host tells of every peer whose last connection ended. */
  onDisconnected(peerKey: Hex): void {
    const kept = this.#kept.get(peerKey)
    if (kept === undefined) return
    kept.failures = 0
    this.#later(peerKey, kept)
  }

  stop(): void {
    this.#stopping.abort()
    for (const key of [...this.#kept.keys()]) this.release(key)
  }

  #dial(peerKey: Hex): void {
    const kept = this.#kept.get(peerKey)
    const { dial, isConnected, log } = this.#options
    if (kept === undefined || kept.busy || isConnected(peerKey)) return
    kept.busy = true
    dial(peerKey, this.#stopping.signal).then(
      () => {
        kept.busy = false
        kept.failures = 0
        // It may have gone again before anybody listened.
        if (!isConnected(peerKey)) this.#later(peerKey, kept)
      },
      (error: unknown) => {
        kept.busy = false
        kept.failures += 1
        // Once is news; the rest would fill the log while a peer is down.
        if (kept.failures === 1 && !this.#stopping.signal.aborted) {
          log.info('peer not reached, dialling on in the background', { peerKey, error })
        }
        this.#later(peerKey, kept)
      },
    )
  }

  #later(peerKey: Hex, kept: Kept): void {
    if (this.#kept.get(peerKey) !== kept || kept.timer !== null) return
    const { minDelayMs, maxDelayMs } = this.#options
    const delayMs = Math.min(maxDelayMs, minDelayMs * 2 ** kept.failures)
    // Spread by a quarter, so that a restarted bootstrap is not dialled by everyone at once.
    const spreadMs = delayMs * 0.25 * Math.random()
    kept.timer = setTimeout(() => {
      kept.timer = null
      this.#dial(peerKey)
    }, delayMs + spreadMs)
  }
}
