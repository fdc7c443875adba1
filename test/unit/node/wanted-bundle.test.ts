import { rm } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { BundleTerms } from '#node/wanted-record'
import { claimCostWei } from '#protocol/money'
import { defaultParams } from '#protocol/params'
import { type Id, type ProofRequest, ZERO_WORD } from '#protocol/schema'
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

const { programId: _, publicInputsHash: __, work: ___, inputs: ____, ...shared } = terms
const bundle = (changes: Partial<BundleTerms> = {}, count = 2): BundleTerms => ({
  ...shared,
  segments: Array.from({ length: count }, (_, index) => ({
    programId: hash(`program ${index}`),
    publicInputsHash: hash(`segment ${index}`),
    work: BigInt(index + 1),
    inputs: new Uint8Array([index + 1]),
  })),
  ...changes,
})
const saidRequests = (): ProofRequest[] =>
  own.said.flatMap((from) => (from.kind === 'ProofRequest' ? [from.message] : []))
const recordOf = (wantedId: string) => own.wanted.get(wantedId)!
const keysOf = async (prefix: string): Promise<string[]> => {
  const keys: string[] = []
  for await (const { key } of own.store.entries(prefix)) keys.push(key)
  return keys
}
const restart = async (): Promise<void> => {
  await own.stop()
  own = await startOwnMarket({ folder, clock })
}
/** Lets the auctions end without an award, and what follows begin. */
const letLapse = async (requestId: Id): Promise<void> => {
  const { closesAt } = own.market.job(requestId)!.request.message
  clock.advanceTo(closesAt + defaultParams.awardGraceMs + defaultParams.holdMs + 1)
  await own.when(() => own.market.job(requestId)?.outcome === 'void')
  clock.advance(250)
}
const proof = new Uint8Array([7])

describe('a wanted bundle', () => {
  test('is one request a segment, said together, and awarded, started and delivered each', async () => {
    const { bundleId, proofs } = await own.wanted.askBundle(bundle())
    expect(saidRequests()).toMatchObject(
      [0, 1].map((bundleIndex) => ({
        ...{ bundleId, bundleIndex, bundleSize: 2, programId: hash(`program ${bundleIndex}`) },
        ...{ work: BigInt(bundleIndex + 1), inputBytes: 1, openedAt: clock.now() },
      })),
    )
    const [ann, bob] = own.provers
    for (const { requestId } of proofs) {
      await bid(own, ann!, requestId, 1_000n)
      await bid(own, bob!, requestId, 2_000n)
    }
    await award(own, clock, proofs[0]!.requestId)
    await own.when(() => own.market.job(proofs[1]!.requestId)?.award)
    for (const [index, prover] of [ann!, bob!].entries()) {
      const { wantedId, requestId } = proofs[index]!
      await accept(own, prover, requestId)
      await deliver(own, prover, requestId, proof, clock.now())
      expect(recordOf(wantedId)).toMatchObject({
        status: 'delivered',
        bundle: { index, size: 2 },
        delivery: { prover: prover.account },
      })
    }
  })

  test('of which one lacks a bid is not awarded, and fails as a whole: that segment is named', async () => {
    const { proofs } = await own.wanted.askBundle(bundle())
    const [first, second] = proofs
    await bid(own, own.provers[0]!, first!.requestId, 5n)
    await letLapse(first!.requestId)
    await own.when(() => recordOf(first!.wantedId).status !== 'open')
    expect(recordOf(first!.wantedId).failure).toMatchObject({
      code: 'NO_AWARD',
      message: expect.stringContaining('segment 1 of its 2'),
    })
    expect(recordOf(second!.wantedId).failure).toMatchObject({ code: 'NO_BIDS' })
    expect(saidRequests()).toHaveLength(2)
  })

  test('is asked again as a whole, under a new id, with a higher reserve where nobody bid', async () => {
    const asked = bundle({ maxReserveWei: 2n * terms.reserveWei })
    const { bundleId, proofs } = await own.wanted.askBundle(asked)
    const [first, second] = proofs
    await bid(own, own.provers[0]!, first!.requestId, 5n)
    await letLapse(first!.requestId)
    await own.when(() => saidRequests().length === 4)
    const again = saidRequests().slice(2)
    expect(again).toMatchObject([
      { bundleIndex: 0, bundleSize: 2, reserveWei: terms.reserveWei, retryOf: ZERO_WORD },
      { bundleIndex: 1, reserveWei: (5n * terms.reserveWei) / 4n, retryOf: second!.requestId },
    ])
    expect(again[0]?.bundleId).not.toBe(bundleId)
    expect(again[1]?.bundleId).toBe(again[0]?.bundleId)
  })

  test('whose bidders have too few lanes is asked again three times at most, and says so', async () => {
    const { proofs } = await own.wanted.askBundle(bundle())
    const { wantedId } = proofs[0]!
    for (let asked = 1; asked <= 3; asked++) {
      await own.when(() => saidRequests().length === 2 * asked)
      const requestIds = proofs.map((each) => recordOf(each.wantedId).requests.at(-1)!.requestId)
      for (const requestId of requestIds) await bid(own, own.provers[0]!, requestId, 5n)
      await letLapse(requestIds[0]!)
    }
    await own.when(() => recordOf(wantedId).status !== 'open')
    expect(recordOf(wantedId).failure).toMatchObject({
      code: 'NO_AWARD',
      message: expect.stringContaining('lanes'),
    })
    expect(saidRequests()).toHaveLength(6)
  })

  test('that is awarded lets a segment nobody accepts be asked again by itself', async () => {
    const { proofs } = await own.wanted.askBundle(bundle())
    const [ann, bob, cas] = own.provers
    for (const { requestId } of proofs) {
      await bid(own, ann!, requestId, 1_000n)
      await bid(own, bob!, requestId, 2_000n)
    }
    const [first, second] = proofs
    await award(own, clock, first!.requestId)
    await own.when(() => own.market.job(second!.requestId)?.award)
    await accept(own, ann!, first!.requestId)
    clock.advance(defaultParams.turnMs + 250)
    await own.when(() => saidRequests().length === 3)
    expect(saidRequests()[2]).toMatchObject({
      ...{ bundleId: ZERO_WORD, bundleSize: 0, bundleIndex: 0 },
      publicInputsHash: hash('segment 1'),
    })
    const { requestId } = recordOf(second!.wantedId).requests[1]!
    await bid(own, cas!, requestId, 3_000n)
    await award(own, clock, requestId)
    await accept(own, cas!, requestId)
    await deliver(own, cas!, requestId, proof, clock.now())
    expect(recordOf(second!.wantedId).status).toBe('delivered')
    expect(recordOf(first!.wantedId).requests).toHaveLength(1)
  })

  test('of which one is never delivered still has the other, and says which failed', async () => {
    const { proofs } = await own.wanted.askBundle(bundle())
    const [ann, bob] = own.provers
    for (const { requestId } of proofs) {
      await bid(own, ann!, requestId, 1_000n)
      await bid(own, bob!, requestId, 2_000n)
    }
    const [first, second] = proofs
    await award(own, clock, first!.requestId)
    await own.when(() => own.market.job(second!.requestId)?.award)
    await accept(own, ann!, first!.requestId)
    await accept(own, bob!, second!.requestId)
    await deliver(own, bob!, second!.requestId, proof, clock.now())
    clock.advance(terms.dueInMs + 1_000)
    await own.when(() => recordOf(first!.wantedId).status !== 'open')
    expect(recordOf(first!.wantedId).failure).toMatchObject({ code: 'NOT_DELIVERED' })
    expect(recordOf(second!.wantedId)).toMatchObject({ status: 'delivered', failure: null })
    expect(saidRequests()).toHaveLength(2)
  })

  test('goes out when all of it is on disk; what our market refuses a part of goes out not at all', async () => {
    const { bundleId: _, ...first } = await own.wanted.askBundle(bundle())
    const { message } = own.market.job(first.proofs[0]!.requestId)!.request
    const sign = (changes: Partial<ProofRequest>) =>
      own.signer.sign('ProofRequest', { ...message, bundleId: hash('other'), ...changes })
    const batch = own.store.batch.bind(own.store)
    const gate = Promise.withResolvers<void>()
    const writes = vi.spyOn(own.store, 'batch').mockImplementation(async (...of) => {
      await gate.promise
      return batch(...of)
    })
    const pair = [sign({ nonce: 1n }), sign({ nonce: 2n, bundleIndex: 1 })]
    const saying = own.engine.sayAll(pair)
    await expect.poll(() => writes.mock.calls.length).toBe(1)
    expect(saidRequests()).toHaveLength(2)
    gate.resolve()
    expect(await saying).toEqual(['accept', 'accept'])
    expect(saidRequests()).toHaveLength(4)
    const odd = [sign({ nonce: 3n, bundleId: hash('third') }), sign({ nonce: 4n })]
    const refused = { action: 'ignore', code: 'REQUEST_BUNDLE' }
    expect(await own.engine.sayAll(odd)).toEqual(['accept', refused])
    expect(saidRequests()).toHaveLength(4)
  })

  test('that the cover cannot carry is refused as a whole, and nothing of it is left', async () => {
    const claimWei = claimCostWei(terms, defaultParams)
    const reserveWei = ETHER / 4n
    const asked = own.wanted.askBundle(bundle({ reserveWei }))
    await expect(asked).rejects.toMatchObject({ code: 'REQUEST_UNCOVERED' })
    await expect(asked).rejects.toThrow(
      `reserve ${2n * reserveWei} plus claim cost ${2n * claimWei}`,
    )
    await expect(own.wanted.askBundle(bundle({ backups: 4 }))).rejects.toMatchObject({
      code: 'REQUEST_FIELDS',
    })
    own.fund(own.signer.account, 1_000n * ETHER)
    await own.wanted.ask(terms)
    await expect(own.wanted.askBundle(bundle({}, 64))).rejects.toMatchObject({
      code: 'REQUEST_TOO_MANY',
    })
    expect([own.wanted.list().length, saidRequests().length, own.market.book.size]).toEqual([
      1, 1, 1,
    ])
    expect((await keysOf('own/')).length).toBe(2)
  })

  test('asked for again with the same key is the same, after a restart too; other terms are refused', async () => {
    const keyed = bundle({ idempotencyKey: 'table 7' })
    const [first, second] = await Promise.all([
      own.wanted.askBundle(keyed),
      own.wanted.askBundle(keyed),
    ])
    expect(second).toEqual(first)
    await restart()
    expect(await own.wanted.askBundle(keyed)).toEqual(first)
    const other = bundle({ idempotencyKey: 'table 7' }, 3)
    await expect(own.wanted.askBundle(other)).rejects.toMatchObject({
      code: 'IDEMPOTENCY_MISMATCH',
    })
    await expect(own.wanted.ask({ ...terms, idempotencyKey: 'table 7' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_MISMATCH',
    })
    expect(own.wanted.list().length).toBe(2)
  })

  test('whose auctions a stop of the node interrupted is asked again as a whole', async () => {
    const { proofs } = await own.wanted.askBundle(bundle())
    for (const { requestId } of proofs) await bid(own, own.provers[0]!, requestId, 5n)
    clock.forget()
    await restart()
    await letLapse(proofs[0]!.requestId)
    await own.when(() => saidRequests().length === 2)
    const [first, second] = saidRequests()
    expect([first, second]).toMatchObject([{ bundleSize: 2 }, { bundleSize: 2 }])
    expect(second?.bundleId).toBe(first?.bundleId)
  })

  test('decided when the node was killed is awarded as it was decided when it runs again', async () => {
    const { proofs } = await own.wanted.askBundle(bundle())
    const [ann, bob] = own.provers
    for (const { requestId } of proofs) {
      await bid(own, ann!, requestId, 1_000n)
      await bid(own, bob!, requestId, 2_000n)
    }
    const { closesAt } = own.market.job(proofs[0]!.requestId)!.request.message
    // Stored in one write, before anything is signed.
    const batch = own.store.batch.bind(own.store)
    let decided = () => {}
    const isDecided = new Promise<void>((resolve) => {
      decided = resolve
    })
    vi.spyOn(own.store, 'batch').mockImplementation(async (writes, options) => {
      await batch(writes, options)
      const drafts = proofs.map(
        ({ requestId }) => own.market.auctioneer.auctions.get(requestId)?.draft,
      )
      if (drafts.every((draft) => draft)) {
        decided()
        await new Promise(() => undefined)
      }
    })
    clock.advanceTo(closesAt)
    await isDecided
    await own.kill()
    own = await startOwnMarket({ folder, clock })
    await own.when(() => proofs.every(({ requestId }) => own.market.job(requestId)?.award))
    const winners = proofs.map(({ requestId }) => own.market.job(requestId)?.award?.message.prover)
    expect(winners).toEqual([ann!.account, bob!.account])
  })
})
