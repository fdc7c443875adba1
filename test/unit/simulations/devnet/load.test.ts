import { describe, expect, test } from 'vitest'
import { checkInputs } from '#protocol/inputs'
import { type TableContext, ZERO_HASH } from '#protocol/table'
import { shapes as circuits } from '#prover-agent/circuits/shapes'
import { LoadMaker, shapes } from '#simulations/devnet/load'

const context: TableContext = {
  chainId: 31_337,
  venue: `0x${'11'.repeat(20)}`,
  executor: `0x${'00'.repeat(20)}`,
  firstBlock: 1,
  lastBlock: 50,
  parentHash: ZERO_HASH,
}
const program = { verifier: `0x${'22'.repeat(20)}`, programId: `0x${'33'.repeat(32)}` } as const
const keyId = `0x${'44'.repeat(32)}` as const

describe('devnet load', () => {
  test.each(Object.entries(shapes))(
    'tables for %s can be proven, one after the other',
    (_, shape) => {
      const maker = new LoadMaker('seed', shape)
      for (let i = 0; i < 6; i++) {
        const { table, tableDigest, segments } = maker.next(context, program, keyId, 1 + (i % 3))
        expect(segments).toHaveLength(1 + (i % 3))
        for (const { inputs, publicInputsHash } of segments) {
          const { verifier } = program
          const terms = { inputBytes: inputs.length, venue: table.venue, verifier, tableDigest }
          const asked = { ...terms, programId: keyId, publicInputsHash }
          expect(checkInputs(inputs, asked, shape)).toBeNull()
        }
      }
    },
  )

  test('each table starts from the state the one before left', () => {
    const maker = new LoadMaker('seed', shapes.tiny!)
    const roots = new Map<bigint, string>()
    for (let i = 0; i < 12; i++) {
      for (const { deltas } of maker.next(context, program, keyId).table.entries) {
        for (const { rollupId, rootBefore, rootAfter } of deltas) {
          expect(roots.get(rollupId) ?? rootBefore).toBe(rootBefore)
          roots.set(rollupId, rootAfter)
        }
      }
    }
    expect([...roots.keys()].sort()).toEqual([1n, 2n])
  })

  test('the seed decides the tables', () => {
    const digests = (seed: string) => {
      const maker = new LoadMaker(seed, shapes.tiny!)
      return [1, 2, 3].map(() => maker.next(context, program, keyId).tableDigest)
    }
    expect(digests('a')).toEqual(digests('a'))
    expect(digests('a')).not.toEqual(digests('b'))
  })

  test('the sizes are those of the circuits', () => {
    for (const [name, shape] of Object.entries(shapes)) {
      expect(circuits[name as keyof typeof circuits]).toMatchObject(shape)
    }
  })
})
