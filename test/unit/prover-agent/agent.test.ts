import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { BackendError } from '#prover-agent/backend'
import { Slashes } from '#prover-agent/slashes'
import { hashOf } from '#simulations/pretence'
import {
  newFolder,
  prove,
  removeFolders,
  SLOWEST,
  scene,
  turn,
  USUAL,
  win,
} from '#test/support/agent-scene'
import { settled } from '#test/support/hand-clock'
import {
  acceptance,
  alice,
  award,
  bid,
  bob,
  builder,
  CLOSES_AT,
  DUE_AT,
  ETHER,
  MILLI,
  receipt,
  request,
  start,
  T0,
  terms,
} from '#test/support/messages'

afterEach(removeFolders)

describe('an agent bids', () => {
  test('not before it is attached to a node', async () => {
    const { bids, agent, node } = await scene({ attached: false })
    expect(bids(1)).toBeNull()
    expect(agent.unwell()).toBe('starting')
    await agent.attach(node)
    expect(agent.unwell()).toBeNull()
  })

  test('from the second request of an unknown verifier on', async () => {
    const { agent, bids, node } = await scene({ attached: false })
    await agent.attach(node)
    expect(bids(1)).toBeNull()
    await settled()
    expect(bids(2)).toMatchObject({ readyAt: CLOSES_AT + 500 + USUAL + 250 })
    expect(agent.status()).toMatchObject({ declined: { 'verifier-unknown': 1 } })
  })

  test('from the first request of a verifier that was looked up at the start', async () => {
    const { agent, bids, node } = await scene({
      attached: false,
      verifiers: [terms().verifier],
    })
    await agent.attach(node)
    expect(bids(1)).not.toBeNull()
  })

  test('not for verifiers whose code is not on the list', async () => {
    const { bids } = await scene({ verifierCodeHashes: [hashOf('other')] })
    expect(bids(1)).toBeNull()
  })

  test('not for programs it cannot prove', async () => {
    const { bids, calibration } = await scene()
    const programId = hashOf('other')
    expect(bids(1, { programId })).toBeNull()
    // Measured once, by a backend that is not in use any more.
    calibration.record(programId, 1n, 10)
    expect(bids(2, { programId })).toBeNull()
  })

  test('on a second request behind the first, as if it had won that', async () => {
    const { bids } = await scene()
    const promises = [1, 2, 3].map((nonce) => bids(nonce)?.readyAt)
    const first = CLOSES_AT + 500 + USUAL + 250
    expect(promises).toEqual([first, first + USUAL, first + 2 * USUAL])
  })

  describe('on the segments of a bundle', () => {
    const segment = (bundleIndex: number) => ({
      ...{ bundleId: hashOf('bundle'), bundleIndex, bundleSize: 3 },
    })

    test('as alternatives: each promised as if its lane were free, with the lanes there are', async () => {
      const { bids, agent } = await scene({ lanes: 2 })
      const asked = [0, 1, 2].map((index) => bids(index + 1, segment(index)))
      const first = CLOSES_AT + 500 + USUAL + 250
      expect(asked.map((each) => [each?.readyAt, each?.lanes])).toEqual(Array(3).fill([first, 2]))
      expect(agent.status()).toMatchObject({ jobs: { bid: 2 } })
      // Both lanes may be taken by the bundle.
      expect(bids(9)).toMatchObject({ readyAt: first + USUAL })
      expect(bids(9)?.lanes).toBeUndefined()
    })

    test('naming fewer lanes when others or the bond take some', async () => {
      const { bids } = await scene({ lanes: 2 })
      bids(8)
      expect(bids(1, segment(0))?.lanes).toBe(1)
      const poor = await scene({ lanes: 2 })
      expect(poor.bids(1, { ...segment(0), bondWei: ETHER / 2n + 1n })?.lanes).toBe(1)
    })
  })

  test('behind a proof that runs late as if it took its worst', async () => {
    const set = await scene()
    const { asked, awarded } = win(set, 1)
    turn(set, asked.id, CLOSES_AT + 100)
    set.stage.feed({ kind: 'committed', from: acceptance(awarded) })
    await set.clock.moveTo(CLOSES_AT + 100)
    void prove(set, asked.message)
    await settled()
    const readyAt = async (nonce: number, now: number) => {
      await set.clock.moveTo(now)
      const times = { openedAt: now, closesAt: now + 100, dueAt: now + 20_000 }
      return set.bids(nonce, times)?.readyAt
    }
    const own = USUAL + 250
    expect(await readyAt(2, CLOSES_AT + 1_100)).toBe(CLOSES_AT + 1_100 + 600 + own)
    // Late by now; and behind the second bid as well.
    const worst = CLOSES_AT + 100 + 1.5 * SLOWEST
    expect(await readyAt(3, CLOSES_AT + 1_101)).toBe(worst + USUAL + own)
  })

  test('only as long as the worst of all it bid for is done in time', async () => {
    const { bids, agent } = await scene()
    const count = [1, 2, 3, 4, 5, 6].filter((nonce) => bids(nonce) !== null).length
    // Each may take 3 s, from half a second after the close on, and a quarter to deliver.
    expect(count).toBe(Math.floor((DUE_AT - CLOSES_AT - 750) / (1.5 * SLOWEST)))
    expect(agent.status()).toMatchObject({
      declined: { 'too-slow': 6 - count },
      jobs: { bid: count },
    })
  })

  test('with no more bond than is free beside its other bids', async () => {
    const { bids, agent } = await scene()
    expect(bids(1, { bondWei: ETHER / 2n })).not.toBeNull()
    expect(bids(2, { bondWei: ETHER / 2n + 1n })).toBeNull()
    expect(agent.status()).toMatchObject({ declined: { 'bond-not-free': 1 } })
    expect(bids(3, { bondWei: ETHER / 2n })).not.toBeNull()
  })

  test('the learned price, once awards have shown it', async () => {
    const set = await scene()
    for (let nonce = 1; nonce <= 5; nonce++) {
      const asked = request({ nonce: BigInt(nonce), bondWei: 2n * ETHER })
      set.stage.hear(asked, T0 + 60)
      const rival = bid(asked, bob, 5n * MILLI)
      set.stage.fund(bob, { bondWei: 20n * ETHER })
      set.stage.hear(rival.bid, T0 + 60)
      set.stage.hear(award(asked, [rival]), CLOSES_AT + 50)
      set.tell()
    }
    const later = { openedAt: CLOSES_AT, closesAt: CLOSES_AT + 400 }
    await set.clock.moveTo(CLOSES_AT + 100)
    expect(set.bids(6, later)?.priceWei).toBe(5n * MILLI)
  })
})

describe('an agent does not bid while', () => {
  test('its clock is off', async () => {
    const { world, bids, agent } = await scene()
    world.offsetMs = -101
    expect(bids(1)).toBeNull()
    expect(agent.unwell()).toContain('off by -101 ms')
    world.offsetMs = 100
    expect(bids(2)).not.toBeNull()
  })

  test('its chain is away or behind', async () => {
    const { world, bids, lines } = await scene()
    world.isHealthy = false
    expect(bids(1)).toBeNull()
    expect(bids(2)).toBeNull()
    expect(lines.filter((line) => line.includes('not bidding'))).toHaveLength(1)
    world.isHealthy = true
    expect(bids(3)).not.toBeNull()
    expect(lines.at(-1)).toContain('bidding again')
  })

  test('its device failed, until a proof succeeds', async () => {
    const set = await scene()
    const { proofs, clock, bids, agent, world } = set
    world.probeFails = true
    const proving = prove(set, terms({ nonce: 9n }))
    await settled()
    proofs[0]?.reject(new BackendError('invalid-input', 'does not fit'))
    expect(await proving).toBeNull()
    expect(bids(1)).toBeNull()
    expect(agent.unwell()).toBe('device: invalid-input: does not fit')
    await clock.moveTo(T0 + 11_000)
    expect(agent.unwell()).toBe('device: no driver')
    world.probeFails = false
    await clock.moveTo(T0 + 60_000)
    expect(agent.unwell()).toBeNull()
  })

  test('a slash was not reset, over restarts too', async () => {
    const slashed = {
      kind: 'slashed',
      builder,
      prover: alice,
      nonce: 4n,
      bondWei: 100n,
      transactionHash: hashOf('slash'),
    } as const
    const path = join(newFolder(), 'slashes.json')
    const { agent, bids, lines } = await scene({ slashes: await Slashes.open(path) })
    agent.hearChain({ ...slashed, prover: bob })
    expect(agent.unwell()).toBeNull()
    agent.hearChain(slashed)
    expect(bids(1)).toBeNull()
    expect(agent.unwell()).toContain('proofwire agent --reset-slashed')
    expect(lines.join()).toContain('slashed, and not bidding any more')
    expect(agent.status()).toMatchObject({
      bidding: false,
      slashes: [{ nonce: '4', bondWei: '100' }],
    })
    await expect.poll(async () => (await Slashes.open(path)).open.length).toBe(1)
    const restarted = await scene({ slashes: await Slashes.open(path) })
    expect(restarted.bids(1)).toBeNull()
    await (await Slashes.open(path)).reset()
    const reset = await scene({ slashes: await Slashes.open(path) })
    reset.agent.hearChain(slashed)
    expect(reset.bids(1)).not.toBeNull()
  })
})

test('a stopping agent bids no more, and finishes what it bid for', async () => {
  const set = await scene()
  const { agent, bids, stage } = set
  const { asked, awarded } = win(set, 1)
  agent.stopBidding()
  expect(bids(2)).toBeNull()
  expect(agent.status()).toMatchObject({
    bidding: false,
    whyNot: 'stopping',
    declined: { stopping: 1 },
  })
  expect(agent.unfinished()).toBe(1)
  expect(turn(set, asked.id, CLOSES_AT + 100)).toContain('accept')
  stage.feed({ kind: 'committed', from: acceptance(awarded) })
  stage.hear(start(awarded))
  stage.feed({ kind: 'proved', requestId: asked.id, proofHash: hashOf('proof') })
  expect(agent.unfinished()).toBe(1)
  stage.hear(receipt(asked, alice, { proofHash: hashOf('proof'), payWei: 10n * MILLI }), DUE_AT)
  expect(agent.unfinished()).toBe(0)
})

test('the status shows what an operator asks for, as plain data', async () => {
  const { agent, bids } = await scene()
  bids(1)
  expect(agent.status()).toMatchObject({
    version: 1,
    account: alice,
    bidding: true,
    whyNot: null,
    backend: 'a device',
    lanes: { count: 1, running: 0, waiting: 0 },
    jobs: { bid: 1, won: 0, accepted: 0 },
    timings: { [terms().programId]: { p90Ms: USUAL, maxMs: SLOWEST } },
    figures: { earnedWei: 0n, lostTo: [] },
    lastErrors: [],
  })
  expect(structuredClone(agent.status())).toEqual(agent.status())
})
