import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Engine, type Ports } from '#node/engine'
import { createMetrics, type Metrics } from '#node/metrics'
import { createSigner, ownKey, type Signer } from '#node/signer'
import { openStore, type Store } from '#node/store'
import type { Effect, Gossiped, Input, SignedBid } from '#protocol/effects'
import { isRefusal, openEnvelope, sealEnvelope } from '#protocol/envelope'
import { Market } from '#protocol/market'
import { defaultParams } from '#protocol/params'
import { ZERO_WORD } from '#protocol/schema'
import { openBid, parseSecret } from '#protocol/sealing'
import {
  awarded,
  binding,
  domain,
  drafts,
  keyOf,
  of,
  promise,
  requestId,
  requestOf,
  ScriptedMarket,
  silent,
  told,
} from '#test/support/effects'
import { HandClock, settled } from '#test/support/hand-clock'
import { CLOSES_AT, ETHER, secretOf, T0, terms } from '#test/support/messages'

let folder: string
let disk: Store
let clock: HandClock
let metrics: Metrics
/** All that reached a port, in its order; what is published as `publish Kind`. */
let steps: string[]
let published: Gossiped[]
let fatal: unknown[]
let logged: string[]
let onStep: (() => void)[]
/** Stands before the disk's batches, which are the job records. */
let beforeBatch: () => Promise<void>
let gossip: () => Promise<void>
let running: Engine[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-engine-'))
  disk = await openStore(folder)
  clock = new HandClock(T0)
  metrics = createMetrics()
  steps = []
  published = []
  fatal = []
  logged = []
  onStep = []
  beforeBatch = gossip = () => Promise.resolve()
  running = []
})
afterEach(async () => {
  for (const engine of running) await engine.stop().catch(() => undefined)
  metrics.stop()
  await disk.close()
  await rm(folder, { recursive: true })
})

function did(step: string): void {
  steps.push(step)
  for (const look of onStep.splice(0)) look()
}
const count = (step: string): number => steps.filter((each) => each === step).length
/** Resolves when this happened so often. */
async function done(step: string, times = 1): Promise<void> {
  while (count(step) < times) await new Promise<void>((resolve) => onStep.push(resolve))
}

const ports = (signer: Signer) => {
  return {
    ...{ signer, clock, metrics },
    store: {
      ...disk,
      batch: async (writes) => {
        did('batch')
        await beforeBatch()
        await disk.batch(writes)
      },
    },
    publish: async (kind, data) => {
      const opened = openEnvelope(kind, data, signer.separator)
      if (isRefusal(opened)) throw new Error(`said what nobody can read: ${opened.code}`)
      published.push(opened)
      did(`publish ${kind}`)
      await gossip()
    },
    ...told(did, logged),
    onFatal: (error) => {
      fatal.push(error)
      did('fatal')
    },
  } satisfies Omit<Ports, 'market'>
}

function start<M extends Market>(market: M, signer: Signer) {
  const engine = new Engine({ ...ports(signer), market })
  running.push(engine)
  return { engine, market, signer }
}
const signerOf = (name: string): Signer => createSigner(keyOf(name), domain, disk)

/** A builder's own node, with the real market and funded accounts. */
function builderNode() {
  const signer = signerOf('builder')
  const node = start(new Market({ self: signer.account, params: defaultParams }), signer)
  for (const { account } of [signer, signerOf('ann')]) {
    const wei = { bondWei: ETHER, stakeWei: ETHER, escrowWei: ETHER }
    node.engine.feed({ kind: 'chain', event: { kind: 'account', account, ...wei } })
  }
  return node
}
/** A node that performs what the test says. */
function scriptedNode(script: ScriptedMarket['script'] = () => ({})) {
  const signer = signerOf('prover')
  const node = start(new ScriptedMarket({ self: signer.account, params: defaultParams }), signer)
  node.market.script = script
  node.market.onInput = ({ kind }) => did(`fed ${kind}`)
  return node
}
/** Performs these effects once; `changed`: after a write. */
function perform(effects: readonly Effect[], changed: readonly (typeof ZERO_WORD)[] = []) {
  const node = scriptedNode(({ kind }) => (kind === 'resume' ? { effects, changed } : {}))
  node.engine.feed({ kind: 'resume' })
  return node
}

const bidFor = (request: Gossiped, name = 'ann'): Promise<SignedBid> =>
  signerOf(name).bid(request.id, terms().auctionKey, 5n, CLOSES_AT + 3_000)

const keepSecretOnDisk = () =>
  disk.put(ownKey(requestId, 'secret'), Buffer.from(secretOf({}).slice(2), 'hex'))

describe('effects', () => {
  test('that bind wait for the disk, then each reaches its port', async () => {
    await keepSecretOnDisk()
    const gate = Promise.withResolvers<void>()
    beforeBatch = () => gate.promise
    perform([...Object.values(binding), silent], [ZERO_WORD])
    await done('batch')
    await settled()
    expect(steps).toEqual(['fed resume', 'event silent', 'batch'])
    gate.resolve()
    for (const step of Object.keys(binding)) await done(step)
    expect(steps).toContain(`approach ${of.message.builderPeer}`)
    for (const step of Object.keys(binding)) expect(count(step), step).toBe(1)
  })

  test('that bind nobody do not wait for the disk', async () => {
    beforeBatch = () => new Promise(() => undefined)
    const bid = await bidFor(of)
    perform(
      [
        { kind: 'wake', requestId, at: T0 + 10 },
        { kind: 'expire', holdId: ZERO_WORD, at: T0 + 20 },
        { kind: 'open', requestId, bids: [bid], secret: secretOf({}) },
        silent,
      ],
      [ZERO_WORD],
    )
    await clock.moveTo(T0 + 20)
    await done('fed opened')
    for (const step of ['event silent', 'fed tick', 'fed expired']) expect(steps).toContain(step)
    running = [] // A write that never ends must not be waited for.
  })

  test('of an alarm come at their instant, never before', async () => {
    perform([{ kind: 'wake', requestId, at: T0 + 10 }])
    await clock.moveTo(T0 + 9)
    expect(count('fed tick')).toBe(0)
    await clock.moveTo(T0 + 10)
    expect(count('fed tick')).toBe(1)
  })

  test('go on after one that failed, which is logged', async () => {
    perform([drafts.Award, ...Object.values(binding).slice(-1)])
    await done('dismiss')
    await done('log effect failed')
    expect(logged[0]).toContain(`auction secret of ${requestId} is missing`)
    expect(published).toEqual([])
  })
})

describe('what a node says', () => {
  test('is on the disk before it is gossiped', async () => {
    const { engine, signer } = builderNode()
    const gate = Promise.withResolvers<void>()
    beforeBatch = () => gate.promise
    const saying = engine.say(requestOf(signer))
    await done('batch')
    await settled()
    expect(steps).toEqual(['event requested', 'batch'])
    gate.resolve()
    expect(await saying).toBe('accept')
    expect(published).toHaveLength(1)
  })

  test('a second time goes out again, after the disk has the first', async () => {
    const { engine, signer } = builderNode()
    const gate = Promise.withResolvers<void>()
    beforeBatch = () => gate.promise
    const request = requestOf(signer)
    const both = Promise.all([engine.say(request), engine.say(request)])
    await done('batch')
    await settled()
    expect(published).toEqual([])
    gate.resolve()
    expect(await both).toEqual(['accept', { action: 'ignore', code: 'DUPLICATE' }])
    expect(published.map(({ id }) => id)).toEqual([request.id, request.id])
  })

  test('and its own market refuses reaches nobody, and is logged', async () => {
    const { engine, signer } = builderNode()
    const verdict = await engine.say(requestOf(signer, { closesAt: T0 + 1 }))
    expect(verdict).toMatchObject({ code: expect.any(String) })
    expect(steps.at(-1)).toBe('log own message refused')
    expect(steps.join()).not.toMatch(/publish|answer/)
  })

  test('is given to who waits for it on a stream even when gossip fails', async () => {
    gossip = () => Promise.reject(new Error('no gossip'))
    perform([drafts.Start])
    await done('publish Start')
    expect(steps.filter((step) => /publish|answer/.test(step))).toEqual([
      'answer Start',
      'publish Start',
    ])
  })

  test('does not wait for what other jobs write after it', async () => {
    const { engine, signer } = builderNode()
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    beforeBatch = () => gates[count('batch') - 1]!.promise
    const saying = engine.say(requestOf(signer))
    await done('batch')
    engine.feed({ kind: 'message', from: requestOf(signer, { nonce: 2n }) })
    gates[0]!.resolve()
    await saying
    await done('batch', 2)
    gates[1]!.resolve()
  })

  test('in an award holds the auction’s secret; one identity keeps its first bytes', async () => {
    await keepSecretOnDisk()
    const other = { ...awarded, message: { ...awarded.message, priceWei: 1n } }
    perform([drafts.Award])
    await done('publish Award')
    perform([{ kind: 'publish', draft: other }])
    await done('publish Award', 2)
    const [first, second] = published
    expect(first?.message).toEqual({ ...awarded.message, auctionSecret: secretOf({}) })
    expect(second?.id).toBe(first?.id)
  })

  test('as a bid opens to its price and promise, and is the same after a restart', async () => {
    const bid = { kind: 'bid', request: of, ...promise } as const
    perform([bid])
    await done('publish Bid')
    perform([{ ...bid, priceWei: 6n }])
    await done('publish Bid', 2)
    const [first, second] = published as [SignedBid, SignedBid]
    expect(openBid(parseSecret(secretOf({})), first.message)).toMatchObject(promise)
    expect(second.id).toBe(first.id)
  })
})

describe('a message from gossip', () => {
  test('is accepted, ignored or rejected as the market says, and counted', async () => {
    const { engine, signer } = builderNode()
    const request = requestOf(signer)
    const data = sealEnvelope(request)
    expect(await engine.validate('ProofRequest', data)).toBe('accept')
    expect(await engine.validate('ProofRequest', data)).toBe('ignore')
    expect(await engine.validate('ProofRequest', data.subarray(1))).toBe('reject')
    const text = await metrics.render()
    for (const labels of [
      'verdict="accept",code=""',
      'verdict="ignore",code="DUPLICATE"',
      'verdict="reject",code="MALFORMED"',
    ])
      expect(text).toContain(`proofwire_messages_total{kind="ProofRequest",${labels}} 1`)
    expect(text).toContain('proofwire_validation_microseconds_count{kind="ProofRequest"} 2')
  })

  test('waits for the one it names, and is judged when that comes', async () => {
    const { engine, signer } = builderNode()
    const request = requestOf(signer)
    const bid = await bidFor(request)
    const judging = engine.validate('Bid', sealEnvelope(bid)).then((action) => did(action))
    await settled()
    expect(steps).toEqual([])
    engine.feed({ kind: 'message', from: request })
    await judging
    expect(steps).toContain('accept')
    expect(steps).toContain('event bid-seen')
  })

  test('is ignored when what it names does not come in time', async () => {
    const { engine, signer } = builderNode()
    const bid = await bidFor(requestOf(signer))
    const judging = engine.validate('Bid', sealEnvelope(bid)).then((action) => did(action))
    await clock.moveTo(T0 + defaultParams.holdMs - 1)
    expect(steps).toEqual([])
    await clock.moveTo(T0 + defaultParams.holdMs)
    await judging
    expect(steps).toEqual(['ignore'])
  })
})

describe('bids', () => {
  test('are opened in slices, so that the event loop goes on', async () => {
    const { engine, market } = scriptedNode()
    const good = await bidFor(of)
    const bad = { ...good, message: { ...good.message, commitment: ZERO_WORD } }
    const many = [bad, ...Array.from({ length: 99 }, () => good)]
    market.script = ({ kind }) =>
      kind === 'resume' ? { effects: [{ kind: 'open', requestId, bids: many, secret: null }] } : {}
    engine.keepSecret(requestId, secretOf({}))
    engine.feed({ kind: 'resume' })
    let turns = 0
    for (; count('fed opened') === 0; turns++) await settled()
    expect(turns).toBeGreaterThanOrEqual(6) // 16 in a turn.
    const opened = market.inputs.at(-1) as Extract<Input, { kind: 'opened' }>
    expect(opened.openings).toHaveLength(100)
    expect(opened.openings[0]).toEqual({ bidId: good.id, opening: null })
    expect(opened.openings[99]).toMatchObject({ bidId: good.id, opening: { priceWei: 5n } })
  })

  test('of an own auction are opened until its job has ended', async () => {
    const bid = await bidFor(of)
    const open: Effect = { kind: 'open', requestId, bids: [bid], secret: null }
    const ended = { kind: 'ended', requestId, outcome: 'void' } as const
    const { engine, market } = scriptedNode(({ kind }) =>
      kind === 'resume' ? { effects: [open] } : {},
    )
    engine.resume()
    await settled()
    expect(count('fed opened')).toBe(0)
    engine.keepSecret(requestId, secretOf({}))
    engine.resume()
    await done('fed opened')
    market.script = ({ kind }) =>
      kind === 'resume' ? { effects: [{ kind: 'announce', event: ended }, open] } : {}
    engine.resume()
    await settled()
    expect(count('fed opened')).toBe(1)
  })
})

describe('a node', () => {
  test('whose disk fails is told so, and says and does nothing on top of it', async () => {
    const error = new Error('disk full')
    beforeBatch = () => Promise.reject(error)
    perform(Object.values(binding), [ZERO_WORD])
    await done('fatal')
    await settled()
    expect(fatal).toEqual([error])
    expect(steps).toEqual(['fed resume', 'batch', 'fatal'])
  })

  test('that stopped performs nothing, hears nothing and lets go of what it holds', async () => {
    const gate = Promise.withResolvers<void>()
    beforeBatch = () => gate.promise
    const effects = [...Object.values(binding), { kind: 'wake', requestId, at: T0 + 10 } as const]
    const { engine, market } = perform(effects, [ZERO_WORD])
    market.script = () => ({ verdict: { action: 'hold', holdId: ZERO_WORD } })
    const held = engine.validate('Bid', sealEnvelope(await bidFor(of)))
    await done('batch')
    const stopping = engine.stop().then(() => did('stopped'))
    expect(await held).toBe('ignore')
    expect(count('stopped')).toBe(0)
    gate.resolve()
    await stopping
    await settled()
    expect(clock.waiting).toBe(0)
    expect(engine.feed({ kind: 'resume' })).toMatchObject({ action: 'ignore' })
    expect(await engine.validate('Bid', sealEnvelope(await bidFor(of)))).toBe('ignore')
    expect(steps).toEqual(['fed resume', 'batch', 'fed message', 'stopped'])
  })

  test('gives its stored jobs back to the market after a restart, and asks what they need', async () => {
    const before = builderNode()
    const request = requestOf(before.signer)
    await before.engine.say(request)
    await before.engine.stop()
    const { engine, market } = builderNode()
    expect(await engine.restore()).toBe(1)
    expect(market.job(request.id)?.request).toEqual(request)
    expect(clock.waiting).toBe(0)
    engine.resume()
    expect(clock.waiting).toBeGreaterThan(0)
  })
})
