/**
 * Fetches key files from connected peers, in pieces, several at a time from different peers. Each
 * piece is checked when it comes: a peer that sends anything else is disconnected and never asked
 * again. One that is slow, busy or silent rests, longer each time, and its pieces come from others.
 */
import { basename } from 'node:path'
import {
  encodeQuestion,
  isPiece,
  listOfAddress,
  MAX_LIST_BYTES,
  PIECE_BYTES,
  type PieceList,
  pieceLength,
} from '#protocol/key-pieces'
import type { Hex } from '#protocol/schema'
import { KeyFetchError, PartFile } from './key-part.ts'
import { type RestLimits, type Source, Sources, type What } from './key-sources.ts'
import type { Log } from './log.ts'
import type { Host } from './peers.ts'
import { ask, StreamError } from './streams.ts'

export { KeyFetchError, type KeyFetchErrorCode } from './key-part.ts'

/** A key file as its owner names it. */
export type WantedKey = { readonly address: Hex; readonly bytes: number }

export type FetchLimits = RestLimits & {
  /** From a question to the last byte of its answer. A MiB on the slowest link takes 16 s. ms. */
  readonly answerMs: number
  /** A piece that has taken longer is asked of another peer too, and so on. ms. */
  readonly slowMs: number
  /** How often it says how far it is. ms. */
  readonly progressMs: number
  /** How often it says that nobody has the file. ms. */
  readonly nobodyMs: number
}

export const defaultFetchLimits: FetchLimits = {
  answerMs: 45_000,
  slowMs: 5_000,
  restMs: 250,
  longestRestMs: 60_000,
  progressMs: 2_000,
  nobodyMs: 30_000,
}

export type KeyFetcherOptions = {
  readonly host: Host
  /** Stream protocol id. */
  readonly protocol: string
  readonly log: Log
  readonly limits?: Partial<FetchLimits>
}

export type FetchOptions = {
  readonly signal: AbortSignal
  /** How long nobody may give anything before it is an error. Without it: for ever. ms. */
  readonly idleLimitMs?: number
}

export type KeyFetcher = {
  /**
   * Resolves when the file is there under its path, whole and checked.
   * @throws KeyFetchError; the signal's reason when it aborts. What was fetched stays.
   */
  readonly fetch: (key: WantedKey, path: string, options: FetchOptions) => Promise<void>
}

/** Questions under way, so pieces in memory. */
const MAX_ASKED = 8
/** Piece lists asked for at once: any good one is enough. */
const MAX_LISTS_ASKED = 3

/** A peer that sent garbage for one file is not asked for the next. */
export function createKeyFetcher(options: KeyFetcherOptions): KeyFetcher {
  const dropped = new Set<Hex>()
  const limits = { ...defaultFetchLimits, ...options.limits }
  return {
    fetch: (key, path, how) => new Fetch({ ...options, ...how, limits, dropped, key, path }).run(),
  }
}

type Ports = KeyFetcherOptions &
  FetchOptions & {
    readonly limits: FetchLimits
    readonly dropped: Set<Hex>
    readonly key: WantedKey
    readonly path: string
  }

/** Monotonic ms. */
const now = (): number => performance.now()

class Fetch {
  readonly #ports: Ports
  readonly #sources: Sources
  readonly #ending = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #list: PieceList | null = null
  #part: PartFile | null = null
  #failure: unknown = null
  #wake: () => void = () => undefined
  #lastGoodAt = now()
  #saidNobodyAt = now()
  /** How far it was when it last said so, and who gave pieces since. */
  #said = { bytes: 0, at: now() }
  readonly #givers = new Set<Hex>()

  constructor(ports: Ports) {
    this.#ports = ports
    this.#sources = new Sources(ports)
  }

  async run(): Promise<void> {
    const { host, signal, limits, log, key, path } = this.#ports
    const onAbort = (): void => this.#wake()
    const stopListening = host.onPeer(() => this.#wake())
    signal.addEventListener('abort', onAbort)
    const timer = setInterval(() => {
      this.#sayProgress()
      this.#wake()
    }, limits.progressMs)
    try {
      while (this.#part?.missing.size !== 0) {
        if (this.#failure) throw this.#failure
        signal.throwIfAborted()
        this.#checkIdle()
        this.#askAll()
        await this.#event()
      }
      await this.#end()
      await this.#part.finish(key.address)
      log.info('key file fetched', { file: path, bytes: key.bytes })
    } finally {
      clearInterval(timer)
      stopListening()
      signal.removeEventListener('abort', onAbort)
      await this.#end()
      await this.#part?.close()
    }
  }

  /** Asks nothing more; resolves when no answer can come any more. */
  async #end(): Promise<void> {
    this.#ending.abort()
    await Promise.allSettled(this.#running)
  }

  /** Resolves when there is something new: an answer, a peer, the end of a rest. */
  #event(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { progressMs } = this.#ports.limits
    const timer = setTimeout(resolve, Math.max(1, Math.min(this.#sources.nextMs, progressMs)))
    this.#wake = resolve
    return promise.finally(() => clearTimeout(timer))
  }

  /** Gives every peer that may be asked something to do. */
  #askAll(): void {
    while (this.#sources.askedCount < MAX_ASKED) {
      const asked = this.#sources.asked()
      const source = this.#sources.free().find((each) => this.#nextFor(each, asked) !== null)
      if (source === undefined) return
      const asking = this.#ask(source, this.#nextFor(source, asked)!).catch((error: unknown) => {
        this.#failure ??= error
      })
      this.#running.add(asking)
      asking.finally(() => {
        this.#running.delete(asking)
        this.#wake()
      })
    }
  }

  #nextFor(source: Source, asked: ReturnType<Sources['asked']>): What | null {
    if (this.#list === null) {
      return (asked.get('list')?.count ?? 0) < MAX_LISTS_ASKED ? 'list' : null
    }
    let late: number | null = null
    for (const index of this.#part?.missing ?? []) {
      const by = asked.get(index)
      if (by === undefined) return index
      const isLate = now() - by.since > this.#ports.limits.slowMs
      if (late === null && isLate && !source.asked.has(index)) late = index
    }
    return late
  }

  async #ask(source: Source, what: What): Promise<void> {
    const { host, protocol, key, limits } = this.#ports
    source.asked.set(what, now())
    try {
      const maxResponseBytes = what === 'list' ? MAX_LIST_BYTES : pieceLength(this.#list!, what)
      const question = encodeQuestion({ address: key.address, what })
      const limit = { timeLimitMs: limits.answerMs, signal: this.#ending.signal }
      const how = { maxResponseBytes, ...limit }
      const answer = await ask(host, source.peerKey, protocol, question, how)
      if (what === 'list') await this.#takeList(source, answer)
      else await this.#takePiece(source, what, answer)
    } catch (error) {
      if (!(error instanceof StreamError)) throw error
      if (!this.#ending.signal.aborted) this.#sources.failed(source, error)
    } finally {
      source.asked.delete(what)
    }
  }

  async #takeList(source: Source, answer: Uint8Array): Promise<void> {
    const { key, path, log } = this.#ports
    const list = listOfAddress(answer, key.address)
    if (list === null) {
      this.#sources.drop(source, 'wrong piece list')
      return
    }
    this.#gave(source)
    if (this.#list !== null) return
    if (list.bytes !== key.bytes) {
      const what = `${basename(path)}: the file of address ${key.address}`
      throw new Error(`${what} has ${list.bytes} bytes, and ${key.bytes} are expected`)
    }
    this.#list = list
    const part = await PartFile.open(path, list, this.#ending.signal)
    this.#part = part
    this.#lastGoodAt = now()
    this.#said = { bytes: part.bytes, at: now() }
    const resumed = part.bytes > 0 ? { resumedBytes: part.bytes } : {}
    log.info('fetching a key file', { file: path, bytes: key.bytes, ...resumed })
  }

  async #takePiece(source: Source, index: number, answer: Uint8Array): Promise<void> {
    if (!isPiece(this.#list!, index, answer)) {
      this.#sources.drop(source, 'wrong piece')
      return
    }
    this.#gave(source)
    source.given += 1
    this.#givers.add(source.peerKey)
    // Another may have been quicker.
    if (!this.#part!.missing.has(index)) return
    await this.#part!.write(index, answer)
    const { path, log } = this.#ports
    const { peerKey } = source
    log.debug('a piece of a key file', { file: basename(path), index, peerKey })
  }

  #gave(source: Source): void {
    source.failures = 0
    this.#lastGoodAt = now()
  }

  /** @throws KeyFetchError when nobody gave anything for too long. */
  #checkIdle(): void {
    const { host, limits, idleLimitMs, key, path, dropped, log } = this.#ports
    const idleMs = now() - this.#lastGoodAt
    const seconds = Math.round(idleMs / 1_000)
    if (idleLimitMs !== undefined && idleMs > idleLimitMs) {
      const what = `No peer gave anything of ${basename(path)} (${key.address}) for ${seconds} s`
      throw new KeyFetchError('NOBODY', `${what}; connected: ${host.peers().length}.`)
    }
    if (Math.min(idleMs, now() - this.#saidNobodyAt) < limits.nobodyMs) return
    this.#saidNobodyAt = now()
    const peers = { peers: host.peers().length, dropped: dropped.size }
    log.warn('nobody gives this key file; waiting for a peer that has it', {
      ...{ file: path, address: key.address, seconds, ...peers },
    })
  }

  #sayProgress(): void {
    if (this.#part === null) return
    const { key, path, log } = this.#ports
    const next = { bytes: this.#part.bytes, at: now() }
    const perMs = (next.bytes - this.#said.bytes) / Math.max(1, next.at - this.#said.at)
    log.info('fetching a key file', {
      file: basename(path),
      doneMiB: inMiB(next.bytes),
      ofMiB: inMiB(key.bytes),
      mibPerS: inMiB(perMs * 1_000),
      peers: this.#givers.size,
    })
    this.#said = next
    this.#givers.clear()
  }
}

const inMiB = (bytes: number): number => Math.round((10 * bytes) / PIECE_BYTES) / 10
