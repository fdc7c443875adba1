import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLog } from '#node/log'
import { Outbox, type OutboxOptions, type Performed } from '#node/outbox'
import { openStore, type Store } from '#node/store'

let folder: string
let store: Store
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-outbox-'))
  store = await openStore(folder)
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

const options: OutboxOptions = {
  name: 'settle',
  maxItems: 10,
  concurrency: 1,
  minDelayMs: 1,
  maxDelayMs: 4,
  log: silentLog,
}
const sync = { sync: true }
const payload = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const empty = (outbox: Outbox) => expect.poll(() => outbox.pending()).toBe(0)

describe('outbox', () => {
  test('items are performed in the order they were stored, and then forgotten', async () => {
    const outbox = await Outbox.open(store, options)
    const seen: string[] = []
    for (const key of ['b', 'a', 'c']) await outbox.enqueue(key, payload(`of ${key}`), sync)
    expect(outbox.pending()).toBe(3)
    outbox.start(async (key, bytes) => {
      seen.push(`${key} ${Buffer.from(bytes)}`)
      return 'done'
    })
    await outbox.enqueue('d', payload('of d'), { sync: false })
    await empty(outbox)
    expect(seen).toEqual(['b of b', 'a of a', 'c of c', 'd of d'])
    await outbox.stop()
    expect((await Outbox.open(store, options)).pending()).toBe(0)
  })

  test('a key that waits already is stored once, even when both come at once', async () => {
    const outbox = await Outbox.open(store, options)
    const answers = await Promise.all([
      outbox.enqueue('a', payload('first'), sync),
      outbox.enqueue('a', payload('second'), sync),
    ])
    expect(answers).toEqual(['stored', 'present'])
    expect(outbox.has('a')).toBe(true)
    const seen: string[] = []
    outbox.start(async (_, bytes) => {
      seen.push(String(Buffer.from(bytes)))
      return 'done'
    })
    await empty(outbox)
    expect(seen).toEqual(['first'])
    await outbox.stop()
  })

  test('after a restart what was not done is performed, in order', async () => {
    const before = await Outbox.open(store, options)
    const keys = Array.from({ length: 10 }, (_, i) => `k${9 - i}`)
    for (const key of keys) await before.enqueue(key, payload(key), sync)
    let first = true
    before.start(async (): Promise<Performed> => {
      const done = first
      first = false
      return done ? 'done' : 'again'
    })
    await expect.poll(() => before.pending()).toBe(9)
    await before.stop()

    await store.close()
    store = await openStore(folder)
    const after = await Outbox.open(store, options)
    const seen: string[] = []
    after.start(async (key) => {
      seen.push(key)
      return 'done'
    })
    await after.enqueue('new', payload('new'), sync)
    await empty(after)
    expect(seen).toEqual([...keys.slice(1), 'new'])
    await after.stop()
  })

  test('an item that fails or throws is tried again, ever later up to the cap', async () => {
    const outbox = await Outbox.open(store, options)
    const times: number[] = []
    outbox.start(async () => {
      times.push(performance.now())
      if (times.length === 1) throw new Error('no')
      return times.length < 6 ? 'again' : 'done'
    })
    await outbox.enqueue('a', payload(''), sync)
    await empty(outbox)
    const pauses = times.slice(1).map((time, i) => time - times[i]!)
    const least = [1, 2, 4, 4, 4]
    // Timers may fire a fraction of a ms early.
    for (const [i, pause] of pauses.entries()) expect(pause).toBeGreaterThan(least[i]! - 1)
    expect(pauses).toHaveLength(5)
    await outbox.stop()
  })

  test('an item waiting for its next try does not hold up the others', async () => {
    const outbox = await Outbox.open(store, { ...options, minDelayMs: 60_000, maxDelayMs: 60_000 })
    outbox.start(async (key) => (key === 'stuck' ? 'again' : 'done'))
    await outbox.enqueue('stuck', payload(''), sync)
    await outbox.enqueue('next', payload(''), sync)
    await expect.poll(() => outbox.has('next')).toBe(false)
    expect(outbox.pending()).toBe(1)
    await outbox.stop()
  })

  test('no more than the allowed number run at once', async () => {
    const outbox = await Outbox.open(store, { ...options, concurrency: 3 })
    let running = 0
    let most = 0
    for (let i = 0; i < 10; i++) await outbox.enqueue(`${i}`, payload(''), { sync: false })
    outbox.start(async () => {
      running += 1
      most = Math.max(most, running)
      await store.get('some')
      running -= 1
      return 'done'
    })
    await empty(outbox)
    expect(most).toBe(3)
    await outbox.stop()
  })

  test('a full outbox refuses the new item and keeps the old ones', async () => {
    const outbox = await Outbox.open(store, { ...options, maxItems: 2 })
    await outbox.enqueue('a', payload(''), sync)
    await outbox.enqueue('b', payload(''), sync)
    const refused = outbox.enqueue('c', payload(''), sync)
    await expect(refused).rejects.toMatchObject({ code: 'OUTBOX_FULL' })
    expect(await outbox.enqueue('a', payload(''), sync)).toBe('present')
    expect((await Outbox.open(store, options)).pending()).toBe(2)
  })

  test('a dropped item is forgotten', async () => {
    const outbox = await Outbox.open(store, options)
    outbox.start(async () => 'drop')
    await outbox.enqueue('a', payload(''), sync)
    await empty(outbox)
    await outbox.stop()
    expect((await Outbox.open(store, options)).pending()).toBe(0)
  })

  test('stopping tells what runs, waits for it, and keeps what was not done', async () => {
    const outbox = await Outbox.open(store, options)
    const began = Promise.withResolvers<void>()
    outbox.start(async (_, __, signal) => {
      began.resolve()
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return 'again'
    })
    await outbox.enqueue('a', payload(''), sync)
    await began.promise
    await outbox.stop()
    expect((await Outbox.open(store, options)).pending()).toBe(1)
  })

  test('two outboxes of one store keep apart', async () => {
    const settle = await Outbox.open(store, options)
    const deliver = await Outbox.open(store, { ...options, name: 'deliver' })
    await settle.enqueue('a', payload(''), sync)
    expect(deliver.pending()).toBe(0)
    expect((await Outbox.open(store, { ...options, name: 'deliver' })).pending()).toBe(0)
    expect((await Outbox.open(store, options)).pending()).toBe(1)
  })

  test('a key that is still being stored answers its second caller only once it is', async () => {
    const gate = Promise.withResolvers<void>()
    const slow: Store = {
      ...store,
      putJson: async (...write) => {
        await gate.promise
        await store.putJson(...write)
      },
    }
    const outbox = await Outbox.open(slow, options)
    const order: string[] = []
    const calls = [
      outbox.enqueue('a', payload(''), sync).then((answer) => order.push(answer)),
      outbox.enqueue('a', payload(''), sync).then((answer) => order.push(answer)),
    ]
    await store.put('unrelated', payload(''), sync)
    expect(order).toEqual([])
    gate.resolve()
    await Promise.all(calls)
    expect(order.sort()).toEqual(['present', 'stored'])
  })

  test('an item still being stored is performed once it is, in its place', async () => {
    const gate = Promise.withResolvers<void>()
    const slow: Store = {
      ...store,
      putJson: async (key, value, write) => {
        if ((value as { key: string }).key === 'slow') await gate.promise
        await store.putJson(key, value, write)
      },
    }
    const outbox = await Outbox.open(slow, options)
    const seen: string[] = []
    outbox.start(async (key) => {
      seen.push(key)
      return 'done'
    })
    const first = outbox.enqueue('slow', payload(''), sync)
    await outbox.enqueue('quick', payload(''), sync)
    gate.resolve()
    await first
    await empty(outbox)
    expect(seen).toEqual(['slow', 'quick'])
    await outbox.stop()
  })

  test('an item that fails to be stored while others are performed is not performed', async () => {
    const failing = Promise.withResolvers<void>()
    const broken: Store = {
      ...store,
      putJson: (key, value, write) =>
        (value as { key: string }).key === 'bad'
          ? failing.promise
          : store.putJson(key, value, write),
    }
    const outbox = await Outbox.open(broken, options)
    const seen: string[] = []
    outbox.start(async (key) => {
      seen.push(key)
      return 'done'
    })
    const bad = outbox.enqueue('bad', payload(''), sync)
    await outbox.enqueue('first', payload(''), sync)
    failing.reject(new Error('disk full'))
    await expect(bad).rejects.toThrow('disk full')
    await empty(outbox)
    expect(seen).toEqual(['first'])
    await outbox.stop()
  })

  test('an item that could not be stored is not performed', async () => {
    const broken: Store = {
      ...store,
      putJson: async () => {
        throw new Error('disk full')
      },
    }
    const outbox = await Outbox.open(broken, options)
    const seen: string[] = []
    outbox.start(async (key) => {
      seen.push(key)
      return 'done'
    })
    await expect(outbox.enqueue('a', payload(''), sync)).rejects.toThrow('disk full')
    expect(outbox.pending()).toBe(0)
    expect(seen).toEqual([])
    await outbox.stop()
  })
})
