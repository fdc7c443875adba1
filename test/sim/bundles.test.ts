import { describe, expect, test } from 'vitest'
import type { MarketEvent } from '#protocol/effects'
import type { Id } from '#protocol/schema'
import type { Actor } from '#simulations/actor'
import { Random } from '#simulations/random'
import {
  addressOf,
  bond,
  credit,
  ETHER,
  eventsOf,
  everybody,
  type MarketOptions,
  MILLI,
  outcomes,
  type ProverTraits,
  SimMarket,
  three,
} from '#test/support/sim'

/** A bundle from its requests to the end of every window. */
function runBundle(options: MarketOptions, size = 2, terms = {}) {
  const market = new SimMarket(options)
  const { totalWei } = market.world.chain
  const ids = market.askBundle(size, terms)
  market.runOut()
  expect(market.world.chain.totalWei).toBe(totalWei)
  return { market, ids }
}
/** Who won each request of these, as an actor heard. */
const wonBy = (actor: Actor, ids: readonly Id[]): (string | undefined)[] =>
  ids.map((id) => eventsOf(actor, 'awarded').find(({ requestId }) => requestId === id)?.prover)
const addresses = (...names: string[]): string[] => names.map(addressOf)
const kindsOf = (actor: Actor, id: Id): MarketEvent['kind'][] =>
  actor.events.flatMap((event) =>
    'requestId' in event && event.requestId === id ? [event.kind] : [],
  )
const conduct = (market: SimMarket) =>
  market.observer.market.standing.builder(market.builder.account)

describe('a bundle', () => {
  test('goes to two provers of one lane each, and everybody finds that in order', () => {
    const { alice, bob } = three
    const { market, ids } = runBundle({ provers: { alice, bob } })
    for (const actor of everybody(market)) {
      expect(wonBy(actor, ids)).toEqual(addresses('alice', 'bob'))
      expect(outcomes(actor)).toEqual(['settled', 'settled'])
      expect(eventsOf(actor, 'omission')).toEqual([])
      expect(actor.market.accounts.cover.size).toBe(0)
    }
    expect([credit(market, 'alice'), credit(market, 'bob')]).toEqual([MILLI, 2n * MILLI])
    expect(market.world.chain.offences).toEqual([])
    expect(conduct(market)).toEqual({ awards: 2, unawarded: 0, omissions: 0 })
  })

  test('goes to one prover of two lanes, and to another when a third segment is left', () => {
    const provers = { alice: { ...three.alice, lanes: 2 }, bob: { ...three.bob, lanes: 1 } }
    const { market, ids } = runBundle({ provers }, 3)
    expect(wonBy(market.observer, ids)).toEqual(addresses('alice', 'alice', 'bob'))
    expect(outcomes(market.observer)).toEqual(['settled', 'settled', 'settled'])
    expect([credit(market, 'alice'), credit(market, 'bob')]).toEqual([2n * MILLI, 2n * MILLI])
    expect(conduct(market)).toEqual({ awards: 3, unawarded: 0, omissions: 0 })
  })

  test('is awarded not at all when one segment has no bid, and that is not its builder’s fault', () => {
    const provers = {
      alice: { ...three.alice, lanes: 2, wants: ({ bundleIndex = 0 }) => bundleIndex === 0 },
      bob: { ...three.bob, wants: ({ bundleIndex = 0 }) => bundleIndex === 0 },
    }
    const { market } = runBundle({ provers })
    for (const actor of everybody(market)) {
      expect(eventsOf(actor, 'awarded')).toEqual([])
      expect(outcomes(actor)).toEqual(['void', 'void'])
      expect(actor.market.accounts.cover.size).toBe(0)
    }
    expect(conduct(market)).toEqual({ awards: 0, unawarded: 0, omissions: 0 })
  })

  test('is awarded not at all when its bidders have fewer lanes than it has segments', () => {
    const { market } = runBundle({ provers: { alice: { lanes: 1 } } })
    expect(outcomes(market.observer)).toEqual(['void', 'void'])
    expect(conduct(market).unawarded).toBe(0)
  })

  test('is awarded not at all when one of its requests was never heard', () => {
    const market = new SimMarket({ provers: three })
    market.ask({ bundleId: `0x${'b1'.repeat(32)}`, bundleIndex: 0, bundleSize: 2 })
    market.runOut()
    expect(outcomes(market.observer)).toEqual(['void'])
    expect(conduct(market).awards).toBe(0)
  })

  test('counts no prover for more segments than its bond bears', () => {
    const provers = { alice: { ...three.alice, lanes: 8 }, bob: { ...three.bob, lanes: 1 } }
    const { market, ids } = runBundle({ provers, bondWei: ETHER / 10n })
    expect(wonBy(market.observer, ids)).toEqual(addresses('alice', 'bob'))
    expect(outcomes(market.observer)).toEqual(['settled', 'settled'])
    expect(conduct(market).omissions).toBe(0)
  })

  test('is not disturbed by a request that contradicts it', () => {
    const market = new SimMarket({ provers: { alice: { lanes: 2 } } })
    const [first] = market.askBundle(2)
    const { bundleId } = market.builder.market.job(first!)!.request.message
    market.ask({ bundleId, bundleIndex: 0, bundleSize: 2 })
    expect(market.builder.refusals.get('REQUEST_BUNDLE')).toBe(1)
    market.runOut()
    expect(outcomes(market.observer)).toEqual(['settled', 'settled'])
  })
})

describe('honest builders of random bundles', () => {
  test('award them exactly all or none, and nobody finds anything against them', () => {
    const random = new Random(21)
    let awarded = 0
    for (let round = 0; round < 40; round++) {
      const provers: Record<string, ProverTraits> = {}
      for (let index = 0; index < 1 + random.index(5); index++) {
        const mask = random.chance(0.6) ? 15 : random.index(16)
        provers[`prover ${index}`] = {
          priceWei: BigInt(1 + random.index(9)) * MILLI,
          promiseMs: 3_000 + random.index(4_000),
          lanes: 1 + random.index(3),
          wants: ({ bundleIndex }) => ((mask >> bundleIndex) & 1) === 1,
        }
      }
      const size = 2 + random.index(3)
      const { market } = runBundle({ provers, seed: round, bondWei: ETHER / 4n }, size)
      const { length } = eventsOf(market.observer, 'awarded')
      expect([round, [0, size].includes(length)]).toEqual([round, true])
      expect([round, conduct(market).omissions, conduct(market).unawarded]).toEqual([round, 0, 0])
      expect(market.world.chain.offences).toEqual([])
      if (length > 0) awarded += 1
    }
    expect(awarded).toBeGreaterThan(10)
    expect(awarded).toBeLessThan(40)
  })
})

describe('a segment whose prover fails', () => {
  test('is started on a backup, and nothing happens in the others', () => {
    const silent = { ...three.alice, promiseMs: 2_000, provingMs: null }
    const provers = { alice: silent, bob: three.bob, carol: three.carol }
    const { market, ids } = runBundle({ provers }, 2, { backups: 2 })
    const [first, second] = ids as [Id, Id]
    expect(wonBy(market.observer, ids)).toEqual(addresses('alice', 'bob'))
    const startsOf = (id: Id) =>
      eventsOf(market.observer, 'started').filter(({ requestId }) => requestId === id)
    // Carol has won nothing: she stands before bob, who is busy with the other.
    expect(startsOf(first).map(({ prover }) => prover)).toEqual(addresses('alice', 'carol'))
    expect(startsOf(second).map(({ prover }) => prover)).toEqual(addresses('bob'))
    expect(kindsOf(market.builder, second)).toEqual([
      ...['requested', 'bid-seen', 'bid-seen', 'bid-seen', 'awarded', 'turn-begun', 'started'],
      ...['received', 'noticed', 'paid', 'ended'],
    ])
    expect(outcomes(market.observer)).toEqual(['settled', 'settled'])
    expect([credit(market, 'bob'), credit(market, 'carol')]).toEqual([2n * MILLI, 3n * MILLI])
    expect(bond(market, 'alice')).toBe(ETHER - ETHER / 10n)
  })

  test('for good leaves the others paid', () => {
    const silent = { ...three.alice, promiseMs: 2_000, provingMs: null }
    const { market, ids } = runBundle({ provers: { alice: silent, bob: three.bob } })
    const endOf = (id: Id) =>
      eventsOf(market.observer, 'ended').find(({ requestId }) => requestId === id)?.outcome
    expect(ids.map(endOf)).toEqual(['defaulted', 'settled'])
    expect(credit(market, 'bob')).toBe(2n * MILLI)
  })

  test('may be saved by a prover that won another, when nobody is free', () => {
    const provers = {
      alice: { ...three.alice, promiseMs: 2_000, provingMs: null },
      bob: { ...three.bob, provingMs: 500 },
    }
    const { market, ids } = runBundle({ provers }, 2, { backups: 1 })
    expect(wonBy(market.observer, ids)).toEqual(addresses('alice', 'bob'))
    expect(outcomes(market.observer)).toEqual(['settled', 'settled'])
    expect(credit(market, 'bob')).toBe(4n * MILLI)
  })
})

describe('a builder of bundles that cheats', () => {
  test('by awarding only a part is counted, segment by segment', () => {
    let isFirst = true
    const market = new SimMarket({
      provers: three,
      builder: {
        deviates: (effect, actor) => {
          if (effect.kind !== 'publishAll' || !isFirst) return false
          isFirst = false
          actor.perform({ kind: 'publish', draft: effect.drafts[0]! })
          return true
        },
      },
    })
    market.askBundle(3)
    market.runOut()
    expect(eventsOf(market.observer, 'awarded')).toHaveLength(1)
    expect(conduct(market)).toEqual({ awards: 1, unawarded: 2, omissions: 0 })
  })

  test('by never awarding what it could have, whatever the lanes, is counted', () => {
    const market = new SimMarket({
      provers: three,
      builder: { deviates: ({ kind }) => kind === 'publishAll' },
    })
    market.askBundle(2)
    market.runOut()
    expect(conduct(market)).toEqual({ awards: 0, unawarded: 2, omissions: 0 })
  })

  test('by passing over a better bid of a prover with a lane left is counted', () => {
    // It never opens what alice bid.
    const market = new SimMarket({
      provers: { ...three, alice: { ...three.alice, lanes: 2 } },
      builder: {
        deviates: (effect, actor) => {
          if (effect.kind !== 'open') return false
          const isAlice = effect.bids.some(({ message }) => message.prover === addressOf('alice'))
          if (!isAlice) return false
          const openings = effect.bids.map(({ id }) => ({ bidId: id, opening: null }))
          actor.feed({ kind: 'opened', requestId: effect.requestId, openings })
          return true
        },
      },
    })
    const ids = market.askBundle(2)
    market.runOut()
    expect(wonBy(market.observer, ids)).toEqual(addresses('bob', 'carol'))
    expect(conduct(market).omissions).toBe(2)
  })
})

describe('a builder of a bundle that crashes and restarts', () => {
  type Crash = { readonly input: number; readonly moment: 'before' | 'after' }
  /** One bundle; its builder crashes at that input, before or after its records were stored. */
  function run(crash: Crash | null, downMs = 100) {
    const market = new SimMarket({ provers: three })
    const { builder } = market
    const said = new Map<string, Set<Id>>()
    const publish = market.world.network.publish.bind(market.world.network)
    market.world.network.publish = (publisher, from) => {
      if (from.kind === 'Award') {
        const { requestId } = from.message
        said.set(requestId, (said.get(requestId) ?? new Set()).add(from.id))
      }
      publish(publisher, from)
    }
    let isDone = false
    if (crash)
      builder.crashes = (moment) => {
        if (isDone || moment !== crash.moment || builder.handled !== crash.input) return false
        isDone = true
        market.world.simulator.after(downMs, () => builder.restart())
        return true
      }
    const from = builder.handled
    const ids = market.askBundle(2, { backups: 1 })
    market.run(60_000)
    return { market, ids, said, from, to: builder.handled }
  }
  const crashes = (): Crash[] => {
    const { from, to } = run({ input: -1, moment: 'before' })
    return Array.from({ length: to - from }, (_, index) => from + index + 1).flatMap((input) =>
      (['before', 'after'] as const).map((moment) => ({ input, moment })),
    )
  }

  test('awards all of it or nothing, and no segment twice, wherever it crashes', () => {
    const counts = new Set<number>()
    for (const crash of crashes()) {
      const { market, said } = run(crash)
      const { length } = eventsOf(market.observer, 'awarded')
      expect([crash, [0, 2].includes(length)]).toEqual([crash, true])
      for (const ids of said.values()) expect([crash, ids.size]).toEqual([crash, 1])
      counts.add(length)
    }
    expect([...counts].sort()).toEqual([0, 2])
  })

  test('too late for its awards leaves what was said: those are paid, the rest is void', () => {
    for (const crash of crashes()) {
      const { market, ids } = run(crash, 3_000)
      const awarded = wonBy(market.observer, ids)
      for (const [index, id] of ids.entries()) {
        const end = eventsOf(market.observer, 'ended').find(({ requestId }) => requestId === id)
        if (awarded[index] === undefined) expect(end?.outcome ?? 'void').toBe('void')
      }
      for (const name of Object.keys(three))
        expect([crash, bond(market, name)]).toEqual([crash, ETHER])
    }
  })
})
