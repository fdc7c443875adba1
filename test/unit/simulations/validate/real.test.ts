import { describe, expect, test } from 'vitest'
import { runModel } from '#simulations/validate/model'
import { makePlan, type Plan } from '#simulations/validate/plan'
import { runReal, wrongConnections } from '#simulations/validate/real'

/** Small and quick: too quick for its latencies to mean much. */
const plan: Plan = {
  ...makePlan({ seed: 3, nodes: 4, rounds: 1, stretch: 1 }),
  joinMs: 200,
  warmUpMs: 500,
}

describe('real stack of four nodes', () => {
  test('is connected as planned, and a request and its bids reach everybody', async () => {
    const steps: string[] = []
    const run = await runReal(plan, {
      signal: new AbortController().signal,
      onProgress: (text) => steps.push(text),
    })
    expect(run.traces.map(({ kind }) => kind)).toEqual(['ProofRequest', 'Bid', 'Bid', 'Bid'])
    expect(run.traces.map(({ publisher }) => publisher).sort()).toEqual([0, 1, 2, 3])
    const { latenciesMs, ...figures } = run.measured
    expect(figures).toMatchObject({ messages: 4, deliveries: 12, missed: 0 })
    expect(latenciesMs[0]).toBeGreaterThan(0)
    expect(run.refused).toEqual({})
    expect(steps.at(-1)).toBe('auction 1 of 1, 5 s left')
  })

  test('is ended by its signal', async () => {
    const ending = new AbortController()
    const run = runReal(plan, {
      signal: ending.signal,
      onProgress: (text) => {
        if (text.startsWith('starting')) ending.abort(new Error('enough'))
      },
    })
    await expect(run).rejects.toThrow('enough')
  })
})

describe('connections of a run', () => {
  test('are those of the plan, no less and no more', () => {
    const line: Plan = {
      ...plan,
      places: plan.places.slice(0, 3),
      dials: [
        [1, 0],
        [2, 1],
      ],
    }
    const doors = [{ peerKey: '0xa' }, { peerKey: '0xb' }, { peerKey: '0xc' }] as const
    const states = (...all: (readonly ('0xa' | '0xb' | '0xc')[])[]) =>
      all.map((peers) => ({ peers }))
    expect(wrongConnections(line, doors, states(['0xb'], ['0xa', '0xc'], ['0xb']))).toEqual([])
    expect(wrongConnections(line, doors, states(['0xb', '0xc'], ['0xa'], ['0xb']))).toEqual([
      'Node 0 is not connected as planned: 1 too many.',
      'Node 1 is not connected as planned: no connection to 2, 0 too many.',
    ])
  })
})

describe('model of the same', () => {
  test('delivers everything, and the same each time', () => {
    const model = runModel(plan)
    expect(model).toMatchObject({ messages: 40, deliveries: 120, missed: 0 })
    expect(runModel(plan)).toEqual(model)
  })
})
