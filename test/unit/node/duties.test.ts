import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Chain } from '#node/chain'
import { createDuties } from '#node/duties'
import type { Log } from '#node/log'
import { createSigner, ownKey, type Signer } from '#node/signer'
import { openStore, type Store } from '#node/store'
import { bidTree } from '#protocol/auction'
import { defaultParams } from '#protocol/params'
import type { Hex } from '#protocol/schema'
import { auctionKeyOf, openBid, parseSecret } from '#protocol/sealing'
import { recover } from '#protocol/signature'
import {
  award,
  bid,
  bob,
  CLOSES_AT,
  ETHER,
  MILLI,
  receipt,
  request,
  SOFT_DUE_AT,
  Stage,
  secretOf,
  start,
} from '#test/support/messages'
import { desk } from '#test/support/prover-stage'

const domain = { chainId: 31_337, settlement: `0x${'5e'.repeat(20)}` } as const
const keyOf = (name: string) => createHash('sha256').update(`duties ${name}`).digest()
const proof = Uint8Array.of(7, 7, 7)
const hex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`

let folder: string
let store: Store
let me: Signer
let maker: Signer
/** What the chain and the log were told, and who waits for more. */
let told: [string, ...unknown[]][]
let looks: (() => void)[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-duties-'))
  store = await openStore(folder)
  me = createSigner(keyOf('prover'), domain, store)
  maker = createSigner(keyOf('builder'), domain, store)
  told = []
  looks = []
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

function tell(...what: [string, ...unknown[]]): void {
  told.push(what)
  for (const look of looks.splice(0)) look()
}
/** Resolves when the chain or the log was told this: with what. */
async function heard(name: string): Promise<unknown[]> {
  for (;;) {
    const found = told.find(([each]) => each === name)
    if (found) return found.slice(1)
    await new Promise<void>((resolve) => looks.push(resolve))
  }
}
const chainCalls = () => told.filter(([name]) => name.startsWith('chain.')).map(([name]) => name)

const sent = { kind: 'mined', hash: `0x${'99'.repeat(32)}` } as const
const call =
  (name: string) =>
  async (...args: unknown[]) => {
    tell(`chain.${name}`, ...args)
    return sent
  }
const chain = {
  queueReceipt: call('queueReceipt'),
  commitProof: call('commitProof'),
  claim: call('claim'),
  slash: call('slash'),
  reportDoubleAward: call('reportDoubleAward'),
  reportMisaward: call('reportMisaward'),
} as unknown as Chain
const log: Log = {
  debug: (text) => tell(`debug ${text}`),
  info: (text, fields) => tell(`info ${text}`, fields),
  warn: (text) => tell(`warn ${text}`),
  error: (text, fields) => tell(`error ${text}`, fields),
  child: () => log,
}

/** Our node after it accepted a job it won, or stands behind bob for; not told of its start. */
async function accepted(isWinner: boolean) {
  const priceWei = isWinner ? MILLI : 2n * MILLI
  const of = request({ builder: maker.account })
  const stage = new Stage({ self: me.account, prover: desk({ priceWei, readyAt: SOFT_DUE_AT }) })
  stage.fund(maker.account, { stakeWei: 2n * ETHER, escrowWei: ETHER })
  stage.fund(me.account, { bondWei: ETHER })
  stage.hear(of)
  const secret = secretOf({ builder: maker.account })
  const own = await me.bid(of.id, auctionKeyOf(secret), priceWei, SOFT_DUE_AT)
  const opening = openBid(parseSecret(secret), own.message)!
  const bids = [{ bid: own, opening }, bid(of, bob, isWinner ? 2n * MILLI : MILLI)]
  const ranked = isWinner ? bids : bids.toReversed()
  const awarded = award(of, ranked)
  for (const { bid: each } of ranked) expect(stage.verdict(each)).toBe('accept')
  expect(stage.verdict(awarded, CLOSES_AT + 10)).toBe('accept')
  stage.feed({ kind: 'fetched', requestId: of.id, ok: true })
  const message = { requestId: of.id, awardId: awarded.id, prover: me.account }
  const signed = me.sign('Acceptance', message)
  stage.feed({ kind: 'committed', from: signed })
  const path = bidTree(ranked).path(own.id)!
  await store.putJson(ownKey(of.id, 'path'), path)
  await store.put(ownKey(of.id, 'proof'), proof)
  const started = { ...start(awarded, me.account, {}, signed), signer: maker.account }
  const obligation = { request: of.message, award: awarded, start: started }
  const { commitment, sealedOpening } = own.message
  const bidProof = { commitment, sealedOpening, priceWei, readyAt: SOFT_DUE_AT, path }
  return { of, market: stage.market, awarded, signed, obligation, bidProof }
}
type Accepted = Awaited<ReturnType<typeof accepted>>
const duties = ({ market }: Pick<Accepted, 'market'>, slashes = true) =>
  createDuties({ chain, market, store, signer: me, log, slashes })

describe('what the market asks of the chain', () => {
  test('a receipt is queued for settlement', async () => {
    const job = await accepted(true)
    const from = receipt(job.of, me.account)
    duties(job).actions.settle({ kind: 'settle', receipt: from })
    expect(await heard('chain.queueReceipt')).toEqual([from])
    expect(await heard('info receipt settled')).toEqual([{ requestId: job.of.id, ...sent }])
  })

  test('a proof without a receipt is committed', async () => {
    const job = await accepted(true)
    duties(job).actions.commit({ kind: 'commit', requestId: job.of.id, dueAt: 0 })
    expect(await heard('chain.commitProof')).toEqual([job.of.id, proof])
  })

  test('a winner claims by the price in the award', async () => {
    const job = await accepted(true)
    const { obligation } = job
    duties(job).actions.claim({ kind: 'claim', requestId: job.of.id, obligation })
    expect(await heard('chain.claim')).toEqual([obligation, proof, undefined])
  })

  test('a backup claims by its own bid and its path to bidsRoot', async () => {
    const job = await accepted(false)
    const { obligation, bidProof } = job
    duties(job).actions.claim({ kind: 'claim', requestId: job.of.id, obligation })
    expect(bidProof.path.length).toBeGreaterThan(0)
    expect(await heard('chain.claim')).toEqual([obligation, proof, bidProof])
  })

  test.each(['proof', 'path', 'Bid'])(
    'without its %s a backup claims nothing, and says so',
    async (name) => {
      const job = await accepted(false)
      await store.del(ownKey(job.of.id, name))
      const { obligation } = job
      duties(job).actions.claim({ kind: 'claim', requestId: job.of.id, obligation })
      expect(await heard('error claimed failed')).toMatchObject([{ requestId: job.of.id }])
      expect(chainCalls()).toEqual([])
    },
  )

  test('a default is slashed at its time; a node that does not slash sends nothing', async () => {
    const job = await accepted(true)
    const effect = {
      kind: 'slash',
      obligation: job.obligation,
      rescuers: [bob],
      atS: 1_234,
    } as const
    duties(job, false).actions.slash(effect)
    duties(job).actions.slash(effect)
    expect(await heard('info slash')).toEqual([{ requestId: job.of.id, ...sent }])
    expect(chainCalls()).toEqual(['chain.slash'])
    expect(await heard('chain.slash')).toEqual([job.obligation, 1_234, expect.any(Function)])
  })

  test('a slash asks when its time has come whether a receipt was signed after all', async () => {
    const job = await accepted(true)
    const { obligation, market, of } = job
    const stage = { kind: 'message', from: obligation.start } as const
    expect(market.handle(stage, CLOSES_AT + 110).verdict).toBe('accept')
    duties(job).actions.slash({ kind: 'slash', obligation, rescuers: [], atS: 1_234 })
    const [, , isOwed] = (await heard('chain.slash')) as [unknown, unknown, () => boolean]
    expect(isOwed()).toBe(true)
    market.handle({ kind: 'message', from: receipt(of, me.account) }, CLOSES_AT + 3_000)
    expect(isOwed()).toBe(false)
  })

  test('two awards are reported together', async () => {
    const job = await accepted(true)
    const [first, second] = [1n, 2n].map((priceWei) => ({
      request: job.of.message,
      award: { ...job.awarded, message: { ...job.awarded.message, priceWei } },
    })) as [never, never]
    duties(job).actions.report({ kind: 'report', first, second })
    expect(await heard('chain.reportDoubleAward')).toEqual([first, second])
  })

  test('a misaward is reported by the better bid, for its prover', async () => {
    const job = await accepted(true)
    const better = bid(job.of, bob, 1n)
    const [award_, path] = [job.awarded, [job.of.id]]
    const { commitment, sealedOpening } = better.bid.message
    const { priceWei, readyAt } = better.opening
    duties(job).actions.reportMisaward({
      ...{ kind: 'reportMisaward', request: job.of.message, award: award_, better, path },
    })
    expect(await heard('chain.reportMisaward')).toEqual([
      { request: job.of.message, award: award_ },
      bob,
      { commitment, sealedOpening, priceWei, readyAt, path },
    ])
  })

  test('what the chain refuses is said and ends nothing', async () => {
    const job = await accepted(true)
    const failing = { ...chain, commitProof: async () => Promise.reject(new Error('no')) }
    createDuties({
      ...{ chain: failing, market: job.market, store, signer: me, log, slashes: true },
    }).actions.commit({ kind: 'commit', requestId: job.of.id, dueAt: 0 })
    expect(await heard('error proof committed failed')).toMatchObject([{ requestId: job.of.id }])
  })
})

describe('a challenge', () => {
  /** Our builder's start, kept from us until it slashed. */
  const challengeOf = (job: Accepted) => {
    const shown = maker.sign('Start', {
      requestId: job.of.id,
      awardId: job.awarded.id,
      acceptanceId: job.signed.id,
      prover: me.account,
      startedAt: CLOSES_AT + 90,
    })
    const { requestId, prover, startedAt } = shown.message
    const startSignature = hex(shown.signature)
    return { shown, challenge: { requestId, prover, startedAt, startSignature, untilS: 1 } }
  }

  test.each([
    ['the winner', true],
    ['a backup', false],
  ])('is answered with the start it showed and our acceptance: %s', async (_, isWinner) => {
    const job = await accepted(isWinner)
    const { shown, challenge } = challengeOf(job)
    duties(job).answerChallenge(challenge)
    const [obligation, bytes, bidProof] = (await heard('chain.claim')) as Parameters<Chain['claim']>
    expect(obligation.start.message).toEqual(shown.message)
    expect(obligation.start.id).toBe(shown.id)
    expect(hex(obligation.start.signature)).toBe(challenge.startSignature)
    expect(obligation.start.signer).toBe(maker.account)
    const id = Buffer.from(obligation.start.id.slice(2), 'hex')
    expect(recover(id, obligation.start.signature)).toBe(maker.account)
    expect(obligation.start.acceptance).toEqual(job.signed)
    expect(obligation.request).toEqual(job.of.message)
    expect(obligation.award).toEqual(job.awarded)
    expect(bytes).toEqual(proof)
    expect(bidProof).toEqual(isWinner ? undefined : job.bidProof)
  })

  test('over a job that is not remembered, or was not accepted, is said and claims nothing', async () => {
    const job = await accepted(true)
    const { challenge } = challengeOf(job)
    const empty = new Stage({ self: me.account, params: defaultParams, prover: desk() })
    duties(empty).answerChallenge(challenge)
    job.market.bidder!.pursuits.get(job.of.id)!.acceptance = null
    duties(job).answerChallenge(challenge)
    const said = 'error challenged over a job that is not remembered'
    expect(told.map(([name]) => name)).toEqual([said, said])
  })
})
