import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Records } from '#node/records'
import { ownKey } from '#node/signer'
import { decodeJson, openStore, type Store, type Write } from '#node/store'
import type { JobRecord } from '#protocol/market'
import type { Id } from '#protocol/schema'
import { auction, bids, inProgress, openAll } from '#test/support/builder-stage'
import { builder, request, Stage, T0 } from '#test/support/messages'

let folder: string
let disk: Store
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proofwire-records-'))
  disk = await openStore(folder)
})
afterEach(async () => {
  await disk.close()
  await rm(folder, { recursive: true })
})

/** The disk, with every batch told and held until it is let go. */
function heldDisk() {
  const batches: (readonly Write[])[] = []
  const gates: PromiseWithResolvers<void>[] = []
  const onBatch: (() => void)[] = []
  const gateOf = (index: number) => (gates[index] ??= Promise.withResolvers<void>())
  const store: Store = {
    ...disk,
    batch: async (writes) => {
      batches.push(writes)
      for (const look of onBatch.splice(0)) look()
      await gateOf(batches.length - 1).promise
      await disk.batch(writes)
    },
  }
  return {
    store,
    batches,
    /** Resolves when the batch of this number, from 0, is being written. */
    begun: async (index: number) => {
      while (batches.length <= index) await new Promise<void>((look) => onBatch.push(look))
    },
    letGo: (index: number) => gateOf(index).resolve(),
    fail: (index: number, error: Error) => gateOf(index).reject(error),
  }
}

const storedIn = ({ key, ...write }: Write): [string, JobRecord | null] => [
  key,
  write.kind === 'put' ? (decodeJson(write.value) as JobRecord) : null,
]
const keysOf = async (prefix: string): Promise<string[]> => {
  const keys: string[] = []
  for await (const { key } of disk.entries(prefix)) keys.push(key)
  return keys
}

describe('records of jobs', () => {
  test('are on the disk when saving them resolves', async () => {
    const { market } = auction()
    const id = [...market.book.values()][0]!.id
    await new Records(disk, market).save([id])
    expect(await disk.getJson(`job/${id}`)).toEqual(market.record(id))
  })

  test('many saves while one write runs make one more write', async () => {
    const stage = new Stage({ self: builder })
    const requests = Array.from({ length: 20 }, (_, nonce) => request({ nonce: BigInt(nonce) }))
    const held = heldDisk()
    const records = new Records(held.store, stage.market)
    stage.hear(requests[0]!)
    const first = records.save(stage.changed as Id[])
    await held.begun(0)
    const order: string[] = []
    const others = requests.slice(1).map((each) => {
      stage.hear(each)
      return records.save(stage.changed as Id[]).then(() => order.push('other'))
    })
    held.letGo(0)
    await first.then(() => order.push('first'))
    await held.begun(1)
    expect(order).toEqual(['first'])
    held.letGo(1)
    await Promise.all(others)
    await records.saved()
    expect(held.batches.map(({ length }) => length)).toEqual([1, 19])
    expect(await keysOf('job/')).toHaveLength(20)
  })

  test('a write takes the newest state, and a newer one is written after it', async () => {
    const stage = auction([])
    const { id } = [...stage.market.book.values()][0]!
    const held = heldDisk()
    const records = new Records(held.store, stage.market)
    records.save([id])
    await held.begun(0)
    for (const { bid } of bids) {
      stage.hear(bid)
      records.save([id])
    }
    held.letGo(0)
    held.letGo(1)
    await records.saved()
    const seen = held.batches.map(([write]) => storedIn(write!)[1]?.bidsSeen)
    expect(seen).toEqual([0, 3])
    expect(await disk.getJson(`job/${id}`)).toMatchObject({ bidsSeen: 3 })
  })

  test('what is saved later is not waited for', async () => {
    const stage = auction([])
    const { id } = [...stage.market.book.values()][0]!
    const held = heldDisk()
    const records = new Records(held.store, stage.market)
    records.save([id])
    const saved = records.saved()
    await held.begun(0)
    const later = records.save([id])
    held.letGo(0)
    await saved
    await held.begun(1)
    held.letGo(1)
    await later
  })

  test('after a failed write nothing is written any more', async () => {
    const stage = auction([])
    const { id } = [...stage.market.book.values()][0]!
    const held = heldDisk()
    const records = new Records(held.store, stage.market)
    const failing = records.save([id])
    held.fail(0, new Error('disk full'))
    await expect(failing).rejects.toThrow('disk full')
    await expect(records.save([id])).rejects.toThrow('disk full')
    await expect(records.saved()).rejects.toThrow('disk full')
    expect(held.batches).toHaveLength(1)
  })

  test('of a forgotten job go, with all that was kept of it, and no other job’s', async () => {
    const stage = new Stage({ self: builder })
    const [first, second] = [request({ nonce: 1n }), request({ nonce: 2n })]
    const records = new Records(disk, stage.market)
    for (const own of [second, first]) {
      stage.hear(own)
      for (const name of ['secret', 'inputs', 'Start/0x11'])
        await disk.put(ownKey(own.id, name), Uint8Array.of(1))
    }
    await records.save([first.id, second.id])
    expect(await keysOf('own/')).toHaveLength(6)
    // From alarm to alarm, until none is left.
    const nextAt = () => Math.max(...stage.done('wake').map(({ at }) => at))
    for (let at = nextAt(); at > 0; at = nextAt()) stage.tick(first.id, at)
    expect(stage.market.job(first.id)).toBeUndefined()
    expect(stage.changed).toEqual([first.id])
    await records.save([first.id])
    expect(await keysOf('job/')).toEqual([`job/${second.id}`])
    const names = ['Start/0x11', 'inputs', 'secret']
    expect(await keysOf('own/')).toEqual(names.map((name) => ownKey(second.id, name)))
  })

  test('give the jobs back after a restart', async () => {
    const before = inProgress()
    const other = request({ nonce: 7n })
    before.hear(other, T0 + 200)
    const ids = [...before.market.book.values()].map(({ id }) => id)
    await new Records(disk, before.market).save(ids)
    await disk.close()
    disk = await openStore(folder)

    const { market } = new Stage({ self: builder })
    expect(await new Records(disk, market).restore(before.now)).toBe(2)
    expect(market.job(ids[0]!)?.obligations.size).toBe(1)
    for (const id of ids) expect(market.record(id)).toEqual(before.market.record(id))
  })

  test('of an open auction keep its count of bids, and not what they hid', async () => {
    const stage = auction()
    openAll(stage)
    const { id } = [...stage.market.book.values()][0]!
    await new Records(disk, stage.market).save([id])
    const record = (await disk.getJson<JobRecord>(`job/${id}`))!
    expect(record.bidsSeen).toBe(3)
    expect(Object.keys(record)).not.toContain('openings')
  })
})
