import { rm } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import type { Gossiped } from '#protocol/effects'
import { isDelivered } from '#protocol/job'
import { crashAfter } from '#test/support/crash-disk'
import {
  accept,
  award,
  bid,
  deliver,
  hash,
  type OwnMarket,
  startOwnMarket,
  TestClock,
  temporaryFolder,
  terms,
} from '#test/support/own-market'

const proof = new Uint8Array([7, 7, 7])
const { programId, publicInputsHash: _, work, inputs, ...shared } = terms
const asked = {
  ...{ ...shared, idempotencyKey: 'story' },
  segments: [0, 1].map((index) => ({
    ...{ programId, work, inputs, publicInputsHash: hash(`segment ${index}`) },
  })),
}

/** The winner of an awarded job accepts and delivers. */
async function serve(own: OwnMarket, clock: TestClock, requestId: `0x${string}`): Promise<void> {
  const winner = own.market.job(requestId)!.award!.message.prover
  const prover = own.provers.find(({ account }) => account === winner)!
  await accept(own, prover, requestId)
  await deliver(own, prover, requestId, proof, clock.now())
}

/** Two provers of one lane bid for these jobs, which are awarded. */
async function auction(own: OwnMarket, clock: TestClock, requestIds: readonly `0x${string}`[]) {
  for (const requestId of requestIds)
    for (const prover of own.provers.slice(0, 2)) await bid(own, prover, requestId, 5n)
  for (const requestId of requestIds) await award(own, clock, requestId)
}

/** One bundle from asking to receipts. */
async function story(own: OwnMarket, clock: TestClock): Promise<void> {
  const requestIds = (await own.wanted.askBundle(asked)).proofs.map(({ requestId }) => requestId)
  await auction(own, clock, requestIds)
  for (const requestId of requestIds) await serve(own, clock, requestId)
}

/** The same after a restart, from wherever the market stands. */
async function goOn(own: OwnMarket, clock: TestClock): Promise<readonly string[]> {
  const { proofs } = await own.wanted.askBundle(asked)
  const records = proofs.map(({ wantedId }) => own.wanted.get(wantedId)!)
  const saidNow = () => own.said.filter(({ kind }) => kind === 'ProofRequest').length
  for (;;) {
    const open = records.filter(({ status }) => status === 'open')
    if (open.length === 0) return records.map(({ status }) => status)
    const ids = open.map(({ requests }) => requests.at(-1)!.requestId)
    const auctions = ids.map((id) => own.market.auctioneer.auctions.get(id))
    const waiting = ids.find((id) => {
      const job = own.market.job(id)
      return job?.award && !isDelivered(job)
    })
    if (waiting) await serve(own, clock, waiting)
    else if (auctions.some((each) => each?.draft))
      await own.when(() => ids.every((id) => own.market.job(id)?.award))
    else if (saidNow() > 0) await auction(own, clock, ids)
    else {
      clock.advance(1_600)
      await own.when(() => saidNow() > 0 || open.some(({ status }) => status !== 'open'))
    }
  }
}

/** No bundle is awarded in part, no nonce twice. Returns how many awards were said. */
function checkSaid(said: readonly Gossiped[]): number {
  const awards = new Map<string, string>()
  for (const each of said) {
    if (each.kind !== 'Award') continue
    expect(awards.get(each.message.requestId) ?? each.id).toBe(each.id)
    awards.set(each.message.requestId, each.id)
  }
  const bundles = new Map<string, Set<string>>()
  for (const { kind, id, message } of said) {
    if (kind !== 'ProofRequest') continue
    bundles.set(message.bundleId, (bundles.get(message.bundleId) ?? new Set()).add(id))
  }
  for (const ids of bundles.values()) {
    expect(ids.size).toBe(2)
    expect([0, 2]).toContain([...ids].filter((id) => awards.has(id)).length)
  }
  return awards.size
}

describe('a wanted bundle after a crash', () => {
  test('between any two writes: said and awarded all or none, each once, and delivered', async () => {
    const awarded = new Set<number>()
    let isWhole = false
    let writes = 0
    for (; !isWhole; writes++) {
      const folder = await temporaryFolder()
      const clock = new TestClock()
      // The counter of nonces is one write, before anything is wanted.
      const { around, crashed } = crashAfter(1 + writes)
      const first = await startOwnMarket({ folder, clock, around })
      isWhole = await Promise.race([story(first, clock).then(() => true), crashed])
      const saidBefore = [...first.said]
      await first.kill()
      clock.advance(300)

      const own = await startOwnMarket({ folder, clock })
      expect(await goOn(own, clock), `after ${writes} writes`).toEqual(['delivered', 'delivered'])
      awarded.add(checkSaid([...saidBefore, ...own.said]))
      await own.stop()
      await rm(folder, { recursive: true })
    }
    // As many as the story has: less, and the crashes did not come where they should.
    expect(writes).toBeGreaterThan(10)
    expect([...awarded]).toEqual([2])
  })
})
