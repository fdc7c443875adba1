import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { BackendError, withinDeadline } from '#prover-agent/backend'

const never = new AbortController().signal
const soon = () => Date.now() + 60_000

/** Work that only ends when it is stopped, as a killed process would. */
const stubborn = async (stop: AbortSignal) => {
  await once(stop, 'abort')
  throw new Error('killed')
}

describe('work within a deadline', () => {
  test('gives its result', async () => {
    expect(await withinDeadline(soon(), never, async () => 7)).toBe(7)
  })

  test('is stopped at the deadline, and called timed-out', async () => {
    const late = withinDeadline(Date.now() + 20, never, stubborn)
    await expect(late).rejects.toMatchObject({ code: 'timed-out' })
  })

  test('is stopped by the signal, and called cancelled', async () => {
    const cancel = new AbortController()
    const work = withinDeadline(soon(), cancel.signal, stubborn)
    cancel.abort()
    await expect(work).rejects.toMatchObject({ name: 'BackendError', code: 'cancelled' })
  })

  test('does not begin when it is too late already', async () => {
    let begun = false
    const work = async () => {
      begun = true
    }
    await expect(withinDeadline(Date.now() - 1, never, work)).rejects.toMatchObject({
      code: 'timed-out',
    })
    await expect(withinDeadline(soon(), AbortSignal.abort(), work)).rejects.toMatchObject({
      code: 'cancelled',
    })
    expect(begun).toBe(false)
  })

  test('may have a deadline beyond the longest timer', async () => {
    const work = withinDeadline(Number.MAX_SAFE_INTEGER, never, async (stop) => stop.aborted)
    expect(await work).toBe(false)
  })

  test('keeps its own BackendError, and wraps any other error as failed', async () => {
    const own = new BackendError('retry', 'busy')
    const fail = (error: Error) => withinDeadline(soon(), never, () => Promise.reject(error))
    await expect(fail(own)).rejects.toBe(own)
    const cause = new Error('disk full')
    await expect(fail(cause)).rejects.toMatchObject({ code: 'failed', cause })
  })
})
