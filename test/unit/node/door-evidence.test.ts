import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DoorClient } from '#node/builder/door-client'
import { bidLeaf, rootOf } from '#protocol/auction'
import type { Hex, Id } from '#protocol/schema'
import { digest, domainSeparator, recover } from '#protocol/signature'
import { type OwnDoor, proof, startOwnDoor, wire } from '#test/support/own-door'
import { accept, award, bid, deliver, domain } from '#test/support/own-market'

let at: OwnDoor
let client: DoorClient
const ending = new AbortController()
beforeEach(async () => {
  at = await startOwnDoor()
  client = new DoorClient(at.door.url, null, ending.signal)
})
afterEach(() => at.stop())

const separator = domainSeparator(domain)
const bytesOf = (hex: Hex): Uint8Array => Buffer.from(hex.slice(2), 'hex')

/** The winner lets its turn pass; its backup delivers. */
async function serveByBackup(requestId: Id): Promise<void> {
  const { own, clock } = at
  const [ann, bob] = own.provers
  await bid(own, ann!, requestId, 5n)
  await bid(own, bob!, requestId, 6n)
  await award(own, clock, requestId)
  const isMissed = () => own.events.some(({ kind }) => kind === 'turn-missed')
  clock.advance(500)
  await own.when(isMissed)
  await accept(own, bob!, requestId)
  await deliver(own, bob!, requestId, proof, clock.now())
}

describe('what pays for a proof', () => {
  test('evidence gives what both sides signed, in the bytes they signed', async () => {
    const { wantedId, requestId } = await at.resultOf('prove', wire)
    expect(await at.errorOf('evidence', { wantedId })).toMatchObject({
      ...{ code: -32_002, data: { code: 'NOT_READY' } },
    })
    await at.serve(requestId)
    const evidence = (await client.evidence(wantedId))!
    const { request, award, start } = evidence
    expect(evidence).toMatchObject({ requestId, proof: '0x070707', bid: { path: [] } })
    expect(digest('ProofRequest', request, separator)).toBe(requestId)
    expect(digest('Award', award, separator)).toBe(start.awardId)
    const prover = at.own.provers[0]!.account
    const { acceptanceId } = start
    expect(recover(bytesOf(acceptanceId), bytesOf(evidence.acceptanceSignature))).toBe(prover)
    const startId = digest('Start', start, separator)
    expect(recover(bytesOf(startId), bytesOf(evidence.startSignature))).toBe(at.own.signer.account)
  })

  test('evidence shows a backup’s own bid under the award’s root', async () => {
    const { wantedId, requestId } = await at.resultOf('prove', { ...wire, backups: 1 })
    await serveByBackup(requestId)
    const { award, bid, start } = (await client.evidence(wantedId))!
    const bob = at.own.provers[1]!.account
    expect(start.prover).toBe(bob)
    expect(bid.priceWei).toBe(6n)
    const { commitment, sealedOpening, priceWei, readyAt, path } = bid
    const bidMessage = { requestId, prover: bob, commitment, sealedOpening }
    const leaf = bidLeaf(digest('Bid', bidMessage, separator), priceWei, readyAt)
    expect(rootOf(leaf, path)).toBe(award.bidsRoot)
  })

  test('evidence says when the market has forgotten the job', async () => {
    const { wantedId, requestId } = await at.resultOf('prove', wire)
    await at.serve(requestId)
    const { own } = at
    const { nonce } = own.market.job(requestId)!.request.message
    const prover = own.provers[0]!.account
    own.chain({
      ...{ kind: 'paid', builder: own.signer.account, prover, nonce, payWei: 5n },
      transactionHash: `0x${'ab'.repeat(32)}`,
    })
    at.clock.advance(3_600_000)
    expect(own.market.job(requestId)).toBeUndefined()
    expect(await at.errorOf('evidence', { wantedId })).toMatchObject({
      ...{ code: -32_001, data: { code: 'EVIDENCE_GONE', wantedId } },
      message: expect.stringContaining('settles the receipt'),
    })
    expect(await client.evidence(wantedId)).toBeNull()
  })

  test('what is not wanted here, and what failed, has no evidence', async () => {
    expect(await at.errorOf('evidence', { wantedId: 'w1' })).toMatchObject({ code: -32_001 })
    expect(await at.errorOf('evidence', {})).toMatchObject({ code: -32_602 })
    const { wantedId } = await at.resultOf('prove', wire)
    const waiting = at.errorOf('waitProof', { wantedId, timeoutMs: 60_000 })
    at.clock.advance(1_300)
    at.clock.advance(300)
    await waiting
    const failed = { code: -32_004, data: { code: 'NO_BIDS', wantedId } }
    expect(await at.errorOf('evidence', { wantedId })).toMatchObject(failed)
  })
})
