/** One run of a scenario, from its seed to its result. */
import { resultOf } from './outcome.ts'
import type { RunResult } from './result.ts'
import type { Scenario, Values } from './scenario.ts'
import { Stage } from './stage.ts'

export type Progress = { readonly share: number; readonly events: number }

/** Simulated time between two words on progress. ms. */
const SLICE_MS = 200

/**
 * Plays a scenario to its end.
 * @param onProgress Hears how far it is; may slow the run down, never change it.
 */
export function runScenario(
  scenario: Scenario,
  values: Values,
  seed: number,
  onProgress: (progress: Progress) => void = () => undefined,
): Omit<RunResult, 'wallS'> {
  const stage = stageOf(scenario, values, seed)
  const { simulator } = stage
  while (simulator.now < stage.endsAt) {
    simulator.runUntil(Math.min(stage.endsAt, simulator.now + SLICE_MS))
    // Nearly all events come before the last due time.
    const share = Math.min(0.99, simulator.elapsedMs / Math.max(1, stage.busyUntilMs))
    onProgress({ share, events: simulator.executed })
  }
  return resultOf(scenario, values, seed, stage)
}

/** A stage on which the scenario is set, before its first event. */
export function stageOf(scenario: Scenario, values: Values, seed: number): Stage {
  const stage = new Stage(scenario, values, seed)
  stage.network.settleMeshes()
  scenario.play(stage)
  return stage
}
