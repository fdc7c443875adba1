import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createLog } from '#node/log'
import type { Effect } from '#protocol/effects'
import type { Hex, ProofRequest } from '#protocol/schema'
import { Agent, type AgentNode, type AgentPorts } from '#prover-agent/agent'
import { type Backend, BackendError } from '#prover-agent/backend'
import { Calibration } from '#prover-agent/calibration'
import { Slashes } from '#prover-agent/slashes'
import { hashOf } from '#simulations/pretence'
import { HandClock, settled } from '#test/support/hand-clock'
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
  Stage,
  start,
  T0,
  terms,
} from '#test/support/messages'

const CODE: Hex = hashOf('verifier code')
const PROOF = new Uint8Array([7])
/** A proof takes 1 s, the slowest 2 s. ms. */
const [USUAL, SLOWEST] = [1_000, 2_000]

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-agent-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** An agent of alice's in a market, with a backend whose proofs end when the test says so. */
async function scene({
  attached = true,
  ...changes
}: Partial<AgentPorts> & { readonly attached?: boolean } = {}) {
  const clock = new HandClock(T0 + 50)
  const lines: string[] = []
  const proofs: PromiseWithResolvers<Uint8Array>[] = []
  const backend: Backend = {
    name: 'a device',
    supports: (programId) => programId === terms().programId,
    prove: () => {
      proofs.push(Promise.withResolvers<Uint8Array>())
      return proofs.at(-1)!.promise
    },
    close: async () => undefined,
  }
  const calibration = new Calibration()
  for (let i = 0; i < 19; i++) calibration.record(terms().programId, 1n, USUAL)
  calibration.record(terms().programId, 1n, SLOWEST)
  const world = { offsetMs: null as number | null, isHealthy: true, probeFails: false, queue: 0 }
  const agent = new Agent({
    account: alice,
    params: new Stage().params,
    policy: {
      costWeiPerMs: 10n ** 9n,
      fixedCostWei: 0n,
      marginPercent: 20,
      headroomPercent: 150,
      startAllowanceMs: 500,
      deliveryAllowanceMs: 250,
      pricePercentile: 40,
      maxUnfairPercent: 20,
      leastBuilderJobs: 10,
    },
    lanes: 1,
    verifierCodeHashes: [CODE],
    attemptLimitMs: 60_000,
    backend,
    calibration,
    verify: async () => true,
    probe: async () => {
      if (world.probeFails) throw new Error('no driver')
    },
    slashes: await Slashes.open(join(folder, 'slashes.json')),
    clock,
    elapsedMs: clock.now,
    log: createLog({ level: 'debug', format: 'human', write: (line) => lines.push(line) }),
    onMeasured: () => undefined,
    ...changes,
  })
  const stage = new Stage({ self: alice, prover: agent.desk })
  const node: AgentNode = {
    market: stage.market,
    isChainHealthy: () => world.isHealthy,
    clockOffsetMs: () => world.offsetMs,
    codeHash: async () => CODE,
    metrics: {
      setQueueLength: (_, length) => {
        world.queue = length
      },
    },
  }
  const bids = (nonce: number, terms: Partial<ProofRequest> = {}) => {
    stage.hear(request({ nonce: BigInt(nonce), ...terms }), clock.now())
    return stage.done('bid')[0] ?? null
  }
  const tell = (): void => {
    for (const { event } of stage.done('announce')) agent.hear(event)
  }
  if (attached) {
    agent.attach(node)
    // The first request names a verifier nobody knows; from then on it is allowed.
    bids(1_000)
    await settled()
  }
  return { agent, stage, clock, lines, proofs, world, node, bids, tell, calibration }
}
type Scene = Awaited<ReturnType<typeof scene>>

/** Bids, and wins, with what the agent asked for. */
function win({ stage, bids, tell }: Scene, nonce: number, changes: Partial<ProofRequest> = {}) {
  const { priceWei, readyAt, request: asked } = bids(nonce, changes)!
  const own = bid(asked, alice, priceWei, readyAt)
  stage.hear(own.bid)
  tell()
  const awarded = award(asked, [own])
  stage.hear(awarded, CLOSES_AT + 50)
  tell()
  return { asked, awarded, own }
}
/** Its turn comes, with the inputs. */
function turn({ stage }: Scene, requestId: Hex, now: number): Effect['kind'][] {
  stage.feed({ kind: 'fetched', requestId, ok: true }, now)
  return stage.effects.map(({ kind }) => kind)
}
const prove = ({ agent }: Scene, asked: ProofRequest) =>
  agent.role.prove(
    { request: asked, inputs: new Uint8Array(1_000), payee: alice },
    new AbortController().signal,
  )

describe('an agent bids', () => {
  test('not before it is attached to a node', async () => {
    const { bids, agent, node } = await scene({ attached: false })
    expect(bids(1)).toBeNull()
    expect(agent.unwell()).toBe('starting')
    agent.attach(node)
    expect(agent.unwell()).toBeNull()
  })

  test('from the second request of an unknown verifier on', async () => {
    const { agent, bids, node } = await scene({ attached: false })
    agent.attach(node)
    expect(bids(1)).toBeNull()
    await settled()
    expect(bids(2)).toMatchObject({ readyAt: CLOSES_AT + 500 + USUAL + 250 })
    expect(agent.status()).toMatchObject({ declined: { 'verifier-unknown': 1 } })
  })

  test('not for verifiers whose code is not on the list', async () => {
    const { bids } = await scene({ verifierCodeHashes: [hashOf('other')] })
    expect(bids(1)).toBeNull()
  })

  test('not for programs it cannot prove', async () => {
    const { bids } = await scene()
    expect(bids(1, { programId: hashOf('other') })).toBeNull()
  })

  test('on a second request behind the first, as if it had won that', async () => {
    const { bids } = await scene()
    const promises = [1, 2, 3].map((nonce) => bids(nonce)?.readyAt)
    const first = CLOSES_AT + 500 + USUAL + 250
    expect(promises).toEqual([first, first + USUAL, first + 2 * USUAL])
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
    const { agent, bids, lines } = await scene()
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
    const slashes = await Slashes.open(join(folder, 'slashes.json'))
    await expect.poll(async () => (await Slashes.open(slashes.path)).open.length).toBe(1)
    const restarted = await scene({ slashes: await Slashes.open(slashes.path) })
    expect(restarted.bids(1)).toBeNull()
    await (await Slashes.open(slashes.path)).reset()
    const reset = await scene({ slashes: await Slashes.open(slashes.path) })
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

describe('a job that was won', () => {
  test('is accepted, proven and paid', async () => {
    const set = await scene()
    const { stage, agent, proofs, lines, tell, calibration, clock } = set
    const { asked, awarded } = win(set, 1)
    expect(turn(set, asked.id, CLOSES_AT + 100)).toContain('accept')
    stage.feed({ kind: 'committed', from: acceptance(awarded) })
    expect(agent.unfinished()).toBe(1)
    const proving = prove(set, asked.message)
    await settled()
    expect(agent.status()).toMatchObject({ lanes: { running: 1 }, jobs: { accepted: 1 } })
    stage.hear(start(awarded))
    await clock.moveTo(CLOSES_AT + 1_100)
    proofs[0]?.resolve(PROOF)
    expect(await proving).toBe(PROOF)
    expect(calibration.timingOf(terms().programId, 1n)?.count).toBe(21)
    stage.feed({ kind: 'proved', requestId: asked.id, proofHash: hashOf('proof') }, clock.now())
    stage.hear(receipt(asked, alice, { proofHash: hashOf('proof'), payWei: 10n * MILLI }), DUE_AT)
    tell()
    expect(agent.unfinished()).toBe(0)
    expect(agent.status()).toMatchObject({
      figures: { won: 1, delivered: 1, awaitedWei: 10n * MILLI },
    })
    expect(lines.filter((line) => /won an auction|delivered a proof/.test(line))).toHaveLength(2)
  })

  test('is not accepted when nothing is well any more', async () => {
    const set = await scene()
    const { asked } = win(set, 1)
    set.world.isHealthy = false
    expect(turn(set, asked.id, CLOSES_AT + 100)).toEqual(['abort'])
    expect(set.lines.at(-1)).toContain('cannot accept a job')
  })

  test('is not accepted when its turn comes too late', async () => {
    const set = await scene()
    const { asked } = win(set, 1)
    expect(turn(set, asked.id, DUE_AT - 250 - 1.5 * SLOWEST + 1)).toEqual(['abort'])
  })

  test('is accepted beside another only when both are done in time', async () => {
    const set = await scene()
    const [first, second] = [win(set, 1), win(set, 2)]
    // Its backup's turn, long after: the two in a row would not fit any more.
    const late = DUE_AT - 250 - 3 * SLOWEST + 1
    expect(turn(set, first.asked.id, late)).toContain('accept')
    expect(turn(set, second.asked.id, late)).toEqual(['abort'])
  })

  test('a backup is accepted when there is room, and gives way to an auction won', async () => {
    const asBackup = (set: Scene, nonce: number) => {
      const { priceWei, readyAt, request: asked } = set.bids(nonce)!
      const own = bid(asked, alice, priceWei, readyAt)
      const rival = bid(asked, bob, 1n)
      set.stage.hear(own.bid)
      set.stage.hear(rival.bid)
      set.stage.hear(award(asked, [rival, own]), CLOSES_AT + 50)
      set.tell()
      return asked
    }
    const late = DUE_AT - 250 - 1.5 * SLOWEST
    const free = await scene()
    const asked = asBackup(free, 1)
    expect(free.lines.at(-1)).toContain('named as a backup')
    expect(turn(free, asked.id, late)).toContain('accept')
    const busy = await scene()
    const waiting = asBackup(busy, 1)
    win(busy, 2)
    expect(turn(busy, waiting.id, late)).toEqual(['abort'])
  })

  test('that a restart brings back waits for its lane in the order of promises', async () => {
    const set = await scene({ attached: false })
    const { agent, node, proofs } = set
    const slow = prove(set, terms({ nonce: 1n, dueAt: DUE_AT + 1 }))
    const urgent = prove(set, terms({ nonce: 2n }))
    await settled()
    expect(proofs).toHaveLength(0)
    agent.attach(node)
    await settled()
    expect([...agent.lanes.running.keys()]).toEqual([`${builder}/2`])
    proofs[0]?.resolve(PROOF)
    expect(await urgent).toBe(PROOF)
    await settled()
    proofs[1]?.resolve(PROOF)
    expect(await slow).toBe(PROOF)
  })
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
