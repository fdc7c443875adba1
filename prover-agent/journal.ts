/**
 * What became of the auctions and jobs: one log line each, and the figures an operator asks for.
 * Counts since the agent was started; the chain has the sums of all time. Every list here has an
 * end.
 */

import type { Log } from '#node/log'
import type { Pursuit } from '#protocol/bidder'
import type { MarketEvent } from '#protocol/effects'
import { scoreWei } from '#protocol/money'
import type { Address, Id, ProofRequest } from '#protocol/schema'

export type JournalPorts = {
  readonly self: Address
  readonly log: Log
  readonly requestOf: (requestId: Id) => ProofRequest | null
  readonly pursuitOf: (requestId: Id) => Pursuit | null
}

/**
 * Why another won: it asked less, promised earlier for it, tied and stood first, or should have
 * lost.
 */
export type LossReason = 'price' | 'promise' | 'tie' | 'left-out'

export type Loss = { readonly auctions: number; readonly byWei: bigint }

export type Figures = {
  readonly bids: number
  readonly won: number
  /** Named as a backup, and not the winner. */
  readonly backup: number
  readonly lost: Readonly<Record<LossReason, number>>
  /** Auctions we bid in that nobody won. */
  readonly unawarded: number
  readonly delivered: number
  readonly slashed: number
  /** Paid on chain. */
  readonly earnedWei: bigint
  /** Receipts in hand that are not settled yet. */
  readonly awaitedWei: bigint
  readonly slashedWei: bigint
  /** The rivals who won most from us, and by how much in all. */
  readonly lostTo: readonly (Loss & { readonly prover: Address })[]
}

/** Rivals remembered; the one with the fewest wins makes room. */
const MAX_RIVALS = 64
/** Receipts that wait for their settlement. Beyond it the oldest is no longer shown as awaited. */
const MAX_AWAITED = 1_024

type Writable<T> = { -readonly [K in keyof T]: T[K] }
type Counts = Writable<Omit<Figures, 'lost' | 'awaitedWei' | 'lostTo'>>

export class Journal {
  readonly #ports: JournalPorts
  readonly #counts: Counts = {
    bids: 0,
    won: 0,
    backup: 0,
    unawarded: 0,
    delivered: 0,
    slashed: 0,
    earnedWei: 0n,
    slashedWei: 0n,
  }
  readonly #lost: Record<LossReason, number> = { price: 0, promise: 0, tie: 0, 'left-out': 0 }
  readonly #rivals = new Map<Address, Loss>()
  readonly #awaited = new Map<Id, bigint>()

  constructor(ports: JournalPorts) {
    this.#ports = ports
  }

  figures(): Figures {
    const rivals = [...this.#rivals].map(([prover, loss]) => ({ prover, ...loss }))
    return {
      ...this.#counts,
      lost: { ...this.#lost },
      awaitedWei: [...this.#awaited.values()].reduce((sum, wei) => sum + wei, 0n),
      lostTo: rivals.sort((a, b) => b.auctions - a.auctions),
    }
  }

  /** Takes what the market announces. */
  hear(event: MarketEvent): void {
    if (event.kind === 'awarded') this.#awarded(event)
    else if (event.kind === 'ended') this.#ended(event)
    else if ('prover' in event && event.prover === this.#ports.self) this.#ofOurs(event)
  }

  #ofOurs(event: Exclude<MarketEvent, { kind: 'awarded' | 'ended' }>): void {
    const { log } = this.#ports
    switch (event.kind) {
      case 'bid-seen':
        this.#counts.bids += 1
        break
      case 'received':
        this.#received(event)
        break
      case 'paid':
        this.#counts.earnedWei += event.payWei
        this.#awaited.delete(event.requestId)
        log.info('paid', fieldsOf(event))
        break
      case 'slashed':
        this.#counts.slashed += 1
        this.#counts.slashedWei += event.bondWei
        log.error('slashed', fieldsOf(event))
        break
      default:
        log.debug(event.kind, fieldsOf(event))
    }
  }

  #awarded(event: Extract<MarketEvent, { kind: 'awarded' }>): void {
    const { log, self, requestOf, pursuitOf } = this.#ports
    const request = requestOf(event.requestId)
    const bid = pursuitOf(event.requestId)
    if (!request || !bid) return
    const { requestId, bidCount } = event
    const { priceWei } = bid
    const common = { requestId, builder: request.builder, priceWei, bids: bidCount }
    if (event.prover === self) {
      this.#counts.won += 1
      log.info('won an auction', { ...common, promisedMs: bid.readyAt - request.closesAt })
      return
    }
    const loss = lossOf(request, bid, event)
    this.#lose(event.prover, loss)
    const isBackup = event.backups.includes(self)
    if (isBackup) this.#counts.backup += 1
    log.info(isBackup ? 'named as a backup' : 'lost an auction', {
      ...common,
      ...loss,
      winner: event.prover,
      winnerPriceWei: event.priceWei,
    })
  }

  #lose(winner: Address, { why, byWei }: { why: LossReason; byWei: bigint }): void {
    this.#lost[why] += 1
    const known = this.#rivals.get(winner) ?? { auctions: 0, byWei: 0n }
    if (!this.#rivals.has(winner) && this.#rivals.size >= MAX_RIVALS) {
      const [least] = [...this.#rivals].sort(([, a], [, b]) => a.auctions - b.auctions)
      this.#rivals.delete(least![0])
    }
    this.#rivals.set(winner, { auctions: known.auctions + 1, byWei: known.byWei + byWei })
  }

  #ended(event: Extract<MarketEvent, { kind: 'ended' }>): void {
    const { log, requestOf, pursuitOf } = this.#ports
    const isBid = pursuitOf(event.requestId)?.stage === 'bidding'
    if (event.outcome !== 'void' || !isBid) return
    this.#counts.unawarded += 1
    const builder = requestOf(event.requestId)?.builder
    log.info('nobody won an auction', { requestId: event.requestId, builder })
  }

  #received(event: Extract<MarketEvent, { kind: 'received' }>): void {
    const { log, requestOf, pursuitOf } = this.#ports
    const { requestId, payWei, deliveredAt } = event
    this.#counts.delivered += 1
    this.#awaited.set(requestId, payWei)
    if (this.#awaited.size > MAX_AWAITED) this.#awaited.delete([...this.#awaited.keys()][0]!)
    const bid = pursuitOf(requestId)
    const closesAt = requestOf(requestId)?.closesAt
    log.info('delivered a proof', {
      requestId,
      payWei,
      ...(closesAt === undefined ? {} : { tookMs: deliveredAt - closesAt }),
      ...(bid ? { priceWei: bid.priceWei, afterPromiseMs: deliveredAt - bid.readyAt } : {}),
    })
  }
}

const fieldsOf = ({ kind: _, ...fields }: MarketEvent): Readonly<Record<string, unknown>> => fields

/** By how much a lower score won, and whether its price alone would have. */
function lossOf(
  request: ProofRequest,
  bid: Pick<Pursuit, 'priceWei' | 'readyAt'>,
  winner: { readonly priceWei: bigint; readonly readyAt: number },
): { why: LossReason; byWei: bigint } {
  const ours = scoreWei(request, bid.priceWei, bid.readyAt)
  const theirs = scoreWei(request, winner.priceWei, winner.readyAt)
  const byWei = ours - theirs
  if (byWei < 0n) return { why: 'left-out', byWei: 0n }
  if (byWei === 0n) return { why: 'tie', byWei }
  return { why: winner.priceWei < bid.priceWei ? 'price' : 'promise', byWei }
}
