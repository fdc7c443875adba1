/**
 * Every number of the market's rules, in one place. A network may choose others (a devnet shortens
 * the windows), but all its nodes must agree: the hash of these is part of the gossip topics.
 */
export type Params = {
  /** Shortest and longest bid window, `closesAt − openedAt`. ms. */
  readonly minBidWindowMs: number
  readonly maxBidWindowMs: number
  /** The builder must award within this of `closesAt`, else the job is void. ms. */
  readonly awardGraceMs: number
  /** Longest time from `closesAt` to `dueAt`. ms. */
  readonly maxJobMs: number
  /** How long a prover has, once its turn begins, until its acceptance arrives. ms. */
  readonly turnMs: number
  /**
   * A started prover is silent when neither notice nor proof came this long after its promise. ms.
   */
  readonly silenceMs: number
  /** The builder verifies and returns the receipt within this. ms. */
  readonly receiptMs: number
  /** How long a message that overtook the one it names is held. ms. */
  readonly holdMs: number
  /** An honest message may carry an instant this far ahead of the receiver's clock. ms. */
  readonly clockSkewMs: number
  /**
   * Price lost for each wei of lateness cost past the promise (κ): makes the best promise the own
   * p90.
   */
  readonly latenessFactor: bigint
  /** Most backups an award can name: its `backups` field has three words. */
  readonly maxBackups: number
  /**
   * Most bids one auction counts; above it the earliest stay. Bounds memory and the award's
   * `bidCount`.
   */
  readonly maxBids: number
  /** Most jobs a node remembers; ended ones leave first, then requests are ignored. */
  readonly maxJobs: number
  /** Most open requests of one builder: each costs every node memory. */
  readonly maxOpenRequests: number
  /** Most messages held at once. */
  readonly maxHeld: number
  /** Bids seen this long before `closesAt` count as omitted when an award leaves them out. ms. */
  readonly omissionMarginMs: number
  /**
   * Turns of a prover that are remembered, and how many builders it may leave waiting among them.
   */
  readonly turnsRemembered: number
  readonly unansweredBuilders: number
  /** How long a prover that left too many turns unanswered is ignored. ms. */
  readonly unansweredPenaltyMs: number
  /** Windows of the contracts, seconds of block time. See `ISettlement.Windows`. */
  readonly claimWindowS: number
  readonly commitWindowS: number
  readonly slotS: number
  /** Fixed gas a claim is refunded for: `Settlement.CLAIM_GAS`. The builder's cover reserves it. */
  readonly claimGas: bigint
}

/** Mainnet's values; reasons beside each. DESIGN section 4.2, FACTS "Speeds". */
export const defaultParams: Params = {
  // Below 100 ms bids cannot cross an ocean; above 2 s the auction eats a sixth of the slot.
  minBidWindowMs: 100,
  maxBidWindowMs: 2_000,
  // Opening and scoring 1,000 bids takes 0.2 s; the rest is gossip.
  awardGraceMs: 500,
  maxJobMs: 60_000,
  // Fetch over a warm connection, check, sign: 100–200 ms across an ocean; twice that.
  turnMs: 500,
  silenceMs: 500,
  receiptMs: 150,
  // 9 % of bids overtake their request, none by more than 300 ms in 1,000-node runs.
  holdMs: 300,
  // Nodes refuse to trade when their clock is off by more than this.
  clockSkewMs: 100,
  latenessFactor: 10n,
  maxBackups: 3,
  maxBids: 4_096,
  maxJobs: 4_096,
  maxOpenRequests: 64,
  maxHeld: 2_048,
  // p99 of a bid's way to an observer, less its way to the builder, in 1,000-node runs.
  omissionMarginMs: 150,
  turnsRemembered: 20,
  unansweredBuilders: 3,
  unansweredPenaltyMs: 600_000,
  // 64 slots: an epoch of congestion, twice.
  claimWindowS: 768,
  // Three slots: one proposer cannot censor a commitment.
  commitWindowS: 36,
  slotS: 12,
  // A little less than committing and claiming a one-entry table costs
  // (test/contracts/snapshots/gas.json): nobody earns by claiming.
  claimGas: 380_000n,
}
