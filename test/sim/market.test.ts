import { describe, expect, test } from 'vitest'
import {
  addressOf,
  bond,
  credit,
  ETHER,
  eventsOf,
  everybody,
  MILLI,
  outcomes,
  runJob,
  SimMarket,
  three,
} from '#test/support/sim'

describe('a job among honest nodes', () => {
  test('is requested, bid for, awarded, started, delivered and settled at every node', () => {
    // Without jitter, which lets a notice come after its receipt.
    const { market } = runJob({ provers: three, links: { jitterMs: 0 } })
    for (const actor of everybody(market)) {
      expect(actor.events.map(({ kind }) => kind).filter((kind) => kind !== 'turn-begun')).toEqual(
        ['requested', 'bid-seen', 'bid-seen', 'bid-seen', 'awarded', 'started', 'noticed'].concat([
          'received',
          'paid',
          'ended',
        ]),
      )
      expect(outcomes(actor)).toEqual(['settled'])
    }
    expect(credit(market, 'alice')).toBe(MILLI)
  })

  test('is won by the lowest score, not the lowest price', () => {
    // Past softDueAt (6 s after the close) a ms costs 100 gwei: 5 s cost half a milliether.
    const provers = {
      cheap: { priceWei: MILLI, promiseMs: 11_000 },
      prompt: { priceWei: MILLI + MILLI / 4n, promiseMs: 6_000 },
    }
    const { market } = runJob({ provers })
    expect(eventsOf(market.observer, 'awarded')[0]).toMatchObject({ prover: addressOf('prompt') })
  })

  test('a tie goes to the earlier promise', () => {
    const { market } = runJob({
      provers: { alice: { promiseMs: 3_001 }, bob: { promiseMs: 3_000 } },
    })
    expect(eventsOf(market.observer, 'awarded')[0]).toMatchObject({ prover: addressOf('bob') })
  })

  test('pays less by κ for what came later than promised', () => {
    const provers = { alice: { priceWei: 10n * MILLI, promiseMs: 6_000, provingMs: 7_000 } }
    const { market } = runJob({ provers })
    const [received] = eventsOf(market.builder, 'received')
    const lateMs = received!.deliveredAt - eventsOf(market.builder, 'awarded')[0]!.readyAt
    expect(lateMs).toBeGreaterThan(0)
    expect(credit(market, 'alice')).toBe(10n * MILLI - 10n * BigInt(lateMs) * 100n * 10n ** 9n)
  })

  test('without a bid it is void, and frees its cover', () => {
    const { market } = runJob({ provers: {} })
    for (const actor of everybody(market)) {
      expect(outcomes(actor)).toEqual(['void'])
      expect(actor.market.accounts.cover.size).toBe(0)
    }
  })

  test('without a bid it may be asked again, with a higher reserve', () => {
    const options = { provers: { alice: { priceWei: 5n * MILLI } } }
    const market = new SimMarket(options)
    const first = market.ask({ reserveWei: MILLI })
    market.run(1_300)
    expect(outcomes(market.builder)).toEqual(['void'])
    market.ask({ reserveWei: MILLI, retryOf: first })
    expect(market.builder.refusals.get('REQUEST_RETRY')).toBe(1)
    market.ask({ reserveWei: 6n * MILLI, retryOf: first })
    market.runOut()
    expect(outcomes(market.observer)).toEqual(['void', 'settled'])
  })

  test('a contract wallet signs by its registered key', () => {
    const market = new SimMarket({
      builder: { signer: addressOf('builder key') },
      provers: { alice: { signer: addressOf('alice key') } },
    })
    market.ask()
    expect(market.builder.refusals.get('SIGNER_UNKNOWN')).toBe(1)
    market.world.chain.setSigner(market.builder.account, addressOf('builder key'))
    market.world.chain.setSigner(addressOf('alice'), addressOf('alice key'))
    market.ask({ nonce: 7n })
    market.runOut()
    expect(outcomes(market.observer)).toEqual(['settled'])
    expect(credit(market, 'alice')).toBe(MILLI)
  })

  test('a builder proves nothing for itself', () => {
    const desk = { quote: () => ({ priceWei: 1n, readyAt: 0 }), accepts: () => true }
    const { market } = runJob({ builder: { desk }, provers: {} })
    expect(outcomes(market.builder)).toEqual(['void'])
  })
})

describe('messages that overtake one another', () => {
  /** Has the observer hear each kind so much later. */
  function slow(market: SimMarket, delays: Record<string, number>): void {
    const { simulator, network } = market.world
    network.join(market.observer.account, (from) => {
      simulator.after(delays[from.kind] ?? 0, () => market.observer.feed({ kind: 'message', from }))
      return 'accept'
    })
  }

  test('a bid that overtakes its request is held and released', () => {
    const market = new SimMarket({ provers: three })
    slow(market, { ProofRequest: 200 })
    market.ask()
    market.runOut()
    expect(market.observer.releases).toEqual(['accept', 'accept', 'accept'])
    expect(eventsOf(market.observer, 'bid-seen')).toHaveLength(3)
    expect(outcomes(market.observer)).toEqual(['settled'])
  })

  test('an award that overtakes its winning bid brings it along', () => {
    const market = new SimMarket({ provers: three })
    slow(market, { Bid: 700 })
    market.ask()
    market.runOut()
    expect(market.observer.refusals.get('BID_LATE')).toBe(2)
    expect(market.observer.refusals.get('DUPLICATE')).toBe(1)
    expect(outcomes(market.observer)).toEqual(['settled'])
  })

  test('a start that overtakes its award is held and released', () => {
    const market = new SimMarket()
    slow(market, { Award: 250 })
    market.ask()
    market.runOut()
    expect(market.observer.releases).toEqual(['accept'])
    expect(outcomes(market.observer)).toEqual(['settled'])
  })

  test('a notice and a receipt that overtake the start are held and released', () => {
    const market = new SimMarket({ provers: { alice: { provingMs: 10 } } })
    slow(market, { Start: 250 })
    market.ask()
    market.runOut()
    expect(market.observer.releases).toEqual(['accept', 'accept'])
    expect(eventsOf(market.observer, 'received')).toHaveLength(1)
  })

  test('what is overtaken by more than holdMs is ignored', () => {
    const market = new SimMarket()
    slow(market, { ProofRequest: 399 })
    market.ask()
    market.runOut()
    expect(market.observer.releases).toContain('HOLD_EXPIRED')
    expect(market.observer.market.heldCount).toBe(0)
  })
})

describe('provers that fail', () => {
  test('a winner that never accepts loses its turn after turnMs, and the backup does the job', () => {
    const provers = { ...three, alice: { ...three.alice, accepts: false } }
    const { market } = runJob({ provers }, { backups: 2 })
    const { turnMs } = market.world.params
    expect(eventsOf(market.builder, 'turn-missed')).toMatchObject([{ prover: addressOf('alice') }])
    const [awarded, started] = [
      eventsOf(market.builder, 'turn-begun'),
      eventsOf(market.builder, 'started'),
    ]
    expect(awarded.map(({ prover }) => prover)).toEqual([addressOf('alice'), addressOf('bob')])
    const closesAt = eventsOf(market.builder, 'requested')[0]!.request.closesAt
    expect(started[0]!.at - closesAt).toBeGreaterThanOrEqual(turnMs)
    expect(started[0]!.at - closesAt).toBeLessThan(turnMs + 150)
    expect([credit(market, 'alice'), credit(market, 'bob')]).toEqual([0n, 2n * MILLI])
    // Never started, never bound.
    expect(bond(market, 'alice')).toBe(ETHER)
  })

  test('a winner that never accepts, without backups, leaves the job void', () => {
    const { market } = runJob({ provers: { alice: { accepts: false } } })
    expect(outcomes(market.observer)).toEqual(['void'])
    expect(market.observer.market.accounts.cover.size).toBe(0)
  })

  test('a started prover that stays silent is followed by the backup, which saves the job', () => {
    const provers = { ...three, alice: { ...three.alice, promiseMs: 2_000, provingMs: null } }
    const { market, id } = runJob({ provers }, { backups: 1 })
    expect(eventsOf(market.builder, 'silent')).toMatchObject([{ prover: addressOf('alice') }])
    expect(eventsOf(market.builder, 'defaulted')).toMatchObject([{ prover: addressOf('alice') }])
    expect(outcomes(market.observer)).toEqual(['settled'])
    expect(eventsOf(market.observer, 'slashed')).toMatchObject([{ prover: addressOf('alice') }])
    expect(credit(market, 'bob')).toBe(2n * MILLI)
    expect(bond(market, 'alice')).toBe(ETHER - ETHER / 10n)
    expect(market.observer.market.accounts.freeBondWei(addressOf('alice'))).toBe(
      ETHER - ETHER / 10n,
    )
    expect(market.builder.market.job(id)).toBeUndefined()
  })

  test('a started prover that stays silent without a backup defaults and is slashed', () => {
    const { market } = runJob({ provers: { alice: { provingMs: null } } })
    expect(outcomes(market.observer)).toEqual(['defaulted'])
    expect(bond(market, 'alice')).toBe(ETHER - ETHER / 10n)
    expect(market.world.chain.burntWei).toBe(ETHER / 10n)
  })

  test('two started provers that both deliver are both paid', () => {
    const provers = {
      alice: { ...three.alice, promiseMs: 2_000, provingMs: 4_000 },
      bob: { ...three.bob, promiseMs: 6_000, provingMs: 3_000 },
    }
    const { market } = runJob({ provers }, { backups: 1 })
    expect(eventsOf(market.observer, 'received')).toHaveLength(2)
    expect([credit(market, 'alice'), credit(market, 'bob')]).toEqual([MILLI, 2n * MILLI])
    expect([bond(market, 'alice'), bond(market, 'bob')]).toEqual([ETHER, ETHER])
  })

  test('a second start that the cover does not bear is refused', () => {
    const provers = { ...three, alice: { ...three.alice, promiseMs: 2_000, provingMs: null } }
    // Reserve and claim cost once; alice's start leaves too little for bob's claim.
    const claimWei = 10n ** 9n * new SimMarket().world.params.claimGas
    const escrowWei = ETHER / 100n + claimWei
    const asks = { alice: provers.alice, bob: { priceWei: ETHER / 100n } }
    const { market } = runJob({ provers: asks, escrowWei }, { backups: 1 })
    expect(eventsOf(market.builder, 'started')).toMatchObject([{ prover: addressOf('alice') }])
    expect(bond(market, 'bob')).toBe(ETHER)
  })
})

describe('money that is counted', () => {
  test('a bond is not free while a start is open, and free after the receipt', () => {
    const market = new SimMarket({ provers: { alice: { provingMs: 3_000 } }, bondWei: ETHER / 10n })
    const free = () => market.observer.market.accounts.freeBondWei(addressOf('alice'))
    market.ask()
    market.run(1_500)
    expect(free()).toBe(0n)
    const second = market.ask()
    market.run(1_500)
    expect(market.observer.market.job(second)?.bidsSeen).toBe(0)
    market.run(1_000)
    expect(eventsOf(market.observer, 'received')).toHaveLength(1)
    expect(free()).toBe(ETHER / 10n)
    market.ask()
    market.run(1_000)
    expect(eventsOf(market.observer, 'started')).toHaveLength(2)
  })

  test('a prover that won twice accepts only what its bond bears', () => {
    const market = new SimMarket({ bondWei: ETHER / 10n })
    market.ask()
    market.ask()
    market.runOut()
    for (const actor of everybody(market))
      expect(outcomes(actor).toSorted()).toEqual(['settled', 'void'])
  })

  test("a builder's cover bounds its open jobs, and is freed by award, receipt and payment", () => {
    const claimWei = 10n ** 9n * new SimMarket().world.params.claimGas
    const escrowWei = ETHER / 100n + claimWei
    const market = new SimMarket({ escrowWei, stakeWei: ETHER })
    const free = () => market.observer.market.accounts.freeCoverWei(market.builder.account)
    market.ask()
    market.run(100)
    expect(free()).toBe(0n)
    market.ask()
    expect(market.builder.refusals.get('REQUEST_UNCOVERED')).toBe(1)
    market.run(600)
    expect(free()).toBe(escrowWei - MILLI - claimWei)
    market.run(3_000)
    expect(free()).toBe(escrowWei - MILLI)
    market.runOut()
    expect(free()).toBe(escrowWei - MILLI)
    expect(market.observer.market.accounts.cover.size).toBe(0)
  })

  test('half of the stake bounds it too', () => {
    const market = new SimMarket({ stakeWei: ETHER / 100n })
    market.ask()
    expect(market.builder.refusals.get('REQUEST_UNCOVERED')).toBe(1)
  })
})
