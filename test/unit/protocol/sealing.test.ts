import fc from 'fast-check'
import { encodeAbiParameters, keccak256 } from 'viem'
import { describe, expect, test } from 'vitest'
import { sealOpening } from '#node/signer'
import type { Opening } from '#protocol/money'
import type { Bid, Hex } from '#protocol/schema'
import {
  auctionKeyOf,
  commitmentOf,
  decodeOpening,
  encodeOpening,
  OPENING_BYTES,
  openBid,
  openSealed,
  parseSecret,
  SEAL_INFO,
  sealAad,
} from '#protocol/sealing'
import { Random } from '#simulations/random'
import { hexOf } from '#test/support/arbitraries'

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replace(/^0x/, ''), 'hex')
const anyOpening: fc.Arbitrary<Opening> = fc.record(
  {
    priceWei: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }),
    readyAt: fc.nat({ max: 2 ** 48 - 1 }),
    salt: hexOf(16),
    lanes: fc.integer({ min: 1, max: 255 }),
  },
  { requiredKeys: ['priceWei', 'readyAt', 'salt'] },
)

/** RFC 9180, appendix A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode. */
const rfc = {
  info: bytesOf('4f6465206f6e2061204772656369616e2055726e'),
  secret: '0x4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8' as Hex,
  publicKey: '0x3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d' as Hex,
  enc: bytesOf('37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431'),
  aad: bytesOf('436f756e742d30'),
  text: bytesOf('4265617574792069732074727574682c20747275746820626561757479'),
  ciphertext: bytesOf(
    'f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a',
  ),
}

const requestId: Hex = `0x${'5a'.repeat(32)}`
const prover: Hex = `0x${'a1'.repeat(20)}`
const secret: Hex = `0x${'77'.repeat(32)}`
const opening: Opening = {
  priceWei: 12_345n,
  readyAt: 1_800_000_000_000,
  salt: `0x${'9c'.repeat(16)}`,
}

/** A bid sealed by `@hpke/core`, as production seals it. */
async function sealed(of: Opening = opening, to = auctionKeyOf(secret)): Promise<Bid> {
  const sealedOpening = await sealOpening(to, requestId, prover, of)
  return { requestId, prover, commitment: commitmentOf(requestId, prover, of), sealedOpening }
}

describe('opening', () => {
  test('gives the text of RFC 9180 appendix A.1.1', () => {
    expect(auctionKeyOf(rfc.secret)).toBe(rfc.publicKey)
    const text = openSealed(parseSecret(rfc.secret), rfc.enc, rfc.ciphertext, rfc.aad, rfc.info)
    expect(text).toEqual(rfc.text)
  })

  test('gives nothing with other info, aad, key, or a changed bit', () => {
    const key = parseSecret(rfc.secret)
    expect(openSealed(key, rfc.enc, rfc.ciphertext, rfc.aad)).toBeNull()
    expect(openSealed(key, rfc.enc, rfc.ciphertext, SEAL_INFO, rfc.info)).toBeNull()
    const other = parseSecret(`0x${'01'.repeat(32)}`)
    expect(openSealed(other, rfc.enc, rfc.ciphertext, rfc.aad, rfc.info)).toBeNull()
    for (let bit = 0; bit < rfc.ciphertext.length * 8; bit += 3) {
      const changed = Buffer.from(rfc.ciphertext)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(openSealed(key, rfc.enc, changed, rfc.aad, rfc.info)).toBeNull()
    }
  })

  test('gives nothing for a key of low order, or a text shorter than its tag', () => {
    const key = parseSecret(rfc.secret)
    // Zero, one and the two points of order eight: every secret gives the same shared secret with
    // them.
    const lowOrder = [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    ]
    for (const enc of lowOrder)
      expect(openSealed(key, bytesOf(enc), rfc.ciphertext, rfc.aad, rfc.info)).toBeNull()
    for (let bytes = 0; bytes < 16; bytes++)
      expect(openSealed(key, rfc.enc, rfc.ciphertext.subarray(0, bytes), rfc.aad)).toBeNull()
    expect(openSealed(key, rfc.enc.subarray(1), rfc.ciphertext, rfc.aad)).toBeNull()
  })

  test('gives back what @hpke/core sealed', async () => {
    await fc.assert(
      fc.asyncProperty(anyOpening, async (of) => {
        expect(openBid(parseSecret(secret), await sealed(of))).toEqual(of)
      }),
      { numRuns: 20 },
    )
  })

  test('a bid that does not open to its commitment is void (rule B3)', async () => {
    const bid = await sealed()
    const key = parseSecret(secret)
    expect(openBid(key, bid)).toEqual(opening)
    const otherPrice = commitmentOf(requestId, prover, { ...opening, priceWei: 1n })
    expect(openBid(key, { ...bid, commitment: otherPrice })).toBeNull()
    // Replayed as another's, or for another request: the additional data no longer fits.
    expect(openBid(key, { ...bid, prover: `0x${'b2'.repeat(20)}` })).toBeNull()
    expect(openBid(key, { ...bid, requestId: `0x${'00'.repeat(32)}` })).toBeNull()
    expect(openBid(parseSecret(`0x${'78'.repeat(32)}`), bid)).toBeNull()
  })

  test('never throws, whatever random bids hold', () => {
    const random = new Random(4)
    const word = (): Hex =>
      `0x${Buffer.from(Array.from({ length: 32 }, () => random.index(256))).toString('hex')}`
    const key = parseSecret(secret)
    for (let run = 0; run < 1_000; run++) {
      const sealedOpening = [word(), word(), word()] as const
      expect(openBid(key, { requestId, prover, commitment: word(), sealedOpening })).toBeNull()
    }
  })
})

describe('an opening’s bytes', () => {
  test('are 48, and encode and decode are inverse', () => {
    fc.assert(
      fc.property(anyOpening, (of) => {
        const bytes = encodeOpening(of)
        expect(bytes.length).toBe(OPENING_BYTES)
        expect(decodeOpening(bytes)).toEqual(of)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 39, maxLength: 39 }), (head) => {
        const bytes = Buffer.concat([head, Buffer.alloc(9)])
        expect(Buffer.from(encodeOpening(decodeOpening(bytes)!))).toEqual(bytes)
      }),
    )
  })

  test('decode to nothing at another length, or with padding that is not zero', () => {
    const bytes = Buffer.from(encodeOpening(opening))
    expect(decodeOpening(bytes.subarray(1))).toBeNull()
    expect(decodeOpening(Buffer.concat([bytes, Buffer.alloc(1)]))).toBeNull()
    for (let at = 39; at < OPENING_BYTES; at++) {
      const dirty = Buffer.from(bytes)
      dirty[at] = 1
      expect(decodeOpening(dirty)).toBeNull()
    }
  })

  test('have the lanes behind the salt; without them they are as ever, with ten zeros', () => {
    const plain = Buffer.from(encodeOpening(opening))
    expect(plain.subarray(38)).toEqual(Buffer.alloc(10))
    const lanes = Buffer.from(encodeOpening({ ...opening, lanes: 3 }))
    expect([lanes[38], lanes.subarray(0, 38)]).toEqual([3, plain.subarray(0, 38)])
    expect(decodeOpening(lanes)).toEqual({ ...opening, lanes: 3 })
  })

  test('never make decoding throw, in 100,000 random strings', () => {
    const random = new Random(5)
    for (let run = 0; run < 100_000; run++) {
      const bytes = new Uint8Array(random.chance(0.8) ? OPENING_BYTES : random.index(100))
      for (let i = 0; i < 8 && bytes.length > 0; i++)
        bytes[random.index(bytes.length)] = random.index(256)
      decodeOpening(bytes)
    }
  })
})

describe('a commitment', () => {
  test('is keccak256(abi.encode(requestId, prover, priceWei, readyAt, salt)) (rule B2)', () => {
    fc.assert(
      fc.property(hexOf(32), hexOf(20), anyOpening, (id, account, of) => {
        const types = ['bytes32', 'address', 'uint128', 'uint48', 'bytes16'] as const
        const values = [id, account, of.priceWei, of.readyAt, of.salt] as const
        const encoded = encodeAbiParameters(
          types.map((type) => ({ type })),
          values as never,
        )
        expect(commitmentOf(id, account, of)).toBe(keccak256(encoded))
      }),
      { numRuns: 50 },
    )
  })

  test('and the aad name request and prover', () => {
    expect(Buffer.from(sealAad(requestId, prover)).toString('hex')).toBe(
      requestId.slice(2) + prover.slice(2),
    )
  })
})
