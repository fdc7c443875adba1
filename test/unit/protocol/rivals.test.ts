import { describe, expect, test } from 'vitest'
import type { SignedAward } from '#protocol/effects'
import { Rivals } from '#protocol/rivals'
import {
  addressOf,
  alice,
  award,
  bid,
  bob,
  CLOSES_AT,
  request,
  Stage,
  stranger,
} from '#test/support/messages'

/** Two requests of one nonce, each with an award. */
const [first, second] = [request(), request({ work: 2n })]
const awardOf = (of: typeof first): SignedAward => award(of, [bid(of, alice, 3n), bid(of, bob, 4n)])
const [firstAward, secondAward] = [awardOf(first), awardOf(second)]
const evidence = [
  {
    kind: 'report',
    first: { request: first.message, award: firstAward },
    second: { request: second.message, award: secondAward },
  },
]
const awardedAt = CLOSES_AT + 20

function heard(): Stage {
  const stage = new Stage()
  stage.hear(first)
  expect(stage.verdict(second)).toBe('ignore EQUIVOCATION')
  return stage
}

describe('two awarded requests of one nonce', () => {
  test("[IGNORE] EQUIVOCATION: it awards the builder's first request with its nonce", () => {
    const stage = heard()
    stage.hear(firstAward, awardedAt)
    expect(stage.done('report')).toEqual([])
    expect(stage.verdict(secondAward)).toBe('ignore EQUIVOCATION')
    expect(stage.done('report')).toEqual(evidence)
  })

  test('are reported once, whichever award comes first', () => {
    const stage = heard()
    expect(stage.verdict(secondAward, awardedAt)).toBe('ignore EQUIVOCATION')
    expect(stage.done('report')).toEqual([])
    expect(stage.verdict(firstAward)).toBe('accept')
    expect(stage.done('report')).toEqual(evidence)
    stage.hear(secondAward)
    expect(stage.done('report')).toEqual([])
  })

  test("are no evidence when the second award is not the builder's", () => {
    const stage = heard()
    stage.hear(firstAward, awardedAt)
    const forged = { ...secondAward, signer: stranger }
    expect(stage.verdict(forged)).toBe('ignore SIGNER_UNKNOWN')
    expect(stage.done('report')).toEqual([])
  })
})

test('the oldest rival is forgotten when too many are kept', () => {
  const rivals = new Rivals()
  const all = Array.from({ length: 300 }, (_, work) => request({ work: BigInt(work + 1) }))
  for (const rival of all) rivals.keep(rival)
  expect(rivals.size).toBe(256)
  expect(rivals.get(all[0]!.id)).toBeUndefined()
  expect(rivals.get(all.at(-1)!.id)?.request).toBe(all.at(-1))
  expect(rivals.awarded(addressOf('builder'), 1n)).toBeUndefined()
})
