/** What became of each request, kept as its builder and its provers see it. */
import type { JobOutcome, MarketEvent } from '#protocol/effects'
import type { Address, Id, ProofRequest } from '#protocol/schema'

export type Auction = {
  readonly id: Id
  readonly request: ProofRequest
  /** Who bid, and whose bids the builder took before the close. */
  readonly bidders: Set<Address>
  readonly counted: Set<Address>
  /** By the builder's clock. ms since the Unix epoch. */
  awardedAt: number | null
  winner: Address | null
  /** When its winner heard of it. ms since the Unix epoch. */
  wonAt: number | null
  priceWei: bigint
  readonly started: Address[]
  /** Whoever was named silent. */
  readonly silent: Address[]
  /** The first receipt's instant. ms since the Unix epoch. */
  deliveredAt: number | null
  /** What each prover was paid. wei. */
  readonly paidWei: Map<Address, bigint>
  readonly slashed: Address[]
  outcome: JobOutcome | null
}

export class Tally {
  readonly auctions = new Map<Id, Auction>()
  /** Evidence of unfair builders, as observers announced it. */
  omissions = 0
  equivocations = 0

  begin(id: Id, request: ProofRequest): void {
    this.auctions.set(id, {
      ...{ id, request, bidders: new Set(), counted: new Set(), awardedAt: null, winner: null },
      ...{
        wonAt: null,
        priceWei: 0n,
        started: [],
        silent: [],
        deliveredAt: null,
        paidWei: new Map(),
      },
      ...{ slashed: [], outcome: null },
    })
  }

  /** An event at the builder whose request it is about. `now`: ms since the Unix epoch. */
  atBuilder(event: MarketEvent, now: number): void {
    const auction = 'requestId' in event ? this.auctions.get(event.requestId) : undefined
    if (!auction) return
    switch (event.kind) {
      case 'bid-seen':
        auction.counted.add(event.prover)
        break
      case 'awarded':
        auction.awardedAt = now
        auction.winner = event.prover
        auction.priceWei = event.priceWei
        break
      case 'started':
        auction.started.push(event.prover)
        break
      case 'silent':
        auction.silent.push(event.prover)
        break
      case 'received':
        auction.deliveredAt ??= event.deliveredAt
        break
      case 'paid':
        auction.paidWei.set(event.prover, event.payWei)
        break
      case 'slashed':
        auction.slashed.push(event.prover)
        break
      case 'ended':
        auction.outcome = event.outcome
        break
      default:
    }
  }

  /** A prover's own bid is out. */
  bid(requestId: Id, prover: Address): void {
    this.auctions.get(requestId)?.bidders.add(prover)
  }

  /** The winner hears of its award. `now`: ms since the Unix epoch. */
  won(requestId: Id, now: number): void {
    const auction = this.auctions.get(requestId)
    if (auction) auction.wonAt ??= now
  }

  get all(): Auction[] {
    return [...this.auctions.values()]
  }

  /** Share of these provers' bids that the builders counted; 1 without bids. */
  countedShare(isOfInterest: (prover: Address) => boolean = () => true): number {
    let [made, counted] = [0, 0]
    for (const auction of this.auctions.values())
      for (const prover of auction.bidders) {
        if (!isOfInterest(prover)) continue
        made += 1
        if (auction.counted.has(prover)) counted += 1
      }
    return made === 0 ? 1 : counted / made
  }

  /** From opening to award, of those that were awarded. ms. */
  awardLatencies(): number[] {
    return this.all.flatMap(({ awardedAt, request }) =>
      awardedAt === null ? [] : [awardedAt - request.openedAt],
    )
  }

  /** From opening until the winner heard of its award, of those that did. ms. */
  winLatencies(): number[] {
    return this.all.flatMap(({ wonAt, request }) =>
      wonAt === null ? [] : [wonAt - request.openedAt],
    )
  }

  /** Share of all requests that ended so. */
  outcomeShare(outcome: JobOutcome): number {
    return this.all.filter((auction) => auction.outcome === outcome).length / this.auctions.size
  }
}
