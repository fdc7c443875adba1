import { once } from 'node:events'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Channel, Host } from '#node/host'
import { ask, type ServeLimits, StreamError, StreamRefusal, serve } from '#node/streams'
import { startHost, stopHost, stopHosts } from '#test/support/hosts'

afterEach(stopHosts)

const protocol = '/proofwire/test/1'
const limits: ServeLimits = {
  maxRequestBytes: 1024 * 1024,
  maxConcurrent: 8,
  maxConcurrentPerPeer: 4,
  timeLimitMs: 60_000,
}
const asking = { maxResponseBytes: 16 * 1024 * 1024, timeLimitMs: 30_000 }
const empty = new Uint8Array(0)

async function pair(): Promise<{ server: Host; asker: Host }> {
  const [server, asker] = [await startHost(), await startHost()]
  await asker.connect(server.addresses()[0]!)
  return { server, asker }
}

/** Sends raw bytes, as a peer may, and returns all that comes back until the stream ends. */
async function raw(channel: Channel, chunks: readonly Uint8Array[], end = true): Promise<Buffer> {
  async function* source() {
    yield* chunks
    if (!end) await new Promise(() => undefined)
  }
  const sending = channel.sink(source())
  sending.catch(() => undefined)
  const received: Uint8Array[] = []
  try {
    for await (const chunk of channel.source) received.push(new Uint8Array(chunk))
  } catch {
    // Cut off: what came before is the answer.
  }
  return Buffer.concat(received)
}

/** A length-prefixed frame of up to 127 bytes. */
const frame = (...bytes: number[]): Uint8Array => Uint8Array.of(bytes.length, ...bytes)
const open = (asker: Host, server: Host): Promise<Channel> =>
  asker.open(server.peerKey, protocol, AbortSignal.timeout(5_000))

describe('streams', () => {
  test('a request of any length is answered; the handler knows peer and time', async () => {
    const { server, asker } = await pair()
    await serve(server, protocol, limits, async (request, peerKey, _, receivedAt) => {
      expect(peerKey).toBe(asker.peerKey)
      expect(Math.abs(Date.now() - receivedAt)).toBeLessThan(1_000)
      return Uint8Array.from(request).reverse()
    })
    const chunk = 64 * 1024
    for (const length of [0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 1024 * 1024]) {
      const request = Uint8Array.from({ length }, (_, i) => i % 251)
      const response = await ask(asker, server.peerKey, protocol, request, asking)
      expect(Buffer.compare(response, Uint8Array.from(request).reverse()), `${length}`).toBe(0)
    }
  })

  test('a response of many MiB arrives whole', async () => {
    const { server, asker } = await pair()
    const big = Buffer.alloc(12 * 1024 * 1024, 'proofwire')
    await serve(server, protocol, limits, async () => big)
    const response = await ask(asker, server.peerKey, protocol, empty, asking)
    expect(big.equals(response)).toBe(true)
  })

  test('a refusal carries its code', async () => {
    const { server, asker } = await pair()
    await serve(server, protocol, limits, async () => {
      throw new StreamRefusal('NOT_YOUR_TURN')
    })
    const asked = ask(asker, server.peerKey, protocol, empty, asking)
    await expect(asked).rejects.toMatchObject({ code: 'REFUSED', reason: 'NOT_YOUR_TURN' })
  })

  test('a handler’s bug is answered INTERNAL, without its words', async () => {
    const { server, asker } = await pair()
    await serve(server, protocol, limits, async () => {
      throw new Error('secret')
    })
    const asked = ask(asker, server.peerKey, protocol, empty, asking)
    await expect(asked).rejects.toMatchObject({ code: 'REFUSED', reason: 'INTERNAL' })
  })

  test('above its places a peer is told busy, and served again when one is free', async () => {
    const { server, asker } = await pair()
    const gate = Promise.withResolvers<void>()
    await serve(server, protocol, { ...limits, maxConcurrentPerPeer: 2 }, async () => {
      await gate.promise
      return empty
    })
    const askOne = () => ask(asker, server.peerKey, protocol, Buffer.alloc(500_000), asking)
    const first = [askOne(), askOne()]
    const other = await startHost()
    await other.connect(server.addresses()[0]!)
    // The two have begun when a third is refused.
    await expect
      .poll(() =>
        askOne().then(
          () => 'ok',
          (error: StreamError) => error.code,
        ),
      )
      .toBe('BUSY')
    const ofOther = ask(other, server.peerKey, protocol, empty, asking)
    gate.resolve()
    await Promise.all([...first, ofOther])
    await askOne()
  })

  test('above all places every peer is told busy', async () => {
    const { server, asker } = await pair()
    const [gate, began] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    await serve(server, protocol, { ...limits, maxConcurrent: 1 }, async () => {
      began.resolve()
      await gate.promise
      return empty
    })
    const first = ask(asker, server.peerKey, protocol, empty, asking)
    await began.promise
    const other = await startHost()
    await other.connect(server.addresses()[0]!)
    const second = ask(other, server.peerKey, protocol, empty, asking)
    await expect(second).rejects.toMatchObject({ code: 'BUSY' })
    gate.resolve()
    await first
  })

  test('a request longer than allowed is refused without being read', async () => {
    const { server, asker } = await pair()
    await serve(server, protocol, { ...limits, maxRequestBytes: 10 }, async () => empty)
    const asked = ask(asker, server.peerKey, protocol, Buffer.alloc(5_000_000), asking)
    await expect(asked).rejects.toMatchObject({ code: 'REFUSED', reason: 'TOO_LARGE' })
  })

  test('a response longer than asked for is not read', async () => {
    const { server, asker } = await pair()
    await serve(server, protocol, limits, async () => Buffer.alloc(1_000_000))
    const small = { ...asking, maxResponseBytes: 999_999 }
    const asked = ask(asker, server.peerKey, protocol, empty, small)
    await expect(asked).rejects.toMatchObject({ code: 'TOO_LARGE' })
  })

  test('a long wait ends in the answer, or when the asker leaves', async () => {
    const { server, asker } = await pair()
    const signals: AbortSignal[] = []
    const gate = Promise.withResolvers<void>()
    await serve(server, protocol, limits, async (_, __, signal) => {
      signals.push(signal)
      await gate.promise
      return Uint8Array.of(7)
    })
    const leaving = new AbortController()
    const left = ask(asker, server.peerKey, protocol, empty, { ...asking, signal: leaving.signal })
    left.catch(() => undefined)
    await expect.poll(() => signals.length).toBe(1)
    const waiting = ask(asker, server.peerKey, protocol, empty, asking)
    await expect.poll(() => signals.length).toBe(2)
    leaving.abort()
    await expect(left).rejects.toMatchObject({ code: 'ABORTED' })
    await once(signals[0]!, 'abort')
    expect(signals[1]!.aborted).toBe(false)
    gate.resolve()
    expect(await waiting).toEqual(Uint8Array.of(7))
  })

  test('an asker whose connection is lost keeps its place until the handler ends', async () => {
    const { server, asker } = await pair()
    const began = Promise.withResolvers<AbortSignal>()
    const gate = Promise.withResolvers<void>()
    await serve(server, protocol, { ...limits, maxConcurrent: 1 }, async (_, __, signal) => {
      began.resolve(signal)
      await gate.promise
      return empty
    })
    ask(asker, server.peerKey, protocol, empty, asking).catch(() => undefined)
    const signal = await began.promise
    const gone = once(signal, 'abort')
    await stopHost(asker)
    await gone
    const other = await startHost()
    await other.connect(server.addresses()[0]!)
    const again = () => ask(other, server.peerKey, protocol, empty, asking)
    await expect(again()).rejects.toMatchObject({ code: 'BUSY' })
    gate.resolve()
    await expect
      .poll(() =>
        again().then(
          () => 'ok',
          () => 'busy',
        ),
      )
      .toBe('ok')
  })

  test('the asker hears when the server stops', async () => {
    const { server, asker } = await pair()
    const began = Promise.withResolvers<void>()
    await serve(server, protocol, limits, (_, __, signal) => {
      began.resolve()
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason)),
      )
    })
    const asked = ask(asker, server.peerKey, protocol, empty, asking)
    asked.catch(() => undefined)
    await began.promise
    await stopHost(server)
    await expect(asked).rejects.toMatchObject({ code: 'LOST' })
  })

  test('the end of serving aborts what is in progress and takes nothing more', async () => {
    const { server, asker } = await pair()
    const began = Promise.withResolvers<void>()
    const stop = await serve(server, protocol, limits, () => {
      began.resolve()
      return new Promise(() => undefined)
    })
    const asked = ask(asker, server.peerKey, protocol, empty, asking)
    asked.catch(() => undefined)
    await began.promise
    await stop()
    await expect(asked).rejects.toMatchObject({ code: 'LOST' })
    const later = ask(asker, server.peerKey, protocol, empty, asking)
    await expect(later).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })

  test('a handler slower than its limit is refused, an asker’s limit ends its wait', async () => {
    const { server, asker } = await pair()
    await serve(
      server,
      protocol,
      { ...limits, timeLimitMs: 100 },
      () => new Promise(() => undefined),
    )
    const asked = ask(asker, server.peerKey, protocol, empty, asking)
    await expect(asked).rejects.toMatchObject({ code: 'REFUSED', reason: 'EXPIRED' })
    const impatient = ask(asker, server.peerKey, protocol, empty, { ...asking, timeLimitMs: 20 })
    await expect(impatient).rejects.toMatchObject({ code: 'EXPIRED' })
  })

  test('a peer nobody can reach, or without the protocol, is an error', async () => {
    const { server, asker } = await pair()
    const unserved = ask(asker, server.peerKey, protocol, empty, asking)
    await expect(unserved).rejects.toMatchObject({ name: 'StreamError', code: 'UNREACHABLE' })
    await stopHost(server)
    const gone = ask(asker, server.peerKey, protocol, empty, { ...asking, timeLimitMs: 2_000 })
    await expect(gone).rejects.toBeInstanceOf(StreamError)
  })

  test('a peer that stalls within its request is cut off', async () => {
    const { server, asker } = await pair()
    const answers: string[] = []
    await serve(
      server,
      protocol,
      limits,
      async () => empty,
      (answer) => answers.push(answer),
    )
    const channel = await open(asker, server)
    const from = performance.now()
    await raw(channel, [frame(0, 0, 0, 9), Uint8Array.of(9, 1, 2)], false)
    expect(performance.now() - from).toBeLessThan(5_000)
    expect(answers).toEqual(['broken'])
  })

  test('a peer that sends more than it announced is cut off', async () => {
    const { server, asker } = await pair()
    const began = Promise.withResolvers<AbortSignal>()
    await serve(server, protocol, limits, (_, __, signal) => {
      began.resolve(signal)
      return new Promise(() => undefined)
    })
    const channel = await open(asker, server)
    const cut = raw(channel, [frame(0, 0, 0, 1), frame(5), frame(6)], false)
    const signal = await began.promise
    if (!signal.aborted) await once(signal, 'abort')
    await cut
  })

  test('no bytes of a peer end the service or reach the handler malformed', async () => {
    const { server, asker } = await pair()
    const requests: Uint8Array[] = []
    await serve(server, protocol, { ...limits, maxConcurrentPerPeer: 64 }, async (request) => {
      requests.push(request)
      return empty
    })
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom(
        Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255),
        Uint8Array.of(...frame(0, 0, 0, 3), ...frame(1), ...frame(2), ...frame(3)),
        Uint8Array.of(...frame(0, 0, 0, 3), ...frame(1, 2, 3, 4)),
        Uint8Array.of(...frame(0, 0, 0, 1), ...frame(), ...frame(1)),
        Uint8Array.of(...frame(0, 0, 1), ...frame(1)),
      ),
    )
    await fc.assert(
      fc.asyncProperty(garbage, async (bytes) => {
        requests.length = 0
        await raw(await open(asker, server), [bytes])
        // All that random bytes can be, if anything, is a short request of the announced length.
        for (const request of requests) expect(request.length).toBe(bytes[4])
      }),
      { numRuns: 60 },
    )
    requests.length = 0
    expect(await ask(asker, server.peerKey, protocol, Uint8Array.of(1), asking)).toEqual(empty)
    expect(requests).toEqual([Uint8Array.of(1)])
  })

  test('an asker survives what a hostile server answers', async () => {
    const { server, asker } = await pair()
    const answers: [Uint8Array[], string][] = [
      [[], 'LOST'],
      [[frame()], 'MALFORMED'],
      [[frame(3)], 'MALFORMED'],
      [[frame(0, 0, 0)], 'MALFORMED'],
      [[frame(0, 0, 0, 0, 2), frame(1), frame(1)], 'MALFORMED'],
      [[frame(0, 0, 0, 0, 2), frame(1, 2, 3)], 'MALFORMED'],
      [[frame(0, 255, 255, 255, 255)], 'TOO_LARGE'],
      [[Uint8Array.of(255, 255, 255, 255, 127)], 'LOST'],
      [[frame(1, ...Buffer.from('\u001b[2J'))], 'REFUSED'],
      [[Uint8Array.of(101, 1, ...Buffer.alloc(100, 65))], 'MALFORMED'],
      [[frame(2, 2)], 'MALFORMED'],
    ]
    let next = 0
    await server.handle(protocol, 100, (channel) => {
      channel
        .sink(
          (async function* () {
            yield* answers[next]![0]
          })(),
        )
        .catch(() => undefined)
    })
    for (const [, code] of answers) {
      const asked = ask(asker, server.peerKey, protocol, empty, asking)
      const error = await asked.then(
        () => null,
        (thrown: StreamError) => thrown,
      )
      expect(error?.code, `answer ${next}`).toBe(code)
      expect(error?.reason ?? 'UNREADABLE').toBe('UNREADABLE')
      next += 1
    }
  })
})
