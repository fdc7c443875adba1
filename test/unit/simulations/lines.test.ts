import { describe, expect, test } from 'vitest'
import { atLeast, atMost, that } from '#simulations/lines'

describe('a pass line', () => {
  test('holds up to its bound, and shows what was seen', () => {
    expect(atMost('delay', 500, 500, 'ms')).toEqual({
      ...{ line: 'delay is at most 500 ms', holds: true, seen: '500 ms' },
    })
    expect(atMost('delay', 500.01, 500, 'ms').holds).toBe(false)
    expect(atLeast('share', 99.5, 99.5, '%').holds).toBe(true)
    expect(atLeast('share', 99.4999, 99.5, '%')).toMatchObject({ holds: false, seen: '99.4999 %' })
    expect(atLeast('ratio', 2.5, 1, '1')).toMatchObject({
      ...{ line: 'ratio is at least 1', seen: '2.5' },
    })
    expect(that('it is so', false, 'it is not')).toMatchObject({ holds: false, seen: 'it is not' })
  })

  test('does not hold where nothing was seen', () => {
    for (const line of [atMost('x', Number.NaN, 1, 'ms'), atLeast('x', Number.NaN, 1, 'ms')])
      expect(line.holds).toBe(false)
  })
})
