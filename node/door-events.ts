/**
 * Server-sent events: everything the market and the wanted proofs announce, as one JSON object an
 * event. Nobody is waited for: a listener that reads too slowly is told so and cut off.
 */
import type { ServerResponse } from 'node:http'
import { toJson } from './door-rpc.ts'

export type EventLimits = {
  /** Listeners at once; each costs one write an event. */
  readonly maxListeners: number
  /**
   * What a listener may leave unread, besides what the system buffers. A busy auction's events: 200
   * KiB. Bytes.
   */
  readonly maxUnreadBytes: number
}
export const defaultEventLimits: EventLimits = { maxListeners: 16, maxUnreadBytes: 1_048_576 }

/** Keeps connections through proxies that close idle ones, and finds out who has gone. ms. */
const HEARTBEAT_MS = 15_000
/** How long a listener that was cut off has to read that it was. ms. */
const FAREWELL_MS = 5_000
/** How soon a listener that lost its connection comes back. ms. */
const RECONNECT_MS = 1_000

export class EventStream {
  readonly #limits: EventLimits
  readonly #now: () => number
  readonly #listeners = new Set<ServerResponse>()
  readonly #heartbeat: NodeJS.Timeout
  #lastId = 0

  /** @param now ms since the Unix epoch. */
  constructor(limits: EventLimits, now: () => number) {
    this.#limits = limits
    this.#now = now
    this.#heartbeat = setInterval(() => this.#send(': still here\n\n'), HEARTBEAT_MS)
    this.#heartbeat.unref()
  }

  /** Takes a listener; `false` when there are too many. */
  add(response: ServerResponse): boolean {
    if (this.#listeners.size >= this.#limits.maxListeners) return false
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // The connection ends with the stream: nothing else is asked on it.
      connection: 'close',
      'x-content-type-options': 'nosniff',
    })
    response.write(`retry: ${RECONNECT_MS}\n\n`)
    this.#listeners.add(response)
    response.on('close', () => this.#listeners.delete(response))
    return true
  }

  get listeners(): number {
    return this.#listeners.size
  }

  /** Tells all listeners. `id` counts up while the node runs; `ms` is since the Unix epoch. */
  publish(event: { readonly kind: string }): void {
    const id = ++this.#lastId
    if (this.#listeners.size === 0) return
    this.#send(frame(id, { id, ms: this.#now(), ...event }))
  }

  stop(): void {
    clearInterval(this.#heartbeat)
    const id = ++this.#lastId
    const farewell = frame(id, { id, ms: this.#now(), kind: 'stopping' })
    for (const response of this.#listeners) response.end(farewell)
    this.#listeners.clear()
  }

  #send(text: string): void {
    for (const response of this.#listeners) {
      if (response.writableLength > this.#limits.maxUnreadBytes) this.#cutOff(response)
      else response.write(text)
    }
  }

  #cutOff(response: ServerResponse): void {
    this.#listeners.delete(response)
    const reason = `more than ${this.#limits.maxUnreadBytes} bytes were left unread; connect again`
    // No id: what this listener missed it must ask for.
    response.end(`data: ${toJson({ ms: this.#now(), kind: 'cut-off', reason })}\n\n`)
    setTimeout(() => response.destroy(), FAREWELL_MS).unref()
  }
}

const frame = (id: number, event: object): string => `id: ${id}\ndata: ${toJson(event)}\n\n`
