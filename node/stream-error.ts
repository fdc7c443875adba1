/** What a question over a stream can end in besides an answer. */

/**
 * A handler throws it to refuse; `code` travels to the asker: ASCII, at most 64 bytes, else cut.
 */
export class StreamRefusal extends Error {
  readonly code: string
  constructor(code: string) {
    super(`refused: ${code}`)
    this.name = 'StreamRefusal'
    this.code = code
  }
}

/**
 * `REFUSED` (with `reason`, the handler's code) and `BUSY` are the peer's answers. `UNREACHABLE`:
 * no connection or no such protocol. `LOST`: the stream broke. `EXPIRED`: the time limit passed.
 * `ABORTED`: by the caller. `TOO_LARGE`: the response is longer than asked for. `MALFORMED`: the
 * peer does not speak this protocol.
 */
export type StreamErrorCode =
  | 'REFUSED'
  | 'BUSY'
  | 'UNREACHABLE'
  | 'LOST'
  | 'EXPIRED'
  | 'ABORTED'
  | 'TOO_LARGE'
  | 'MALFORMED'

export class StreamError extends Error {
  readonly code: StreamErrorCode
  readonly reason: string | null
  constructor(
    code: StreamErrorCode,
    message: string,
    reason: string | null = null,
    cause?: unknown,
  ) {
    super(message, { cause })
    this.name = 'StreamError'
    this.code = code
    this.reason = reason
  }
}
