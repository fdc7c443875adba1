/**
 * The award rule: which bid wins a request, who stands behind it, and the root the builder signs so
 * that everybody can check it. Pure; the builder, every observer and the simulator run this code.
 */
import type { SignedBid } from './effects.ts'
import { type Opening, scoreWei } from './money.ts'
import { type Address, type Hex, type Id, type ProofRequest, ZERO_WORD } from './schema.ts'
import { keccak } from './signature.ts'

/** A bid with what it hid. */
export type OpenedBid = { readonly bid: SignedBid; readonly opening: Opening }

/** Whether a bid can win: within the reserve and promised in time (rule A2). */
export const isEligible = (request: ProofRequest, { priceWei, readyAt }: Opening): boolean =>
  priceWei <= request.reserveWei && readyAt <= request.dueAt

/** Order of eligible bids, best first: score, then earlier promise, then lower id (rule A3). */
export function compareBids(request: ProofRequest, a: OpenedBid, b: OpenedBid): number {
  const scoreA = scoreWei(request, a.opening.priceWei, a.opening.readyAt)
  const scoreB = scoreWei(request, b.opening.priceWei, b.opening.readyAt)
  if (scoreA !== scoreB) return scoreA < scoreB ? -1 : 1
  if (a.opening.readyAt !== b.opening.readyAt) return a.opening.readyAt - b.opening.readyAt
  return a.bid.id < b.bid.id ? -1 : a.bid.id > b.bid.id ? 1 : 0
}

/**
 * The eligible bids of an auction, best first: the winner, then its backups in their order.
 * Depends on the set of bids only, never on their order of arrival.
 * @param bids Opened bids of this request, at most one a prover.
 */
export const rank = (request: ProofRequest, bids: readonly OpenedBid[]): OpenedBid[] =>
  bids
    .filter(({ opening }) => isEligible(request, opening))
    .sort((a, b) => compareBids(request, a, b))

/** Leaf of `bidsRoot`: keccak256(abi.encode(bidId, priceWei, readyAt)) (rule A4). */
export function bidLeaf(bidId: Id, priceWei: bigint, readyAt: number): Hex {
  const words = Buffer.alloc(96)
  words.write(bidId.slice(2), 0, 'hex')
  words.write(priceWei.toString(16).padStart(64, '0'), 32, 'hex')
  words.writeUIntBE(readyAt, 90, 6)
  return keccak(words)
}

/** Parent of two nodes, smaller first: the commutative hash of OpenZeppelin's `MerkleProof`. */
const parent = (a: Hex, b: Hex): Hex => {
  const [low, high] = a < b ? [a, b] : [b, a]
  return keccak(Buffer.from(low.slice(2) + high.slice(2), 'hex'))
}

/** Levels of the tree over `leaves` in ascending order; an odd node moves up unpaired. */
function levelsOf(leaves: readonly Hex[]): Hex[][] {
  const levels = [[...leaves].sort()]
  for (let level = levels[0]!; level.length > 1; level = levels.at(-1)!) {
    const above: Hex[] = []
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i]!, level[i + 1]]
      above.push(right === undefined ? left : parent(left, right))
    }
    levels.push(above)
  }
  return levels
}

const leafOf = ({ bid, opening }: OpenedBid): Hex =>
  bidLeaf(bid.id, opening.priceWei, opening.readyAt)

/** The Merkle tree over some bids, hashed once. */
export type BidTree = {
  /** The zero word when there are no bids. */
  readonly root: Hex
  /** Path of one bid's leaf to the root, bottom up; `null` if it is not in the tree. */
  readonly path: (bidId: Id) => Hex[] | null
}

/** Hashes the leaves of these bids (the eligible ones) into a tree: 20 ms for a thousand. */
export function bidTree(bids: readonly OpenedBid[]): BidTree {
  const leaves = new Map(bids.map((opened) => [opened.bid.id, leafOf(opened)]))
  const levels = levelsOf([...leaves.values()])
  return {
    root: levels.at(-1)![0] ?? ZERO_WORD,
    path: (bidId) => {
      const leaf = leaves.get(bidId)
      if (!leaf) return null
      const path: Hex[] = []
      let index = levels[0]!.indexOf(leaf)
      for (const level of levels.slice(0, -1)) {
        const sibling = level[index ^ 1]
        if (sibling !== undefined) path.push(sibling)
        index >>= 1
      }
      return path
    },
  }
}

export const bidsRoot = (bids: readonly OpenedBid[]): Hex => bidTree(bids).root

/** Root that a leaf and its path give: what the contract recomputes. */
export const rootOf = (leaf: Hex, path: readonly Hex[]): Hex => path.reduce(parent, leaf)

/** Who may be started under an award, in order: the winner, then the backups named. */
export const lineUp = (award: { readonly prover: Address; readonly backups: readonly Address[] }) =>
  [award.prover, ...award.backups.filter((backup) => BigInt(backup) !== 0n)] as readonly Address[]
