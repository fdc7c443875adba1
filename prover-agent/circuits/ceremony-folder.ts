// SPDX-License-Identifier: Apache-2.0
/** The folder a ceremony ends with, which deployment takes and provers prove with. */
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { whyInsecure } from '#protocol/development-key'
import {
  type G1,
  type G2,
  parseVerificationKey,
  programId,
  type VerificationKey,
} from '#protocol/proof'
import type { ShapeMeta } from './build.ts'
import {
  beaconHex,
  hashFile,
  type Origin,
  type Run,
  refuseExisting,
  verifyKey,
  whyUnfinished,
} from './ceremony.ts'
import {
  CeremonyError,
  type CeremonyKey,
  type Contribution,
  readPhaseOne,
} from './ceremony-files.ts'
import type { ShapeName } from './shapes.ts'

/** `meta.json` of a key from a ceremony: what was verified, and all that verifies it again. */
export type CeremonyMeta = Pick<ShapeMeta, 'note' | 'programId' | 'sha256'> & {
  readonly insecure: false
  /** Null for a circuit that is none of ours. */
  readonly shape: ShapeName | null
  readonly ceremony: {
    readonly phaseOne: {
      readonly power: number
      readonly blake2b512: string
      readonly sha256: string
    }
    readonly circuitHash: string
    readonly contributions: readonly Step[]
  }
}

type Step = Pick<Contribution, 'kind' | 'name' | 'hash'> & {
  /** Only of a beacon, hex: what was public, without the hash of the names behind it. */
  readonly beacon?: string
  readonly iterations?: number
}

const NOTE =
  'From a ceremony: secure if one contributor was honest. proofwire keys verify checks it.'

const FILES = { key: 'circuit.zkey', r1cs: 'circuit.r1cs', wasm: 'circuit.wasm' } as const
const VERIFICATION_KEY = 'verification-key.json'
const META = 'meta.json'

/** What goes into a folder besides the key. */
export type Contents = {
  readonly shape: ShapeName | null
  /** Words the circuit has room for. */
  readonly wordCount: number
  /** The circuit's witness program, if provers are to find it there. */
  readonly wasm: string | null
}

const g1Json = ([x, y]: G1) => [String(x), String(y), '1']
const g2Json = ([x1, x0, y1, y0]: G2) => [
  [String(x0), String(x1)],
  [String(y0), String(y1)],
  ['1', '0'],
]

/** A verification key as snarkjs writes it, with our word count. */
const verificationKeyJson = (key: VerificationKey) => ({
  protocol: 'groth16',
  curve: 'bn128',
  nPublic: 3,
  wordCount: key.wordCount,
  vk_alpha_1: g1Json(key.alpha),
  vk_beta_2: g2Json(key.beta),
  vk_gamma_2: g2Json(key.gamma),
  vk_delta_2: g2Json(key.delta),
  IC: key.ic.map(g1Json),
})

const stepOf = (one: Contribution): Step => {
  const { kind, name, hash, iterations } = one
  return kind === 'beacon'
    ? { kind, name, hash, beacon: beaconHex(one), iterations }
    : { kind, name, hash }
}

/**
 * Verifies a finished key and writes its folder; verified are the copies that lie in it.
 *
 * @throws CeremonyError when the key does not verify, its ceremony is not complete, or the folder
 *   exists.
 */
export async function writeKeyFolder(
  path: string,
  origin: Origin,
  contents: Contents,
  folder: string,
  run: Run,
): Promise<{ readonly key: CeremonyKey; readonly meta: CeremonyMeta }> {
  await refuseExisting(folder)
  const aside = `${resolve(folder)}.${randomBytes(4).toString('hex')}.tmp`
  await mkdir(aside)
  const inside = (file: string) => join(aside, file)
  try {
    await copyFile(path, inside(FILES.key))
    await copyFile(origin.r1cs, inside(FILES.r1cs))
    if (contents.wasm !== null) await copyFile(contents.wasm, inside(FILES.wasm))
    const copied = { ...origin, r1cs: inside(FILES.r1cs) }
    const key = await verifyKey(inside(FILES.key), copied, run)
    const unfinished = whyUnfinished(key)
    if (unfinished !== null) {
      throw new CeremonyError(`${path} is valid and not to be deployed: ${unfinished}.`)
    }
    const { wordCount } = contents
    const json = verificationKeyJson({ ...key, wordCount })
    await writeFile(inside(VERIFICATION_KEY), `${JSON.stringify(json, null, 2)}\n`)
    const meta = await describe(key, json, origin, contents, inside)
    await writeFile(inside(META), `${JSON.stringify(meta, null, 2)}\n`)
    run.signal.throwIfAborted()
    await rename(aside, folder)
    return { key, meta }
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

async function describe(
  key: CeremonyKey,
  json: unknown,
  { ptau, pin }: Origin,
  { shape, wasm }: Contents,
  inside: (file: string) => string,
): Promise<CeremonyMeta> {
  const parsed = parseVerificationKey(json)
  if (parsed === null) throw new CeremonyError('This is no key that the contracts take.')
  const files = [FILES.key, FILES.r1cs, VERIFICATION_KEY, ...(wasm === null ? [] : [FILES.wasm])]
  const hashes: Record<string, string> = {}
  for (const file of files) hashes[file] = await hashFile(inside(file), 'sha256')
  const { power } = await readPhaseOne(ptau)
  const blake2b512 = await hashFile(ptau, 'blake2b512')
  const sha256 = await hashFile(ptau, 'sha256')
  if (pin.hex !== { blake2b512, sha256 }[pin.algorithm]) {
    throw new CeremonyError(`${ptau} changed while the key was verified. Verify again.`)
  }
  return {
    insecure: false,
    note: NOTE,
    shape,
    programId: programId(parsed),
    sha256: hashes,
    ceremony: {
      phaseOne: { power, blake2b512, sha256 },
      circuitHash: key.circuitHash,
      contributions: key.contributions.map(stepOf),
    },
  }
}

/** What a folder, or a `verification-key.json` alone, turns out to be. */
export type Standing = {
  readonly key: VerificationKey
  readonly meta: Partial<CeremonyMeta> | null
  /** Null when its meta says it is secure and everything it says fits. */
  readonly insecure: string | null
}

/** @throws CeremonyError when there is no verification key. */
export async function judgeFolder(folder: string): Promise<Standing> {
  const key = await readVerificationKey(join(folder, VERIFICATION_KEY))
  const meta = await readMeta(join(folder, META))
  const insecure = whyInsecure(key, meta) ?? (await whyMixed(folder, meta))
  return { key, meta, insecure }
}

/** @throws CeremonyError when it is none. */
export async function readVerificationKey(path: string): Promise<VerificationKey> {
  const text = await readFile(path, 'utf8').catch((cause: Error) => {
    throw new CeremonyError(`${path} cannot be read: ${cause.message}.`, { cause })
  })
  const key = parseVerificationKey(parseJson(text))
  if (key === null) throw new CeremonyError(`${path} is no verification key with a wordCount.`)
  return key
}

const readMeta = async (path: string): Promise<Partial<CeremonyMeta> | null> => {
  const meta = parseJson(await readFile(path, 'utf8').catch(() => ''))
  return typeof meta === 'object' && meta !== null ? meta : null
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** A file that is not the one the meta names, or null. */
async function whyMixed(folder: string, meta: Partial<CeremonyMeta> | null) {
  const named: unknown = meta?.sha256
  const hashes = typeof named === 'object' && named !== null ? Object.entries(named) : []
  if (!hashes.some(([file]) => file === VERIFICATION_KEY)) return 'its meta.json names no files'
  for (const [file, sha256] of hashes) {
    const isPlain = basename(file) === file
    const found = isPlain && (await hashFile(join(folder, file), 'sha256').catch(() => 'missing'))
    if (found !== sha256) return `its ${file} is not the file that its meta.json names`
  }
  return null
}
