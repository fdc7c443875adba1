/**
 * The prover's part of the driver: asks builders for inputs, accepts, runs the backend, delivers.
 * Each job has one abort signal; each step goes on until it succeeds, is refused for good, or the
 * job is over.
 */
import { bidLeaf, rootOf } from '#protocol/auction'
import type { Effect, Input, Verdict } from '#protocol/effects'
import type { Job } from '#protocol/job'
import type { Market } from '#protocol/market'
import type { Address, Hex, Id, ProofRequest } from '#protocol/schema'
import { keccak } from '#protocol/signature'
import type { Chain } from './chain.ts'
import type { Clock } from './clock.ts'
import { ExchangeRefused, type ProverExchange } from './exchange.ts'
import type { Log } from './log.ts'
import type { Host } from './peers.ts'
import { ownKey, type Signer } from './signer.ts'
import { encodeJson, type Store } from './store.ts'
import type { Verifier } from './verifier.ts'

/** What the agent does for the node: checks inputs before accepting, and proves. */
export type ProverRole = {
  /**
   * Why these inputs are not the request's or cannot be proven; `null` if they can. Never throws.
   */
  readonly check: (inputs: Uint8Array, request: ProofRequest) => Promise<string | null>
  /** The proof's bytes, or `null` when there will be none. @throws only when aborted. */
  readonly prove: (
    job: { readonly request: ProofRequest; readonly inputs: Uint8Array; readonly payee: Address },
    signal: AbortSignal,
  ) => Promise<Uint8Array | null>
}

export type ProvingPorts = {
  readonly market: Market
  readonly store: Store
  readonly signer: Signer
  readonly clock: Clock
  readonly log: Log
  readonly verifier: Verifier
  readonly exchange: ProverExchange
  readonly host: Pick<Host, 'connect' | 'protect' | 'unprotect'>
  readonly chain: Pick<Chain, 'isResolved'>
  readonly role: ProverRole
  readonly feed: (input: Input) => Verdict
  readonly feedStored: (input: Input) => Promise<Verdict>
}

/**
 * Pause before a builder that could not be reached is asked again; doubled up to the second. ms.
 */
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1_000

/** Builders whose connections are kept: a cold dial costs six round trips of an auction's time. */
const KEPT_BUILDERS = 32

export class Proving {
  readonly #ports: ProvingPorts
  /** One signal a job, while any step of it runs. */
  readonly #aborts = new Map<Id, AbortController>()
  /** Steps under way, by name: an effect repeated after a restart or a retry does not run twice. */
  readonly #running = new Set<string>()

  /** Builders we bid for lately, oldest first: connections to them are kept. */
  readonly #builders = new Set<Hex>()

  constructor(ports: ProvingPorts) {
    this.#ports = ports
  }

  readonly fetch = (requestId: Id): void =>
    this.#run('fetch', requestId, async (job, signal) => {
      const ok = await this.#fetchInputs(job, signal)
      // Stopped, not refused: after a restart it is asked for again.
      if (signal.aborted) return
      this.#ports.feed({ kind: 'fetched', requestId, ok })
    })

  readonly accept = (message: Extract<Effect, { kind: 'accept' }>['message']): void =>
    this.#run('accept', message.requestId, async (job, signal) => {
      const { signer, feedStored, exchange } = this.#ports
      const signed = await signer.signOnce('Acceptance', job.id, 'Acceptance', message)
      await feedStored({ kind: 'committed', from: signed })
      await this.#untilDue(job, signal, async () => {
        const start = await exchange.accept(job.request.message.builderPeer, signed, signal)
        return this.#isTaken(this.#ports.feed({ kind: 'message', from: start })) ? start : null
      })
    })

  readonly prove = (requestId: Id): void =>
    this.#run('prove', requestId, async (job, signal) => {
      const proof = await this.#prove(job, signal)
      if (proof) await this.#ports.store.put(ownKey(requestId, 'proof'), proof, { sync: true })
      if (signal.aborted) return
      this.#ports.feed({ kind: 'proved', requestId, proofHash: proof && keccak(proof) })
    })

  readonly deliver = (requestId: Id): void =>
    this.#run('deliver', requestId, async (job, signal) => {
      const proof = await this.#ports.store.get(ownKey(requestId, 'proof'))
      if (!proof) throw new Error(`the proof of ${requestId} is missing from the store`)
      const peer = job.request.message.builderPeer
      await this.#untilDue(job, signal, async () => {
        const receipt = await this.#ports.exchange.deliver(peer, requestId, proof, signal)
        return this.#isTaken(this.#ports.feed({ kind: 'message', from: receipt })) ? receipt : null
      })
    })

  readonly approach = (builderPeer: Hex): void => {
    const { host, log } = this.#ports
    this.#builders.delete(builderPeer)
    this.#builders.add(builderPeer)
    const [oldest] = this.#builders
    if (this.#builders.size > KEPT_BUILDERS && oldest) {
      this.#builders.delete(oldest)
      host.unprotect(oldest)
    }
    host.protect(builderPeer)
    host
      .connect(builderPeer)
      .catch((error: unknown) => log.debug('builder not reached', { builderPeer, error }))
  }

  readonly abort = (requestId: Id): void => {
    this.#aborts.get(requestId)?.abort()
    this.#aborts.delete(requestId)
  }

  /** Ends every step; what was stored goes on after a restart. */
  stop(): void {
    for (const requestId of [...this.#aborts.keys()]) this.abort(requestId)
  }

  #run(step: string, requestId: Id, act: (job: Job, signal: AbortSignal) => Promise<void>): void {
    const name = `${step}/${requestId}`
    const job = this.#ports.market.job(requestId)
    if (!job || this.#running.has(name)) return
    const abort = this.#aborts.get(requestId) ?? new AbortController()
    this.#aborts.set(requestId, abort)
    this.#running.add(name)
    act(job, abort.signal)
      .catch((error: unknown) => {
        if (!abort.signal.aborted) this.#ports.log.warn(`${step} failed`, { requestId, error })
      })
      .finally(() => {
        this.#running.delete(name)
        const isBusy = [...this.#running].some((other) => other.endsWith(requestId))
        if (!isBusy && this.#aborts.get(requestId) === abort) this.#aborts.delete(requestId)
      })
  }

  #isTaken(verdict: Verdict): boolean {
    return verdict === 'accept' || (verdict.action === 'ignore' && verdict.code === 'DUPLICATE')
  }

  /**
   * Tries until it gives something, the builder refuses for good, the job is over or it is due. A
   * builder that restarts is found again by the next try.
   */
  async #untilDue<T>(
    job: Job,
    signal: AbortSignal,
    attempt: () => Promise<T | null>,
  ): Promise<T | null> {
    const { clock, log } = this.#ports
    let pauseMs = FIRST_PAUSE_MS
    while (!signal.aborted && clock.now() < job.request.message.dueAt) {
      try {
        const result = await attempt()
        if (result !== null) return result
      } catch (error) {
        if (error instanceof ExchangeRefused && error.isFinal) {
          log.info('the builder refused', { requestId: job.id, code: error.code })
          return null
        }
        log.debug('the builder did not answer', { requestId: job.id, error })
      }
      await this.#pause(pauseMs, signal)
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
    }
    return null
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const cancel = this.#ports.clock.wake(this.#ports.clock.now() + ms, done)
      signal.addEventListener('abort', done, { once: true })
      function done() {
        cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
    })
  }

  /** Waits for our turn at the builder's; stores inputs that fit the request. */
  async #fetchInputs(job: Job, signal: AbortSignal): Promise<boolean> {
    const { exchange, role, store, log } = this.#ports
    const request = job.request.message
    const isResolved = this.#isResolved(request)
    const turn = await this.#untilDue(job, signal, () =>
      exchange.fetch(request.builderPeer, job.id, request.inputBytes, signal),
    )
    if (!turn || signal.aborted) return false
    const problem = (await isResolved)
      ? 'the chain pays nothing more for this nonce'
      : this.#pathFits(job, turn.path)
        ? await role.check(turn.inputs, request)
        : 'bid not under bidsRoot'
    if (problem) {
      log.warn('inputs refused', { requestId: job.id, problem })
      return false
    }
    await store.batch(
      [
        { kind: 'put', key: ownKey(job.id, 'inputs'), value: turn.inputs },
        { kind: 'put', key: ownKey(job.id, 'path'), value: encodeJson(turn.path) },
      ],
      { sync: true },
    )
    return true
  }

  /**
   * Whether the chain has paid us, by a post too, or slashed us for this builder and nonce before
   * (rule D6): a builder that repeats a forgotten nonce would get its proof for nothing. A chain
   * that does not answer counts as yes.
   */
  #isResolved({ builder, nonce }: ProofRequest): Promise<boolean> {
    const { chain, signer, log } = this.#ports
    return chain.isResolved(builder, signer.account, nonce).catch((error: unknown) => {
      log.warn('cannot ask the chain about a nonce', { builder, nonce, error })
      return true
    })
  }

  /** Our own price must stand under the award's root: a backup claims by it (rule D3). */
  #pathFits(job: Job, path: readonly Hex[]): boolean {
    const pursuit = this.#ports.market.bidder?.pursuits.get(job.id)
    if (!job.award || !pursuit?.bidId) return false
    const leaf = bidLeaf(pursuit.bidId, pursuit.priceWei, pursuit.readyAt)
    return rootOf(leaf, path) === job.award.message.bidsRoot
  }

  async #prove(job: Job, signal: AbortSignal): Promise<Uint8Array | null> {
    const { store, role, signer, verifier, log } = this.#ports
    const earlier = await store.get(ownKey(job.id, 'proof'))
    if (earlier) return earlier
    const inputs = await store.get(ownKey(job.id, 'inputs'))
    if (!inputs) throw new Error(`the inputs of ${job.id} are missing from the store`)
    const request = job.request.message
    const payee = signer.account
    const proof = await role.prove({ request, inputs, payee }, signal)
    if (!proof) return null
    const { programId, publicInputsHash } = request
    const isValid = await verifier
      .verify(proof, programId, publicInputsHash, payee)
      .catch((error: unknown) => {
        // Nothing is known about it: kept back it costs the bond, and the builder looks at it too.
        log.warn('a proof goes out unverified', { requestId: job.id, error })
        return true
      })
    if (isValid) return proof
    log.error('the backend returned a proof that does not verify', { requestId: job.id })
    return null
  }
}
