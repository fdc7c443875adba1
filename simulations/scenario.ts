/** What a scenario is: a file with settings, what happens, and lines that must hold. */
import type { Params } from '#protocol/params'
import type { ChainOptions } from './chain.ts'
import type { Place } from './regions.ts'
import type { Finding, Measure } from './result.ts'
import type { Stage } from './stage.ts'

export type SettingValue = number | string | boolean
export type Setting = {
  readonly value: SettingValue
  /** What it is, with its unit. */
  readonly says: string
  /** For words: those it can be. */
  readonly choices?: readonly string[]
  /** For numbers: the least and the most. */
  readonly least?: number
  readonly most?: number
}
export type Settings = Readonly<Record<string, Setting>>
export type Values = Readonly<Record<string, SettingValue>>

export type Scenario = {
  readonly name: string
  /** One line for the list. */
  readonly title: string
  /** What is tried, and what would be bad. A few sentences. */
  readonly says: string
  /** Its own settings, and other defaults for common ones. */
  readonly settings: Settings
  /**
   * With these its lines must not hold: the defence switched off, or, where it only measures, a
   * planted violation. A test runs both.
   */
  readonly broken: { readonly set: Values; readonly says: string }
  /** Smaller sizes at which its lines hold too, and fail when broken: for a test within seconds. */
  readonly quick: Values
  /** Connections beside those that are drawn: who dials whom, by node. */
  readonly dials?: (values: Values) => readonly (readonly [number, number])[]
  /** Where a node is, if not as drawn: builders have the first nodes, provers the next. */
  readonly placed?: (node: number, drawn: Place, values: Values) => Place
  /** How its chain differs from an ordinary day's. */
  readonly chain?: (values: Values) => ChainOptions
  /** Rules of the market that differ from production's, where a rule is what is tried. */
  readonly params?: (values: Values) => Partial<Params>
  /** Puts actors on the stage and says what happens when. Runs before the first event. */
  readonly play: (stage: Stage) => void
  /** The lines, and what was seen. Runs after the last event. */
  readonly judge: (stage: Stage) => readonly Finding[]
  /** Further figures. */
  readonly measures?: (stage: Stage) => readonly Measure[]
}

const number = (value: number, says: string, least = 0, most = 1e9): Setting => ({
  value,
  says,
  least,
  most,
})

/** Settings every scenario has. A scenario gives some of them other defaults. */
export const commonSettings: Settings = {
  nodes: number(1_000, 'nodes in the network', 8, 100_000),
  provers: number(100, 'provers among them', 0, 5_000),
  builders: number(4, 'builders among them', 1, 500),
  observers: number(2, 'nodes that follow the whole market and take no part', 0, 100),
  auctions: number(40, 'requests in all', 1, 100_000),
  everyMs: number(1_000, 'time between two requests, ms', 1, 1e7),
  bidWindowMs: number(400, 'bid window of a request, ms', 100, 2_000),
  dueMs: number(12_000, 'from the close to the due time, ms', 1_000, 60_000),
  backups: number(1, 'backups a request asks for', 0, 3),
  kappa: number(10, 'price lost per wei of lateness cost past the promise', 0, 1_000),
  homePercent: number(0, 'nodes at home: 50 Mbit, 20 ms more, 0.1 % loss', 0, 100),
  laggyPercent: number(0, 'nodes with a bad line: 300 ms more, 5 % loss', 0, 100),
  lossPercent: number(0, 'sendings that lose a packet on every link, percent', 0, 100),
  skewMs: number(10, 'clocks are off by up to this, ms', 0, 60_000),
  degree: number(8, 'peers in a mesh (D; its bounds are 3/4 and 3/2 of it)', 2, 64),
  outbound: number(3, 'mesh peers a node dialled itself (Dout)', 0, 16),
  connections: number(12, 'peers each node dials', 1, 200),
  floodBids: { value: true, says: 'whether provers send their bids to all peers, not to D' },
  validationMs: number(0.15, 'judging one message, ms', 0, 100),
  firstHop: {
    value: true,
    says: 'whether nodes check messages before they pass them on',
  },
  claimWindowS: number(96, 'claim window of the contracts, s of block time', 12, 10_000),
  provingMs: number(3_000, 'fastest proof of the median rig, ms', 1, 60_000),
  lanes: number(1, 'proofs a rig makes at once', 1, 64),
  reserveGwei: number(3_000_000, 'reserve of a request, gwei', 1, 1e12),
  confirmations: number(2, 'blocks until a node believes the chain', 0, 64),
}

/** A scenario's settings with their defaults. */
export const settingsOf = (scenario: Scenario): Settings => ({
  ...commonSettings,
  ...scenario.settings,
})

/** A mistake in what was asked for, and what there is instead. */
export class SettingError extends Error {
  override readonly name = 'SettingError'
}

/** The values of a run. @throws SettingError for a name or value that cannot be. */
export function resolve(scenario: Scenario, given: Readonly<Record<string, unknown>>): Values {
  const settings = settingsOf(scenario)
  const values: Record<string, SettingValue> = {}
  for (const [name, { value }] of Object.entries(settings)) values[name] = value
  for (const [name, text] of Object.entries(given)) {
    const setting = settings[name]
    if (!setting) {
      const names = Object.keys(settings).join(', ')
      throw new SettingError(`${scenario.name} has no setting ${name}; there are ${names}`)
    }
    values[name] = parse(name, setting, String(text))
  }
  const taken = Number(values.provers) + Number(values.builders) + Number(values.observers)
  if (taken > Number(values.nodes))
    throw new SettingError(`${taken} builders, provers and observers need as many nodes`)
  return values
}

function parse(name: string, setting: Setting, text: string): SettingValue {
  const { value, choices, least = 0, most = 1e9 } = setting
  if (typeof value === 'number') {
    const parsed = Number(text.replaceAll('_', ''))
    if (text.trim() !== '' && parsed >= least && parsed <= most) return parsed
    throw new SettingError(`${name} is a number from ${least} to ${most}, not ${text}`)
  }
  if (typeof value === 'boolean') {
    if (['true', 'on', 'yes'].includes(text)) return true
    if (['false', 'off', 'no'].includes(text)) return false
    throw new SettingError(`${name} is on or off, not ${text}`)
  }
  if (!choices || choices.includes(text)) return text
  throw new SettingError(`${name} is one of ${choices.join(', ')}, not ${text}`)
}
