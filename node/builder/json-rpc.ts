/** JSON-RPC over HTTP, for a door and for a chain's node. */

/** Nothing but a wait that asks for longer takes longer. ms. */
const CALL_TIMEOUT_MS = 30_000

/** The other end answered no; `data` is what it said beside its message. */
export class RpcRefusal extends Error {
  override readonly name = 'RpcRefusal'
  readonly code = 'RPC_REFUSED'
  readonly rpcCode: number
  readonly data: unknown
  constructor(method: string, error: WireError) {
    super(`${method}: ${error.message}`)
    this.rpcCode = error.code
    this.data = error.data
  }
}

/** Nobody answered, or not in JSON-RPC. */
export class RpcUnreachable extends Error {
  override readonly name = 'RpcUnreachable'
  readonly code = 'RPC_UNREACHABLE'
}

type WireError = { readonly code: number; readonly message: string; readonly data?: unknown }
type Answer = { readonly result?: unknown; readonly error?: WireError }

export type RpcOptions = {
  /** Besides the content type: a token, for example. */
  readonly headers?: Readonly<Record<string, string>>
  /** ms. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** A URL without what follows its host: there providers put their keys. */
const hostOf = (url: string): string => {
  const { origin, pathname, search } = new URL(url)
  return pathname.length + search.length > 1 ? `${origin}/…` : origin
}

/**
 * One call.
 * @throws RpcRefusal with the server's own words; RpcUnreachable when it does not answer; the
 * signal's reason when it aborts.
 */
export async function rpc<T>(
  url: string,
  method: string,
  params: unknown,
  { headers = {}, timeoutMs = CALL_TIMEOUT_MS, signal }: RpcOptions = {},
): Promise<T> {
  const limit = AbortSignal.timeout(timeoutMs)
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  let answer: Answer
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    })
    const read: unknown = await response.json()
    if (typeof read !== 'object' || read === null || Array.isArray(read))
      throw new TypeError(`HTTP ${response.status} without JSON-RPC`)
    answer = read
  } catch (cause) {
    signal?.throwIfAborted()
    const what = `${hostOf(url)} does not answer ${method}: ${reasonOf(cause)}`
    throw new RpcUnreachable(`${what}. Does it run, and is its URL right?`, { cause })
  }
  if (answer.error) throw new RpcRefusal(method, answer.error)
  return (answer.result ?? null) as T
}

/** What is behind fetch's "fetch failed". */
const reasonOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error)) return String(cause)
  return (cause as { code?: string }).code ?? cause.message
}
