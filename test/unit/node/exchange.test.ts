import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createProverExchange, MAX_PROOF_BYTES } from '#node/exchange'
import type { Host } from '#node/host'
import { createSigner, type Signer } from '#node/signer'
import { ask } from '#node/streams'
import { bidLeaf, rootOf } from '#protocol/auction'
import { encodeSigned } from '#protocol/envelope'
import { defaultParams as params } from '#protocol/params'
import type { Hex, Id, PeerClaim } from '#protocol/schema'
import { keccak } from '#protocol/signature'
import { streamProtocols } from '#protocol/topics'
import { startHost, stopHost, stopHosts } from '#test/support/hosts'
import {
  awarded,
  type OwnCounter,
  ownVerifier,
  payee,
  proof,
  startOwnCounter,
  wallet,
} from '#test/support/own-counter'
import {
  award,
  bid,
  deliver,
  domain,
  hash,
  type OwnMarket,
  TestClock,
  temporaryFolder,
  terms,
} from '#test/support/own-market'

const verifier = ownVerifier()
afterAll(() => verifier.close())

/** Starting and stopping them costs more than all the rest: they serve every test. */
let builder: Host
let hosts: Host[]
beforeAll(async () => {
  ;[builder, ...hosts] = await Promise.all([startHost(), startHost(), startHost(), startHost()])
})
afterAll(stopHosts)

let folder: string
let clock: TestClock
/** Hosts that speak for nobody yet. */
let idle: Host[]
let stage: OwnCounter
let own: OwnMarket

beforeEach(async () => {
  folder = await temporaryFolder()
  clock = new TestClock()
  idle = [...hosts]
  stage = await startOwnCounter({ host: builder, folder, clock, verifier })
  own = stage.own
})
afterEach(async () => {
  await stage.counter.stop()
  await own.stop()
  await rm(folder, { recursive: true })
})

async function proverOf(signer: Signer) {
  const host = idle.pop()!
  await host.connect(builder.addresses()[0]!)
  return { host, ...createProverExchange({ host, signer, clock, params }) }
}

const acceptanceOf = (signer: Signer, requestId: Id) =>
  signer.sign('Acceptance', {
    requestId,
    awardId: own.market.job(requestId)!.award!.id,
    prover: signer.account,
  })

const never = new AbortController().signal
const bytesOf = (hex: Hex): Uint8Array => Buffer.from(hex.slice(2), 'hex')
const claimBody = (signer: Signer, claim: PeerClaim, requestId: Id): Uint8Array => {
  const { message, signature } = signer.sign('PeerClaim', claim)
  return Buffer.concat([encodeSigned('PeerClaim', message, signature), bytesOf(requestId)])
}
const limits = { maxResponseBytes: 4_096, timeLimitMs: 20_000 }

describe('inputs', () => {
  test('a prover whose turn it is gets its path and the inputs', async () => {
    const [ann, bob, cas] = own.provers
    const requestId = await awarded(own, clock, ann!, bob!, cas!)
    const { fetch } = await proverOf(ann!)
    const { path, inputs } = await fetch(builder.peerKey, requestId, 3, never)
    expect(inputs).toEqual(terms.inputs)
    const { message } = own.market.job(requestId)!.award!
    const leaf = bidLeaf(message.bidId, 1_000n, message.readyAt)
    expect(path.length).toBeGreaterThan(0)
    expect(rootOf(leaf, path)).toBe(message.bidsRoot)
  })

  test('a prover that waits gets them when its turn comes, and not before', async () => {
    const [ann, bob] = own.provers
    const requestId = await awarded(own, clock, ann!, bob!)
    const { fetch } = await proverOf(bob!)
    let isGiven = false
    const waiting = fetch(builder.peerKey, requestId, 3, never).finally(() => (isGiven = true))
    await stage.asked('waiting')
    const first = await proverOf(ann!)
    await first.fetch(builder.peerKey, requestId, 3, never)
    clock.advance(params.turnMs - 1)
    await first.fetch(builder.peerKey, requestId, 3, never)
    expect(isGiven).toBe(false)
    clock.advance(1)
    expect((await waiting).inputs).toEqual(terms.inputs)
  })

  test('a prover that waits is told JOB_ENDED when another has delivered', async () => {
    const [ann, bob] = own.provers
    const requestId = await awarded(own, clock, ann!, bob!)
    const { fetch } = await proverOf(bob!)
    const waiting = fetch(builder.peerKey, requestId, 3, never)
    const refused = expect(waiting).rejects.toMatchObject({ code: 'JOB_ENDED', isFinal: true })
    await stage.asked('waiting')
    own.engine.feed({ kind: 'accepted', from: acceptanceOf(ann!, requestId) })
    await own.when(() => own.market.job(requestId)?.obligations.has(ann!.account))
    clock.advance(1_000)
    await deliver(own, ann!, requestId, proof, clock.now())
    await refused
  })

  test('nobody who is not named gets them, before the award or after it', async () => {
    const [ann, bob, cas] = own.provers
    const stranger = createSigner(randomBytes(32), domain, own.store)
    const { requestId } = await own.wanted.ask(terms)
    const early = await proverOf(ann!)
    const refusal = (code: string) => expect.objectContaining({ code })
    const outcome = (of: typeof early, id = requestId) =>
      of.fetch(builder.peerKey, id, 3, never).catch((error: unknown) => error)
    expect(await outcome(early)).toEqual(refusal('NOT_AWARDED'))
    await bid(own, bob!, requestId, 1_000n)
    await award(own, clock, requestId)
    expect(await outcome(await proverOf(cas!))).toEqual(refusal('NOT_AWARDED'))
    expect(await outcome(await proverOf(stranger))).toEqual(refusal('NOT_AWARDED'))
    expect(await outcome(early, hash('other'))).toEqual(refusal('UNKNOWN_REQUEST'))
  })

  test('a prover that asks again gets them there, and the first stream may be asked anew', async () => {
    const [ann, bob] = own.provers
    const requestId = await awarded(own, clock, ann!, bob!)
    const { fetch } = await proverOf(bob!)
    const first = fetch(builder.peerKey, requestId, 3, never)
    const replaced = expect(first).rejects.toMatchObject({ code: 'STOPPING', isFinal: false })
    await stage.asked('waiting')
    const second = fetch(builder.peerKey, requestId, 3, never)
    await stage.asked('waiting', 2)
    await replaced
    clock.advance(params.turnMs)
    expect((await second).inputs).toEqual(terms.inputs)
  })

  test('a builder that stops, or vanishes, ends the wait', async () => {
    const [ann, bob] = own.provers
    const requestId = await awarded(own, clock, ann!, bob!)
    const { fetch } = await proverOf(bob!)
    const lost = { name: 'StreamError', code: 'LOST' }
    const first = expect(fetch(builder.peerKey, requestId, 3, never)).rejects.toMatchObject(lost)
    await stage.asked('waiting')
    await stage.counter.stop()
    await first
    await stage.counter.open()
    const second = expect(fetch(builder.peerKey, requestId, 3, never)).rejects.toMatchObject(lost)
    await stage.asked('waiting', 2)
    await stopHost(builder)
    await second
    builder = await startHost()
  })

  test('a prover that leaves ends its wait, and its turn may still come', async () => {
    const [ann, bob] = own.provers
    const requestId = await awarded(own, clock, ann!, bob!)
    const { fetch } = await proverOf(bob!)
    const leaving = new AbortController()
    const waiting = fetch(builder.peerKey, requestId, 3, leaving.signal)
    const left = expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
    await stage.asked('waiting')
    leaving.abort()
    await left
    clock.advance(params.turnMs)
    expect((await fetch(builder.peerKey, requestId, 3, never)).inputs).toEqual(terms.inputs)
  })
})

describe('a peer claim', () => {
  test.each(['inputs', 'deliver'] as const)(
    'of another peer, of the past or of another account is refused: %s',
    async (name) => {
      const [ann, bob] = own.provers
      const requestId = await awarded(own, clock, ann!)
      const { host } = await proverOf(bob!)
      const good = { peer: host.peerKey, account: ann!.account, expiresAt: clock.now() + 1_000 }
      const refusal = (signer: Signer, claim: PeerClaim) =>
        ask(
          host,
          builder.peerKey,
          streamProtocols[name],
          claimBody(signer, claim, requestId),
          limits,
        ).then(
          () => 'answered',
          ({ reason }) => reason,
        )
      const elsewhere = createSigner(randomBytes(32), { ...domain, chainId: 1 }, own.store)
      expect(await refusal(ann!, { ...good, peer: builder.peerKey })).toBe('CLAIM_INVALID')
      expect(await refusal(ann!, { ...good, expiresAt: clock.now() - 1 })).toBe('CLAIM_INVALID')
      expect(await refusal(bob!, good)).toBe('SIGNER_UNKNOWN')
      expect(await refusal(ann!, { ...good, account: bob!.account })).toBe('SIGNER_UNKNOWN')
      expect(await refusal(elsewhere, good)).toBe('SIGNER_UNKNOWN')
      expect(await refusal(ann!, good)).toBe(name === 'inputs' ? 'answered' : 'NOT_STARTED')
    },
  )
})

describe('an acceptance', () => {
  test('is answered with the start, and the same acceptance again with the same start', async () => {
    const [ann] = own.provers
    const requestId = await awarded(own, clock, ann!)
    const { accept } = await proverOf(ann!)
    const acceptance = acceptanceOf(ann!, requestId)
    const start = await accept(builder.peerKey, acceptance, never)
    expect(start).toMatchObject({ kind: 'Start', signer: own.signer.account, acceptance })
    expect(start.message).toMatchObject({ requestId, prover: ann!.account })
    expect(start.message.acceptanceId).toBe(acceptance.id)
    expect(own.market.job(requestId)!.obligations.get(ann!.account)!.start).toEqual(start)
    clock.advance(50)
    expect(await accept(builder.peerKey, acceptance, never)).toEqual(start)
  })

  test('out of turn, or signed by another, is refused', async () => {
    const [ann, bob] = own.provers
    const requestId = await awarded(own, clock, ann!, bob!)
    const { accept } = await proverOf(bob!)
    const forged = bob!.sign('Acceptance', acceptanceOf(ann!, requestId).message)
    const early = accept(builder.peerKey, acceptanceOf(bob!, requestId), never)
    await expect(early).rejects.toMatchObject({ code: 'NOT_YOUR_TURN', isFinal: true })
    const other = accept(builder.peerKey, forged, never)
    await expect(other).rejects.toMatchObject({ code: 'SIGNER_UNKNOWN' })
    expect(own.market.job(requestId)!.obligations.size).toBe(0)
  })

  test('signed by another does not end the wait of its prover', async () => {
    const [ann, bob] = own.provers
    const requestId = await awarded(own, clock, ann!)
    const [honest, rival] = [await proverOf(ann!), await proverOf(bob!)]
    const [reached, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    stage.holdDisk(async (name) => {
      if (!name.includes('Start')) return
      reached.resolve()
      await opened.promise
    })
    const acceptance = acceptanceOf(ann!, requestId)
    const starting = honest.accept(builder.peerKey, acceptance, never)
    await reached.promise
    const forged = bob!.sign('Acceptance', acceptance.message)
    const refused = rival.accept(builder.peerKey, forged, never)
    await expect(refused).rejects.toMatchObject({ code: 'SIGNER_UNKNOWN' })
    opened.resolve()
    expect((await starting).message.prover).toBe(ann!.account)
  })
})

describe('a delivery', () => {
  /** A job whose prover was started. */
  async function started() {
    const signer = wallet(own)
    const requestId = await awarded(own, clock, signer)
    const exchange = await proverOf(signer)
    await exchange.accept(builder.peerKey, acceptanceOf(signer, requestId), never)
    clock.advance(1_000)
    const { wantedId } = own.wanted.list()[0]!
    return { requestId, wantedId, exchange }
  }
  const receipts = () => own.said.filter(({ kind }) => kind === 'Receipt')

  test('of a proof that verifies gets a receipt; delivered twice, the same one', async () => {
    const { requestId, wantedId, exchange } = await started()
    const receipt = await exchange.deliver(builder.peerKey, requestId, proof, never)
    expect(receipt).toMatchObject({ kind: 'Receipt', signer: own.signer.account })
    const proofHash = keccak(proof)
    expect(receipt.message).toMatchObject({ requestId, prover: payee, payWei: 1_000n, proofHash })
    expect(await own.wanted.proof(wantedId)).toEqual(proof)
    clock.advance(100)
    expect(await exchange.deliver(builder.peerKey, requestId, proof, never)).toEqual(receipt)
    expect(receipts()).toHaveLength(1)
  })

  test('of a proof that does not verify is PROOF_INVALID and gets no receipt', async () => {
    const { requestId, wantedId, exchange } = await started()
    const wrong = [proof.with(40, proof[40]! ^ 1), proof.slice(1), new Uint8Array()]
    for (const bytes of wrong) {
      const refused = exchange.deliver(builder.peerKey, requestId, bytes, never)
      await expect(refused).rejects.toMatchObject({ code: 'PROOF_INVALID', isFinal: true })
    }
    const big = exchange.deliver(
      builder.peerKey,
      requestId,
      Buffer.alloc(MAX_PROOF_BYTES + 1),
      never,
    )
    await expect(big).rejects.toMatchObject({ code: 'TOO_LARGE', isFinal: true })
    expect(stage.fed.filter(({ kind }) => kind === 'delivered')).toEqual([])
    expect(receipts()).toEqual([])
    expect(await own.wanted.proof(wantedId)).toBeNull()
  })

  test('of somebody who was not started is NOT_STARTED, of an unknown job UNKNOWN_REQUEST', async () => {
    const { requestId } = await started()
    const other = await proverOf(own.provers[1]!)
    const early = other.deliver(builder.peerKey, requestId, proof, never)
    await expect(early).rejects.toMatchObject({ code: 'NOT_STARTED' })
    const unknown = other.deliver(builder.peerKey, hash('other'), proof, never)
    await expect(unknown).rejects.toMatchObject({ code: 'UNKNOWN_REQUEST', isFinal: false })
  })
})

describe('garbage', () => {
  test('of any length is refused on every stream, and the next prover is served', async () => {
    const [ann] = own.provers
    const requestId = await awarded(own, clock, ann!)
    const { host, fetch } = await proverOf(ann!)
    const good = { peer: host.peerKey, account: ann!.account, expiresAt: clock.now() + 60_000 }
    const bodies = {
      inputs: claimBody(ann!, good, requestId),
      accept: encodeSigned(
        'Acceptance',
        acceptanceOf(ann!, requestId).message,
        acceptanceOf(ann!, requestId).signature,
      ),
      deliver: claimBody(ann!, good, requestId),
    }
    const codes = new Set<string>()
    const refusedAs = async (name: keyof typeof bodies, body: Uint8Array): Promise<void> => {
      const asking = ask(host, builder.peerKey, streamProtocols[name], body, limits)
      const error = await asking.then(
        () => null,
        (thrown: unknown) => thrown,
      )
      expect(error).toMatchObject({ code: 'REFUSED' })
      codes.add((error as { reason: string }).reason)
    }
    const names = fc.constantFrom('inputs', 'accept', 'deliver')
    await fc.assert(
      fc.asyncProperty(names, fc.uint8Array({ maxLength: 600, size: 'max' }), refusedAs),
      {
        numRuns: 150,
      },
    )
    const change = { at: fc.nat({ max: 159 }), flip: fc.integer({ min: 1, max: 255 }) }
    await fc.assert(
      fc.asyncProperty(names, fc.record(change), fc.nat({ max: 2 }), (name, { at, flip }, cut) => {
        const body = new Uint8Array(bodies[name])
        body[at]! ^= flip
        return refusedAs(name, body.subarray(0, body.length - cut))
      }),
      { numRuns: 150 },
    )
    expect([...codes]).toEqual(expect.arrayContaining(['MALFORMED', 'TOO_LARGE']))
    expect([...codes]).not.toContain('INTERNAL')
    expect(own.market.job(requestId)!.obligations.size).toBe(0)
    expect((await fetch(builder.peerKey, requestId, 3, never)).inputs).toEqual(terms.inputs)
  })
})
