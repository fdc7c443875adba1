/**
 * A builder among sybils: they keep its requests to themselves, and all bids for them but their
 * friend's, so that the friend wins at the reserve.
 */
import type { Gossiped } from '#protocol/effects'
import { gossipKinds } from '#protocol/envelope'
import { atLeast, atMost } from '../lines.ts'
import { gainOf } from '../outcome.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import type { Member, Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'
import { SURROUNDED_AT, surround, sybilDials, sybilPercent, sybilSettings } from './sybils.ts'

const VICTIM = 0

type Story = { readonly victim: Member; readonly friend: Member; sybilPercent: number }
const stories = new WeakMap<Stage, Story>()

function play(stage: Stage): void {
  stage.cast({ builder: { stores: true } })
  const victim = stage.members[VICTIM]!
  const { account } = victim.actor
  const friend: Member = stage.addProver('friend 1', {
    isAdversary: true,
    node: stage.number('nodes') - 1,
    rig: { lanes: 16, fastestMs: 2_000 },
    desk: {
      quote: ({ request }) =>
        request.builder === account
          ? { priceWei: (request.reserveWei * 9n) / 10n, readyAt: request.softDueAt }
          : null,
      accepts: () => true,
    },
  })
  const story: Story = { victim, friend, sybilPercent: 0 }
  stories.set(stage, story)
  const isWithheld = (from: Gossiped): boolean => {
    if (from.kind === 'ProofRequest') return from.message.builder === account
    if (from.kind !== 'Bid' || from.message.prover === friend.actor.account) return false
    return stage.tally.auctions.get(from.message.requestId)?.request.builder === account
  }
  surround(stage, VICTIM, isWithheld, friend.node)
  stage.askInTurn({}, SURROUNDED_AT)
  stage.at(SURROUNDED_AT, () => {
    story.sybilPercent = sybilPercent(stage, VICTIM, gossipKinds.indexOf('ProofRequest'))
  })
}

const isHonest = (stage: Stage, prover: string): boolean =>
  prover !== stories.get(stage)!.friend.actor.account

/** Honest bids that a builder counted, for each request. */
function bidsCounted(stage: Stage, auctions: readonly Auction[]): number {
  const bids = auctions.flatMap(({ counted }) => [...counted])
  return bids.filter((prover) => isHonest(stage, prover)).length / auctions.length
}

const parted = (stage: Stage) => {
  const { account } = stories.get(stage)!.victim.actor
  const victims = stage.tally.all.filter(({ request }) => request.builder === account)
  const others = stage.tally.all.filter(({ request }) => request.builder !== account)
  return { victims, others }
}

function judge(stage: Stage): Finding[] {
  const { victims, others } = parted(stage)
  const { friend } = stories.get(stage)!
  const share = bidsCounted(stage, victims) / bidsCounted(stage, others)
  const stolen = victims.filter(({ winner }) => winner === friend.actor.account).length
  const settled = victims.filter(({ outcome }) => outcome === 'settled').length
  return [
    atLeast('honest bids the victim counts, of what other builders do', 100 * share, 95, '%'),
    atMost('its requests that the sybils’ friend wins', (100 * stolen) / victims.length, 0, '%'),
    atLeast('its requests settled', (100 * settled) / victims.length, 100, '%'),
  ]
}

function measures(stage: Stage): Measure[] {
  const { victims, others } = parted(stage)
  const { friend, sybilPercent } = stories.get(stage)!
  const priceOf = (auctions: readonly Auction[]): number => {
    const prices = auctions.flatMap(({ winner, priceWei }) => (winner ? [Number(priceWei)] : []))
    return prices.reduce((sum, price) => sum + price, 0) / Math.max(1, prices.length) / 1e18
  }
  return [
    { name: 'sybils in the victim’s mesh', unit: '%', value: sybilPercent },
    { name: 'honest bids it counts, a request', unit: '1', value: bidsCounted(stage, victims) },
    { name: 'price it pays, mean', unit: 'ether', value: priceOf(victims) },
    { name: 'price others pay, mean', unit: 'ether', value: priceOf(others) },
    { name: 'gain of the friend', unit: 'ether', value: gainOf(stage, friend) },
  ]
}

export const eclipseBuilder: Scenario = {
  name: 'eclipse-builder',
  title: 'sybils around a builder hold back its requests and all bids but their friend’s',
  says:
    'Fifty nodes dial a builder, and when it restarts they are the first in its meshes. They ' +
    'pass on neither its requests nor any bid for them but that of their friend, who asks nearly ' +
    'the reserve. The builder must count as many honest bids as others do, and the friend must ' +
    'win nothing.',
  settings: sybilSettings,
  quick: { nodes: 300, provers: 15, auctions: 20, sybils: 15, builders: 2 },
  broken: {
    set: { outbound: 0, floodBids: false },
    says: 'a builder keeps no mesh peers that it dialled itself, and bids go along the mesh',
  },
  dials: (values) => sybilDials(values, VICTIM),
  play,
  judge,
  measures,
}
