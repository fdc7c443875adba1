/** The command line of a validation. */
import { parseArgs } from 'node:util'
import { UsageError, whole } from '#simulations/main-options'

export { UsageError }

export type Options = {
  readonly nodes: number
  readonly seed: number
  readonly rounds: number
  /** Null: what the plan takes. */
  readonly stretch: number | null
  /** File the figures are written to as JSON; null: none. */
  readonly json: string | null
}

export const defaultOptions: Options = { nodes: 32, seed: 1, rounds: 16, stretch: null, json: null }

export const usage = `npm run sim -- validate [options]

Holds the simulator's gossip model against production's networking: the same auctions, between the
same places, over real libp2p connections through lines as long as measured between data centres.
Compares how fast requests and bids spread and how many copies are sent in vain. Exits 1 when the
model is off by more than 10 % (median), 15 % (p95) or 10 % (copies).

  --nodes N      nodes on either side, 8 to 64 (default ${defaultOptions.nodes})
  --seed N       decides places, connections and auctions (default ${defaultOptions.seed})
  --rounds N     auctions to hold, 1 to 200 (default ${defaultOptions.rounds})
  --stretch N    how much slower the real network is than the modelled one, 1 to 12: below 4 the
                 time this machine's CPU takes counts for too much (default: 6, or less where the
                 plan has long connections that libp2p would give up)
  --json FILE    write all figures there
  --help         this text
`

/** Fewer are all each other's neighbours; more want a machine of their own each. */
const NODES = [8, 64] as const
const ROUNDS = [1, 200] as const
const STRETCHES = [1, 12] as const
const SEEDS = [0, 1_000_000] as const

const integer = (name: string, text: string, [least, most]: readonly [number, number]): number =>
  whole(name, text, least, most)

/**
 * Reads the arguments. Null when help was asked for.
 * @throws UsageError for an unknown option or a value out of bounds.
 */
export function readOptions(args: readonly string[]): Options | null {
  const values = parse(args)
  if (values.help) return null
  const { nodes, seed, rounds } = defaultOptions
  return {
    nodes: integer('nodes', values.nodes ?? `${nodes}`, NODES),
    seed: integer('seed', values.seed ?? `${seed}`, SEEDS),
    rounds: integer('rounds', values.rounds ?? `${rounds}`, ROUNDS),
    stretch: values.stretch === undefined ? null : integer('stretch', values.stretch, STRETCHES),
    json: values.json ?? null,
  }
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const
  try {
    return parseArgs({
      args: [...args],
      options: {
        nodes: text,
        seed: text,
        rounds: text,
        stretch: text,
        json: text,
        help: { type: 'boolean' },
      },
    }).values
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error)
    throw new UsageError(`${what}. See npm run sim -- validate --help.`)
  }
}
