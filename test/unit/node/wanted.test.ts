import { rm } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Store } from '#node/store'
import { WantedRefused } from '#node/wanted-refusal'
import { claimCostWei } from '#protocol/money'
import { defaultParams } from '#protocol/params'
import { ZERO_WORD } from '#protocol/schema'
import {
  accept,
  award,
  bid,
  deliver,
  ETHER,
  hash,
  type OwnMarket,
  startOwnMarket,
  TestClock,
  temporaryFolder,
  terms,
} from '#test/support/own-market'

let folder: string
let clock: TestClock
let own: OwnMarket
beforeEach(async () => {
  folder = await temporaryFolder()
  clock = new TestClock()
  own = await startOwnMarket({ folder, clock })
})
afterEach(async () => {
  await own.stop()
  await rm(folder, { recursive: true })
})

const proof = new Uint8Array([7, 7, 7])
const requestsOf = (of: OwnMarket, wantedId: string) => of.wanted.get(wantedId)!.requests
const isOver = (of: OwnMarket, wantedId: string) => of.wanted.get(wantedId)?.status !== 'open'
const saidRequests = (of: OwnMarket) => of.said.filter((each) => each.kind === 'ProofRequest')
const keysOf = async (store: Store, prefix: string): Promise<string[]> => {
  const keys: string[] = []
  for await (const { key } of store.entries(prefix)) keys.push(key)
  return keys
}
/** Lets the auction of the newest request end without an award, and what follows begin. */
const letLapse = async (of: OwnMarket, wantedId: string): Promise<void> => {
  const { requestId, closesAt } = requestsOf(of, wantedId).at(-1)!
  clock.advanceTo(closesAt + defaultParams.awardGraceMs + defaultParams.holdMs + 1)
  await of.when(() => of.market.job(requestId)?.outcome === 'void')
  clock.advance(250)
}

describe('a wanted proof', () => {
  test('is asked for, awarded, started, delivered and paid, and all of it is remembered', async () => {
    const [ann, bob] = own.provers
    const { wantedId, requestId } = await own.wanted.ask(terms)
    const request = own.market.job(requestId)!.request.message
    expect(request).toMatchObject({
      builder: own.signer.account,
      builderPeer: hash('peer'),
      inputBytes: 3,
      openedAt: clock.now(),
      closesAt: clock.now() + 400,
      softDueAt: clock.now() + 10_000,
      dueAt: clock.now() + 20_000,
      retryOf: ZERO_WORD,
    })
    expect(await bid(own, ann!, requestId, 2_000n)).toBe('accept')
    expect(await bid(own, bob!, requestId, 1_000n)).toBe('accept')
    await award(own, clock, requestId)
    clock.advance(100)
    await accept(own, bob!, requestId)
    clock.advance(2_000)
    await deliver(own, bob!, requestId, proof, clock.now() - 10)
    const transactionHash = hash('transaction')
    const paid = { builder: own.signer.account, prover: bob!.account, nonce: request.nonce }
    // Its post came late, its receipt added the rest, a claim nothing (rule P6).
    own.chain({ kind: 'paid', ...paid, payWei: 400n, transactionHash })
    own.chain({ kind: 'paid', ...paid, payWei: 600n, transactionHash: hash('receipt') })
    own.chain({ kind: 'paid', ...paid, payWei: 0n, transactionHash: hash('claim') })

    const awardedAt = request.closesAt
    const delivery = {
      requestId,
      prover: bob!.account,
      payWei: 1_000n,
      deliveredAt: awardedAt + 2_090,
    }
    expect(own.wanted.get(wantedId)).toMatchObject({ status: 'delivered', failure: null, delivery })
    expect(requestsOf(own, wantedId)).toEqual([
      expect.objectContaining({
        requestId,
        requestedAt: request.openedAt,
        bidCount: 2,
        awardedAt,
        winner: bob!.account,
        priceWei: 1_000n,
        outcome: 'settled',
        starts: [
          expect.objectContaining({
            prover: bob!.account,
            startedAt: awardedAt + 100,
            deliveredAt: awardedAt + 2_090,
            payWei: 1_000n,
            paid: { payWei: 1_000n, transactionHash },
            slashed: null,
          }),
        ],
      }),
    ])
    expect(await own.wanted.proof(wantedId)).toEqual(proof)
    const before = own.wanted.get(wantedId)
    await own.stop()
    own = await startOwnMarket({ folder, clock })
    expect(own.wanted.get(wantedId)).toEqual(before)
  })

  test('is still there after a restart, with its proof, when the market has forgotten the job', async () => {
    const [ann] = own.provers
    const { wantedId, requestId } = await own.wanted.ask(terms)
    await bid(own, ann!, requestId, 2_000n)
    await award(own, clock, requestId)
    await accept(own, ann!, requestId)
    await deliver(own, ann!, requestId, proof, clock.now())
    const { nonce } = own.market.job(requestId)!.request.message
    const debt = { builder: own.signer.account, prover: ann!.account, nonce }
    own.chain({ kind: 'paid', ...debt, payWei: 2_000n, transactionHash: hash('transaction') })
    clock.advance(60_000)
    expect(own.market.job(requestId)).toBeUndefined()
    const before = own.wanted.get(wantedId)
    await own.stop()
    own = await startOwnMarket({ folder, clock })
    expect(own.wanted.get(wantedId)).toEqual(before)
    expect(await own.wanted.proof(wantedId)).toEqual(proof)
    expect(await keysOf(own.store, 'own/')).toEqual([])
    expect(await keysOf(own.store, 'wanted-inputs/')).toEqual([])
  })

  test('that the cover cannot carry is refused with the amounts, and nothing of it is left', async () => {
    const claimWei = claimCostWei(terms, defaultParams)
    const asked = own.wanted.ask({ ...terms, reserveWei: ETHER })
    await expect(asked).rejects.toThrow(WantedRefused)
    await expect(asked).rejects.toMatchObject({ code: 'REQUEST_UNCOVERED' })
    const message = `reserve ${ETHER} plus claim cost ${claimWei} exceeds the free cover ${ETHER / 2n}`
    await expect(asked).rejects.toThrow(message)
    expect(own.wanted.list()).toEqual([])
    expect(own.said).toEqual([])
    for (const prefix of ['own/', 'wanted', 'job/'])
      expect(await keysOf(own.store, prefix)).toEqual([])
  })

  test.each([
    ['REQUEST_WINDOW', { dueInMs: 400 }],
    ['REQUEST_WINDOW', { dueInMs: 60_401, softDueInMs: 1 }],
    ['REQUEST_WINDOW', { softDueInMs: 20_001 }],
    ['REQUEST_FIELDS', { backups: 4 }],
    ['REQUEST_FIELDS', { reserveWei: 0n }],
    ['REQUEST_FIELDS', { work: 0n }],
  ])('on impossible terms is refused: %s %o', async (code, odd) => {
    await expect(own.wanted.ask({ ...terms, ...odd })).rejects.toMatchObject({ code })
    expect(own.wanted.list()).toEqual([])
  })

  test('beyond the open requests of one builder is refused', async () => {
    own.fund(own.signer.account, 1_000n * ETHER)
    const asked = Array.from({ length: defaultParams.maxOpenRequests }, () => own.wanted.ask(terms))
    await Promise.all(asked)
    await expect(own.wanted.ask(terms)).rejects.toMatchObject({ code: 'REQUEST_TOO_MANY' })
    const nonces = saidRequests(own).map(({ message }) => (message as { nonce: bigint }).nonce)
    expect(new Set(nonces).size).toBe(defaultParams.maxOpenRequests)
  })

  test('asked for again with the same key is one wanted proof; with other terms it is refused', async () => {
    const keyed = { ...terms, idempotencyKey: 'table 7' }
    const [first, second] = await Promise.all([own.wanted.ask(keyed), own.wanted.ask(keyed)])
    expect(second).toEqual(first)
    await own.stop()
    own = await startOwnMarket({ folder, clock })
    expect(await own.wanted.ask(keyed)).toEqual(first)
    const other = { ...keyed, inputs: new Uint8Array([9]) }
    await expect(own.wanted.ask(other)).rejects.toMatchObject({ code: 'IDEMPOTENCY_MISMATCH' })
    expect(own.wanted.list().length).toBe(1)
  })

  test('refused with a key can be asked for again with it', async () => {
    const keyed = { ...terms, idempotencyKey: 'later' }
    own.fund(own.signer.account, 0n)
    await expect(own.wanted.ask(keyed)).rejects.toMatchObject({ code: 'REQUEST_UNCOVERED' })
    own.fund(own.signer.account, ETHER)
    await expect(own.wanted.ask(keyed)).resolves.toMatchObject({ wantedId: expect.any(String) })
  })
})

describe('a request that came to nothing', () => {
  test('for which nobody bid is retried with a higher reserve, at most the highest allowed', async () => {
    const asked = { ...terms, reserveWei: 1_000n, maxReserveWei: 1_300n }
    const { wantedId, requestId: first } = await own.wanted.ask(asked)
    await letLapse(own, wantedId)
    await own.when(() => requestsOf(own, wantedId).length === 2 && saidRequests(own).length === 2)
    await letLapse(own, wantedId)
    await own.when(() => saidRequests(own).length === 3)
    await letLapse(own, wantedId)
    await own.when(() => isOver(own, wantedId))
    const messages = saidRequests(own).map(({ message }) => message)
    expect(messages).toMatchObject([
      { reserveWei: 1_000n, retryOf: ZERO_WORD },
      { reserveWei: 1_250n, retryOf: first },
      { reserveWei: 1_300n, retryOf: first },
    ])
    // The caller's due time stays where it was.
    expect(new Set(messages.map((message) => (message as { dueAt: number }).dueAt)).size).toBe(1)
    expect(own.wanted.get(wantedId)?.failure).toMatchObject({ code: 'NO_BIDS' })
  })

  test('for which nobody bid fails when the reserve may not be raised', async () => {
    const { wantedId } = await own.wanted.ask(terms)
    await letLapse(own, wantedId)
    await own.when(() => isOver(own, wantedId))
    expect(own.wanted.get(wantedId)).toMatchObject({
      status: 'failed',
      failure: { code: 'NO_BIDS', message: expect.stringContaining('nobody bid') },
    })
    expect(saidRequests(own).length).toBe(1)
  })

  test('for which nobody bid fails when too little time is left', async () => {
    const asked = { ...terms, maxReserveWei: 2n * terms.reserveWei, dueInMs: 2_000, softDueInMs: 1 }
    const { wantedId } = await own.wanted.ask(asked)
    await letLapse(own, wantedId)
    await own.when(() => isOver(own, wantedId))
    expect(saidRequests(own).length).toBe(1)
  })

  test('whose winner and backup never accepted is followed by a fresh one on the same terms', async () => {
    const asked = { ...terms, backups: 1, maxReserveWei: 2n * terms.reserveWei }
    const { wantedId, requestId } = await own.wanted.ask(asked)
    for (const prover of own.provers.slice(0, 2)) await bid(own, prover, requestId, 5n)
    await award(own, clock, requestId)
    clock.advance(2 * defaultParams.turnMs)
    expect(requestsOf(own, wantedId)[0]).toMatchObject({
      missed: [expect.any(String), expect.any(String)],
    })
    clock.advance(250)
    await own.when(() => saidRequests(own).length === 2)
    expect(saidRequests(own)[1]?.message).toMatchObject({
      reserveWei: terms.reserveWei,
      retryOf: ZERO_WORD,
    })
    const second = requestsOf(own, wantedId)[1]!.requestId
    const [, , cas] = own.provers
    await bid(own, cas!, second, 6n)
    await award(own, clock, second)
    await accept(own, cas!, second)
    await deliver(own, cas!, second, proof, clock.now())
    expect(own.wanted.get(wantedId)).toMatchObject({
      status: 'delivered',
      delivery: { requestId: second, prover: cas!.account },
    })
  })

  test('whose backup is still in its turn is not followed by another', async () => {
    const { wantedId, requestId } = await own.wanted.ask({ ...terms, backups: 1 })
    for (const prover of own.provers.slice(0, 2)) await bid(own, prover, requestId, 5n)
    await award(own, clock, requestId)
    clock.advance(defaultParams.turnMs + 300)
    expect(requestsOf(own, wantedId)[0]?.missed.length).toBe(1)
    const [, backup] = [...own.market.auctioneer.auctions.get(requestId)!.candidates!]
    const prover = own.provers.find(({ account }) => account === backup!.prover)!
    await accept(own, prover, requestId)
    clock.advance(300)
    await deliver(own, prover, requestId, proof, clock.now())
    expect(saidRequests(own).length).toBe(1)
  })

  test('whose started prover does not deliver is never followed by another; the slash is remembered', async () => {
    const [ann] = own.provers
    const { wantedId, requestId } = await own.wanted.ask(terms)
    await bid(own, ann!, requestId, 5n)
    await award(own, clock, requestId)
    await accept(own, ann!, requestId)
    clock.advance(terms.dueInMs + 1_000)
    await own.when(() => isOver(own, wantedId))
    expect(own.wanted.get(wantedId)).toMatchObject({
      status: 'failed',
      failure: { code: 'NOT_DELIVERED', message: expect.stringContaining(ann!.account) },
    })
    expect(saidRequests(own).length).toBe(1)
    const { nonce, bondWei } = own.market.job(requestId)!.request.message
    const [builder, transactionHash] = [own.signer.account, hash('slash')]
    own.chain({ kind: 'slashed', builder, prover: ann!.account, nonce, bondWei, transactionHash })
    expect(requestsOf(own, wantedId)[0]?.starts).toMatchObject([
      { defaulted: true, slashed: { bondWei, transactionHash }, payWei: null },
    ])
  })

  test('whose winner fell silent and whose backup never accepted is not followed by another', async () => {
    const { wantedId, requestId } = await own.wanted.ask({ ...terms, backups: 1 })
    for (const prover of own.provers.slice(0, 2)) await bid(own, prover, requestId, 5n)
    await award(own, clock, requestId)
    const { winner } = requestsOf(own, wantedId)[0]!
    const prover = own.provers.find(({ account }) => account === winner)!
    await accept(own, prover, requestId)
    // Its promise is 3 s after the close; then the backup has its turn.
    clock.advance(3_000 + defaultParams.silenceMs + defaultParams.turnMs + 300)
    expect(requestsOf(own, wantedId)[0]?.missed.length).toBe(1)
    await deliver(own, prover, requestId, proof, clock.now())
    expect(own.wanted.get(wantedId)?.status).toBe('delivered')
    expect(saidRequests(own).length).toBe(1)
  })

  test('with bids that could not win says so', async () => {
    const [ann] = own.provers
    const { wantedId, requestId } = await own.wanted.ask({
      ...terms,
      dueInMs: 2_000,
      softDueInMs: 1,
    })
    await bid(own, ann!, requestId, 5n) // promised after the due time
    await letLapse(own, wantedId)
    await own.when(() => isOver(own, wantedId))
    expect(own.wanted.get(wantedId)?.failure).toMatchObject({ code: 'NO_AWARD' })
  })
})

describe('waiting for a wanted proof', () => {
  test('ends when it is delivered, when time is up, when the waiter leaves and when the node stops', async () => {
    const [ann] = own.provers
    const never = new AbortController()
    const { wantedId, requestId } = await own.wanted.ask(terms)
    const impatient = own.wanted.wait(wantedId, 1_000, never.signal)
    const leaver = new AbortController()
    const leaving = own.wanted.wait(wantedId, 30_000, leaver.signal)
    leaver.abort()
    await leaving
    await bid(own, ann!, requestId, 5n)
    await award(own, clock, requestId)
    await accept(own, ann!, requestId)
    clock.advance(1_000)
    await impatient
    expect(isOver(own, wantedId)).toBe(false)
    const patient = own.wanted.wait(wantedId, 30_000, never.signal)
    await deliver(own, ann!, requestId, proof, clock.now())
    await patient
    expect(isOver(own, wantedId)).toBe(true)
    const other = await own.wanted.ask(terms)
    const stopped = own.wanted.wait(other.wantedId, 30_000, never.signal)
    await own.wanted.stop()
    await stopped
  })
})

describe('a node that stops', () => {
  test('leaves what it would ask again open, and asks when it runs again', async () => {
    const asked = { ...terms, maxReserveWei: 2n * terms.reserveWei }
    const { wantedId, requestId } = await own.wanted.ask(asked)
    clock.advance(400 + defaultParams.awardGraceMs + defaultParams.holdMs + 1)
    expect(own.market.job(requestId)?.outcome).toBe('void')
    await own.engine.stop()
    const said = vi.spyOn(own.engine, 'sayAll')
    clock.advance(250)
    const left = [`own/${requestId}/inputs`, `own/${requestId}/secret`]
    await expect.poll(() => said.mock.results.length).toBe(1)
    await expect.poll(() => keysOf(own.store, 'own/')).toEqual(left)
    expect(own.wanted.get(wantedId)).toMatchObject({ status: 'open', requests: [{ requestId }] })
    await own.stop()
    own = await startOwnMarket({ folder, clock })
    clock.advance(250)
    await own.when(() => saidRequests(own).length === 1)
    expect(saidRequests(own)[0]?.message).toMatchObject({ retryOf: requestId })
  })

  test('writes down nothing any more, and asks for nothing', async () => {
    const { wantedId, requestId } = await own.wanted.ask(terms)
    await own.wanted.stop()
    own.wanted.observe({ kind: 'ended', requestId, outcome: 'void' })
    expect(requestsOf(own, wantedId)[0]?.outcome).toBeNull()
    await expect(own.wanted.ask(terms)).rejects.toMatchObject({ code: 'STOPPING' })
  })
})
