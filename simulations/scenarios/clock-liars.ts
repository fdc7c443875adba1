/**
 * Clocks that are off by seconds, and builders that write down instants that suit them: a window
 * that is nearly over, a start before it was one, deliveries later than they came.
 */
import type { ProofRequest } from '#protocol/schema'
import { atLeast, atMost } from '../lines.ts'
import { wealthWei } from '../purses.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import { ETHER, type Member, type Stage } from '../stage.ts'
import { Liars, type Proof } from './liars.ts'
import { honestBondsLost, seat } from './seats.ts'

/** A prover takes no receipt that is dated later than this after its proof (rule P5). ms. */
const PATIENCE_MS = 3_000
const plays = new WeakMap<Stage, Liars>()

const AHEAD = 'early builder'
const BEHIND = 'late builder'
const SHORT = 'back-dater'
const STARTS = 'early starter'
const AT_ONCE = 'post-dater'
const PATIENT = 'patient post-dater'
const FAR = 'far post-dater'
/** Of all 2 s that a window may last, the back-dater leaves so much. ms. */
const WINDOW_LEFT_MS = 200

function play(stage: Stage): void {
  const liars = new Liars(stage)
  plays.set(stage, liars)
  const [offMs, byMs, farMs] = ['offMs', 'byMs', 'farMs'].map((name) => stage.number(name))
  const builders = seat(
    stage,
    {
      builders: [
        liars.builder(AHEAD, null, offMs),
        liars.builder(BEHIND, null, -offMs!),
        liars.builder(SHORT, null),
        liars.builder(STARTS, liars.startsEarly()),
        liars.builder(AT_ONCE, liars.dates(byMs!, 0)),
        liars.builder(PATIENT, liars.dates(byMs!, byMs!)),
        liars.builder(FAR, liars.dates(farMs!, farMs!)),
      ],
      provers: [liars.prover('early prover 1', offMs!), liars.prover('late prover 1', -offMs!)],
    },
    {
      prover: {
        deviates: (effect, actor) => {
          if (effect.kind === 'deliver') liars.delivered(effect.requestId, actor)
          return false
        },
      },
    },
  )
  const latenessWeiPerMs = BigInt(Math.round(stage.number('latenessGwei') * 1e9))
  for (let index = 0; index < stage.number('auctions'); index++)
    stage.at(1_000 + index * stage.number('everyMs'), () => {
      const builder = builders[index % builders.length]!
      stage.ask(builder, { latenessWeiPerMs, ...timesOf(stage, builder) })
    })
}

/** The instants that liars choose for their requests. */
function timesOf(stage: Stage, builder: Member): Partial<ProofRequest> {
  const { builders } = plays.get(stage)!
  const { now } = builder.actor
  if (builder === builders.get(SHORT)) {
    const closesAt = now + WINDOW_LEFT_MS
    const dueMs = stage.number('dueMs')
    const dueAt = closesAt + dueMs
    return {
      ...{ openedAt: closesAt - stage.params.maxBidWindowMs, closesAt, dueAt },
      softDueAt: closesAt + dueMs / 2,
    }
  }
  // Else a backup that is later than its promise is still no cost.
  const isStrict = builder === builders.get(STARTS)
  return isStrict ? { softDueAt: now + stage.number('bidWindowMs') } : {}
}

const percentOf = (partWei: bigint, wholeWei: bigint): number =>
  wholeWei === 0n ? Number.NaN : Number((partWei * 10_000n) / wholeWei) / 100

/** Percent of all that these provers could bid for these builders' requests that they did bid. */
function bidPercent(stage: Stage, of: readonly Member[], builders: readonly Member[]): number {
  const provers = new Set(of.map(({ actor }) => actor.account))
  const accounts = new Set(builders.map(({ actor }) => actor.account))
  const asked = stage.tally.all.filter(({ request }) => accounts.has(request.builder))
  const bids = asked.flatMap(({ bidders }) => [...bidders].filter((each) => provers.has(each)))
  return (100 * bids.length) / (asked.length * provers.size)
}

/** Builders and provers by their clocks; whose are off find each other. */
function byClock(stage: Stage) {
  const { builders, provers } = plays.get(stage)!
  const off = [builders.get(AHEAD)!, builders.get(BEHIND)!]
  const isRight = (member: Member): boolean => ![...off, ...provers].includes(member)
  const right = stage.members.filter(isRight)
  return {
    ...{ offBuilders: off, offProvers: provers },
    builders: right.filter(({ name }) => name.startsWith('builder')),
    provers: right.filter(({ rig }) => rig !== null),
  }
}

/**
 * Payments below what the rule gives for a delivery three seconds after the proof, or, of a claim
 * whose commitment waited for a block, for one a slot before that block.
 */
function belowPatience(stage: Stage): number {
  const { chain, params } = stage
  const liars = plays.get(stage)!
  const names = [PATIENT, AT_ONCE, FAR].map((name) => liars.builders.get(name)!.actor.account)
  const proofs = liars.proofs.filter(({ builder }) => names.includes(builder))
  const isBelow = (proof: Proof): boolean => {
    const commitment = chain.settlement.commitmentOf(proof.id, proof.prover)
    const slotBeforeAt = ((commitment?.minedAtS ?? 0) - params.slotS) * 1_000
    const at = Math.max(proof.provedAt + PATIENCE_MS, slotBeforeAt)
    return liars.paidWei(proof) < proof.payAt(at)
  }
  return proofs.length === 0 ? Number.NaN : proofs.filter(isBelow).length
}

/** What a builder owed honest provers, less all that it spent, claims' gas too. Ether. */
function savedBy(stage: Stage, name: string): number {
  const liars = plays.get(stage)!
  const { owedWei } = liars.earned(name)
  const { actor, depositedWei } = liars.builders.get(name)!
  const spentWei = depositedWei - wealthWei(stage.chain.balance(actor.account))
  return owedWei === 0n ? Number.NaN : Number(owedWei - spentWei) / Number(ETHER)
}

/** What honest provers got of what a builder owed them. */
function payPercent(stage: Stage, name: string): number {
  const { owedWei, paidWei } = plays.get(stage)!.earned(name)
  return percentOf(paidWei, owedWei)
}

function judge(stage: Stage): Finding[] {
  const liars = plays.get(stage)!
  const honest = stage.tally.all.filter(
    ({ request }) => ![...liars.builders.values()].some((m) => m.actor.account === request.builder),
  )
  const settled = honest.filter(({ outcome }) => outcome === 'settled').length
  const { offBuilders, offProvers, builders, provers } = byClock(stage)
  return [
    atMost('honest provers that lost bond', honestBondsLost(stage), 0, '1'),
    atLeast('honest builders’ requests settled', (100 * settled) / honest.length, 100, '%'),
    atMost(
      'bids that builders get whose clocks are off',
      bidPercent(stage, provers, offBuilders),
      0,
      '%',
    ),
    atMost(
      'bids that provers make whose clocks are off',
      bidPercent(stage, offProvers, builders),
      0,
      '%',
    ),
    atLeast('bids between all others', bidPercent(stage, provers, builders), 25, '%'),
    atMost('saved by dating receipts ahead', savedBy(stage, AT_ONCE), 0, 'ether'),
    atLeast('pay from who dates them beyond patience', payPercent(stage, FAR), 60, '%'),
    atMost('payments below what the rules leave', belowPatience(stage), 0, '1'),
  ]
}

function measures(stage: Stage): Measure[] {
  const liars = plays.get(stage)!
  const names = [SHORT, STARTS, AT_ONCE, PATIENT, FAR]
  const ether = (wei: bigint): number => Number(wei) / Number(ETHER)
  return [
    ...names.flatMap((name) => {
      const { owedWei, paidWei } = liars.earned(name)
      const lost = { name: `honest provers lost to the ${name}`, unit: 'ether' }
      const share = payPercent(stage, name)
      return [
        { ...lost, value: ether(owedWei - paidWei) },
        { name: `saved by the ${name}`, unit: 'ether', value: savedBy(stage, name) },
        ...(share >= 0 ? [{ name: `pay from the ${name}`, unit: '%', value: share }] : []),
      ]
    }),
    {
      name: `bids that the ${SHORT} gets`,
      unit: '%',
      value: bidPercent(stage, byClock(stage).provers, [liars.builders.get(SHORT)!]),
    },
  ]
}

export const clockLiars: Scenario = {
  name: 'clock-liars',
  title: 'clocks off by seconds, and instants that suit who writes them down',
  says:
    'Two builders and two provers have clocks that are off by seconds: nobody bids with them, and ' +
    'nothing else may come of it. Other builders leave 200 ms of a window, date a backup’s start ' +
    'early, or date receipts later than proofs came, so as to pay less. Honest provers must lose ' +
    'no bond, and no pay beyond what three seconds cost: so far a receipt is believed. Where ' +
    'lateness costs more (--set latenessGwei=100) that is all of their pay.',
  settings: {
    nodes: { value: 500, says: 'nodes in the network', least: 30, most: 100_000 },
    provers: {
      value: 50,
      says: 'provers, the first two of them with bad clocks',
      least: 4,
      most: 5_000,
    },
    builders: { value: 9, says: 'builders, the first seven of them liars', least: 8, most: 500 },
    auctions: { value: 90, says: 'requests in all', least: 8, most: 100_000 },
    offMs: { value: 5_000, says: 'how far bad clocks are off, ms', least: 200, most: 60_000 },
    byMs: { value: 2_700, says: 'how much later receipts are dated, ms', least: 1, most: 60_000 },
    farMs: {
      value: 7_000,
      says: 'the same of who goes beyond patience, ms',
      least: 1,
      most: 60_000,
    },
    latenessGwei: {
      value: 5,
      says: 'cost of lateness that requests name, gwei a ms',
      least: 0,
      most: 1e6,
    },
    clockSkewMs: {
      value: 100,
      says: 'how far ahead of its own clock a node takes an instant for true, ms',
      least: 0,
      most: 60_000,
    },
  },
  quick: { nodes: 150, provers: 20, auctions: 36 },
  broken: {
    set: { clockSkewMs: 10_000 },
    says: 'nodes take instants for true that are ten seconds ahead of them',
  },
  params: ({ clockSkewMs }) => ({ clockSkewMs: Number(clockSkewMs) }),
  play,
  judge,
  measures,
}
