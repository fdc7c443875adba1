import { describe, expect, test } from 'vitest'
import type { ChainEvent, SignedStart } from '#protocol/effects'
import { defaultParams as params } from '#protocol/params'
import { Chain } from '#simulations/chain'
import { Simulator, START_AT } from '#simulations/simulator'
import {
  alice,
  award,
  bid,
  bob,
  builder,
  DUE_AT,
  ETHER,
  MILLI,
  receipt,
  request,
  SOFT_DUE_AT,
  start,
} from '#test/support/messages'

const of = request()
const bids = [bid(of, alice, MILLI, SOFT_DUE_AT), bid(of, bob, 2n * MILLI, SOFT_DUE_AT)]
const awarded = award(of, bids)
const obligation = { request: of.message, award: awarded, start: start(awarded) }
const DUE_S = Math.ceil(DUE_AT / 1_000)
const SLASH_S = DUE_S + 2 * params.claimWindowS

function chainWith(escrowWei = ETHER, stakeWei = 2n * ETHER) {
  const simulator = new Simulator()
  const chain = new Chain(simulator, params)
  const events: ChainEvent[] = []
  const challenges: SignedStart[] = []
  chain.deposit(builder, { escrowWei, stakeWei })
  chain.deposit(alice, { bondWei: ETHER })
  const news = chain.follow(alice, {
    event: (event) => events.push(event),
    challenged: (from) => challenges.push(from),
  })
  const total = chain.totalWei
  const runTo = (seconds: number): void => {
    simulator.runUntil(seconds * 1_000)
    expect(chain.totalWei).toBe(total)
  }
  const paid = () => events.filter(({ kind }) => kind === 'paid')
  return { chain, events, challenges, news, runTo, paid }
}

describe('the chain', () => {
  test('tells who follows what there is, then what happens', () => {
    const { chain, events, news } = chainWith()
    expect(news).toMatchObject([
      { account: builder, escrowWei: ETHER },
      { account: alice, bondWei: ETHER },
    ])
    chain.setSigner(builder, bob)
    expect(events).toEqual([{ kind: 'signer', account: builder, signer: bob }])
  })

  test('pays a receipt once, in the next block', () => {
    const { chain, runTo, paid } = chainWith()
    chain.settle(receipt(of, alice))
    chain.settle(receipt(of, alice, { payWei: 2n * MILLI }))
    expect(paid()).toEqual([])
    runTo(START_AT / 1_000 + params.slotS)
    expect(paid()).toMatchObject([{ payWei: MILLI, prover: alice }])
    expect(chain.balance(alice).creditWei).toBe(MILLI)
  })

  test('takes what escrow lacks from the stake, and burns as much again', () => {
    const { chain, runTo } = chainWith(MILLI / 2n, ETHER)
    chain.settle(receipt(of, alice))
    runTo(START_AT / 1_000 + params.slotS)
    expect(chain.balance(alice).creditWei).toBe(MILLI)
    expect([chain.balance(builder).stakeWei, chain.burntWei]).toEqual([ETHER - MILLI, MILLI / 2n])
  })

  test('slashes who committed nothing, from two windows after the due time', () => {
    const { chain, runTo } = chainWith()
    chain.slash(obligation, SLASH_S, () => false)
    runTo(SLASH_S - 1)
    expect(chain.balance(alice).bondWei).toBe(ETHER)
    // The block that reaches it is seen, and the next one takes the slash.
    runTo(SLASH_S + 2 * params.slotS)
    expect(chain.balance(alice).bondWei).toBe(ETHER - of.message.bondWei)
    expect(chain.burntWei).toBe(of.message.bondWei)
  })

  test('does not slash whom the builder gave a receipt meanwhile', () => {
    const { chain, runTo } = chainWith()
    chain.slash(obligation, SLASH_S, () => true)
    runTo(SLASH_S + params.slotS)
    expect(chain.balance(alice).bondWei).toBe(ETHER)
  })

  test('pays a claim by a commitment in time, and then slashes nothing', () => {
    const { chain, runTo, paid } = chainWith()
    chain.commit(of.id, alice)
    chain.claim(obligation, bids[0]!.opening)
    chain.slash(obligation, SLASH_S, () => false)
    runTo(SLASH_S + 2 * params.claimWindowS)
    expect(paid()).toMatchObject([{ payWei: MILLI }])
    expect(chain.balance(alice).bondWei).toBe(ETHER)
  })

  test('pays no claim without a commitment, or with one too late', () => {
    const { chain, runTo, paid } = chainWith()
    chain.claim(obligation, bids[0]!.opening)
    runTo(DUE_S + params.commitWindowS + 1)
    chain.commit(of.id, alice)
    runTo(DUE_S + params.commitWindowS + 3 * params.slotS)
    chain.claim(obligation, bids[0]!.opening)
    runTo(SLASH_S)
    expect(paid()).toEqual([])
  })

  test('makes a slash that meets a commitment a challenge first', () => {
    const { chain, challenges, runTo } = chainWith()
    chain.commit(of.id, alice)
    chain.slash(obligation, SLASH_S, () => false)
    runTo(SLASH_S + 2 * params.slotS)
    expect([challenges, chain.balance(alice).bondWei]).toEqual([[obligation.start], ETHER])
    runTo(SLASH_S + params.claimWindowS + 5 * params.slotS)
    expect(chain.balance(alice).bondWei).toBe(ETHER - of.message.bondWei)
  })
})
