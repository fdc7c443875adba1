/**
 * Bundles: requests of one builder that are awarded all or none, at most one a lane of each prover
 * (rules R8, A9). Pure; builder, observers and the simulator run this code. A request alone is
 * decided as a bundle of one.
 */
import { bidTree, type OpenedBid, rank } from './auction.ts'
import type { Draft } from './effects.ts'
import type { Opening } from './money.ts'
import {
  type Address,
  type Hex,
  type Id,
  type ProofRequest,
  ZERO_ADDRESS,
  ZERO_WORD,
} from './schema.ts'

type Named = Pick<ProofRequest, 'builder' | 'bundleId'>

export const isBundled = ({ bundleId }: Pick<ProofRequest, 'bundleId'>): boolean =>
  bundleId !== ZERO_WORD

/** What names a bundle: nobody else's id can interfere. `null` for a request alone. */
export const bundleKey = (request: Named): string | null =>
  isBundled(request) ? `${request.builder}/${request.bundleId}` : null

/** Whether two requests of one bundle can stand in it together (rule R8). */
export const fitsBundle = (request: ProofRequest, other: ProofRequest): boolean =>
  request.bundleIndex !== other.bundleIndex &&
  request.bundleSize === other.bundleSize &&
  request.openedAt === other.openedAt &&
  request.closesAt === other.closesAt &&
  request.dueAt === other.dueAt &&
  request.bondWei === other.bondWei

/** How many requests of one bundle the prover of a bid takes at most. */
export const lanesOf = ({ lanes }: Opening): number => lanes || 1

/** Lanes by prover: the fewest that any of its bids of the bundle names. */
export function lanesIn(bids: readonly (readonly OpenedBid[])[]): Map<Address, number> {
  const lanes = new Map<Address, number>()
  for (const { bid, opening } of bids.flat()) {
    const { prover } = bid.message
    lanes.set(prover, Math.min(lanes.get(prover) ?? Number.MAX_SAFE_INTEGER, lanesOf(opening)))
  }
  return lanes
}

/** How many of a bundle's requests each prover can take: its lanes, and what its bond bears. */
export function roomIn(
  bids: readonly (readonly OpenedBid[])[],
  bondWei: bigint,
  freeBondWei: (prover: Address) => bigint,
): Map<Address, number> {
  const room = lanesIn(bids)
  for (const [prover, lanes] of room) {
    const freeWei = freeBondWei(prover)
    const bonds = freeWei > 0n ? freeWei / bondWei : 0n
    if (bonds < BigInt(lanes)) room.set(prover, Number(bonds))
  }
  return room
}

const proverOf = ({ bid }: OpenedBid): Address => bid.message.prover

/** One request of a bundle, with the bids opened for it. */
export type Auctioned = { readonly request: ProofRequest; readonly bids: readonly OpenedBid[] }

/** What an auction comes to. */
export type Choice = {
  readonly winner: OpenedBid
  /** Who stands behind the winner, in their order. */
  readonly others: readonly OpenedBid[]
  /** What goes under `bidsRoot`: the winner, and all that rank behind it (rule A9). */
  readonly rooted: readonly OpenedBid[]
}

/**
 * Decides the requests of one bundle, in order of index; `null` when one of them cannot be awarded
 * beside the others. Depends on the set of bids only, never on their order of arrival.
 * @param freeBondWei What a prover's bond still bears.
 * @param maxBids Most bids that go under the roots of one bundle together: hashing them takes time.
 */
export function decide(
  auctions: readonly Auctioned[],
  freeBondWei: (prover: Address) => bigint,
  maxBids: number,
): Choice[] | null {
  const bondWei = auctions[0]!.request.bondWei
  const opened = auctions.map(({ request, bids }) => rank(request, bids))
  const room = roomIn(opened, bondWei, freeBondWei)
  const roomOf = (bid: OpenedBid): number => room.get(proverOf(bid)) ?? 0
  const ranked = opened.map((bids) => bids.filter((bid) => roomOf(bid) > 0))
  const winners = assign(ranked, room)
  if (!winners) return null
  const won = countBy(winners)
  const mayTakeMore = (bid: OpenedBid): boolean => (won.get(proverOf(bid)) ?? 0) < roomOf(bid)
  const most = Math.max(1, Math.floor(maxBids / auctions.length))
  return winners.map((winner, index) => {
    // A better bid, whose prover has no lane left, must not be under the root: on chain it would
    // prove that it was passed over.
    const rooted = ranked[index]!.slice(ranked[index]!.indexOf(winner)).slice(0, most)
    const behind = rooted.slice(1)
    const busy = behind.filter((bid) => !mayTakeMore(bid))
    return { winner, others: [...behind.filter(mayTakeMore), ...busy], rooted }
  })
}

export type AwardDraft = Extract<Draft, { kind: 'Award' }>

/**
 * One of those who may be started, best first, with what the builder needs when bids are forgotten.
 */
export type Candidate = {
  readonly prover: Address
  readonly priceWei: bigint
  readonly readyAt: number
  /** Its bid's path under `bidsRoot`: a backup claims its own price by it. */
  readonly path: readonly Hex[]
}

/** The award of a choice, unsigned, and who may be started under it. */
export function draftAward(
  requestId: Id,
  { winner, others, rooted }: Choice,
  maxBackups: number,
): { readonly draft: AwardDraft; readonly candidates: readonly Candidate[] } {
  const backups = others.slice(0, maxBackups)
  const tree = bidTree(rooted)
  const candidates = [winner, ...backups].map((opened) => ({
    prover: proverOf(opened),
    priceWei: opened.opening.priceWei,
    readyAt: opened.opening.readyAt,
    path: tree.path(opened.bid.id) ?? [],
  }))
  const named = (index: number): Address => backups.map(proverOf)[index] ?? ZERO_ADDRESS
  const { bid } = winner
  // Lanes do not travel with an award: whoever opens the bid finds them.
  const { lanes: _, ...opening } = winner.opening
  const message = {
    requestId,
    bidId: bid.id,
    prover: proverOf(winner),
    priceWei: opening.priceWei,
    readyAt: opening.readyAt,
    bidsRoot: tree.root,
    bidCount: rooted.length,
    // The driver holds the secret and puts it in when it signs.
    auctionSecret: ZERO_WORD,
    backups: [named(0), named(1), named(2)] as const,
  }
  return { draft: { kind: 'Award', bid, opening, message }, candidates }
}

function countBy(winners: readonly OpenedBid[]): Map<Address, number> {
  const won = new Map<Address, number>()
  for (const winner of winners) won.set(proverOf(winner), (won.get(proverOf(winner)) ?? 0) + 1)
  return won
}

/**
 * Gives each segment a bid so that no prover gets more than it has room for: the best that leaves
 * the later ones a bid too, in order of index. `null` when there is no way. So nobody starves a
 * segment that another prover could have left to it.
 * @param segments Bids by segment, best first, one a prover.
 */
export function assign(
  segments: readonly (readonly OpenedBid[])[],
  room: ReadonlyMap<Address, number>,
): OpenedBid[] | null {
  // Of the best k provers of a segment, the k - 1 others leave one untouched: nothing behind it is
  // needed, which bounds the work to k cubed.
  const best = segments.map((bids) => bids.slice(0, segments.length))
  const seats = new Seats(best, room)
  for (const index of best.keys()) if (!seats.find(index, -1, new Set())) return null
  for (const index of best.keys()) seats.improve(index)
  return seats.all()
}

/** Who has which segment, while it is still moved about. */
class Seats {
  readonly #segments: readonly (readonly OpenedBid[])[]
  readonly #room: ReadonlyMap<Address, number>
  readonly #taken = new Map<number, OpenedBid>()
  readonly #of = new Map<Address, Set<number>>()

  constructor(segments: readonly (readonly OpenedBid[])[], room: ReadonlyMap<Address, number>) {
    this.#segments = segments
    this.#room = room
  }

  all(): OpenedBid[] {
    return this.#segments.map((_, index) => this.#taken.get(index)!)
  }

  /** Gives a segment its best bid that leaves the earlier ones alone and the later ones seated. */
  improve(index: number): void {
    // Its own place counts as free meanwhile, so the search ends there at the latest.
    this.#leave(index)
    this.find(index, index, new Set())
  }

  /**
   * Seats a segment, moving others after `fixed` where it must.
   * @param tried Provers that were found to have no room and to make none.
   */
  find(index: number, fixed: number, tried: Set<Address>): boolean {
    return this.#segments[index]!.some((bid) => this.#seat(index, bid, fixed, tried))
  }

  #seat(index: number, bid: OpenedBid, fixed: number, tried: Set<Address>): boolean {
    const prover = proverOf(bid)
    if (tried.has(prover)) return false
    tried.add(prover)
    const held = this.#of.get(prover) ?? new Set()
    const hasRoom = held.size < (this.#room.get(prover) ?? 0)
    if (!hasRoom && ![...held].some((other) => other > fixed && this.find(other, fixed, tried)))
      return false
    this.#leave(index)
    this.#taken.set(index, bid)
    this.#of.set(prover, held.add(index))
    return true
  }

  #leave(index: number): void {
    const bid = this.#taken.get(index)
    if (!bid) return
    this.#taken.delete(index)
    this.#of.get(proverOf(bid))?.delete(index)
  }
}
