/**
 * Fifty requests at once, as after a block with many tables. What bears it or not is the lanes of
 * those who bid, each of which counts a bid as won until it knows better, and what it costs a node
 * to look at all those bids within one window.
 */
import { percentilesOf } from '../histogram.ts'
import { atLeast, atMost } from '../lines.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import type { Stage } from '../stage.ts'
import { honestBondsLost } from './seats.ts'

function play(stage: Stage): void {
  stage.cast()
  const random = stage.random.fork()
  const builders = stage.members.filter(({ name }) => name.startsWith('builder'))
  for (let index = 0; index < stage.number('auctions'); index++) {
    const builder = builders[index % builders.length]!
    const atMs = 1_000 + random.between(0, stage.number('burstMs'))
    stage.at(atMs, () => stage.ask(builder))
  }
}

function judge(stage: Stage): Finding[] {
  const { tally } = stage
  const latencies = percentilesOf(tally.awardLatencies())
  const awarded = tally.awardLatencies().length / tally.all.length
  return [
    atLeast('requests awarded', 100 * awarded, 100, '%'),
    atMost('request to award, p99', latencies[99] ?? Number.NaN, 450, 'ms'),
    atLeast('requests settled', 100 * tally.outcomeShare('settled'), 100, '%'),
    atLeast('bids counted', 100 * tally.countedShare(), 99, '%'),
    atMost('honest provers that lost bond', honestBondsLost(stage), 0, '1'),
  ]
}

function measures({ tally }: Stage): Measure[] {
  const counted = percentilesOf(tally.all.map((auction) => auction.counted.size))
  const wins = new Map<string, number>()
  for (const { winner } of tally.all) if (winner) wins.set(winner, (wins.get(winner) ?? 0) + 1)
  const paid = tally.all.filter(({ paidWei }) => paidWei.size > 0)
  const onTime = paid.filter(({ winner, priceWei, paidWei }) => paidWei.get(winner!) === priceWei)
  return [
    { name: 'bids a request got, fewest', unit: '1', value: counted[0] ?? 0 },
    { name: 'bids a request got, p50', unit: '1', value: counted[50] ?? 0 },
    { name: 'most requests one prover won', unit: '1', value: Math.max(0, ...wins.values()) },
    {
      name: 'winners that kept their promise',
      unit: '%',
      value: (100 * onTime.length) / Math.max(1, paid.length),
    },
  ]
}

export const burst: Scenario = {
  name: 'burst',
  title: 'fifty requests within 50 ms, from several builders',
  says:
    'Farms with many lanes hear fifty requests in one window and bid for all of them. Each must ' +
    'find a winner at once, nobody may win more than it can prove in time, and all must be paid ' +
    'for. With rigs of one lane (--set provers=100 --set lanes=1) the lines do not hold: all of ' +
    'them keep their lane for the few requests they hear first, and the others get no bid.',
  settings: {
    auctions: { value: 50, says: 'requests in all', least: 1, most: 5_000 },
    builders: { value: 5, says: 'builders among them', least: 1, most: 500 },
    provers: { value: 20, says: 'provers among them', least: 1, most: 5_000 },
    lanes: { value: 32, says: 'proofs a rig makes at once', least: 1, most: 64 },
    burstMs: { value: 50, says: 'all are asked for within this, ms', least: 0, most: 10_000 },
  },
  quick: { nodes: 150, provers: 16, builders: 4, auctions: 30 },
  broken: {
    set: { validationMs: 1.2 },
    says: 'a signature check in plain JavaScript takes 1.2 ms: the bids are late at their builders',
  },
  play,
  judge,
  measures,
}
