import { expect, test } from 'vitest'
import { proofDemands } from '#node/builder/batch'
import { publicInputsHash, tableWords } from '#protocol/words'
import { program, sample } from '#test/support/ledger-sample'

const { table } = sample(4)
const other = { ...program, verifier: `0x${'0d'.repeat(20)}` as const }

test('one proof for each distinct program, in the order of first naming', () => {
  const named = [1n, 2n, 3n, 4n].map((rollupId, at) => ({
    ...(at === 1 || at === 3 ? other : program),
    rollupId,
  }))
  const mixed = { ...table, programs: named }
  expect(proofDemands(mixed)).toEqual(
    [program, other].map((one) => ({
      ...one,
      publicInputsHash: publicInputsHash(tableWords(mixed, one)),
    })),
  )
})
