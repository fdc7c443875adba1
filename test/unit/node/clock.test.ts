import { afterEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '#node/clock'

afterEach(() => vi.useRealTimers())

describe('clock', () => {
  test('a wake comes at its instant, never before, and once', async () => {
    const at = systemClock.now() + 30
    const woken: number[] = []
    await new Promise<void>((resolve) => {
      systemClock.wake(at, () => {
        woken.push(systemClock.now())
        resolve()
      })
    })
    expect(woken).toHaveLength(1)
    expect(woken[0]).toBeGreaterThanOrEqual(at)
  })

  test('an instant that has passed wakes at once, but not within the call', async () => {
    const woken = Promise.withResolvers<void>()
    let isWithin = true
    systemClock.wake(0, () => {
      expect(isWithin).toBe(false)
      woken.resolve()
    })
    isWithin = false
    await woken.promise
  })

  test('a cancelled wake does not come, and a far one does not come early', () => {
    vi.useFakeTimers({ now: 1_000 })
    const woken: string[] = []
    const cancel = systemClock.wake(2_000, () => woken.push('cancelled'))
    // Longer than a timer can hold.
    systemClock.wake(1_000 + 2 ** 33, () => woken.push('far'))
    cancel()
    vi.advanceTimersByTime(60_000)
    expect(woken).toEqual([])
  })

  test('a system clock that was set forward wakes within a second', () => {
    vi.useFakeTimers({ now: 0 })
    const woken: number[] = []
    systemClock.wake(600_000, () => woken.push(systemClock.now()))
    vi.advanceTimersByTime(500)
    vi.setSystemTime(700_000)
    vi.advanceTimersByTime(1_000)
    expect(woken).toHaveLength(1)
  })
})
