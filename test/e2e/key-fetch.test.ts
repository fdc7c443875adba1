import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PIECE_BYTES } from '#protocol/key-pieces'
import type { Hex } from '#protocol/schema'
import { shapes } from '#prover-agent/circuits/shapes'
import type { Member } from '#simulations/devnet/members'
import { buildShape, createNetwork, type Network } from '#simulations/devnet/network'
import { Processes } from '#simulations/devnet/processes'
import { type Command, proofwire } from '#test/support/devnet'

const SHAPE = 'tiny'
const ZKEY_BYTES = shapes[SHAPE].files.zkey.bytes
/** What the agent claims that a proof takes it: it is not to measure. ms. */
const CLAIMED_MS = 1_000
/** The big file then takes more than two seconds: time to kill who fetches it. */
const SERVED_MIB_PER_S = 10

const ending = new AbortController()
let folder: string
let processes: Processes
let network: Network
let keyId: Hex
let address: string

/** A chain, the contracts and a node that has the keys. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-key-fetch-'))
  processes = new Processes(folder)
  keyId = await buildShape(processes, SHAPE, () => undefined)
  network = await createNetwork({
    ...{ folder, processes, seed: 'key fetch', shape: SHAPE, keyId },
    ...{ provers: 1, hasStalling: false, signal: ending.signal },
  })
  const bootstrap = network.members[0] as Member
  const settings = { ...bootstrap.settings, serveKeysMibPerS: SERVED_MIB_PER_S }
  await network.start({ ...bootstrap, settings })
  const [, list] = await network.running.get(bootstrap.name)!.line(/addresses=(\[.*?\])/)
  address = (JSON.parse(list!) as string[])[0]!
})
afterAll(async () => {
  ending.abort()
  await processes.stopAll()
  await rm(folder, { recursive: true })
})

const keyFolder = (): string => join(folder, 'no keys yet')

/** The prover's agent, on a machine that has no key files. */
async function agent(): Promise<Command> {
  const prover = network.members.at(-1) as Member
  const calibrationFile = join(folder, 'claimed.json')
  const programs = { [keyId]: { work: '2', recentMs: [CLAIMED_MS] } }
  await writeFile(calibrationFile, JSON.stringify({ version: 1, programs }))
  const { listen: _, ...settings } = prover.settings
  const all = {
    ...settings,
    logLevel: 'debug',
    calibrationFile,
    keyFolder: keyFolder(),
    bootstrap: [address],
  }
  const flags = Object.entries(all).map(([name, value]) => `--${name}=${value}`)
  return proofwire(['agent', ...flags])
}

test('an agent without keys fetches them, goes on after a kill, and runs', async () => {
  const killed = await agent()
  await killed.line(/key files are missing; asking peers/)
  // The small ones are there, the big one is on its way.
  await killed.line(/a piece of a key file .*circuit\.zkey/)
  killed.child.kill('SIGKILL')
  expect(await killed.exited).toBe('SIGKILL')
  const left = await readdir(join(keyFolder(), SHAPE))
  expect(left.sort()).toEqual(['circuit.wasm', 'circuit.zkey.part', 'verification-key.json'])

  const second = await agent()
  const [, bytes] = await second.line(/circuit\.zkey.*resumedBytes=(\d+)/)
  expect(Number(bytes)).toBeGreaterThan(0)
  await second.line(/key file fetched .*circuit\.zkey/)
  await second.line(/agent runs/)
  expect(second.output()).not.toMatch(/key file fetched .*circuit\.wasm/)
  const pieces = second.output().match(/a piece of a key file .*circuit\.zkey/g)
  expect(pieces).toHaveLength(Math.ceil((ZKEY_BYTES - Number(bytes)) / PIECE_BYTES))
  second.child.kill('SIGTERM')
  expect(await second.exited).toBe(0)
})
