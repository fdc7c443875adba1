/**
 * A table in two segments, proven by one rig and by two: a whole market of real processes, each
 * agent kept on a core of its own, as if it were a machine. From the award of the bundle to the
 * receipt for its last proof.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Seen } from '#simulations/devnet/journal'
import { bundleOf, LoadMaker, shapes, tableContext } from '#simulations/devnet/load'
import { buildShape, type Network } from '#simulations/devnet/network'
import { openNetwork } from '#simulations/devnet/opening'
import { Processes } from '#simulations/devnet/processes'
import { pinTo } from '#test/support/pinning'
import { type Metrics, median } from './measure.ts'

const SHAPE = 'tiny'
const SEGMENTS = 2
const ROUNDS = 5
/** Long enough for a rig that proves both halves on one core. ms. */
const DUE_IN_MS = 50_000

export async function segments(): Promise<Metrics> {
  if (availableParallelism() < SEGMENTS) throw new Error(`${SEGMENTS} rigs need as many cores`)
  const [one, two] = [await provenBy(1), await provenBy(2)]
  return { oneRigMs: one, twoRigsMs: two, timesFaster: one / two, timesFasterIdeally: 2 }
}

/** How long so many rigs take for the whole table. ms. */
async function provenBy(rigs: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'proofwire-bench-'))
  const ending = new AbortController()
  const processes = new Processes(folder)
  try {
    const keyId = await buildShape(processes, SHAPE, (line) => console.error(line))
    const network = await openNetwork({
      ...{ folder, processes, seed: 'segments', shape: SHAPE, keyId, provers: rigs },
      ...{ hasStalling: false, lanes: SEGMENTS / rigs, signal: ending.signal },
    })
    const agents = network.members.filter(({ role }) => role === 'prover')
    for (const [core, { name }] of agents.entries()) pinTo(core, network.running.get(name)!.pid)
    const maker = new LoadMaker('segments', shapes[SHAPE]!)
    const took: number[] = []
    // The first is not counted: what proves is started, and kept on its core, with it.
    for (let round = 0; round <= ROUNDS; round++) {
      took.push(await proveOnce(network, maker, keyId, ending.signal))
      for (const [core, { name }] of agents.entries()) pinTo(core, network.running.get(name)!.pid)
      console.error(`${rigs} rigs, round ${round}: ${Math.round(took.at(-1)!)} ms`)
    }
    return median(took.slice(1))
  } finally {
    ending.abort()
    await processes.stopAll()
    await rm(folder, { recursive: true })
  }
}

/** Has one table proven; resolves with the time from its award to the last receipt. ms. */
async function proveOnce(
  { door, market, rpcUrl }: Network,
  maker: LoadMaker,
  keyId: `0x${string}`,
  signal: AbortSignal,
): Promise<number> {
  const { verifier, programId, rollups } = market
  const context = await tableContext(rpcUrl, rollups)
  const load = maker.next(context, { verifier, programId }, keyId, SEGMENTS)
  const awardedAt: number[] = []
  const receivedAt: number[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const done = new AbortController()
  const hear = ({ at, event }: Seen): void => {
    if (event.kind === 'awarded') awardedAt.push(at)
    if (event.kind === 'received') receivedAt.push(at)
    if (event.kind === 'ended' && event.outcome === 'void') reject(new Error('a job ended void'))
    if (receivedAt.length === SEGMENTS) resolve()
  }
  const opened = Promise.withResolvers<void>()
  const until = AbortSignal.any([signal, done.signal])
  door.events(hear, opened.resolve, until).catch(reject)
  await opened.promise
  await door.proveBundle(bundleOf(load, { keyId, verifier, shape: SHAPE, dueInMs: DUE_IN_MS }))
  await promise.finally(() => done.abort())
  return Math.max(...receivedAt) - Math.min(...awardedAt)
}
