/**
 * JSON-RPC 2.0, single and batch, from bytes to bytes: nothing here knows HTTP or what the methods
 * do. Whatever the bytes are, the answer is JSON-RPC or nothing (for notifications), never a throw.
 */

/** Codes of the specification, and ours from its range for servers. */
export const rpcCodes = {
  parse: -32_700,
  invalidRequest: -32_600,
  unknownMethod: -32_601,
  invalidParams: -32_602,
  internal: -32_603,
  /** The market does not take what was asked for. */
  refused: -32_000,
  notFound: -32_001,
  notReady: -32_002,
  /** Too much at once; ask again later. */
  busy: -32_003,
  /** There will be no proof. */
  failed: -32_004,
  chain: -32_005,
  unauthorised: -32_006,
} as const

/** An error for the caller: `data.code` is a word for programs, the message says what to do. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: number
  readonly data: { readonly code: string; readonly [more: string]: unknown }
  constructor(code: number, message: string, data: RpcError['data'], options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.data = data
  }
}

/**
 * Performs one call. `params` is the object of the call, empty when there was none. @throws
 * RpcError
 */
export type Call = (
  method: string,
  params: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
) => Promise<unknown>

/** Calls in one batch; they run one after the other. */
const MAX_BATCH = 32
/**
 * Deeper JSON than this is none of ours: a batch of calls with an object of plain fields has three
 * levels.
 */
const MAX_DEPTH = 8
/** Longest id and method name that is repeated. Characters. */
const MAX_TEXT = 256

type RpcId = string | number | null

/** JSON with amounts as decimal text and bytes as 0x text. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'bigint') return each.toString()
    if (each instanceof Uint8Array) return `0x${Buffer.from(each).toString('hex')}`
    return each
  })

/** An error's whole answer: for what went wrong before there was a call to answer. */
export function errorAnswer(error: RpcError, id: RpcId = null): string {
  const { code, message, data } = error
  return toJson({ jsonrpc: '2.0', id, error: { code, message, data } })
}

/** Answers a body; `null` when it held notifications only. Never throws. */
export async function answerBody(
  body: Uint8Array,
  call: Call,
  signal: AbortSignal,
): Promise<string | null> {
  const parsed = parse(body)
  if (parsed instanceof RpcError) return errorAnswer(parsed)
  if (!Array.isArray(parsed)) return answerOne(parsed, call, signal)
  if (parsed.length === 0) return errorAnswer(invalidRequest('an empty batch asks for nothing'))
  if (parsed.length > MAX_BATCH) {
    const what = `a batch holds at most ${MAX_BATCH} calls, not ${parsed.length}`
    return errorAnswer(invalidRequest(what))
  }
  const answers: string[] = []
  for (const each of parsed) {
    const answer = await answerOne(each, call, signal)
    if (answer !== null) answers.push(answer)
  }
  return answers.length > 0 ? `[${answers.join(',')}]` : null
}

function parse(body: Uint8Array): unknown {
  if (depthOf(body) > MAX_DEPTH)
    return parseError(`JSON nested deeper than ${MAX_DEPTH} levels is not read`)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (error) {
    return parseError(`the body is not JSON: ${(error as Error).message.slice(0, MAX_TEXT)}`)
  }
}

/** How deep the brackets outside of text nest, seen before anything is built of them. */
function depthOf(body: Uint8Array): number {
  let [depth, deepest, isText] = [0, 0, false]
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]
    if (isText) {
      if (byte === BACKSLASH) at++
      else if (byte === QUOTE) isText = false
    } else if (byte === QUOTE) isText = true
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) deepest = Math.max(deepest, ++depth)
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--
  }
  return deepest
}
const [QUOTE, BACKSLASH] = [0x22, 0x5c]
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d]

async function answerOne(given: unknown, call: Call, signal: AbortSignal): Promise<string | null> {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return errorAnswer(invalidRequest('a call is an object with jsonrpc, id, method and params'))
  const { id = null, jsonrpc, method, params } = given as Record<string, unknown>
  if (!isId(id)) return errorAnswer(invalidRequest('id must be text, a number or null'))
  const refuse = (what: string): string => errorAnswer(invalidRequest(what), id)
  if (jsonrpc !== '2.0') return refuse('jsonrpc must be "2.0"')
  if (typeof method !== 'string' || method.length > MAX_TEXT) return refuse('method must be a name')
  if (params !== undefined && (typeof params !== 'object' || params === null))
    return refuse('params must be an object, or a list with one object')
  const isNotification = !Object.hasOwn(given, 'id')
  const answer = await perform(method, params, id, call, signal)
  return isNotification ? null : answer
}

async function perform(
  method: string,
  params: object | undefined,
  id: RpcId,
  call: Call,
  signal: AbortSignal,
): Promise<string> {
  try {
    const result = await call(method, objectOf(params), signal)
    return toJson({ jsonrpc: '2.0', id, result: result ?? null })
  } catch (error) {
    if (error instanceof RpcError) return errorAnswer(error, id)
    const what = 'the call failed inside the node; its log says more'
    return errorAnswer(new RpcError(rpcCodes.internal, what, { code: 'INTERNAL' }), id)
  }
}

/**
 * Parameters are named. A list may hold the one object, because many clients always send a list.
 */
function objectOf(params: object | undefined): Readonly<Record<string, unknown>> {
  if (params === undefined || (Array.isArray(params) && params.length === 0)) return {}
  if (!Array.isArray(params)) return params as Record<string, unknown>
  const [only, ...others] = params as unknown[]
  if (others.length === 0 && typeof only === 'object' && only !== null && !Array.isArray(only))
    return only as Record<string, unknown>
  const message = 'invalid params: parameters are named: an object, or a list with one object'
  throw new RpcError(rpcCodes.invalidParams, message, { code: 'INVALID_PARAMS', fields: [] })
}

const isId = (id: unknown): id is RpcId =>
  id === null ||
  (typeof id === 'string' && id.length <= MAX_TEXT) ||
  (typeof id === 'number' && Number.isFinite(id))

const parseError = (message: string): RpcError =>
  new RpcError(rpcCodes.parse, message, { code: 'PARSE' })
const invalidRequest = (message: string): RpcError =>
  new RpcError(rpcCodes.invalidRequest, message, { code: 'INVALID_REQUEST' })
