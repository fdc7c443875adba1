/** Every scenario there is. */
import type { Scenario } from './scenario.ts'
import { baseline } from './scenarios/baseline.ts'

export const scenarios: readonly Scenario[] = [baseline]
