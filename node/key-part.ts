/**
 * A key file that is not whole yet: `<path>.part`, in which every piece lies in its place. What is
 * there after a crash is hashed again, so nothing has to be written down about it; and two
 * processes that fetch the same file write the same bytes.
 */
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { addressOfList, isPiece, PIECE_BYTES, type PieceList } from '#protocol/key-pieces'
import type { Hex } from '#protocol/schema'
import { isDiskError, listFile, readPiece } from './key-files.ts'

/**
 * `DISK`: the file cannot be kept here. `NOBODY`: no peer gave anything of it for as long as was
 * allowed.
 */
export type KeyFetchErrorCode = 'DISK' | 'NOBODY'

/** Says what was wrong and what to do. */
export class KeyFetchError extends Error {
  override readonly name = 'KeyFetchError'
  readonly code: KeyFetchErrorCode

  constructor(code: KeyFetchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** What the disk said, for a person. `bytes`: the whole file's length. */
export function diskError(path: string, bytes: number, cause: unknown): KeyFetchError {
  if (cause instanceof KeyFetchError) return cause
  const folder = dirname(path)
  const say = (text: string): KeyFetchError => new KeyFetchError('DISK', text, { cause })
  if (isDiskError(cause, 'ENOSPC', 'EDQUOT')) {
    const need = `${path} needs ${Math.ceil(bytes / 1_000_000)} MB in all`
    return say(`The disk of ${folder} is full; ${need}. Make room: the next start goes on.`)
  }
  if (isDiskError(cause, 'EACCES', 'EPERM', 'EROFS')) {
    const advice = 'Let this user write it, or set keyFolder to another folder'
    return say(`The folder ${folder} cannot be written. ${advice}.`)
  }
  if (isDiskError(cause, 'ENOTDIR', 'EEXIST')) {
    return say(`${folder} is no folder. Move what is there, or set keyFolder to another folder.`)
  }
  const text = cause instanceof Error ? cause.message : String(cause)
  return say(`${path} cannot be written: ${text}`)
}

export class PartFile {
  /** Pieces that are not there yet. */
  readonly missing: ReadonlySet<number>
  readonly #missing: Set<number>
  readonly #path: string
  readonly #list: PieceList
  readonly #file: FileHandle

  private constructor(path: string, list: PieceList, file: FileHandle, missing: Set<number>) {
    this.#path = path
    this.#list = list
    this.#file = file
    this.#missing = missing
    this.missing = missing
  }

  /**
   * Opens what is there of a file, or begins it, with its folder.
   * @param path Of the whole file. @throws KeyFetchError `DISK`, or the signal's reason.
   */
  static async open(path: string, list: PieceList, signal: AbortSignal): Promise<PartFile> {
    try {
      await mkdir(dirname(path), { recursive: true })
      const file = await open(partOf(path), constants.O_RDWR | constants.O_CREAT, 0o644)
      try {
        const missing = await missingIn(file, list, signal)
        await file.truncate(list.bytes)
        return new PartFile(path, list, file, missing)
      } catch (error) {
        await file.close()
        throw error
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason
      throw diskError(path, list.bytes, error)
    }
  }

  /** Bytes that are there. */
  get bytes(): number {
    const { bytes, hashes } = this.#list
    const missing = this.#missing.size * PIECE_BYTES
    const isLastMissing = this.#missing.has(hashes.length - 1)
    return bytes - missing + (isLastMissing ? hashes.length * PIECE_BYTES - bytes : 0)
  }

  /** Keeps a piece that was checked. @throws KeyFetchError `DISK`. */
  async write(index: number, piece: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < piece.length; ) {
        const at = index * PIECE_BYTES + done
        const { bytesWritten } = await this.#file.write(piece, done, piece.length - done, at)
        done += bytesWritten
      }
    } catch (error) {
      throw diskError(this.#path, this.#list.bytes, error)
    }
    this.#missing.delete(index)
  }

  /**
   * Gives the file its name, when what the disk gives back is what the address names.
   * @throws KeyFetchError `DISK`.
   */
  async finish(address: Hex): Promise<void> {
    const part = partOf(this.#path)
    try {
      await this.#file.sync()
      const found = await listFile(part)
      if (found !== null && addressOfList(found) !== address) {
        await rm(part, { force: true })
        const advice = 'Check the disk and the memory of this machine'
        const what = `${this.#path} was written right and reads back wrong; it was thrown away`
        throw new KeyFetchError('DISK', `${what}. ${advice}.`)
      }
      await rename(part, this.#path).catch(async (error: unknown) => {
        // Another process fetched the same file, and was first.
        const other = isDiskError(error, 'ENOENT') ? await listFile(this.#path) : null
        if (other === null || addressOfList(other) !== address) throw error
      })
      await syncFolder(dirname(this.#path))
    } catch (error) {
      throw diskError(this.#path, this.#list.bytes, error)
    }
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}

/** Where a file lies until it is whole. */
export const partOf = (path: string): string => `${path}.part`

async function missingIn(
  file: FileHandle,
  list: PieceList,
  signal: AbortSignal,
): Promise<Set<number>> {
  const missing = new Set(list.hashes.keys())
  const { size } = await file.stat()
  for (let index = 0; index < list.hashes.length && index * PIECE_BYTES < size; index++) {
    signal.throwIfAborted()
    const piece = await readPiece(file, index)
    // A part that is longer than its file ends in a piece that is too long.
    const length = Math.min(piece.length, list.bytes - index * PIECE_BYTES)
    if (isPiece(list, index, piece.subarray(0, length))) missing.delete(index)
  }
  return missing
}

/** The new name itself must survive a crash. Some systems cannot sync a folder: then it may not. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => null)
  await folder?.sync().catch(() => undefined)
  await folder?.close()
}
