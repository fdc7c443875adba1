import { describe, expect, test } from 'vitest'
import type { Gossiped } from '#protocol/effects'
import type { Id } from '#protocol/schema'
import type { Actor } from '#simulations/actor'
import {
  addressOf,
  bond,
  credit,
  ETHER,
  eventsOf,
  MILLI,
  outcomes,
  type ProverTraits,
  SimMarket,
} from '#test/support/sim'

type Moment = 'before' | 'after'
type Crash = {
  readonly who: 'builder' | 'alice' | 'bob'
  readonly input: number
  readonly moment: Moment
}

/** How long a crashed node stays down. ms. */
const DOWN_MS = 150

/** Alice delivers. */
const smooth = { alice: { promiseMs: 6_000, provingMs: 1_500 } }
/** Alice is started and falls silent; bob stands behind her. */
const rescued = {
  alice: { promiseMs: 1_500, provingMs: null },
  bob: { priceWei: 2n * MILLI, promiseMs: 8_000, provingMs: 1_500 },
}

/** One job; `crash` happens at that input, before or after its record was stored. */
function run(crash: Crash | null, provers: Record<string, ProverTraits> = smooth) {
  const market = new SimMarket({ provers })
  const said = identitiesOf(market)
  const actor = crash?.who === 'builder' ? market.builder : market.provers[crash?.who ?? 'alice']!
  const atCrash: Actor['disk']['records'][] = []
  if (crash)
    actor.crashes = (moment) => {
      if (atCrash[0] || moment !== crash.moment || actor.handled !== crash.input) return false
      atCrash.push(new Map(actor.disk.records))
      market.world.simulator.after(DOWN_MS, () => actor.restart())
      return true
    }
  const from = actor.handled
  const id = market.ask({ backups: 1 })
  market.runOut()
  return { market, id, said, from, to: actor.handled, record: atCrash[0]?.get(id) ?? null }
}

/** Every identity a node may say one thing in, with the ids of what was said in it. */
function identitiesOf({ world: { network } }: SimMarket): Map<string, Set<Id>> {
  const said = new Map<string, Set<Id>>()
  const publish = network.publish.bind(network)
  network.publish = (publisher, from) => {
    const key = identity(from)
    said.set(key, (said.get(key) ?? new Set()).add(from.id))
    publish(publisher, from)
  }
  return said
}

function identity(from: Gossiped): string {
  switch (from.kind) {
    case 'ProofRequest':
      return `request/${from.message.builder}/${from.message.nonce}`
    case 'Award':
      return `award/${from.message.requestId}`
    default:
      return `${from.kind}/${from.message.requestId}/${from.message.prover}`
  }
}

/** Every input of the crashing node during one job, at both moments. */
function everyCrash(who: Crash['who'], provers: Record<string, ProverTraits> = smooth): Crash[] {
  const { from, to } = run({ who, input: -1, moment: 'before' }, provers)
  return Array.from({ length: to - from }, (_, index) => from + index + 1).flatMap((input) =>
    (['before', 'after'] as const).map((moment) => ({ who, input, moment })),
  )
}

describe('a node that crashes and restarts from its disk', () => {
  test('the undisturbed job settles', () => {
    const { market } = run(null)
    expect(outcomes(market.observer)).toEqual(['settled'])
  })

  test.each(['builder', 'alice'] as const)(
    'says nothing twice with different content, wherever %s crashes',
    (who) => {
      for (const crash of everyCrash(who))
        for (const [key, ids] of run(crash).said)
          expect([crash, key, ids.size]).toEqual([crash, key, 1])
    },
  )

  test('a builder that crashes after its award was stored still gets and pays its proof', () => {
    let reached = 0
    for (const crash of everyCrash('builder')) {
      const { market, record } = run(crash)
      const credit = market.world.chain.balance(addressOf('alice')).creditWei
      const isPaid = credit === ETHER / 1_000n
      if (record?.award) {
        reached += 1
        expect([crash, isPaid, outcomes(market.observer)]).toEqual([crash, true, ['settled']])
      } else {
        // An open auction dies with its builder; a request that was not stored was never said.
        const isHeard = eventsOf(market.observer, 'requested').length > 0
        const expected = isPaid ? ['settled'] : isHeard ? ['void'] : []
        expect([crash, outcomes(market.observer)]).toEqual([crash, expected])
      }
    }
    expect(reached).toBeGreaterThan(10)
  })

  test('a prover that crashes after its acceptance was stored still proves and is paid', () => {
    let reached = 0
    for (const crash of everyCrash('alice')) {
      const { market, record } = run(crash)
      const credit = market.world.chain.balance(addressOf('alice')).creditWei
      if (record?.pursuit?.acceptance) {
        reached += 1
        expect([crash, credit]).toEqual([crash, ETHER / 1_000n])
      }
    }
    expect(reached).toBeGreaterThan(10)
  })

  test('nobody that restarts loses a bond, wherever it crashes', () => {
    for (const crash of [...everyCrash('alice'), ...everyCrash('builder')]) {
      const { market } = run(crash)
      const { bondWei } = market.world.chain.balance(addressOf('alice'))
      expect([crash, bondWei]).toEqual([crash, ETHER])
    }
  })

  test('forgets the job on disk when it is over', () => {
    for (const crash of [...everyCrash('alice'), ...everyCrash('builder')]) {
      const { market } = run(crash)
      for (const actor of market.world.actors.values())
        expect([crash, actor.disk.records.size]).toEqual([crash, 0])
    }
  })

  test.each(['builder', 'bob'] as const)(
    'still has the backup save the job, wherever %s crashes once it was started',
    (who) => {
      let reached = 0
      for (const crash of everyCrash(who, rescued)) {
        const { market, said, record } = run(crash, rescued)
        for (const ids of said.values()) expect([crash, ids.size]).toEqual([crash, 1])
        // Bob is up again in time: whatever happened, he loses nothing.
        expect([crash, bond(market, 'bob')]).toEqual([crash, ETHER])
        if (!record?.obligations.some(([prover]) => prover === addressOf('bob'))) continue
        reached += 1
        expect([crash, credit(market, 'bob')]).toEqual([crash, 2n * MILLI])
        expect([crash, bond(market, 'alice')]).toEqual([crash, ETHER - ETHER / 10n])
      }
      expect(reached).toBeGreaterThan(10)
    },
  )
})
