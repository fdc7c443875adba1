/**
 * How the devnet talks to the chain and to the nodes' doors: JSON-RPC over HTTP, and their streams
 * of events.
 */

/** Nothing the devnet asks for takes longer. ms. */
const CALL_TIMEOUT_MS = 30_000
/** Pause before a stream that ended is opened again: its node may be starting. ms. */
const REOPEN_MS = 200

/**
 * One JSON-RPC call.
 * @param headers Besides the content type: a token, for example.
 * @throws Error with the server's own words, or when it does not answer.
 */
export async function rpc<T>(
  url: string,
  method: string,
  params: unknown = [],
  headers: Readonly<Record<string, string>> = {},
): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
  })
  const { result, error } = (await response.json()) as { result: T; error?: { message: string } }
  if (error) throw new Error(`${method}: ${error.message}`)
  return result
}

/** One message of an event stream. */
export type StreamEvent = { readonly name: string; readonly data: unknown }

/**
 * Reads a stream of server-sent events (HTML standard, section 9.2) until `signal` aborts, opening
 * it again when it ends. Each message's data must be JSON.
 *
 * @param onOpen Told each time the stream is open: what happened before was missed.
 */
export async function follow(
  url: string,
  signal: AbortSignal,
  onEvent: (event: StreamEvent) => void,
  onOpen: () => void = () => undefined,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const response = await fetch(url, { signal, headers: { accept: 'text/event-stream' } })
      if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}`)
      onOpen()
      await readEvents(response.body, onEvent)
    } catch (error) {
      if (!signal.aborted && !isConnectionError(error)) throw error
    }
    if (!signal.aborted) await pause(REOPEN_MS, signal)
  }
}

/** What a fetch throws when nobody listens or the other end went away. */
const isConnectionError = (error: unknown): boolean => error instanceof TypeError

async function readEvents(
  body: ReadableStream<Uint8Array>,
  onEvent: (event: StreamEvent) => void,
): Promise<void> {
  let [name, data] = ['message', '']
  for await (const line of linesOf(body)) {
    if (line === '') {
      if (data !== '') onEvent({ name, data: JSON.parse(data) })
      ;[name, data] = ['message', '']
    } else if (line.startsWith('event:')) name = line.slice(6).trim()
    else if (line.startsWith('data:')) data += line.slice(5).trim()
  }
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = ''
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield line.replace(/\r$/, '')
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  signal.addEventListener('abort', () => resolve(), { once: true })
  return promise.finally(() => clearTimeout(timer))
}
