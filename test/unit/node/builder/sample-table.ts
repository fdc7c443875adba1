/** A small table of one entry, for tests that need no chain. */
import { ZERO_ADDRESS, ZERO_WORD } from '#protocol/schema'
import type { Table } from '#protocol/table'

const word = (digit: string) => `0x0${digit.repeat(63)}` as const

export const sampleTable: Table = {
  chainId: 31_337,
  venue: `0x${'22'.repeat(20)}`,
  executor: `0x${'33'.repeat(20)}`,
  firstBlock: 5,
  lastBlock: 9,
  parentHash: ZERO_WORD,
  programs: [{ rollupId: 1n, verifier: `0x${'44'.repeat(20)}`, programId: word('5') }],
  entries: [
    {
      deltas: [
        {
          ...{ rollupId: 1n, rootBefore: word('1'), rootAfter: word('2'), etherDelta: 7n },
          ...{ sent: ZERO_WORD, received: ZERO_WORD },
        },
      ],
      action: {
        ...{ actionType: 'CALL', rollupId: 1n, destination: `0x${'01'.repeat(20)}`, value: 7n },
        ...{ data: '0xd0e30db0', failed: false, sourceAddress: `0x${'33'.repeat(20)}` },
        ...{ sourceRollup: 0n, scope: [] },
      },
      next: {
        ...{ actionType: 'RESULT', rollupId: 0n, destination: ZERO_ADDRESS, value: 0n },
        ...{ data: word('7'), failed: false, sourceAddress: ZERO_ADDRESS, sourceRollup: 1n },
        scope: [],
      },
    },
  ],
}
