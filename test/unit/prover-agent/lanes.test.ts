import { describe, expect, test } from 'vitest'
import { Lanes } from '#prover-agent/lanes'
import { settled } from '#test/support/hand-clock'

const quiet = new AbortController().signal

/** Lanes, and proofs in them that end when the test says so. */
function workshop(count: number, { open = true } = {}) {
  const lanes = new Lanes(count, () => 1_000)
  if (open) lanes.open()
  const begun: string[] = []
  const ends = new Map<string, PromiseWithResolvers<string>>()
  const run = (key: string, promisedAt: number, signal = quiet): Promise<string> => {
    const end = Promise.withResolvers<string>()
    ends.set(key, end)
    return lanes.run(
      key,
      () => promisedAt,
      signal,
      () => {
        begun.push(key)
        return end.promise
      },
    )
  }
  const end = async (key: string): Promise<void> => {
    ends.get(key)?.resolve(`proof of ${key}`)
    await settled()
  }
  return { lanes, begun, run, end, ends }
}

describe('lanes', () => {
  test('run so many proofs at a time, the earliest promise first', async () => {
    const { lanes, begun, run, end } = workshop(2)
    const all = [run('a', 5), run('b', 4), run('c', 3), run('d', 1), run('e', 2)]
    await settled()
    expect(begun).toEqual(['a', 'b'])
    expect([...lanes.running]).toEqual([
      ['a', 1_000],
      ['b', 1_000],
    ])
    expect(lanes.waiting).toBe(3)
    for (const key of ['b', 'a', 'd', 'e', 'c']) await end(key)
    expect(begun).toEqual(['a', 'b', 'd', 'e', 'c'])
    expect(await Promise.all(all)).toEqual(
      ['a', 'b', 'c', 'd', 'e'].map((key) => `proof of ${key}`),
    )
    expect(lanes.running.size).toBe(0)
  })

  test('begin nothing before they are opened, then in order', async () => {
    const { lanes, begun, run, end } = workshop(1, { open: false })
    void run('late', 2)
    void run('early', 1)
    await settled()
    expect(begun).toEqual([])
    lanes.open()
    await settled()
    expect(begun).toEqual(['early'])
    await end('early')
    expect(begun).toEqual(['early', 'late'])
    await end('late')
  })

  test('an aborted job leaves the queue, and gives its place to the next', async () => {
    const { lanes, begun, run, end } = workshop(1)
    void run('a', 1)
    const leaving = new AbortController()
    const left = run('b', 2, leaving.signal)
    void run('c', 3)
    leaving.abort()
    await expect(left).rejects.toMatchObject({ name: 'AbortError' })
    await end('a')
    expect(begun).toEqual(['a', 'c'])
    await end('c')
    await expect(run('d', 1, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
    expect(lanes.running.size + lanes.waiting).toBe(0)
  })

  test('a proof that fails frees its lane', async () => {
    const { begun, run, ends } = workshop(1)
    const failed = run('a', 1)
    void run('b', 2)
    await settled()
    ends.get('a')?.reject(new Error('no driver'))
    await expect(failed).rejects.toThrow('no driver')
    await settled()
    expect(begun).toEqual(['a', 'b'])
  })

  test('one job has one lane', async () => {
    const { run } = workshop(2)
    void run('a', 1)
    await expect(run('a', 1)).rejects.toThrow('a has a lane already')
  })
})
