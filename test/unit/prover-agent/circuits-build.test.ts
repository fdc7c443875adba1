import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { DEFAULT_KEY_FOLDER, keyFileNames, listFile } from '#node/key-files'
import { addressOfList } from '#protocol/key-pieces'
import { programId } from '#protocol/proof'
import { wordCount } from '#protocol/words'
import { buildShape, constantsOf, type ShapeMeta } from '#prover-agent/circuits/build'
import {
  type KeyFileKind,
  keyFileKinds,
  loadVerificationKey,
  ROOT,
  shapeFiles,
  shapeNames,
  shapeOf,
  shapes,
  verifierConstructorArgs,
} from '#prover-agent/circuits/shapes'

let meta: ShapeMeta
beforeAll(async () => {
  meta = await buildShape('tiny', () => {})
}, 120_000)

/** A file as a request for it names it. */
async function named(path: string) {
  const list = (await listFile(path))!
  return { address: addressOfList(list), bytes: list.bytes }
}

describe('the development key of the tiny shape', () => {
  test('is the same bytes on every machine', async () => {
    const paths = shapeFiles('tiny')
    const { zkey, wasm, verificationKey } = shapes.tiny.files
    expect(await named(paths.zkey)).toEqual(zkey)
    expect(await named(paths.wasm)).toEqual(wasm)
    expect(await named(paths.verificationKey)).toEqual(verificationKey)
  })

  test('has the name its verification key hashes to', async () => {
    const key = await loadVerificationKey('tiny')
    expect(programId(key)).toBe(shapes.tiny.programId)
    expect(meta.programId).toBe(shapes.tiny.programId)
    expect(key.wordCount).toBe(wordCount(shapes.tiny.entries))
    expect((await verifierConstructorArgs('tiny'))[0]).toMatchObject([
      { wordCount: BigInt(key.wordCount) },
    ])
  })

  test('is marked insecure', async () => {
    const written = JSON.parse(await readFile(shapeFiles('tiny').meta, 'utf8'))
    expect(written).toMatchObject({ insecure: true, note: expect.stringContaining('forge') })
    expect(written.files).toEqual(shapes.tiny.files)
  })

  test('is not built again while its sources are the same', async () => {
    const lines: string[] = []
    expect(await buildShape('tiny', (line) => lines.push(line))).toEqual(meta)
    expect(lines).toEqual([])
  })
})

describe('shapes', () => {
  test('are printed by the build as they are written down', async () => {
    const source = await readFile(join(ROOT, 'prover-agent/circuits/shapes.ts'), 'utf8')
    expect(source).toContain(constantsOf(meta))
  })

  test('lie where a node looks for key files to serve', () => {
    expect(shapeFiles('tiny').directory).toBe(join(DEFAULT_KEY_FOLDER, 'tiny'))
    expect(Object.values(keyFileKinds)).toEqual(keyFileNames)
    for (const [kind, file] of Object.entries(keyFileKinds)) {
      expect(shapeFiles('tiny')[kind as KeyFileKind]).toBe(join(DEFAULT_KEY_FOLDER, 'tiny', file))
    }
  })

  test('are found by their program, and only by it', () => {
    for (const name of shapeNames) expect(shapeOf(shapes[name].programId)).toBe(name)
    expect(shapeOf(`0x${'00'.repeat(32)}`)).toBeNull()
  })
})
