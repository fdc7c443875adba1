// SPDX-License-Identifier: Apache-2.0
/**
 * The steps of a real ceremony: an initial key from a phase-1 file, contributions to it, a public
 * beacon at its end, and the verification of the whole chain by anyone. snarkjs does the
 * cryptography in a process of its own; here is what it leaves to its user. CEREMONY.md says how
 * one is held.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { access, open, rename, rm } from 'node:fs/promises'
import { extname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { isDevelopmentKey, isUncontributedKey } from '#protocol/development-key'
import {
  CeremonyError,
  type CeremonyKey,
  type Circuit,
  type Contribution,
  type PhaseOne,
  readCircuit,
  readKey,
  readPhaseOne,
} from './ceremony-files.ts'
import type { Answer, Task } from './ceremony-process.ts'

/** Where a step says what it does, and what ends it early. */
export type Run = {
  readonly report: (line: string) => void
  readonly signal: AbortSignal
}

/** How often a step that takes longer says that it still runs. */
const PROGRESS_MS = 2_000

const processPath = fileURLToPath(
  new URL(`./ceremony-process${extname(import.meta.url)}`, import.meta.url),
)

/** Does work and says so, now and then with the time it takes. */
async function timed<T>(what: string, { report }: Run, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(0)
  report(`${what} ...`)
  const progress = setInterval(() => report(`${what} ... ${seconds()} s`), PROGRESS_MS)
  try {
    const result = await work()
    report(`${what}: done in ${seconds()} s`)
    return result
  } finally {
    clearInterval(progress)
  }
}

/** Has snarkjs do one step. The process is gone when this returns, however it ends. */
async function runSnarkjs(task: Task, signal: AbortSignal): Promise<Answer> {
  signal.throwIfAborted()
  const child = fork(processPath, [], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  child.on('error', () => {}) // a process that cannot start is noticed below
  let tail = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-2_000)
  })
  const gone = new AbortController()
  const either = AbortSignal.any([signal, gone.signal])
  try {
    const answer = Promise.race([
      once(child, 'message', { signal: either }).then(([message]) => message as Answer),
      once(child, 'exit', { signal: either }).then(([code, cause]) => {
        throw new CeremonyError(`snarkjs ended with ${code ?? cause} and no answer.\n${tail}`)
      }),
    ])
    child.send(task)
    return await answer
  } finally {
    gone.abort()
    await end(child)
  }
}

/** It holds nothing worth saving: what it writes has no name yet. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/**
 * Has a file written under another name and gives it its own when it is whole and on the disk.
 *
 * @throws CeremonyError when there is such a file: a key of a ceremony is never overwritten.
 */
async function writeAside<T>(out: string, work: (draft: string) => Promise<T>): Promise<T> {
  await refuseExisting(out)
  const draft = `${out}.${randomBytes(4).toString('hex')}.tmp`
  try {
    const result = await work(draft)
    const file = await open(draft, 'r+')
    await file.sync().finally(() => file.close())
    await refuseExisting(out)
    await rename(draft, out)
    return result
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** @throws CeremonyError */
export async function refuseExisting(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  )
  if (exists) throw new CeremonyError(`${path} exists already. Name another, or move it away.`)
}

/** @returns the hash, hex. @throws CeremonyError when the file cannot be read. */
export async function hashFile(path: string, algorithm: string, signal?: AbortSignal) {
  const hash = createHash(algorithm)
  await pipeline(createReadStream(path), hash, { ...(signal && { signal }) }).catch(
    (cause: Error) => {
      if (signal?.aborted) throw cause
      throw new CeremonyError(`${path} cannot be read: ${cause.message}.`, { cause })
    },
  )
  return hash.digest('hex')
}

/** A phase-1 file is pinned by BLAKE2b-512, as the public ones are published, or by SHA-256. */
export type Pin = { readonly algorithm: 'blake2b512' | 'sha256'; readonly hex: string }

/** Reads a pin; its length says which hash it is. Null when it is neither. */
export function readPin(text: string): Pin | null {
  const hex = text.replace(/^0x/, '').toLowerCase()
  if (!/^[0-9a-f]+$/.test(hex)) return null
  if (hex.length === 128) return { algorithm: 'blake2b512', hex }
  return hex.length === 64 ? { algorithm: 'sha256', hex } : null
}

export type Origin = { readonly r1cs: string; readonly ptau: string; readonly pin: Pin }

/** @throws CeremonyError when the phase-1 file is not the pinned one, or does not do. */
async function checkOrigin({ r1cs, ptau, pin }: Origin, run: Run) {
  const circuit = await readCircuit(r1cs)
  const phaseOne = await readPhaseOne(ptau)
  refuseUnfit(ptau, circuit, phaseOne)
  const found = await timed(`hashing ${ptau}`, run, () => hashFile(ptau, pin.algorithm, run.signal))
  if (found !== pin.hex) {
    throw new CeremonyError(
      `${ptau} is not the pinned phase-1 file: its ${pin.algorithm} is ${found}, not ${pin.hex}. ` +
        'Fetch it again, and the hash from where its ceremony is published.',
    )
  }
  return { circuit, phaseOne }
}

function refuseUnfit(ptau: string, circuit: Circuit, phaseOne: PhaseOne): void {
  const { power, isPrepared, alpha, beta } = phaseOne
  const made = { alpha, beta, delta: beta }
  if (isUncontributedKey(made) || isDevelopmentKey(made)) {
    throw new CeremonyError(`${ptau} is from no ceremony: its secrets are known to everybody.`)
  }
  if (power < circuit.power) {
    throw new CeremonyError(
      `${ptau} has the power ${power}; a circuit of ${circuit.constraintCount} constraints ` +
        `needs ${circuit.power} or more.`,
    )
  }
  if (!isPrepared) {
    throw new CeremonyError(
      `${ptau} is not prepared for phase 2. Take the prepared one (often named …_final.ptau), ` +
        'or run: snarkjs powersoftau prepare phase2.',
    )
  }
}

/** @throws CeremonyError with snarkjs's reason. */
async function step(what: string, task: Task, run: Run): Promise<string> {
  const answer = await timed(what, run, () => runSnarkjs(task, run.signal))
  if (answer.ok) return answer.hash
  throw new CeremonyError(`${what} failed: ${answer.reason}.`)
}

/** Writes the initial key, to which nobody has contributed. @returns what it says. */
export async function setUp(origin: Origin, out: string, run: Run): Promise<CeremonyKey> {
  return writeAside(out, async (draft) => {
    await checkOrigin(origin, run)
    const { r1cs, ptau } = origin
    await step('making the initial key', { step: 'setup', r1cs, ptau, out: draft }, run)
    return readKey(draft)
  })
}

/** Adds a secret nobody knows to a key. @returns the new key. */
export async function contribute(from: string, out: string, name: string, run: Run) {
  return writeAside(out, async (draft) => {
    const before = await readKey(from)
    refuseEnded(from, before)
    const task: Task = { step: 'contribute', from, out: draft, name }
    const hash = await step('contributing', task, run)
    return checkAdded(before, await readKey(draft), hash)
  })
}

/** Ends a ceremony with a number nobody could foresee. @returns the new key. */
export async function addBeacon(
  from: string,
  out: string,
  beacon: { readonly hex: string; readonly iterations: number },
  run: Run,
): Promise<CeremonyKey> {
  return writeAside(out, async (draft) => {
    const before = await readKey(from)
    refuseEnded(from, before)
    if (before.contributions.length === 0) {
      // Everybody can compute what a beacon adds.
      throw new CeremonyError(`${from} has no contribution yet. A beacon alone keeps no secret.`)
    }
    const beaconHex = `${beacon.hex}${namesHash(before.contributions)}`
    const { iterations } = beacon
    const task: Task = { step: 'beacon', from, out: draft, beaconHex, iterations }
    const hash = await step(`applying the beacon, 2^${iterations} hashes`, task, run)
    return checkAdded(before, await readKey(draft), hash)
  })
}

const lastOf = ({ contributions }: CeremonyKey): Contribution | undefined => contributions.at(-1)

function refuseEnded(path: string, key: CeremonyKey): void {
  if (lastOf(key)?.kind === 'beacon') {
    throw new CeremonyError(`${path} ends with its beacon: its ceremony is over.`)
  }
}

/** One step more than before, the others as they were. */
function checkAdded(before: CeremonyKey, after: CeremonyKey, hash: string): CeremonyKey {
  const hashes = [...before.contributions.map((one) => one.hash), hash]
  const isSame =
    after.circuitHash === before.circuitHash &&
    after.contributions.map((one) => one.hash).join() === hashes.join()
  if (isSame) return after
  throw new CeremonyError('snarkjs wrote another chain than it was given; this is a bug.')
}

/**
 * Names are no part of what snarkjs hashes, so anybody could change one. The beacon therefore
 * hashes them too: SHA-256 of the chain's hashes and names stands behind its bytes.
 */
const namesHash = (contributions: readonly Contribution[]): string =>
  createHash('sha256')
    .update(JSON.stringify(contributions.map(({ hash, name }) => [hash, name])))
    .digest('hex')

/** Bytes of `namesHash`. */
export const NAMES_HASH_BYTES = 32

/** The public part of a beacon, hex. */
export const beaconHex = ({ beacon }: Contribution): string =>
  beacon.subarray(0, -NAMES_HASH_BYTES).toString('hex')

/** @throws CeremonyError when a beacon does not hold the names before it, or has one itself. */
function checkNames(path: string, { contributions }: CeremonyKey): void {
  contributions.forEach(({ kind, name, beacon }, index) => {
    if (kind !== 'beacon') return
    const names = Buffer.from(namesHash(contributions.slice(0, index)), 'hex')
    const isHeld = beacon.subarray(-NAMES_HASH_BYTES).equals(names)
    if (name === '' && isHeld && beacon.length > NAMES_HASH_BYTES) return
    throw new CeremonyError(
      `${path}: step ${index + 1} is a beacon that does not hold the names before it. ` +
        'A name was changed, or the beacon was not made by proofwire keys beacon.',
    )
  })
}

/** Why money must not rest on a valid key yet, or null when its ceremony is complete. */
export function whyUnfinished(key: CeremonyKey): string | null {
  if (!key.contributions.some(({ kind }) => kind === 'contribution')) {
    return 'nobody has contributed: anyone can forge proofs under it'
  }
  return lastOf(key)?.kind === 'beacon' ? null : 'its last step is no beacon'
}

/**
 * Verifies a key of any stage: that it is this circuit's key from this phase-1 file, followed by
 * exactly the contributions it lists.
 *
 * @throws CeremonyError that says what does not hold.
 */
export async function verifyKey(path: string, origin: Origin, run: Run): Promise<CeremonyKey> {
  const key = await readKey(path)
  const { circuit, phaseOne } = await checkOrigin(origin, run)
  checkFit(path, key, circuit, phaseOne)
  checkNames(path, key)
  if (isDevelopmentKey(key)) throw new CeremonyError(`${path} has the development trapdoor.`)
  if (isUncontributedKey(key) && key.contributions.length > 0) {
    throw new CeremonyError(`${path} has contributions that change nothing.`)
  }
  const { r1cs, ptau } = origin
  await step('verifying the chain', { step: 'verify', r1cs, ptau, key: path }, run)
  return key
}

/** What can be said more plainly than snarkjs does. */
function checkFit(path: string, key: CeremonyKey, circuit: Circuit, phaseOne: PhaseOne): void {
  if (key.wireCount !== circuit.wireCount || key.domainSize !== 2 ** circuit.power) {
    throw new CeremonyError(`${path} is a key of another circuit.`)
  }
  const isFrom = (mine: readonly bigint[], theirs: readonly bigint[]) =>
    mine.join() === theirs.join()
  if (!isFrom(key.alpha, phaseOne.alpha) || !isFrom(key.beta, phaseOne.beta)) {
    throw new CeremonyError(`${path} comes from another phase-1 file.`)
  }
}
