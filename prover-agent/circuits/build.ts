// SPDX-License-Identifier: Apache-2.0
/**
 * Builds a shape's files under `build/circuits/`: compiles the circuit, makes the development key.
 * Compiler and setup are GPL-3.0 programs and run as processes of their own. Also a program:
 * `node build.ts [shape ...]`; with `--constants` it prints what `shapes.ts` must say of them.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { glob, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, extname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import type { WantedKey } from '#node/key-fetch'
import { listFile } from '#node/key-files'
import { addressOfList } from '#protocol/key-pieces'
import { parseVerificationKey, programId } from '#protocol/proof'
import type { Hex } from '#protocol/schema'
import { wordCount } from '#protocol/words'
import {
  type KeyFileKind,
  keyFileKinds,
  ROOT,
  type ShapeName,
  shapeFiles,
  shapeNames,
  shapes,
} from './shapes.ts'

/** What `meta.json` says of a built shape. */
export type ShapeMeta = {
  /** Anyone can forge under the key: deployment refuses it except on a development chain. */
  readonly insecure: boolean
  readonly note: string
  readonly shape: ShapeName
  readonly programId: Hex
  /** SHA-256 of each file, hex without prefix. */
  readonly sha256: Readonly<Record<string, string>>
  /** Address and length of each key file, as `shapes.ts` must have them. */
  readonly files: Readonly<Record<KeyFileKind, WantedKey>>
  /** SHA-256 of everything the files are made from. */
  readonly sources: string
}

const NOTE = 'Development key from a published trapdoor: anyone can forge proofs under it.'
/** How often a step that takes longer says that it still runs. */
const PROGRESS_MS = 2_000
/** How often a process looks whether another has finished. */
const LOCK_POLL_MS = 200

const here = fileURLToPath(new URL('.', import.meta.url))
const setup = join(here, `development-setup${extname(import.meta.url)}`)
const resolve = createRequire(import.meta.url).resolve
const compiler = join(dirname(resolve('circom2/package.json')), 'cli.js')
const library = join(dirname(resolve('circomlib/package.json')), 'circuits')

const kinds = Object.keys(keyFileKinds) as KeyFileKind[]

const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')

const mainCircuit = (name: ShapeName) => `pragma circom 2.1.6;
include "table.circom";
component main {public [p, x, y]} = LedgerTable(${shapes[name].entries}, ${shapes[name].depth});
`

/**
 * A hash of the circuit, its library and compiler, and the setup: when it changes, so may the
 * files.
 */
async function hashSources(name: ShapeName): Promise<string> {
  const own = [
    basename(setup),
    ...['fixed-base', 'binary-files'].map((file) => file + extname(setup)),
  ]
  const paths = own.map((file) => join(here, file))
  for (const folder of [here, library]) {
    for await (const file of glob('*.circom', { cwd: folder })) paths.push(join(folder, file))
  }
  paths.push(resolve('circom2/package.json'))
  const hashes = await Promise.all(paths.sort().map(async (path) => sha256(await readFile(path))))
  return sha256([mainCircuit(name), ...hashes].join('\n'))
}

async function readMeta(name: ShapeName): Promise<ShapeMeta | null> {
  try {
    return JSON.parse(await readFile(shapeFiles(name).meta, 'utf8')) as ShapeMeta
  } catch {
    return null // not built, or not finished
  }
}

/**
 * Builds a shape unless its files are there and made from the same sources. Whoever asks while
 * another process builds it waits for that. About 15 s a shape on two cores.
 *
 * @param report Told what happens, a line at a time. Default: the standard error stream.
 * @returns What `meta.json` says.
 * @throws Error when a step fails, with the end of its output.
 */
export async function buildShape(
  name: ShapeName,
  report: (line: string) => void = (line) => console.error(line),
): Promise<ShapeMeta> {
  const sources = await hashSources(name)
  const upToDate = async () => {
    const built = await readMeta(name)
    return built?.sources === sources && (await isWhole(name, built)) ? built : null
  }
  const { directory } = shapeFiles(name)
  await mkdir(dirname(directory), { recursive: true })
  return (
    (await upToDate()) ??
    withLock(`${directory}.lock`, async () => (await upToDate()) ?? build(name, sources, report))
  )
}

/** Whether a built shape's key files are still there: an agent puts those aside that are wrong. */
async function isWhole(name: ShapeName, { files }: Partial<ShapeMeta>): Promise<boolean> {
  if (files === undefined) return false // written before files had addresses
  const paths = shapeFiles(name)
  const sizes = await Promise.all(
    kinds.map((kind) =>
      stat(paths[kind]).then(
        ({ size }) => size,
        () => null,
      ),
    ),
  )
  return kinds.every((kind, at) => files[kind].bytes === sizes[at])
}

/** Builds aside and moves the finished directory into its place: there is never half a shape. */
async function build(
  name: ShapeName,
  sources: string,
  report: (line: string) => void,
): Promise<ShapeMeta> {
  const { directory } = shapeFiles(name)
  const aside = await mkdtemp(`${directory}-`)
  try {
    await compile(name, aside, report)
    const meta = await makeKey(name, aside, sources, report)
    await rm(directory, { recursive: true, force: true })
    await rename(aside, directory)
    return meta
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

/**
 * Does work while no other process does: the file holds the id of the process whose turn it is. One
 * left behind by a process that died is taken over.
 */
async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const take = () =>
    writeFile(path, String(process.pid), { flag: 'wx' }).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
        return false
      },
    )
  while (!(await take())) {
    const owner = await readFile(path, 'utf8').catch(() => '')
    if (owner !== '' && !isAlive(Number(owner))) await rm(path, { force: true })
    else await setTimeout(LOCK_POLL_MS)
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function compile(name: ShapeName, aside: string, report: (line: string) => void) {
  await writeFile(join(aside, 'circuit.circom'), mainCircuit(name))
  const options = ['--r1cs', '--wasm', '--O2', '-l', library, '-l', here, '-o', aside]
  // The compiler sees only what lies below or above its working directory.
  const args = [compiler, join(aside, 'circuit.circom'), ...options]
  await runStep(`compiling circuit ${name}`, args, report)
  await rename(join(aside, 'circuit_js', 'circuit.wasm'), join(aside, 'circuit.wasm'))
  await rm(join(aside, 'circuit_js'), { recursive: true })
}

async function makeKey(
  name: ShapeName,
  aside: string,
  sources: string,
  report: (line: string) => void,
): Promise<ShapeMeta> {
  const files = ['circuit.r1cs', 'circuit.zkey', 'verification-key.json']
  const paths = files.map((file) => join(aside, file))
  const words = String(wordCount(shapes[name].entries))
  await runStep(`making the development key of ${name}`, [setup, ...paths, words], report)
  const key = parseVerificationKey(JSON.parse(await readFile(paths[2]!, 'utf8')))
  if (key === null) throw new Error(`the setup of ${name} wrote no verification key`)
  const hashes = await Promise.all(
    [...files, 'circuit.wasm'].map(async (file) => {
      return [file, sha256(await readFile(join(aside, file)))] as const
    }),
  )
  const meta: ShapeMeta = {
    insecure: true,
    note: NOTE,
    shape: name,
    programId: programId(key),
    sha256: Object.fromEntries(hashes),
    files: await addressesIn(aside),
    sources,
  }
  await writeFile(join(aside, 'meta.json'), `${JSON.stringify(meta, null, 2)}\n`)
  return meta
}

async function addressesIn(folder: string): Promise<ShapeMeta['files']> {
  const found = kinds.map(async (kind) => {
    const list = await listFile(join(folder, keyFileKinds[kind]))
    if (list === null) throw new Error(`${join(folder, keyFileKinds[kind])} is no key file`)
    return [kind, { address: addressOfList(list), bytes: list.bytes }] as const
  })
  return Object.fromEntries(await Promise.all(found)) as ShapeMeta['files']
}

/** A built shape as `shapes.ts` has it, to be pasted there. */
export function constantsOf({ shape, programId, files }: ShapeMeta): string {
  const { entries, depth } = shapes[shape]
  const lines = kinds.map((kind) => {
    const { address, bytes } = files[kind]
    const written = String(bytes).replace(/\B(?=(\d{3})+$)/g, '_')
    return `      ${kind}: {\n        address: '${address}',\n        bytes: ${written},\n      },\n`
  })
  const head = `    entries: ${entries},\n    depth: ${depth},\n    programId: '${programId}',\n`
  return `  ${shape}: {\n${head}    files: {\n${lines.join('')}    },\n  },\n`
}

/** Runs a Node program to its end, saying now and then that it still runs. */
async function runStep(what: string, args: string[], report: (line: string) => void) {
  const startedAt = performance.now()
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(0)
  report(`${what} ...`)
  const progress = setInterval(() => report(`${what} ... ${seconds()} s`), PROGRESS_MS)
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  let tail = ''
  const keep = (text: string) => {
    tail = (tail + text).slice(-2_000)
  }
  child.stdout.setEncoding('utf8').on('data', keep)
  child.stderr.setEncoding('utf8').on('data', keep)
  const { promise, resolve: closed, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject)
  child.once('close', closed)
  try {
    const status = await promise
    if (status !== 0) throw new Error(`${what} failed with ${status}:\n${tail}`)
    report(`${what}: done in ${seconds()} s`)
  } finally {
    clearInterval(progress)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const asked = process.argv.slice(2).filter((word) => word !== '--constants')
  const unknown = asked.filter((name) => !shapeNames.includes(name as ShapeName))
  if (unknown.length > 0) {
    console.error(`no shape ${unknown.join(', ')}; there are ${shapeNames.join(', ')}`)
    process.exit(2)
  }
  for (const name of asked.length > 0 ? (asked as ShapeName[]) : shapeNames) {
    const meta = await buildShape(name)
    console.error(`${name}: key ${meta.programId}`)
    if (process.argv.includes('--constants')) process.stdout.write(constantsOf(meta))
    else if (!isDeepStrictEqual(meta.files, shapes[name].files)) {
      console.error(`${name}: not what shapes.ts says; see: node build.ts --constants ${name}`)
    }
  }
}
