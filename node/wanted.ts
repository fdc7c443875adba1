/**
 * Wanted proofs: what callers asked for at the door. One may take several requests, each an auction
 * of its own: nobody bid, nobody accepted, or this node stopped in the middle. Everything is on
 * disk before it is said, so a crash at any point leaves a wanted proof that goes on or fails with
 * a reason, never one that is lost, and never two awards of one nonce.
 *
 * A request whose prover was started is never followed by another: that prover may still deliver,
 * and both would have to be paid. Against silent provers a caller asks for backups.
 */
import { createHash } from 'node:crypto'
import type { MarketEvent } from '#protocol/effects'
import { type Address, type Id, ZERO_WORD } from '#protocol/schema'
import { Nonces } from './nonces.ts'
import { encodeJson } from './store.ts'
import { type Ask, failure, failureOf, nextAsk } from './wanted-policy.ts'
import {
  deliveryOf,
  type Failure,
  recordEvent,
  recordJob,
  type WantedRecord,
  type WantedRequest,
  type WantedTerms,
} from './wanted-record.ts'
import { WantedRecords } from './wanted-records.ts'
import { WantedRefused } from './wanted-refusal.ts'
import { sayRequest, type WantedPorts } from './wanted-request.ts'

/** What happens to wanted proofs, for whoever listens at the door. */
export type WantedEvent =
  | { readonly kind: 'wanted-opened'; readonly wantedId: string; readonly requestId: Id }
  | {
      readonly kind: 'wanted-asked-again'
      readonly wantedId: string
      readonly requestId: Id
      readonly reserveWei: bigint
    }
  | {
      readonly kind: 'wanted-delivered'
      readonly wantedId: string
      readonly requestId: Id
      readonly prover: Address
      readonly payWei: bigint
      readonly deliveredAt: number
    }
  | ({ readonly kind: 'wanted-failed'; readonly wantedId: string } & Failure)

export type Opened = { readonly wantedId: string; readonly requestId: Id }

/**
 * Between the end of a request and the next one: peers' clocks may be 100 ms behind and must have
 * ended it too, and a start may still be on its way to the disk. ms.
 */
const PAUSE_MS = 250

const openedOf = ({ wantedId, requests }: WantedRecord): Opened => ({
  wantedId,
  requestId: requests[0]!.requestId,
})

export class WantedProofs {
  readonly #ports: WantedPorts
  readonly #nonces: Nonces
  readonly #records: WantedRecords
  /** By idempotency key: what it opens just now. */
  readonly #opening = new Map<string, Promise<WantedRecord>>()
  /** By wanted id, one each: the end of its time, and the next look at it. */
  readonly #deadlines = new Map<string, () => void>()
  readonly #looks = new Map<string, () => void>()
  /** Asked for again just now. */
  readonly #again = new Set<string>()
  readonly #listeners = new Set<(event: WantedEvent) => void>()
  readonly #waiters = new Set<() => void>()
  readonly #busy = new Set<Promise<unknown>>()
  /**
   * Nothing is asked before the node is ready for it: the chain's word on our cover comes first.
   */
  #resumed = false
  #stopped = false

  private constructor(ports: WantedPorts, nonces: Nonces, records: WantedRecords) {
    this.#ports = ports
    this.#nonces = nonces
    this.#records = records
  }

  /**
   * Reads what was wanted when the node last stopped. Call before the engine resumes: its events
   * are needed.
   */
  static async open(ports: WantedPorts): Promise<WantedProofs> {
    const nonces = await Nonces.open(ports.store, ports.clock.now())
    return new WantedProofs(ports, nonces, await WantedRecords.load(ports.store))
  }

  /**
   * Goes on with what is open. Call once, when the engine has resumed and the chain has told our
   * cover.
   */
  resume(): void {
    this.#resumed = true
    for (const record of this.#records.all()) {
      for (const request of record.requests) this.#catchUp(record, request)
      this.#takeDelivery(record)
      if (record.status === 'open') {
        this.#armDeadline(record)
        this.#lookLater(record)
      }
      this.#save(record)
    }
  }

  /**
   * Asks the market for a proof. Resolves when the request is on disk and said.
   * @throws WantedRefused when it cannot be asked for on these terms; then nothing of it is left.
   */
  async ask(terms: WantedTerms): Promise<Opened> {
    const key = terms.idempotencyKey
    if (this.#stopped) throw new WantedRefused('STOPPING', 'this node is stopping')
    if (key === undefined) return openedOf(await this.#track(this.#open(terms)))
    const known =
      this.#opening.get(key) ??
      this.#records.all().find(({ idempotencyKey }) => idempotencyKey === key)
    if (known) return openedOf(sameTerms(await known, terms))
    const opening = this.#track(this.#open(terms)).finally(() => this.#opening.delete(key))
    this.#opening.set(key, opening)
    return openedOf(await opening)
  }

  get(wantedId: string): WantedRecord | undefined {
    return this.#records.get(wantedId)
  }

  /** All that are remembered, the newest first. */
  list(): WantedRecord[] {
    return this.#records.all().reverse()
  }

  /** The bytes of a delivered proof; `null` when there are none. */
  async proof(wantedId: string): Promise<Uint8Array | null> {
    const delivery = this.#records.get(wantedId)?.delivery
    return delivery ? this.#records.proof(delivery.requestId, delivery.prover) : null
  }

  /**
   * Resolves when the wanted proof is open no more, `timeoutMs` have passed, or `signal` aborts.
   */
  wait(wantedId: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const isOver = (): boolean =>
      this.#stopped || signal.aborted || this.#records.get(wantedId)?.status !== 'open'
    if (isOver() || timeoutMs <= 0) return Promise.resolve()
    const { clock } = this.#ports
    return new Promise((resolve) => {
      const end = (): void => {
        cancel()
        this.#waiters.delete(look)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const look = (): void => {
        if (isOver()) end()
      }
      const cancel = clock.wake(clock.now() + timeoutMs, end)
      this.#waiters.add(look)
      signal.addEventListener('abort', end, { once: true })
    })
  }

  /** Tells of every wanted proof's events. Returns the cancellation. */
  subscribe(listener: (event: WantedEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Keeps the proof of a started prover, once it is verified and before the receipt for it is
   * signed.
   */
  async keepProof(requestId: Id, prover: Address, proof: Uint8Array): Promise<void> {
    const record = this.#records.ofRequest(requestId)
    if (!record) this.#ports.log.warn('a proof came that nobody wants', { requestId, prover })
    const delivery = record?.delivery
    const isThere = delivery?.requestId === requestId && delivery.prover === prover
    if (record && !isThere) await this.#records.keepProof(requestId, prover, proof)
  }

  /** Takes every event of the market, those of other builders' jobs too. */
  observe(event: MarketEvent): void {
    // What comes while stopping is caught up with at the next start.
    if (this.#stopped || !('requestId' in event)) return
    const record = this.#records.ofRequest(event.requestId)
    const request = record?.requests.find(({ requestId }) => requestId === event.requestId)
    if (!record || !request) return
    recordEvent(request, event, this.#ports.clock.now())
    if (event.kind === 'paid') this.#catchUp(record, request)
    this.#count(event, request)
    this.#takeDelivery(record)
    if (event.kind === 'ended' || event.kind === 'turn-missed') this.#lookLater(record)
    this.#save(record)
  }

  /** Stops asking; who waits is answered. Resolves when the disk has everything. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const cancel of [...this.#deadlines.values(), ...this.#looks.values()]) cancel()
    for (const look of [...this.#waiters]) look()
    while (this.#busy.size > 0) await Promise.allSettled(this.#busy)
  }

  async #open(terms: WantedTerms): Promise<WantedRecord> {
    const { inputs, softDueInMs, dueInMs, idempotencyKey, maxReserveWei, ...rest } = terms
    const nonce = await this.#nonces.take()
    const now = this.#ports.clock.now()
    const record: WantedRecord = {
      wantedId: `w${nonce}`,
      terms: {
        ...rest,
        inputBytes: inputs.byteLength,
        maxReserveWei: maxReserveWei ?? terms.reserveWei,
        softDueAt: now + softDueInMs,
        dueAt: now + dueInMs,
      },
      idempotencyKey: idempotencyKey ?? null,
      termsHash: idempotencyKey === undefined ? null : hashOf(terms),
      openedAt: now,
      status: 'open',
      endedAt: null,
      failure: null,
      delivery: null,
      requests: [],
    }
    const ask = { reserveWei: terms.reserveWei, retryOf: ZERO_WORD }
    const requestId = await sayRequest(this.#ports, this.#records, record, inputs, nonce, ask)
    this.#armDeadline(record)
    this.#tell({ kind: 'wanted-opened', wantedId: record.wantedId, requestId })
    return record
  }

  /** Brings one request in step with what the market remembers. */
  #catchUp(record: WantedRecord, request: WantedRequest): void {
    const { market, clock } = this.#ports
    const job = market.job(request.requestId)
    if (job) recordJob(request, job, clock.now())
    else if (!request.outcome && request.starts.length === 0) {
      // We stopped before the market had it, or so long ago that it is forgotten: it binds nobody.
      request.outcome = 'void'
      request.interrupted = request.winner === null
      request.endedAt = clock.now()
      if (record.status === 'open') this.#run(this.#records.forgetAuction(request.requestId))
    }
  }

  /** The first receipt for any of its requests: the proof is here. */
  #takeDelivery(record: WantedRecord): void {
    if (record.delivery) return
    const delivery = record.requests.map(deliveryOf).find((found) => found !== null)
    if (!delivery) return
    record.delivery = delivery
    record.failure = null
    this.#end(record, 'delivered')
    this.#tell({ kind: 'wanted-delivered', wantedId: record.wantedId, ...delivery })
  }

  #fail(record: WantedRecord, reason: Failure): void {
    record.failure = reason
    this.#end(record, 'failed')
    this.#tell({ kind: 'wanted-failed', wantedId: record.wantedId, ...reason })
    this.#save(record)
  }

  #end(record: WantedRecord, status: 'delivered' | 'failed'): void {
    record.status = status
    record.endedAt = this.#ports.clock.now()
    for (const timers of [this.#deadlines, this.#looks]) {
      timers.get(record.wantedId)?.()
      timers.delete(record.wantedId)
    }
  }

  #armDeadline(record: WantedRecord): void {
    // The receipt for a proof that came at the last moment is signed within `receiptMs`.
    const at = record.terms.dueAt + this.#ports.params.receiptMs + 1
    this.#wake(this.#deadlines, record, at)
  }

  #lookLater(record: WantedRecord): void {
    this.#wake(this.#looks, record, this.#ports.clock.now() + PAUSE_MS)
  }

  #wake(timers: Map<string, () => void>, record: WantedRecord, at: number): void {
    if (!this.#resumed || this.#stopped || record.status !== 'open') return
    timers.get(record.wantedId)?.()
    const cancel = this.#ports.clock.wake(at, () => {
      timers.delete(record.wantedId)
      this.#look(record)
    })
    timers.set(record.wantedId, cancel)
  }

  /** Decides what becomes of an open wanted proof: go on waiting, ask again, or give up. */
  #look(record: WantedRecord): void {
    if (this.#stopped || record.status !== 'open' || this.#again.has(record.wantedId)) return
    const { clock, params } = this.#ports
    const last = record.requests.at(-1)!
    const isPast = clock.now() > record.terms.dueAt + params.receiptMs
    if (!isPast && !this.#isOver(last)) return
    const { bidWindowMs } = this.#ports
    const next = isPast ? null : nextAsk(record, clock.now(), bidWindowMs, params)
    if (!next) {
      this.#fail(record, failureOf(record))
      return
    }
    this.#again.add(record.wantedId)
    const asked = this.#askAgain(record, next).finally(() => {
      this.#again.delete(record.wantedId)
      // What was due meanwhile was not looked at.
      this.#lookLater(record)
    })
    this.#run(asked)
  }

  /**
   * Whether nobody was or will be started: it is void, or everyone named in the award missed the
   * turn.
   */
  #isOver({ requestId, outcome, starts }: WantedRequest): boolean {
    if (starts.length > 0) return false
    const auction = this.#ports.market.auctioneer.auctions.get(requestId)
    const isExhausted = auction?.candidates && auction.turn >= auction.candidates.length
    return outcome !== null || isExhausted === true
  }

  async #askAgain(record: WantedRecord, ask: Ask): Promise<void> {
    const { wantedId } = record
    try {
      const inputs = await this.#records.inputs(wantedId)
      if (!inputs) throw new WantedRefused('REQUEST_FIELDS', 'its inputs are gone from the disk')
      const nonce = await this.#nonces.take()
      if (this.#stopped) return
      const requestId = await sayRequest(this.#ports, this.#records, record, inputs, nonce, ask)
      this.#tell({ kind: 'wanted-asked-again', wantedId, requestId, reserveWei: ask.reserveWei })
    } catch (error) {
      if (!(error instanceof WantedRefused)) throw error
      // A node that stops leaves it open, and goes on with it when it runs again.
      if (error.code === 'STOPPING') return
      this.#fail(record, failure('REFUSED', `asked again and refused: ${error.message}`))
    }
  }

  #count(event: MarketEvent, request: WantedRequest): void {
    const { metrics } = this.#ports
    if (event.kind === 'awarded') metrics.countAuction('awarded')
    if (event.kind !== 'ended') return
    metrics.countJob('builder', event.outcome)
    if (request.winner === null) metrics.countAuction(request.bidCount > 0 ? 'void' : 'no-bid')
  }

  #tell(event: WantedEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
    for (const look of [...this.#waiters]) look()
  }

  #save(record: WantedRecord): void {
    this.#run(this.#records.save(record))
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#busy.add(work)
    const done = (): boolean => this.#busy.delete(work)
    work.then(done, done)
    return work
  }

  /** Work nobody waits for: a disk that fails ends the node. */
  #run(work: Promise<unknown>): void {
    this.#track(work).catch(this.#ports.onFatal)
  }
}

const hashOf = ({ idempotencyKey: _, ...terms }: WantedTerms): string => {
  const sorted = Object.entries(terms).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(encodeJson(Object.fromEntries(sorted)))
    .digest('hex')
}

function sameTerms(record: WantedRecord, terms: WantedTerms): WantedRecord {
  if (record.termsHash === hashOf(terms)) return record
  const what = `idempotencyKey ${JSON.stringify(terms.idempotencyKey)} was used with other terms`
  throw new WantedRefused('IDEMPOTENCY_MISMATCH', `${what}; use a new key for a new proof`)
}
