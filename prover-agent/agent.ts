/**
 * The prover agent: joins strategy, capacity, calibration and backend into what the node asks of a prover.
 *
 * Made before the node and attached to it after; until then it declines. It bids only while all is well: its
 * clock, its chain, its device, and no slash that the operator has not looked at.
 */

import type { Clock } from '#node/clock'
import type { Log } from '#node/log'
import type { Metrics } from '#node/metrics'
import type { ProverRole } from '#node/proving'
import type { ProverDesk, QuoteContext } from '#protocol/bidder'
import type { MarketEvent } from '#protocol/effects'
import type { Params } from '#protocol/params'
import type { Address, Hex, ProofRequest } from '#protocol/schema'
import type { Backend } from './backend.ts'
import type { Calibration } from './calibration.ts'
import {
  fitsBeforeDue,
  freeAt,
  type Held,
  heldJobs,
  keyOf,
  type LaneTimes,
  MAX_HELD,
  type MarketView,
  reservedBondWei,
} from './capacity.ts'
import { Device } from './device.ts'
import { Journal } from './journal.ts'
import { Lanes } from './lanes.ts'
import { LearnedPrices } from './prices.ts'
import { createRole, type Verify } from './prover.ts'
import type { Slashes } from './slashes.ts'
import { type DeclineReason, decide, type Policy, worstMs } from './strategy.ts'
import { VerifierList } from './verifiers.ts'

/** What the agent needs of a running node. */
export type AgentNode = {
  readonly account: Address
  readonly market: MarketView
  /** `proof` of the chain's connection; see `node/chain.ts`. */
  readonly isChainHealthy: () => boolean
  /** Peers' clocks less ours, ms; `null` while no peer has told. */
  readonly clockOffsetMs: () => number | null
  readonly codeHash: (address: Address) => Promise<Hex | null>
}

export type AgentPorts = {
  readonly params: Params
  readonly policy: Policy
  readonly lanes: number
  /** keccak256 of the code of verifiers it works for. */
  readonly verifierCodeHashes: readonly Hex[]
  readonly attemptLimitMs: number
  readonly backend: Backend
  readonly calibration: Calibration
  readonly verify: Verify
  /** Makes and verifies a proof nobody waits for: asked for after a failure. @throws Error with the reason. */
  readonly probe: (signal: AbortSignal) => Promise<void>
  readonly slashes: Slashes
  readonly clock: Clock
  /** Monotonic ms. */
  readonly elapsedMs: () => number
  readonly log: Log
  readonly metrics: Pick<Metrics, 'countJob' | 'setQueueLength'> | null
  /** New measurements are worth keeping. */
  readonly onMeasured: () => void
}

/** A node does not trade when its clock is off by more (DESIGN section 4.6). ms. */
const MAX_CLOCK_OFFSET_MS = 100
/** Errors shown in the status; older ones are in the log. */
const MAX_ERRORS = 16

type Declined = DeclineReason | 'unwell'

export class Agent {
  readonly desk: ProverDesk
  readonly role: ProverRole
  readonly lanes: Lanes
  readonly prices = new LearnedPrices()
  readonly #ports: AgentPorts
  readonly #device: Device
  readonly #startedAt: number
  readonly #declined = new Map<Declined, number>()
  readonly #errors: { readonly at: number; readonly message: string }[] = []
  #node: AgentNode | null = null
  #journal: Journal | null = null
  #verifiers: VerifierList | null = null
  #isStopping = false
  #saidUnwell: string | null = null

  constructor(ports: AgentPorts) {
    const { clock, lanes, log } = ports
    this.#ports = ports
    this.#startedAt = clock.now()
    this.lanes = new Lanes(lanes, clock.now)
    this.#device = new Device({
      clock,
      probe: (signal) =>
        this.lanes.run(
          'probe',
          () => Number.POSITIVE_INFINITY,
          signal,
          () => ports.probe(signal),
        ),
      onChange: (fault) => {
        if (fault) this.#remember(fault)
        else log.info('the device makes proofs again')
      },
    })
    this.desk = { quote: (context) => this.#quote(context), accepts: this.#accepts }
    this.role = createRole({
      ...ports,
      lanes: this.lanes,
      rescueMs: rescueMs(ports.params),
      promisedAt: (request) => this.#promisedAt(request),
      onProved: (request, tookMs) => this.#proved(request, tookMs),
      onFault: (reason) => this.#device.failed(reason),
    })
  }

  /** The node runs: bidding begins, and jobs that a restart brought back get their lanes. */
  attach(node: AgentNode): void {
    const { log, clock, slashes, verifierCodeHashes } = this.#ports
    const { market, account } = node
    this.#node = node
    this.#verifiers = new VerifierList({
      allowed: verifierCodeHashes,
      codeHash: node.codeHash,
      now: clock.now,
      onLearned: (verifier, codeHash, isAllowed) =>
        log.info(isAllowed ? 'verifier allowed' : 'verifier refused', { verifier, codeHash }),
      onError: (verifier, error) => log.warn('cannot read a verifier', { verifier, error }),
    })
    this.#journal = new Journal({
      self: account,
      log,
      requestOf: (id) => market.job(id)?.request.message ?? null,
      pursuitOf: (id) => market.bidder?.pursuits.get(id) ?? null,
      onSlashed: ({ requestId, bondWei, transactionHash }) => {
        const slash = { requestId, transactionHash, bondWei: String(bondWei), at: clock.now() }
        this.#remember(`slashed ${bondWei} wei for ${requestId}`)
        log.error('slashed; not bidding until you run: proofwire agent --reset-slashed', slash)
        slashes.add(slash).catch((error: unknown) => log.error('cannot record a slash', { error }))
      },
    })
    this.lanes.open()
  }

  /** Takes what the market announces. Never throws. */
  readonly hear = (event: MarketEvent): void => {
    if (event.kind === 'awarded') {
      const request = this.#node?.market.job(event.requestId)?.request.message
      if (request) this.prices.learn(request, event)
    }
    this.#journal?.hear(event)
    this.#ports.metrics?.setQueueLength(
      'prover-lanes',
      this.lanes.running.size + this.lanes.waiting,
    )
  }

  /** Why it does not bid now, or `null` when it does. */
  unwell(): string | null {
    const { slashes } = this.#ports
    if (this.#isStopping) return 'stopping'
    if (!this.#node) return 'starting'
    if (slashes.open.length > 0)
      return 'slashed: find out why, then run: proofwire agent --reset-slashed'
    if (this.#device.fault) return `device: ${this.#device.fault}`
    const offsetMs = this.#node.clockOffsetMs()
    if (offsetMs !== null && Math.abs(offsetMs) > MAX_CLOCK_OFFSET_MS)
      return `clock: off by ${offsetMs} ms from its peers; synchronise it (NTP)`
    if (!this.#node.isChainHealthy()) return 'chain: the RPC is away or behind; check chain.rpcUrl'
    return null
  }

  /** Takes nothing new on. */
  stopBidding(): void {
    this.#isStopping = true
  }

  /** Accepted jobs whose proof is not yet with its builder, as far as anybody still waits for it. */
  unfinished(): number {
    const now = this.#ports.clock.now()
    let count = 0
    for (const [id, { acceptance, receipt, stage, isCommitted }] of this.#pursuits()) {
      const job = this.#node?.market.job(id)
      if (!job || !acceptance || receipt || isCommitted || stage === 'over') continue
      if (job.outcome === null && now <= job.request.message.dueAt + rescueMs(this.#ports.params))
        count += 1
    }
    return count
  }

  /** Ends timers. Proofs under way are the node's to abort. */
  stop(): void {
    this.#isStopping = true
    this.#device.stop()
  }

  /** For `status.json`. Plain data. */
  status(): object {
    const { clock, policy, calibration, backend } = this.#ports
    const why = this.unwell()
    const held = this.#held(clock.now())
    const stages = (stage: Held['stage']): number =>
      held.filter((job) => job.stage === stage).length
    return {
      version: 1,
      at: clock.now(),
      startedAt: this.#startedAt,
      account: this.#node?.account ?? null,
      bidding: why === null,
      whyNot: why,
      backend: backend.name,
      lanes: {
        count: this.lanes.count,
        running: this.lanes.running.size,
        waiting: this.lanes.waiting,
      },
      jobs: { bid: stages('bid'), won: stages('won'), accepted: stages('accepted') },
      timings: Object.fromEntries(
        calibration.programIds.map((id) => [id, calibration.timingOf(id, 0n)]),
      ),
      headroomPercent: policy.headroomPercent,
      figures: this.#journal?.figures() ?? null,
      declined: Object.fromEntries(this.#declined),
      slashes: this.#ports.slashes.open,
      lastErrors: this.#errors,
    }
  }

  #pursuits() {
    return this.#node?.market.bidder?.pursuits ?? new Map<never, never>()
  }

  #held(now: number): Held[] {
    if (!this.#node) return []
    return heldJobs(this.#node.market, this.#node.account, this.#ports.params, now)
  }

  #quote(context: QuoteContext): ReturnType<ProverDesk['quote']> {
    const unwell = this.unwell()
    this.#sayUnwell(unwell)
    if (unwell !== null || !this.#verifiers) return this.#decline(context.request, 'unwell')
    const { policy, backend, calibration } = this.#ports
    const { request, now, builder } = context
    const held = this.#held(now)
    const { programId, work } = request
    const decision = decide(
      {
        request,
        builder,
        freeBondWei: context.freeBondWei - reservedBondWei(held),
        timing: backend.supports(programId) ? calibration.timingOf(programId, work) : null,
        expectedFreeAt: freeAt(held, this.#times('usual'), now),
        worstFreeAt: freeAt(held, this.#times('worst'), now),
        hasRoom: held.length < MAX_HELD,
        learnedScoreWei: this.prices.scoreWei(request, policy.pricePercentile),
        verifier: this.#verifiers.standing(request.verifier),
      },
      policy,
    )
    return decision.kind === 'quote' ? decision.quote : this.#decline(request, decision.reason)
  }

  #decline(request: ProofRequest, reason: Declined): null {
    const { builder, nonce } = request
    this.#declined.set(reason, (this.#declined.get(reason) ?? 0) + 1)
    this.#ports.log.debug('declined a request', { builder, nonce, reason })
    return null
  }

  /** Said when it changes, not at every request. */
  #sayUnwell(unwell: string | null): void {
    if (unwell === this.#saidUnwell) return
    this.#saidUnwell = unwell
    if (unwell) this.#ports.log.warn('not bidding', { why: unwell })
    else this.#ports.log.info('bidding')
  }

  /** Asked when its turn has come: nothing of what was true when it bid has to be true any more. */
  readonly #accepts = (request: ProofRequest, now: number): boolean => {
    const unwell = this.unwell()
    const problem = unwell ?? (this.#node ? this.#misfit(this.#node, request, now) : null)
    if (problem === null) return true
    const { builder, nonce } = request
    this.#ports.log.warn('cannot accept a job', { builder, nonce, why: problem })
    return false
  }

  #misfit({ market, account }: AgentNode, request: ProofRequest, now: number): string | null {
    const key = keyOf(request)
    const all = this.#held(now)
    const own = all.find((held) => held.key === key)
    const others = all.filter((held) => held !== own)
    // Bids give way to what is certain; a backup gives way to auctions won besides.
    const certain = others.filter(
      ({ stage }) => stage === 'accepted' || stage === 'proved' || (stage === 'won' && !own),
    )
    const freeBondWei = market.accounts.freeBondWei(account) - reservedBondWei(certain)
    if (freeBondWei < request.bondWei) return 'the bond is not free'
    const times = this.#times('worst')
    const promisedAt = own?.promisedAt ?? request.dueAt
    const asked: Held = { key, request, stage: 'accepted', promisedAt, isStarted: false }
    const { deliveryAllowanceMs } = this.#ports.policy
    return fitsBeforeDue(asked, certain, times, deliveryAllowanceMs, now)
      ? null
      : 'no lane is free in time'
  }

  /** How long each held job takes, and when it began. */
  #times(kind: 'usual' | 'worst'): LaneTimes {
    const { calibration, policy, clock } = this.#ports
    return {
      lanes: this.lanes.count,
      startAllowanceMs: policy.startAllowanceMs,
      beganAt: (key) => this.lanes.running.get(key) ?? null,
      durationMs: ({ request, key }) => {
        const timing = calibration.timingOf(request.programId, request.work)
        // Restored after the configuration changed: it holds its lane until it is due.
        if (!timing) return Math.max(0, request.dueAt - clock.now())
        const beganAt = this.lanes.running.get(key) ?? Number.POSITIVE_INFINITY
        const isSlow = clock.now() - beganAt > timing.p90Ms
        return kind === 'usual' && !isSlow ? timing.p90Ms : worstMs(timing, policy)
      },
    }
  }

  #promisedAt(request: ProofRequest): number {
    const key = keyOf(request)
    const held = this.#held(this.#ports.clock.now()).find((job) => job.key === key)
    return held?.promisedAt ?? request.dueAt
  }

  #proved({ programId, work, builder, nonce }: ProofRequest, tookMs: number): void {
    this.#device.succeeded()
    this.#ports.calibration.record(programId, work, tookMs)
    this.#ports.log.info('made a proof', { builder, nonce, tookMs: Math.round(tookMs) })
    this.#ports.onMeasured()
  }

  #remember(message: string): void {
    this.#errors.push({ at: this.#ports.clock.now(), message })
    if (this.#errors.length > MAX_ERRORS) this.#errors.shift()
  }
}

/**
 * A proof that is late earns nothing, and still saves the bond while the chain takes its commitment; one block is
 * left to get it in. ms after `dueAt`.
 */
const rescueMs = ({ commitWindowS, slotS }: Params): number =>
  Math.max(0, commitWindowS - 2 * slotS) * 1_000
