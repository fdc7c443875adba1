/**
 * What writing a table costs beside its simulations: eight entries, of an EVM rollup that calls L1
 * and of a ledger, against anvil. State functions, encoding and rules are the difference.
 */
import type { WrittenTable } from '#node/builder/writer'
import { a, calling, FIRST, OWNED, startTablesStage, write } from '#test/support/tables-stage'
import { type Metrics, median } from './measure.ts'

const ENTRIES = 8
const ROUNDS = 9
/** Most the writer may add to its simulations. ms. */
const MOST_BESIDE_MS = 1_000

const besideMs = ({ totalMs, simulationMs }: WrittenTable): number => totalMs - simulationMs

export async function table(): Promise<Metrics> {
  const { chain, q, playing, onLedger } = await startTablesStage()
  try {
    // Two entries each: the call, and L1's answer.
    const across = [1, 2].map((slot) => calling(a, [write(slot, 1n), calling(q, [], 1n)], 2n))
    const deposits = Array.from({ length: 4 }, () => onLedger(FIRST, OWNED, '0x', 1n))
    const calls = [playing(across, 4n), ...deposits]
    const rounds: WrittenTable[] = []
    while (rounds.length < ROUNDS) rounds.push(await chain.write(calls))
    const [cold, ...warm] = rounds as [WrittenTable, ...WrittenTable[]]
    if (cold.table.entries.length !== ENTRIES) {
      throw new Error(`${cold.table.entries.length} entries, not ${ENTRIES}`)
    }
    const worst = Math.max(...rounds.map(besideMs))
    if (worst > MOST_BESIDE_MS) throw new Error(`${worst} ms beside the simulations`)
    const beside = median(warm.map(besideMs))
    return {
      entries: ENTRIES,
      simulations: cold.simulations,
      totalMs: median(warm.map(({ totalMs }) => totalMs)),
      simulationsMs: median(warm.map(({ simulationMs }) => simulationMs)),
      differenceMs: beside,
      differencePerEntryMs: beside / ENTRIES,
      firstTotalMs: cold.totalMs,
      firstDifferenceMs: besideMs(cold),
    }
  } finally {
    await chain.stop()
  }
}
