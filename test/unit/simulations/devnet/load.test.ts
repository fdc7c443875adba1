import { describe, expect, test } from 'vitest'
import { checkInputs } from '#protocol/inputs'
import { publicInputsHash, type TableContext, tableWords } from '#protocol/table'
import { shapes as circuits } from '#prover-agent/circuits/shapes'
import { LoadMaker, shapes } from '#simulations/devnet/load'

const context: TableContext = {
  chainId: 31_337,
  venue: `0x${'11'.repeat(20)}`,
  executor: `0x${'00'.repeat(20)}`,
  firstBlock: 1,
  lastBlock: 50,
}

describe('devnet load', () => {
  test.each(Object.entries(shapes))(
    'tables for %s can be proven, one after the other',
    (_, shape) => {
      const maker = new LoadMaker('seed', shape)
      for (let i = 0; i < 12; i++) {
        const { table, tableDigest, inputs } = maker.next(context)
        const terms = {
          inputBytes: inputs.length,
          venue: table.venue,
          tableDigest,
          publicInputsHash: publicInputsHash(tableWords(table, shape.entries)),
        }
        expect(checkInputs(inputs, terms, shape)).toBeNull()
      }
    },
  )

  test('each table starts from the state the one before left', () => {
    const maker = new LoadMaker('seed', shapes.tiny!)
    const roots = new Map<bigint, bigint>()
    for (let i = 0; i < 12; i++) {
      for (const entry of maker.next(context).table.entries) {
        const before = [
          [entry.sourceRollup, entry.sourceBefore],
          [entry.destinationRollup, entry.destinationBefore],
        ] as const
        for (const [rollup, root] of before) expect(roots.get(rollup) ?? root).toBe(root)
        roots.set(entry.sourceRollup, entry.sourceAfter)
        roots.set(entry.destinationRollup, entry.destinationAfter)
      }
    }
  })

  test('the seed decides the tables', () => {
    const digests = (seed: string) => {
      const maker = new LoadMaker(seed, shapes.tiny!)
      return [1, 2, 3].map(() => maker.next(context).tableDigest)
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
