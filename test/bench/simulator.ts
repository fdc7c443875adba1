/**
 * The simulator at full size: a hundred auctions of a hundred bidders among a thousand nodes. An
 * event is a copy of a message that arrives, a verdict or a timer; copies that can only come second
 * are counted when they are sent and never enter the queue, so its own events are told apart.
 */
import { performance } from 'node:perf_hooks'
import { resultOf } from '#simulations/outcome'
import { stageOf } from '#simulations/run'
import { resolve } from '#simulations/scenario'
import { baseline } from '#simulations/scenarios/baseline'
import type { Metrics } from './measure.ts'

/** With one lane or less time, some rigs would not bid. */
const SIZES = { nodes: 1_000, provers: 100, auctions: 100, lanes: 4, dueMs: 30_000 }

export async function simulator(): Promise<Metrics> {
  const values = resolve(baseline, SIZES)
  const stage = stageOf(baseline, values, 1)
  const beganAt = performance.now()
  stage.simulator.runUntil(stage.endsAt)
  const wallS = (performance.now() - beganAt) / 1_000
  const { events, findings, simulatedS } = resultOf(baseline, values, 1, stage)
  const failed = findings.filter(({ holds }) => !holds)
  if (failed.length > 0) throw new Error(`it went wrong: ${failed.map(({ line }) => line)}`)
  return {
    ...SIZES,
    bids: stage.tally.all.reduce((sum, { bidders }) => sum + bidders.size, 0),
    wallS,
    eventsM: events / 1e6,
    queuedM: stage.simulator.executed / 1e6,
    eventsPerSM: events / 1e6 / wallS,
    busySimulatedPerWallS: stage.busyUntilMs / 1_000 / wallS,
    simulatedPerWallS: simulatedS / wallS,
    residentMiB: process.memoryUsage().rss / 2 ** 20,
  }
}
