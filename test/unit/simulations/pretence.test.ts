import { describe, expect, test } from 'vitest'
import { commitmentOf } from '#protocol/sealing'
import { hashOf, pretendSigned, Seals } from '#simulations/pretence'
import { alice, bob, MILLI, request, SOFT_DUE_AT, terms } from '#test/support/messages'

describe('a pretended message', () => {
  test('has an id of its content alone, as a digest is', () => {
    const id = (changes = {}, signer = alice) =>
      pretendSigned('ProofRequest', terms(changes), signer).id
    expect(id()).toBe(id())
    expect(id()).toBe(id({}, bob))
    expect(id()).not.toBe(id({ nonce: 2n }))
    expect(id()).toMatch(/^0x[0-9a-f]{64}$/)
  })

  test('tells kinds and amounts apart', () => {
    expect(hashOf('a', 1n)).not.toBe(hashOf('a', '1'))
    expect(hashOf('a', 'b')).not.toBe(hashOf('ab'))
  })
})

describe('a pretended bid', () => {
  test('opens to what was sealed, by a true commitment', () => {
    const seals = new Seals()
    const of = request()
    const sealed = seals.seal(of.id, alice, alice, { priceWei: MILLI, readyAt: SOFT_DUE_AT })
    const opening = seals.open(sealed)
    expect(opening).toMatchObject({ priceWei: MILLI, readyAt: SOFT_DUE_AT })
    expect(commitmentOf(of.id, alice, opening!)).toBe(sealed.message.commitment)
  })

  test('sealed nowhere does not open', () => {
    const of = request()
    const sealed = new Seals().seal(of.id, alice, alice, { priceWei: 1n, readyAt: 1 })
    expect(new Seals().open(sealed)).toBeNull()
  })
})
