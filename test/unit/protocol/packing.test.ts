import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PackedReceipt, packReceipts, unpackPayments, unpackReceipts } from '#protocol/packing'
import type { Hex } from '#protocol/schema'

const hex = (bytes: number): fc.Arbitrary<Hex> =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((value) => `0x${Buffer.from(value).toString('hex')}` as Hex)
const parties = fc.constantFrom<Hex>(`0x${'11'.repeat(20)}`, `0x${'22'.repeat(20)}`)
const signature = fc
  .tuple(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.constantFrom(27, 28))
  .map(([rs, v]) => {
    const out = Uint8Array.of(...rs, v)
    // Low s: its top bit is never set.
    out[32]! &= 0x7f
    return out
  })
const receipt: fc.Arbitrary<PackedReceipt> = fc.record({
  message: fc.record({
    builder: parties,
    nonce: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    requestId: hex(32),
    prover: parties,
    payWei: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }),
    proofHash: hex(32),
    deliveredAt: fc.nat({ max: 2 ** 48 - 1 }),
  }),
  signature,
})
const identity = ({ message }: PackedReceipt): string =>
  `${message.builder}${message.prover}${message.nonce}`
const batch = fc.uniqueArray(receipt, { maxLength: 40, selector: identity })

const one = (nonce: bigint, v = 27): PackedReceipt => ({
  message: {
    builder: `0x${'b1'.repeat(20)}`,
    nonce,
    requestId: `0x${'01'.repeat(32)}`,
    prover: `0x${'c2'.repeat(20)}`,
    payWei: 5n,
    proofHash: `0x${'02'.repeat(32)}`,
    deliveredAt: 1_700_000_000_123,
  },
  signature: Uint8Array.of(...new Uint8Array(32).fill(3), ...new Uint8Array(32).fill(4), v),
})

describe('packed receipts', () => {
  test('reading gives back what was packed, in the order of builder, prover and nonce', () => {
    fc.assert(
      fc.property(batch, (receipts) => {
        const back = unpackReceipts(packReceipts(receipts))!
        expect(back.map(identity).sort()).toEqual(receipts.map(identity).sort())
        const byIdentity = new Map(receipts.map((each) => [identity(each), each]))
        for (const each of back) expect(each).toEqual(byIdentity.get(identity(each)))
      }),
    )
  })

  test('the same receipts give the same bytes in whatever order they came', () => {
    fc.assert(
      fc.property(batch, (receipts) => {
        expect(packReceipts([...receipts].reverse())).toEqual(packReceipts(receipts))
      }),
    )
  })

  test('the layout of one receipt, byte by byte', () => {
    const expected = [
      'b1'.repeat(20),
      'c2'.repeat(20),
      '01',
      '0000000000000007',
      '01'.repeat(32),
      '00000000000000000000000000000005',
      '02'.repeat(32),
      (1_700_000_000_123).toString(16).padStart(12, '0'),
      '03'.repeat(32),
      `84${'04'.repeat(31)}`,
    ].join('')
    expect(Buffer.from(packReceipts([one(7n, 28)])).toString('hex')).toBe(expected)
  })

  test('a group holds 255 receipts, the next one opens another', () => {
    const receipts = Array.from({ length: 256 }, (_, nonce) => one(BigInt(nonce)))
    const packed = packReceipts(receipts)
    expect(packed.length).toBe(2 * 41 + 256 * 158)
    expect(packed[40]).toBe(255)
    expect(unpackReceipts(packed)).toEqual(receipts)
  })

  test('bytes that packing would not have written are refused', () => {
    const packed = packReceipts([one(1n), one(2n)])
    const split = Buffer.concat([packReceipts([one(1n)]), packReceipts([one(2n)])])
    const swapped = Buffer.concat([packReceipts([one(2n)]), packReceipts([one(1n)])])
    const twice = Buffer.from(packReceipts([one(1n), one(1n)]))
    const empty = Buffer.from(packed.subarray(0, 41))
    empty[40] = 0
    for (const bytes of [split, swapped, twice, empty]) expect(unpackReceipts(bytes)).toBeNull()
    for (let length = 1; length < packed.length; length++) {
      expect(unpackReceipts(packed.subarray(0, length))).toBeNull()
    }
    expect(unpackReceipts(Buffer.concat([packed, Buffer.alloc(1)]))).toBeNull()
  })

  test('any bytes that are read pack to themselves', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => {
        const receipts = unpackReceipts(bytes)
        if (receipts) expect(packReceipts(receipts)).toEqual(Buffer.from(bytes))
      }),
    )
  })
})

describe('payments of a Paid event', () => {
  test('each is a nonce and an amount', () => {
    const word = (nonce: bigint, payWei: bigint) =>
      nonce.toString(16).padStart(16, '0') + payWei.toString(16).padStart(32, '0')
    expect(unpackPayments(`0x${word(9n, 10n ** 30n)}${word(10n, 0n)}`)).toEqual([
      { nonce: 9n, payWei: 10n ** 30n },
      { nonce: 10n, payWei: 0n },
    ])
  })

  test('half a payment is refused', () => {
    expect(unpackPayments('0x')).toEqual([])
    expect(unpackPayments(`0x${'00'.repeat(23)}`)).toBeNull()
    expect(unpackPayments(`0x${'00'.repeat(24)}0`)).toBeNull()
  })
})
