/** What the devnet plays: one job after the other, until all money is where it belongs. */
import { type Address, type Hex, ZERO_ADDRESS } from '#protocol/schema'
import { publicInputsHash, type TableContext, tableWords } from '#protocol/table'
import { CHAIN_ID } from './chain.ts'
import type { Display } from './display.ts'
import type { Wanted } from './door.ts'
import { SLASH_AFTER_MS, terms } from './genesis.ts'
import { isClosed, isDelivered, Journal } from './journal.ts'
import { rpc } from './json-rpc.ts'
import { type Load, LoadMaker, shapes } from './load.ts'
import type { Network } from './network.ts'
import { until } from './until.ts'

export type PlayOptions = {
  readonly network: Network
  readonly display: Display
  readonly seed: string
  readonly shape: string
  readonly programId: Hex
  readonly jobs: number
  /** Ends every wait. */
  readonly signal: AbortSignal
}

/**
 * Where the tables are to be posted. There is no such contract yet, so it is an address of nobody;
 * the tables are bound to it all the same.
 */
const VENUE: Address = `0x${'7e'.repeat(20)}`
/** How long a table stays good: a job and its wait for a block. Blocks. */
const TABLE_BLOCKS = 64
/**
 * How long a proof or a slash may be late on a busy machine before the devnet says that something
 * is wrong. ms.
 */
const PATIENCE_MS = 30_000

/**
 * Plays all jobs; resolves with the journal when each is closed. @throws Error for one that does
 * not end.
 */
export async function play(options: PlayOptions): Promise<Journal> {
  const { network, display, jobs, signal } = options
  const journal = new Journal()
  const listening = Promise.withResolvers<void>()
  const following = network.door.events((seen) => {
    const job = journal.take(seen)
    display.event(seen, job)
  }, listening.resolve)
  await Promise.race([listening.promise, following])
  const maker = new LoadMaker(options.seed, shapes[options.shape]!)
  for (let number = 1; number <= jobs; number++) {
    const load = maker.next(await tableContext(network.rpcUrl))
    display.say(`job ${String(number).padEnd(3)} a table: ${load.what}`)
    const dueInMs = number === 1 ? terms.firstDueInMs : terms.dueInMs
    const { programId, shape } = options
    const wanted = wantedOf(load, { programId, shape, verifier: network.market.verifier, dueInMs })
    const { requestId } = await network.door.prove(wanted)
    await until(
      () => {
        const job = journal.job(requestId)
        return job !== undefined && isDelivered(job)
      },
      terms.dueInMs + PATIENCE_MS,
      `job ${number} has neither a proof nor an end`,
      signal,
    )
  }
  await closeAll(journal, display, signal)
  return journal
}

/** Waits until every job has ended and every start is paid or slashed, saying that it waits. */
async function closeAll(journal: Journal, display: Display, signal: AbortSignal): Promise<void> {
  const open = journal.jobs.filter((job) => !isClosed(job))
  const lastDueAt = Math.max(0, ...open.map(({ dueAt }) => dueAt))
  const { done } = display.progress(
    'waiting for the chain: settlements, and slashes once they are allowed',
  )
  const limitMs = Math.max(0, lastDueAt - Date.now()) + SLASH_AFTER_MS + PATIENCE_MS
  try {
    await until(() => journal.jobs.every(isClosed), limitMs, 'some job is not closed', signal)
  } finally {
    done()
  }
}

/** Where and when a table of the next job is good. */
export async function tableContext(rpcUrl: string): Promise<TableContext> {
  const firstBlock = Number(await rpc<Hex>(rpcUrl, 'eth_blockNumber'))
  const lastBlock = firstBlock + TABLE_BLOCKS
  return { chainId: CHAIN_ID, venue: VENUE, executor: ZERO_ADDRESS, firstBlock, lastBlock }
}

/** What the builder asks for: a proof of this table, on the devnet's terms. */
export function wantedOf(
  { table, tableDigest, inputs }: Load,
  of: Pick<Wanted, 'programId' | 'verifier' | 'dueInMs'> & { readonly shape: string },
): Wanted {
  const { entries } = shapes[of.shape]!
  return {
    programId: of.programId,
    verifier: of.verifier,
    venue: table.venue,
    publicInputsHash: publicInputsHash(tableWords(table, entries)),
    tableDigest,
    inputs: `0x${Buffer.from(inputs).toString('hex')}`,
    work: entries,
    reserveWei: terms.reserveWei.toString(),
    bondWei: terms.bondWei.toString(),
    latenessWeiPerMs: terms.latenessWeiPerMs.toString(),
    softDueInMs: terms.softDueInMs,
    dueInMs: of.dueInMs,
    backups: terms.backups,
    claimBaseFeeCapWei: terms.claimBaseFeeCapWei.toString(),
  }
}
