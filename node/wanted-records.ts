/**
 * Wanted proofs on disk and in memory, with their inputs and proofs; a bounded number of ended ones
 * stays.
 */
import type { Address, Id } from '#protocol/schema'
import { ownKey } from './signer.ts'
import { decodeJson, encodeJson, type Store, type Write } from './store.ts'
import type { WantedRecord } from './wanted-record.ts'

/** Ended wanted proofs that are remembered, with their proofs; then the oldest leaves. */
export const HISTORY = 1_000

const RECORDS = 'wanted/'
const recordKey = (wantedId: string): string => `${RECORDS}${wantedId}`
const inputsKey = (wantedId: string): string => `wanted-inputs/${wantedId}`
/** Not under `own/`: what is there leaves when the market forgets the job. */
const proofsKey = (requestId: Id, prover = ''): string => `wanted-proof/${requestId}/${prover}`

/** What a request's auction needs while it runs: stored before the request is said. */
export type AuctionFiles = {
  readonly record: WantedRecord
  readonly requestId: Id
  readonly secret: Uint8Array
  readonly inputs: Uint8Array
}

export class WantedRecords {
  readonly #store: Store
  readonly #history: number
  readonly #records = new Map<string, WantedRecord>()
  readonly #byRequest = new Map<Id, WantedRecord>()
  /** Changed since the write under way began. */
  readonly #dirty = new Set<WantedRecord>()
  #writing: Promise<void> | null = null

  private constructor(store: Store, history: number) {
    this.#store = store
    this.#history = history
  }

  static async load(store: Store, history: number = HISTORY): Promise<WantedRecords> {
    const records = new WantedRecords(store, history)
    const stored: WantedRecord[] = []
    for await (const { value } of store.entries(RECORDS))
      stored.push(decodeJson(value) as WantedRecord)
    for (const record of stored.sort((a, b) => a.openedAt - b.openedAt)) records.#adopt(record)
    return records
  }

  get(wantedId: string): WantedRecord | undefined {
    return this.#records.get(wantedId)
  }

  /** The wanted proof this request was made for. */
  ofRequest(requestId: Id): WantedRecord | undefined {
    return this.#byRequest.get(requestId)
  }

  /** What was asked for with this key: one, or a bundle in order; `undefined` for nothing. */
  ofKey(key: string): WantedRecord[] | undefined {
    const found = this.all().filter(({ idempotencyKey }) => idempotencyKey === key)
    return found.length > 0 ? byIndex(found) : undefined
  }

  /**
   * The open records whose newest requests are one bundle with this one's, and stand or fall with
   * it: until one of them is awarded. In order; itself alone when it is in none.
   */
  together(record: WantedRecord): WantedRecord[] {
    const bundleId = record.requests.at(-1)?.bundleId ?? null
    if (bundleId === null) return [record]
    const asked = this.all().flatMap((each) =>
      each.requests.filter((request) => request.bundleId === bundleId),
    )
    if (asked.some(({ winner }) => winner !== null)) return [record]
    const isIn = ({ status, requests }: WantedRecord): boolean =>
      status === 'open' && requests.at(-1)?.bundleId === bundleId
    return byIndex(this.all().filter(isIn))
  }

  /** The oldest first. */
  all(): WantedRecord[] {
    return [...this.#records.values()]
  }

  #adopt(record: WantedRecord): void {
    this.#records.set(record.wantedId, record)
    for (const { requestId } of record.requests) this.#byRequest.set(requestId, record)
  }

  /**
   * Stores each record with its newest request, and all that request's auction needs. All or
   * nothing, with sync.
   */
  async begin(all: readonly AuctionFiles[]): Promise<void> {
    const writes: Write[] = []
    for (const { record, requestId, secret, inputs } of all) {
      writes.push(
        { kind: 'put', key: recordKey(record.wantedId), value: encodeJson(record) },
        { kind: 'put', key: ownKey(requestId, 'secret'), value: secret },
        { kind: 'put', key: ownKey(requestId, 'inputs'), value: inputs },
      )
      // A second copy, because `own/` leaves with the first job and a later request needs them
      // again.
      if (!this.#records.has(record.wantedId))
        writes.push({ kind: 'put', key: inputsKey(record.wantedId), value: inputs })
    }
    await this.#store.batch(writes, { sync: true })
    for (const { record } of all) this.#adopt(record)
  }

  /**
   * Takes back requests that were refused before anybody heard of them, and each record whose only
   * one it was.
   */
  async undo(all: readonly Pick<AuctionFiles, 'record' | 'requestId'>[]): Promise<void> {
    const writes: Write[] = []
    for (const { record, requestId } of all) {
      this.#byRequest.delete(requestId)
      record.requests.splice(
        record.requests.findIndex((request) => request.requestId === requestId),
        1,
      )
      writes.push(...['secret', 'inputs'].map((name) => del(ownKey(requestId, name))))
      if (record.requests.length > 0) continue
      this.#records.delete(record.wantedId)
      this.#dirty.delete(record)
      writes.push(del(recordKey(record.wantedId)), del(inputsKey(record.wantedId)))
    }
    await this.#store.batch(writes)
    for (const { record } of all) if (record.requests.length > 0) await this.save(record)
  }

  /** What a request that the market does not know left behind. */
  async forgetAuction(requestId: Id): Promise<void> {
    await this.#store.batch(['secret', 'inputs'].map((name) => del(ownKey(requestId, name))))
  }

  inputs(wantedId: string): Promise<Uint8Array | null> {
    return this.#store.get(inputsKey(wantedId))
  }

  async keepProof(requestId: Id, prover: Address, proof: Uint8Array): Promise<void> {
    await this.#store.put(proofsKey(requestId, prover), proof, { sync: true })
  }

  proof(requestId: Id, prover: Address): Promise<Uint8Array | null> {
    return this.#store.get(proofsKey(requestId, prover))
  }

  /** Stores the record's present state; one write takes all that changed during the last one. */
  save(record: WantedRecord): Promise<void> {
    this.#dirty.add(record)
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null
    })
    return this.#writing
  }

  async #write(): Promise<void> {
    while (this.#dirty.size > 0) {
      const records = [...this.#dirty].filter(({ wantedId }) => this.#records.has(wantedId))
      this.#dirty.clear()
      const writes: Write[] = []
      for (const record of records) {
        writes.push({ kind: 'put', key: recordKey(record.wantedId), value: encodeJson(record) })
        if (record.status !== 'open') writes.push(del(inputsKey(record.wantedId)))
      }
      for (const record of this.#overdue()) writes.push(...(await this.#remove(record)))
      await this.#store.batch(writes)
    }
  }

  /** Ended ones beyond the history, the oldest first, and with each the rest of its bundle. */
  #overdue(): WantedRecord[] {
    const ended = this.all().filter(({ status }) => status !== 'open')
    const overdue = new Set(ended.slice(0, Math.max(0, ended.length - this.#history)))
    const groups = new Set([...overdue].map(({ bundle }) => bundle?.group))
    return ended.filter(
      (record) => overdue.has(record) || (record.bundle && groups.has(record.bundle.group)),
    )
  }

  async #remove(record: WantedRecord): Promise<Write[]> {
    const writes = [del(recordKey(record.wantedId)), del(inputsKey(record.wantedId))]
    this.#records.delete(record.wantedId)
    for (const { requestId } of record.requests) {
      this.#byRequest.delete(requestId)
      for await (const { key } of this.#store.entries(proofsKey(requestId))) writes.push(del(key))
    }
    return writes
  }
}

const byIndex = (records: readonly WantedRecord[]): WantedRecord[] =>
  [...records].sort((a, b) => (a.bundle?.index ?? 0) - (b.bundle?.index ?? 0))

const del = (key: string): Write => ({ kind: 'del', key })
