import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createProverExchange, type ProverExchange } from '#node/exchange'
import type { Host } from '#node/host'
import { createSigner } from '#node/signer'
import type { Store } from '#node/store'
import { StreamRefusal, serve } from '#node/streams'
import { envelopeBytes } from '#protocol/envelope'
import { defaultParams as params } from '#protocol/params'
import { streamProtocols } from '#protocol/topics'
import { startHost, stopHosts } from '#test/support/hosts'
import { proof } from '#test/support/own-counter'
import { domain, hash, TestClock } from '#test/support/own-market'

const [requestId, awardId] = [hash('request'), hash('award')]
const never = new AbortController().signal
/** What is said twice needs no disk. */
const ann = createSigner(createHash('sha256').update('ann').digest(), domain, {} as Store)

/** A builder that answers whatever the test says. */
let liar: Host
/** Bytes, or what it throws. */
let answer: Uint8Array | Error
let prover: ProverExchange
beforeAll(async () => {
  liar = await startHost()
  const limits = {
    ...{ maxRequestBytes: 2_000_000, maxConcurrent: 8, maxConcurrentPerPeer: 8 },
    timeLimitMs: 5_000,
  }
  for (const protocol of Object.values(streamProtocols))
    await serve(liar, protocol, limits, async () => {
      if (answer instanceof Error) throw answer
      return answer
    })
  const host = await startHost()
  await host.connect(liar.addresses()[0]!)
  prover = createProverExchange({ host, signer: ann, clock: new TestClock(), params })
})
afterAll(stopHosts)

describe('an answer', () => {
  test('with a path too long or a body too short is MALFORMED', async () => {
    const fetch = () => prover.fetch(liar.peerKey, requestId, 100, never)
    const short = Buffer.concat([Uint8Array.of(2), Buffer.alloc(63)])
    const long = Buffer.concat([Uint8Array.of(17), Buffer.alloc(17 * 32)])
    for (const body of [new Uint8Array(), short, long]) {
      answer = body
      await expect(fetch()).rejects.toMatchObject({ code: 'MALFORMED', isFinal: true })
    }
    answer = Buffer.alloc(1 + 16 * 32 + 101)
    await expect(fetch()).rejects.toMatchObject({ name: 'StreamError', code: 'TOO_LARGE' })
    const words = Buffer.alloc(16 * 32, 7)
    answer = Buffer.concat([Uint8Array.of(16), words, Buffer.from('inputs')])
    const { path, inputs } = await fetch()
    expect(path).toEqual(Array(16).fill(`0x${'07'.repeat(32)}`))
    expect(Buffer.from(inputs).toString()).toBe('inputs')
  })

  test('that is no start, or no receipt, is refused', async () => {
    const message = { requestId, awardId, prover: ann.account }
    const accept = () => prover.accept(liar.peerKey, ann.sign('Acceptance', message), never)
    const hand = () => prover.deliver(liar.peerKey, requestId, proof, never)
    for (const [kind, exchanged] of [
      ['Start', accept],
      ['Receipt', hand],
    ] as const) {
      for (const bytes of [0, 1, envelopeBytes[kind] - 1, envelopeBytes[kind]]) {
        answer = Buffer.alloc(bytes)
        await expect(exchanged()).rejects.toMatchObject({ name: 'ExchangeRefused', isFinal: true })
      }
      answer = Buffer.alloc(envelopeBytes[kind] + 1)
      await expect(exchanged()).rejects.toMatchObject({ code: 'TOO_LARGE' })
    }
  })

  test('of a builder that is busy, slow or failing is asked for again; another refusal is final', async () => {
    const outcome = (thrown: Error) => {
      answer = thrown
      return expect(prover.fetch(liar.peerKey, requestId, 100, never)).rejects
    }
    for (const code of ['BUSY', 'EXPIRED', 'UNKNOWN_REQUEST'])
      await outcome(new StreamRefusal(code)).toMatchObject({ code, isFinal: false })
    await outcome(new Error('bug')).toMatchObject({ code: 'INTERNAL', isFinal: false })
    await outcome(new StreamRefusal('NOT_AWARDED')).toMatchObject({ isFinal: true })
  })
})
