/** What the market does when everybody is honest. */
import { percentilesOf } from '../histogram.ts'
import { atLeast, atMost } from '../lines.ts'
import type { Scenario } from '../scenario.ts'

export const baseline: Scenario = {
  name: 'baseline',
  title: 'an honest market on cloud links: a thousand nodes, a hundred provers',
  says:
    'Builders all over the world ask once a second in all; every prover bids. Bids must be back ' +
    'before the window closes, awards must come at once, and every request must be proven and paid ' +
    'for.',
  settings: {},
  quick: { nodes: 300, provers: 30, auctions: 20 },
  broken: {
    set: { floodBids: false, bidWindowMs: 200 },
    says: 'in 200 ms bids do not cross the world, least of all by way of the mesh',
  },
  play: (stage) => {
    stage.cast()
    stage.askInTurn()
  },
  judge: ({ tally }) => {
    const latencies = percentilesOf(tally.awardLatencies())
    return [
      atMost('request to award, p99', latencies[99] ?? Number.NaN, 500, 'ms'),
      atLeast('honest bids counted', 100 * tally.countedShare(), 99.5, '%'),
      atLeast('requests settled', 100 * tally.outcomeShare('settled'), 100, '%'),
    ]
  },
}
