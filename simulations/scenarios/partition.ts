/**
 * The network parts in two, Europe and the rest, while auctions run, and is whole again later. The
 * chain is not parted: it has ways of its own.
 */
import type { Address } from '#protocol/schema'
import { atLeast, atMost } from '../lines.ts'
import { regionNames } from '../regions.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario, Values } from '../scenario.ts'
import { START_AT } from '../simulator.ts'
import type { Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'
import { honestBondsLost } from './seats.ts'

type Phase = 'before' | 'parted' | 'after'

/** When the first is asked for. ms since the start. */
const FIRST_AT = 1_000
/** The network parts, and heals, between two requests. ms. */
const BETWEEN_MS = 300

const isEuropean = (region: number): boolean => regionNames[region]!.startsWith('eu-')

class Story {
  readonly stage: Stage
  /** By request, who heard of it while it could bid, were it a prover. */
  readonly heard = new Map<string, Set<Address>>()
  readonly partsAt: number
  readonly healsAt: number

  constructor(stage: Stage) {
    this.stage = stage
    const thirdMs = Math.round(stage.number('auctions') / 3) * stage.number('everyMs')
    this.partsAt = FIRST_AT + thirdMs - BETWEEN_MS
    this.healsAt = FIRST_AT + 2 * thirdMs - BETWEEN_MS
  }

  isOfEurope(account: Address): boolean {
    const { network, places } = this.stage
    return isEuropean(places[network.nodeOf(account)]!.region)
  }

  phaseOf({ request }: Auction): Phase {
    const at = request.openedAt - START_AT
    if (at < this.partsAt) return 'before'
    return at < this.healsAt ? 'parted' : 'after'
  }

  of(phase: Phase): Auction[] {
    return this.stage.tally.all.filter((auction) => this.phaseOf(auction) === phase)
  }

  /** Percent of all provers that heard each of these requests in time. */
  heardPercent(auctions: readonly Auction[]): number {
    const provers = this.stage.members.filter(({ rig }) => rig).length
    const sum = auctions.reduce((total, { id }) => total + (this.heard.get(id)?.size ?? 0), 0)
    return (100 * sum) / (provers * auctions.length)
  }

  /** Started before the network parted, without a receipt by then, across the line. */
  get cutOff(): { readonly auction: Auction; readonly prover: Address }[] {
    return this.of('before').flatMap((auction) => {
      const { request, started, deliveredAt } = auction
      const isDone = deliveredAt !== null && deliveredAt - START_AT < this.partsAt
      const side = this.isOfEurope(request.builder)
      const across = started.filter((prover) => this.isOfEurope(prover) !== side)
      return isDone ? [] : across.map((prover) => ({ auction, prover }))
    })
  }

  /** Bids a request got, on average. */
  bidsCounted(auctions: readonly Auction[]): number {
    return auctions.reduce((sum, { counted }) => sum + counted.size, 0) / auctions.length
  }
}

const stories = new WeakMap<Stage, Story>()

function play(stage: Stage): void {
  const story = new Story(stage)
  stories.set(stage, story)
  stage.cast({
    prover: {
      hears: (event, { account }) => {
        if (event.kind !== 'requested') return
        const heard = story.heard.get(event.requestId) ?? new Set()
        story.heard.set(event.requestId, heard.add(account))
      },
    },
  })
  stage.askInTurn({}, FIRST_AT)
  stage.at(story.partsAt, () =>
    stage.network.split((node) => isEuropean(stage.places[node]!.region)),
  )
  if (stage.flag('heals')) stage.at(story.healsAt, () => stage.network.split(() => false))
}

const awardedPercent = (auctions: readonly Auction[]): number =>
  (100 * auctions.filter(({ winner }) => winner !== null).length) / auctions.length

function judge(stage: Stage): Finding[] {
  const story = stories.get(stage)!
  const parted = story.of('parted')
  const [inEurope, elsewhere] = [true, false].map((side) =>
    parted.filter(({ request }) => story.isOfEurope(request.builder) === side),
  )
  return [
    atLeast('requests awarded in Europe while parted', awardedPercent(inEurope!), 100, '%'),
    atLeast('requests awarded elsewhere while parted', awardedPercent(elsewhere!), 100, '%'),
    atMost('honest provers that lost bond', honestBondsLost(stage), 0, '1'),
    atLeast('requests settled', 100 * stage.tally.outcomeShare('settled'), 100, '%'),
    atLeast('provers that hear a request after it', story.heardPercent(story.of('after')), 99, '%'),
  ]
}

function measures(stage: Stage): Measure[] {
  const story = stories.get(stage)!
  const phases: readonly Phase[] = ['before', 'parted', 'after']
  const ofPhases = phases.flatMap((phase) => {
    const auctions = story.of(phase)
    const counted = story.bidsCounted(auctions)
    return [
      { name: `${phase}: provers that hear`, unit: '%', value: story.heardPercent(auctions) },
      { name: `${phase}: bids a request got, mean`, unit: '1', value: counted },
    ]
  })
  const { cutOff } = story
  const claimed = cutOff.filter(({ auction, prover }) => auction.paidWei.has(prover))
  return [
    ...ofPhases,
    { name: 'provers cut off from their builder at work', unit: '1', value: cutOff.length },
    { name: 'of those, paid', unit: '1', value: claimed.length },
  ]
}

/** Every other builder is in Europe: there are some on each side. */
const regionOf = (node: number): number =>
  regionNames.indexOf(node % 2 === 0 ? 'eu-central-1' : 'us-east-1')

export const partition: Scenario = {
  name: 'partition',
  title: 'the network parts in two for some seconds, Europe and the rest, and heals',
  says:
    'While Europe and the rest of the world do not reach each other, auctions go on in each with ' +
    'the provers it has. A prover that is cut off from its builder proves to the end and claims ' +
    'from the chain: nobody may lose a bond. After it the market must be one again at once. ' +
    'Connections outlive the split: what is tried is whether the meshes join again.',
  settings: {
    auctions: { value: 45, says: 'requests in all, a third of them while parted', least: 6 },
    heals: { value: true, says: 'whether the two parts ever reach each other again' },
  },
  quick: { nodes: 200, provers: 20, auctions: 18 },
  broken: { set: { heals: false }, says: 'the parts stay apart' },
  placed: (node, drawn, { builders }: Values) =>
    node < Number(builders) ? { ...drawn, region: regionOf(node) } : drawn,
  play,
  judge,
  measures,
}
