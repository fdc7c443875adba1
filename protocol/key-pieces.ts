/**
 * Key files by what they hold: a file is named by its *address*, and comes from any peer in pieces
 * that are checked one by one. Pure; `node/key-serving.ts` and `node/key-fetch.ts` move the bytes.
 *
 *   piece list   length of the file u64 ‖ SHA-256 of each piece of 1 MiB, the last may be shorter
 *   address      SHA-256 of the piece list
 *   question     address ‖ index of a piece u32, or 0xffffffff for the piece list
 *
 * The list is checked against the address before any piece is asked for, so no byte is ever kept
 * that the address does not name, and whoever sends another is known by its first piece.
 */
import { createHash } from 'node:crypto'
import type { Hex } from './schema.ts'

/** What is asked for, checked and lost at once. A second of a slow link. Bytes. */
export const PIECE_BYTES = 1_048_576
/** Pieces of the longest file, 4 GiB: the list of a longer one would be a burden itself. */
export const MAX_PIECES = 4_096
const HASH_BYTES = 32
const LENGTH_BYTES = 8
/** Longest piece list. Bytes. */
export const MAX_LIST_BYTES = LENGTH_BYTES + MAX_PIECES * HASH_BYTES
/** Every question has this length. Bytes. */
export const QUESTION_BYTES = HASH_BYTES + 4
const LIST = 0xffff_ffff

/** What a file is made of. */
export type PieceList = {
  /** Length of the file. */
  readonly bytes: number
  /** SHA-256 of each piece. */
  readonly hashes: readonly Uint8Array[]
}

/** What of a file is asked for: its piece list, or the piece of an index. */
export type KeyQuestion = { readonly address: Hex; readonly what: 'list' | number }

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

const countOf = (bytes: number): number => Math.ceil(bytes / PIECE_BYTES)

/** Whether a file of this length has an address. */
export const isKeyLength = (bytes: number): boolean =>
  Number.isSafeInteger(bytes) && bytes > 0 && countOf(bytes) <= MAX_PIECES

/** SHA-256 of a piece, as a piece list has it. */
export const pieceHash = sha256

/** Length of a piece. @param index One of the list's. */
export const pieceLength = ({ bytes }: PieceList, index: number): number =>
  Math.min(PIECE_BYTES, bytes - index * PIECE_BYTES)

/** Whether these bytes are the piece of this index. Never throws. */
export function isPiece(list: PieceList, index: number, piece: Uint8Array): boolean {
  const hash = list.hashes[index]
  if (hash === undefined || piece.length !== pieceLength(list, index)) return false
  return Buffer.compare(hash, sha256(piece)) === 0
}

/** The piece list's bytes. @param list One that `isKeyLength` and the number of hashes allow. */
export function encodePieceList({ bytes, hashes }: PieceList): Uint8Array {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeBigUInt64BE(BigInt(bytes))
  return Buffer.concat([length, ...hashes])
}

/** The list of these bytes, or null when they are none. Never throws. */
export function decodePieceList(data: Uint8Array): PieceList | null {
  if (data.length <= LENGTH_BYTES || data.length > MAX_LIST_BYTES) return null
  const view = Buffer.from(data)
  const bytes = Number(view.readBigUInt64BE())
  if (!isKeyLength(bytes)) return null
  const count = countOf(bytes)
  if (data.length !== LENGTH_BYTES + count * HASH_BYTES) return null
  const hashes = Array.from({ length: count }, (_, index) => {
    const at = LENGTH_BYTES + index * HASH_BYTES
    return view.subarray(at, at + HASH_BYTES)
  })
  return { bytes, hashes }
}

/** The name of a file, from its piece list. */
export const addressOfList = (list: PieceList): Hex =>
  `0x${Buffer.from(sha256(encodePieceList(list))).toString('hex')}`

/** The list these bytes are, if the address is theirs; else null. Never throws. */
export function listOfAddress(data: Uint8Array, address: Hex): PieceList | null {
  const list = decodePieceList(data)
  return list !== null && addressOfList(list) === address ? list : null
}

export function encodeQuestion({ address, what }: KeyQuestion): Uint8Array {
  const question = Buffer.alloc(QUESTION_BYTES)
  question.write(address.slice(2), 'hex')
  question.writeUInt32BE(what === 'list' ? LIST : what, HASH_BYTES)
  return question
}

/** The question of these bytes, or null when they are none. Never throws. */
export function decodeQuestion(data: Uint8Array): KeyQuestion | null {
  if (data.length !== QUESTION_BYTES) return null
  const view = Buffer.from(data)
  const what = view.readUInt32BE(HASH_BYTES)
  return {
    address: `0x${view.toString('hex', 0, HASH_BYTES)}`,
    what: what === LIST ? 'list' : what,
  }
}
