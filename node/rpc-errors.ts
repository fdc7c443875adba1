/**
 * What an error of the RPC says: the node answered no, the contract reverted, or nobody answered at
 * all.
 */
import { BaseError } from 'viem'
import type { Hex } from '#protocol/schema'

/**
 * Whether the error came from asking the RPC. Anything else is a bug or the disk, and must not be
 * waited out.
 */
export const isRpcError = (error: unknown): error is BaseError => error instanceof BaseError

type WithData = { readonly code?: unknown; readonly data?: unknown; readonly details?: unknown }

/** The error and its causes, outermost first. */
function* chainOf(error: unknown): Generator<Error & WithData> {
  for (let each = error; each instanceof Error; each = each.cause) yield each
}

/** What the node itself said, or `null` if it was not reached or could not say anything useful. */
export function answerOf(error: unknown): string | null {
  for (const each of chainOf(error)) {
    // The class that holds a JSON-RPC error as it came.
    if (each.name === 'RpcRequestError') return String(each.details ?? each.message)
  }
  return null
}

/**
 * The revert that an estimate or a call met: its data, or `null` without any. No revert:
 * `undefined`.
 */
export function revertOf(error: unknown): Hex | null | undefined {
  const answer = answerOf(error)
  if (answer === null || !/revert/i.test(answer)) return undefined
  for (const { data } of chainOf(error)) {
    if (typeof data === 'string' && /^0x([0-9a-f]{2})+$/i.test(data)) return data as Hex
  }
  return null
}

/** One line for the log. */
export const lineOf = (error: BaseError): string => answerOf(error) ?? error.shortMessage
