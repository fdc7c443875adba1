/** Key files for tests of who gives and who fetches them: bytes nobody could guess, an address. */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { addressOfList, PIECE_BYTES, type PieceList, pieceHash } from '#protocol/key-pieces'
import type { Hex } from '#protocol/schema'

export type SampleKey = {
  readonly bytes: Buffer
  readonly list: PieceList
  readonly address: Hex
}

/** As many whole pieces as asked for, and a short one. The same seed is the same file. */
export function sampleKey(seed: string, wholePieces: number): SampleKey {
  const line = createHash('sha512').update(seed).digest()
  const bytes = Buffer.alloc(wholePieces * PIECE_BYTES + 1_000, line)
  const hashes: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    // Each piece is another.
    bytes.writeUInt32BE(at, at)
    hashes.push(pieceHash(bytes.subarray(at, at + PIECE_BYTES)))
  }
  const list = { bytes: bytes.length, hashes }
  return { bytes, list, address: addressOfList(list) }
}

/** Puts a key file where a node looks for it. Returns its path. */
export async function keepKey(folder: string, { bytes }: SampleKey, name = 'circuit.zkey') {
  await mkdir(join(folder, 'sample'), { recursive: true })
  const path = join(folder, 'sample', name)
  await writeFile(path, bytes)
  return path
}
