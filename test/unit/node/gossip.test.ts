import { afterEach, describe, expect, test } from 'vitest'
import { createGossip, type Gossip, type GossipOptions } from '#node/gossip'
import type { Host } from '#node/host'
import { silentLog } from '#node/log'
import type { GossipKind } from '#protocol/effects'
import { startHost, stopHosts } from '#test/support/hosts'

afterEach(stopHosts)

const kinds: GossipKind[] = ['ProofRequest', 'Bid', 'Award', 'Start', 'Notice', 'Receipt']
const record = <T>(value: (kind: GossipKind) => T) =>
  Object.fromEntries(kinds.map((kind) => [kind, value(kind)])) as Record<GossipKind, T>
const topics = record((kind) => `/proofwire/test/${kind}`)
const maxBytes = record(() => 1_000)
const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value))
const within = () => AbortSignal.timeout(10_000)

type Node = { host: Host; gossip: Gossip; heard: string[]; dropped: string[] }

/**
 * A node that accepts everything, unless `validate` says otherwise, and notes what it was asked.
 */
async function startNode(
  bootstrap: Node | null,
  options: Partial<GossipOptions> = {},
  listen?: readonly string[],
): Promise<Node> {
  const heard: string[] = []
  const dropped: string[] = []
  const gossip = createGossip({
    topics,
    maxBytes,
    onDropped: (kind, reason, peerKey) => dropped.push(`${kind} ${reason} ${peerKey}`),
    log: silentLog,
    ...options,
    validate: async (kind, data, from) => {
      heard.push(`${kind} ${Buffer.from(data)}`)
      return options.validate?.(kind, data, from) ?? 'accept'
    },
  })
  const host = await startHost({
    bootstrap: bootstrap ? [bootstrap.host.addresses()[0]!] : [],
    gossip: gossip.service,
    ...(listen ? { listen } : {}),
    limits: { wantedPeers: 0 },
  })
  return { host, gossip, heard, dropped }
}

/** a — b — c, where a and c do not listen, so they cannot connect to each other. */
async function line(ofMiddle: Partial<GossipOptions> = {}) {
  const b = await startNode(null, ofMiddle)
  const [a, c] = [await startNode(b, {}, []), await startNode(b, {}, [])]
  await Promise.all([
    b.gossip.waitForPeers('Bid', 2, within()),
    a.gossip.waitForPeers('Bid', 1, within()),
    c.gossip.waitForPeers('Bid', 1, within()),
  ])
  await Promise.all([a, c].map((node) => expect.poll(() => node.gossip.meshSize('Bid')).toBe(1)))
  await expect.poll(() => b.gossip.meshSize('Bid')).toBe(2)
  return { a, b, c }
}

describe('gossip', () => {
  test('what is accepted reaches everyone once, through others', async () => {
    const { a, b, c } = await line()
    await a.gossip.publish('Bid', text('one'))
    await expect.poll(() => c.heard).toEqual(['Bid one'])
    expect(b.heard).toEqual(['Bid one'])
    await a.gossip.publish('Bid', text('one'))
    await a.gossip.publish('Bid', text('two'))
    await expect.poll(() => c.heard).toEqual(['Bid one', 'Bid two'])
    expect(a.heard).toEqual([])
  })

  test('what is ignored or rejected goes no further, and only rejecting costs score', async () => {
    const seen: string[] = []
    const { a, b, c } = await line({
      validate: async (_, data, from) => {
        seen.push(from)
        const said = String(Buffer.from(data))
        return said.startsWith('bad') ? 'reject' : said.startsWith('late') ? 'ignore' : 'accept'
      },
    })
    const score = () => b.gossip.score(a.host.peerKey)
    await a.gossip.publish('Bid', text('late'))
    await a.gossip.publish('Bid', text('good'))
    await expect.poll(() => c.heard).toEqual(['Bid good'])
    expect(score()).toBeGreaterThanOrEqual(0)
    expect(new Set(seen)).toEqual(new Set([a.host.peerKey]))
    await a.gossip.publish('Bid', text('bad 1'))
    await expect.poll(score).toBeLessThan(-5)
    await a.gossip.publish('Bid', text('bad 2'))
    await a.gossip.publish('Bid', text('bad 3'))
    await expect.poll(score, { timeout: 5_000 }).toBeLessThan(-80)
    expect(c.heard).toEqual(['Bid good'])
  })

  test('a message longer than its kind allows is rejected and never published', async () => {
    const { a, b } = await line({ maxBytes: record(() => 10) })
    await a.gossip.publish('Bid', text('x'.repeat(11)))
    await expect.poll(() => b.gossip.score(a.host.peerKey)).toBeLessThan(-5)
    expect(b.heard).toEqual([])
    await expect(b.gossip.publish('Bid', text('x'.repeat(11)))).rejects.toThrow(RangeError)
  })

  test('publishing with nobody there is no error', async () => {
    const alone = await startNode(null)
    await alone.gossip.publish('Award', text('hello'))
    expect(alone.gossip.subscribers('Award')).toBe(0)
    expect(alone.gossip.meshSize('Award')).toBe(0)
  })

  test('waiting for peers that do not come ends with the signal', async () => {
    const alone = await startNode(null)
    const stop = new AbortController()
    const waiting = alone.gossip.waitForPeers('Bid', 1, stop.signal)
    stop.abort()
    await expect(waiting).rejects.toThrow('0 of 1 peers')
    await expect(alone.gossip.waitForPeers('Bid', 1, stop.signal)).rejects.toThrow('0 of 1')
    await alone.gossip.waitForPeers('Bid', 0, within())
  })

  test('a message sent to the wrong topic first is still heard on its own', async () => {
    const { a, b, c } = await line({
      validate: async (kind) => (kind === 'Award' ? 'reject' : 'accept'),
    })
    await a.gossip.publish('Award', text('same'))
    await expect.poll(() => b.heard).toEqual(['Award same'])
    await a.gossip.publish('Bid', text('same'))
    await expect.poll(() => c.heard).toEqual(['Bid same'])
  })

  test('a peer above its messages a second is dropped and counted, before validation', async () => {
    const limits = { messagesPerSecond: 0.001, messagesAtOnce: 3 }
    const { a, b } = await line({ limits })
    for (let i = 0; i < 5; i++) await a.gossip.publish('Bid', text(`${i}`))
    await expect.poll(() => b.dropped).toHaveLength(2)
    expect(b.dropped[0]).toBe(`Bid rate ${a.host.peerKey}`)
    expect(b.heard).toHaveLength(3)
    expect(b.gossip.score(a.host.peerKey)).toBeGreaterThanOrEqual(0)
  })

  test('a peer above its bytes a second is dropped and counted, before validation', async () => {
    const { a, b } = await line({ limits: { bytesPerSecond: 0.001, bytesAtOnce: 1_500 } })
    await a.gossip.publish('Bid', text('x'.repeat(1_000)))
    await a.gossip.publish('Bid', text('y'.repeat(1_000)))
    await a.gossip.publish('Bid', text('short'))
    await expect.poll(() => b.heard).toContain('Bid short')
    expect(b.dropped).toEqual([`Bid rate ${a.host.peerKey}`])
  })

  test('the allowance comes back with time', async () => {
    const { a, b } = await line({ limits: { messagesPerSecond: 50, messagesAtOnce: 1 } })
    let i = 0
    await expect
      .poll(async () => {
        await a.gossip.publish('Bid', text(`${i++}`))
        return b.heard.length
      })
      .toBeGreaterThan(5)
  })

  test('a message a flooding peer sent first is still taken from another', async () => {
    const { a, b, c } = await line({ limits: { messagesPerSecond: 0.001, messagesAtOnce: 2 } })
    await a.gossip.publish('Bid', text('flood 1'))
    await a.gossip.publish('Bid', text('flood 2'))
    await a.gossip.publish('Bid', text('award of c'))
    await expect.poll(() => b.dropped).toEqual([`Bid rate ${a.host.peerKey}`])
    await c.gossip.publish('Bid', text('award of c'))
    await expect.poll(() => b.heard).toContain('Bid award of c')
  })

  test('above the bound on validations messages are dropped and counted', async () => {
    const gate = Promise.withResolvers<void>()
    const { a, b } = await line({
      limits: { maxValidating: 2 },
      validate: async () => {
        await gate.promise
        return 'accept'
      },
    })
    for (let i = 0; i < 4; i++) await a.gossip.publish('Bid', text(`${i}`))
    await expect.poll(() => b.dropped).toHaveLength(2)
    expect(b.dropped[0]).toBe(`Bid overload ${a.host.peerKey}`)
    gate.resolve()
    await a.gossip.publish('Bid', text('after'))
    await expect.poll(() => b.heard).toContain('Bid after')
  })

  test('one peer’s undecided messages leave room for another’s', async () => {
    const { a, b, c } = await line({
      limits: { maxValidating: 10, maxValidatingPerPeer: 2 },
      validate: () => new Promise(() => undefined),
    })
    for (let i = 0; i < 4; i++) await a.gossip.publish('Bid', text(`${i}`))
    await expect.poll(() => b.dropped).toHaveLength(2)
    await c.gossip.publish('Bid', text('of c'))
    await expect.poll(() => b.heard).toContain('Bid of c')
  })

  test('a validation that takes too long is an ignore, a validator’s throw too', async () => {
    const { a, b, c } = await line({
      limits: { validationMs: 50 },
      validate: (_, data) => {
        if (Buffer.from(data).equals(Buffer.from('throw'))) throw new Error('bug')
        return new Promise(() => undefined)
      },
    })
    await a.gossip.publish('Bid', text('never decided'))
    await a.gossip.publish('Bid', text('throw'))
    await expect.poll(() => b.dropped).toEqual([`Bid slow ${a.host.peerKey}`])
    expect(c.heard).toEqual([])
    expect(b.gossip.score(a.host.peerKey)).toBeGreaterThanOrEqual(0)
  })

  test('a bid goes to every peer, what is not a bid to the mesh', async () => {
    const first = await startNode(null)
    const nodes: Node[] = []
    for (let i = 0; i < 16; i++) nodes.push(await startNode(first))
    for (const kind of ['Bid', 'Award'] as const)
      await first.gossip.waitForPeers(kind, 16, within())
    // No mesh is larger than 12 for longer than a heartbeat.
    await expect.poll(() => first.gossip.meshSize('Award')).toBeLessThanOrEqual(12)
    let bids = 0
    const bid = () => first.gossip.publish('Bid', text(`bid ${bids++}`))
    // A peer that listens may not have a stream yet.
    await expect.poll(bid).toBe(16)
    expect(await first.gossip.publish('Award', text('an award'))).toBeLessThanOrEqual(12)
  })

  test('every message of 20 peers behind one address arrives', async () => {
    const first = await startNode(null)
    const nodes: Node[] = []
    for (let i = 0; i < 20; i++) nodes.push(await startNode(first))
    await first.gossip.waitForPeers('Bid', 20, within())
    await Promise.all(nodes.map((node) => node.gossip.waitForPeers('Bid', 1, within())))
    await Promise.all(nodes.map((node, i) => node.gossip.publish('Bid', text(`from ${i}`))))
    const all = nodes.map((_, i) => `Bid from ${i}`).sort()
    await expect.poll(() => [...first.heard].sort(), { timeout: 5_000 }).toEqual(all)
  })
})
