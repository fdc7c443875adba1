/** The devnet's command line. */
import { parseArgs } from 'node:util'

export type Options = {
  /** Jobs the builder asks for before the devnet closes; with `watch`, before it falls silent. */
  readonly jobs: number
  /** Prover agents, the stalling one among them. */
  readonly provers: number
  /** Stay up after the last job, until Ctrl-C. */
  readonly watch: boolean
  /** File the JSON report is written to; null: none. */
  readonly report: string | null
  /** Decides every key and every table. */
  readonly seed: string
  /**
   * Folder for keys, stores and logs, kept afterwards; null: a temporary one, removed when all went
   * well.
   */
  readonly keep: string | null
  /** An agent's `calibration.json`, believed by all provers; null: the first one measures. */
  readonly calibration: string | null
}

export const usage = `npm start -- [options]

Runs a whole market on this machine: a chain, a bootstrap node, a builder and prover agents, each a
process of its own. The builder asks for proofs of real tables; one prover accepts a job and stays
silent. Ends with a table of balances.

  --jobs N       jobs to run (default 8)
  --provers N    prover agents, 2 to 8, one of which stalls (default 3)
  --seed TEXT    decides keys and accounts (default devnet)
  --report FILE  write figures of every job and the conservation check as JSON
  --watch        stay up after the last job; Ctrl-C ends
  --keep FOLDER  keep keys, stores and logs there
  --calibration FILE  believe these times of proofs (an agent's calibration.json) instead of
                 measuring
  --help         this text
`

/** More jobs than this want a rig, not a devnet. */
const MAX_JOBS = 10_000
/** Fewer have no backup to save the stalled job; more do not fit a laptop. */
const [MIN_PROVERS, MAX_PROVERS] = [2, 8]

/** What is wrong with the command line, in the words of whoever typed it. */
export class UsageError extends Error {}

function integer(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw new UsageError(`--${name} must be a whole number from ${least} to ${most}, not "${text}".`)
}

/**
 * Reads the arguments. Null when help was asked for.
 * @throws UsageError for an unknown option or a value out of bounds.
 */
export function readOptions(args: readonly string[]): Options | null {
  const values = parse(args)
  if (values.help) return null
  return {
    jobs: integer('jobs', values.jobs, 1, MAX_JOBS),
    provers: integer('provers', values.provers, MIN_PROVERS, MAX_PROVERS),
    watch: values.watch,
    report: values.report ?? null,
    seed: values.seed,
    keep: values.keep ?? null,
    calibration: values.calibration ?? null,
  }
}

function parse(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        jobs: { type: 'string', default: '8' },
        provers: { type: 'string', default: '3' },
        watch: { type: 'boolean', default: false },
        report: { type: 'string' },
        seed: { type: 'string', default: 'devnet' },
        keep: { type: 'string' },
        calibration: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
    return values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
