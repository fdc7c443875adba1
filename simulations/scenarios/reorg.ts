/**
 * Reorganisations of one to three blocks, each of which takes back a settlement, a commitment, a
 * claim or a slash; and a builder whose money was only ever in such a block.
 */
import type { Effect, MarketEvent } from '#protocol/effects'
import { slashableAtS } from '#protocol/job'
import { claimCostWei } from '#protocol/money'
import type { Address } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import type { Block, Transaction } from '../blocks.ts'
import { mainnetChain } from '../chain.ts'
import { atLeast, atMost } from '../lines.ts'
import { pretendSigned } from '../pretence.ts'
import type { Random } from '../random.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import { START_AT } from '../simulator.ts'
import { ETHER, GWEI, type Member, type Stage } from '../stage.ts'
import { eachBlock, honestBondsLost, isHonest, seat } from './seats.ts'

/** What reorgs are aimed at. */
const targets = ['settle', 'commit', 'claim', 'slash']
/** The vanisher asks so long after the block with its money, which goes away later still. ms. */
const [ASK_MS, VANISH_MS] = [1_000, 9_000]

/** Takes blocks back. */
class Reorgs {
  readonly stage: Stage
  readonly random: Random
  readonly #aimedAt = new Set<Transaction>()
  #quietUntil = 0
  count = 0
  /** Transactions taken back. */
  taken = 0

  constructor(stage: Stage) {
    this.stage = stage
    this.random = stage.random.fork()
  }

  /** A block with something new in it is taken back while it is among the newest. */
  see({ done, number }: Block): void {
    const { stage, random } = this
    const isNew = done.some(
      ({ transaction }) =>
        targets.includes(transaction.call.kind) && !this.#aimedAt.has(transaction),
    )
    const behind = random.index(stage.number('depth'))
    const delayMs = (behind * stage.params.slotS + random.between(1, 11)) * 1_000
    if (!isNew || !this.reserve(delayMs)) return
    for (const { transaction } of done) this.#aimedAt.add(transaction)
    stage.simulator.after(delayMs, () => {
      // A slot may have stayed empty.
      const depth = stage.chain.blocks.head.number - number + 1
      this.reorg(depth, stage.number('lostPercent') / 100)
    })
  }

  /** Takes the next while for one reorg, which comes within `delayMs`, unless another has it. */
  reserve(delayMs: number): boolean {
    const { stage } = this
    const { now } = stage.simulator
    if (now < this.#quietUntil) return false
    this.#quietUntil = now + delayMs + stage.number('pauseS') * 1_000
    return true
  }

  reorg(depth: number, lostShare: number): void {
    const { chain } = this.stage
    const { head } = chain.blocks
    for (let number = head.number - depth + 1; number <= head.number; number++)
      this.taken += chain.blocks.at(number)?.done.length ?? 0
    this.count += 1
    chain.reorg(depth, lostShare)
  }
}

/** A builder that asks while its deposit is in the newest block, and has the block go away. */
class Vanisher {
  readonly reorgs: Reorgs
  readonly member: Member
  /** Its deposits that were mined and are gone, and proofs that honest provers began for it. */
  vanished = 0
  readonly proving = new Set<string>()

  constructor(reorgs: Reorgs) {
    this.reorgs = reorgs
    const options = { isAdversary: true, escrowWei: 0n, stakeWei: 0n }
    this.member = reorgs.stage.addBuilder('vanisher 1', options)
  }

  /** Waits for a while without other reorgs. */
  deposit(): void {
    const { account } = this.member.actor
    const { chain, simulator, params } = this.reorgs.stage
    const slotMs = params.slotS * 1_000
    if (!this.reorgs.reserve(slotMs + VANISH_MS)) {
      simulator.after(slotMs, () => this.deposit())
      return
    }
    for (const purse of ['escrow', 'stake'] as const)
      chain.send({ kind: 'deposit', account, purse, wei: ETHER }, account, false)
  }

  see({ done }: Block): void {
    const { actor } = this.member
    const { simulator } = this.reorgs.stage
    if (
      !done.some(
        ({ transaction: { call, from } }) => from === actor.account && call.kind === 'deposit',
      )
    )
      return
    simulator.after(ASK_MS, () => this.#ask())
    simulator.after(VANISH_MS, () => {
      this.vanished += 1
      this.reorgs.reorg(1, 1)
    })
  }

  /** Its own market may not know of its money, and would keep the request back. */
  #ask(): void {
    const { stage } = this.reorgs
    const { actor } = this.member
    const message = stage.terms(actor)
    const request = pretendSigned('ProofRequest', message, actor.signer)
    stage.tally.begin(request.id, message)
    stage.lastsUntil(message.dueAt - START_AT)
    actor.feed({ kind: 'message', from: request })
    stage.network.publish(actor.account, request)
  }

  /** Whether a prover begins a proof for it. */
  watch(effect: Effect, { market, account }: Actor): void {
    if (effect.kind !== 'prove') return
    const request = market.job(effect.requestId)?.request.message
    if (request?.builder === this.member.actor.account)
      this.proving.add(`${effect.requestId}/${account}`)
  }
}

/** It gives its receipts, and slashes all the same, in the first block in which it can. */
function slashes(effect: Effect, actor: Actor): boolean {
  if (effect.kind !== 'publish' || effect.draft.kind !== 'Receipt') return false
  const { requestId, prover } = effect.draft.message
  const job = actor.market.job(requestId)
  const start = job?.obligations.get(prover)?.start
  if (!job?.award || !start) return false
  const obligation = { request: job.request.message, award: job.award, start }
  // Too early, it stays in the pool.
  actor.world.chain.send({ kind: 'slash', obligation }, actor.account)
  return false
}

/** A prover whose way to the chain is blocked until the slash is near. */
function settlesLate(effect: Effect, actor: Actor, stage: Stage, slasher: Member): boolean {
  if (effect.kind !== 'settle' || effect.receipt.message.builder !== slasher.actor.account)
    return false
  const { receipt } = effect
  const dueAt = actor.market.job(receipt.message.requestId)!.request.message.dueAt
  const atS = slashableAtS(dueAt, stage.params) - stage.number('settleBeforeS')
  stage.simulator.schedule(atS * 1_000, () =>
    stage.chain.send({ kind: 'settle', receipts: [receipt] }, actor.account),
  )
  return true
}

type Play = {
  readonly reorgs: Reorgs
  readonly vanisher: Vanisher
  /** The most that receipts, claims and rescues allow, by request and prover. wei. */
  readonly dueWei: Map<string, bigint>
}
const plays = new WeakMap<Stage, Play>()

/** What a builder's receipt says, a claim without one may bring, or a rescuer gets. */
function heard(stage: Stage, dueWei: Map<string, bigint>, event: MarketEvent): void {
  if (event.kind !== 'started' && event.kind !== 'received' && event.kind !== 'slashed') return
  const auction = stage.tally.auctions.get(event.requestId)
  // Half of a bond goes to a backup that claimed.
  if (event.kind === 'slashed' && auction && auction.request.backups > 0)
    dueWei.set(`${event.requestId}/rescuer of ${event.prover}`, auction.request.bondWei / 2n)
  if (event.kind === 'slashed') return
  if (!auction || !isHonest(stage, event.prover)) return
  const feeWei = BigInt(mainnetChain.baseFees[0].gwei) * GWEI
  const claimWei = auction.priceWei + claimCostWei({ claimBaseFeeCapWei: feeWei }, stage.params)
  dueWei.set(
    `${event.requestId}/${event.prover}`,
    event.kind === 'received' ? event.payWei : claimWei,
  )
}

function play(stage: Stage): void {
  const isAdversary = true
  const reorgs = new Reorgs(stage)
  const dueWei = new Map<string, bigint>()
  const hears = (event: MarketEvent): void => heard(stage, dueWei, event)
  const slasher = stage.addBuilder('slasher 1', { isAdversary, hears, deviates: slashes })
  const withholder = stage.addBuilder('withholder 1', {
    ...{ isAdversary, hears },
    deviates: (effect) => effect.kind === 'publish' && effect.draft.kind === 'Receipt',
  })
  const vanisher = new Vanisher(reorgs)
  const noShow = (): Member =>
    stage.addProver('no-show 1', {
      isAdversary,
      provingMs: () => null,
      desk: {
        quote: ({ request: { nonce, softDueAt } }) =>
          nonce % 5n === 4n ? { priceWei: GWEI, readyAt: softDueAt } : null,
        accepts: () => true,
      },
    })
  const seats = [slasher, withholder, vanisher.member].map((member) => () => member)
  const builders = seat(
    stage,
    { builders: seats, provers: [noShow] },
    {
      builder: { hears },
      prover: {
        deviates: (effect, actor) => {
          vanisher.watch(effect, actor)
          return settlesLate(effect, actor, stage, slasher)
        },
      },
    },
  )
  plays.set(stage, { reorgs, vanisher, dueWei })
  stage.askInTurn(
    {},
    1_000,
    builders.filter((builder) => builder !== vanisher.member),
  )
  const everyMs = stage.number('depositEveryS') * 1_000
  for (let index = 0; index < stage.number('deposits'); index++)
    stage.at(ASK_MS + index * everyMs, () => vanisher.deposit())
  eachBlock(stage, (block) => {
    vanisher.see(block)
    reorgs.see(block)
  })
}

/** Starts of the honest that the chain settled in the end, by receipt or claim. Percent. */
function settledPercent(stage: Stage, vanisher: Address): number {
  const starts = stage.tally.all
    .filter(({ request }) => request.builder !== vanisher)
    .flatMap(({ started, paidWei, slashed }) =>
      started
        .filter((prover) => isHonest(stage, prover))
        // What was told of a payment may have been taken back.
        .map((prover) => paidWei.has(prover) && !slashed.includes(prover)),
    )
  return (100 * starts.filter((isPaid) => isPaid).length) / starts.length
}

/** Of what receipts, claims and rescues allow, what provers have. Percent. */
function paidPercent({ members, chain }: Stage, { dueWei }: Play): number {
  const due = [...dueWei.values()].reduce((sum, wei) => sum + wei, 0n)
  const creditsWei = members.reduce(
    (sum, { rig, actor }) => sum + (rig ? chain.balance(actor.account).creditWei : 0n),
    0n,
  )
  return due === 0n ? Number.NaN : Number((creditsWei * 10_000n) / due) / 100
}

/** Bonds lost for each start that a no-show did not deliver. */
function bondsPerStart({ members, chain, tally }: Stage): number {
  const { actor, depositedWei } = members.find(({ name }) => name === 'no-show 1')!
  const owedWei = tally.all.reduce(
    (sum, { started, request }) => (started.includes(actor.account) ? sum + request.bondWei : sum),
    0n,
  )
  const lostWei = depositedWei - chain.balance(actor.account).bondWei
  return Number(lostWei) / Number(owedWei)
}

function judge(stage: Stage): Finding[] {
  const known = plays.get(stage)!
  const { vanisher } = known
  const inVain = vanisher.vanished === 0 ? Number.NaN : vanisher.proving.size
  const bonds = bondsPerStart(stage)
  return [
    atMost('honest provers that lost bond', honestBondsLost(stage), 0, '1'),
    atLeast(
      'honest starts settled',
      settledPercent(stage, vanisher.member.actor.account),
      100,
      '%',
    ),
    atMost('what provers have, of what is due to them', paidPercent(stage, known), 100, '%'),
    atLeast('bonds lost for a start that was not delivered', bonds, 1, '1'),
    atMost('bonds lost for a start that was not delivered', bonds, 1, '1'),
    atMost('proofs begun for money that vanished', inVain, 0, '1'),
  ]
}

export const reorg: Scenario = {
  name: 'reorg',
  title: 'the chain takes back up to three blocks, where it hurts most',
  says:
    'Reorgs take back blocks with settlements, commitments, claims and slashes; half of those ' +
    'transactions are lost and sent again. Receipts of one builder are settled just before it may ' +
    'slash, and it slashes in the first block that allows it; another gives no receipts; a third ' +
    'has money only in blocks that go away again. Nobody who delivered may lose a bond, nothing is ' +
    'paid or slashed twice, and nobody proves for money that is gone.',
  settings: {
    nodes: { value: 300, says: 'nodes in the network', least: 8, most: 100_000 },
    provers: { value: 30, says: 'provers among them, one a no-show', least: 3, most: 5_000 },
    builders: { value: 5, says: 'builders among them, three of them unfair', least: 4, most: 500 },
    auctions: { value: 150, says: 'requests in all', least: 1, most: 100_000 },
    everyMs: { value: 4_000, says: 'time between two requests, ms', least: 1, most: 1e7 },
    dueMs: { value: 30_000, says: 'from the close to the due time, ms', least: 1e3, most: 6e4 },
    backups: { value: 0, says: 'backups a request asks for', least: 0, most: 3 },
    claimWindowS: {
      value: 768,
      says: 'claim window of the contracts, s of block time',
      least: 12,
      most: 10_000,
    },
    depth: { value: 3, says: 'blocks that a reorg takes back at most', least: 1, most: 32 },
    pauseS: { value: 60, says: 'least time between two reorgs, s', least: 0, most: 1e5 },
    lostPercent: {
      value: 50,
      says: 'transactions taken back that are lost and sent again, percent',
      least: 0,
      most: 100,
    },
    settleBeforeS: {
      value: 72,
      says: 'how long before the first slash the slasher’s receipts are settled, s',
      least: 0,
      most: 1e4,
    },
    deposits: { value: 6, says: 'deposits that vanish', least: 0, most: 1_000 },
    depositEveryS: { value: 90, says: 'time between two of them, s', least: 24, most: 1e5 },
  },
  broken: {
    set: { confirmations: 1 },
    says: 'nodes believe the newest block, and prove for money that goes away with it',
  },
  quick: { nodes: 100, provers: 10, auctions: 50, deposits: 3 },
  // What the newest block could have taken it takes: delays are the reorgs’ own.
  chain: () => ({ inclusion: 1, missedShare: 0 }),
  play,
  judge,
  measures: (stage): Measure[] => {
    const { reorgs, vanisher } = plays.get(stage)!
    return [
      { name: 'reorgs', unit: '1', value: reorgs.count },
      { name: 'transactions taken back', unit: '1', value: reorgs.taken },
      { name: 'told to nodes and taken back', unit: '1', value: stage.chain.undoneCount },
      { name: 'deposits that vanished', unit: '1', value: vanisher.vanished },
    ]
  },
}
