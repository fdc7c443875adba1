/**
 * Wanted proofs: what callers asked for at the door. One may take several requests, each an auction
 * of its own: nobody bid, nobody accepted, or this node stopped in the middle. Everything is on
 * disk before it is said, so a crash at any point leaves a wanted proof that goes on or fails with
 * a reason, never one that is lost, and never two awards of one nonce.
 *
 * Proofs asked for as a bundle are awarded all or none: without an award they are asked for again
 * as a whole. Once awarded each is by itself, so the end of one leaves the others as they are.
 *
 * A request whose prover was started is never followed by another: that prover may still deliver,
 * and both would have to be paid. Against silent provers a caller asks for backups.
 */
import type { MarketEvent } from '#protocol/effects'
import { type Address, type Id, ZERO_WORD } from '#protocol/schema'
import { Nonces } from './nonces.ts'
import { hashOf, sameTerms } from './wanted-key.ts'
import { type Ask, failure, failureIn, nextAsks } from './wanted-policy.ts'
import {
  type BundleTerms,
  deliveryOf,
  type Failure,
  newRecord,
  type Opened,
  type OpenedBundle,
  openedOf,
  recordEvent,
  recordJob,
  type WantedRecord,
  type WantedRequest,
  type WantedTerms,
} from './wanted-record.ts'
import { WantedRecords } from './wanted-records.ts'
import { WantedRefused } from './wanted-refusal.ts'
import { sayRequests, type WantedPorts } from './wanted-request.ts'

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

/**
 * Between the end of a request and the next one: peers' clocks may be 100 ms behind and must have
 * ended it too, and a start may still be on its way to the disk. ms.
 */
const PAUSE_MS = 250

export class WantedProofs {
  readonly #ports: WantedPorts
  readonly #nonces: Nonces
  readonly #records: WantedRecords
  /** By idempotency key: what it opens just now. */
  readonly #opening = new Map<string, Promise<WantedRecord[]>>()
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
    const [record] = await this.#askOnce([terms], hashOf(terms))
    return openedOf(record!)
  }

  /**
   * Asks for several proofs that are awarded all or none. Resolves when all the requests are on
   * disk and said.
   * @throws WantedRefused when one cannot be asked for; then nothing of any is left.
   */
  async askBundle(terms: BundleTerms): Promise<OpenedBundle> {
    const { segments, ...shared } = terms
    const all = segments.map((segment) => ({ ...shared, ...segment }))
    const records = await this.#askOnce(all, hashOf(terms))
    const bundleId = records[0]?.requests[0]?.bundleId ?? ZERO_WORD
    return { bundleId, proofs: records.map(openedOf) }
  }

  /** With a key, what was asked for with it before is not asked for again. */
  async #askOnce(all: readonly WantedTerms[], termsHash: string): Promise<WantedRecord[]> {
    const key = all[0]?.idempotencyKey
    if (this.#stopped) throw new WantedRefused('STOPPING', 'this node is stopping')
    if (key === undefined) return this.#track(this.#open(all, termsHash))
    const known = this.#opening.get(key) ?? this.#records.ofKey(key)
    if (known) return sameTerms(await known, key, termsHash)
    const opening = this.#track(this.#open(all, termsHash)).finally(() => this.#opening.delete(key))
    this.#opening.set(key, opening)
    return opening
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

  async #open(all: readonly WantedTerms[], termsHash: string): Promise<WantedRecord[]> {
    const nonces: bigint[] = []
    for (const _ of all) nonces.push(await this.#nonces.take())
    const now = this.#ports.clock.now()
    const asked = all.map((terms, index) => {
      const nonce = nonces[index]!
      const place = { group: `b${nonces[0]}`, index, size: all.length }
      const record = newRecord(terms, nonce, now, termsHash, all.length > 1 ? place : undefined)
      const ask = { reserveWei: terms.reserveWei, retryOf: ZERO_WORD }
      return { record, inputs: terms.inputs, nonce, ask }
    })
    await sayRequests(this.#ports, this.#records, asked)
    const records = asked.map(({ record }) => record)
    for (const record of records) {
      this.#armDeadline(record)
      this.#tell({ kind: 'wanted-opened', ...openedOf(record) })
    }
    return records
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
    // A bundle without an award is over when all of it is, and is asked again as a whole.
    const together = this.#records.together(record)
    const isPast = clock.now() > record.terms.dueAt + params.receiptMs
    if (!isPast && !together.every(({ requests }) => this.#isOver(requests.at(-1)!))) return
    const { bidWindowMs } = this.#ports
    const asks = isPast ? null : nextAsks(together, clock.now(), bidWindowMs, params)
    if (!asks) {
      const reasons = together.map((each) => failureIn(together, each))
      for (const [index, each] of together.entries()) this.#fail(each, reasons[index]!)
      return
    }
    for (const { wantedId } of together) this.#again.add(wantedId)
    const asked = this.#askAgain(together, asks).finally(() => {
      for (const each of together) {
        this.#again.delete(each.wantedId)
        // What was due meanwhile was not looked at.
        this.#lookLater(each)
      }
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

  async #askAgain(together: readonly WantedRecord[], asks: readonly Ask[]): Promise<void> {
    try {
      const asked = []
      for (const [index, record] of together.entries()) {
        const inputs = await this.#records.inputs(record.wantedId)
        if (!inputs) throw new WantedRefused('REQUEST_FIELDS', 'its inputs are gone from the disk')
        asked.push({ record, inputs, nonce: await this.#nonces.take(), ask: asks[index]! })
      }
      if (this.#stopped) return
      const requestIds = await sayRequests(this.#ports, this.#records, asked)
      for (const [index, { record, ask }] of asked.entries()) {
        const [{ wantedId }, requestId] = [record, requestIds[index]!]
        this.#tell({ kind: 'wanted-asked-again', wantedId, requestId, reserveWei: ask.reserveWei })
      }
    } catch (error) {
      if (!(error instanceof WantedRefused)) throw error
      // A node that stops leaves it open, and goes on with it when it runs again.
      if (error.code === 'STOPPING') return
      const reason = failure('REFUSED', `asked again and refused: ${error.message}`)
      for (const record of together) this.#fail(record, reason)
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
