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
import type { WantedKey } from '#node/key-fetch'
import { DEFAULT_KEY_FOLDER, type keyFileNames } from '#node/key-files'
import {
  verifierConstructorArgs as constructorArgs,
  parseVerificationKey,
  type VerificationKey,
} from '#protocol/proof'
import type { Hex } from '#protocol/schema'
import type { CircuitKey } from '#protocol/segments'
import type { Shape } from '#protocol/words'

export type ShapeName = 'tiny' | 'n1d16' | 'n4d16' | 'n8d16'

export type ShapeInfo = Shape & {
  /** Hash of the development key: what requests name. */
  readonly programId: Hex
  /** What a prover needs, by address (`protocol/key-pieces.ts`) and length. */
  readonly files: Readonly<Record<KeyFileKind, WantedKey>>
}

export type KeyFileKind = 'zkey' | 'wasm' | 'verificationKey'

/** The key files of a circuit, by what they are. */
export const keyFileKinds: Readonly<Record<KeyFileKind, (typeof keyFileNames)[number]>> = {
  zkey: 'circuit.zkey',
  wasm: 'circuit.wasm',
  verificationKey: 'verification-key.json',
}

/**
 * `tiny` is for tests and development networks: 16 accounts a rollup. The others hold 65,536, and
 * one verifier may have the keys of all three.
 */
export const shapes: Readonly<Record<ShapeName, ShapeInfo>> = {
  tiny: {
    entries: 2,
    depth: 4,
    programId: '0x49550fb99136043b34579999814bec28f4d01db502b9e61316d8814a9b3a5014',
    files: {
      zkey: {
        address: '0x13e6fa8dbd1a49760335993205aa606c07aa875ab1bb09452b471a42a2ecc85c',
        bytes: 23_988_372,
      },
      wasm: {
        address: '0x21951be8c9228af035d5f7acaba821aba4e94ffa653a8bc8a24fd54a7abd13cf',
        bytes: 6_954_129,
      },
      verificationKey: {
        address: '0x0a5498efa8dc18085cfd9e398fd46b46c3444ea39e61bd947d18bf026cafd709',
        bytes: 2_355,
      },
    },
  },
  n1d16: {
    entries: 1,
    depth: 16,
    programId: '0xb6607476d7f0398a5c77bc16129310f1abec2b7760568df744d7a69f3837daa6',
    files: {
      zkey: {
        address: '0xe929525aad2967dddfcb21022508e6529dec885870f1a23b96698f1013000a49',
        bytes: 19_201_616,
      },
      wasm: {
        address: '0x504cd87849d9a34839a87cad121c5356470c6ed80569c7486a85e380685a87a0',
        bytes: 6_944_472,
      },
      verificationKey: {
        address: '0x0401a4b65497a77f8c68ed96634ae120caf7d7bbbb0fc2291d4f228405314867',
        bytes: 2_357,
      },
    },
  },
  n4d16: {
    entries: 4,
    depth: 16,
    programId: '0x0000000000000000000000000000000000000000000000000000000000000004',
    files: {
      zkey: {
        address: '0x0000000000000000000000000000000000000000000000000000000000000000',
        bytes: 1,
      },
      wasm: {
        address: '0x0000000000000000000000000000000000000000000000000000000000000000',
        bytes: 1,
      },
      verificationKey: {
        address: '0x0000000000000000000000000000000000000000000000000000000000000000',
        bytes: 1,
      },
    },
  },
  n8d16: {
    entries: 8,
    depth: 16,
    programId: '0x0000000000000000000000000000000000000000000000000000000000000008',
    files: {
      zkey: {
        address: '0x0000000000000000000000000000000000000000000000000000000000000000',
        bytes: 1,
      },
      wasm: {
        address: '0x0000000000000000000000000000000000000000000000000000000000000000',
        bytes: 1,
      },
      verificationKey: {
        address: '0x0000000000000000000000000000000000000000000000000000000000000000',
        bytes: 1,
      },
    },
  },
}

export const shapeNames = Object.keys(shapes) as readonly ShapeName[]

/** The shape a program proves, or null for a program that is not ours. */
export const shapeOf = (programId: Hex): ShapeName | null =>
  shapeNames.find((name) => shapes[name].programId === programId) ?? null

/** A shape as whoever cuts a table sees it. */
export const circuitKeyOf = (name: ShapeName): CircuitKey => ({
  keyId: shapes[name].programId,
  room: shapes[name].entries,
})

/** The repository's root, or the package's. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Absolute paths of a shape's files, made by `buildShape` or fetched from peers. */
export function shapeFiles(name: ShapeName, keyFolder = DEFAULT_KEY_FOLDER) {
  const directory = join(keyFolder, name)
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
 * The verification key of a shape whose files are there.
 *
 * @throws Error when the shape is not built, or its file is not a key.
 */
export async function loadVerificationKey(
  name: ShapeName,
  keyFolder = DEFAULT_KEY_FOLDER,
): Promise<VerificationKey> {
  const path = shapeFiles(name, keyFolder).verificationKey
  const key = parseVerificationKey(JSON.parse(await readFile(path, 'utf8')))
  if (key === null) throw new Error(`${path} is not a verification key; build the shape again`)
  return key
}

/** Arguments of `BatchVerifier`'s constructor for built shapes. */
export const verifierConstructorArgs = async (...names: readonly ShapeName[]) =>
  constructorArgs(await Promise.all(names.map((name) => loadVerificationKey(name))))
