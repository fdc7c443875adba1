/** Results of simulations that never ran, for tests of the report. */
import type { Curve, CurveName, GainRow, RegionRow, RunResult } from '#simulations/result'

/** Draws in [0, 1): the same for the same seed, which is all that a made-up figure needs. */
function draws(seed: number): () => number {
  let state = (seed * 2_654_435_761 + 12_345) >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const PERCENTILES = 101
/** Inverse of a logistic distribution, with its ends cut. */
const logit = (share: number): number => {
  const inside = 0.004 + share * 0.992
  return Math.log(inside / (1 - inside))
}
const quantiles = (at: (share: number) => number): number[] =>
  Array.from({ length: PERCENTILES }, (_, i) => at(i / (PERCENTILES - 1)))

const regionNames = [
  ...['af-south-1', 'ap-east-1', 'ap-northeast-1', 'ap-northeast-2', 'ap-south-1'],
  ...['ap-southeast-1', 'ap-southeast-2', 'ca-central-1', 'eu-central-1', 'eu-north-1'],
  ...['eu-south-1', 'eu-west-1', 'eu-west-2', 'eu-west-3', 'il-central-1', 'me-south-1'],
  ...['sa-east-1', 'us-east-1', 'us-east-2', 'us-west-1', 'us-west-2'],
]

const gainRows = (draw: () => number): GainRow[] => [
  { who: 'bid withholder', isAdversary: true, gainEther: -0.82 - draw() / 20 },
  { who: 'copycat', isAdversary: true, gainEther: -0.041 - draw() / 100 },
  { who: 'stalling prover', isAdversary: true, gainEther: -3.6 - draw() / 5 },
  { who: 'equivocating builder', isAdversary: true, gainEther: -1.2 },
  { who: 'honest provers', isAdversary: false, gainEther: 2.31 + draw() / 10 },
  { who: 'honest builders', isAdversary: false, gainEther: 0.42 + draw() / 30 },
]

function regionRows(draw: () => number, factor: number): RegionRow[] {
  return regionNames.map((region, index) => {
    const p50 = (60 + index * 6 + draw() * 8) * factor
    const provers = index % 3 === 0 ? 0 : 3 + (index % 5)
    return {
      region,
      nodes: 20 + index * 4,
      provers,
      propagationP50Ms: p50,
      propagationP95Ms: p50 * (1.9 + draw() * 0.2),
      bidsCountedPercent: provers === 0 ? null : 100 - draw() * index * 0.6,
      wins: provers === 0 ? 0 : Math.floor(draw() * 40),
    }
  })
}

function curvesOf(draw: () => number, factor: number): Curve[] {
  const shift = factor * (0.97 + draw() * 0.06)
  const curve = (name: CurveName, unit: string, at: (share: number) => number): Curve => ({
    name,
    unit,
    quantiles: quantiles(at),
  })
  return [
    curve('propagation', 'ms', (p) => Math.max(4, shift * 110 * Math.exp(logit(p) * 0.33))),
    curve('request to award', 'ms', (p) => 402 + shift * 60 * (p + 3 * p ** 12)),
    curve('price over cost', '1', (p) => 1.02 + shift * (0.2 * p + 0.6 * p ** 8)),
    curve('utilisation', '%', (p) => Math.min(100, shift * 70 * Math.sqrt(p) + 8 * p)),
    curve('duplicates', '1', (p) => shift * (0.4 + 3 * p + p ** 6)),
    curve('bytes sent', 'KiB', (p) => shift * 3 * Math.exp(logit(p) * 0.9)),
  ]
}

/** How a run is to differ from the usual one. */
export type MadeUp = {
  readonly seed?: number
  /** Of every time; above 1 is slower. */
  readonly factor?: number
  readonly settings?: RunResult['settings']
}

/** A run in which all went well. */
export function madeUpRun({ seed = 1, factor = 1, settings = {} }: MadeUp = {}): RunResult {
  const draw = draws(seed)
  const counted = 99.2 - factor + draw() * 0.2
  return {
    scenario: 'rush-hour',
    seed,
    nodes: 1_000,
    settings: {
      ...{ nodes: 1_000, builders: 4, provers: 120, jobs: 240, bidWindowMs: 400 },
      ...{ meshDegree: 8, homeShare: 0.35, idontwant: true, strategy: 'production' },
      ...settings,
    },
    digest: Array.from({ length: 64 }, () => Math.floor(draw() * 16).toString(16)).join(''),
    command: `npm run sim -- rush-hour --seed ${seed}`,
    events: 4_812_334 + Math.floor(draw() * 10_000),
    simulatedS: 120,
    wallS: 3.1 + draw(),
    findings: [
      {
        line: 'every job with a bid is awarded within its grace',
        holds: true,
        seen: '240 of 240 jobs, the slowest after 583 ms',
      },
      {
        line: 'the builder counts at least 97 % of the bids that were sent in time',
        holds: true,
        seen: `${counted.toFixed(2)} % of 24,112 bids`,
      },
      { line: 'no adversary gains', holds: true, seen: 'the best of them lost 0.041 ether' },
    ],
    violations: [],
    measures: [
      { name: 'bids counted', unit: '%', value: counted },
      { name: 'jobs settled', unit: '1', value: 240 },
      { name: 'request to award, mean', unit: 'ms', value: 431 * factor + draw() * 4 },
      { name: 'price paid, mean', unit: 'gwei', value: 1_204_331 + draw() * 30_000 },
      { name: 'messages heard twice', unit: '1', value: 612_334 + Math.floor(draw() * 9_000) },
      { name: 'sent by the busiest node', unit: 'KiB', value: 88.2 * factor + draw() * 3 },
      { name: 'slashed', unit: 'ether', value: 4 },
      { name: 'reach of messages', unit: '%', value: 99.98 - draw() * 0.02 },
    ],
    curves: curvesOf(draw, factor),
    regions: regionRows(draw, factor),
    gains: gainRows(draw),
  }
}

/** One run for each seed. */
export const madeUpRuns = (count: number, made: Omit<MadeUp, 'seed'> = {}, from = 1): RunResult[] =>
  Array.from({ length: count }, (_, index) => madeUpRun({ ...made, seed: from + index }))

/** A run that failed in every way there is. */
export const failedRun = (seed = 3): RunResult => ({
  ...madeUpRun({ seed }),
  findings: [
    { line: 'every job with a bid is awarded within its grace', holds: true, seen: '240 of 240' },
    {
      line: 'the builder counts at least 97 % of the bids that were sent in time',
      holds: false,
      seen: '91.20 % of 24,112 bids',
    },
  ],
  violations: [
    {
      invariant: 'I3',
      atMs: 48_211.25,
      event: 1_933_410,
      what: 'block 4: job 0x3f… was paid 1.2 gwei without a proof that verifies or a receipt',
    },
    { invariant: 'I1', atMs: 60_000, event: 2_400_002, what: 'escrow is 12 wei short' },
  ],
})

/** A run in which nothing happened: every curve and list is empty. */
export const emptyRun = (seed = 1): RunResult => ({
  ...madeUpRun({ seed }),
  scenario: 'rush-hour',
  events: 0,
  wallS: 0,
  findings: [],
  measures: [],
  curves: madeUpRun().curves.map((curve) => ({ ...curve, quantiles: [] })),
  regions: [],
  gains: [],
})

/** Text that a page must show and not obey, and that would recolour a terminal. */
export const hostileText = `<script>alert("x")</script><img src=x onerror='alert(1)'>\u001b[31m&amp;`

/** A run whose every text is hostile. */
export function hostileRun(seed = 1): RunResult {
  const run = failedRun(seed)
  return {
    ...run,
    scenario: hostileText,
    settings: { ...run.settings, [hostileText]: hostileText },
    digest: hostileText,
    command: `npm run sim -- ${hostileText}`,
    findings: run.findings.map((one) => ({ ...one, line: hostileText, seen: hostileText })),
    violations: run.violations.map((one) => ({ ...one, what: hostileText })),
    measures: run.measures.map((one) => ({ ...one, name: hostileText, unit: hostileText })),
    curves: run.curves.map((one) => ({ ...one, unit: hostileText })),
    regions: run.regions.map((one, i) => ({ ...one, region: `${hostileText}${i}` })),
    gains: run.gains.map((one) => ({ ...one, who: hostileText })),
  }
}
