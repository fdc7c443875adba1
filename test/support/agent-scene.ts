/** A prover agent in a market without IO: its backend's proofs end when the test says so. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog } from '#node/log'
import type { Effect } from '#protocol/effects'
import type { Hex, ProofRequest } from '#protocol/schema'
import { Agent, type AgentNode, type AgentPorts } from '#prover-agent/agent'
import type { Backend } from '#prover-agent/backend'
import { Calibration } from '#prover-agent/calibration'
import { Slashes } from '#prover-agent/slashes'
import { hashOf } from '#simulations/pretence'
import { HandClock, settled } from '#test/support/hand-clock'
import { alice, award, bid, CLOSES_AT, request, Stage, T0, terms } from '#test/support/messages'

export const CODE: Hex = hashOf('verifier code')
export const PROOF = new Uint8Array([7])
/** A proof takes 1 s, the slowest 2 s. ms. */
export const [USUAL, SLOWEST] = [1_000, 2_000]

/** A folder for one test. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'proofwire-agent-'))
  folders.push(folder)
  return folder
}
const folders: string[] = []
/** Belongs into `afterEach`. */
export const removeFolders = (): void => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
}

/** An agent of alice's in a market, with a backend whose proofs end when the test says so. */
export async function scene({
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
    verifiers: [],
    attemptLimitMs: 60_000,
    backend,
    calibration,
    verify: async () => true,
    check: async () => null,
    probe: async () => {
      if (world.probeFails) throw new Error('no driver')
    },
    slashes: await Slashes.open(join(newFolder(), 'slashes.json')),
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
    await agent.attach(node)
    // The first request names a verifier nobody knows; from then on it is allowed.
    bids(1_000)
    await settled()
  }
  return { agent, stage, clock, lines, proofs, world, node, bids, tell, calibration }
}
export type Scene = Awaited<ReturnType<typeof scene>>

/** Bids, and wins, with what the agent asked for. */
export function win(
  { stage, bids, tell }: Scene,
  nonce: number,
  changes: Partial<ProofRequest> = {},
) {
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
export function turn({ stage }: Scene, requestId: Hex, now: number): Effect['kind'][] {
  stage.feed({ kind: 'fetched', requestId, ok: true }, now)
  return stage.effects.map(({ kind }) => kind)
}
export const prove = ({ agent }: Scene, asked: ProofRequest) =>
  agent.role.prove(
    { request: asked, inputs: new Uint8Array(1_000), payee: alice },
    new AbortController().signal,
  )
