/**
 * The chain driver: home of viem's clients. Connects, checks that this is the market it was told
 * about, then runs one loop: look at the chain, conclude and send. Everything else of the chain is
 * in files beside this one, which get the client and keep no connection of their own.
 */
import { createPublicClient, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { keccak256 } from 'viem/utils'
import type { ChainEvent, Obligation, SignedReceipt } from '#protocol/effects'
import type { Params } from '#protocol/params'
import type { Address, Hex, Id } from '#protocol/schema'
import { checkMarket, deploymentBlock } from './chain-checks.ts'
import type { Challenge } from './chain-events.ts'
import { ChainLoop } from './chain-loop.ts'
import { ChainWatcher, type Poll, type Rollback } from './chain-watcher.ts'
import { type Conservation, conservation } from './conservation.ts'
import { type AwardedRequest, type BidProof, Disputes } from './disputes.ts'
import { Funds } from './funds.ts'
import type { Sent } from './intents.ts'
import type { Log } from './log.ts'
import { Sender } from './sender.ts'
import { type Account, judge, Settlement } from './settlement.ts'
import { Settling } from './settling.ts'
import type { Store } from './store.ts'
import { Transactions } from './transactions.ts'

export type ChainOptions = {
  /** JSON-RPC over HTTP. */
  readonly rpcUrl: string
  /** Signs this node's transactions. 32 bytes. */
  readonly privateKey: Hex
  readonly expectedChainId: number
  readonly settlement: Address
  readonly params: Params
  readonly store: Store
  readonly log: Log
  /** Blocks, counting its own, after which something counts as done. Default 2. */
  readonly confirmations?: number
  /** Default 1 s: a twelfth of a slot. ms. */
  readonly pollMs?: number
  /** How long a receipt waits for others to share its transaction. Default a minute. ms. */
  readonly settleAfterMs?: number
  /** Most that is ever offered for one unit of gas. Default 300 gwei. wei. */
  readonly maxFeeWei?: bigint
  /** Polls without being mined after which a fee is raised. Default: two slots' worth. */
  readonly replaceAfterPolls?: number
  /**
   * Block of the deployment. Without it the node is asked, which needs one that keeps old state.
   */
  readonly deploymentBlock?: number
  /** ms since the Unix epoch. Default: the system's clock. */
  readonly now?: () => number
  /**
   * Events that had been announced as confirmed are not on the chain any more. It is logged in any
   * case.
   */
  readonly onDeepReorg?: (rollback: Rollback) => void
  /**
   * Our proof was committed, our builder kept the start to itself and now slashes: this is the
   * start.
   */
  readonly onWithheldStart?: (challenge: Challenge) => void
}

export type Health = {
  /** The RPC answers, and its newest block is at most five slots old. */
  readonly healthy: boolean
  /** ms since the RPC last answered everything; since connecting, if it never did. */
  readonly answerAgeMs: number
  /** ms from the newest block's timestamp to now; `null` before the first. */
  readonly blockAgeMs: number | null
}

/** A poll takes one batch or two; longer, and the RPC is as good as away. */
const RPC_TIMEOUT_MS = 10_000
/** What public RPCs accept in one batch. */
const RPC_BATCH = 64
/** Answers older than so many polls, and blocks older than so many slots, are a sign of trouble. */
const UNHEALTHY_AFTER = 5
/** Two blocks: one proposer alone cannot take back what it showed. */
const DEFAULT_CONFIRMATIONS = 2
const DEFAULT_POLL_MS = 1_000
/**
 * A minute lets a busy prover share a transaction, and is short beside the windows (12 minutes and
 * more).
 */
const DEFAULT_SETTLE_AFTER_MS = 60_000
/**
 * Ten times an ordinary day's base fee and more; above it, waiting is cheaper than what is at
 * stake.
 */
const DEFAULT_MAX_FEE_WEI = 300_000_000_000n
/** A proof has three slots to be committed in: the raise must come before the last. */
const SLOTS_BEFORE_RAISE = 2
const FIRST_BLOCK = 'chain/first-block'

const endpoint = (rpcUrl: string) =>
  http(rpcUrl, {
    batch: { batchSize: RPC_BATCH },
    timeout: RPC_TIMEOUT_MS,
    // The loop asks again by itself, knowing what has changed.
    retryCount: 0,
  })

/**
 * Connects to a market and takes up what was under way; nothing is announced or sent before
 * `start`.
 * @throws Error that says what to do: the RPC does not answer, it serves another chain, there is no
 *   contract, the contract has other rules, or the data folder belongs to another chain.
 */
export async function connectChain(options: ChainOptions): Promise<Chain> {
  const { rpcUrl, store, expectedChainId: chainId } = options
  const client = createPublicClient({ transport: endpoint(rpcUrl), cacheTime: 0 })
  const address = options.settlement.toLowerCase() as Address
  const bonds = await checkMarket(client, { ...options, settlement: address })
  const firstBlock =
    options.deploymentBlock ??
    (await store.getJson<number>(FIRST_BLOCK)) ??
    (await deploymentBlock(client, rpcUrl, address))
  await store.putJson(FIRST_BLOCK, firstBlock)
  const account = privateKeyToAccount(options.privateKey)
  const maxFeeWei = options.maxFeeWei ?? DEFAULT_MAX_FEE_WEI
  const sender = new Sender({ client, account, chainId, maxFeeWei })
  const settlement = new Settlement(client, address, bonds)
  const wiring = { ...options, log: options.log.child({ part: 'chain' }), settlement, firstBlock }
  const parts = await openParts(wiring, sender, account.address.toLowerCase() as Address)
  return chainOf(wiring, parts)
}

type Wiring = Omit<ChainOptions, 'settlement'> & {
  readonly settlement: Settlement
  readonly firstBlock: number
}
type Parts = {
  readonly account: Address
  readonly loop: ChainLoop
  readonly transactions: Transactions
  readonly settling: Settling
  readonly watcher: ChainWatcher
  readonly disputes: Disputes
  /** Where events go: nowhere until `start` names a listener. */
  readonly listener: { hear: (event: ChainEvent) => void }
}

async function openParts(wiring: Wiring, sender: Sender, account: Address): Promise<Parts> {
  const { settlement, store, log, params, firstBlock } = wiring
  const pollMs = wiring.pollMs ?? DEFAULT_POLL_MS
  const confirmations = wiring.confirmations ?? DEFAULT_CONFIRMATIONS
  const now = wiring.now ?? Date.now
  const loop = new ChainLoop({ pollMs, log, now })
  const wake = (): void => loop.wake()
  const shared = { settlement, store, log }
  const raiseMs = SLOTS_BEFORE_RAISE * params.slotS * 1_000
  const transactions = await Transactions.open({
    ...shared,
    sender,
    confirmations,
    replaceAfterPolls: wiring.replaceAfterPolls ?? Math.ceil(raiseMs / pollMs),
    needOf: (intent) => settlement.needOf(intent),
    judge,
    wake,
  })
  // A receipt protects its prover's bond only once it is settled: on short windows it must not wait
  // long.
  const latestMs = (params.claimWindowS * 1_000) / 4
  const settleAfterMs = Math.min(wiring.settleAfterMs ?? DEFAULT_SETTLE_AFTER_MS, latestMs)
  const settling = await Settling.open({ ...shared, transactions, settleAfterMs, now, wake })
  const listener: Parts['listener'] = { hear: () => {} }
  const watcher: ChainWatcher = await ChainWatcher.open({
    ...shared,
    confirmations,
    firstBlock,
    onEvent: (event) => listener.hear(event),
    self: account,
    onChallenge: (challenge) => wiring.onWithheldStart?.(challenge),
    onRollback: (ancestor) => transactions.undone(ancestor),
    onUndone: (rollback) => reportUndone(rollback, wiring),
  })
  const disputes = new Disputes({
    settlement,
    transactions,
    reached: (atS) => watcher.reached(atS),
    patiently: (ask) => loop.patiently(ask),
    claimWindowS: params.claimWindowS,
  })
  return { account, loop, transactions, settling, watcher, disputes, listener }
}

function reportUndone(rollback: Rollback, { log, onDeepReorg }: Wiring): void {
  if (rollback.undone.length === 0) return
  log.error('the chain took back what was confirmed; raise confirmations', rollback)
  onDeepReorg?.(rollback)
}

function chainOf(wiring: Wiring, parts: Parts): Chain {
  const { settlement, firstBlock } = wiring
  const { account, loop, transactions, settling, watcher, disputes, listener } = parts
  const round = async (): Promise<Poll> => {
    const poll = await watcher.poll()
    if (poll !== 'current' || !watcher.head) return poll
    await settling.tick()
    await transactions.step(watcher.head)
    return poll
  }
  return {
    account,
    funds: new Funds(settlement, transactions),
    start: (onEvent) => {
      listener.hear = onEvent
      return loop.start({ round, onSilence: () => transactions.disconnected() })
    },
    close: async () => {
      watcher.close()
      transactions.close()
      settling.close()
      await loop.close()
    },
    now: () => ({
      blockNumber: watcher.head?.number ?? 0,
      timestampS: watcher.head?.timestampS ?? 0,
    }),
    health: () => healthOf(wiring, parts),
    queueReceipt: (receipt) => settling.queue(receipt),
    commitProof: (requestId, proof) => disputes.commitProof(requestId, account, proof),
    claim: (obligation, proof, bid) => disputes.claim(obligation, proof, bid),
    slash: (obligation, atS, isOwed) => disputes.slash(obligation, atS, isOwed),
    reportDoubleAward: (first, second) => disputes.reportDoubleAward(first, second),
    reportMisaward: (awarded, prover, better) => disputes.reportMisaward(awarded, prover, better),
    moneyOf: (of) => settlement.account(of),
    isResolved: (builder, prover, nonce) => settlement.isResolved({ builder, prover, nonce }),
    codeHash: async (address) => {
      const code = await settlement.client.getCode({ address })
      return code && code !== '0x' ? keccak256(code) : null
    },
    conservation: () => conservation(settlement, firstBlock),
  }
}

function healthOf(wiring: Wiring, { loop, watcher }: Parts): Health {
  const now = (wiring.now ?? Date.now)()
  const answerAgeMs = now - loop.answeredAt
  const blockAgeMs = watcher.head ? Math.max(0, now - watcher.head.timestampS * 1_000) : null
  const patienceMs = UNHEALTHY_AFTER * (wiring.pollMs ?? DEFAULT_POLL_MS) + RPC_TIMEOUT_MS
  const isRecent =
    blockAgeMs !== null && blockAgeMs <= UNHEALTHY_AFTER * wiring.params.slotS * 1_000
  const healthy = loop.isOnChain && answerAgeMs <= patienceMs && isRecent
  return { healthy, answerAgeMs, blockAgeMs }
}

/**
 * A node's connection to one market on one chain. Operations may be asked for again and happen
 * once.
 */
export type Chain = {
  /** Who signs and pays for this node's transactions. Lower case. */
  readonly account: Address
  /** Deposits, exits, withdrawals. */
  readonly funds: Funds
  /**
   * Begins to watch and to send. Resolves when all that is confirmed has been announced, every
   * account too.
   */
  readonly start: (onEvent: (event: ChainEvent) => void) => Promise<void>
  /** Stops. What is unfinished ends as `closed` here, and goes on at the next start. */
  readonly close: () => Promise<void>
  /**
   * The newest block that has been read; zeros before `start` has resolved. Seconds of block time.
   */
  readonly now: () => { readonly blockNumber: number; readonly timestampS: number }
  readonly health: () => Health
  /** Settles a receipt in a batch. */
  readonly queueReceipt: (receipt: SignedReceipt) => Promise<Sent>
  /** Commits to this account's proof of a request. */
  readonly commitProof: (requestId: Id, proof: Uint8Array) => Promise<Sent>
  /** Commits if need be, then claims. A backup adds its own bid. */
  readonly claim: (obligation: Obligation, proof: Uint8Array, bid?: BidProof) => Promise<Sent>
  /**
   * Slashes from block time `atS` (seconds) on, unless the job is settled before; sees a challenge
   * through.
   */
  readonly slash: (obligation: Obligation, atS: number, isOwed?: () => boolean) => Promise<Sent>
  readonly reportDoubleAward: (first: AwardedRequest, second: AwardedRequest) => Promise<Sent>
  /** `prover` is whose bid was passed over. */
  readonly reportMisaward: (
    awarded: AwardedRequest,
    prover: Address,
    better: BidProof,
  ) => Promise<Sent>
  /** Bond, stake, escrow and credit of an account, now. */
  readonly moneyOf: (account: Address) => Promise<Account>
  /** keccak256 of a contract's code, `null` without any: what allow-lists of verifiers name. */
  readonly codeHash: (address: Address) => Promise<Hex | null>
  /** Whether this prover was paid, or slashed, for this nonce of the builder. */
  readonly isResolved: (builder: Address, prover: Address, nonce: bigint) => Promise<boolean>
  /** Adds up all of the market's money. Reads every log since the deployment. */
  readonly conservation: () => Promise<Conservation>
}
