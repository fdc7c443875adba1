/**
 * Store, then perform: work that must survive a crash (handing over a proof, settling a receipt) is
 * written down first, done until it is done, and only then forgotten. A crash repeats an item,
 * never loses one, so performing must be harmless twice.
 */
import type { Log } from './log.ts'
import type { Store } from './store.ts'

/** `done` and `drop` forget the item (`drop`: it can never succeed), `again` tries later. */
export type Performed = 'done' | 'again' | 'drop'

/** `signal` aborts when the outbox stops: give up and return `again`. */
export type Perform = (key: string, payload: Uint8Array, signal: AbortSignal) => Promise<Performed>

export type OutboxOptions = {
  /** Names the queue inside the store; printable, without `/`. */
  readonly name: string
  /**
   * Most items waiting. Each is an obligation, so a full outbox refuses the new one, not the
   * oldest.
   */
  readonly maxItems: number
  /** Most items performed at once. */
  readonly concurrency: number
  /** First pause before trying again; it doubles up to the second. ms. */
  readonly minDelayMs: number
  readonly maxDelayMs: number
  readonly log: Log
}

/** The outbox holds `maxItems` already. Nothing was stored. */
export class OutboxFullError extends Error {
  readonly code = 'OUTBOX_FULL'
  constructor(name: string, maxItems: number) {
    super(`The ${name} outbox is full: ${maxItems} items wait, new ones are refused`)
    this.name = 'OutboxFullError'
  }
}

type Item = {
  readonly key: string
  readonly place: string
  /** Resolves when the item is on disk. */
  readonly stored: Promise<void>
  tries: number
  timer: NodeJS.Timeout | null
}

type StoredItem = { readonly key: string; readonly payload: Uint8Array }

/**
 * Digits of an item's place in the queue: 10¹⁵ items before the order of text and number differ.
 */
const PLACE_DIGITS = 15

export class Outbox {
  readonly #store: Store
  readonly #options: OutboxOptions
  /** Every waiting or running item, by key. */
  readonly #items = new Map<string, Item>()
  /** Items to perform now, oldest first. */
  #ready: Item[] = []
  readonly #running = new Set<Promise<void>>()
  readonly #stopping = new AbortController()
  #perform: Perform | null = null
  #nextPlace: number

  private constructor(store: Store, options: OutboxOptions, nextPlace: number) {
    this.#store = store
    this.#options = options
    this.#nextPlace = nextPlace
  }

  /** Reads what an earlier run left; nothing is performed before `start`. Throws `StoreError`. */
  static async open(store: Store, options: OutboxOptions): Promise<Outbox> {
    const places: { place: string; key: string }[] = []
    for await (const { key: place } of store.entries(prefixOf(options.name))) {
      const item = await store.getJson<StoredItem>(place)
      if (item !== null) places.push({ place, key: item.key })
    }
    const last = places.at(-1)?.place.slice(-PLACE_DIGITS) ?? '0'
    const outbox = new Outbox(store, options, Number(last) + 1)
    for (const { place, key } of places) outbox.#add(key, place, Promise.resolve())
    return outbox
  }

  /**
   * Writes the item down, with `sync` through to the disk, and performs it once started. A key that
   * waits already is left as it is (`present`), once it is stored. Throws `OutboxFullError`,
   * `StoreError`.
   */
  async enqueue(
    key: string,
    payload: Uint8Array,
    options: { readonly sync: boolean },
  ): Promise<'stored' | 'present'> {
    const present = this.#items.get(key)
    if (present !== undefined) {
      await present.stored
      return 'present'
    }
    const { name, maxItems } = this.#options
    if (this.#items.size >= maxItems) throw new OutboxFullError(name, maxItems)
    const place = prefixOf(name) + String(this.#nextPlace++).padStart(PLACE_DIGITS, '0')
    const value: StoredItem = { key, payload }
    const item = this.#add(key, place, this.#store.putJson(place, value, options))
    try {
      await item.stored
    } catch (error) {
      this.#items.delete(key)
      this.#ready = this.#ready.filter((other) => other !== item)
      throw error
    }
    this.#fill()
    return 'stored'
  }

  /** Begins to perform, oldest first. A performer that throws is logged and tried again. */
  start(perform: Perform): void {
    if (this.#perform !== null) throw new Error(`outbox ${this.#options.name} is started already`)
    this.#perform = perform
    this.#fill()
  }

  /** Items waiting or being performed. */
  pending(): number {
    return this.#items.size
  }

  has(key: string): boolean {
    return this.#items.has(key)
  }

  /**
   * Performs nothing more and resolves when what runs has returned. What is left waits for the next
   * run.
   */
  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const item of this.#items.values()) if (item.timer !== null) clearTimeout(item.timer)
    await Promise.all(this.#running)
  }

  #add(key: string, place: string, stored: Promise<void>): Item {
    const item: Item = { key, place, stored, tries: 0, timer: null }
    this.#items.set(key, item)
    this.#ready.push(item)
    return item
  }

  #fill(): void {
    if (this.#perform === null || this.#stopping.signal.aborted) return
    while (this.#running.size < this.#options.concurrency) {
      const item = this.#ready.shift()
      if (item === undefined) return
      const run = this.#run(item, this.#perform).finally(() => {
        this.#running.delete(run)
        this.#fill()
      })
      this.#running.add(run)
    }
  }

  async #run(item: Item, perform: Perform): Promise<void> {
    const { log, name } = this.#options
    // When it could not be stored, whoever enqueued it hears, and here is nothing to perform.
    await item.stored.catch(() => undefined)
    let performed: Performed = 'again'
    try {
      const stored = await this.#store.getJson<StoredItem>(item.place)
      performed =
        stored === null ? 'drop' : await perform(item.key, stored.payload, this.#stopping.signal)
      if (performed !== 'again') await this.#store.del(item.place)
    } catch (error) {
      performed = 'again'
      log.error('outbox item failed', { outbox: name, key: item.key, tries: item.tries, error })
    }
    if (performed === 'again') {
      this.#later(item)
      return
    }
    if (performed === 'drop') log.warn('outbox item dropped', { outbox: name, key: item.key })
    if (this.#items.get(item.key) === item) this.#items.delete(item.key)
  }

  #later(item: Item): void {
    if (this.#stopping.signal.aborted) return
    const { minDelayMs, maxDelayMs } = this.#options
    const delayMs = Math.min(maxDelayMs, minDelayMs * 2 ** item.tries)
    item.tries += 1
    item.timer = setTimeout(() => {
      item.timer = null
      this.#ready.push(item)
      this.#fill()
    }, delayMs)
  }
}

const prefixOf = (name: string): string => `outbox/${name}/`
