/**
 * The prover agent: joins strategy, capacity, calibration and backend into what the node asks of a
 * prover.
 *
 * Made before the node and attached to it after; until then it declines. It bids only while all is
 * well: its clock, its chain, its device, and no slash that the operator has not looked at.
 */
import type { Clock } from '#node/clock'
import type { Log } from '#node/log'
import type { Metrics } from '#node/metrics'
import type { ProverRole } from '#node/proving'
import type { ProverDesk } from '#protocol/bidder'
import type { ChainEvent, MarketEvent } from '#protocol/effects'
import type { Params } from '#protocol/params'
import type { Address, Hex, ProofRequest } from '#protocol/schema'
import type { Backend } from './backend.ts'
import type { Calibration } from './calibration.ts'
import type { Held, MarketView } from './capacity.ts'
import { Desk } from './desk.ts'
import { Device } from './device.ts'
import { Journal } from './journal.ts'
import { Lanes } from './lanes.ts'
import { LearnedPrices } from './prices.ts'
import { createRole, rescueMs, type Verify } from './prover.ts'
import type { Slashes } from './slashes.ts'
import type { Policy } from './strategy.ts'
import { VerifierList } from './verifiers.ts'

/** What the agent needs of a running node. */
export type AgentNode = {
  readonly market: MarketView
  readonly isChainHealthy: () => boolean
  /** Peers' clocks less ours, ms; `null` while no peer has told. */
  readonly clockOffsetMs: () => number | null
  /** keccak256 of a contract's code; `null` when there is none. */
  readonly codeHash: (address: Address) => Promise<Hex | null>
  readonly metrics: Pick<Metrics, 'setQueueLength'>
}

export type AgentPorts = {
  readonly account: Address
  readonly params: Params
  readonly policy: Policy
  /** Proofs at a time. */
  readonly lanes: number
  /** keccak256 of the code of verifiers it works for. */
  readonly verifierCodeHashes: readonly Hex[]
  /** Verifiers whose code is looked at before the first request names them. */
  readonly verifiers: readonly Address[]
  /** Longest that one attempt at a proof may take. ms. */
  readonly attemptLimitMs: number
  readonly backend: Backend
  readonly calibration: Calibration
  readonly verify: Verify
  /** Why inputs cannot be proven; null if they can. */
  readonly check: ProverRole['check']
  /**
   * Makes and verifies a proof nobody waits for: asked for after a failure. @throws Error with the
   * reason.
   */
  readonly probe: (signal: AbortSignal) => Promise<void>
  readonly slashes: Slashes
  readonly clock: Clock
  /** Monotonic ms. */
  readonly elapsedMs: () => number
  readonly log: Log
  /** New measurements are worth keeping. */
  readonly onMeasured: () => void
}

/** A node does not trade when its clock is off by more (DESIGN section 4.6). ms. */
const MAX_CLOCK_OFFSET_MS = 100
/** Errors shown in the status; older ones are in the log. */
const MAX_ERRORS = 16
/** The probe waits behind every job. ms since the Unix epoch. */
const LAST = Number.MAX_SAFE_INTEGER

const RESET = 'find out why, then stop the agent and run: proofwire agent --reset-slashed'

/** What exists once there is a node. */
type Attached = { readonly node: AgentNode; readonly desk: Desk; readonly journal: Journal }

export class Agent {
  /** What the node asks for quotes; declines everything until the agent is attached. */
  readonly desk: ProverDesk
  readonly role: ProverRole
  readonly lanes: Lanes
  readonly prices = new LearnedPrices()
  readonly #ports: AgentPorts
  readonly #device: Device
  readonly #startedAt: number
  readonly #errors: { readonly at: number; readonly message: string }[] = []
  #attached: Attached | null = null
  #isStopping = false

  constructor(ports: AgentPorts) {
    const { clock, lanes, log, params } = ports
    this.#ports = ports
    this.#startedAt = clock.now()
    this.lanes = new Lanes(lanes, clock.now)
    const probe = (signal: AbortSignal): Promise<void> =>
      this.lanes.run(
        'probe',
        () => LAST,
        signal,
        () => ports.probe(signal),
      )
    const onChange = (fault: string | null): void => {
      if (fault) this.#remember(fault)
      else log.info('the device makes proofs again')
    }
    this.#device = new Device({ clock, probe, onChange })
    this.desk = {
      quote: (context) => this.#attached?.desk.quote(context) ?? null,
      accepts: (request, now) => this.#attached?.desk.accepts(request, now) ?? false,
    }
    this.role = createRole({
      ...ports,
      lanes: this.lanes,
      rescueMs: rescueMs(params),
      promisedAt: (request) => this.#attached?.desk.promisedAt(request) ?? request.dueAt,
      onProved: (request, tookMs) => this.#proved(request, tookMs),
      onFault: (reason) => this.#device.failed(reason),
    })
  }

  /**
   * The node runs: bidding begins, and jobs that a restart brought back get their lanes. Resolves
   * when the verifiers that are known beforehand were looked at.
   */
  attach(node: AgentNode): Promise<void> {
    const { account, log, clock, verifierCodeHashes } = this.#ports
    const { market } = node
    const verifiers = new VerifierList({
      allowed: verifierCodeHashes,
      codeHash: node.codeHash,
      now: clock.now,
      onLearned: (verifier, codeHash, isAllowed) =>
        log.info(isAllowed ? 'verifier allowed' : 'verifier refused', { verifier, codeHash }),
      onError: (verifier, error) => log.warn('cannot read a verifier', { verifier, error }),
    })
    const { lanes, prices } = this
    const desk = new Desk({
      ...this.#ports,
      market,
      lanes,
      prices,
      verifiers,
      unwell: () => this.unwell(),
      isStopping: () => this.#isStopping,
    })
    const journal = new Journal({
      self: account,
      log,
      requestOf: (id) => market.job(id)?.request.message ?? null,
      pursuitOf: (id) => market.bidder?.pursuits.get(id) ?? null,
    })
    this.#attached = { node, desk, journal }
    this.lanes.open()
    return verifiers.learn(this.#ports.verifiers)
  }

  /** Takes what the market announces. Never throws. */
  readonly hear = (event: MarketEvent): void => {
    if (!this.#attached) return
    const { node, journal } = this.#attached
    if (event.kind === 'awarded') {
      const request = node.market.job(event.requestId)?.request.message
      if (request) this.prices.learn(request, event)
    }
    journal.hear(event)
    const { running, waiting } = this.lanes
    node.metrics.setQueueLength('prover-lanes', running.size + waiting)
  }

  /**
   * Takes what the chain says: a slash of this account stops bidding, whatever the market remembers
   * of it.
   */
  readonly hearChain = (event: ChainEvent): void => {
    const { account, log, clock, slashes } = this.#ports
    if (event.kind !== 'slashed' || event.prover !== account) return
    const { builder, nonce, bondWei, transactionHash } = event
    const slash = { builder, nonce: String(nonce), transactionHash, bondWei: String(bondWei) }
    const isNew = slashes.add({ ...slash, at: clock.now() }, (error) =>
      log.error('cannot record a slash', { error }),
    )
    if (!isNew) return
    this.#remember(`slashed ${bondWei} wei by ${builder}, nonce ${nonce}`)
    log.error(`slashed, and not bidding any more: ${RESET}`, slash)
  }

  /** Why nothing may be promised now, or `null` when all is well. */
  unwell(): string | null {
    if (!this.#attached) return 'starting'
    if (this.#ports.slashes.open.length > 0) return `slashed: ${RESET}`
    if (this.#device.fault) return `device: ${this.#device.fault}`
    const { node } = this.#attached
    const offsetMs = node.clockOffsetMs()
    if (offsetMs !== null && Math.abs(offsetMs) > MAX_CLOCK_OFFSET_MS)
      return `clock: off by ${offsetMs} ms from its peers; synchronise it (NTP)`
    return node.isChainHealthy() ? null : 'chain: the RPC is away or behind; check its URL'
  }

  /** Bids no more; what was bid for may still be won, and is then made. */
  stopBidding(): void {
    this.#isStopping = true
  }

  /**
   * Jobs that may be won, are to be proven, or whose proof is not yet handed over or committed on
   * chain.
   */
  unfinished(): number {
    if (!this.#attached) return 0
    const { node, desk } = this.#attached
    const now = this.#ports.clock.now()
    let count = desk.held(now).length
    for (const [id, { stage, isCommitted }] of node.market.bidder?.pursuits ?? []) {
      const job = node.market.job(id)
      if (!job || job.outcome !== null || stage !== 'proved' || isCommitted) continue
      if (now <= job.request.message.dueAt + rescueMs(this.#ports.params)) count += 1
    }
    return count
  }

  /** Ends timers. Proofs under way are the node's to abort. */
  stop(): void {
    this.#isStopping = true
    this.#device.stop()
  }

  /** For `status.json`. Plain data, and bigint. */
  status(): object {
    const { account, clock, calibration, backend, slashes } = this.#ports
    const { desk, journal } = this.#attached ?? {}
    const whyNot = this.#isStopping ? 'stopping' : this.unwell()
    const held = desk?.held(clock.now()) ?? []
    const inStage = (stage: Held['stage']): number =>
      held.filter((job) => job.stage === stage).length
    const { count, running, waiting } = this.lanes
    return {
      version: 1,
      at: clock.now(),
      startedAt: this.#startedAt,
      account,
      bidding: whyNot === null,
      whyNot,
      backend: backend.name,
      lanes: { count, running: running.size, waiting },
      jobs: { bid: inStage('bid'), won: inStage('won'), accepted: inStage('accepted') },
      timings: Object.fromEntries(
        calibration.programIds.map((id) => [id, calibration.timingOf(id, 0n)]),
      ),
      figures: journal?.figures() ?? null,
      declined: Object.fromEntries(desk?.declined ?? []),
      slashes: slashes.open,
      lastErrors: this.#errors,
    }
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
