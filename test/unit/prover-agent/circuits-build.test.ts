import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { programId } from '#protocol/proof'
import { wordCount } from '#protocol/words'
import { buildShape, type ShapeMeta } from '#prover-agent/circuits/build'
import {
  loadVerificationKey,
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

const sha256 = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex')

describe('the development key of the tiny shape', () => {
  test('is the same bytes on every machine', async () => {
    const files = shapeFiles('tiny')
    expect(await sha256(files.zkey)).toBe(shapes.tiny.zkeySha256)
    expect(await sha256(files.verificationKey)).toBe(shapes.tiny.verificationKeySha256)
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
    expect(written.sha256['circuit.zkey']).toBe(shapes.tiny.zkeySha256)
  })

  test('is not built again while its sources are the same', async () => {
    const lines: string[] = []
    expect(await buildShape('tiny', (line) => lines.push(line))).toEqual(meta)
    expect(lines).toEqual([])
  })
})

describe('shapes', () => {
  test('are found by their program, and only by it', () => {
    for (const name of shapeNames) expect(shapeOf(shapes[name].programId)).toBe(name)
    expect(shapeOf(`0x${'00'.repeat(32)}`)).toBeNull()
  })
})
