/**
 * Questions and answers over libp2p streams: home of it-pipe and it-length-prefixed. One stream
 * carries one request and one response. On the wire both are length-prefixed frames: a head, then
 * the body in frames of 64 KiB, only the last of which may be shorter.
 *
 *   request head:  length of the body, u32 big endian
 *   response head: 0 ‖ length of the body, u32 | 1 ‖ code, ASCII, at most 64 bytes | 2 (busy)
 */
import { decode, encode } from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import type { Hex } from '#protocol/schema'
import type { Channel, Host } from './host.ts'
import { StreamError, type StreamErrorCode, StreamRefusal } from './stream-error.ts'

export type ServeLimits = {
  /** A longer request is refused before any of it is read. Bytes. */
  readonly maxRequestBytes: number
  /** Requests in progress at once, of all peers and of one; above, the answer is `busy`. */
  readonly maxConcurrent: number
  readonly maxConcurrentPerPeer: number
  /** How long the handler may take, from the last byte of the request. ms. */
  readonly timeLimitMs: number
}

/**
 * Answers a request. `signal` aborts when the asker is gone or the time is over; `receivedAt` is
 * when the last byte came, ms since the Unix epoch. Throws `StreamRefusal` to refuse; anything else
 * is a bug.
 */
export type Handler = (
  request: Uint8Array,
  peerKey: Hex,
  signal: AbortSignal,
  receivedAt: number,
) => Promise<Uint8Array>

export type AskLimits = {
  /** Bytes. */
  readonly maxResponseBytes: number
  /** From the call until the last byte of the response, dialling included. ms. */
  readonly timeLimitMs: number
  readonly signal?: AbortSignal
}

export { StreamError, type StreamErrorCode, StreamRefusal } from './stream-error.ts'

const CHUNK_BYTES = 64 * 1024
const MAX_CODE_BYTES = 64
const OK = 0
const REFUSED = 1
const BUSY = 2
/** A head is small and sent at once: a peer that needs longer is stalling. ms. */
const HEAD_LIMIT_MS = 3_000
/**
 * The slowest link served, 64 KiB a second; below it a body takes a place others need. Bytes a ms.
 */
const LEAST_RATE = 64
/**
 * Streams of one peer beyond its places that are told `busy`; libp2p resets the rest unanswered.
 */
const SPARE_STREAMS = 8

/** How long a body of this length may take. ms. */
const bodyLimitMs = (bytes: number): number => HEAD_LIMIT_MS + bytes / LEAST_RATE

/**
 * Serves a protocol. Returns the end of it: no new requests, and those in progress are aborted.
 * Nothing a peer sends throws out of here; a handler's bug is logged and answered `INTERNAL`.
 */
export async function serve(
  host: Host,
  protocol: string,
  limits: ServeLimits,
  handler: Handler,
  onAnswer: (answer: string) => void = () => undefined,
): Promise<() => Promise<void>> {
  const stopping = new AbortController()
  const places = new Places(limits)
  const log = host.log.child({ protocol })
  const onChannel = async (channel: Channel, peerKey: Hex): Promise<void> => {
    const frames = new Frames(channel)
    if (!places.take(peerKey)) {
      onAnswer('busy')
      await respond(channel, frames, Uint8Array.of(BUSY), null)
      return
    }
    let running: Promise<unknown> = Promise.resolve()
    const tracked: Handler = (...request) => {
      const response = handler(...request)
      running = response.catch(() => undefined)
      return response
    }
    try {
      const answer = await answerOf(channel, frames, peerKey, limits, tracked, stopping.signal)
      onAnswer(answer.name)
      if (answer.bug !== undefined)
        log.error('stream handler failed', { peerKey, error: answer.bug })
      await respond(channel, frames, answer.head, answer.body)
    } finally {
      // A peer that asks and leaves keeps its place until the work it caused has ended.
      running.then(() => places.leave(peerKey))
    }
  }
  const stop = await host.handle(
    protocol,
    limits.maxConcurrentPerPeer + SPARE_STREAMS,
    (channel, peerKey) => {
      onChannel(channel, peerKey).catch((error: unknown) => {
        // The peer broke the protocol, stalled or left.
        onAnswer('broken')
        log.debug('stream broken', { peerKey, error })
        channel.abort(asError(error))
      })
    },
  )
  return async () => {
    stopping.abort()
    await stop()
  }
}

type Answer = {
  readonly name: string
  readonly head: Uint8Array
  readonly body: Uint8Array | null
  readonly bug?: unknown
}

async function answerOf(
  channel: Channel,
  frames: Frames,
  peerKey: Hex,
  limits: ServeLimits,
  handler: Handler,
  stopping: AbortSignal,
): Promise<Answer> {
  const request = await readRequest(channel, frames, limits.maxRequestBytes)
  if (request === null) return refusal('TOO_LARGE')
  const receivedAt = Date.now()
  const expiring = AbortSignal.timeout(limits.timeLimitMs)
  const signal = AbortSignal.any([channel.closed, stopping, expiring])
  // Nobody reads on while the handler works, so a peer that sends on would fill memory: it is cut
  // off.
  frames.expectEnd(channel)
  try {
    const response = await orAbort(handler(request, peerKey, signal, receivedAt), signal)
    return { name: 'ok', head: headOf(OK, response.length), body: response }
  } catch (error) {
    if (error instanceof StreamRefusal) return refusal(error.code)
    if (expiring.aborted && !channel.closed.aborted) return refusal('EXPIRED')
    if (signal.aborted) throw error
    return { ...refusal('INTERNAL'), bug: error }
  }
}

async function readRequest(channel: Channel, frames: Frames, maxBytes: number) {
  const head = await within(HEAD_LIMIT_MS, channel, frames.next())
  if (head.length !== 4) throw new StreamError('MALFORMED', 'bad request head')
  const length = new DataView(head.buffer, head.byteOffset).getUint32(0)
  if (length > maxBytes) return null
  return within(bodyLimitMs(length), channel, frames.body(length))
}

async function respond(
  channel: Channel,
  frames: Frames,
  head: Uint8Array,
  body: Uint8Array | null,
) {
  // What is still coming of a request nobody wants is thrown away, for a while.
  const ended = frames.discard()
  const limitMs = bodyLimitMs(body?.length ?? 0)
  await within(limitMs, channel, send(channel, framesOf(head, body)))
  within(HEAD_LIMIT_MS, channel, ended)
}

/**
 * Asks a peer, dialling it where needed. Resolves with the response; throws `StreamError`. When the
 * caller aborts or the time is over, the stream is reset, so that the peer's handler stops too.
 */
export async function ask(
  host: Host,
  peerKey: Hex,
  protocol: string,
  request: Uint8Array,
  limits: AskLimits,
): Promise<Uint8Array> {
  const expiring = AbortSignal.timeout(limits.timeLimitMs)
  const signal = limits.signal ? AbortSignal.any([limits.signal, expiring]) : expiring
  /** What broke matters less than who wanted it to. */
  const explain = (error: unknown, code: StreamErrorCode): StreamError => {
    if (limits.signal?.aborted) return new StreamError('ABORTED', 'asking was aborted', null, error)
    if (expiring.aborted) {
      const message = `peer ${peerKey} did not answer ${protocol} within ${limits.timeLimitMs} ms`
      return new StreamError('EXPIRED', message, null, error)
    }
    if (error instanceof StreamError) return error
    return new StreamError(code, `${protocol} to peer ${peerKey} failed`, null, error)
  }
  let channel: Channel
  try {
    signal.throwIfAborted()
    channel = await host.open(peerKey, protocol, signal)
  } catch (error) {
    throw explain(error, 'UNREACHABLE')
  }
  const reset = (): void => channel.abort(asError(signal.reason))
  signal.addEventListener('abort', reset, { once: true })
  if (signal.aborted) reset()
  try {
    // A peer may refuse before it has read everything: what it says counts, not that sending broke.
    const head = Buffer.alloc(4)
    head.writeUInt32BE(request.length)
    const sending = send(channel, framesOf(head, request))
    sending.catch(() => undefined)
    const frames = new Frames(channel)
    const response = await readResponse(frames, limits.maxResponseBytes)
    within(HEAD_LIMIT_MS, channel, frames.expectEnd(channel))
    return response
  } catch (error) {
    channel.abort(asError(error))
    throw explain(error, 'LOST')
  } finally {
    signal.removeEventListener('abort', reset)
  }
}

async function readResponse(frames: Frames, maxBytes: number): Promise<Uint8Array> {
  const head = await frames.next()
  const status = head[0]
  if (status === BUSY && head.length === 1) throw new StreamError('BUSY', 'the peer is busy')
  if (status === REFUSED && head.length <= 1 + MAX_CODE_BYTES) {
    const code = Buffer.from(head.subarray(1)).toString('latin1')
    // A stranger's words end up in logs and metrics: only what a code looks like.
    const reason = /^[A-Za-z0-9_.-]+$/.test(code) ? code : 'UNREADABLE'
    throw new StreamError('REFUSED', `the peer refused: ${reason}`, reason)
  }
  if (status !== OK || head.length !== 5) throw new StreamError('MALFORMED', 'bad response head')
  const length = new DataView(head.buffer, head.byteOffset).getUint32(1)
  if (length > maxBytes) {
    throw new StreamError('TOO_LARGE', `the response has ${length} bytes, the limit is ${maxBytes}`)
  }
  return frames.body(length)
}

/** Reads a channel frame by frame. */
class Frames {
  readonly #frames: AsyncIterator<{ subarray: () => Uint8Array }>
  #ended: Promise<void> | null = null

  constructor(channel: Channel) {
    const options = { maxDataLength: CHUNK_BYTES }
    this.#frames = pipe(channel.source, (source) => decode(source, options))[Symbol.asyncIterator]()
  }

  async next(): Promise<Uint8Array> {
    const { done, value } = await this.#frames.next()
    if (done) throw new StreamError('LOST', 'the stream ended early')
    return value.subarray()
  }

  /**
   * Memory grows with what came, not with what was announced; no frame is shorter than it could be.
   */
  async body(length: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for (let left = length; left > 0; ) {
      const chunk = await this.next()
      if (chunk.length !== Math.min(left, CHUNK_BYTES)) {
        throw new StreamError('MALFORMED', 'a frame of the body has the wrong length')
      }
      chunks.push(chunk)
      left -= chunk.length
    }
    // A copy of its own, plain: a view would keep the socket's whole buffer alive.
    const body = new Uint8Array(length)
    let at = 0
    for (const chunk of chunks) {
      body.set(chunk, at)
      at += chunk.length
    }
    return body
  }

  /** Resolves when the peer has ended its side; more bytes cut the channel. Never rejects. */
  expectEnd(channel: Channel): Promise<void> {
    this.#ended ??= this.#frames.next().then(
      ({ done }) => {
        if (!done) channel.abort(new StreamError('MALFORMED', 'more bytes than announced'))
      },
      () => undefined,
    )
    return this.#ended
  }

  /**
   * Reads on to the end of the peer's side, or of the channel, and keeps nothing. Never rejects.
   */
  discard(): Promise<void> {
    const readOn = async (): Promise<void> => {
      for (let done: boolean | undefined = false; !done; ) done = (await this.#frames.next()).done
    }
    this.#ended ??= readOn().catch(() => undefined)
    return this.#ended
  }
}

function* framesOf(head: Uint8Array, body: Uint8Array | null): Generator<Uint8Array> {
  yield head
  const length = body?.length ?? 0
  for (let at = 0; at < length; at += CHUNK_BYTES) yield body!.subarray(at, at + CHUNK_BYTES)
}

const send = (channel: Channel, frames: Iterable<Uint8Array>): Promise<void> =>
  pipe(
    frames,
    (source) => encode(source),
    async function* (source) {
      for (const frame of source) yield frame.subarray()
    },
    channel.sink,
  )

function headOf(status: number, length: number): Uint8Array {
  const head = Buffer.alloc(5)
  head.writeUInt8(status)
  head.writeUInt32BE(length, 1)
  return head
}

function refusal(code: string): Answer {
  const text = Buffer.from(code, 'latin1').subarray(0, MAX_CODE_BYTES)
  return { name: code, head: Buffer.concat([Uint8Array.of(REFUSED), text]), body: null }
}

/**
 * The promise's outcome, unless the time is over first: then the channel is cut, which ends the
 * promise too.
 */
async function within<T>(limitMs: number, channel: Channel, promise: Promise<T>): Promise<T> {
  const slow = new StreamError('EXPIRED', `the peer stalled for more than ${limitMs} ms`)
  const timer = setTimeout(() => channel.abort(slow), limitMs)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}

/** The promise's outcome, or a throw as soon as the signal aborts: a handler need not watch it. */
function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(asError(signal.reason))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  return Promise.race([promise, aborted]).finally(() =>
    signal.removeEventListener('abort', onAbort),
  )
}

const asError = (error: unknown): Error =>
  error instanceof Error ? error : new Error(String(error))

/** Counts requests in progress, of all peers and of each. */
class Places {
  readonly #limits: ServeLimits
  readonly #taken = new Map<Hex, number>()
  #all = 0

  constructor(limits: ServeLimits) {
    this.#limits = limits
  }

  take(peerKey: Hex): boolean {
    const ofPeer = this.#taken.get(peerKey) ?? 0
    const { maxConcurrent, maxConcurrentPerPeer } = this.#limits
    if (this.#all >= maxConcurrent || ofPeer >= maxConcurrentPerPeer) return false
    this.#all += 1
    this.#taken.set(peerKey, ofPeer + 1)
    return true
  }

  leave(peerKey: Hex): void {
    const ofPeer = this.#taken.get(peerKey)! - 1
    this.#all -= 1
    if (ofPeer === 0) this.#taken.delete(peerKey)
    else this.#taken.set(peerKey, ofPeer)
  }
}
