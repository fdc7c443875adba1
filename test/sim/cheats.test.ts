import { describe, expect, test } from 'vitest'
import type { Effect } from '#protocol/effects'
import type { Actor } from '#simulations/actor'
import { pretendSigned } from '#simulations/pretence'
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
  three,
} from '#test/support/sim'

/** Deviates on drafts of one kind. */
const onDraft =
  (kind: string, act: (effect: Extract<Effect, { kind: 'publish' }>, actor: Actor) => void) =>
  (effect: Effect, actor: Actor): boolean => {
    if (effect.kind !== 'publish' || effect.draft.kind !== kind) return false
    act(effect, actor)
    return true
  }

describe('builders that cheat', () => {
  test('an award after its grace is late: the job is void', () => {
    const deviates = onDraft('Award', (effect, actor) =>
      actor.later(850, () => actor.perform({ ...effect })),
    )
    let done = false
    const once = (effect: Effect, actor: Actor): boolean => {
      if (done) return false
      done = deviates(effect, actor)
      return done
    }
    const { market } = runJob({ builder: { deviates: once } })
    expect(market.observer.market.standing.builder(market.builder.account).unawarded).toBe(1)
    for (const actor of everybody(market)) expect(outcomes(actor)).toEqual(['void'])
  })

  test('a withheld receipt is answered by a commitment and a claim', () => {
    const { market } = runJob({ builder: { deviates: onDraft('Receipt', () => undefined) } })
    expect(credit(market, 'alice')).toBe(MILLI)
    expect(bond(market, 'alice')).toBe(ETHER)
    expect(outcomes(market.observer)).toEqual(['settled'])
  })

  test('a receipt that pays less than the rule is no receipt: the prover claims', () => {
    const deviates = onDraft('Receipt', (effect, actor) => {
      if (effect.draft.kind !== 'Receipt') return
      actor.later(1, () =>
        actor.say(
          actor.signOnce('Receipt', 'low', { ...effect.draft.message, payWei: 1n } as never),
        ),
      )
    })
    const { market } = runJob({ builder: { deviates } })
    expect(credit(market, 'alice')).toBe(MILLI)
  })

  test('a receipt that says the proof came much later is not believed', () => {
    const deviates = onDraft('Receipt', (effect, actor) => {
      const { draft } = effect
      if (draft.kind !== 'Receipt') return
      const late = { ...draft.message, payWei: 0n, deliveredAt: draft.message.deliveredAt + 8_000 }
      actor.later(8_000, () => actor.say(actor.signOnce('Receipt', 'late', late)))
    })
    const { market } = runJob({ builder: { deviates } })
    expect(credit(market, 'alice')).toBe(MILLI)
  })

  test('a start kept secret and shown after the due time takes no bond', () => {
    const deviates = onDraft('Start', (effect, actor) => {
      const { draft } = effect
      if (draft.kind !== 'Start') return
      const { award, request } = actor.market.job(draft.message.requestId)!
      const start = {
        ...pretendSigned('Start', draft.message, actor.signer),
        acceptance: draft.acceptance,
      }
      const obligation = { request: request.message, award: award!, start }
      const atS = Math.ceil(request.message.dueAt / 1_000) + 2 * actor.world.params.claimWindowS
      actor.world.chain.slash(obligation, atS, () => false)
    })
    const { market } = runJob({ builder: { deviates } })
    expect(bond(market, 'alice')).toBe(ETHER)
    expect(credit(market, 'alice')).toBe(MILLI)
  })

  test('two awards of one request are reported once by everybody who saw both', () => {
    const deviates = (effect: Effect, actor: Actor): boolean => {
      if (effect.kind !== 'publish' || effect.draft.kind !== 'Award') return false
      const { message, bid, opening } = effect.draft
      actor.later(50, () => {
        const first = actor.market.job(message.requestId)!.award!
        for (const byte of ['11', '22', '33']) {
          const other = { ...first.message, bidsRoot: `0x${byte.repeat(32)}` as const }
          const second = { ...pretendSigned('Award', other, actor.signer), bid, opening }
          actor.world.network.publish(actor.account, second)
        }
      })
      return false
    }
    const { market } = runJob({ provers: three, builder: { deviates } })
    expect(market.world.chain.offences).toEqual(Array(4).fill('double award 0'))
    expect(eventsOf(market.observer, 'equivocation')).toHaveLength(3)
  })

  test('an award that passes over a better bid under its own root is reported by observers', () => {
    const deviates = (effect: Effect, actor: Actor): boolean => {
      if (effect.kind !== 'publish' || effect.draft.kind !== 'Award') return false
      const { draft } = effect
      const job = actor.market.job(draft.message.requestId)!
      const bid = job.bids.get(addressOf('carol'))!
      if (draft.bid.id === bid.id) return false
      const opening = job.openings.get(bid.id)!
      const { priceWei, readyAt } = opening
      const message = {
        ...draft.message,
        bidId: bid.id,
        prover: addressOf('carol'),
        priceWei,
        readyAt,
      }
      actor.perform({ kind: 'publish', draft: { kind: 'Award', message, bid, opening } })
      return true
    }
    const { market } = runJob({ provers: three, builder: { deviates } })
    expect(market.world.chain.offences).toContain('misaward 0')
  })

  test('an award that leaves out a better bid counts against the builder', () => {
    const options = {
      provers: three,
      builder: {
        // Never opens alice's bid, so it is not under the root either.
        deviates: (effect: Effect): boolean =>
          effect.kind === 'open' && effect.bids[0]!.message.prover === addressOf('alice'),
      },
    }
    const { market } = runJob(options)
    expect(eventsOf(market.observer, 'awarded')[0]).toMatchObject({ prover: addressOf('bob') })
    expect(eventsOf(market.observer, 'omission')).toMatchObject([{ bids: 1 }])
    expect(market.observer.market.standing.builder(market.builder.account).omissions).toBe(1)
    expect(market.world.chain.offences).toEqual([])
  })
})
