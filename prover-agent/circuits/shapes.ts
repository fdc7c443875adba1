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
    programId: '0x790b795da897f88aec123f8f2c0cd63da0900c42d485b0b2c9d0a17586e5703b',
    zkeySha256: '887c8598c83a6795419984d0282add37e3082d6fec4c4b15a4c11ab7ac720d08',
    verificationKeySha256: 'dc96f3025b02552f12b080eb6c018af4dc86614f94676365c5b43eadb50fe77f',
  },
  n1d16: {
    entries: 1,
    depth: 16,
    programId: '0x1022efc598f26b21de96385897cc4e171c5bc756bba4ce9ee7b9675d754785a6',
    zkeySha256: '4145e3c64f8582b472f62d831f7e490fe9c4fefcab53441d9d835080d3641dee',
    verificationKeySha256: '342247840e91804d9473fbf927573003bf7126052cad9d6fd835d733754eeeee',
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
