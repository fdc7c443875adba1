import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareBids, type OpenedBid, rank } from '#protocol/auction'
import { assign, bundleKey, decide, fitsBundle, lanesIn, roomIn } from '#protocol/bundle'
import { type Address, ZERO_WORD } from '#protocol/schema'
import {
  addressOf,
  alice,
  bid,
  bob,
  builder,
  carol,
  dave,
  MILLI,
  request,
  SOFT_DUE_AT,
  terms,
} from '#test/support/messages'

const WORD = `0x${'b0'.repeat(32)}` as const
/** The requests of one bundle. */
const segments = (count: number) =>
  Array.from({ length: count }, (_, bundleIndex) =>
    request({
      nonce: BigInt(bundleIndex + 1),
      bundleId: WORD,
      bundleIndex,
      bundleSize: count,
    }),
  )
const plenty = (): bigint => 1_000_000n * MILLI
const proverOf = (opened: OpenedBid): Address => opened.bid.message.prover

/** Who bids how much on which segment, with how many lanes. */
type Offer = readonly [prover: Address, priceWei: bigint, lanes?: number | undefined]
const withLanes = (opened: OpenedBid, lanes?: number): OpenedBid =>
  lanes === undefined ? opened : { ...opened, opening: { ...opened.opening, lanes } }
function auctions(offers: readonly (readonly Offer[])[]) {
  const all = segments(offers.length)
  return all.map((of, index) => ({
    request: of.message,
    bids: offers[index]!.map(([prover, priceWei, lanes]) =>
      withLanes(bid(of, prover, priceWei, SOFT_DUE_AT), lanes),
    ),
  }))
}
const decided = (
  offers: readonly (readonly Offer[])[],
  freeBondWei: (prover: Address) => bigint = plenty,
) => decide(auctions(offers), freeBondWei, 4_096)
const winners = (...of: Parameters<typeof decided>) =>
  decided(...of)?.map(({ winner }) => proverOf(winner)) ?? null

describe('a bundle', () => {
  test('is named by its builder and its id; a request alone is in none', () => {
    expect(bundleKey({ builder, bundleId: ZERO_WORD })).toBeNull()
    expect(bundleKey({ builder, bundleId: WORD })).not.toBe(
      bundleKey({ builder: alice, bundleId: WORD }),
    )
  })

  test('has distinct indices, and one size, time and bond (rule R8)', () => {
    const [first, second] = segments(2).map(({ message }) => message)
    expect(fitsBundle(first!, second!)).toBe(true)
    expect(fitsBundle(first!, { ...second!, bundleIndex: 0 })).toBe(false)
    expect(fitsBundle(first!, { ...second!, dueAt: first!.dueAt + 1 })).toBe(false)
    expect(fitsBundle(first!, { ...second!, bondWei: 1n })).toBe(false)
  })
})

describe('the award of a bundle (rule A9)', () => {
  test('gives a prover at most one segment a lane', () => {
    const both = (lanes?: number): Offer[] => [
      [alice, MILLI, lanes],
      [bob, 2n * MILLI],
    ]
    expect(winners([both(), both()])).toEqual([alice, bob])
    expect(winners([both(1), both(1)])).toEqual([alice, bob])
    expect(winners([both(2), both(2)])).toEqual([alice, alice])
  })

  test('goes by the fewest lanes that any bid of a prover names', () => {
    const [first, second] = [
      [
        [alice, MILLI, 2],
        [bob, 2n * MILLI],
      ],
      [
        [alice, MILLI, 1],
        [bob, 2n * MILLI],
      ],
    ] as const
    expect(winners([first, second])).toEqual([alice, bob])
    expect(lanesIn(auctions([first, second]).map(({ bids }) => bids)).get(alice)).toBe(1)
  })

  test('takes a bond of its own for each segment', () => {
    const { bondWei } = terms()
    const offers: Offer[] = [
      [alice, MILLI, 8],
      [bob, 2n * MILLI, 8],
    ]
    const free = (wei: bigint) => (prover: Address) => (prover === alice ? wei : plenty())
    expect(winners([offers, offers], free(2n * bondWei))).toEqual([alice, alice])
    expect(winners([offers, offers], free(2n * bondWei - 1n))).toEqual([alice, bob])
    expect(winners([offers, offers], free(bondWei - 1n))).toEqual([bob, bob])
    expect(winners([offers, offers], free(-1n))).toEqual([bob, bob])
    const bids = auctions([offers]).map((auction) => auction.bids)
    expect(roomIn(bids, bondWei, free(3n * bondWei)).get(alice)).toBe(3)
  })

  test('is none when one segment has no bid that may win, or there are too few lanes', () => {
    expect(winners([[[alice, MILLI, 2]], []])).toBeNull()
    expect(winners([[[alice, MILLI, 2]], [[bob, terms().reserveWei + 1n]]])).toBeNull()
    expect(winners([[[alice, MILLI]], [[alice, MILLI]]])).toBeNull()
    expect(winners([[[alice, MILLI]], [[bob, MILLI]]])).toEqual([alice, bob])
  })

  test('leaves a segment to who alone bids for it', () => {
    // Alice is the best everywhere, and the only one for the last.
    const offers: Offer[][] = [
      [
        [alice, MILLI],
        [bob, 2n * MILLI],
      ],
      [
        [alice, MILLI],
        [bob, 3n * MILLI],
        [carol, 4n * MILLI],
      ],
      [[alice, 5n * MILLI]],
    ]
    expect(winners(offers)).toEqual([bob, carol, alice])
  })

  test('puts nobody better than the winner under the root, and all that rank behind it', () => {
    const offers: Offer[] = [
      [alice, MILLI],
      [bob, 2n * MILLI],
      [carol, 3n * MILLI],
    ]
    const [first, second] = decided([offers, offers])!
    expect(first!.rooted.map(proverOf)).toEqual([alice, bob, carol])
    expect(second!.rooted.map(proverOf)).toEqual([bob, carol])
  })

  test('has those with a lane left stand behind the winner first, then the others, by rank', () => {
    const offers: Offer[] = [
      [alice, MILLI],
      [bob, 2n * MILLI],
      [carol, 3n * MILLI],
      [dave, 4n * MILLI],
    ]
    const cheaper: Offer[] = [[bob, MILLI / 2n], ...offers.filter(([prover]) => prover !== bob)]
    const [first, second] = decided([offers, cheaper])!
    expect([proverOf(first!.winner), first!.others.map(proverOf)]).toEqual([
      alice,
      [carol, dave, bob],
    ])
    expect([proverOf(second!.winner), second!.others.map(proverOf)]).toEqual([
      bob,
      [carol, dave, alice],
    ])
  })

  test('of a request alone is its best bid, with all others behind it by rank', () => {
    const of = request()
    const bids = [carol, alice, bob].map((prover, index) => bid(of, prover, BigInt(index + 1)))
    const [choice] = decide([{ request: of.message, bids }], plenty, 4_096)!
    const ranked = rank(of.message, bids)
    expect(choice).toEqual({ winner: ranked[0], others: ranked.slice(1), rooted: ranked })
  })

  test('roots no more bids in all than one auction counts', () => {
    const offers: Offer[] = [alice, bob, carol, dave].map((prover) => [prover, MILLI, 2])
    const choices = decide(auctions([offers, offers]), plenty, 5)!
    expect(choices.map(({ rooted }) => rooted.length)).toEqual([2, 2])
  })
})

describe('in random bundles', () => {
  const names = Array.from({ length: 6 }, (_, index) => addressOf(`prover ${index}`))
  type Market = { readonly lanes: number[]; readonly prices: (number | null)[][] }
  const anyMarket: fc.Arbitrary<Market> = fc.integer({ min: 1, max: 6 }).chain((count) =>
    fc.record({
      lanes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 6, maxLength: 6 }),
      prices: fc.array(
        fc.array(fc.option(fc.integer({ min: 1, max: 9 })), { minLength: 6, maxLength: 6 }),
        { minLength: count, maxLength: count },
      ),
    }),
  )
  const offersOf = ({ lanes, prices }: Market): Offer[][] =>
    prices.map((row) =>
      row.flatMap((price, index) =>
        price === null ? [] : [[names[index]!, BigInt(price), lanes[index]!] as const],
      ),
    )

  /** Whether every segment can have a bidder, by trying all. */
  function isPossible(offers: readonly (readonly Offer[])[], left: Map<Address, number>): boolean {
    const [first, ...rest] = offers
    if (!first) return true
    return first.some(([prover]) => {
      const lanes = left.get(prover) ?? 0
      return lanes > 0 && isPossible(rest, new Map(left).set(prover, lanes - 1))
    })
  }
  const room = ({ lanes }: Market) => new Map(names.map((name, index) => [name, lanes[index]!]))

  test('there is an award exactly when there is a way, and it is the best in order of index', () => {
    fc.assert(
      fc.property(anyMarket, (market) => {
        const offers = offersOf(market)
        const all = auctions(offers)
        const choices = decide(all, plenty, 4_096)
        expect(choices !== null).toBe(isPossible(offers, room(market)))
        if (!choices) return
        const left = room(market)
        for (const [index, { winner }] of choices.entries()) {
          const of = all[index]!.request
          // Nobody better could have been taken without leaving a later segment without a bid.
          for (const better of all[index]!.bids) {
            if (compareBids(of, better, winner) >= 0) continue
            const lanes = left.get(proverOf(better))!
            const without = new Map(left).set(proverOf(better), lanes - 1)
            expect(lanes > 0 && isPossible(offers.slice(index + 1), without)).toBe(false)
          }
          left.set(proverOf(winner), left.get(proverOf(winner))! - 1)
        }
        for (const lanes of left.values()) expect(lanes).toBeGreaterThanOrEqual(0)
      }),
      { numRuns: 300 },
    )
  })

  test('bidders for all segments with as many lanes always get it', () => {
    fc.assert(
      fc.property(anyMarket, (market) => {
        const offers = market.prices.map((row) =>
          row.map(
            (price, index) => [names[index]!, BigInt(price ?? 1), market.lanes[index]!] as const,
          ),
        )
        const lanes = market.lanes.reduce((a, b) => a + b)
        expect(winners(offers) !== null).toBe(lanes >= offers.length)
      }),
    )
  })

  test('neither the order of bids nor bids behind the k best of k segments change anything', () => {
    fc.assert(
      fc.property(anyMarket, (market) => {
        const offers = offersOf(market)
        const of = (all: readonly (readonly Offer[])[]) => winners(all)
        expect(of(offers.map((row) => row.toReversed()))).toEqual(of(offers))
        const ranked = auctions(offers).map(({ request: each, bids }) => rank(each, bids))
        const best = ranked.map((bids) => bids.slice(0, ranked.length))
        const byAssign = assign(best, room(market))?.map(proverOf) ?? null
        expect(byAssign).toEqual(of(offers))
      }),
    )
  })

  test('the largest bundle of the most crowded market is decided in a moment', () => {
    const crowd = Array.from({ length: 64 }, (_, index) => addressOf(`crowd ${index}`))
    // The same order of preference everywhere, one lane each: the hardest to seat.
    const offers = Array.from({ length: 64 }, () =>
      crowd.map((prover, index) => [prover, BigInt(index + 1)] as const),
    )
    const all = auctions(offers)
    const beganAt = performance.now()
    expect(decide(all, plenty, 64)?.map(({ winner }) => proverOf(winner))).toEqual(crowd)
    expect(performance.now() - beganAt).toBeLessThan(2_000)
  })
})
