/** Key files on disk, read in pieces: never more than one of them in memory. */
import { type FileHandle, open } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { isKeyLength, PIECE_BYTES, type PieceList, pieceHash } from '#protocol/key-pieces'

/** Where the build puts key files, a folder for each circuit. */
export const DEFAULT_KEY_FOLDER = fileURLToPath(new URL('../build/circuits', import.meta.url))

/** What of a circuit's folder is a key file. */
export const keyFileNames = ['circuit.zkey', 'circuit.wasm', 'verification-key.json'] as const

/** Whether an error of the disk has this code. */
export const isDiskError = (error: unknown, ...codes: readonly string[]): boolean =>
  codes.includes((error as NodeJS.ErrnoException | null)?.code ?? '')

/** One piece's bytes from where it begins; fewer when the file ends before. */
export async function readPiece(file: FileHandle, index: number): Promise<Uint8Array> {
  const piece = Buffer.allocUnsafe(PIECE_BYTES)
  let length = 0
  while (length < PIECE_BYTES) {
    const at = index * PIECE_BYTES + length
    const { bytesRead } = await file.read(piece, length, PIECE_BYTES - length, at)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return piece.subarray(0, length)
}

/**
 * What a file is made of, computed from its bytes; `null` when there is no such file, or it is
 * none that can have an address: empty, longer than 4 GiB, or no file. @throws what the disk
 * throws.
 */
export async function listFile(path: string, signal?: AbortSignal): Promise<PieceList | null> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (isDiskError(error, 'ENOENT')) return null
    throw error
  }
  try {
    const found = await file.stat()
    if (!found.isFile() || !isKeyLength(found.size)) return null
    const hashes: Uint8Array[] = []
    let bytes = 0
    for (;;) {
      signal?.throwIfAborted()
      const piece = await readPiece(file, hashes.length)
      if (piece.length === 0) break
      hashes.push(pieceHash(piece))
      bytes += piece.length
      if (piece.length < PIECE_BYTES) break
    }
    return isKeyLength(bytes) ? { bytes, hashes } : null
  } finally {
    await file.close()
  }
}
