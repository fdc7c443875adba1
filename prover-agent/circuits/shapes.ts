// SPDX-License-Identifier: Apache-2.0
/**
 * The circuits there are: their sizes, the names of their development keys, and where their files
 * lie.
 *
 * A program's name is a hash of its verification key. The development keys come from a known
 * trapdoor and are the same on every machine, so their names and hashes are constants here.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  verifierConstructorArgs as constructorArgs,
  parseVerificationKey,
  type VerificationKey,
} from '#protocol/proof'
import type { Hex } from '#protocol/schema'
import type { Shape } from '#protocol/table'

export type ShapeName = 'tiny' | 'n1d16'

export type ShapeInfo = Shape & {
  /** Hash of the development key: what requests name. */
  readonly programId: Hex
  /** SHA-256 of the development proving key, hex without prefix. */
  readonly zkeySha256: string
  /** SHA-256 of `verification-key.json`, hex without prefix. */
  readonly verificationKeySha256: string
}

/** `tiny` is for tests and development networks: 16 accounts a rollup. `n1d16` holds 65,536. */
export const shapes: Readonly<Record<ShapeName, ShapeInfo>> = {
  tiny: {
    entries: 1,
    depth: 4,
    programId: '0xc441c951a20f9da966bbecd2d5d714d629b8b23a2d148afa4fe38e2ea08a7856',
    zkeySha256: '5212f4803bf29d29d6c8a92fc3f92d6ed320c76a3d625fe0b5237e4359260a6c',
    verificationKeySha256: '85fa4a73c1eb62cc526af79bb1fc203f08981b479359338a6def493d1188ccef',
  },
  n1d16: {
    entries: 1,
    depth: 16,
    programId: '0x6e9235ead51aa6e980ba229bef6347a9aade3e296536562fbf14897d8e897b3f',
    zkeySha256: '1762a14c004c862bc693fac7312bea7eea4f90af595f887af5904e8a527f7175',
    verificationKeySha256: '70e09a9496a38b6394488897dc67a6540116c64b7c8ef0530178fbf5c7b75833',
  },
}

export const shapeNames = Object.keys(shapes) as readonly ShapeName[]

/** The shape a program proves, or null for a program that is not ours. */
export const shapeOf = (programId: Hex): ShapeName | null =>
  shapeNames.find((name) => shapes[name].programId === programId) ?? null

/** The repository's root, or the package's. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Absolute paths of a shape's files, made by `buildShape`. */
export function shapeFiles(name: ShapeName) {
  const directory = join(ROOT, 'build', 'circuits', name)
  return {
    directory,
    r1cs: join(directory, 'circuit.r1cs'),
    wasm: join(directory, 'circuit.wasm'),
    zkey: join(directory, 'circuit.zkey'),
    verificationKey: join(directory, 'verification-key.json'),
    meta: join(directory, 'meta.json'),
  }
}

/**
 * The verification key of a built shape.
 *
 * @throws Error when the shape is not built, or its file is not a key.
 */
export async function loadVerificationKey(name: ShapeName): Promise<VerificationKey> {
  const path = shapeFiles(name).verificationKey
  const key = parseVerificationKey(JSON.parse(await readFile(path, 'utf8')))
  if (key === null) throw new Error(`${path} is not a verification key; build the shape again`)
  return key
}

/** Arguments of `TableVerifier`'s constructor for a built shape. */
export const verifierConstructorArgs = async (name: ShapeName) =>
  constructorArgs(await loadVerificationKey(name))
