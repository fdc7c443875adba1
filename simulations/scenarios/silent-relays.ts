/**
 * Nodes that hear everything and pass nothing on: cheap to run in numbers, and nothing they do can
 * be shown to be wrong. What answers them is how many peers a node has in its mesh.
 */
import type { MarketEvent } from '#protocol/effects'
import { percentilesOf } from '../histogram.ts'
import { atLeast } from '../lines.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import type { Stage } from '../stage.ts'
import { seat } from './seats.ts'

type Notes = {
  /** By request: provers and observers that heard of it while bids were taken. */
  readonly heard: Map<string, number>
  readonly silent: ReadonlySet<number>
}
const notes = new WeakMap<Stage, Notes>()

function play(stage: Stage): void {
  const heard = new Map<string, number>()
  const hears = (event: MarketEvent): void => {
    if (event.kind === 'requested')
      heard.set(event.requestId, (heard.get(event.requestId) ?? 0) + 1)
  }
  seat(stage, {}, { prover: { hears }, observer: { hears } })
  stage.askInTurn()
  const members = new Set(stage.members.map(({ node }) => node))
  const relays = stage.places.map((_, node) => node).filter((node) => !members.has(node))
  const count = Math.round((stage.places.length * stage.number('silentPercent')) / 100)
  const silent = new Set(stage.random.fork().sample(relays, count))
  stage.network.drops = (node) => silent.has(node)
  notes.set(stage, { heard, silent })
}

/** Of each request: percent of the provers and observers that heard it in time. */
function shares(stage: Stage): number[] {
  const { heard } = notes.get(stage)!
  const all = stage.number('provers') + stage.number('observers')
  return stage.tally.all.map(({ id }) => (100 * (heard.get(id) ?? 0)) / all)
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

function judge(stage: Stage): Finding[] {
  const { reach } = stage.traffic
  return [
    atLeast('mean reach of a message', 100 * reach.mean, 99, '%'),
    atLeast('provers and observers that hear a request in time', meanOf(shares(stage)), 99, '%'),
    atLeast('honest bids counted', 100 * stage.tally.countedShare(), 97, '%'),
    atLeast('requests settled', 100 * stage.tally.outcomeShare('settled'), 100, '%'),
  ]
}

function measures(stage: Stage): Measure[] {
  const { reach } = stage.traffic
  const inTime = percentilesOf(shares(stage))
  const percent = (name: string, value: number): Measure => ({ name, unit: '%', value })
  return [
    { name: 'silent nodes', unit: '1', value: notes.get(stage)!.silent.size },
    percent('share that hears a request in time, least', inTime[0] ?? 0),
    percent('share that hears a request in time, p5', inTime[5] ?? 0),
    percent('share that hears a request in time, p50', inTime[50] ?? 0),
    percent('reach of any message in 8 s, p1', 100 * reach.quantile(0.01)),
    percent('reach of any message in 8 s, p5', 100 * reach.quantile(0.05)),
  ]
}

export const silentRelays: Scenario = {
  name: 'silent-relays',
  title: 'half of all nodes hear everything and pass nothing on',
  says:
    'Half of the nodes receive and never pass on, neither along their meshes nor when asked for ' +
    'what they have heard. Messages must reach the others all the same, and bids must be back in ' +
    'time. Builders, provers and observers are none of the silent ones.',
  settings: {
    silentPercent: { value: 50, says: 'nodes that pass nothing on, percent', least: 0, most: 90 },
    observers: { value: 50, says: 'nodes that follow the whole market', least: 1, most: 1_000 },
  },
  quick: { nodes: 700, provers: 15, observers: 25, auctions: 12 },
  broken: { set: { degree: 4 }, says: 'a mesh of four peers instead of eight' },
  play,
  judge,
  measures,
}
