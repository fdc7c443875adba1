import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPublicClient, http, parseEventLogs } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { settlementAbi } from '#contracts/abi'
import type { Hex, Id } from '#protocol/schema'
import type { Wanted, WantedView } from '#simulations/devnet/door'
import { SLASH_AFTER_MS } from '#simulations/devnet/genesis'
import { LoadMaker, shapes, tableContext, wantedOf } from '#simulations/devnet/load'
import type { Member } from '#simulations/devnet/members'
import { buildShape, type Network } from '#simulations/devnet/network'
import { isOpen, openNetwork } from '#simulations/devnet/opening'
import { Processes } from '#simulations/devnet/processes'
import { isConserved } from '#simulations/devnet/report'
import { until } from '#simulations/devnet/until'
import { calibration, keepCalibration } from '#test/support/calibrated'
import { Watch } from '#test/support/watch'

const SHAPE = 'tiny'
/** Time for a crash, a restart and two proofs on a machine that is busy. ms. */
const DUE_IN_MS = 40_000
/** Time for one proof, when nobody stands in for whoever does not make it. ms. */
const SHORT_DUE_IN_MS = 20_000
/** Payments need a block and a poll. ms. */
const PAID_WITHIN_MS = 20_000

const ending = new AbortController()
const watch = new Watch()
const maker = new LoadMaker('crashes', shapes[SHAPE]!)
const asked: string[] = []
let folder: string
let processes: Processes
let network: Network
let keyId: Hex

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-crashes-'))
  processes = new Processes(folder)
  keyId = await buildShape(processes, SHAPE, () => undefined)
  network = await openNetwork({
    ...{ folder, processes, seed: 'crashes', shape: SHAPE, keyId },
    ...{ provers: 3, hasStalling: false, signal: ending.signal },
    calibrationFile: calibration(),
  })
  await keepCalibration(folder)
  for (const { role, door } of network.members) if (role !== 'bootstrap') await watch.listen(door)
})
afterAll(async () => {
  ending.abort()
  await processes.stopAll()
  await rm(folder, { recursive: true })
})

const named = (name: string): Member => network.members.find((member) => member.name === name)!

/** Asks for a proof once everybody has found everybody again. */
async function ask(terms: Partial<Wanted> = {}) {
  await until(() => isOpen(network), DUE_IN_MS, 'the nodes do not find each other', ending.signal)
  const { verifier, programId, rollups } = network.market
  const load = maker.next(
    await tableContext(network.rpcUrl, rollups),
    { verifier, programId },
    keyId,
  )
  const of = { keyId, verifier, shape: SHAPE, dueInMs: DUE_IN_MS }
  const opened = await network.door.prove({ ...wantedOf(load, of), ...terms })
  asked.push(opened.wantedId)
  return opened
}

async function kill({ name }: Member): Promise<void> {
  const { pid, exited } = network.running.get(name)!
  process.kill(pid, 'SIGKILL')
  expect(await exited).toBe('SIGKILL')
}

/** The wanted proof, once it is open no more. */
async function ended(wantedId: string): Promise<WantedView> {
  let view: WantedView | undefined
  const isEnded = async (): Promise<boolean> => {
    view = await network.door.wanted(wantedId).catch(() => undefined)
    return view !== undefined && view.status !== 'open'
  }
  await until(isEnded, 2 * DUE_IN_MS, `${wantedId} stays open`, ending.signal)
  return view!
}

const phases = {
  'after the request': (requestId: Id) => watch.first('requested', requestId),
  'after the award': (requestId: Id) => watch.first('awarded', requestId),
  'after the start': (requestId: Id) => watch.first('started', requestId),
  'while proving': async (requestId: Id) => {
    await watch.first('started', requestId)
    const before = await tableContext(network.rpcUrl, network.market.rollups)
    const isLater = async () =>
      (await tableContext(network.rpcUrl, network.market.rollups)).firstBlock > before.firstBlock
    await until(isLater, DUE_IN_MS, 'the chain stands still', ending.signal)
  },
  'after delivery, before settlement': (requestId: Id) => watch.first('received', requestId),
} as const
type Phase = keyof typeof phases

const victims = {
  'the bootstrap node': () => named('bootstrap'),
  'the builder': () => named('builder'),
  /** Before the award nobody is; then any of those who bid. */
  'the winner': async (requestId: Id, phase: Phase) => {
    if (phase === 'after the request') return named('prover-1')
    const { prover } = await watch.first('awarded', requestId)
    return network.members.find(({ address }) => address === prover)!
  },
} as const

/** Each in the phase where its crash matters most; `npm run test:long` kills all in every one. */
const worst: Readonly<Record<keyof typeof victims, readonly Phase[]>> = {
  'the bootstrap node': ['after the award'],
  'the builder': ['after delivery, before settlement'],
  'the winner': ['while proving'],
}
const everyPhase = Object.entries(phases) as [Phase, (requestId: Id) => Promise<unknown>][]
const phasesOf = (victim: keyof typeof victims) =>
  process.env.EVERY_PHASE === '1'
    ? everyPhase
    : everyPhase.filter(([phase]) => worst[victim].includes(phase))

describe.each(Object.keys(victims) as (keyof typeof victims)[])(
  '%s killed outright and started again',
  (victim) => {
    const victimOf = victims[victim]
    test.each(phasesOf(victim))('%s: the proof is delivered', async (phase, reached) => {
      const { wantedId, requestId } = await ask()
      await reached(requestId)
      const member = await victimOf(requestId, phase)
      await kill(member)
      await network.start(member)
      expect((await ended(wantedId)).status).toBe('delivered')
    })
  },
)

test('a prover killed for good defaults, which is recorded', async () => {
  const { wantedId, requestId } = await ask({ backups: 0, dueInMs: SHORT_DUE_IN_MS })
  const ways = [watch.first('started', requestId), watch.first('ended', requestId)]
  expect(await Promise.race(ways)).toMatchObject({ kind: 'started' })
  const { prover } = await watch.first('started', requestId)
  const winner = network.members.find(({ address }) => address === prover)!
  await kill(winner)
  expect(await watch.first('defaulted', requestId)).toMatchObject({ prover })
  expect((await ended(wantedId)).status).toBe('failed')
  await network.start(winner)
})

test('in the end nothing was lost, signed twice or paid twice', async () => {
  const views: WantedView[] = []
  const startsOf = () => views.flatMap(({ requests }) => requests.flatMap(({ starts }) => starts))
  const areResolved = async (): Promise<boolean> => {
    views.length = 0
    for (const wantedId of asked) views.push(await network.door.wanted(wantedId))
    return startsOf().every(({ paid, slashed }) => paid !== null || slashed !== null)
  }
  const limitMs = SLASH_AFTER_MS + PAID_WITHIN_MS
  await until(areResolved, limitMs, 'some start is neither paid nor slashed', ending.signal)

  const failed = views.filter(({ status }) => status !== 'delivered')
  expect(failed).toEqual([views.at(-1)])
  const paid = await payments()
  expect(new Set(paid).size).toBe(paid.length)
  expect(paid).toHaveLength(startsOf().filter((start) => start.paid !== null).length)
  expect(startsOf().filter(({ slashed }) => slashed !== null)).toHaveLength(1)
  expect(watch.seen.filter(({ event }) => event.kind === 'equivocation')).toEqual([])
  expect(isConserved(await network.door.money())).toBe(true)
})

/** Every payment on the chain, by receipt or by claim, as builder, prover and nonce. */
async function payments(): Promise<readonly string[]> {
  const client = createPublicClient({ transport: http(network.rpcUrl) })
  const address = network.market.settlement
  const logs = await client.getLogs({ address, fromBlock: 0n, toBlock: 'latest' })
  const name = (builder: string, prover: string, nonce: bigint) => `${builder}/${prover}/${nonce}`
  return parseEventLogs({ abi: settlementAbi, logs }).flatMap(({ eventName, args }) => {
    if (eventName === 'Claimed') return [name(args.builder, args.prover, args.nonce)]
    if (eventName !== 'Paid') return []
    // `nonce u64 ‖ paidWei u128`, 24 bytes for each receipt.
    const each = args.payments.slice(2).match(/.{48}/g) ?? []
    return each.map((word) => name(args.builder, args.prover, BigInt(`0x${word.slice(0, 16)}`)))
  })
}
