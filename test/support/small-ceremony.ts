/**
 * What a ceremony needs, at the smallest size: a circuit with our three public signals and phase-1
 * files for it. Compiler and snarkjs run as processes of their own.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { bn254 } from '@noble/curves/bn254.js'
import type { G1, G2, VerificationKey } from '#protocol/proof'

const run = promisify(execFile)
const resolve = createRequire(import.meta.url).resolve
const compiler = join(dirname(resolve('circom2/package.json')), 'cli.js')
const snarkjsCli = join(dirname(resolve('snarkjs')), 'cli.cjs')

/** Runs snarkjs's own command. Resolves with what it printed; rejects when it fails. */
export const snarkjs = async (...args: string[]): Promise<string> =>
  (await run(process.execPath, [snarkjsCli, ...args])).stdout

/** 10 constraints, or 11: y is what our digest rule says of four words, p some function of them. */
const source = (extra: string) => `pragma circom 2.1.6;
template Small() {
  signal input p; signal input x; signal input y; signal input words[4];
  signal product[2]; signal sum[2]; signal square[5];
  product[0] <== words[0] * words[1];
  product[1] <== product[0] * words[2];
  p === product[1] * words[3];
  sum[0] <== words[3] * x + words[2];
  sum[1] <== sum[0] * x + words[1];
  y === sum[1] * x + words[0];
  for (var i = 0; i < 4; i++) square[i] <== words[i] * words[i];
  ${extra}
}
component main {public [p, x, y]} = Small();
`

/** Compiles the small circuit, or one that is larger by a constraint, into `folder`. */
export async function compileSmall(folder: string, isLarger = false) {
  const name = isLarger ? 'larger' : 'small'
  const path = join(folder, `${name}.circom`)
  await mkdir(folder, { recursive: true })
  await writeFile(path, source(isLarger ? 'square[4] <== p * p;' : ''))
  await run(process.execPath, [compiler, path, '--r1cs', '--wasm', '--O2', '-o', folder], {
    cwd: folder,
  })
  return { r1cs: join(folder, `${name}.r1cs`), wasm: join(folder, `${name}_js`, `${name}.wasm`) }
}

export type PhaseOneFile = {
  readonly path: string
  readonly blake2b: string
  readonly sha256: string
}

const withHashes = async (path: string): Promise<PhaseOneFile> => {
  const bytes = await readFile(path)
  const hash = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex')
  return { path, blake2b: hash('blake2b512'), sha256: hash('sha256') }
}

/**
 * Phase-1 files of 2^power: without a contribution, with one, and with it prepared for phase 2.
 */
export async function makePhaseOne(folder: string, power: number, entropy: string) {
  const [fresh, raw, prepared] = ['fresh', 'raw', 'prepared'].map((stage) =>
    join(folder, `${power}-${entropy}-${stage}.ptau`),
  ) as [string, string, string]
  await snarkjs('powersoftau', 'new', 'bn128', String(power), fresh)
  await snarkjs('powersoftau', 'contribute', fresh, raw, `-e=${entropy}`, '--name=test')
  await snarkjs('powersoftau', 'prepare', 'phase2', raw, prepared)
  return {
    fresh: await withHashes(fresh),
    raw: await withHashes(raw),
    prepared: await withHashes(prepared),
  }
}

/** Changes one bit of a file. */
export const flipped =
  (offset: number) =>
  (bytes: Buffer): Buffer => {
    const changed = Buffer.from(bytes)
    changed[offset] = changed[offset]! ^ 1
    return changed
  }

/** Places in a key's file, of each kind that another check guards. */
export function samples(bytes: Buffer): Readonly<Record<string, number>> {
  const sections = new Map<number, number>()
  const places: Record<string, number> = { magic: 1, version: 4, count: 8 }
  for (let next = 12; next < bytes.length; ) {
    sections.set(bytes.readUInt32LE(next), next + 12)
    next += 12 + Number(bytes.readBigUInt64LE(next + 4))
  }
  const headerPoints = { alpha1: 0, gamma2: 256, delta2: 448 }
  for (const [name, skip] of Object.entries(headerPoints)) {
    places[name] = sections.get(2)! + 84 + skip + 5
  }
  for (const section of [4, 8, 9]) places[`section ${section}`] = sections.get(section)! + 70
  const chain = sections.get(10)!
  const contribution = chain + 64 + 4
  return {
    ...places,
    'circuit hash': chain + 3,
    'public key': contribution + 200,
    kind: contribution + 384,
    name: bytes.indexOf('Grace') + 2,
    beacon: bytes.indexOf(Buffer.from('b00cfeed', 'hex')),
    'names in the beacon': bytes.length - 1,
  }
}

/** A proof as snarkjs writes it. */
export type Points = {
  readonly pi_a: readonly string[]
  readonly pi_b: readonly (readonly string[])[]
  readonly pi_c: readonly string[]
}

/** The verifier's equation, by the arithmetic of `node/verifier-worker.ts`. */
export function holds(
  key: VerificationKey,
  { pi_a, pi_b, pi_c }: Points,
  signals: readonly bigint[],
): boolean {
  const { G1: Curve1, G2: Curve2, fields } = bn254
  const g1 = ([x, y]: G1) => Curve1.Point.fromAffine({ x, y })
  const g2 = ([x1, x0, y1, y0]: G2) =>
    Curve2.Point.fromAffine({
      x: fields.Fp2.fromBigTuple([x0, x1]),
      y: fields.Fp2.fromBigTuple([y0, y1]),
    })
  const [a, c] = [pi_a, pi_c].map(([x, y]) => g1([BigInt(x!), BigInt(y!)]))
  const [[bx0, bx1] = [], [by0, by1] = []] = pi_b
  const b = g2([BigInt(bx1!), BigInt(bx0!), BigInt(by1!), BigInt(by0!)])
  const [constant, ...coefficients] = key.ic.map(g1)
  const inputs = coefficients.reduce(
    (sum, point, index) => sum.add(point.multiplyUnsafe(signals[index]!)),
    constant!,
  )
  const points = [g1(key.alpha), g2(key.beta), g2(key.gamma), g2(key.delta), a!, b, c!]
  for (const point of points) point.assertValidity()
  const product = bn254.pairingBatch([
    { g1: a!, g2: b },
    { g1: g1(key.alpha).negate(), g2: g2(key.beta) },
    { g1: inputs.negate(), g2: g2(key.gamma) },
    { g1: c!.negate(), g2: g2(key.delta) },
  ])
  return fields.Fp12.eql(product, fields.Fp12.ONE)
}
