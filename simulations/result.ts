/**
 * What one run of a scenario gives: plain data, the same for terminal, JSON and HTML. All but
 * `wallS` follows from scenario, settings and seed.
 */

/** A rule that was broken, and the event that did it. */
export type Violation = {
  /** I1 … I8: DESIGN's list, repeated in `simulations/README.md`. */
  readonly invariant: `I${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8}`
  /** ms since the start of the run. */
  readonly atMs: number
  /** How many events had run before the one that did it. */
  readonly event: number
  /** What that event was, and what is wrong now. */
  readonly what: string
}

/** One pass line of a scenario: what must or must not happen, and what was seen. */
export type Finding = {
  readonly line: string
  readonly holds: boolean
  /** The figures behind it, as text. */
  readonly seen: string
}

/** A figure with a name, for tables, comparisons and intervals over seeds. */
export type Measure = {
  readonly name: string
  /** `ms`, `%`, `gwei`, `ether`, `KiB`, `1` for counts and ratios. */
  readonly unit: string
  readonly value: number
}

/**
 * The distribution of something: its 0th to 100th percentile, 101 values; none if nothing was seen.
 */
export type Curve = {
  readonly name: CurveName
  readonly unit: string
  readonly quantiles: readonly number[]
}
export type CurveName =
  /** From publishing to each node's first copy, all messages and nodes. ms. */
  | 'propagation'
  /** From a request's opening to the award at its builder. ms. */
  | 'request to award'
  /** Pay over the winner's own cost, of each job that was paid. Ratio. */
  | 'price over cost'
  /** Share of the run each prover spent proving. Percent. */
  | 'utilisation'
  /** Copies each node got beyond the first, per message it heard. */
  | 'duplicates'
  /** Sent by each node, per second of the run. KiB. */
  | 'bytes sent'

/** What happened to the nodes of one region. */
export type RegionRow = {
  readonly region: string
  readonly nodes: number
  readonly provers: number
  /** First copies of messages at its nodes. ms. */
  readonly propagationP50Ms: number
  readonly propagationP95Ms: number
  /** Share of its provers' bids that their builder counted. Percent; `null` without bids. */
  readonly bidsCountedPercent: number | null
  readonly wins: number
}

/** What a party gained or lost by the end: adversaries by name, honest ones as groups. */
export type GainRow = {
  readonly who: string
  readonly isAdversary: boolean
  /** Credits and money given back, less deposits, slashes and costs of proving and gas.
   * Ether. */
  readonly gainEther: number
}

export type RunResult = {
  readonly scenario: string
  readonly seed: number
  readonly nodes: number
  /** Every setting of the scenario, with the values of this run. */
  readonly settings: Readonly<Record<string, string | number | boolean>>
  /** SHA-256 of the event log, hex: equal for equal scenario, settings and seed. */
  readonly digest: string
  /** Runs exactly this again. */
  readonly command: string
  readonly events: number
  readonly simulatedS: number
  readonly wallS: number
  readonly findings: readonly Finding[]
  readonly violations: readonly Violation[]
  readonly measures: readonly Measure[]
  readonly curves: readonly Curve[]
  readonly regions: readonly RegionRow[]
  readonly gains: readonly GainRow[]
}

/** Whether every pass line held and no invariant was broken. */
export const isPassed = (result: RunResult): boolean =>
  result.violations.length === 0 && result.findings.every(({ holds }) => holds)
