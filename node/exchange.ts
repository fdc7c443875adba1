/**
 * The three streams between a prover and the builder it dials: inputs, acceptance, proof. Both
 * sides of each body live here, beside each other.
 *
 *   inputs    PeerClaim ‖ sig ‖ request id            →  path count u8 ‖ path ‖ inputs, when it is its turn
 *   accept    Acceptance ‖ sig                        →  the start's envelope
 *   deliver   PeerClaim ‖ sig ‖ request id ‖ proof    →  Receipt ‖ sig
 */
import { concat } from 'uint8arrays/concat'
import { signedBytes } from '#protocol/codec'
import type {
  Gossiped,
  Input,
  SignedAcceptance,
  SignedReceipt,
  SignedStart,
  Verdict,
} from '#protocol/effects'
import {
  encodeSigned,
  envelopeBytes,
  isRefusal,
  openEnvelope,
  openSigned,
  sealEnvelope,
} from '#protocol/envelope'
import type { Market } from '#protocol/market'
import type { Params } from '#protocol/params'
import type { Address, Hex, Id } from '#protocol/schema'
import { keccak } from '#protocol/signature'
import { streamProtocols } from '#protocol/topics'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import type { Host } from './peers.ts'
import { ownKey, type Signer } from './signer.ts'
import type { Store } from './store.ts'
import { ask, type ServeLimits, StreamError, StreamRefusal, serve } from './streams.ts'
import type { Verifier } from './verifier.ts'

/** The builder answered, and the answer is no. */
export class ExchangeRefused extends Error {
  override readonly name = 'ExchangeRefused'
  readonly code: string
  constructor(code: string, options?: ErrorOptions) {
    super(`the builder refused: ${code}`, options)
    this.code = code
  }
  /** Whether asking again is pointless. */
  get isFinal(): boolean {
    return !retriable.has(this.code)
  }
}
/**
 * Refusals that pass: the builder is busy, slow or failing, or has not read all of its store or of
 * the chain yet.
 */
const retriable = new Set([
  'BUSY',
  'STOPPING',
  'EXPIRED',
  'INTERNAL',
  'SIGNER_UNKNOWN',
  'UNKNOWN_REQUEST',
])

/** Deepest path: a tree over 4,096 bids, with room. */
const MAX_PATH = 16
const WORD_BYTES = 32
/** Largest proof a builder takes: zkVM receipts reach some hundred KiB. Bytes. */
export const MAX_PROOF_BYTES = 1_048_576
const CLAIM_BYTES = signedBytes('PeerClaim')
const HEAD_BYTES = CLAIM_BYTES + WORD_BYTES

const toHex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`
const bytesOf = (hex: Hex): Uint8Array => Buffer.from(hex.slice(2), 'hex')

// --- The prover's side ---------------------------------------------------------------------------

export type ProverExchange = {
  /** Waits for our turn, as long as it takes; `inputBytes` is what the request says. */
  readonly fetch: (
    peer: Hex,
    requestId: Id,
    inputBytes: number,
    signal: AbortSignal,
  ) => Promise<{ readonly path: readonly Hex[]; readonly inputs: Uint8Array }>
  readonly accept: (
    peer: Hex,
    acceptance: SignedAcceptance,
    signal: AbortSignal,
  ) => Promise<SignedStart>
  readonly deliver: (
    peer: Hex,
    requestId: Id,
    proof: Uint8Array,
    signal: AbortSignal,
  ) => Promise<SignedReceipt>
}

export type ExchangePorts = {
  readonly host: Host
  readonly signer: Signer
  readonly clock: Clock
  readonly params: Params
}

/** How long an answer that needs one signature and one write may take. ms. */
const ANSWER_MS = 5_000
/** A verification waits for up to 64 others at 30 ms. ms. */
const RECEIPT_MS = 10_000

export function createProverExchange({
  host,
  signer,
  clock,
  params,
}: ExchangePorts): ProverExchange {
  const head = (requestId: Id): Uint8Array => {
    const { message, signature } = signer.peerClaim(host.peerKey, clock.now())
    return concat([encodeSigned('PeerClaim', message, signature), bytesOf(requestId)])
  }
  const asked = async (
    peer: Hex,
    protocol: string,
    body: Uint8Array,
    limits: { maxResponseBytes: number; timeLimitMs: number; signal: AbortSignal },
  ): Promise<Uint8Array> => {
    try {
      return await ask(host, peer, protocol, body, limits)
    } catch (error) {
      if (error instanceof StreamError && error.code === 'REFUSED')
        throw new ExchangeRefused(error.reason ?? 'REFUSED', { cause: error })
      throw error
    }
  }
  return {
    fetch: async (peer, requestId, inputBytes, signal) => {
      const maxResponseBytes = 1 + MAX_PATH * WORD_BYTES + inputBytes
      const timeLimitMs = params.maxJobMs + params.maxBidWindowMs
      const limits = { maxResponseBytes, timeLimitMs, signal }
      const body = await asked(peer, streamProtocols.inputs, head(requestId), limits)
      const count = body[0] ?? 0
      const inputsAt = 1 + count * WORD_BYTES
      if (count > MAX_PATH || body.length < inputsAt) throw new ExchangeRefused('MALFORMED')
      const path = Array.from({ length: count }, (_, index) =>
        toHex(body.subarray(1 + index * WORD_BYTES, 1 + (index + 1) * WORD_BYTES)),
      )
      return { path, inputs: body.slice(inputsAt) }
    },
    accept: async (peer, acceptance, signal) => {
      const body = encodeSigned('Acceptance', acceptance.message, acceptance.signature)
      const limits = { maxResponseBytes: envelopeBytes.Start, timeLimitMs: ANSWER_MS, signal }
      const answer = await asked(peer, streamProtocols.accept, body, limits)
      const start = openEnvelope('Start', answer, signer.separator)
      if (isRefusal(start)) throw new ExchangeRefused(start.code)
      return start as SignedStart
    },
    deliver: async (peer, requestId, proof, signal) => {
      const body = concat([head(requestId), proof])
      const limits = { maxResponseBytes: envelopeBytes.Receipt, timeLimitMs: RECEIPT_MS, signal }
      const answer = await asked(peer, streamProtocols.deliver, body, limits)
      const receipt = openSigned('Receipt', answer, signer.separator)
      if (isRefusal(receipt)) throw new ExchangeRefused(receipt.code)
      return receipt
    },
  }
}

// --- The builder's side --------------------------------------------------------------------------

export type CounterPorts = ExchangePorts & {
  readonly market: Market
  readonly store: Store
  readonly log: Log
  readonly verifier: Verifier
  readonly feed: (input: Input) => Verdict
  readonly onProof: (requestId: Id, prover: Address, proof: Uint8Array) => Promise<void>
}

/** Someone waits on a stream for something of ours; the newest of one name replaces the others. */
type Waiter = { readonly give: (body: Uint8Array) => void; readonly refuse: (code: string) => void }

const waitKey = (...parts: readonly string[]): string => parts.join('/')

/** Open streams a builder serves at once; each is one prover's, of a job of ours. */
const SERVE_LIMITS = { maxConcurrent: 256, maxConcurrentPerPeer: 16 }

/** The streams a builder answers. */
export class BuilderCounter {
  readonly #ports: CounterPorts
  readonly #waiters = new Map<string, Waiter>()
  readonly #stops: (() => Promise<void>)[] = []

  constructor(ports: CounterPorts) {
    this.#ports = ports
  }

  async open(): Promise<void> {
    const { host, params } = this.#ports
    const longMs = params.maxJobMs + params.maxBidWindowMs
    const limits = (maxRequestBytes: number, timeLimitMs: number): ServeLimits => ({
      ...SERVE_LIMITS,
      maxRequestBytes,
      timeLimitMs,
    })
    this.#stops.push(
      await serve(host, streamProtocols.inputs, limits(HEAD_BYTES, longMs), (body, peer, signal) =>
        this.#inputs(body, peer, signal),
      ),
      await serve(
        host,
        streamProtocols.accept,
        limits(signedBytes('Acceptance'), ANSWER_MS),
        (body, _, signal) => this.#accept(body, signal),
      ),
      await serve(
        host,
        streamProtocols.deliver,
        limits(HEAD_BYTES + MAX_PROOF_BYTES, RECEIPT_MS),
        (body, peer, signal, receivedAt) => this.#deliver(body, peer, signal, receivedAt),
      ),
    )
  }

  /** The market gives a prover its turn: whoever waits for it gets path and inputs. */
  readonly turn = (requestId: Id, prover: Address, path: readonly Hex[]): void => {
    const waiter = this.#waiters.get(waitKey('inputs', requestId, prover))
    if (!waiter) return
    this.#ports.store.get(ownKey(requestId, 'inputs')).then(
      (inputs) => {
        if (!inputs) return waiter.refuse('UNKNOWN_REQUEST')
        const words = path.map(bytesOf)
        waiter.give(concat([Uint8Array.of(path.length), ...words, inputs]))
      },
      (error: unknown) => {
        this.#ports.log.error('inputs cannot be read', { requestId, error })
        waiter.refuse('BUSY')
      },
    )
  }

  readonly dismiss = (requestId: Id): void => {
    for (const [key, waiter] of this.#waiters)
      if (key.startsWith(waitKey('inputs', requestId, ''))) waiter.refuse('JOB_ENDED')
  }

  readonly answer = (from: Gossiped): void => {
    if (from.kind === 'Start') {
      const { id, signer } = from.acceptance
      this.#waiters.get(waitKey('start', id, signer))?.give(sealEnvelope(from))
    }
    if (from.kind === 'Receipt') {
      const { requestId, prover } = from.message
      this.#waiters.get(waitKey('receipt', requestId, prover))?.give(sealEnvelope(from))
    }
  }

  /** Ends every stream; who waited finds it broken, and asks again. */
  async stop(): Promise<void> {
    await Promise.all(this.#stops.map((stop) => stop()))
  }

  /**
   * Waits for `give` under this name; `begin` feeds what asks for it, and its refusal ends the
   * wait.
   */
  #wait(key: string, signal: AbortSignal, begin: () => Verdict): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const end = (act: () => void) => {
        if (this.#waiters.get(key) === waiter) this.#waiters.delete(key)
        signal.removeEventListener('abort', gone)
        act()
      }
      const gone = () => end(() => reject(new StreamRefusal('STOPPING')))
      const waiter: Waiter = {
        give: (body) => end(() => resolve(body)),
        refuse: (code) => end(() => reject(new StreamRefusal(code))),
      }
      this.#waiters.get(key)?.refuse('STOPPING')
      this.#waiters.set(key, waiter)
      signal.addEventListener('abort', gone, { once: true })
      const verdict = begin()
      if (verdict !== 'accept' && 'code' in verdict) waiter.refuse(verdict.code)
    })
  }

  /** Who speaks through this peer, by the claim at the body's head. */
  #claimant(body: Uint8Array, peer: Hex): { account: Address; requestId: Id } {
    if (body.length < HEAD_BYTES) throw new StreamRefusal('MALFORMED')
    const { signer, clock, market } = this.#ports
    const claim = openSigned('PeerClaim', body.subarray(0, CLAIM_BYTES), signer.separator)
    if (isRefusal(claim)) throw new StreamRefusal(claim.code)
    const { account, expiresAt } = claim.message
    if (claim.message.peer !== peer || expiresAt < clock.now())
      throw new StreamRefusal('CLAIM_INVALID')
    if (!market.accounts.speaksFor(account, claim.signer)) throw new StreamRefusal('SIGNER_UNKNOWN')
    return { account, requestId: toHex(body.subarray(CLAIM_BYTES, HEAD_BYTES)) }
  }

  async #inputs(body: Uint8Array, peer: Hex, signal: AbortSignal): Promise<Uint8Array> {
    const { account: prover, requestId } = this.#claimant(body, peer)
    return this.#wait(waitKey('inputs', requestId, prover), signal, () =>
      this.#ports.feed({ kind: 'waiting', requestId, prover }),
    )
  }

  async #accept(body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const acceptance = openSigned('Acceptance', body, this.#ports.signer.separator)
    if (isRefusal(acceptance)) throw new StreamRefusal(acceptance.code)
    // Anybody may sign the words of another's acceptance: that must not end the other's wait.
    return this.#wait(waitKey('start', acceptance.id, acceptance.signer), signal, () =>
      this.#ports.feed({ kind: 'accepted', from: acceptance }),
    )
  }

  async #deliver(
    body: Uint8Array,
    peer: Hex,
    signal: AbortSignal,
    deliveredAt: number,
  ): Promise<Uint8Array> {
    const { market, verifier, feed, onProof } = this.#ports
    const { account: prover, requestId } = this.#claimant(body, peer)
    const job = market.job(requestId)
    if (!job) throw new StreamRefusal('UNKNOWN_REQUEST')
    const obligation = job.obligations.get(prover)
    if (!obligation) throw new StreamRefusal('NOT_STARTED')
    if (obligation.receipt) return sealEnvelope(obligation.receipt)
    const proof = body.slice(HEAD_BYTES)
    const { programId, publicInputsHash } = job.request.message
    const isValid = await verifier
      .verify(proof, programId, publicInputsHash, prover)
      .catch(() => Promise.reject(new StreamRefusal('BUSY')))
    if (!isValid) throw new StreamRefusal('PROOF_INVALID')
    await onProof(requestId, prover, proof)
    const proofHash = keccak(proof)
    return this.#wait(waitKey('receipt', requestId, prover), signal, () =>
      feed({ kind: 'delivered', requestId, prover, proofHash, deliveredAt }),
    )
  }
}
