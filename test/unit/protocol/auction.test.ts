import fc from 'fast-check'
import { encodeAbiParameters, keccak256 } from 'viem'
import { describe, expect, test } from 'vitest'
import {
  bidLeaf,
  bidsRoot,
  bidTree,
  compareBids,
  isEligible,
  lineUp,
  type OpenedBid,
  rank,
  rootOf,
} from '#protocol/auction'
import { scoreWei } from '#protocol/money'
import { ZERO_ADDRESS, ZERO_WORD } from '#protocol/schema'
import { hexOf } from '#test/support/arbitraries'
import { alice, bid, bob, carol, DUE_AT, request, SOFT_DUE_AT, terms } from '#test/support/messages'

const of = request()
const rules = terms()
/** Bids near each other and near the edges, so that ties happen. */
const anyBids: fc.Arbitrary<OpenedBid[]> = fc
  .uniqueArray(
    fc.record({
      prover: hexOf(20),
      priceWei: fc.oneof(fc.bigInt({ min: 0n, max: 3n }), fc.constant(rules.reserveWei)),
      readyAt: fc.integer({ min: SOFT_DUE_AT - 2, max: SOFT_DUE_AT + 2 }),
    }),
    { maxLength: 24, selector: ({ prover }) => prover },
  )
  .map((all) => all.map(({ prover, priceWei, readyAt }) => bid(of, prover, priceWei, readyAt)))
const shuffled = <T>(items: readonly T[], order: readonly number[]): T[] =>
  items
    .map((item, index) => ({ item, at: order[index % order.length]! * 31 + index * 7 }))
    .sort((a, b) => (a.at % 13) - (b.at % 13))
    .map(({ item }) => item)

describe('who may win (rule A2)', () => {
  test('bids within the reserve', () => {
    const at = (priceWei: bigint) => isEligible(rules, { priceWei, readyAt: 0, salt: '0x' })
    expect(at(rules.reserveWei)).toBe(true)
    expect(at(rules.reserveWei + 1n)).toBe(false)
  })

  test('bids that promise by the due time', () => {
    const at = (readyAt: number) => isEligible(rules, { priceWei: 0n, readyAt, salt: '0x' })
    expect(at(DUE_AT)).toBe(true)
    expect(at(DUE_AT + 1)).toBe(false)
  })
})

describe('the order of bids (rule A3)', () => {
  test('is by score, then earlier promise, then lower id', () => {
    const cheap = bid(of, alice, 1n)
    const dear = bid(of, bob, 2n)
    expect(compareBids(rules, cheap, dear)).toBeLessThan(0)
    const soon = bid(of, alice, 1n, SOFT_DUE_AT - 10)
    const late = bid(of, bob, 1n, SOFT_DUE_AT - 9)
    expect(compareBids(rules, soon, late)).toBeLessThan(0)
    const [first, second] = [bid(of, alice, 1n), bid(of, bob, 1n)].toSorted((a, b) =>
      a.bid.id < b.bid.id ? -1 : 1,
    ) as [OpenedBid, OpenedBid]
    expect(compareBids(rules, first, second)).toBeLessThan(0)
    expect(compareBids(rules, first, first)).toBe(0)
  })

  test('counts lateness against price', () => {
    const prompt = bid(of, alice, rules.latenessWeiPerMs * 5n, SOFT_DUE_AT)
    const late = bid(of, bob, 0n, SOFT_DUE_AT + 6)
    expect(rank(rules, [late, prompt])[0]).toBe(prompt)
  })

  test('is total: antisymmetric and transitive, never a tie between two bids', () => {
    fc.assert(
      fc.property(anyBids, (bids) => {
        const ranked = rank(rules, bids)
        for (const [index, better] of ranked.entries())
          for (const worse of ranked.slice(index + 1)) {
            expect(compareBids(rules, better, worse)).toBeLessThan(0)
            expect(compareBids(rules, worse, better)).toBeGreaterThan(0)
          }
      }),
    )
  })

  test('depends on the set of bids, never on their order of arrival', () => {
    fc.assert(
      fc.property(anyBids, fc.array(fc.nat(100), { minLength: 1 }), (bids, order) => {
        const other = shuffled(bids, order)
        expect(rank(rules, other)).toEqual(rank(rules, bids))
        expect(bidsRoot(other)).toBe(bidsRoot(bids))
      }),
    )
  })

  test('keeps out who may not win, and nobody else', () => {
    fc.assert(
      fc.property(anyBids, (bids) => {
        const tooDear = bid(of, carol, rules.reserveWei + 1n)
        const tooLate = bid(of, alice, 0n, DUE_AT + 1)
        expect(rank(rules, [...bids, tooDear, tooLate])).toHaveLength(bids.length)
      }),
    )
  })

  test('is taken over by a bid only if it is better', () => {
    fc.assert(
      fc.property(anyBids, fc.bigInt({ min: 0n, max: 3n }), (bids, priceWei) => {
        const [winner] = rank(rules, bids)
        const newcomer = bid(of, carol, priceWei, SOFT_DUE_AT)
        const [after] = rank(rules, [...bids, newcomer])
        if (after === winner || !winner) return
        expect(after).toBe(newcomer)
        const scores = [newcomer, winner].map(({ opening }) =>
          scoreWei(rules, opening.priceWei, opening.readyAt),
        )
        expect(scores[0]).toBeLessThanOrEqual(scores[1]!)
      }),
    )
  })
})

describe('the root of bids (rule A4)', () => {
  test('has leaves keccak256(abi.encode(bidId, priceWei, readyAt))', () => {
    const { bid: signed, opening } = bid(of, alice, 123n, SOFT_DUE_AT)
    const types = ['bytes32', 'uint128', 'uint48'].map((type) => ({ type }))
    const encoded = encodeAbiParameters(types, [signed.id, opening.priceWei, opening.readyAt])
    expect(bidLeaf(signed.id, opening.priceWei, opening.readyAt)).toBe(keccak256(encoded))
  })

  test('of none is the zero word, of one its leaf', () => {
    expect(bidsRoot([])).toBe(ZERO_WORD)
    const one = bid(of, alice)
    expect(bidsRoot([one])).toBe(bidLeaf(one.bid.id, one.opening.priceWei, one.opening.readyAt))
  })

  test('has a path for every bid, which proves that bid and no other', () => {
    fc.assert(
      fc.property(anyBids, (bids) => {
        const root = bidsRoot(bids)
        for (const { bid: signed, opening } of bids) {
          const path = bidTree(bids).path(signed.id)!
          const leaf = bidLeaf(signed.id, opening.priceWei, opening.readyAt)
          expect(rootOf(leaf, path)).toBe(root)
          const cheaper = bidLeaf(signed.id, opening.priceWei + 1n, opening.readyAt)
          expect(rootOf(cheaper, path)).not.toBe(root)
          expect(path.length).toBeLessThanOrEqual(Math.ceil(Math.log2(bids.length)))
        }
      }),
    )
  })

  test('has no path for a bid that is not under it', () => {
    expect(bidTree([bid(of, alice)]).path(bid(of, bob).bid.id)).toBeNull()
    expect(bidTree([]).path(bid(of, bob).bid.id)).toBeNull()
  })
})

test('the line-up of an award is its winner and the backups it names', () => {
  expect(lineUp({ prover: alice, backups: [bob, ZERO_ADDRESS, carol] })).toEqual([
    alice,
    bob,
    carol,
  ])
  expect(lineUp({ prover: alice, backups: [ZERO_ADDRESS, ZERO_ADDRESS, ZERO_ADDRESS] })).toEqual([
    alice,
  ])
})
