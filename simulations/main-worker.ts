/** A thread that plays one seed after the other. */
import { performance } from 'node:perf_hooks'
import { parentPort } from 'node:worker_threads'
import { scenarios } from './catalogue.ts'
import type { RunResult } from './result.ts'
import { type Progress, runScenario } from './run.ts'
import type { Values } from './scenario.ts'

export type Order = { readonly scenario: string; readonly values: Values; readonly seed: number }
export type News =
  | ({ readonly kind: 'progress'; readonly seed: number } & Progress)
  | { readonly kind: 'result'; readonly result: RunResult }

/** Between two words on progress. ms. */
const QUIET_MS = 200

function play({ scenario: name, values, seed }: Order, say: (news: News) => void): void {
  const scenario = scenarios.find((known) => known.name === name)
  if (!scenario) throw new Error(`no scenario ${name}`)
  const beganAt = performance.now()
  let saidAt = beganAt
  const result = runScenario(scenario, values, seed, (progress) => {
    if (performance.now() - saidAt < QUIET_MS) return
    saidAt = performance.now()
    say({ kind: 'progress', seed, ...progress })
  })
  const wallS = (performance.now() - beganAt) / 1_000
  say({ kind: 'result', result: { ...result, wallS } })
}

const port = parentPort
port?.on('message', (order: Order) => play(order, (news) => port.postMessage(news)))
