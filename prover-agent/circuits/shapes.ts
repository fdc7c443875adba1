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
import type { Shape } from '#protocol/words'

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
    entries: 2,
    depth: 4,
    programId: '0x49550fb99136043b34579999814bec28f4d01db502b9e61316d8814a9b3a5014',
    zkeySha256: '05fc03a75346a3469968be77d8a089fa78b7c13a01fb25ea19aa5ad80d92a4fd',
    verificationKeySha256: 'bd3fcbd988f96f25d1457f7ba7176fae71bad084f1460a9031d7910a84162416',
  },
  n1d16: {
    entries: 1,
    depth: 16,
    programId: '0xb6607476d7f0398a5c77bc16129310f1abec2b7760568df744d7a69f3837daa6',
    zkeySha256: '9a51801c2c5f3613e13082117b44fa47e6b268013f0b9857793f1f7ef8048201',
    verificationKeySha256: 'd4686aa19c34e6509a1c259c9f7b6984c49fe344c5f407b7c5684c99fe45a1d7',
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
