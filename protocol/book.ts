/**
 * The jobs a node remembers: by id, by (builder, nonce), and how many of each builder are open.
 * Bounded by `maxJobs`: closed jobs leave first, then ended ones; when all are live, new requests
 * are ignored. Also keeps what jobs hold of bonds and cover in step with them.
 */
import type { Accounts } from './accounts.ts'
import { lineUp } from './auction.ts'
import { bundleKey } from './bundle.ts'
import type { SignedRequest } from './effects.ts'
import { bondsHeld, closesForGoodAt, coverHeldWei, isClosed, isDelivered, type Job } from './job.ts'
import type { Params } from './params.ts'
import type { Address, Id, ProofRequest } from './schema.ts'
import type { Standing } from './standing.ts'

const nonceKey = (builder: Address, nonce: bigint): string => `${builder}/${nonce}`

/** How long an ended job stays, so that its late copies are known as such. ms. */
const LINGER_MS = 30_000

/** The requests heard of one bundle. */
type Bundle = {
  readonly ids: Set<Id>
  /** Its awards were compared with its bids, which is done once. */
  isJudged: boolean
}

export class JobBook {
  readonly #params: Params
  readonly #accounts: Accounts
  readonly #isBound: (id: Id) => boolean
  readonly #jobs = new Map<Id, Job>()
  readonly #byNonce = new Map<string, Id>()
  readonly #open = new Map<Address, Set<Id>>()
  /** By builder and bundle id. */
  readonly #bundles = new Map<string, Bundle>()

  /** @param isBound Whether this node still owes something in a job, whatever others say of it. */
  constructor(params: Params, accounts: Accounts, isBound: (id: Id) => boolean) {
    this.#params = params
    this.#accounts = accounts
    this.#isBound = isBound
  }

  get(id: Id): Job | undefined {
    return this.#jobs.get(id)
  }

  values(): IterableIterator<Job> {
    return this.#jobs.values()
  }

  get size(): number {
    return this.#jobs.size
  }

  /** The request of this builder and nonce, if known. */
  byNonce(builder: Address, nonce: bigint): SignedRequest | undefined {
    const id = this.#byNonce.get(nonceKey(builder, nonce))
    return id && this.#jobs.get(id)?.request
  }

  /** How many jobs of this builder have neither a proof nor an outcome yet. */
  openRequests(builder: Address): number {
    return this.#open.get(builder)?.size ?? 0
  }

  /**
   * Adds a job. When there is no room: the id of an ended job to forget, or `full` if there is
   * none.
   */
  add(job: Job, now: number): Id | 'full' | null {
    let evicted: Id | null = null
    if (this.#jobs.size >= this.#params.maxJobs) {
      evicted = this.#leastNeeded(now)
      if (!evicted) return 'full'
    }
    const { builder, nonce } = job.request.message
    this.#jobs.set(job.id, job)
    this.#byNonce.set(nonceKey(builder, nonce), job.id)
    const key = bundleKey(job.request.message)
    if (key === null) return evicted
    const bundle = this.#bundles.get(key) ?? { ids: new Set(), isJudged: false }
    this.#bundles.set(key, bundle)
    bundle.ids.add(job.id)
    return evicted
  }

  #bundleOf(request: ProofRequest): Bundle | undefined {
    const key = bundleKey(request)
    return key === null ? undefined : this.#bundles.get(key)
  }

  /** How many bundles are remembered. */
  get bundles(): number {
    return this.#bundles.size
  }

  /** The jobs known of a request's bundle, by index; none for a request alone. */
  bundle(request: ProofRequest): Job[] {
    const ids = this.#bundleOf(request)?.ids ?? []
    const indexOf = (job: Job): number => job.request.message.bundleIndex
    return [...ids].map((id) => this.#jobs.get(id)!).sort((a, b) => indexOf(a) - indexOf(b))
  }

  /** Whether this bundle is judged now, for the first time. */
  isFirstJudgement(request: ProofRequest): boolean {
    const bundle = this.#bundleOf(request)
    if (!bundle || bundle.isJudged) return false
    bundle.isJudged = true
    return true
  }

  /** The oldest closed job, else the oldest void one: those bind nobody. */
  #leastNeeded(now: number): Id | null {
    let voided: Id | null = null
    for (const job of this.#jobs.values()) {
      if (!job.outcome || this.#isBound(job.id)) continue
      if (isClosed(job, now, this.#params)) return job.id
      if (job.outcome === 'void') voided ??= job.id
    }
    return voided
  }

  /** Brings holds and counts in step with the job. */
  update(job: Job): void {
    const { builder } = job.request.message
    for (const { prover, wei } of bondsHeld(job))
      this.#accounts.bonds.set(`${job.id}/${prover}`, prover, wei)
    this.#accounts.cover.set(job.id, builder, coverHeldWei(job, this.#params))
    const open = this.#open.get(builder) ?? new Set<Id>()
    // A delivered job waits for its settlement only, which may take its prover half an hour.
    if (job.outcome || isDelivered(job)) open.delete(job.id)
    else open.add(job.id)
    if (open.size > 0) this.#open.set(builder, open)
    else this.#open.delete(builder)
  }

  /** When an ended job can be forgotten. ms since the Unix epoch. */
  forgetAt(job: Job): number {
    const { closesAt, dueAt } = job.request.message
    const isResolved = [...job.obligations.values()].every(({ resolution }) => resolution !== null)
    if (!isResolved) return closesForGoodAt(job, this.#params)
    return (job.award ? dueAt : closesAt) + LINGER_MS
  }

  delete(id: Id): void {
    const job = this.#jobs.get(id)
    if (!job) return
    const { builder, nonce } = job.request.message
    this.#jobs.delete(id)
    this.#byNonce.delete(nonceKey(builder, nonce))
    const bundle = this.#bundleOf(job.request.message)
    bundle?.ids.delete(id)
    if (bundle?.ids.size === 0) this.#bundles.delete(bundleKey(job.request.message)!)
    this.#accounts.cover.delete(id)
    for (const prover of job.obligations.keys()) this.#accounts.bonds.delete(`${id}/${prover}`)
    const open = this.#open.get(builder)
    open?.delete(id)
    if (open?.size === 0) this.#open.delete(builder)
  }

  /**
   * A start says who answered its turn, and that those between it and the last start did not (rule
   * S1).
   */
  recordTurns(job: Job, started: Address, standing: Standing, now: number): void {
    if (!job.award) return
    const { builder } = job.request.message
    const line = lineUp(job.award.message)
    standing.recordTurn(started, builder, true, now)
    for (let turn = line.indexOf(started) - 1; turn >= 0; turn--) {
      const prover = line[turn]!
      if (job.obligations.has(prover)) return
      standing.recordTurn(prover, builder, false, now)
    }
  }
}
