import { describe, expect, test } from 'vitest'
import type { Address, Hex } from '#protocol/schema'
import { VerifierList, type VerifierListOptions } from '#prover-agent/verifiers'
import { hashOf } from '#simulations/pretence'
import { settled } from '#test/support/hand-clock'
import { addressOf, T0 } from '#test/support/messages'

const GOOD: Hex = hashOf('good code')
const [good, bad, empty] = ['good', 'bad', 'empty'].map(addressOf) as [Address, Address, Address]

function list(changes: Partial<VerifierListOptions> = {}) {
  const state = { now: T0, asked: [] as Address[] }
  const codes = new Map<Address, Hex | null>([
    [good, GOOD],
    [bad, hashOf('bad code')],
    [empty, null],
  ])
  const verifiers = new VerifierList({
    allowed: [GOOD.toUpperCase().replace('0X', '0x') as Hex],
    codeHash: async (address) => {
      state.asked.push(address)
      return codes.get(address) ?? null
    },
    now: () => state.now,
    ...changes,
  })
  return { verifiers, state, codes }
}

describe('a verifier', () => {
  test('is unknown when it is first named, and known by its code from then on', async () => {
    const { verifiers, state } = list()
    expect([good, bad].map((address) => verifiers.standing(address))).toEqual([
      'unknown',
      'unknown',
    ])
    await settled()
    expect([good, bad].map((address) => verifiers.standing(address))).toEqual([
      'allowed',
      'refused',
    ])
    expect(state.asked).toEqual([good, bad])
  })

  test('is asked for once, however often it is named meanwhile', async () => {
    const { verifiers, state } = list()
    for (let i = 0; i < 5; i++) verifiers.standing(good)
    expect(state.asked).toEqual([good])
  })

  test('without code is asked for again later: it may be deployed by then', async () => {
    const { verifiers, state, codes } = list()
    verifiers.standing(empty)
    await settled()
    expect(verifiers.standing(empty)).toBe('refused')
    codes.set(empty, GOOD)
    state.now += 60_000
    expect(verifiers.standing(empty)).toBe('refused')
    state.now += 1
    verifiers.standing(empty)
    await settled()
    expect(verifiers.standing(empty)).toBe('allowed')
    expect(state.asked).toEqual([empty, empty])
  })

  test('stays unknown while the chain does not answer', async () => {
    const errors: Address[] = []
    const { verifiers } = list({
      codeHash: () => Promise.reject(new Error('no RPC')),
      onError: (address) => errors.push(address),
    })
    verifiers.standing(good)
    await settled()
    expect(verifiers.standing(good)).toBe('unknown')
    expect(errors).toEqual([good])
  })

  test('strangers cannot ask without end, nor make an allowed one forgotten', async () => {
    const { verifiers, state } = list()
    verifiers.standing(good)
    await settled()
    for (let i = 0; i < 20; i++) verifiers.standing(addressOf(`burst ${i}`))
    expect(state.asked).toHaveLength(1 + 8)
    await settled()
    for (let i = 0; i < 1_100; i++) {
      verifiers.standing(addressOf(`stranger ${i}`))
      await Promise.resolve()
        .then(() => undefined)
        .then(() => undefined)
    }
    await settled()
    const before = state.asked.length
    expect(verifiers.standing(good)).toBe('allowed')
    expect(state.asked).toHaveLength(before)
    expect(verifiers.standing(addressOf('burst 0'))).toBe('unknown')
  })
})
