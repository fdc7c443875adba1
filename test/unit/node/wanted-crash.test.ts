import { rm } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import type { Gossiped } from '#protocol/effects'
import { crashAfter } from '#test/support/crash-disk'
import {
  accept,
  award,
  bid,
  deliver,
  type OwnMarket,
  startOwnMarket,
  TestClock,
  temporaryFolder,
  terms,
} from '#test/support/own-market'

const proof = new Uint8Array([7, 7, 7])
const asked = { ...terms, idempotencyKey: 'story' }

/** One wanted proof from asking to receipt. */
async function story(own: OwnMarket, clock: TestClock): Promise<void> {
  const ann = own.provers[0]!
  const { requestId } = await own.wanted.ask(asked)
  await bid(own, ann, requestId, 5n)
  await award(own, clock, requestId)
  await accept(own, ann, requestId)
  await deliver(own, ann, requestId, proof, clock.now())
}

/**
 * The same after a restart, from wherever the market stands; a prover is there for whatever is
 * asked.
 */
async function goOn(own: OwnMarket, clock: TestClock): Promise<string> {
  const ann = own.provers[0]!
  const { wantedId } = await own.wanted.ask(asked)
  const record = own.wanted.get(wantedId)!
  /** Requests said since the restart: only those have an auction that goes on. */
  const saidNow = () => own.said.filter(({ kind }) => kind === 'ProofRequest').length
  while (record.status === 'open') {
    const last = record.requests.at(-1)!
    const job = own.market.job(last.requestId)
    if (job?.award) {
      await accept(own, ann, job.id)
      await deliver(own, ann, job.id, proof, clock.now())
    } else if (job && saidNow() > 0) {
      await bid(own, ann, job.id, 5n)
      await award(own, clock, job.id)
    } else {
      clock.advance(1_600)
      await own.when(() => saidNow() > 0 || record.status !== 'open')
    }
  }
  return wantedId
}

/**
 * No nonce names two requests or two awards, and nobody got another receipt than the one that is
 * kept.
 */
function checkSaid(said: readonly Gossiped[], receiptId: string | undefined): void {
  const idOf = new Map<string, string>()
  const same = (name: string, id: string): void => {
    expect(idOf.get(name) ?? id, name).toBe(id)
    idOf.set(name, id)
  }
  const nonces = new Map<string, bigint>()
  for (const each of said) {
    if (each.kind === 'ProofRequest') {
      nonces.set(each.id, each.message.nonce)
      same(`request ${each.message.nonce}`, each.id)
    }
    if (each.kind === 'Award') same(`award ${nonces.get(each.message.requestId)}`, each.id)
    if (each.kind === 'Receipt') expect(each.id).toBe(receiptId)
  }
}

describe('wanted proofs after a crash', () => {
  test('between any two writes: one award a nonce, one receipt, and the proof is delivered', async () => {
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
      const wantedId = await goOn(own, clock)
      const record = own.wanted.get(wantedId)!
      expect(record.status, `after ${writes} writes`).toBe('delivered')
      expect(await own.wanted.proof(wantedId)).toEqual(proof)
      const { requestId, prover } = record.delivery!
      const receipt = own.market.job(requestId)?.obligations.get(prover)?.receipt
      checkSaid([...saidBefore, ...own.said], receipt?.id)
      await own.stop()
      await rm(folder, { recursive: true })
    }
    // As many as the story has: less, and the crashes did not come where they should.
    expect(writes).toBeGreaterThan(8)
  })
})
