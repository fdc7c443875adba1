/**
 * Every invariant has a plant that breaks it: a contract with a bug, a deviating node, a disk that
 * forgets. `bad-day.test.ts` has honest runs, which break none.
 */
import { describe, expect, test } from 'vitest'
import type { Effect } from '#protocol/effects'
import { slashableAtS } from '#protocol/job'
import { defaultParams as params } from '#protocol/params'
import type { Address, Id } from '#protocol/schema'
import type { Actor } from '#simulations/actor'
import { hashOf, pretendSigned } from '#simulations/pretence'
import { type Commitment, Settlement } from '#simulations/settlement'
import {
  addressOf,
  ETHER,
  eventsOf,
  type MarketOptions,
  MILLI,
  SimMarket,
  three,
} from '#test/support/sim'

const [builder, alice, bob] = ['builder', 'alice', 'bob'].map(addressOf) as [
  Address,
  Address,
  Address,
]
/** Past every window of a job asked now. ms. */
const OUT_MS = 12_400 + 6 * params.claimWindowS * 1_000

/** What an event is called that did this with alice's obligation. */
const settled = (id: Id): string => `settling ${id} for ${alice} by ${alice}, done`
const claimed = (id: Id): string => `claim of ${alice} for ${id} by ${alice}, done`
const slashed = (id: Id): string => `slash of ${alice} for ${id} by ${builder}, done`
const EXCESS = 'wei more than were deposited and not withdrawn'

/** One job on contracts with a bug; what the checks say of it, with the event that did it. */
function planted(settlement: Settlement | null, options: MarketOptions = {}) {
  const chain = { ...options.chain, ...(settlement ? { settlement } : {}) }
  return new SimMarket({ ...options, chain })
}
function found(market: SimMarket): string[] {
  market.run(OUT_MS)
  return market.checks.violations.map(({ invariant, what }) => `${invariant} ${what}`)
}
/** The builder never says what it signs as a receipt. */
const withholds = {
  deviates: (effect: Effect): boolean =>
    effect.kind === 'publish' && effect.draft.kind === 'Receipt',
}
/** Its one obligation, as its builder knows it. */
function obligationOf(market: SimMarket, id: Id, prover: Address) {
  const job = market.builder.market.job(id)!
  const { start } = job.obligations.get(prover)!
  return { request: job.request.message, award: job.award!, start }
}

describe('I1: wei is conserved', () => {
  test('a contract that makes wei is found in the event that did it', () => {
    class Mint extends Settlement {
      override draw(from: Address, wantedWei: bigint): bigint {
        this.add(from, 'escrowWei', 1n)
        return super.draw(from, wantedWei)
      }
    }
    const market = planted(new Mint(params))
    const id = market.ask()
    market.run(60_000)
    const [violation] = market.checks.violations
    expect(market.checks.count).toBe(1)
    expect(violation).toMatchObject({
      invariant: 'I1',
      what: `${settled(id)}: there are 1 ${EXCESS}`,
      atMs: 12_000,
    })
    // The block is one event: there were so many before it.
    expect(violation!.event).toBeGreaterThan(10)
    expect(violation!.event).toBeLessThan(market.world.simulator.executed)
  })

  test('so is one that loses it, and a reorg that takes back too little', () => {
    class Leak extends Settlement {
      override burn(): void {}
    }
    const market = planted(new Leak(params), { provers: { alice: { provingMs: null } } })
    const id = market.ask()
    expect(found(market)).toEqual([`I1 ${slashed(id)}: there are ${-ETHER / 10n} ${EXCESS}`])
    class Forgetful extends Settlement {
      override draw(from: Address, wantedWei: bigint): bigint {
        const drawnWei = super.draw(from, wantedWei)
        // The journal of what was drawn is lost: nothing takes it back.
        this.journal.cut()
        return drawnWei
      }
    }
    const reorganised = planted(new Forgetful(params))
    reorganised.ask()
    reorganised.run(13_000)
    expect(reorganised.checks.violations).toEqual([])
    reorganised.world.simulator.after(0, () => reorganised.world.chain.reorg(1))
    reorganised.run(1)
    expect(reorganised.checks.violations[0]).toMatchObject({
      invariant: 'I1',
      what: `reorg of 1 blocks: there are ${-MILLI} ${EXCESS}`,
    })
  })
})

describe('I2: one start is paid at most once', () => {
  class PaysTwice extends Settlement {
    override isResolved(): boolean {
      return false
    }
  }

  test('a contract that forgets what it paid is found when it pays again', () => {
    const market = planted(new PaysTwice(params))
    const id = market.ask()
    market.run(14_000)
    expect(market.checks.violations).toEqual([])
    const [received] = eventsOf(market.builder, 'received')
    expect(received).toMatchObject({ payWei: MILLI })
    const { receipt } = market.builder.market.job(id)!.obligations.get(alice)!
    market.world.chain.send({ kind: 'settle', receipts: [receipt!] }, alice)
    expect(found(market)).toEqual([
      `I2 ${settled(id)}: ${alice} has got ${2n * MILLI} wei for nonce 0 of ${builder}, and ${MILLI} are right`,
    ])
  })
})

describe('I3: nobody is paid without a proof or a receipt', () => {
  test('a contract that takes anybody’s receipt is found', () => {
    class Trusting extends Settlement {
      override isReceipt(): boolean {
        return true
      }
    }
    const market = planted(new Trusting(params), { provers: { alice: { provingMs: null } } })
    const id = market.ask()
    market.run(3_000)
    const message = { builder, nonce: 0n, requestId: id, prover: alice, payWei: MILLI }
    const rest = { proofHash: hashOf('none'), deliveredAt: market.now }
    const receipt = pretendSigned('Receipt', { ...message, ...rest }, alice)
    market.world.chain.settle(receipt)
    expect(found(market)).toEqual([
      `I3 ${settled(id)}: ${alice} settled a receipt that is not its builder's`,
    ])
  })

  test('a verifier that takes anything for a proof is found when somebody claims with nothing', () => {
    const market = planted(null, { provers: { alice: { provingMs: null } } })
    const id = market.ask()
    market.run(3_000)
    const { chain } = market.world
    chain.commit(id, alice)
    chain.claim(obligationOf(market, id, alice), { priceWei: MILLI, readyAt: market.now })
    expect(found(market)).toEqual([
      `I3 ${claimed(id)}: ${alice} was paid for a claim without a proof before its commitment`,
    ])
  })

  test('money that no event of the contract explains is found', () => {
    class Gifts extends Settlement {
      override credit(account: Address, wei: bigint): void {
        super.credit(account, wei)
        // Taken from the builder, so that nothing is made: only the payment has no reason.
        super.credit(account, this.draw(builder, 7n))
      }
    }
    const market = planted(new Gifts(params))
    const id = market.ask()
    expect(found(market)).toEqual([`I3 ${settled(id)}: ${alice} has 7 wei more than it earned`])
  })
})

describe('I4: nobody who delivered in time and settled or committed loses a bond', () => {
  test('a slash that ignores a commitment is found', () => {
    class Deaf extends Settlement {
      override isInTime(_commitment: Commitment): boolean {
        return false
      }
    }
    const market = planted(new Deaf(params), { builder: withholds })
    const id = market.ask()
    expect(found(market)).toEqual([
      `I4 ${slashed(id)}: ${alice} lost a bond with a proof committed in time`,
    ])
  })

  test('so is one after a receipt that was settled', () => {
    class Forgets extends Settlement {
      override isResolved(): boolean {
        return false
      }
    }
    const market = planted(new Forgets(params))
    const id = market.ask()
    market.run(10_000)
    const obligation = obligationOf(market, id, alice)
    // The sender's driver would ask for its receipt: this one does not.
    market.world.chain.send({ kind: 'slash', obligation }, builder)
    expect(found(market)).toEqual([
      `I4 ${slashed(id)}: ${alice} lost a bond after its receipt or claim was settled`,
    ])
  })

  test('a prover that is away for all of a challenge did not settle, and nothing is found', () => {
    const market = planted(null, { builder: withholds })
    market.ask()
    // Its commitment is mined; it goes before its claim is sent.
    market.run(11_900)
    market.provers.alice!.crash()
    expect(found(market)).toEqual([])
    expect(market.world.chain.balance(alice).bondWei).toBe(ETHER - ETHER / 10n)
  })
})

describe('I5: nobody loses a bond without having signed an acceptance that was started', () => {
  test('a contract that does not ask for the acceptance is found', () => {
    class Gullible extends Settlement {
      override isStarted(): boolean {
        return true
      }
    }
    const market = planted(new Gullible(params), { provers: three })
    const id = market.ask()
    market.run(3_000)
    const { request, award } = obligationOf(market, id, alice)
    const of = { requestId: id, awardId: award.id, prover: bob }
    const acceptance = pretendSigned('Acceptance', of, builder)
    const ids = { ...of, acceptanceId: acceptance.id, startedAt: market.now }
    const start = { ...pretendSigned('Start', ids, builder), acceptance }
    const obligation = { request, award, start }
    market.world.chain.slash(obligation, slashableAtS(request.dueAt, params), () => false)
    expect(found(market)).toEqual([
      `I5 slash of ${bob} for ${id} by ${builder}, done: ${bob} lost a bond, and never signed ${acceptance.id}`,
    ])
  })

  test('a bond that goes without any slash is found', () => {
    class Grabs extends Settlement {
      override draw(from: Address, wantedWei: bigint): bigint {
        this.add(bob, 'bondWei', -5n)
        this.burn(5n)
        return super.draw(from, wantedWei)
      }
    }
    const market = planted(new Grabs(params), { provers: three })
    const id = market.ask()
    expect(found(market)).toEqual([`I5 ${settled(id)}: ${bob} lost 5 wei of its bond to no slash`])
  })
})

describe('I6: a slash never makes the builder richer', () => {
  test('a contract that gives the builder what it should burn is found', () => {
    class Rewards extends Settlement {
      override burn(wei: bigint): void {
        this.add(builder, 'escrowWei', wei)
      }
    }
    const market = planted(new Rewards(params), { provers: { alice: { provingMs: null } } })
    const id = market.ask()
    expect(found(market)).toEqual([
      `I6 ${slashed(id)}: it made the builder ${builder} richer by ${ETHER / 10n} wei`,
    ])
  })
})

describe('I7: every job ends', () => {
  test('a node that never looks at its clock is found at the end of the windows', () => {
    const silent = {
      ...three.alice,
      provingMs: null,
      deviates: ({ kind }: Effect) => kind === 'wake',
    }
    const market = planted(null, { provers: { alice: silent } })
    const id = market.ask()
    const { dueAt } = market.builder.market.job(id)!.request.message
    const due = dueAt - (market.now - market.world.simulator.elapsedMs)
    market.run(12_400 + 2 * params.claimWindowS * 1_000 + 4_000)
    expect(market.checks.violations).toEqual([])
    expect(found(market)).toEqual([
      `I7 job ${id} (nonce 0 of ${builder}), due ${due} ms after the start, has not ended at ${alice} and 0 more`,
    ])
  })
})

describe('I8: a crash changes none of it', () => {
  function crashed(forget: (actor: Actor, id: Id) => void) {
    const market = planted(null, { provers: three })
    const id = market.ask()
    market.run(1_000)
    market.builder.crash()
    forget(market.builder, id)
    market.world.simulator.after(100, () => market.builder.restart())
    return { market, id }
  }

  test('a disk that loses a job is found at the restart', () => {
    const { market, id } = crashed(({ disk }) => disk.records.clear())
    market.run(200)
    expect(market.checks.violations).toMatchObject([
      { invariant: 'I8', what: `restart of ${builder}: its disk has lost or changed ${id}` },
    ])
  })

  test('a disk that loses what was signed is found, and when other content is said in its place', () => {
    const { market, id } = crashed(({ disk }, of) => disk.signed.delete(`Start/${of}/${alice}`))
    market.run(99)
    const { award } = market.builder.disk.records.get(id)!
    expect(market.checks.violations).toEqual([])
    market.run(100)
    expect(market.checks.violations).toMatchObject([
      { what: `restart of ${builder}: its disk has lost or changed Start/${id}/${alice}` },
    ])
    // The market has signed the same again by itself. What it forgets once more, it says otherwise.
    market.builder.disk.signed.delete(`Start/${id}/${alice}`)
    const of = { requestId: id, awardId: award!.id, acceptanceId: hashOf('none'), prover: alice }
    market.builder.signOnce('Start', `${id}/${alice}`, { ...of, startedAt: market.now })
    const [, second] = market.checks.violations
    expect(second).toMatchObject({ invariant: 'I8' })
    expect(second!.what).toMatch(
      new RegExp(
        `^${builder} says 0x.{64} as signed/Start/${id}/${alice}, and said 0x.{64} before$`,
      ),
    )
  })

  test('a market that does not take back what its disk has is found', () => {
    const { market, id } = crashed((actor) => {
      const restore = Object.getPrototypeOf(actor.market).restore
      Object.getPrototypeOf(actor.market).restore = () => {
        Object.getPrototypeOf(actor.market).restore = restore
      }
    })
    market.run(200)
    expect(market.checks.violations).toMatchObject([
      { invariant: 'I8', what: `restart of ${builder}: it has forgotten ${id}` },
    ])
  })

  test('an adversary is excused for its word, not for its money', () => {
    const { market } = crashed(({ disk }) => disk.records.clear())
    market.checks.excuse(builder)
    market.run(200)
    expect(market.checks.violations).toEqual([])
  })
})
