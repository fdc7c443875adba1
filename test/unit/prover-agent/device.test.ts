import { describe, expect, test } from 'vitest'
import { Device } from '#prover-agent/device'
import { HandClock } from '#test/support/hand-clock'
import { T0 } from '#test/support/messages'

/** A device whose probes fail as long as `broken` says so. */
function device() {
  const clock = new HandClock(T0)
  const state = { broken: true, probes: [] as number[], changes: [] as (string | null)[] }
  const own = new Device({
    clock,
    probe: async () => {
      state.probes.push(clock.now() - T0)
      if (state.broken) throw new Error('still no driver')
    },
    onChange: (fault) => state.changes.push(fault),
  })
  return { clock, state, own }
}

describe('a device', () => {
  test('is well until it fails', () => {
    const { own, clock } = device()
    expect(own.fault).toBeNull()
    own.failed('no driver')
    expect(own.fault).toBe('no driver')
    expect(clock.waiting).toBe(1)
  })

  test('is tried ever more rarely until a proof succeeds', async () => {
    const { own, clock, state } = device()
    own.failed('no driver')
    await clock.moveTo(T0 + 100_000)
    expect(state.probes).toEqual([10_000, 30_000, 70_000])
    expect(state.changes).toEqual(['no driver', 'still no driver'])
    state.broken = false
    await clock.moveTo(T0 + 200_000)
    expect(state.probes.at(-1)).toBe(150_000)
    expect(own.fault).toBeNull()
    await clock.moveTo(T0 + 10_000_000)
    expect(state.probes).toHaveLength(4)
  })

  test('is well again as soon as it makes a real proof', async () => {
    const { own, clock, state } = device()
    own.failed('no driver')
    own.succeeded()
    expect(own.fault).toBeNull()
    await clock.moveTo(T0 + 1_000_000)
    expect(state.probes).toEqual([])
    expect(state.changes).toEqual(['no driver', null])
  })

  test('is tried soon again when it fails after it was well', async () => {
    const { own, clock, state } = device()
    own.failed('no driver')
    await clock.moveTo(T0 + 100_000)
    own.succeeded()
    state.probes.length = 0
    own.failed('no driver')
    await clock.moveTo(T0 + 110_000)
    expect(state.probes).toEqual([110_000])
  })

  test('is tried once at a time, and never after it was stopped', async () => {
    const { own, clock, state } = device()
    for (const reason of ['a', 'b', 'c']) own.failed(reason)
    expect(clock.waiting).toBe(1)
    await clock.moveTo(T0 + 10_000)
    expect(state.probes).toHaveLength(1)
    own.stop()
    own.failed('d')
    await clock.moveTo(T0 + 10_000_000)
    expect(state.probes).toHaveLength(1)
    expect(own.fault).toBe('d')
  })

  test('is tried at least every ten minutes', async () => {
    const { own, clock, state } = device()
    own.failed('no driver')
    await clock.moveTo(T0 + 7_200_000)
    const [last, before] = [state.probes.at(-1)!, state.probes.at(-2)!]
    expect(last - before).toBe(600_000)
  })
})
