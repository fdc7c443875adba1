/** The command line of `npm run sim`. */
import { parseArgs } from 'node:util'
import { resolve, type Scenario, settingsOf, type Values } from './scenario.ts'

export type Options = {
  readonly scenario: Scenario
  readonly values: Values
  readonly seeds: readonly number[]
  /** Threads, one seed each at a time. */
  readonly cores: number
  readonly json: string | null
  readonly html: string | null
  readonly compare: string | null
}
export type Asked = Options | 'help' | 'list' | { readonly about: Scenario }

export const usage = `npm run sim -- SCENARIO [options]
npm run sim -- validate [options]    the model against real libp2p; --help tells more
npm run sim -- --list                what scenarios there are

Plays a scenario with production's market under a virtual clock. The same seed gives the same
run, down to the hash of its event log. The exit status is 1 when a line does not hold or an
invariant is broken, and a command that plays the same again is printed.

  --seed N        the (first) seed (default 1)
  --seeds N       play so many seeds, one a core at a time (default 1)
  --cores N       use at most so many cores
  --nodes N       short for --set nodes=N
  --set KEY=VALUE a setting of the scenario; SCENARIO --help lists them; may be repeated
  --json FILE     write everything as JSON
  --html FILE     write a page with plots, which needs no network
  --compare FILE  hold this against runs that were written with --json
  --help          this text; after a scenario's name, its settings
`

/** What is wrong with the command line, in the words of whoever typed it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A whole number within bounds. @throws UsageError that names the option. */
export function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw new UsageError(`--${name} must be a whole number from ${least} to ${most}, not "${text}".`)
}

const MAX_SEED = 2 ** 40
const MAX_SEEDS = 10_000

/**
 * Reads the arguments.
 * @param cores How many cores there are.
 * @throws UsageError, SettingError for what cannot be.
 */
export function readOptions(
  args: readonly string[],
  scenarios: readonly Scenario[],
  cores: number,
): Asked {
  const { values, positionals } = parse(args)
  if (values.list) return 'list'
  const [name, ...rest] = positionals
  if (name === undefined) {
    if (values.help) return 'help'
    throw new UsageError(`Which scenario? There are ${scenarios.map((s) => s.name).join(', ')}.`)
  }
  const scenario = scenarios.find((known) => known.name === name)
  if (!scenario) {
    const names = scenarios.map((known) => known.name).join(', ')
    throw new UsageError(`There is no scenario "${name}". There are ${names}.`)
  }
  if (values.help) return { about: scenario }
  if (rest.length > 0) throw new UsageError(`One scenario at a time: what is "${rest[0]}"?`)
  const first = whole('seed', values.seed, 0, MAX_SEED)
  const count = whole('seeds', values.seeds, 1, MAX_SEEDS)
  return {
    scenario,
    values: resolveAll(scenario, values.set, values.nodes),
    seeds: Array.from({ length: count }, (_, index) => first + index),
    cores: values.cores === undefined ? cores : whole('cores', values.cores, 1, 256),
    json: values.json ?? null,
    html: values.html ?? null,
    compare: values.compare ?? null,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        seed: { type: 'string', default: '1' },
        seeds: { type: 'string', default: '1' },
        cores: { type: 'string' },
        nodes: { type: 'string' },
        set: { type: 'string', multiple: true, default: [] },
        json: { type: 'string' },
        html: { type: 'string' },
        compare: { type: 'string' },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function resolveAll(scenario: Scenario, set: readonly string[], nodes: string | undefined): Values {
  const given: Record<string, string> = nodes === undefined ? {} : { nodes }
  for (const each of set) {
    const at = each.indexOf('=')
    if (at <= 0) throw new UsageError(`--set takes KEY=VALUE, not "${each}".`)
    given[each.slice(0, at)] = each.slice(at + 1)
  }
  return resolve(scenario, given)
}

/** A scenario's own help. */
export function about(scenario: Scenario): string {
  const settings = Object.entries(settingsOf(scenario))
  const width = Math.max(...settings.map(([name]) => name.length))
  const lines = settings.map(
    ([name, { value, says }]) => `  ${name.padEnd(width)}  ${says} (${value})`,
  )
  const broken = Object.entries(scenario.broken.set).map(([name, value]) => `${name}=${value}`)
  return [
    ...[`${scenario.name}: ${scenario.title}`, '', scenario.says, ''],
    ...['Settings, with their defaults, for --set KEY=VALUE:', '', ...lines, ''],
    `Its lines fail with ${broken.join(' ')}: ${scenario.broken.says}.`,
    '',
  ].join('\n')
}

/** The list of scenarios. */
export function list(scenarios: readonly Scenario[]): string {
  const width = Math.max(...scenarios.map(({ name }) => name.length))
  const lines = scenarios.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`)
  return `${lines.join('\n')}\n`
}
