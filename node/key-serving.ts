/**
 * Gives key files away in pieces, to whoever asks for an address that lies in the folder of keys.
 * It costs the operator bandwidth and earns nothing, so it has a pace, and never more than a few
 * pieces in memory.
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import {
  addressOfList,
  decodeQuestion,
  encodePieceList,
  isPiece,
  type PieceList,
  pieceLength,
  QUESTION_BYTES,
} from '#protocol/key-pieces'
import type { Hex } from '#protocol/schema'
import { isDiskError, keyFileNames, listFile, readPiece } from './key-files.ts'
import type { Log } from './log.ts'
import type { Host } from './peers.ts'
import { StreamRefusal, serve } from './streams.ts'

export type KeyServingOptions = {
  readonly host: Host
  /** Stream protocol id. */
  readonly protocol: string
  /** Key files lie in its folders, one for each circuit. */
  readonly folder: string
  /** Most that is given away, to all together. MiB a second. */
  readonly mibPerS: number
  readonly log: Log
}

export type KeyServing = {
  /** Resolves with the addresses served, once all files were read. Never rejects. */
  readonly ready: Promise<readonly Hex[]>
  readonly stop: () => Promise<void>
}

/** Questions answered at once, so pieces in memory: 16 MiB. A peer has two under way. */
const MAX_CONCURRENT = 16
const MAX_CONCURRENT_PER_PEER = 2
/** Longest wait for the pace: all places before this one, at the slowest pace of 1 MiB/s. ms. */
const TIME_LIMIT_MS = 20_000
/** Folders looked into: more are not circuits of ours. */
const MAX_FOLDERS = 64

type Served = { readonly path: string; readonly list: PieceList }

/**
 * Serves the key files of a folder under the addresses that their bytes have now; files that come
 * later are served from the next start. Until all were read the answer is `BUSY`.
 *
 * Every piece is checked again before it leaves: a file that was changed since is no longer served,
 * rather than that we are dropped as somebody who sends garbage.
 */
export async function serveKeys(options: KeyServingOptions): Promise<KeyServing> {
  const { host, protocol, folder, log } = options
  const stopping = new AbortController()
  const served = new Map<Hex, Served>()
  let isReady = false
  const ready = listAll(folder, served, stopping.signal)
    .catch((error: unknown) => {
      if (!stopping.signal.aborted) log.warn('cannot read all key files', { folder, error })
    })
    .then(() => {
      isReady = true
      if (served.size > 0) log.info('key files are served', { folder, files: served.size })
      return [...served.keys()]
    })
  const pace = new Pace(options.mibPerS)

  const answer = async (data: Uint8Array, signal: AbortSignal): Promise<Uint8Array> => {
    const question = decodeQuestion(data)
    if (question === null) throw new StreamRefusal('MALFORMED')
    if (!isReady) throw new StreamRefusal('BUSY')
    const { address, what } = question
    const found = served.get(address)
    if (found === undefined) throw new StreamRefusal('UNKNOWN_KEY')
    if (what === 'list') {
      const list = encodePieceList(found.list)
      await pace.turn(list.length)
      return list
    }
    if (what >= found.list.hashes.length) throw new StreamRefusal('UNKNOWN_PIECE')
    // The place is kept while it waits, whatever becomes of the asker: who asks and leaves cannot
    // book more of the pace than its places.
    await pace.turn(pieceLength(found.list, what))
    signal.throwIfAborted()
    const piece = await read(found, what)
    if (piece !== null) return piece
    served.delete(address)
    log.warn('a key file has changed and is no longer served', { path: found.path, address })
    throw new StreamRefusal('UNKNOWN_KEY')
  }

  const stopServing = await serve(
    host,
    protocol,
    {
      maxRequestBytes: QUESTION_BYTES,
      maxConcurrent: MAX_CONCURRENT,
      maxConcurrentPerPeer: MAX_CONCURRENT_PER_PEER,
      timeLimitMs: TIME_LIMIT_MS,
    },
    (data, _, signal) => answer(data, signal),
  )
  return {
    ready,
    stop: async () => {
      stopping.abort()
      await stopServing()
      await ready
    },
  }
}

/** Fills the map with every key file below a folder; one that is not there has none. */
async function listAll(
  folder: string,
  served: Map<Hex, Served>,
  signal: AbortSignal,
): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (isDiskError(error, 'ENOENT')) return []
    throw error
  })
  const folders = entries.filter((entry) => entry.isDirectory()).slice(0, MAX_FOLDERS)
  for (const { name } of folders) {
    for (const file of keyFileNames) {
      const path = join(folder, name, file)
      const list = await listFile(path, signal)
      if (list !== null) served.set(addressOfList(list), { path, list })
    }
  }
}

/** A piece as it was when the file was read, or null. */
async function read({ path, list }: Served, index: number): Promise<Uint8Array | null> {
  try {
    const file = await open(path, 'r')
    try {
      const piece = await readPiece(file, index)
      return isPiece(list, index, piece) ? piece : null
    } finally {
      await file.close()
    }
  } catch {
    return null // gone, or not to be read any more
  }
}

/** Gives turns in the order they were asked for, so many bytes a second. */
class Pace {
  readonly #bytesPerMs: number
  /** Of `performance.now`, ms. */
  #freeAt = 0

  constructor(mibPerS: number) {
    this.#bytesPerMs = (mibPerS * 1_048_576) / 1_000
  }

  async turn(bytes: number): Promise<void> {
    const now = performance.now()
    const at = Math.max(now, this.#freeAt)
    this.#freeAt = at + bytes / this.#bytesPerMs
    if (at > now) await pause(at - now)
  }
}
