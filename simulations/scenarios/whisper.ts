/**
 * A builder that opens bids as they come and tells an accomplice, who bids in the last
 * milliseconds. They have a line of their own, so neither waits for gossip.
 */
import { type OpenedBid, rank } from '#protocol/auction'
import type { Effect, SignedBid } from '#protocol/effects'
import type { Opening } from '#protocol/money'
import type { Id, ProofRequest } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import type { Member, Stage } from '../stage.ts'

/** Signing takes 1 ms, opening and judging less than one each; instants are whole ms. ms. */
const HANDLING_MS = 3

type OwnBid = Extract<Effect, { kind: 'bid' }>

export type WhisperOptions = {
  /** The line between the two, one way. ms. */
  readonly lineMs: number
  /** How long before the last moment the accomplice bids. ms. */
  readonly leadMs: number
  /** Whether it bids after the close, and the builder counts that. */
  readonly takesLate: boolean
  /** What it bids, by the best bid it was told of; `null`: nothing. wei. */
  readonly price: (best: Opening | null, bid: OwnBid) => bigint | null
}

export class Whisper {
  /** Auctions in which the builder tells: the scenario names them as they are asked. */
  readonly auctions = new Set<Id>()
  readonly #stage: Stage
  readonly #options: WhisperOptions
  /** What the accomplice has been told. */
  readonly #told = new Map<Id, OpenedBid[]>()
  #builder: Member | null = null
  #accomplice: Member | null = null

  constructor(stage: Stage, options: WhisperOptions) {
    this.#stage = stage
    this.#options = options
  }

  /** Who they are, once both are on the stage. */
  meet(builder: Member, accomplice: Member): void {
    this.#builder = builder
    this.#accomplice = accomplice
  }

  get builder(): Member {
    if (!this.#builder) throw new Error('nobody whispers yet')
    return this.#builder
  }

  get accomplice(): Member {
    if (!this.#accomplice) throw new Error('nobody is whispered to yet')
    return this.#accomplice
  }

  /** The builder's part: it opens as bids come, and tells. */
  readonly opens = (effect: Effect, actor: Actor): boolean => {
    if (effect.kind !== 'open' || effect.secret !== null || !this.auctions.has(effect.requestId))
      return false
    for (const bid of effect.bids) this.#tell(bid, actor)
    if (!this.#options.takesLate) return false
    // It awards nothing until the accomplice has answered, after the close.
    const { closesAt } = actor.market.job(effect.requestId)!.request.message
    const waitMs = closesAt - actor.now + this.#options.lineMs + 3 * HANDLING_MS
    actor.later(waitMs, () => actor.perform(effect))
    return true
  }

  #tell(bid: SignedBid, actor: Actor): void {
    const { requestId, prover } = bid.message
    const opening = this.#stage.world.seals.open(bid)
    if (!opening || prover === this.accomplice.actor.account) return
    actor.later(this.#options.lineMs + 1, () => {
      this.#told.set(requestId, [...(this.#told.get(requestId) ?? []), { bid, opening }])
    })
  }

  /** The accomplice's part: it bids last. Its clock must be the builder's. */
  readonly bids = (effect: Effect, actor: Actor): boolean => {
    if (effect.kind !== 'bid' || !this.auctions.has(effect.request.id)) return false
    const { lineMs, leadMs, takesLate } = this.#options
    const beforeMs = takesLate ? 0 : lineMs + leadMs + HANDLING_MS
    const waitMs = effect.request.message.closesAt - beforeMs - actor.now
    actor.later(Math.max(0, waitMs), () => this.#bidLast(effect, actor))
    return true
  }

  #bidLast(effect: OwnBid, actor: Actor): void {
    const { request, readyAt } = effect
    const best = rank(request.message, this.#told.get(request.id) ?? [])[0]?.opening
    const priceWei = this.#options.price(best ?? null, effect)
    const pursuits = actor.market.bidder?.pursuits
    const pursuit = pursuits?.get(request.id)
    if (priceWei === null || priceWei <= 0n || priceWei > request.message.reserveWei) return
    if (!pursuit) return
    pursuits?.set(request.id, { ...pursuit, priceWei })
    const { seals } = this.#stage.world
    const bid = seals.seal(request.id, actor.account, actor.signer, { priceWei, readyAt })
    const { takesLate, lineMs } = this.#options
    if (!takesLate) actor.later(1, () => actor.say(bid))
    actor.later(1 + lineMs, () =>
      takesLate
        ? this.#takeLate(bid, request.message)
        : this.builder.actor.feed({ kind: 'message', from: bid }),
    )
  }

  /** The builder's market is told of a bid after the close as if it had come before. */
  #takeLate(bid: SignedBid, { closesAt }: ProofRequest): void {
    const { actor } = this.builder
    const { effects } = actor.market.handle({ kind: 'message', from: bid }, closesAt - 1)
    for (const effect of effects) actor.perform(effect)
  }
}
