import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EventQueue } from '#simulations/queue'

/** Takes the next event: its instant, and the two numbers that came with it. */
function take(queue: EventQueue): [number, number, number, number] {
  const at = queue.peek()
  let taken: [number, number, number, number] | null = null
  queue.take((kind, first, second) => {
    taken = [at, kind, first, second]
  })
  return taken!
}

describe('the queue', () => {
  test('gives events in order of time, then of adding, near and far', () => {
    // Delays within a bucket, within the wheel, and beyond it.
    const delay = fc.oneof(
      fc.double({ min: 0, max: 0.3, noNaN: true }),
      fc.double({ min: 0, max: 900, noNaN: true }),
      fc.double({ min: 900, max: 1e6, noNaN: true }),
      fc.constantFrom(0, 0.125, 1_024, 1_023.875, 2_048),
    )
    const step = fc.record({ delays: fc.array(delay, { maxLength: 5 }), takes: fc.nat({ max: 4 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new EventQueue()
        const expected: [number, number][] = []
        const order = (a: [number, number], b: [number, number]): number =>
          a[0] - b[0] || a[1] - b[1]
        let [now, added] = [0, 0]
        for (const { delays, takes } of [...steps, { delays: [], takes: 1e6 }]) {
          for (const each of delays) {
            queue.add(now + each, 1, added, -1)
            expected.push([now + each, added++])
          }
          expected.sort(order)
          for (let count = 0; count < takes && expected.length > 0; count++) {
            const [at, index] = expected.shift()!
            expect(take(queue)).toEqual([at, 1, index, -1])
            now = at
          }
          expect(queue.size).toBe(expected.length)
        }
        expect(queue.peek()).toBe(Number.POSITIVE_INFINITY)
      }),
    )
  })

  test('keeps what is added for an instant that has its turn now in order', () => {
    const queue = new EventQueue()
    queue.add(5, 0, 1, 0)
    queue.add(5, 0, 2, 0)
    expect(take(queue)[2]).toBe(1)
    queue.add(5, 0, 3, 0)
    expect([take(queue)[2], take(queue)[2]]).toEqual([2, 3])
  })

  test('grows, and uses places again', () => {
    const queue = new EventQueue()
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 5_000; index++) queue.add(round * 10_000 + index, 7, index, round)
      for (let index = 0; index < 5_000; index++)
        expect(take(queue)).toEqual([round * 10_000 + index, 7, index, round])
    }
    expect(queue.size).toBe(0)
  })
})
