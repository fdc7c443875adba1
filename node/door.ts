/**
 * The builder's door: JSON-RPC 2.0 at `POST /`, events at `GET /events`, `GET /metrics` and `GET
 * /health`. On loopback by default, and then for this machine's programs only: a page in a browser
 * cannot get in by another name for the address (Host), from another origin (Origin), or without
 * saying that it sends JSON. Anywhere else, every call but `/health` shows the token.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, BlockList, isIP } from 'node:net'
import type { MarketEvent } from '#protocol/effects'
import { MAX_INPUT_BYTES } from '#protocol/rules'
import { defaultEventLimits, type EventLimits, EventStream } from './door-events.ts'
import { createMethods, MAX_WAIT_MS, type MethodPorts } from './door-methods.ts'
import { answerBody, type Call, errorAnswer, RpcError, rpcCodes, toJson } from './door-rpc.ts'
import type { Metrics } from './metrics.ts'
import type { WantedProofs } from './wanted.ts'

export type DoorLimits = EventLimits & {
  readonly maxConnections: number
  /** Bodies being read at once: each may take `maxBodyBytes` of memory. */
  readonly maxBodies: number
  /** Calls being answered at once, and how many of them may wait for a proof or the chain. */
  readonly maxCalls: number
  readonly maxWaits: number
  readonly maxBodyBytes: number
  /** A request's head and body must have come by then. ms. */
  readonly requestMs: number
}

export const defaultDoorLimits: DoorLimits = {
  ...defaultEventLimits,
  // Every wait and every listener holds one; the rest is for short calls.
  maxConnections: 160,
  maxBodies: 16,
  maxCalls: 32,
  maxWaits: 96,
  // As hexadecimal text the inputs of a bundle, of four times the largest of one request together,
  // and as much as fits beside them.
  maxBodyBytes: 8 * MAX_INPUT_BYTES + 65_536,
  // Eight megabytes over a slow tunnel.
  requestMs: 30_000,
}

export type DoorPorts = MethodPorts & {
  readonly wanted: Pick<WantedProofs, 'subscribe'>
  readonly metrics: Metrics
}

export type DoorOptions = {
  /** Address to listen at; anything but loopback needs a token. */
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** At least 16 characters. `null`: none is asked for. */
  readonly token: string | null
  readonly limits?: Partial<DoorLimits>
}

export type Door = {
  /** Where it is, for people and for clients: `http://127.0.0.1:4780`. */
  readonly url: string
  readonly port: number
  /** Tells the listeners what the market announced. */
  readonly publish: (event: MarketEvent) => void
  /** Ends every connection. */
  readonly close: () => Promise<void>
}

export type DoorErrorCode = 'PORT_IN_USE' | 'ADDRESS' | 'TOKEN_NEEDED' | 'TOKEN_SHORT'

/** The door cannot be opened. The message says what to do. */
export class DoorError extends Error {
  override readonly name = 'DoorError'
  readonly code: DoorErrorCode
  constructor(code: DoorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

const MIN_TOKEN = 16
/** What is left of an answer when the node stops has this long to leave. ms. */
const FAREWELL_MS = 2_000
/**
 * Bodies that are too large are still read to their end, up to so many times the limit: then the
 * answer arrives.
 */
const OVERSIZE = 8
/** Silence on a connection after which it is closed: longer than the longest wait. ms. */
const IDLE_MS = MAX_WAIT_MS + 30_000
/** Methods that wait for something outside of this node. */
const waiting: ReadonlySet<string> = new Set(['proofwire_waitProof', 'proofwire_deposit'])

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')
const isLoopback = (host: string): boolean => {
  const version = isIP(host)
  return version === 0
    ? host === 'localhost'
    : loopback.check(host, version === 4 ? 'ipv4' : 'ipv6')
}

/** Opens the door. @throws DoorError */
export async function openDoor(ports: DoorPorts, options: DoorOptions): Promise<Door> {
  const { host, port, token } = options
  if (!isLoopback(host) && token === null) {
    const what = `The door at ${host} would let anybody spend this account's money`
    throw new DoorError('TOKEN_NEEDED', `${what}. Set doorToken, or doorHost to 127.0.0.1.`)
  }
  if (token !== null && token.length < MIN_TOKEN)
    throw new DoorError('TOKEN_SHORT', `doorToken must have at least ${MIN_TOKEN} characters.`)
  const limits = { ...defaultDoorLimits, ...options.limits }
  const events = new EventStream(limits, ports.clock.now)
  const room = new DoorRoom(ports, { token, isLocal: isLoopback(host), limits, events })
  const server = createServer((request, response) => room.take(request, response))
  server.maxConnections = limits.maxConnections
  server.requestTimeout = limits.requestMs
  server.headersTimeout = limits.requestMs
  server.timeout = IDLE_MS
  await listen(server, host, port)
  const unsubscribe = ports.wanted.subscribe((event) => events.publish(event))
  const bound = (server.address() as AddressInfo).port
  return {
    url: `http://${isIP(host) === 6 ? `[${host}]` : host}:${bound}`,
    port: bound,
    publish: (event) => events.publish(event),
    close: async () => {
      unsubscribe()
      room.close()
      events.stop()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      await room.idle()
      server.closeAllConnections()
      await closed
    },
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(host, port, error)))
    server.listen({ host, port }, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

function listenError(host: string, port: number, cause: NodeJS.ErrnoException): DoorError {
  if (cause.code === 'EADDRINUSE') {
    const advice = 'Stop the program that has it, or set doorPort to another (0 takes any free one)'
    return new DoorError('PORT_IN_USE', `Port ${port} of ${host} is in use. ${advice}.`, { cause })
  }
  const advice = 'Set doorHost to an address of this machine and doorPort to a port you may use'
  const what = `The door cannot open at ${host}:${port} (${cause.code ?? cause.message})`
  return new DoorError('ADDRESS', `${what}. ${advice}.`, { cause })
}

type RoomOptions = {
  readonly token: string | null
  /** Only names of this machine may be asked for. */
  readonly isLocal: boolean
  readonly limits: DoorLimits
  readonly events: EventStream
}

/** Why a request is not taken. */
type Turned = { readonly status: number; readonly code: string; readonly message: string }

/** What happens to each HTTP request. */
class DoorRoom {
  readonly #ports: DoorPorts
  readonly #options: RoomOptions
  readonly #call: Call
  readonly #digest: Buffer | null
  readonly #closing = new AbortController()
  /** Each ends when its answer has left, or its connection has. */
  readonly #answering = new Set<Promise<void>>()
  #bodies = 0
  #calls = 0
  #waits = 0

  constructor(ports: DoorPorts, options: RoomOptions) {
    this.#ports = ports
    this.#options = options
    this.#digest = options.token === null ? null : digestOf(options.token)
    const call = createMethods(ports)
    this.#call = (method, params, signal) =>
      this.#within(method, () => call(method, params, signal))
  }

  /** Never throws; whatever goes wrong ends this request only. */
  take(request: IncomingMessage, response: ServerResponse): void {
    // A peer that resets its connection is no news.
    request.on('error', () => response.destroy())
    response.on('error', () => response.destroy())
    const left = new Promise<void>((resolve) => response.on('close', resolve))
    this.#answering.add(left)
    void left.then(() => this.#answering.delete(left))
    this.#answer(request, response).catch((error: unknown) => {
      this.#ports.log.error('the door failed', { error })
      response.destroy()
    })
  }

  /** Ends every wait. */
  close(): void {
    this.#closing.abort()
  }

  /** Resolves when every answer has left, or those who do not read theirs have had their time. */
  async idle(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FAREWELL_MS)
    })
    await Promise.race([Promise.all(this.#answering), patience])
    clearTimeout(timer)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0]!
    const turned = this.#turnedAway(request, path)
    if (turned) return turnAway(response, turned)
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (path === '/' && request.method === 'POST') return this.#rpc(request, response)
    if (path === '/events' && request.method === 'GET') return this.#listen(response)
    if (path === '/metrics' && isRead) {
      const { metrics } = this.#ports
      return send(response, 200, await metrics.render(), metrics.contentType)
    }
    if (path === '/health' && isRead) return this.#health(response)
    const isKnown = ['/', '/events', '/metrics', '/health'].includes(path)
    const what = isKnown ? `${request.method} is not answered here` : 'nothing is here'
    const message = `${what}: POST JSON-RPC to /, GET /events, /metrics or /health`
    turnAway(response, { status: isKnown ? 405 : 404, code: 'NO_SUCH_PLACE', message })
  }

  /** Who may come in at all. */
  #turnedAway({ headers }: IncomingMessage, path: string): Turned | null {
    const host = headers.host ?? ''
    // A name that an attacker's DNS points at this machine is not one of this machine's.
    if (this.#options.isLocal && !isLoopback(nameOf(host)))
      return forbidden(
        'HOST',
        'ask for 127.0.0.1, [::1] or localhost: this door is for this machine',
      )
    if (headers.origin !== undefined && headers.origin !== `http://${host}`)
      return forbidden('ORIGIN', 'pages of other origins may not come in here')
    if (this.#digest === null || path === '/health') return null
    const [, shown] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
    if (shown !== undefined && timingSafeEqual(digestOf(shown), this.#digest)) return null
    const message = 'send the header Authorization: Bearer and the token from doorToken'
    return { status: 401, code: 'UNAUTHORISED', message }
  }

  async #rpc(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { limits } = this.#options
    const { headers } = request
    if (!/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? ''))
      return turnAway(response, unread('CONTENT_TYPE', 'send Content-Type: application/json'))
    if (headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity')
      return turnAway(response, unread('CONTENT_ENCODING', 'send the body uncompressed'))
    if (this.#bodies >= limits.maxBodies) return turnAway(response, busy())
    this.#bodies++
    const body = await readBody(request, limits.maxBodyBytes).finally(() => this.#bodies--)
    if (body === 'gone') return
    if (body === 'too-large') {
      const message = `a body has at most ${limits.maxBodyBytes} bytes`
      return turnAway(response, { status: 413, code: 'TOO_LARGE', message })
    }
    const gone = new AbortController()
    response.on('close', () => gone.abort())
    const limit = AbortSignal.timeout(MAX_WAIT_MS)
    const signal = AbortSignal.any([gone.signal, limit, this.#closing.signal])
    const answer = await answerBody(body, this.#call, signal)
    if (answer === null) send(response, 204, '', 'application/json')
    else send(response, 200, answer, 'application/json')
  }

  /** Runs one call if there is room for it: waiting calls never keep the short ones out. */
  async #within(method: string, run: () => Promise<unknown>): Promise<unknown> {
    const { maxCalls, maxWaits } = this.#options.limits
    const isWaiting = waiting.has(method)
    if (isWaiting ? this.#waits >= maxWaits : this.#calls >= maxCalls)
      throw new RpcError(rpcCodes.busy, busy().message, { code: 'BUSY' })
    if (isWaiting) this.#waits++
    else this.#calls++
    try {
      return await run()
    } finally {
      if (isWaiting) this.#waits--
      else this.#calls--
    }
  }

  #listen(response: ServerResponse): void {
    if (!this.#options.events.add(response)) turnAway(response, busy())
  }

  #health(response: ServerResponse): void {
    const problems = this.#ports.problems()
    const isWell = problems.length === 0
    const body = toJson({ status: isWell ? 'ok' : 'unwell', problems })
    send(response, isWell ? 200 : 503, body, 'application/json')
  }
}

const forbidden = (code: string, message: string): Turned => ({ status: 403, code, message })
const unread = (code: string, message: string): Turned => ({ status: 415, code, message })
const busy = (): Turned => ({
  status: 503,
  code: 'BUSY',
  message: 'too much is asked for at once; try again in a second',
})

const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest()

/** A Host header's name, without port and brackets. */
const nameOf = (host: string): string =>
  host
    .toLowerCase()
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')

/** The whole body, unless it is too large or its sender has gone. */
function readBody(
  request: IncomingMessage,
  limit: number,
): Promise<Uint8Array | 'too-large' | 'gone'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= limit) chunks.push(chunk)
      else chunks.length = 0
      if (length <= OVERSIZE * limit) return
      request.pause()
      resolve('too-large')
    })
    request.on('end', () => resolve(length > limit ? 'too-large' : Buffer.concat(chunks)))
    request.on('close', () => resolve('gone'))
  })
}

/** Says why, as JSON-RPC, and closes: what else the connection carries is not read. */
function turnAway(response: ServerResponse, { status, code, message }: Turned): void {
  const rpcCode =
    status === 503
      ? rpcCodes.busy
      : status === 401
        ? rpcCodes.unauthorised
        : rpcCodes.invalidRequest
  response.setHeader('connection', 'close')
  if (status === 401) response.setHeader('www-authenticate', 'Bearer')
  send(response, status, errorAnswer(new RpcError(rpcCode, message, { code })), 'application/json')
}

function send(response: ServerResponse, status: number, body: string, contentType: string): void {
  response.writeHead(status, {
    ...(status === 204
      ? {}
      : { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(body)
}
