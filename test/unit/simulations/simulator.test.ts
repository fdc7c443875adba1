import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Simulator, START_AT } from '#simulations/simulator'

describe('the queue of events', () => {
  test('runs them in order of time, then of scheduling, whatever order they came in', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 30 }), { maxLength: 200 }), (times) => {
        const simulator = new Simulator()
        const ran: [number, number][] = []
        for (const [index, at] of times.entries())
          simulator.schedule(START_AT + at, () => ran.push([at, index]))
        simulator.runUntil(START_AT + 30)
        const expected = times
          .map((at, index): [number, number] => [at, index])
          .sort((a, b) => a[0] - b[0] || a[1] - b[1])
        expect(ran).toEqual(expected)
        expect(simulator.pending).toBe(0)
      }),
    )
  })

  test('moves the clock to each event, and to the end', () => {
    const simulator = new Simulator()
    const seen: number[] = []
    simulator.after(10, () => {
      seen.push(simulator.now)
      simulator.after(5, () => seen.push(simulator.now))
    })
    simulator.runUntil(START_AT + 100)
    expect(seen).toEqual([START_AT + 10, START_AT + 15])
    expect(simulator.now).toBe(START_AT + 100)
  })

  test('leaves what is later for later, and never runs the past', () => {
    const simulator = new Simulator()
    const seen: string[] = []
    simulator.after(50, () => seen.push('late'))
    simulator.runUntil(START_AT + 49)
    expect([seen, simulator.pending]).toEqual([[], 1])
    simulator.schedule(START_AT, () => seen.push(`past at ${simulator.now - START_AT}`))
    simulator.runUntil(START_AT + 50)
    expect(seen).toEqual(['past at 49', 'late'])
  })
})

test('the digest of the log says whether two runs were the same', () => {
  const digestOf = (lines: readonly string[]): string => {
    const simulator = new Simulator()
    for (const [index, line] of lines.entries()) simulator.after(index, () => simulator.note(line))
    simulator.runUntil(START_AT + 10)
    return simulator.digest
  }
  expect(digestOf(['a', 'b'])).toBe(digestOf(['a', 'b']))
  expect(digestOf(['a', 'b'])).not.toBe(digestOf(['b', 'a']))
  expect(digestOf(['a'])).toMatch(/^[0-9a-f]{64}$/)
})
