import { describe, expect, test } from 'vitest'
import type { ProverDesk } from '#protocol/bidder'
import type { ChainEvent, Input } from '#protocol/effects'
import type { Market } from '#protocol/market'
import type { Address, Hex } from '#protocol/schema'
import { Random } from '#simulations/random'
import {
  acceptance,
  alice,
  award,
  bid,
  bob,
  builder,
  CLOSES_AT,
  DUE_AT,
  ETHER,
  MILLI,
  nameOf,
  receipt,
  request,
  Stage,
  start,
  stranger,
  T0,
} from '#test/support/messages'
import { mutated, play, scripts } from '#test/support/storm'

const of = request()
const bids = [bid(of, alice, MILLI), bid(of, bob, 2n * MILLI)]
const awarded = award(of, bids)

describe('a message that overtakes the one it names', () => {
  test('is held, and released when that comes', () => {
    const stage = new Stage()
    expect(stage.verdict(bids[0]!.bid)).toBe('hold')
    expect(stage.done('expire')).toMatchObject([
      { holdId: bids[0]!.bid.id, at: stage.now + stage.params.holdMs },
    ])
    expect(stage.verdict(of)).toBe('accept')
    expect(stage.done('release')).toEqual([
      { kind: 'release', holdId: bids[0]!.bid.id, verdict: 'accept' },
    ])
    expect(stage.market.heldCount).toBe(0)
  })

  test('is judged when it is released, by what is known then', () => {
    const stage = new Stage()
    stage.hear(bid(of, builder).bid)
    stage.fund(alice, { bondWei: 1n })
    stage.hear(bids[0]!.bid)
    stage.hear(of)
    expect(stage.done('release').map(({ verdict }) => nameOf(verdict))).toEqual([
      'ignore BOND_NOT_FREE',
      'ignore BOND_NOT_FREE',
    ])
  })

  test('may be held once more, for another', () => {
    const stage = new Stage()
    expect(stage.verdict(start(awarded), CLOSES_AT - 10)).toBe('hold')
    expect(stage.verdict(of)).toBe('accept')
    expect([stage.done('release'), stage.market.heldCount]).toEqual([[], 1])
    stage.hear(awarded, CLOSES_AT + 100)
    expect(stage.done('release')).toMatchObject([{ verdict: 'accept' }])
  })

  test('[IGNORE] HOLD_EXPIRED: what it names comes within `holdMs`', () => {
    const stage = new Stage()
    const holdId = bids[0]!.bid.id
    stage.hear(bids[0]!.bid)
    stage.feed({ kind: 'expired', holdId })
    expect(stage.done('release').map(({ verdict }) => nameOf(verdict))).toEqual([
      'ignore HOLD_EXPIRED',
    ])
    stage.feed({ kind: 'expired', holdId })
    expect(stage.effects).toEqual([])
  })

  test('[IGNORE] SIGNER_UNKNOWN: an account with money on chain vouches for what is held', () => {
    const stage = new Stage()
    const refused = 'ignore SIGNER_UNKNOWN'
    expect(stage.verdict(bid(of, stranger).bid)).toBe(refused)
    expect(stage.verdict(bid(of, alice, MILLI, DUE_AT, stranger).bid)).toBe(refused)
    expect(stage.verdict(award(of, [bid(of, stranger)]))).toBe(refused)
    expect(stage.verdict(receipt(of, alice, {}, stranger))).toBe(refused)
    expect(stage.market.heldCount).toBe(0)
  })

  test('[IGNORE] DUPLICATE: it is not held already', () => {
    const stage = new Stage()
    stage.hear(bids[0]!.bid)
    expect(stage.verdict(bids[0]!.bid)).toBe('ignore DUPLICATE')
  })

  test('[IGNORE] HOLD_FULL: there is room to hold it', () => {
    const stage = new Stage({ params: { maxHeld: 2 } })
    expect(stage.verdict(bids[0]!.bid)).toBe('hold')
    expect(stage.verdict(bid(of, alice, 3n).bid)).toBe('ignore HOLD_FULL')
    expect(stage.verdict(bids[1]!.bid)).toBe('hold')
    expect(stage.verdict(receipt(of, alice))).toBe('ignore HOLD_FULL')
  })
})

describe('what is not known', () => {
  test('[IGNORE] UNKNOWN_REQUEST: its request is known here', () => {
    const stage = new Stage()
    const refused = 'ignore UNKNOWN_REQUEST'
    const requestId = of.id
    for (const input of [
      { kind: 'tick', requestId },
      { kind: 'waiting', requestId, prover: alice },
      { kind: 'accepted', from: acceptance(awarded) },
      { kind: 'fetched', requestId, ok: true },
      { kind: 'opened', requestId, openings: [] },
    ] satisfies Input[])
      expect(nameOf(stage.feed(input))).toBe(refused)
  })

  test('[IGNORE] UNKNOWN_REQUEST: what was paid or slashed is known here', () => {
    const event = { builder, prover: alice, nonce: 9n, transactionHash: of.id }
    const paid = { kind: 'paid', payWei: 1n, ...event } as const
    expect(nameOf(new Stage().feed({ kind: 'chain', event: paid }))).toBe('ignore UNKNOWN_REQUEST')
  })
})

describe('a job', () => {
  test('is stored only where this node takes part', () => {
    const observer = new Stage()
    observer.hear(of)
    expect(observer.changed).toEqual([])
    const own = new Stage({ self: builder })
    own.hear(of)
    expect([own.changed, own.market.record(of.id)?.auction?.turn]).toEqual([[of.id], 0])
  })

  test('is removed from store and memory when it is forgotten', () => {
    const stage = new Stage({ self: builder })
    stage.hear(of)
    stage.tick(of.id, CLOSES_AT + 801)
    expect(stage.announced()).toEqual(['ended'])
    const at = CLOSES_AT + 30_000
    expect(stage.done('wake').map((wake) => wake.at)).toContain(at)
    stage.tick(of.id, at)
    expect([stage.changed, stage.market.record(of.id)]).toEqual([[of.id], null])
    expect(stage.market.accounts.sizes).toMatchObject({ bonds: 0, cover: 0 })
  })

  test('that had bids and no award counts against its builder', () => {
    const stage = new Stage()
    for (const from of [of, bids[0]!.bid]) stage.hear(from)
    stage.tick(of.id, CLOSES_AT + 801)
    expect(stage.market.standing.builder(builder).unawarded).toBe(1)
    const silent = new Stage()
    silent.hear(of)
    silent.tick(of.id, CLOSES_AT + 801)
    expect(silent.market.standing.builder(builder).unawarded).toBe(0)
  })

  test('is settled by the chain, whatever it was before', () => {
    const stage = new Stage()
    for (const from of [of, ...bids.map(({ bid: signed }) => signed)]) stage.hear(from)
    stage.hear(awarded, CLOSES_AT)
    stage.hear(start(awarded), CLOSES_AT + 100)
    const event = { builder, prover: alice, nonce: 1n, transactionHash: of.id }
    stage.feed({ kind: 'chain', event: { kind: 'paid', payWei: MILLI, ...event } })
    expect(stage.announced()).toEqual(['paid', 'ended'])
    expect(stage.market.accounts.freeBondWei(alice)).toBe(ETHER)
    expect(nameOf(stage.feed({ kind: 'chain', event: { kind: 'block', timestampS: 1 } }))).toBe(
      'accept',
    )
  })

  test('adds up what its post and its receipt paid, each once, after a restart too (rule P6)', () => {
    const stage = new Stage({ self: builder })
    for (const from of [of, ...bids.map(({ bid: signed }) => signed)]) stage.hear(from)
    stage.hear(awarded, CLOSES_AT)
    stage.hear(start(awarded), CLOSES_AT + 100)
    const pay = (on: Stage, payWei: bigint, transactionHash: Hex) => {
      const debt = { builder, prover: alice, nonce: 1n }
      const event: ChainEvent = { kind: 'paid', ...debt, payWei, transactionHash }
      on.feed({ kind: 'chain', event })
      return [on.announced(), on.market.job(of.id)!.obligations.get(alice)!.resolution]
    }
    const post = { kind: 'paid', payWei: 6n, transactionHash: '0xa0' }
    const sum = expect.objectContaining({ ...post, payWei: 10n })
    expect(pay(stage, 6n, '0xa0')).toEqual([['paid', 'ended'], post])
    expect(pay(stage, 4n, '0xb0')).toEqual([['paid'], sum])
    // A claim that added nothing.
    expect(pay(stage, 0n, '0xc0')).toEqual([[], sum])
    const after = new Stage({ self: builder })
    after.market.restore(structuredClone(stage.market.record(of.id)!), CLOSES_AT + 200)
    expect(pay(after, 6n, '0xa0')).toEqual([[], sum])
    expect(pay(after, 4n, '0xb0')).toEqual([[], sum])
  })

  test('comes back from its record, and from that record again', () => {
    const stage = new Stage({ self: builder })
    for (const from of [of, ...bids.map(({ bid: signed }) => signed)]) stage.hear(from)
    const openings = bids.map(({ bid: signed, opening }) => ({ bidId: signed.id, opening }))
    stage.feed({ kind: 'opened', requestId: of.id, openings }, CLOSES_AT)
    stage.hear(awarded, CLOSES_AT + 5)
    stage.hear(start(awarded), CLOSES_AT + 100)
    const record = structuredClone(stage.market.record(of.id)!)
    const again = new Stage({ self: builder })
    again.market.restore(structuredClone(record), CLOSES_AT + 200)
    expect(again.market.record(of.id)).toEqual(record)
    expect(again.market.accounts.freeBondWei(alice)).toBe(ETHER - of.message.bondWei)
  })

  test('is woken at its end again after a restart, even when that is over', () => {
    const old = new Stage({ self: builder })
    old.hear(of)
    const record = old.market.record(of.id)!
    for (const [now, at] of [
      [CLOSES_AT, CLOSES_AT + 801],
      [DUE_AT, DUE_AT],
    ] as const) {
      const stage = new Stage({ self: builder })
      stage.market.restore(structuredClone(record), now)
      stage.feed({ kind: 'resume' }, now)
      expect(stage.done('wake').map((wake) => wake.at)).toContain(at)
      stage.tick(of.id, Math.max(now, at))
      expect(stage.announced()).toEqual(['ended'])
    }
  })

  test('is not restored into a full book of live jobs', () => {
    const stage = new Stage({ self: builder, params: { maxJobs: 1 } })
    const other = new Stage({ self: builder })
    for (const nonce of [1n, 2n]) other.hear(request({ nonce }))
    for (const { id } of other.market.book.values())
      stage.market.restore(other.market.record(id)!, T0)
    expect(stage.market.book.size).toBe(1)
  })
})

/** Small enough for every bound to bite. */
const small = { maxJobs: 6, maxHeld: 32, maxBids: 3, maxOpenRequests: 4 }

/** Every map of a market within its bound. */
function expectBounded(market: Market): void {
  expect(market.book.size).toBeLessThanOrEqual(small.maxJobs)
  expect(market.book.bundles).toBeLessThanOrEqual(market.book.size)
  expect(market.heldCount).toBeLessThanOrEqual(small.maxHeld)
  expect(market.auctioneer.auctions.size).toBeLessThanOrEqual(small.maxJobs)
  expect(market.bidder?.pursuits.size ?? 0).toBeLessThanOrEqual(small.maxJobs)
  const { bonds, cover, balances, signers } = market.accounts.sizes
  // A job has at most four starts; the chain knows six accounts.
  expect(bonds).toBeLessThanOrEqual(4 * small.maxJobs)
  expect(cover).toBeLessThanOrEqual(small.maxJobs)
  expect(balances + signers).toBeLessThanOrEqual(2 * 6)
  for (const job of market.book.values()) {
    // The award may bring a bid that was not seen, or another in a seen one's place.
    expect(job.bids.size).toBeLessThanOrEqual(small.maxBids + 1)
    expect(job.seenAt.size).toBeLessThanOrEqual(small.maxBids)
    expect(job.openings.size).toBeLessThanOrEqual(small.maxBids + 1)
    expect(job.obligations.size).toBeLessThanOrEqual(4)
  }
}

describe('a market in a storm', () => {
  const roles: readonly [string, Address, boolean][] = [
    ['an observer', stranger, false],
    ['a builder', builder, false],
    ['a prover', alice, true],
    ['a builder that proves', builder, true],
  ]
  const stormy = (random: Random, self: Address, proves: boolean): Stage => {
    const stage = new Stage({ self, params: small, ...(proves ? { prover: anyDesk(random) } : {}) })
    stage.now = T0
    return stage
  }

  test.each(roles)(
    '%s throws nothing and keeps every map within its bound, in 2,500 random sequences',
    (_, self, proves) => {
      const random = new Random(9)
      const all = scripts(random, 40)
      for (let run = 0; run < 2_500; run++) {
        const stage = stormy(random, self, proves)
        play(random, all, stage, { steps: 20 + random.index(160) })
        expectBounded(stage.market)
      }
    },
  )

  test('reaches every verdict and every effect a market has', () => {
    const random = new Random(10)
    const all = scripts(random, 40)
    const seen = new Set<string>()
    for (const [, self, proves] of roles)
      for (let run = 0; run < 150; run++) {
        const stage = stormy(random, self, proves)
        const feed = stage.feed.bind(stage)
        stage.feed = (input, now) => {
          const verdict = feed(input, now)
          seen.add(nameOf(verdict))
          for (const { kind } of stage.effects) seen.add(kind)
          return verdict
        }
        play(random, all, stage, { steps: 200 })
      }
    const effects = [
      'publish',
      'bid',
      'open',
      'release',
      'wake',
      'expire',
      'fetch',
      'accept',
      'prove',
    ]
    effects.push(
      'abort',
      'deliver',
      'commit',
      'claim',
      'turn',
      'dismiss',
      'slash',
      'report',
      'announce',
    )
    const verdicts = [
      'accept',
      'hold',
      'reject AWARD_TERMS',
      'reject RECEIPT_TERMS',
      'ignore HOLD_FULL',
    ]
    for (const name of [...effects, ...verdicts]) expect([...seen]).toContain(name)
    expect(seen.size).toBeGreaterThan(45)
  })

  test('answers the same inputs with the same outcomes', () => {
    const log = (seed: number): string => {
      const random = new Random(seed)
      const stage = stormy(random, builder, true)
      let text = ''
      const feed = stage.feed.bind(stage)
      stage.feed = (input, now) => {
        const verdict = feed(input, now)
        text += `${nameOf(verdict)} ${stage.effects.map(({ kind }) => kind)}\n`
        return verdict
      }
      play(random, scripts(random, 10), stage, { steps: 400 })
      return text
    }
    expect(log(3)).toBe(log(3))
    expect(log(3)).not.toBe(log(4))
  })

  test.each(roles)('%s forgets everything in the end', (_, self, proves) => {
    const random = new Random(11)
    const all = scripts(random, 40)
    for (let run = 0; run < 150; run++) {
      const stage = stormy(random, self, proves)
      play(random, all, stage, { steps: 100_000, answered: 1 })
      const { book, heldCount } = stage.market
      expect([book.size, book.bundles, heldCount]).toEqual([0, 0, 0])
      expect(stage.market.accounts.sizes).toMatchObject({ bonds: 0, cover: 0 })
    }
  })

  test('is not moved by messages with any field changed, from any signer but the right one', () => {
    const random = new Random(13)
    for (let run = 0; run < 2_000; run++) {
      const stage = new Stage()
      const forged = mutated(random, of)
      const verdict = stage.verdict({ ...forged, signer: stranger })
      expect([verdict, stage.market.book.size]).toEqual([verdict, 0])
    }
  })
})

/** A prover that mostly bids, mostly in time, and mostly has room. */
function anyDesk(random: Random): ProverDesk {
  return {
    quote: ({ request: { softDueAt } }) => {
      const priceWei = BigInt(random.index(13)) * MILLI
      return random.chance(0.9) ? { priceWei, readyAt: softDueAt + random.index(4_100) } : null
    },
    accepts: () => random.chance(0.9),
  }
}
