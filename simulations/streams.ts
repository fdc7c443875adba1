/**
 * The three streams between a prover and the builder it dials, in simulated time: inputs,
 * acceptance, proof. A stream of a builder that crashes is lost, and its prover dials again.
 */
import type { Gossiped, SignedAcceptance, Verdict } from '#protocol/effects'
import type { Address, Id } from '#protocol/schema'
import type { Actor } from './actor.ts'
import { proofHashOf } from './pretence.ts'

/**
 * What ends a wait on a stream: an answer (`null`: refused for good), or the loss of the stream.
 */
export type Waiter = {
  readonly give: (from: Gossiped | null) => void
  readonly lose: () => unknown
}

/** Pause before a builder that could not be reached is dialled again. ms. */
const REDIAL_MS = 200

const INPUTS = 'inputs'
/** A question, an answer or a proof: none is longer. Bytes. */
const SHORT_BYTES = 2_048

export class Streams {
  readonly #actor: Actor
  /** Builder: who waits for what. */
  readonly #waiters = new Map<string, Waiter>()
  /** Prover: jobs it does not ask about any more. */
  readonly #aborted = new Set<Id>()

  constructor(actor: Actor) {
    this.#actor = actor
  }

  // --- The prover's side -------------------------------------------------------------------------

  fetch(requestId: Id): void {
    const { account } = this.#actor
    this.#ask(requestId, `${INPUTS}/${requestId}/${account}`, {
      begin: (builder) => builder.feed({ kind: 'waiting', requestId, prover: account }),
      end: (from) => this.#actor.feed({ kind: 'fetched', requestId, ok: from !== null }),
    })
  }

  accept(from: SignedAcceptance): void {
    this.#ask(from.message.requestId, `Start/${from.id}`, {
      begin: (builder) => builder.feed({ kind: 'accepted', from }),
      end: (start) => start && this.#actor.feed({ kind: 'message', from: start }),
    })
  }

  deliver(requestId: Id): void {
    const { account: prover } = this.#actor
    const proofHash = proofHashOf(requestId, prover)
    this.#ask(requestId, `Receipt/${requestId}/${prover}`, {
      begin: (builder) => {
        const deliveredAt = builder.now
        return builder.feed({ kind: 'delivered', requestId, prover, proofHash, deliveredAt })
      },
      end: (receipt) => receipt && this.#actor.feed({ kind: 'message', from: receipt }),
    })
  }

  abort(requestId: Id): void {
    this.#aborted.add(requestId)
  }

  /** Asks the job's builder until it answers, refuses, or the job is due. */
  #ask(
    requestId: Id,
    key: string,
    { begin, end }: { begin: (builder: Actor) => Verdict; end: (from: Gossiped | null) => unknown },
  ): void {
    const { world, market } = this.#actor
    const request = market.job(requestId)?.request.message
    const builder = request && world.actors.get(request.builder)
    if (!builder || this.#aborted.has(requestId) || world.simulator.now > request.dueAt) return
    // An answer to a stream of before a crash reaches nobody.
    const alive = this.#actor.aliveNow()
    const again = (): void =>
      this.#actor.later(REDIAL_MS, () => this.#ask(requestId, key, { begin, end }))
    const lose = (): void => {
      if (alive()) again()
    }
    const { account: own } = this.#actor
    const { network } = world
    const back = key.startsWith(INPUTS) ? request.inputBytes : SHORT_BYTES
    const waiter: Waiter = {
      give: (from) => {
        const isSent = network.carry(request.builder, own, back, () => alive() && end(from))
        if (!isSent) lose()
      },
      lose,
    }
    const isSent = network.carry(own, request.builder, SHORT_BYTES, () => {
      if (!alive()) return
      if (builder.isUp) builder.serve(key, () => begin(builder), waiter)
      else again()
    })
    if (!isSent) lose()
  }

  // --- The builder's side ------------------------------------------------------------------------

  /** Somebody waits under `key`; `begin` feeds what asks for it, and its refusal ends the wait. */
  serve(key: string, begin: () => Verdict, waiter: Waiter): void {
    this.#waiters.set(key, waiter)
    const verdict = begin()
    if (verdict !== 'accept') this.#give(key, null)
  }

  turn(requestId: Id, prover: Address): void {
    const key = `${INPUTS}/${requestId}/${prover}`
    const request = this.#actor.market.job(requestId)?.request
    if (request) this.#give(key, request)
  }

  dismiss(requestId: Id): void {
    for (const key of [...this.#waiters.keys()])
      if (key.startsWith(`${INPUTS}/${requestId}/`)) this.#give(key, null)
  }

  answer(from: Gossiped): void {
    if (from.kind === 'Start') this.#give(`Start/${from.acceptance.id}`, from)
    if (from.kind === 'Receipt')
      this.#give(`Receipt/${from.message.requestId}/${from.message.prover}`, from)
  }

  /** A crash: every stream is lost. */
  lose(): void {
    const waiters = [...this.#waiters.values()]
    this.#waiters.clear()
    this.#aborted.clear()
    for (const waiter of waiters) waiter.lose()
  }

  #give(key: string, from: Gossiped | null): void {
    const waiter = this.#waiters.get(key)
    this.#waiters.delete(key)
    waiter?.give(from)
  }
}
