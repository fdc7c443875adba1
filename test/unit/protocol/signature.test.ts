import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { hashDomain, hashTypedData, recoverAddress } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, test } from 'vitest'
import { encode } from '#protocol/codec'
import { DOMAIN_NAME, DOMAIN_VERSION, domainFields, type Hex, schema } from '#protocol/schema'
import {
  accountOf,
  digest,
  digestOfWords,
  domainSeparator,
  isNative,
  keccak,
  recover,
  signDigest,
  typeString,
} from '#protocol/signature'
import { Random } from '#simulations/random'
import { anyMessage, hexOf, kinds } from '#test/support/arbitraries'
import { messageVectors, sample, vectorDomain, vectorKey, vectorText } from '#test/vectors/write'

const bytesOf = (hex: Hex): Uint8Array => Buffer.from(hex.slice(2), 'hex')
const toHex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`
const separator = domainSeparator(vectorDomain)
const viemDomain = {
  name: DOMAIN_NAME,
  version: DOMAIN_VERSION,
  chainId: vectorDomain.chainId,
  verifyingContract: vectorDomain.settlement,
}
/** Order of the secp256k1 group. */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** The other signature of the same message: s negated, v flipped. */
function twin(signature: Uint8Array): Uint8Array {
  const s = BigInt(toHex(signature.subarray(32, 64)))
  const out = Uint8Array.from(signature)
  out.set(bytesOf(`0x${(ORDER - s).toString(16).padStart(64, '0')}`), 32)
  out[64] = 27 + 28 - signature[64]!
  return out
}

describe('digests', () => {
  test('of the domain are EIP-712’s, by viem', () => {
    const types = { EIP712Domain: [...domainFields] }
    const domain = { ...viemDomain, chainId: BigInt(vectorDomain.chainId) }
    expect(toHex(separator)).toBe(hashDomain({ domain, types }))
  })

  test.each(kinds)('of %s are EIP-712’s, by viem (rule M1)', (kind) => {
    fc.assert(
      fc.property(anyMessage(kind), (message) => {
        const expected = hashTypedData({
          domain: viemDomain,
          types: schema,
          primaryType: kind,
          message: message as never,
        })
        expect(digest(kind, message, separator)).toBe(expected)
        expect(toHex(digestOfWords(kind, encode(kind, message), separator))).toBe(expected)
      }),
      { numRuns: 25 },
    )
  })

  test('differ by chain and by contract', () => {
    const of = (domain: typeof vectorDomain) =>
      digest('Bid', sample('Bid'), domainSeparator(domain))
    const ids = [
      of(vectorDomain),
      of({ ...vectorDomain, chainId: 1 }),
      of({ ...vectorDomain, settlement: `0x${'11'.repeat(20)}` }),
    ]
    expect(new Set(ids).size).toBe(3)
  })

  test('of every kind are the committed vectors, which forge reads too', () => {
    const committed = readFileSync('test/vectors/messages.json', 'utf8')
    expect(vectorText(messageVectors())).toBe(committed)
    const { messages } = JSON.parse(committed)
    for (const kind of kinds) {
      const message = sample(kind) as never
      const id = hashTypedData({ domain: viemDomain, types: schema, primaryType: kind, message })
      expect(messages[kind]).toMatchObject({ digest: id, typeString: typeString(kind) })
      expect(messages[kind].typeHash).toBe(keccak(Buffer.from(typeString(kind))))
    }
  })
})

describe('signatures', () => {
  test('are viem’s, byte for byte, and recover to their account (rule M3)', async () => {
    const account = privateKeyToAccount(toHex(vectorKey))
    expect(accountOf(vectorKey)).toBe(account.address.toLowerCase())
    for (const kind of kinds) {
      const id = digest(kind, sample(kind), separator)
      const signature = signDigest(bytesOf(id), vectorKey)
      expect(toHex(signature)).toBe(await account.sign({ hash: id }))
      expect(recover(bytesOf(id), signature)).toBe(account.address.toLowerCase())
      const recovered = await recoverAddress({ hash: id, signature: toHex(signature) })
      expect(recovered).toBe(account.address)
    }
  })

  test('recover to another account, or none, when a bit of hash or signature changes', () => {
    fc.assert(
      fc.property(hexOf(32), fc.nat({ max: 64 * 8 - 1 }), (hash, bit) => {
        const signature = signDigest(bytesOf(hash), vectorKey)
        signature[bit >> 3]! ^= 1 << (bit & 7)
        expect(recover(bytesOf(hash), signature)).not.toBe(accountOf(vectorKey))
      }),
    )
  })

  test('with high s are refused, though they would recover', () => {
    fc.assert(
      fc.property(hexOf(32), (hash) => {
        const high = twin(signDigest(bytesOf(hash), vectorKey))
        expect(recover(bytesOf(hash), high)).toBeNull()
        expect(recover(bytesOf(hash), twin(high))).toBe(accountOf(vectorKey))
      }),
      { numRuns: 20 },
    )
  })

  test('with v other than 27 or 28 are refused', () => {
    const hash = bytesOf(keccak(Uint8Array.of(1)))
    const signature = signDigest(hash, vectorKey)
    for (let v = 0; v < 256; v++) {
      const other = Uint8Array.from(signature)
      other[64] = v
      if (v !== 27 && v !== 28) expect(recover(hash, other)).toBeNull()
    }
  })

  test('with r or s of zero, of the order, or of another length are refused', () => {
    const hash = bytesOf(keccak(Uint8Array.of(2)))
    const signature = signDigest(hash, vectorKey)
    const order = bytesOf(`0x${ORDER.toString(16)}`)
    for (const [at, word] of [
      [0, new Uint8Array(32)],
      [32, new Uint8Array(32)],
      [0, order],
      [32, order],
    ] as const) {
      const broken = Uint8Array.from(signature)
      broken.set(word, at)
      expect(recover(hash, broken)).toBeNull()
    }
    expect(recover(hash, signature.subarray(0, 64))).toBeNull()
    expect(recover(hash, Buffer.concat([signature, Uint8Array.of(0)]))).toBeNull()
    expect(recover(hash.subarray(1), signature)).toBeNull()
  })

  test('never throw, whatever 5,000 random signatures hold', () => {
    const random = new Random(3)
    const signature = new Uint8Array(65)
    const hash = new Uint8Array(32)
    for (let run = 0; run < 5_000; run++) {
      for (let i = 0; i < 64; i++) signature[i] = random.index(256)
      signature[64] = 27 + random.index(2)
      recover(hash, signature)
    }
  })

  test('are made by the native library where it has a build', () => {
    expect(isNative()).toBe(true)
  })
})
