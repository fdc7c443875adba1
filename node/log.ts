/**
 * The node's log: one line an event, for people or as JSON. It never throws and never lets a peer's
 * bytes break a line, because much of what it prints was written by strangers.
 */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Readonly<Record<string, unknown>>

export type Log = {
  readonly debug: (message: string, fields?: LogFields) => void
  readonly info: (message: string, fields?: LogFields) => void
  readonly warn: (message: string, fields?: LogFields) => void
  readonly error: (message: string, fields?: LogFields) => void
  /** A log that adds `fields` to each of its lines; a line's own fields win. */
  readonly child: (fields: LogFields) => Log
}

export type LogOptions = {
  /** The least level that is printed; `silent` prints nothing. */
  readonly level: LogLevel | 'silent'
  readonly format: 'human' | 'json'
  /**
   * Takes one line with its line end. Default: standard error, so that standard output stays data.
   */
  readonly write?: (line: string) => void
  /** ms since the Unix epoch. */
  readonly now?: () => number
}

const ranks: Record<LogLevel | 'silent', number> = {
  debug: 0,
  info: 1,
  warn: 2,
  error: 3,
  silent: 4,
}
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const

/** Longest text and deepest nesting a field may print: a log line is for reading. */
const MAX_TEXT = 2_000
const MAX_DEPTH = 6
const MAX_ITEMS = 100

/**
 * Makes a log. Lines longer than their limits are cut, unreadable values are named, nothing throws.
 */
export function createLog(options: LogOptions): Log {
  const write = options.write ?? writeToStandardError
  const now = options.now ?? Date.now
  const least = ranks[options.level]
  const render = options.format === 'json' ? jsonLine : humanLine

  const make = (inherited: LogFields): Log => {
    const at =
      (level: LogLevel) =>
      (message: string, fields?: LogFields): void => {
        if (ranks[level] < least) return
        try {
          const plain = toPlain({ ...inherited, ...fields }, 0, new Set()) as Record<
            string,
            unknown
          >
          write(`${render(now(), level, cut(message), plain)}\n`)
        } catch {
          // A full disk or a closed pipe must not stop the market.
        }
      }
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => make({ ...inherited, ...fields }),
    }
  }
  return make({})
}

/** A log that prints nothing: for tests and tools that have nobody to talk to. */
export const silentLog: Log = createLog({ level: 'silent', format: 'json' })

let guarded = false
function writeToStandardError(line: string): void {
  // A reader that went away (`proofwire node | head`) is reported by an event, not by a throw.
  if (!guarded) process.stderr.on('error', () => undefined)
  guarded = true
  process.stderr.write(line)
}

function jsonLine(at: number, level: LogLevel, message: string, fields: object): string {
  return JSON.stringify({ at: new Date(at).toISOString(), level, message, ...fields })
}

function humanLine(at: number, level: LogLevel, message: string, fields: object): string {
  const time = new Date(at).toISOString().slice(11, 23)
  const parts = Object.entries(fields).map(([name, value]) => `${name}=${humanValue(value)}`)
  return [time, level.padEnd(5), humanText(message), ...parts].join(' ')
}

/** Text of printable ASCII stays as it is; anything else is quoted, so no peer can forge a line. */
const humanText = (text: string): string => (/^[ -~]*$/.test(text) ? text : escaped(text))

function humanValue(value: unknown): string {
  if (typeof value === 'string') return /^[!#-~]+$/.test(value) ? value : escaped(value)
  return escaped(value)
}

/** JSON without control characters or anything a terminal acts on. */
function escaped(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

const cut = (text: string): string =>
  text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… (${text.length} characters)`

/**
 * What JSON can say of any value: bigint as decimal text, bytes as hex, errors by message and code.
 */
function toPlain(value: unknown, depth: number, above: Set<object>): unknown {
  if (typeof value === 'string') return cut(value)
  if (typeof value === 'bigint') return cut(value.toString())
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (value === null || value === undefined || typeof value === 'boolean') return value
  if (typeof value !== 'object') return `[${typeof value}]`
  if (above.has(value)) return '[circular]'
  if (depth > MAX_DEPTH) return '[deep]'
  if (value instanceof Uint8Array) return cut(`0x${Buffer.from(value).toString('hex')}`)
  const inside = new Set(above).add(value)
  if (value instanceof Error) return errorFields(value, depth, inside)
  if (Array.isArray(value)) {
    return value.slice(0, MAX_ITEMS).map((item) => toPlain(item, depth + 1, inside))
  }
  if (value instanceof Date) return String(value)
  if (value instanceof Map || value instanceof Set) {
    return [...value].slice(0, MAX_ITEMS).map((item) => toPlain(item, depth + 1, inside))
  }
  const plain: Record<string, unknown> = {}
  for (const name of Object.keys(value).slice(0, MAX_ITEMS)) {
    plain[cut(name)] = toPlain(read(value, name), depth + 1, inside)
  }
  return plain
}

function errorFields(error: Error, depth: number, above: Set<object>): unknown {
  const code = read(error, 'code')
  return {
    message: cut(String(error.message)),
    ...(code === undefined ? {} : { code: toPlain(code, depth + 1, above) }),
    ...(error.cause === undefined ? {} : { cause: toPlain(error.cause, depth + 1, above) }),
    ...(typeof error.stack === 'string' ? { stack: cut(error.stack) } : {}),
  }
}

/** A property's value, or a word for it when its getter throws. */
function read(value: object, name: string): unknown {
  try {
    return (value as Record<string, unknown>)[name]
  } catch {
    return '[unreadable]'
  }
}
