/**
 * The key files of the shapes an agent proves. At every start each is read whole and must have the
 * address that `shapes.ts` names; what is not right is set aside and never used. What is missing is
 * fetched from peers, or built here.
 */
import { spawn } from 'node:child_process'
import { copyFile, mkdir, rename, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { extname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createHost } from '#node/host'
import { createKeyFetcher, type FetchLimits, KeyFetchError, type WantedKey } from '#node/key-fetch'
import { DEFAULT_KEY_FOLDER, isDiskError, listFile } from '#node/key-files'
import { partOf } from '#node/key-part'
import { loadPeerSeed } from '#node/keyfile'
import type { Log } from '#node/log'
import { addressOfList } from '#protocol/key-pieces'
import { streamProtocols } from '#protocol/topics'
import { AgentError } from './agent-error.ts'
import {
  type KeyFileKind,
  keyFileKinds,
  type ShapeName,
  shapeFiles,
  shapes,
} from './circuits/shapes.ts'
import type { AgentSettings } from './settings.ts'

export type ShapeFile = {
  readonly shape: ShapeName
  readonly kind: KeyFileKind
  readonly path: string
  readonly key: WantedKey
}

const kinds = Object.keys(keyFileKinds) as KeyFileKind[]
const builder = fileURLToPath(
  new URL(`./circuits/build${extname(import.meta.url)}`, import.meta.url),
)

/** What a person can do when no peer has a shape's files. */
function howToBuild(names: readonly ShapeName[], keyFolder: string): string {
  const command = `node prover-agent/circuits/build.ts ${names.join(' ')}`
  const isElsewhere = keyFolder !== DEFAULT_KEY_FOLDER
  const copy = isElsewhere ? `, then copy what is in ${DEFAULT_KEY_FOLDER} to ${keyFolder}` : ''
  return `build them: npm install, then ${command}${copy}`
}

/** The shapes some file is of, each once. */
const shapesOf = (files: readonly ShapeFile[]): ShapeName[] => [
  ...new Set(files.map(({ shape }) => shape)),
]

/**
 * Reads every key file of these shapes. @returns those that are missing, among them those that were
 * not what they should be: they have another name now. @throws AgentError when one cannot be set
 * aside.
 */
export async function missingShapeFiles(
  names: readonly ShapeName[],
  keyFolder: string,
  log: Log,
): Promise<ShapeFile[]> {
  const missing: ShapeFile[] = []
  for (const shape of names) {
    for (const kind of kinds) {
      const path = shapeFiles(shape, keyFolder)[kind]
      const file = { shape, kind, path, key: shapes[shape].files[kind] }
      if (!(await isRight(file, log))) missing.push(file)
    }
  }
  // The small ones first: who has them has the others.
  return missing.sort((a, b) => a.key.bytes - b.key.bytes)
}

async function isRight({ path, key, shape }: ShapeFile, log: Log): Promise<boolean> {
  try {
    const list = await listFile(path)
    if (list === null) return false
    const address = addressOfList(list)
    if (address === key.address) return true
    await setAside(path)
    log.error('a key file is not what it should be; it is set aside and not used', {
      file: path,
      setAsideAs: asideOf(path),
      address,
      expected: key.address,
      shape,
    })
    return false
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AgentError('FILE', `${path} cannot be used: ${reason}. Move it away.`, { cause })
  }
}

/** One such file is kept, to be looked at. */
const asideOf = (path: string): string => `${path}.wrong`

const setAside = (path: string): Promise<void> =>
  rename(path, asideOf(path)).catch((error: unknown) => {
    // Another agent of this machine was first.
    if (!isDiskError(error, 'ENOENT')) throw error
  })

/** For what needs the files now. @throws AgentError naming those that are missing. */
export async function requireShapeFiles(
  { shapes: names, keyFolder }: Pick<AgentSettings, 'shapes' | 'keyFolder'>,
  log: Log,
): Promise<void> {
  const folder = keyFolder ?? DEFAULT_KEY_FOLDER
  const missing = await missingShapeFiles(names as readonly ShapeName[], folder, log)
  if (missing.length === 0) return
  const paths = missing.map(({ path }) => `  ${path}`).join('\n')
  const advice = `Start the agent, which fetches them from peers, or ${howToBuild(shapesOf(missing), folder)}`
  throw new AgentError('KEYS', `These key files are missing:\n${paths}\n${advice}.`)
}

export type ProvidingSettings = Pick<
  AgentSettings,
  | 'shapes'
  | 'keyFolder'
  | 'keyWaitMs'
  | 'dataFolder'
  | 'listen'
  | 'announce'
  | 'bootstrap'
  | 'maxPeers'
>

export type ProvidingOptions = {
  /** Whether circuits can be built here. Default: the compiler is installed. */
  readonly canBuild?: boolean
  readonly limits?: Partial<FetchLimits>
}

/**
 * Resolves when all key files of the agent's shapes are there and right. What is missing comes from
 * peers: for that the agent's networking runs for a while, and nothing else of its node, which
 * needs the keys. When nobody gives anything for `keyWaitMs` it is built here.
 *
 * @throws AgentError or KeyFetchError with what to do; `stopping`'s reason.
 */
export async function provideShapeFiles(
  values: ProvidingSettings,
  log: Log,
  stopping: AbortSignal,
  { canBuild = isCompilerThere(), limits = {} }: ProvidingOptions = {},
): Promise<void> {
  const names = values.shapes as readonly ShapeName[]
  const keyFolder = values.keyFolder ?? DEFAULT_KEY_FOLDER
  const missing = await missingShapeFiles(names, keyFolder, log)
  if (missing.length === 0) return
  const files = missing.map(({ path }) => path)
  const otherwise = canBuild
    ? `When nobody gives them for ${values.keyWaitMs} ms they are built here`
    : `To do without peers, ${howToBuild(shapesOf(missing), keyFolder)}`
  log.warn('key files are missing; asking peers for them', { files, otherwise })
  try {
    await fetchAll(missing, values, log, stopping, { canBuild, limits })
  } catch (error) {
    const isNobody = error instanceof KeyFetchError && error.code === 'NOBODY'
    if (!isNobody || !canBuild) throw error
    log.warn('building key files here', { why: error.message })
    await build(shapesOf(missing), keyFolder, log, stopping)
  }
  const left = await missingShapeFiles(names, keyFolder, log)
  if (left.length === 0) return
  const wrong = left.map(({ path }) => path).join(', ')
  const advice = 'After a change of the circuit: node prover-agent/circuits/build.ts --constants'
  throw new AgentError('KEYS', `${wrong}: what was made is not what shapes.ts names. ${advice}`)
}

async function fetchAll(
  missing: readonly ShapeFile[],
  values: ProvidingSettings,
  log: Log,
  stopping: AbortSignal,
  { canBuild, limits }: Required<ProvidingOptions>,
): Promise<void> {
  const { listen, announce, bootstrap, maxPeers, dataFolder, keyWaitMs } = values
  const peerSeed = await loadPeerSeed(join(dataFolder, 'peer.key'))
  const options = { listen, announce, bootstrap, peerSeed, log }
  const host = await createHost({ ...options, limits: { maxConnections: maxPeers } })
  try {
    const fetcher = createKeyFetcher({ host, protocol: streamProtocols.keys, log, limits })
    const how = { signal: stopping, ...(canBuild ? { idleLimitMs: keyWaitMs } : {}) }
    for (const { key, path } of missing) await fetcher.fetch(key, path, how)
  } finally {
    await host.stop()
  }
}

const compilerParts = ['circom2/package.json', 'circomlib/package.json', 'ffjavascript']

/** Whether what the build of a circuit needs is installed: it is not needed for anything else. */
export function isCompilerThere(): boolean {
  const { resolve } = createRequire(import.meta.url)
  try {
    for (const name of compilerParts) resolve(name)
    return true
  } catch {
    return false
  }
}

/** Builds shapes where the build puts them, and copies what is needed where it is looked for. */
async function build(
  names: readonly ShapeName[],
  keyFolder: string,
  log: Log,
  stopping: AbortSignal,
): Promise<void> {
  const child = spawn(process.execPath, [builder, ...names], {
    stdio: ['ignore', 'ignore', 'pipe'],
    signal: stopping,
  })
  let last = ''
  createInterface({ input: child.stderr }).on('line', (line) => {
    last = line
    log.info('building key files', { line })
  })
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject)
  child.once('close', resolve)
  const status = await promise.catch((error: unknown) => {
    throw stopping.aborted ? stopping.reason : error
  })
  if (status !== 0) throw new AgentError('KEYS', `The key files cannot be built: ${last}`)
  if (keyFolder === DEFAULT_KEY_FOLDER) return
  for (const shape of names) {
    const [from, to] = [shapeFiles(shape), shapeFiles(shape, keyFolder)]
    await mkdir(to.directory, { recursive: true })
    for (const kind of kinds) {
      const draft = `${to[kind]}.built`
      await copyFile(from[kind], draft)
      await rename(draft, to[kind])
      await rm(partOf(to[kind]), { force: true })
    }
  }
}
