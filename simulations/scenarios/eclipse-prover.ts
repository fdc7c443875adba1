/**
 * A prover among sybils: they keep requests to themselves, so that it hears of none in time, and
 * has no work.
 */
import { gossipKinds } from '#protocol/envelope'
import type { Id } from '#protocol/schema'
import { atLeast } from '../lines.ts'
import { gainOf } from '../outcome.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario, Values } from '../scenario.ts'
import type { Member, Stage } from '../stage.ts'
import { SURROUNDED_AT, surround, sybilDials, sybilPercent, sybilSettings } from './sybils.ts'

/** The first prover's node comes after the builders'. */
const victimOf = (values: Values): number => Number(values.builders)

type Story = {
  victim: Member
  /** Requests that it heard while it could bid, and how long after they were made. ms. */
  readonly heard: Map<Id, number>
  sybilPercent: number
}
const stories = new WeakMap<Stage, Story>()

function play(stage: Stage): void {
  const heard = new Map<Id, number>()
  const node = victimOf(stage.values)
  stage.cast({
    prover: {
      stores: true,
      hears: (event, { account, world }) => {
        if (event.kind !== 'requested' || stage.network.nodeOf(account) !== node) return
        heard.set(event.requestId, world.simulator.now - event.request.openedAt)
      },
    },
  })
  const story: Story = { victim: stage.memberAt(node)!, heard, sybilPercent: 0 }
  stories.set(stage, story)
  surround(stage, node, ({ kind }) => kind === 'ProofRequest')
  stage.askInTurn({}, SURROUNDED_AT)
  stage.at(SURROUNDED_AT, () => {
    story.sybilPercent = sybilPercent(stage, node, gossipKinds.indexOf('ProofRequest'))
  })
}

const isCountedOf = (stage: Stage): number => {
  const { account } = stories.get(stage)!.victim.actor
  const bids = stage.tally.all.filter(({ bidders }) => bidders.has(account))
  return (100 * bids.filter(({ counted }) => counted.has(account)).length) / bids.length
}

function judge(stage: Stage): Finding[] {
  const { heard } = stories.get(stage)!
  const share = (100 * heard.size) / stage.tally.all.length
  return [
    atLeast('requests that the victim hears in time', share, 99, '%'),
    atLeast('bids of the victim that are counted', isCountedOf(stage), 95, '%'),
  ]
}

function measures(stage: Stage): Measure[] {
  const { victim, heard, sybilPercent } = stories.get(stage)!
  const { account } = victim.actor
  const delays = [...heard.values()]
  const meanMs = delays.reduce((sum, delay) => sum + delay, 0) / Math.max(1, delays.length)
  const wins = stage.tally.all.filter(({ winner }) => winner === account).length
  return [
    { name: 'sybils in the victim’s mesh', unit: '%', value: sybilPercent },
    { name: 'until it hears a request, mean', unit: 'ms', value: meanMs },
    { name: 'requests it wins', unit: '1', value: wins },
    { name: 'gain of the victim', unit: 'ether', value: gainOf(stage, victim) },
  ]
}

export const eclipseProver: Scenario = {
  name: 'eclipse-prover',
  title: 'sybils around a prover keep requests from it',
  says:
    'Fifty nodes dial a prover, and when it restarts they are the first in its meshes. They pass ' +
    'on no request. It must hear of requests in time to bid all the same: along the meshes of ' +
    'peers that it dialled itself, builders among them. What peers outside of its meshes offer it ' +
    'at their heartbeats alone comes late too often. Where it has dialled three of the sybils ' +
    'itself (one node in fifty has) the defence does not hold.',
  settings: sybilSettings,
  quick: { nodes: 300, provers: 15, auctions: 30, sybils: 15 },
  broken: { set: { outbound: 0 }, says: 'it keeps no mesh peers that it dialled itself' },
  dials: (values) => sybilDials(values, victimOf(values)),
  play,
  judge,
  measures,
}
