/**
 * Random trees of calls between contracts of L1 and of three EVM rollups, played twice: as
 * contracts of one chain, and through proxies, tables, owners' proofs and one mined transaction.
 * Everything anybody was answered, all ether and all storage must come out the same.
 *
 * Where tables differ from one chain by design, the trees do not look:
 * - `msg.sender` of a call from elsewhere is the caller's proxy: Players record no sender.
 * - Gas is counted apart on each chain, and a call out has no gas limit: Players do not read it.
 * - `tx.origin`, block number, time and chain id are each chain's own: Players do not read them.
 * - A rollup's contract that makes a static call elsewhere makes an ordinary call without ether:
 *   what is called so only looks.
 * - A static call from L1 is answered by one entry: what is called so stays on its rollup.
 * - `tryCall` is the registry's, and one chain has none: there it is a low-level call. One that
 *   cannot be paid never reaches the registry and so reverts: those are always paid.
 * - Scopes have at most 15 steps and tables 64 entries: trees are smaller.
 * - A transaction that reverts as a whole needs no table: the outermost Player tries what it calls.
 *
 * Two files play half of the trees each, so that both cores of a small machine have one.
 * DIFFERENTIAL_TREES says how many trees a file plays, DIFFERENTIAL_SEED where their seeds begin.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { callTree } from './call-trees.ts'
import { type Outcome, parties, TwinChains } from './twin-chains.ts'

/** On a machine that other tests keep busy. ms a tree. */
const PATIENCE_MS = 1_000
/** Each has chains of its own: while one waits for its anvil another runs its rollups. */
const LANES = 2

/** What the trees had in them: how many had it, and how often it came. */
class Census {
  readonly #trees = new Map<string, number>()
  readonly #times = new Map<string, number>()
  #entries: number[] = []

  count({ written }: Outcome): void {
    const { entries } = written.table
    const seen = entries.flatMap(({ action, next }) => {
      const failed = next.actionType === 'RESULT' && next.failed ? ['failed answer'] : []
      const abroad =
        action.sourceRollup !== 0n && action.actionType === 'CALL' ? ['rollup to rollup'] : []
      const out = next.actionType === 'CALL' && next.rollupId === 0n ? ['rollup to L1'] : []
      return [action.actionType, ...failed, ...abroad, ...out]
    })
    if (new Set(written.table.programs.map(({ rollupId }) => rollupId)).size > 1)
      seen.push('2+ rollups')
    for (const one of seen) this.#times.set(one, this.timesOf(one) + 1)
    for (const one of new Set(seen)) this.#trees.set(one, this.treesWith(one) + 1)
    this.#entries.push(entries.length)
  }

  treesWith = (what: string): number => this.#trees.get(what) ?? 0
  timesOf = (what: string): number => this.#times.get(what) ?? 0

  toString(): string {
    const sorted = this.#entries.toSorted((a, b) => a - b)
    const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]
    const shares = [...this.#trees]
      .toSorted(([, a], [, b]) => b - a)
      .map(([what, trees]) => `${what} in ${Math.round((100 * trees) / sorted.length)} %`)
    const sizes = `median ${at(0.5)}, 90 % up to ${at(0.9)}, most ${at(1)}`
    return `${sorted.length} trees; entries: ${sizes}; ${shares.join(', ')}`
  }
}

const replay = (seed: number): string =>
  `DIFFERENTIAL_SEED=${seed} DIFFERENTIAL_TREES=1 npx vitest run test/tables/differential-first`

async function play(lane: TwinChains, seed: number): Promise<Outcome> {
  const script = callTree(seed, parties)
  try {
    const outcome = await lane.play(script)
    expect(outcome.tables).toEqual(outcome.plain)
    return outcome
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    throw new Error(`tree ${seed}: ${what}\nAgain: ${replay(seed)}`, { cause: error })
  }
}

/** The test of `count` trees with the seeds from `first` on, unless the environment says others. */
export function testTrees(first: number, count: number): void {
  const firstSeed = Number(process.env.DIFFERENTIAL_SEED ?? first)
  const treeCount = Number(process.env.DIFFERENTIAL_TREES ?? count)
  let lanes: TwinChains[] = []
  beforeAll(async () => {
    const starting = Array.from({ length: Math.min(LANES, treeCount) }, () => TwinChains.start())
    lanes = await Promise.all(starting)
  })
  afterAll(() => Promise.all(lanes.map((lane) => lane.stop())))

  test(
    'calls across chains come out as on one chain: answers, ether and storage',
    async () => {
      const census = new Census()
      let at = 0
      const work = lanes.map(async (lane) => {
        while (at < treeCount) census.count(await play(lane, firstSeed + at++))
      })
      await Promise.all(work)
      console.info(`differential: ${census}`)
      if (treeCount < 200) return
      // Trees without these would show little.
      for (const what of ['TRY_CALL', 'REVERT_CONTINUE', 'rollup to rollup', 'failed answer']) {
        expect(census.treesWith(what), what).toBeGreaterThan(treeCount / 20)
      }
    },
    60_000 + PATIENCE_MS * treeCount,
  )
}
