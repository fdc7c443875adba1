import { afterEach, describe, expect, test } from 'vitest'
import { HostError, peerKeyOf, peerKeyToPeerId } from '#node/host'
import { Keeper } from '#node/keeper'
import { silentLog } from '#node/log'
import type { Hex } from '#protocol/schema'
import { peerIs, startHost, stopHost, stopHosts } from '#test/support/hosts'

afterEach(stopHosts)

describe('host', () => {
  test('the peer key is the raw Ed25519 key of the peer id, and stays with the seed', async () => {
    const host = await startHost({ name: 'a' })
    const peerId = host.addresses()[0]!.split('/p2p/')[1]!
    expect(`${peerKeyToPeerId(host.peerKey)}`).toBe(peerId)
    expect(peerKeyOf(peerKeyToPeerId(host.peerKey))).toBe(host.peerKey)
    expect(host.peerKey).toMatch(/^0x[0-9a-f]{64}$/)
    await stopHost(host)
    expect((await startHost({ name: 'a' })).peerKey).toBe(host.peerKey)
    for (const bad of ['', '0x12', `0x${'Z'.repeat(64)}`]) {
      expect(() => peerKeyToPeerId(bad)).toThrow(HostError)
    }
  })

  test('a port in use is refused with what to do', async () => {
    const first = await startHost()
    const listen = [first.addresses()[0]!.split('/p2p/')[0]!]
    await expect(startHost({ listen })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
      message: expect.stringMatching(/in use.*another port/),
    })
  })

  test('an address that is none, or names no peer, is refused with what to do', async () => {
    await expect(startHost({ listen: ['127.0.0.1:4001'] })).rejects.toMatchObject({
      code: 'ADDRESS_BAD',
      message: expect.stringContaining('/ip4/'),
    })
    await expect(startHost({ bootstrap: ['/ip4/127.0.0.1/tcp/1'] })).rejects.toMatchObject({
      code: 'ADDRESS_BAD',
      message: expect.stringContaining('/p2p/'),
    })
    await expect(startHost({ listen: ['/ip4/203.0.113.7/tcp/0'] })).rejects.toMatchObject({
      code: 'ADDRESS_BAD',
    })
  })

  test('peers hear of each other’s first connection and of the end of the last', async () => {
    const [a, b] = [await startHost(), await startHost()]
    const events: string[] = []
    a.onPeer(({ kind, peerKey }) => events.push(`${kind} ${peerKey === b.peerKey}`))
    expect(await b.connect(a.addresses()[0]!)).toBe(a.peerKey)
    await peerIs(a, 'connected', b.peerKey)
    expect(a.peers()).toEqual([b.peerKey])
    await stopHost(b)
    await peerIs(a, 'disconnected', b.peerKey)
    expect(events).toEqual(['connected true', 'disconnected true'])
  })

  test('a peer that was disconnected is not looked for again at once', async () => {
    const [a, b] = [await startHost(), await startHost()]
    await b.connect(a.addresses()[0]!)
    const events: string[] = []
    b.onPeer(({ kind }) => events.push(kind))
    const gone = peerIs(b, 'disconnected', a.peerKey)
    await b.disconnect(a.peerKey)
    await gone
    // Whoever is looked for is dialled when another connects.
    const c = await startHost()
    await b.connect(c.addresses()[0]!)
    expect(b.peers()).toEqual([c.peerKey])
    expect(events).toEqual(['disconnected', 'connected'])
    expect(await b.connect(a.addresses()[0]!)).toBe(a.peerKey)
  })

  test('a peer that cannot be reached is an error within the limit', async () => {
    const host = await startHost({ limits: { connectMs: 1_000 } })
    const gone = await startHost()
    const address = gone.addresses()[0]!
    await stopHost(gone)
    const unreachable = { code: 'UNREACHABLE' }
    await expect(host.connect(address)).rejects.toMatchObject(unreachable)
    await expect(host.connect(gone.peerKey)).rejects.toMatchObject(unreachable)
    const aborted = AbortSignal.abort()
    await expect(host.connect(gone.peerKey, aborted)).rejects.toMatchObject(unreachable)
  })

  test('a peer known by its key alone is found through the others and dialled', async () => {
    const middle = await startHost()
    const bootstrap = [middle.addresses()[0]!]
    const limits = { wantedPeers: 0, connectMs: 10_000 }
    const [builder, prover] = [
      await startHost({ bootstrap, limits }),
      await startHost({ bootstrap, limits, listen: [] }),
    ]
    await Promise.all([
      peerIs(middle, 'connected', builder.peerKey),
      peerIs(middle, 'connected', prover.peerKey),
    ])
    expect(await prover.connect(builder.peerKey)).toBe(builder.peerKey)
    await peerIs(builder, 'connected', prover.peerKey)
  })

  test('peers of one bootstrap find each other', async () => {
    const first = await startHost()
    const bootstrap = [first.addresses()[0]!]
    const [a, b] = [await startHost({ bootstrap }), await startHost({ bootstrap })]
    await Promise.all([peerIs(a, 'connected', b.peerKey), peerIs(b, 'connected', a.peerKey)])
  })

  test('a bootstrap peer that is down at the start is joined when it comes', async () => {
    const before = await startHost({ name: 'bootstrap' })
    const address = before.addresses()[0]!
    await stopHost(before)
    const host = await startHost({ bootstrap: [address] })
    expect(host.peers()).toEqual([])
    const late = await startHost({ name: 'bootstrap', listen: [address.split('/p2p/')[0]!] })
    await peerIs(host, 'connected', late.peerKey)
  })

  test('a bootstrap peer that restarts is joined again', async () => {
    const before = await startHost({ name: 'bootstrap' })
    const address = before.addresses()[0]!
    const hosts = [
      await startHost({ bootstrap: [address] }),
      await startHost({ bootstrap: [address] }),
    ]
    await Promise.all(hosts.map((host) => peerIs(host, 'connected', before.peerKey)))
    await stopHost(before)
    await Promise.all(hosts.map((host) => peerIs(host, 'disconnected', before.peerKey)))
    const after = await startHost({ name: 'bootstrap', listen: [address.split('/p2p/')[0]!] })
    await Promise.all(hosts.map((host) => peerIs(host, 'connected', after.peerKey)))
  })

  test('a node in the open does not dial private addresses that peers tell it', async () => {
    const limits = { wantedPeers: 0, connectMs: 2_000 }
    const open = await startHost({ limits, listen: ['/ip4/0.0.0.0/tcp/0'] })
    const before = await startHost({ name: 'hidden', limits })
    const listen = [before.addresses()[0]!.split('/p2p/')[0]!]
    await before.connect(open.addresses()[0]!)
    await peerIs(open, 'connected', before.peerKey)
    // Once it answers, it has told its address.
    await open.open(before.peerKey, '/ipfs/ping/1.0.0', AbortSignal.timeout(5_000))
    await stopHost(before)
    await peerIs(open, 'disconnected', before.peerKey)
    const after = await startHost({ name: 'hidden', listen, limits })
    await expect(open.connect(after.peerKey)).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })

  test('the DHT finds peers and stores nothing for strangers', async () => {
    const [host, stranger] = [await startHost(), await startHost()]
    await stranger.connect(host.addresses()[0]!)
    /** Sends kad-dht's message {1: kind, 2: key}; how many bytes come back. */
    const say = async (kind: number): Promise<number> => {
      const key = [18, 32, ...Buffer.alloc(32, 7)]
      const message = [8, kind, 18, key.length, ...key]
      const protocol = '/proofwire/kad/1'
      const channel = await stranger.open(host.peerKey, protocol, AbortSignal.timeout(5_000))
      async function* source() {
        yield Uint8Array.of(message.length, ...message)
        await new Promise(() => undefined)
      }
      channel.sink(source()).catch(() => undefined)
      try {
        for await (const chunk of channel.source) {
          channel.abort(new Error('enough'))
          return chunk.length
        }
      } catch {
        // Cut off by the host.
      }
      return 0
    }
    const [findNode, putValue, getValue, addProvider, getProviders] = [4, 0, 1, 2, 3]
    expect(await say(findNode)).toBeGreaterThan(0)
    for (const kind of [putValue, getValue, addProvider, getProviders]) {
      expect(await say(kind), `kind ${kind}`).toBe(0)
    }
  })

  test('several pings of one peer may be under way: its monitor and its DHT do not know of each other', async () => {
    const [a, b] = [await startHost(), await startHost()]
    await a.connect(b.addresses()[0]!)
    const pings = Array.from({ length: 4 }, () =>
      a.open(b.peerKey, '/ipfs/ping/1.0.0', AbortSignal.timeout(5_000)),
    )
    const opened = await Promise.all(pings)
    expect(opened).toHaveLength(4)
    for (const channel of opened) channel.abort(new Error('enough'))
    expect(a.peers()).toEqual([b.peerKey])
  })

  test('a protected peer is connected again after it was lost', async () => {
    const limits = { wantedPeers: 0 }
    const prover = await startHost({ limits })
    const before = await startHost({ name: 'builder', limits })
    await prover.connect(before.addresses()[0]!)
    prover.protect(before.peerKey)
    const listen = [before.addresses()[0]!.split('/p2p/')[0]!]
    await stopHost(before)
    await peerIs(prover, 'disconnected', before.peerKey)
    const after = await startHost({ name: 'builder', listen, limits })
    await peerIs(prover, 'connected', after.peerKey)
  })
})

describe('keeper', () => {
  const keys = Array.from({ length: 4 }, (_, i): Hex => `0x${`${i}`.repeat(64)}`)
  const options = {
    maxKept: 2,
    minDelayMs: 1,
    maxDelayMs: 8,
    log: silentLog,
    isConnected: () => false,
  }

  test('above the limit the longest kept leaves, but never one kept for ever', () => {
    const keeper = new Keeper({ ...options, dial: () => new Promise(() => undefined) })
    expect(keeper.keep(keys[0]!, { forever: true })).toEqual([])
    expect(keeper.keep(keys[1]!, { forever: false })).toEqual([])
    expect(keeper.keep(keys[2]!, { forever: false })).toEqual([])
    expect(keeper.keep(keys[1]!, { forever: false })).toEqual([])
    expect(keeper.keep(keys[3]!, { forever: false })).toEqual([keys[1]])
    keeper.stop()
  })

  test('a peer that is down is dialled ever less often, until it is released', async () => {
    const times: number[] = []
    const enough = Promise.withResolvers<void>()
    const keeper = new Keeper({
      ...options,
      dial: async () => {
        times.push(performance.now())
        if (times.length === 7) enough.resolve()
        throw new Error('down')
      },
    })
    keeper.keep(keys[0]!, { forever: true })
    await enough.promise
    keeper.release(keys[0]!)
    const pauses = times.slice(1).map((time, i) => time - times[i]!)
    const least = [2, 4, 8, 8, 8, 8]
    // Timers may fire a fraction of a ms early.
    for (const [i, pause] of pauses.entries()) expect(pause).toBeGreaterThan(least[i]! - 1)
    keeper.onDisconnected(keys[0]!)
    keeper.stop()
    expect(times).toHaveLength(7)
  })
})
