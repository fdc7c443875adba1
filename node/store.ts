/**
 * The node's disk: home of level. Keys are short ASCII paths (`job/0x…`), values bytes or strict
 * JSON. A write with `sync` is on the disk when its promise resolves; without, a crash of the
 * machine may lose the last ones, but never their order and never half of a batch.
 */
import { Level } from 'level'

export type WriteOptions = {
  /**
   * Wait until the disk has it (fsync). For awards, acceptances, receipts, nonces: what binds us.
   */
  readonly sync?: boolean
}

export type Write =
  | { readonly kind: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: 'del'; readonly key: string }

export type Entry = { readonly key: string; readonly value: Uint8Array }

export type EntriesOptions = {
  /** Most entries given. Default: all. */
  readonly limit?: number
  /** From the last key to the first. */
  readonly reverse?: boolean
}

export type Store = {
  /** The value, or `null`. */
  readonly get: (key: string) => Promise<Uint8Array | null>
  readonly put: (key: string, value: Uint8Array, options?: WriteOptions) => Promise<void>
  readonly del: (key: string, options?: WriteOptions) => Promise<void>
  /** All of them or none. */
  readonly batch: (writes: readonly Write[], options?: WriteOptions) => Promise<void>
  /** Every entry whose key begins with `prefix`, in key order, as of the moment of the call. */
  readonly entries: (prefix: string, options?: EntriesOptions) => AsyncIterable<Entry>
  /** Stores plain data: see `encodeJson` for what it takes. */
  readonly putJson: (key: string, value: unknown, options?: WriteOptions) => Promise<void>
  /** What `putJson` stored, or `null`. The caller names the type it stored. */
  readonly getJson: <T>(key: string) => Promise<T | null>
  /** Resolves when every write is handed over and the folder is free for another process. */
  readonly close: () => Promise<void>
}

export type StoreErrorCode = 'LOCKED' | 'CORRUPTED' | 'UNREADABLE' | 'MALFORMED'

/** The folder cannot be used, or an entry is not what was stored. The message says what to do. */
export class StoreError extends Error {
  readonly code: StoreErrorCode
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreError'
    this.code = code
  }
}

/** Long enough for a prefix, two ids and a name. Characters. */
const MAX_KEY_LENGTH = 256
/** Sorts behind every printable character, so `[prefix, prefix + it)` is the prefix's range. */
const AFTER_PRINTABLE = '\u007f'

/**
 * Opens the folder, making it when missing. One process at a time. Throws `StoreError`: `LOCKED`
 * when another process has it open, `CORRUPTED` when the files are damaged, `UNREADABLE` when the
 * folder cannot be read or written.
 */
export async function openStore(folder: string): Promise<Store> {
  const level = new Level<string, Uint8Array>(folder, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
  })
  try {
    await level.open()
  } catch (error) {
    throw openError(folder, error)
  }
  const get = async (key: string): Promise<Uint8Array | null> => {
    const value = await level.get(checkKey(key))
    return value === undefined ? null : withoutBuffer(value)
  }
  const put: Store['put'] = (key, value, options) =>
    level.put(checkKey(key), value, { sync: options?.sync === true })
  return {
    get,
    put,
    del: (key, options) => level.del(checkKey(key), { sync: options?.sync === true }),
    batch: (writes, options) =>
      level.batch(
        writes.map((write) =>
          write.kind === 'put'
            ? { type: 'put', key: checkKey(write.key), value: write.value }
            : { type: 'del', key: checkKey(write.key) },
        ),
        { sync: options?.sync === true },
      ),
    entries: (prefix, options) => entries(level, checkKey(prefix), options),
    putJson: async (key, value, options) => put(key, encodeJson(value), options),
    getJson: async <T>(key: string): Promise<T | null> => {
      const bytes = await get(key)
      if (bytes === null) return null
      try {
        return decodeJson(bytes) as T
      } catch (cause) {
        const what = `The entry ${JSON.stringify(key)} in ${folder} is not what a node stores`
        throw new StoreError('MALFORMED', `${what}. ${RECOVER}`, { cause })
      }
    },
    close: () => level.close(),
  }
}

async function* entries(
  level: Level<string, Uint8Array>,
  prefix: string,
  options: EntriesOptions = {},
): AsyncGenerator<Entry> {
  const range = {
    gte: prefix,
    lt: prefix + AFTER_PRINTABLE,
    limit: options.limit ?? -1,
    reverse: options.reverse === true,
  }
  for await (const [key, value] of level.iterator(range)) yield { key, value: withoutBuffer(value) }
}

/** level gives a Buffer, whose `slice` and comparisons differ from what everyone here expects. */
const withoutBuffer = (value: Uint8Array): Uint8Array =>
  new Uint8Array(value.buffer, value.byteOffset, value.byteLength)

/** A key is our own text: a bad one is a bug, so this throws. */
function checkKey(key: string): string {
  if (key.length <= MAX_KEY_LENGTH && /^[!-~]+$/.test(key)) return key
  throw new TypeError(`not a store key: ${JSON.stringify(key.slice(0, MAX_KEY_LENGTH))}`)
}

const RECOVER =
  'Move the folder away and start again: the chain is read again, jobs in flight are lost'

function openError(folder: string, error: unknown): StoreError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = (cause as { code?: unknown }).code
  if (code === 'LEVEL_LOCKED') {
    const what = `Another process uses ${folder}`
    const advice = 'Stop it, or give this one its own folder (dataFolder)'
    return new StoreError('LOCKED', `${what}. ${advice}.`, { cause })
  }
  if (code === 'LEVEL_CORRUPTION') {
    return new StoreError('CORRUPTED', `The files in ${folder} are damaged. ${RECOVER}.`, { cause })
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  const advice = 'Check that the folder can be written and the disk has room'
  return new StoreError('UNREADABLE', `Cannot open ${folder}: ${reason}. ${advice}.`, { cause })
}

/** Deeper data than this is a bug of ours or a hostile file; the limit keeps the stack safe. */
const MAX_DEPTH = 64
const BIGINT = '$bigint'
const BYTES = '$bytes'

/**
 * JSON of plain data: objects, arrays, text, booleans, null, finite numbers, bigint and bytes.
 * Reading gives back the same, so anything else (a Map, a class, NaN, undefined in a list, a name
 * beginning with `$`) throws `TypeError`. A property that is undefined is left out.
 */
export function encodeJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(tag(value, 0)), 'utf8')
}

/** Throws on anything `encodeJson` does not write. */
export function decodeJson(bytes: Uint8Array): unknown {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  return untag(JSON.parse(text), 0)
}

function tag(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new TypeError('data nested too deep to store')
  if (typeof value === 'bigint') return { [BIGINT]: value.toString() }
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (value instanceof Uint8Array) return { [BYTES]: Buffer.from(value).toString('hex') }
  if (Array.isArray(value)) return Array.from(value, (item) => tag(item, depth + 1))
  if (typeof value === 'object' && isPlain(value)) {
    const present = Object.entries(value).filter(([, field]) => field !== undefined)
    return Object.fromEntries(
      present.map(([name, field]) => {
        if (name.startsWith('$')) throw new TypeError(`cannot store a property named ${name}`)
        return [name, tag(field, depth + 1)]
      }),
    )
  }
  throw new TypeError(`cannot store ${Object.prototype.toString.call(value)} as JSON`)
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function untag(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new TypeError('stored data nested too deep')
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map((item) => untag(item, depth + 1))
  const fields = Object.entries(value)
  const [name, field] = fields[0] ?? []
  if (name?.startsWith('$')) {
    if (fields.length === 1 && typeof field === 'string') {
      if (name === BIGINT && /^(0|-?[1-9]\d*)$/.test(field)) return BigInt(field)
      if (name === BYTES && /^([0-9a-f]{2})*$/.test(field)) {
        return new Uint8Array(Buffer.from(field, 'hex'))
      }
    }
    throw new TypeError(`bad tag ${name}`)
  }
  return Object.fromEntries(
    fields.map(([key, item]) => {
      if (key.startsWith('$')) throw new TypeError(`bad tag ${key}`)
      return [key, untag(item, depth + 1)]
    }),
  )
}
