import { describe, expect, test } from 'vitest'
import { startKey } from '#protocol/judge'
import { defaultParams as params } from '#protocol/params'
import {
  acceptance,
  addressOf,
  alice,
  award,
  bid,
  bob,
  builder,
  CLOSES_AT,
  carol,
  DUE_AT,
  ETHER,
  MILLI,
  notice,
  receipt,
  request,
  Stage,
  start,
  stranger,
  T0,
  terms,
} from '#test/support/messages'

const of = request()
const bids = [bid(of, alice, MILLI), bid(of, bob, 2n * MILLI)]
const awarded = award(of, bids)
const UNKNOWN = 'ignore SIGNER_UNKNOWN'

/** An observer that has heard the job up to and including this. */
function heard(until: 'request' | 'bids' | 'award' | 'start' = 'request', options = {}): Stage {
  const stage = new Stage(options)
  expect(stage.verdict(of)).toBe('accept')
  if (until === 'request') return stage
  for (const { bid: signed } of bids) expect(stage.verdict(signed)).toBe('accept')
  if (until === 'bids') return stage
  expect(stage.verdict(awarded, CLOSES_AT + 20)).toBe('accept')
  if (until === 'award') return stage
  expect(stage.verdict(start(awarded), CLOSES_AT + 150)).toBe('accept')
  return stage
}

describe('who signed', () => {
  test('[IGNORE] SIGNER_UNKNOWN: its account, or the signer registered for it on chain, signed it', () => {
    const stage = heard('start')
    const now = CLOSES_AT + 2_000
    expect(stage.verdict(bid(of, carol, MILLI, DUE_AT, stranger).bid)).toBe(UNKNOWN)
    expect(stage.verdict(award(of, bids, {}, stranger))).toBe(UNKNOWN)
    expect(stage.verdict(notice(of, alice, {}, stranger), now)).toBe(UNKNOWN)
    expect(stage.verdict(receipt(of, alice, {}, stranger), now)).toBe(UNKNOWN)
    const event = { kind: 'signer', account: builder, signer: stranger } as const
    stage.feed({ kind: 'chain', event })
    expect(stage.verdict(receipt(of, alice, {}, stranger), now + 200)).toBe('accept')
  })

  test("[IGNORE] SIGNER_UNKNOWN: the request's builder, or its registered signer, signed it", () => {
    const stage = new Stage()
    expect(stage.verdict({ ...of, signer: stranger })).toBe(UNKNOWN)
    expect(stage.verdict(of)).toBe('accept')
  })

  test("[IGNORE] SIGNER_UNKNOWN: the winning bid's prover, or its registered signer, signed that bid", () => {
    const forged = award(of, [bid(of, alice, MILLI, DUE_AT, stranger)])
    expect(heard().verdict(forged, CLOSES_AT)).toBe(UNKNOWN)
  })

  test('[IGNORE] SIGNER_UNKNOWN: the started prover, or its registered signer, signed the acceptance', () => {
    const forged = start(awarded, alice, {}, acceptance(awarded, alice, {}, stranger))
    expect(heard('award').verdict(forged, CLOSES_AT + 150)).toBe(UNKNOWN)
  })
})

describe('a request', () => {
  test("[IGNORE] DUPLICATE, EQUIVOCATION: the builder's first request with this nonce", () => {
    const stage = heard()
    expect(stage.verdict(of)).toBe('ignore DUPLICATE')
    expect(stage.verdict(request({ work: 2n }))).toBe('ignore EQUIVOCATION')
    expect(stage.done('announce')).toMatchObject([
      { event: { kind: 'equivocation', first: of.id } },
    ])
    expect(stage.verdict(request({ nonce: 2n }))).toBe('accept')
  })

  test('[IGNORE] REQUEST_TOO_MANY: there is room for one more job', () => {
    const stage = new Stage({ params: { maxJobs: 2 } })
    for (const nonce of [1n, 2n]) expect(stage.verdict(request({ nonce }))).toBe('accept')
    expect(stage.verdict(request({ nonce: 3n }))).toBe('ignore REQUEST_TOO_MANY')
    // A void job makes room.
    stage.tick(of.id, CLOSES_AT + 801)
    const later = request({ nonce: 4n, openedAt: CLOSES_AT + 800, closesAt: CLOSES_AT + 1_200 })
    expect(stage.verdict(later)).toBe('accept')
    expect([stage.market.book.size, stage.market.job(of.id)]).toEqual([2, undefined])
  })

  test('is announced, and wakes at its end', () => {
    const stage = heard()
    expect(stage.announced()).toEqual(['requested'])
    expect(stage.done('wake').map(({ at }) => at)).toEqual([CLOSES_AT + 801])
  })
})

describe('a bid', () => {
  test("[IGNORE] DUPLICATE, EQUIVOCATION: the prover's first bid for this request", () => {
    const stage = heard('bids')
    expect(stage.verdict(bids[0]!.bid)).toBe('ignore DUPLICATE')
    expect(stage.verdict(bid(of, alice, 3n).bid)).toBe('ignore EQUIVOCATION')
    expect(stage.market.job(of.id)?.bids.get(alice)).toBe(bids[0]!.bid)
  })

  test("[IGNORE] BOND_NOT_FREE: the prover's bond, less what its open starts hold, covers the request's", () => {
    const stage = heard()
    const refused = 'ignore BOND_NOT_FREE'
    stage.fund(alice, { bondWei: terms().bondWei - 1n })
    expect(stage.verdict(bids[0]!.bid)).toBe(refused)
    expect(stage.verdict(bid(of, stranger).bid)).toBe(refused)
    stage.fund(alice, { bondWei: terms().bondWei })
    stage.market.accounts.bonds.set('another start', alice, 1n)
    expect(stage.verdict(bids[0]!.bid)).toBe(refused)
    stage.market.accounts.bonds.delete('another start')
    expect(stage.verdict(bids[0]!.bid)).toBe('accept')
  })

  test('[IGNORE] TURNS_UNANSWERED: the prover answers its turns', () => {
    const stage = heard()
    for (const name of ['b1', 'b2', 'b3'])
      stage.market.standing.recordTurn(alice, addressOf(name), false, T0)
    expect(stage.verdict(bids[0]!.bid)).toBe('ignore TURNS_UNANSWERED')
  })

  test('of another’s auction is not opened before the award', () => {
    const stage = heard()
    stage.hear(bids[0]!.bid)
    expect([stage.done('open'), stage.announced()]).toEqual([[], ['bid-seen']])
  })
})

describe('a bundle', () => {
  const place = { bundleId: `0x${'b0'.repeat(32)}` as const, bundleSize: 2 }
  const [first, second] = [0, 1].map((bundleIndex) =>
    request({ nonce: BigInt(bundleIndex + 1), ...place, bundleIndex }),
  ) as [typeof of, typeof of]

  test('has its awards’ own bids opened like all others: only they tell their lanes', () => {
    const stage = new Stage()
    stage.hear(first)
    const [won, lost] = [bid(first, alice, 1n), bid(first, bob, 2n)]
    stage.hear(lost.bid)
    // The winning bid comes with its award.
    stage.hear(award(first, [won, lost]), CLOSES_AT + 20)
    const [open] = stage.done('open')
    expect(open?.bids.map(({ id }) => id)).toEqual([lost.bid.id, won.bid.id])
    const opening = { ...won.opening, lanes: 3 }
    const openings = [{ bidId: won.bid.id, opening }]
    stage.feed({ kind: 'opened', requestId: first.id, openings })
    expect(stage.market.job(first.id)?.openings.get(won.bid.id)).toEqual(opening)
  })

  test('is judged once, when no award of it can come any more, and not by its own builder', () => {
    const hear = (stage: Stage) => {
      for (const from of [first, second]) stage.hear(from)
      stage.hear(bid(second, alice).bid)
      stage.hear(award(first, [bid(first, bob)]), CLOSES_AT + 20)
      for (const at of [CLOSES_AT + 800, CLOSES_AT + 801, CLOSES_AT + 802])
        for (const { id } of [first, second]) stage.tick(id, at)
      return stage.market.standing.builder(builder)
    }
    expect(hear(new Stage())).toEqual({ awards: 1, unawarded: 1, omissions: 0 })
    expect(hear(new Stage({ self: builder }))).toMatchObject({ unawarded: 0 })
  })
})

describe('an award', () => {
  test("[IGNORE] DUPLICATE, EQUIVOCATION: the builder's first award of this request", () => {
    const stage = heard('award')
    expect(stage.verdict(awarded)).toBe('ignore DUPLICATE')
    expect(stage.done('report')).toEqual([])
    const second = award(of, bids.toReversed())
    expect(stage.verdict(second)).toBe('ignore EQUIVOCATION')
    expect(stage.done('report')).toMatchObject([
      { first: { request: of.message, award: awarded }, second: { award: second } },
    ])
    // Once is enough: a builder cannot make us send transactions without end.
    expect(stage.verdict(award(of, bids, { bidCount: 9 }))).toBe('ignore EQUIVOCATION')
    expect(stage.done('report')).toEqual([])
  })

  test('has an observer open the other bids with the secret it publishes', () => {
    const stage = heard('award')
    expect(stage.done('open')).toMatchObject([
      { bids: [bids[1]!.bid], secret: awarded.message.auctionSecret },
    ])
    expect(stage.market.standing.builder(builder).awards).toBe(1)
    expect(stage.done('wake').map(({ at }) => at)).toEqual([DUE_AT + params.holdMs + 1])
  })

  test('of the only bid seen leaves nothing to open', () => {
    const stage = heard()
    stage.hear(bids[0]!.bid)
    stage.hear(award(of, [bids[0]!]), CLOSES_AT)
    expect(stage.done('open')).toEqual([])
  })

  test('is observed once, when all its bids are opened', () => {
    const three = [...bids, bid(of, carol, 3n * MILLI)]
    const stage = heard('bids')
    stage.hear(three[2]!.bid)
    stage.hear(award(of, [three[2]!]), CLOSES_AT)
    const opened = (index: number) => {
      const { bid: signed, opening } = three[index]!
      const openings = [{ bidId: signed.id, opening }]
      stage.feed({ kind: 'opened', requestId: of.id, openings })
      return stage.announced()
    }
    expect([opened(0), opened(1), opened(0)]).toEqual([[], ['omission'], []])
    expect(stage.market.standing.builder(builder).omissions).toBe(1)
  })

  test('is left alone by a node that does not observe', () => {
    const stage = heard('bids', { observes: false })
    stage.hear(awarded, CLOSES_AT)
    expect(stage.done('open')).toEqual([])
  })
})

describe('a start', () => {
  test("[IGNORE] DUPLICATE, EQUIVOCATION: the builder's first start of this prover", () => {
    const stage = heard('start')
    expect(stage.verdict(start(awarded))).toBe('ignore DUPLICATE')
    const other = start(awarded, alice, { startedAt: CLOSES_AT + 99 })
    expect(stage.verdict(other)).toBe('ignore EQUIVOCATION')
  })

  test('binds the prover’s bond from here on', () => {
    const stage = heard('award')
    expect(stage.market.accounts.freeBondWei(alice)).toBe(ETHER)
    stage.hear(start(awarded), CLOSES_AT + 150)
    expect(stage.announced()).toEqual(['started'])
    const windowsEnd = (Math.ceil(DUE_AT / 1_000) + 2 * params.claimWindowS) * 1_000
    expect(stage.done('wake').map(({ at }) => at)).toEqual([windowsEnd + 1])
    expect(stage.market.accounts.freeBondWei(alice)).toBe(ETHER - terms().bondWei)
  })

  test('of a backup says the winner left its turn', () => {
    const stage = new Stage({ params: { unansweredBuilders: 1 } })
    for (const from of [of, ...bids.map(({ bid: signed }) => signed)]) stage.hear(from)
    stage.hear(awarded, CLOSES_AT)
    stage.hear(start(awarded, bob), CLOSES_AT + 600)
    expect(stage.market.standing.isUnresponsive(alice, CLOSES_AT + 600)).toBe(true)
  })

  test('awaits its award', () => {
    const stage = heard('bids')
    expect(stage.verdict(start(awarded), CLOSES_AT + 100)).toBe('hold')
    expect(stage.verdict(awarded, CLOSES_AT + 120)).toBe('accept')
    expect(stage.done('release')).toMatchObject([{ verdict: 'accept' }])
  })
})

describe('a notice and a receipt', () => {
  test('await the start of their prover', () => {
    const stage = heard('award')
    const now = CLOSES_AT + 2_200
    expect(stage.verdict(notice(of, alice), now)).toBe('hold')
    expect(stage.verdict(receipt(of, alice), now)).toBe('hold')
    expect(stage.verdict(start(awarded), now)).toBe('accept')
    expect(stage.done('release').map(({ verdict }) => verdict)).toEqual(['accept', 'accept'])
    expect(stage.announced()).toEqual(['started', 'noticed', 'received'])
  })

  test('of an ended job without that start are refused, not held', () => {
    const stage = heard('award')
    stage.tick(of.id, DUE_AT + 301)
    expect(stage.verdict(notice(of, alice))).toBe('ignore NOT_STARTED')
    expect(stage.verdict(receipt(of, alice))).toBe('ignore NOT_STARTED')
  })

  test('free the bond with the receipt', () => {
    const stage = heard('start')
    expect(stage.verdict(notice(of, alice), CLOSES_AT + 2_000)).toBe('accept')
    expect(stage.verdict(receipt(of, alice), CLOSES_AT + 2_100)).toBe('accept')
    expect(stage.market.accounts.freeBondWei(alice)).toBe(ETHER)
    expect(params.receiptMs).toBeLessThan(params.silenceMs)
  })

  test('have keys that no id has', () => {
    expect(startKey({ requestId: of.id, prover: alice })).toBe(`${of.id}/${alice}`)
  })
})
