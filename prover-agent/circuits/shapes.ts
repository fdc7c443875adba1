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
        address: '0xfda1bdfeb6fa7896c3ab89916504a1b30965ac97f7bcca2794cfa4c84bbd8664',
        bytes: 24_331_036,
      },
      wasm: {
        address: '0x6c9bb66f14e9019f5a3c403c20a96871597103fd8da626ae418cdab6fc4ccf41',
        bytes: 6_963_372,
      },
      verificationKey: {
        address: '0xd9c1e7a69e7a131012df72839c7358eb9b1fd34ef282c1b7329e0802a052473d',
        bytes: 2_357,
      },
    },
  },
  n1d16: {
    entries: 1,
    depth: 16,
    programId: '0xb48cc7f0ed0a871869c323c75cf2925b956884c0c74bb942936403e29b9653c2',
    files: {
      zkey: {
        address: '0x9c0e2fd889943f2be5de1a98cca3252295b286463ebc88557586ff2d20696d55',
        bytes: 19_372_948,
      },
      wasm: {
        address: '0xaad34e35b5617d89768617ca08edcf038e0b518c36660c1c911931d94210a54b',
        bytes: 6_952_544,
      },
      verificationKey: {
        address: '0xc70b0cbcdf5d78d705c33ceed4acaf4d36b5b90601ded69505f6b829b89ad1f7',
        bytes: 2_357,
      },
    },
  },
  n4d16: {
    entries: 4,
    depth: 16,
    programId: '0x06cd2ca03afe25467850d2aa96f7f91b530291be1eca0bd213a8bc7b5b160422',
    files: {
      zkey: {
        address: '0x6ed86535dd6921f8dd8df4ddf2efc8614081c67a2a66c257f3abeb13779366e5',
        bytes: 75_088_876,
      },
      wasm: {
        address: '0xeefeb82de5c20169ba7336fa267bb47faf93edf8545e9bc9c6bda757a914ca3c',
        bytes: 7_262_430,
      },
      verificationKey: {
        address: '0x2405186985ff0549860bf7f49fe3e2da4f78fccd919f1e9f28de2b378aeaf2cb',
        bytes: 2_360,
      },
    },
  },
  n8d16: {
    entries: 8,
    depth: 16,
    programId: '0x8cb6223876084f183a041a64ed8e09369a53aa71fcd95df64e98e6d2e2d76d9a',
    files: {
      zkey: {
        address: '0xf1f4dbba3dd9a06b4c28a844db208fb7314eb7e572e4d076b12feaf0b0219430',
        bytes: 149_376_780,
      },
      wasm: {
        address: '0x616b0d6b737b49a6e7e35a2f21f156cabf6a907983e2b436600ae4de2beb238e',
        bytes: 7_674_673,
      },
      verificationKey: {
        address: '0x4f9f6fd5551a3803a8d16033b2c9ccca558bcb4921347849e6b8fd2b6ba4a733',
        bytes: 2_359,
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
