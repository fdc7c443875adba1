/**
 * Job records on disk: one write at a time, each taking everything that changed meanwhile (group
 * commit), so records reach the disk in order and a burst of bids costs one write, not one each.
 */
import type { JobRecord, Market } from '#protocol/market'
import type { Id } from '#protocol/schema'
import { ownKey } from './signer.ts'
import { encodeJson, type Store, type Write } from './store.ts'

const recordKey = (id: Id): string => `job/${id}`

export class Records {
  readonly #store: Store
  readonly #market: Market
  #dirty = new Set<Id>()
  #writing: Promise<void> = Promise.resolve()
  #next: Promise<void> | null = null

  constructor(store: Store, market: Market) {
    this.#store = store
    this.#market = market
  }

  /** Stores the present state of these jobs. Resolves when the disk has it, or a newer one. */
  save(ids: readonly Id[]): Promise<void> {
    for (const id of ids) this.#dirty.add(id)
    this.#next ??= this.#writing.then(() => {
      this.#next = null
      const dirty = this.#dirty
      this.#dirty = new Set()
      this.#writing = this.#write(dirty)
      return this.#writing
    })
    return this.#next
  }

  async #write(ids: ReadonlySet<Id>): Promise<void> {
    const writes: Write[] = []
    for (const id of ids) {
      const record = this.#market.record(id)
      if (record) writes.push({ kind: 'put', key: recordKey(id), value: encodeJson(record) })
      else {
        writes.push({ kind: 'del', key: recordKey(id) })
        for await (const { key } of this.#store.entries(ownKey(id, '')))
          writes.push({ kind: 'del', key })
      }
    }
    await this.#store.batch(writes)
  }

  /** Gives every stored job back to the market. Returns how many there were. */
  async restore(now: number): Promise<number> {
    let count = 0
    for await (const { key } of this.#store.entries('job/')) {
      const record = await this.#store.getJson<JobRecord>(key)
      if (!record) continue
      this.#market.restore(record, now)
      count++
    }
    return count
  }

  /** Resolves when the disk has all that was saved before; what comes later is not waited for. */
  saved(): Promise<void> {
    return this.#next ?? this.#writing
  }
}
