import { describe, expect, test } from 'vitest'
import { scenarios } from '#simulations/catalogue'
import { isPassed } from '#simulations/result'
import { runScenario } from '#simulations/run'
import { resolve } from '#simulations/scenario'

const SEED = 1

describe.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
  '%s',
  (_, scenario) => {
    const { quick, broken } = scenario
    const play = (set: object) =>
      runScenario(scenario, resolve(scenario, { ...quick, ...set }), SEED)

    test('holds its lines, and breaks no invariant', () => {
      const result = { ...play({}), wallS: 0 }
      expect(result.findings.length).toBeGreaterThan(0)
      const failed = result.findings.filter(({ holds }) => !holds)
      expect({ failed, violations: result.violations, replay: result.command }).toEqual({
        ...{ failed: [], violations: [], replay: result.command },
      })
      expect(isPassed(result)).toBe(true)
    })

    test(`does not hold them where ${broken.says}`, () => {
      const { findings, command } = play(broken.set)
      expect({
        failed: findings.filter(({ holds }) => !holds).length > 0,
        replay: command,
      }).toEqual({
        ...{ failed: true, replay: command },
      })
    })
  },
)
