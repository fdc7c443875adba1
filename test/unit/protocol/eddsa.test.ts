import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eddsaKey, signEddsa, verifyEddsa } from '#protocol/eddsa'
import { FIELD_ORDER } from '#protocol/field'
import { secret } from '#test/support/ledger-sample'

/** Order of the subgroup (EIP-2494). */
const ORDER = 2736030358979909402780800718157159386076813972158567259200215660948447373041n

describe('EdDSA over Baby Jubjub', () => {
  test('makes the keys and signatures iden3 implementations make', () => {
    // Computed with @zk-kit/eddsa-poseidon 1.1.0 from the same secret and message.
    expect(eddsaKey(secret(1))).toEqual([
      15944627324083773346390189001500210680939402028015651549526524193195473201952n,
      17251889856797524237981285661279357764562574766148660962999867467495459148286n,
    ])
    expect(signEddsa(secret(1), 12345n)).toEqual([
      16645010557452456701448959088580661016911463823507331009854769009925791698150n,
      10450145626571632149073824042351857150010617503888090720817471417491973277265n,
      2075797490157831809002838810523428353652008808411614949641351030844510230852n,
    ])
  })

  test('accepts what the key signed and refuses every other message, key or signature', () => {
    const message = fc.bigInt({ min: 0n, max: FIELD_ORDER - 1n })
    const seed = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(seed, message, fc.nat(2), (bytes, text, part) => {
        const key = eddsaKey(bytes)
        const signature = signEddsa(bytes, text)
        expect(verifyEddsa(key, text, signature)).toBe(true)
        expect(verifyEddsa(key, (text + 1n) % FIELD_ORDER, signature)).toBe(false)
        expect(verifyEddsa(eddsaKey(bytes.with(0, bytes[0]! ^ 1)), text, signature)).toBe(false)
        const spoiled = signature.with(part, signature[part]! + 1n) as [bigint, bigint, bigint]
        expect(verifyEddsa(key, text, spoiled)).toBe(false)
      }),
      { numRuns: 25 },
    )
  })

  test('refuses a second scalar for the same signature', () => {
    const [x, y, s] = signEddsa(secret(1), 5n)
    expect(verifyEddsa(eddsaKey(secret(1)), 5n, [x, y, s + ORDER])).toBe(false)
  })

  test('refuses keys of small order and points off the curve without throwing', () => {
    const signature = signEddsa(secret(1), 5n)
    expect(verifyEddsa([0n, 1n], 5n, signature)).toBe(false)
    expect(verifyEddsa([0n, FIELD_ORDER - 1n], 5n, signature)).toBe(false)
    expect(verifyEddsa([1n, 2n], 5n, signature)).toBe(false)
    expect(verifyEddsa([FIELD_ORDER, 1n], 5n, signature)).toBe(false)
    expect(verifyEddsa(eddsaKey(secret(1)), 5n, [1n, 2n, 3n])).toBe(false)
    expect(verifyEddsa(eddsaKey(secret(1)), -5n, signature)).toBe(false)
  })

  test('takes secrets of 32 bytes only', () => {
    expect(() => eddsaKey(new Uint8Array(31))).toThrow(RangeError)
  })
})
