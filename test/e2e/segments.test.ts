/** A user's transaction whose table is proven in segments, by several provers at the same time. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Address, Id } from '#protocol/schema'
import type { Member } from '#simulations/devnet/members'
import { buildShape, type Network } from '#simulations/devnet/network'
import { isOpen, openNetwork } from '#simulations/devnet/opening'
import { Processes } from '#simulations/devnet/processes'
import { isConserved } from '#simulations/devnet/report'
import { until } from '#simulations/devnet/until'
import { createUser, type SendEvent, type User } from '#simulations/devnet/user'
import { calibration, keepCalibration } from '#test/support/calibrated'
import { Watch } from '#test/support/watch'

const SHAPE = 'tiny'
/** Time for two proofs on a machine that makes both at once, and for a backup's. ms. */
const DUE_IN_MS = 50_000
/** Payments need a block and a poll. ms. */
const PAID_WITHIN_MS = 20_000

const ending = new AbortController()
const watch = new Watch()
let folder: string
let processes: Processes
let network: Network
let user: User

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-segments-'))
  processes = new Processes(folder)
  const keyId = await buildShape(processes, SHAPE, () => undefined)
  network = await openNetwork({
    ...{ folder, processes, seed: 'segments', shape: SHAPE, keyId },
    ...{ provers: 3, hasStalling: false, signal: ending.signal },
    calibrationFile: calibration(),
  })
  await keepCalibration(folder)
  const { rpcUrl, market, deployer, user: actor, door } = network
  const places = { rpcUrl, market, deployer, user: actor, doorUrl: door.url }
  const of = { folder, processes, seed: 'segments', shape: SHAPE, entries: 1 }
  user = await createUser({ ...of, ...places })
  await watch.listen(door)
})
afterAll(async () => {
  ending.abort()
  await processes.stopAll()
  await rm(folder, { recursive: true })
})

type Requested = { readonly requestId: Id; readonly segment: number; readonly segments: number }
const isRequested = (event: SendEvent): event is SendEvent & Requested =>
  event.event === 'requested'

/** Sends the user's first transaction; resolves when it is mined. */
async function send(onRequested: (requested: Requested) => void): Promise<readonly SendEvent[]> {
  await until(() => isOpen(network), DUE_IN_MS, 'the market is not open', ending.signal)
  const events: SendEvent[] = []
  const passed = await user.send(user.transaction(1), DUE_IN_MS, (event) => {
    events.push(event)
    if (isRequested(event)) onRequested(event)
  })
  expect(passed, JSON.stringify(events)).toBe(true)
  return events
}

/** Who was started for a request, in order. */
const starts = (requestId: Id): Address[] =>
  watch.seen.flatMap(({ event }) =>
    event.kind === 'started' && event.requestId === requestId ? [event.prover] : [],
  )

/** Each segment's proof is by one of those who were started for it. */
function expectOwnProvers(events: readonly SendEvent[], requested: readonly Requested[]): void {
  const { provers } = events.find(({ event }) => event === 'proof') as { provers?: Address[] }
  expect(provers).toHaveLength(requested.length)
  for (const [index, { requestId }] of requested.entries())
    expect(starts(requestId)).toContain(provers![index])
}

const memberOf = (address: string): Member =>
  network.members.find((member) => member.address === address)!

test('two provers prove two segments, and the table is posted and consumed', async () => {
  const events = await send(() => undefined)
  const requested = events.filter(isRequested)
  expect(requested.map(({ segment, segments }) => [segment, segments])).toEqual([
    [1, 2],
    [2, 2],
  ])
  const [one, two] = await Promise.all(
    requested.map(({ requestId }) => watch.first('started', requestId)),
  )
  expect(one!.prover).not.toBe(two!.prover)
  expectOwnProvers(events, requested)
  // Both proofs were made at the same time.
  const at = (kind: string, requestId: Id) =>
    watch.seen.find(
      ({ event }) => event.kind === kind && 'requestId' in event && event.requestId === requestId,
    )!.at
  const ids = requested.map(({ requestId }) => requestId)
  const lastStart = Math.max(...ids.map((id) => at('started', id)))
  expect(lastStart).toBeLessThan(Math.min(...ids.map((id) => at('received', id))))
})

test('a segment whose prover is killed is proven by its backup, and the table settles', async () => {
  const victims: string[] = []
  const killed = Promise.withResolvers<void>()
  const requests: Requested[] = []
  const events = await send((requested) => {
    requests.push(requested)
    if (requested.segment !== 2) return
    const kill = async (): Promise<void> => {
      const { prover } = await watch.first('started', requested.requestId)
      const running = network.running.get(memberOf(prover).name)!
      process.kill(running.pid, 'SIGKILL')
      await running.exited
      victims.push(prover)
    }
    kill().then(killed.resolve, killed.reject)
  })
  await killed.promise
  const [first, second] = requests as [Requested, Requested]
  // The other segment was not touched: on a busy machine its prover may be slow, and only then
  // has it a backup of its own.
  const late = watch.seen.filter(
    ({ event }) => event.kind === 'silent' && event.requestId === first.requestId,
  )
  expect(starts(first.requestId)).toHaveLength(1 + late.length)
  const [victim, rescuer] = starts(second.requestId)
  expect(victims).toEqual([victim])
  expect(rescuer).not.toBe(victim)
  expectOwnProvers(events, requests)
  const { provers } = events.find(({ event }) => event === 'proof') as { provers?: Address[] }
  expect(provers![1]).toBe(rescuer)
  expect(events.at(-1)!.event).toBe('done')
  const paid = (requestId: Id, prover: string) => {
    const isIt = () =>
      watch.seen.some(
        ({ event }) =>
          event.kind === 'paid' && event.requestId === requestId && event.prover === prover,
      )
    return until(isIt, PAID_WITHIN_MS, `${prover} is not paid`, ending.signal)
  }
  await Promise.all([paid(first.requestId, provers![0]!), paid(second.requestId, rescuer!)])
  expect(isConserved(await network.door.money())).toBe(true)
})
