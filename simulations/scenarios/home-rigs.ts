/**
 * A market of hobbyists: nodes at home all over the world, some of them on bad lines. What share of
 * their bids is back at the builder before the close decides whether a home rig can earn anything.
 */
import type { Address } from '#protocol/schema'
import { atLeast } from '../lines.ts'
import { type NodeClass, regionNames } from '../regions.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import type { Member, Stage } from '../stage.ts'

type Notes = {
  /** Requests that each prover heard while it could still bid. */
  readonly heard: Map<Address, number>
  /** Turns it was given, and those of them that were over before its acceptance came. */
  readonly turns: Map<Address, number>
  readonly missed: Map<Address, number>
}
const notes = new WeakMap<Stage, Notes>()

const count = (counts: Map<Address, number>, of: Address): void => {
  counts.set(of, (counts.get(of) ?? 0) + 1)
}

/** A region with fewer bids than this says nothing. */
const LEAST_BIDS = 20

function play(stage: Stage): void {
  const { heard, turns, missed } = { heard: new Map(), turns: new Map(), missed: new Map() }
  notes.set(stage, { heard, turns, missed })
  stage.cast({
    builder: {
      hears: (event) => {
        if (event.kind === 'turn-begun') count(turns, event.prover)
        if (event.kind === 'turn-missed') count(missed, event.prover)
      },
    },
    prover: {
      hears: ({ kind }, { account }) => {
        if (kind === 'requested') count(heard, account)
      },
    },
  })
  stage.askInTurn()
}

const proversOf = (stage: Stage, nodeClass: NodeClass): Member[] =>
  stage.members.filter(({ rig, node }) => rig && stage.places[node]!.nodeClass === nodeClass)

/** Percent of their bids that were counted; no number without bids. */
function counted({ tally }: Stage, provers: readonly Member[]): number {
  const accounts = new Set(provers.map(({ actor }) => actor.account))
  const isOfInterest = (prover: Address): boolean => accounts.has(prover)
  const isSeen = tally.all.some(({ bidders }) => [...bidders].some(isOfInterest))
  return isSeen ? 100 * tally.countedShare(isOfInterest) : Number.NaN
}

const sumOver = (counts: Map<Address, number>, provers: readonly Member[]): number =>
  provers.reduce((total, { actor }) => total + (counts.get(actor.account) ?? 0), 0)

/** Percent of all requests that reached them before the close. */
const reached = (stage: Stage, provers: readonly Member[]): number =>
  (100 * sumOver(notes.get(stage)!.heard, provers)) / (provers.length * stage.tally.all.length)

function judge(stage: Stage): Finding[] {
  const home = proversOf(stage, 'home')
  return [
    atLeast('requests that home provers heard in time', reached(stage, home), 99, '%'),
    atLeast('bids of home provers counted', counted(stage, home), 95, '%'),
    atLeast('requests settled', 100 * stage.tally.outcomeShare('settled'), 100, '%'),
  ]
}

/** The region whose provers at home have the least of their bids counted. */
function worstRegion(stage: Stage): number {
  const shares = regionNames.flatMap((_, region) => {
    const provers = proversOf(stage, 'home').filter(
      ({ node }) => stage.places[node]!.region === region,
    )
    const accounts = new Set(provers.map(({ actor }) => actor.account))
    const bids = stage.tally.all.flatMap(({ bidders }) => [...bidders])
    const own = bids.filter((prover) => accounts.has(prover)).length
    return own >= LEAST_BIDS ? [counted(stage, provers)] : []
  })
  return Math.min(100, ...shares)
}

function measures(stage: Stage): Measure[] {
  const classes: readonly NodeClass[] = ['home', 'laggy', 'cloud']
  const all = stage.tally.all
  const ofClasses = classes.flatMap((nodeClass) => {
    const provers = proversOf(stage, nodeClass)
    if (provers.length === 0) return []
    const accounts = new Set(provers.map(({ actor }) => actor.account))
    const wins = all.filter(({ winner }) => winner !== null && accounts.has(winner)).length
    const share = counted(stage, provers)
    const turns = sumOver(notes.get(stage)!.turns, provers)
    const missed = sumOver(notes.get(stage)!.missed, provers)
    return [
      { name: `${nodeClass}: provers`, unit: '1', value: provers.length },
      { name: `${nodeClass}: requests heard in time`, unit: '%', value: reached(stage, provers) },
      ...(share >= 0 ? [{ name: `${nodeClass}: bids counted`, unit: '%', value: share }] : []),
      { name: `${nodeClass}: requests won`, unit: '%', value: (100 * wins) / all.length },
      { name: `${nodeClass}: turns`, unit: '1', value: turns },
      { name: `${nodeClass}: turns that were over too soon`, unit: '1', value: missed },
    ]
  })
  return [
    ...ofClasses,
    { name: 'bids counted from home, worst region', unit: '%', value: worstRegion(stage) },
  ]
}

export const homeRigs: Scenario = {
  name: 'home-rigs',
  title: 'provers and relays all over the world on home lines, some of them bad ones',
  says:
    'Three nodes in five are at home: 20 ms more each way, 50 Mbit, now and then a lost packet; ' +
    'one in twenty has a line with 300 ms more and 5 % loss. Builders are in data centres. Bids ' +
    'from home must count. What becomes of those on bad lines, and of turns, is reported.',
  settings: {
    homePercent: { value: 60, says: 'nodes at home, percent', least: 0, most: 100 },
    laggyPercent: { value: 5, says: 'nodes with a bad line, percent', least: 0, most: 100 },
  },
  quick: { nodes: 200, provers: 40, auctions: 15, laggyPercent: 0 },
  broken: {
    set: { floodBids: false, bidWindowMs: 300 },
    says: 'bids go along the mesh, as all other messages do, and the window is a quarter shorter',
  },
  placed: (node, drawn, { builders }) =>
    node < Number(builders) ? { ...drawn, nodeClass: 'cloud' } : drawn,
  play,
  judge,
  measures,
}
