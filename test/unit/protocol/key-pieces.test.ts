import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addressOfList,
  decodePieceList,
  decodeQuestion,
  encodePieceList,
  encodeQuestion,
  isKeyLength,
  isPiece,
  listOfAddress,
  MAX_LIST_BYTES,
  MAX_PIECES,
  PIECE_BYTES,
  type PieceList,
  pieceHash,
  pieceLength,
  QUESTION_BYTES,
} from '#protocol/key-pieces'
import type { Hex } from '#protocol/schema'

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
/** A list of up to four pieces; what they hold does not matter to it. */
const lists: fc.Arbitrary<PieceList> = fc
  .tuple(fc.integer({ min: 1, max: PIECE_BYTES }), fc.array(hash, { minLength: 1, maxLength: 4 }))
  .map(([last, hashes]) => ({ bytes: (hashes.length - 1) * PIECE_BYTES + last, hashes }))

const head = (bytes: bigint): Buffer => {
  const length = Buffer.alloc(8)
  length.writeBigUInt64BE(bytes)
  return length
}

describe('a piece list', () => {
  test('is its bytes and back', () => {
    fc.assert(
      fc.property(lists, (list) => {
        const decoded = decodePieceList(encodePieceList(list))!
        expect(decoded.bytes).toBe(list.bytes)
        expect(decoded.hashes.map((each) => Buffer.from(each).toString('hex'))).toEqual(
          list.hashes.map((each) => Buffer.from(each).toString('hex')),
        )
        expect(addressOfList(decoded)).toBe(addressOfList(list))
      }),
    )
  })

  test('is read from any bytes or refused, and has one encoding', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
        const list = decodePieceList(data)
        if (list) expect(Buffer.compare(encodePieceList(list), data)).toBe(0)
      }),
    )
  })

  test('of the wrong number of hashes, of no byte or of more than 4 GiB is none', () => {
    const bytes = (count: number) => Buffer.alloc(32 * count)
    expect(decodePieceList(Buffer.concat([head(1n), bytes(1)]))).not.toBeNull()
    for (const [length, count] of [
      [1n, 0],
      [1n, 2],
      [0n, 0],
      [0n, 1],
      [BigInt(PIECE_BYTES) + 1n, 1],
      [2n ** 64n - 1n, 4],
      [BigInt(MAX_PIECES * PIECE_BYTES) + 1n, MAX_PIECES],
    ] as const) {
      expect(decodePieceList(Buffer.concat([head(length), bytes(count)])), `${length}`).toBeNull()
    }
    const longest = Buffer.concat([head(BigInt(MAX_PIECES * PIECE_BYTES)), bytes(MAX_PIECES)])
    expect(longest).toHaveLength(MAX_LIST_BYTES)
    expect(decodePieceList(longest)?.hashes).toHaveLength(MAX_PIECES)
    expect(decodePieceList(Buffer.concat([longest, Buffer.of(0)]))).toBeNull()
  })

  test('is taken only for its own address', () => {
    fc.assert(
      fc.property(lists, fc.nat(), fc.integer({ min: 1, max: 255 }), (list, place, mask) => {
        const address = addressOfList(list)
        const data = Buffer.from(encodePieceList(list))
        expect(listOfAddress(data, address)).not.toBeNull()
        data[place % data.length]! ^= mask
        expect(listOfAddress(data, address)).toBeNull()
      }),
    )
  })
})

describe('an address', () => {
  test('is SHA-256 of the length and the hashes of the pieces', () => {
    const file = Buffer.from('proofwire')
    const address = addressOfList({ bytes: file.length, hashes: [pieceHash(file)] })
    const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest()
    expect(address).toBe(
      `0x${sha256(Buffer.concat([head(9n), sha256(file)])).toString('hex')}` as Hex,
    )
  })

  test('is there for files from one byte to 4 GiB', () => {
    expect([1, MAX_PIECES * PIECE_BYTES].every(isKeyLength)).toBe(true)
    const bad = [0, -1, 1 / 2, Number.NaN, MAX_PIECES * PIECE_BYTES + 1, 2 ** 53]
    expect(bad.some(isKeyLength)).toBe(false)
  })
})

describe('a piece', () => {
  const [first, last] = [Buffer.alloc(PIECE_BYTES, 1), Buffer.from('the rest')]
  const list = { bytes: PIECE_BYTES + last.length, hashes: [first, last].map(pieceHash) }

  test('has a MiB, but for the last', () => {
    expect(pieceLength(list, 0)).toBe(PIECE_BYTES)
    expect(pieceLength(list, 1)).toBe(last.length)
  })

  test('is taken whole and in its place', () => {
    expect(isPiece(list, 0, first)).toBe(true)
    expect(isPiece(list, 1, last)).toBe(true)
    expect(isPiece(list, 1, first)).toBe(false)
    expect(isPiece(list, 2, last)).toBe(false)
    expect(isPiece(list, -1, last)).toBe(false)
    expect(isPiece(list, 1, last.subarray(1))).toBe(false)
    expect(isPiece(list, 1, Buffer.concat([last, Buffer.of(0)]))).toBe(false)
  })

  test('with one flipped bit is none', () => {
    fc.assert(
      fc.property(fc.nat({ max: last.length - 1 }), fc.nat({ max: 7 }), (at, bit) => {
        const flipped = Buffer.from(last)
        flipped[at]! ^= 1 << bit
        expect(isPiece(list, 1, flipped)).toBe(false)
      }),
    )
  })
})

describe('a question', () => {
  test('is its bytes and back', () => {
    const what = fc.oneof(fc.constant('list' as const), fc.nat({ max: 0xffff_fffe }))
    fc.assert(
      fc.property(hash, what, (bytes, asked) => {
        const address: Hex = `0x${Buffer.from(bytes).toString('hex')}`
        const question = encodeQuestion({ address, what: asked })
        expect(question).toHaveLength(QUESTION_BYTES)
        expect(decodeQuestion(question)).toEqual({ address, what: asked })
      }),
    )
  })

  test('of another length is none', () => {
    for (const length of [0, 32, QUESTION_BYTES - 1, QUESTION_BYTES + 1]) {
      expect(decodeQuestion(new Uint8Array(length))).toBeNull()
    }
  })
})
