/**
 * What goes into the market machine and what comes out of it. Production (`node/engine.ts`) and the
 * simulator (`simulations/actor.ts`) feed the same inputs and perform the same effects.
 */
import type { Opening } from './money.ts'
import type { RefusalCode } from './refusals.ts'
import type {
  Acceptance,
  Address,
  Award,
  Bid,
  Hex,
  Id,
  Notice,
  ProofRequest,
  Receipt,
  Start,
} from './schema.ts'

/**
 * A message whose bytes were well formed and whose signature was recovered. Nothing else is known
 * yet.
 */
export type Signed<K extends string, M> = {
  readonly kind: K
  /** EIP-712 digest of `message`. */
  readonly id: Id
  /** Who signed `id`: an account, or the EOA an account registered. */
  readonly signer: Address
  readonly message: M
  /** 65 bytes r ‖ s ‖ v, v 27 or 28, low s. */
  readonly signature: Uint8Array
}

/**
 * The award travels with the winning bid and its opening, because one award in eleven overtakes its
 * bid.
 */
export type SignedAward = Signed<'Award', Award> & {
  readonly bid: Signed<'Bid', Bid>
  readonly opening: Opening
}
/** Start and acceptance travel together: either alone binds nobody. */
export type SignedStart = Signed<'Start', Start> & {
  readonly acceptance: Signed<'Acceptance', Acceptance>
}
export type SignedRequest = Signed<'ProofRequest', ProofRequest>
export type SignedBid = Signed<'Bid', Bid>
export type SignedAcceptance = Signed<'Acceptance', Acceptance>
export type SignedNotice = Signed<'Notice', Notice>
export type SignedReceipt = Signed<'Receipt', Receipt>

/** What travels by gossip, one kind a topic. */
export type Gossiped =
  | SignedRequest
  | SignedBid
  | SignedAward
  | SignedStart
  | SignedNotice
  | SignedReceipt
export type GossipKind = Gossiped['kind']

/**
 * What the chain says, once confirmed. Amounts count for new work: nothing exiting or being
 * withdrawn.
 */
export type ChainEvent =
  | {
      readonly kind: 'account'
      readonly account: Address
      readonly bondWei: bigint
      readonly stakeWei: bigint
      readonly escrowWei: bigint
    }
  | { readonly kind: 'signer'; readonly account: Address; readonly signer: Address | null }
  | {
      /** A receipt was settled, or a claim paid: the money has moved. */
      readonly kind: 'paid'
      readonly builder: Address
      readonly prover: Address
      readonly nonce: bigint
      readonly payWei: bigint
      readonly transactionHash: Hex
    }
  | {
      readonly kind: 'slashed'
      readonly builder: Address
      readonly prover: Address
      readonly nonce: bigint
      readonly bondWei: bigint
      readonly transactionHash: Hex
    }
  /** Timestamp of the newest block, seconds. */
  | { readonly kind: 'block'; readonly timestampS: number }

export type Input =
  /** From gossip, or our own after signing. */
  | { readonly kind: 'message'; readonly from: Gossiped }
  /** A prover asks for the inputs on a stream: it waits for its turn, which may never come. */
  | { readonly kind: 'waiting'; readonly requestId: Id; readonly prover: Address }
  /** An acceptance came over a stream. */
  | { readonly kind: 'accepted'; readonly from: SignedAcceptance }
  /** An effect `open` ended: `null` for a bid that does not open to its commitment. */
  | {
      readonly kind: 'opened'
      readonly requestId: Id
      readonly openings: readonly { readonly bidId: Id; readonly opening: Opening | null }[]
    }
  /** Our fetch ended: inputs that fit the request, or why not. */
  | { readonly kind: 'fetched'; readonly requestId: Id; readonly ok: boolean }
  /** Our acceptance was signed and stored; from here we deliver, whatever the builder answers. */
  | { readonly kind: 'committed'; readonly from: SignedAcceptance }
  /**
   * Our backend ended: hash of the proof, which the driver keeps, or `null` when it failed for
   * good.
   */
  | { readonly kind: 'proved'; readonly requestId: Id; readonly proofHash: Hex | null }
  /** A proof that verifies came over a stream; `deliveredAt` is when its last byte did. */
  | {
      readonly kind: 'delivered'
      readonly requestId: Id
      readonly prover: Address
      readonly proofHash: Hex
      readonly deliveredAt: number
    }
  | { readonly kind: 'chain'; readonly event: ChainEvent }
  /** The instant of a `wake` has come: never before it, by the clock that `handle` is given. */
  | { readonly kind: 'tick'; readonly requestId: Id }
  /** A held message's time is over. */
  | { readonly kind: 'expired'; readonly holdId: Id }
  /** After a restart, with every stored job restored: ask for what each one still needs. */
  | { readonly kind: 'resume' }

/**
 * A message to be signed; the driver signs each identity once and keeps the bytes (never two
 * contents).
 */
export type Draft =
  | {
      readonly kind: 'Award'
      readonly message: Award
      readonly bid: SignedBid
      readonly opening: Opening
    }
  | { readonly kind: 'Start'; readonly message: Start; readonly acceptance: SignedAcceptance }
  | { readonly kind: 'Notice'; readonly message: Notice }
  | { readonly kind: 'Receipt'; readonly message: Receipt }

/** Evidence that a started prover owes: all a slash or claim needs but the proof. */
export type Obligation = {
  readonly request: ProofRequest
  readonly award: SignedAward
  readonly start: SignedStart
}

export type Effect =
  /** Sign (or take the stored bytes), store with fsync, gossip, and feed back as `message`. */
  | { readonly kind: 'publish'; readonly draft: Draft }
  /**
   * The awards of a bundle: sign all, store all, feed all back, and only then gossip them: a crash
   * leaves as little of it half said as can be.
   */
  | { readonly kind: 'publishAll'; readonly drafts: readonly Draft[] }
  /** Draw a salt, seal, sign, store, gossip, feed back. */
  | {
      readonly kind: 'bid'
      readonly request: SignedRequest
      readonly priceWei: bigint
      readonly readyAt: number
      readonly lanes?: number
    }
  /**
   * Open these bids with `secret` (our own auction: the driver has it), in slices; answer `opened`.
   */
  | {
      readonly kind: 'open'
      readonly requestId: Id
      readonly bids: readonly SignedBid[]
      readonly secret: Hex | null
    }
  /** A held message is decided: tell gossip. */
  | { readonly kind: 'release'; readonly holdId: Id; readonly verdict: Decision }
  | { readonly kind: 'wake'; readonly requestId: Id; readonly at: number }
  /** Feed `expired` at this instant. */
  | { readonly kind: 'expire'; readonly holdId: Id; readonly at: number }
  /** Prover: ask the builder for the inputs, waiting for our turn; answer `fetched`. */
  | { readonly kind: 'fetch'; readonly requestId: Id }
  /**
   * Prover: sign and store the acceptance (answer `committed`), then send it and feed the start it
   * brings.
   */
  | { readonly kind: 'accept'; readonly message: Acceptance }
  /** Prover: start the backend on the fetched inputs; answer `proved`. */
  | { readonly kind: 'prove'; readonly requestId: Id }
  /** Prover: the job ended otherwise; stop fetching or proving it. */
  | { readonly kind: 'abort'; readonly requestId: Id }
  /**
   * Prover: hand the stored proof to the builder until a receipt comes; feed the receipt as
   * `message`.
   */
  | { readonly kind: 'deliver'; readonly requestId: Id }
  /** Prover: the receipt is good; settle it on chain in a batch. */
  | { readonly kind: 'settle'; readonly receipt: SignedReceipt }
  /** Prover: no receipt; commit the proof on chain, and claim when there is a start. */
  | { readonly kind: 'commit'; readonly requestId: Id; readonly dueAt: number }
  | { readonly kind: 'claim'; readonly requestId: Id; readonly obligation: Obligation }
  /** Builder: give the inputs, and its bid's path under `bidsRoot`, to this prover now. */
  | {
      readonly kind: 'turn'
      readonly requestId: Id
      readonly prover: Address
      readonly path: readonly Hex[]
    }
  /** Builder: nobody else is needed; end every waiting stream of this job. */
  | { readonly kind: 'dismiss'; readonly requestId: Id }
  /**
   * Builder: a started prover defaulted; slash it once block time passes `atS`, unless a receipt
   * came.
   */
  | {
      readonly kind: 'slash'
      readonly obligation: Obligation
      readonly rescuers: readonly Address[]
      readonly atS: number
    }
  /** Two awards of one builder for one nonce: report them on chain. */
  | {
      readonly kind: 'report'
      readonly first: { readonly request: ProofRequest; readonly award: SignedAward }
      readonly second: { readonly request: ProofRequest; readonly award: SignedAward }
    }
  /** An award that passed over a better bid under its own root: prove it on chain. */
  | {
      readonly kind: 'reportMisaward'
      readonly request: ProofRequest
      readonly award: SignedAward
      readonly better: { readonly bid: SignedBid; readonly opening: Opening }
      readonly path: readonly Hex[]
    }
  /** Something people watch: logged, counted, shown. */
  | { readonly kind: 'announce'; readonly event: MarketEvent }

export type Decision = 'accept' | Refusal
/** *ignore* when an honest peer could have sent it, *reject* when none could. */
export type Refusal = { readonly action: 'ignore' | 'reject'; readonly code: RefusalCode }
export type Verdict = Decision | { readonly action: 'hold'; readonly holdId: Id }

export type Outcome = {
  readonly verdict: Verdict
  readonly effects: readonly Effect[]
  /**
   * Jobs that changed and that this node takes part in: the driver stores them before it performs.
   */
  readonly changed: readonly Id[]
}

export type JobOutcome = 'settled' | 'void' | 'defaulted'
/** Events for logs, metrics, the door's subscribers and the devnet's display. */
export type MarketEvent =
  | { readonly kind: 'requested'; readonly requestId: Id; readonly request: ProofRequest }
  | {
      readonly kind: 'bid-seen'
      readonly requestId: Id
      readonly bidId: Id
      readonly prover: Address
    }
  | {
      readonly kind: 'awarded'
      readonly requestId: Id
      readonly prover: Address
      readonly priceWei: bigint
      readonly readyAt: number
      readonly bidCount: number
      readonly backups: readonly Address[]
    }
  | { readonly kind: 'turn-begun'; readonly requestId: Id; readonly prover: Address }
  | { readonly kind: 'turn-missed'; readonly requestId: Id; readonly prover: Address }
  | {
      readonly kind: 'started'
      readonly requestId: Id
      readonly prover: Address
      readonly at: number
    }
  | { readonly kind: 'silent'; readonly requestId: Id; readonly prover: Address }
  | { readonly kind: 'noticed'; readonly requestId: Id; readonly prover: Address }
  | {
      readonly kind: 'received'
      readonly requestId: Id
      readonly prover: Address
      readonly payWei: bigint
      readonly deliveredAt: number
    }
  | { readonly kind: 'defaulted'; readonly requestId: Id; readonly prover: Address }
  | {
      readonly kind: 'paid'
      readonly requestId: Id
      readonly prover: Address
      readonly payWei: bigint
      readonly transactionHash: Hex
    }
  | {
      readonly kind: 'slashed'
      readonly requestId: Id
      readonly prover: Address
      readonly bondWei: bigint
      readonly transactionHash: Hex
    }
  | { readonly kind: 'ended'; readonly requestId: Id; readonly outcome: JobOutcome }
  | {
      readonly kind: 'equivocation'
      readonly account: Address
      readonly first: Id
      readonly second: Id
    }
  | {
      readonly kind: 'omission'
      readonly requestId: Id
      readonly builder: Address
      readonly bids: number
    }
