/** Turns what happened on a stage into the result that is printed, stored and compared. */
import { percentilesOf } from './histogram.ts'
import { regionNames } from './regions.ts'
import type { Curve, GainRow, Measure, RegionRow, RunResult } from './result.ts'
import { type Scenario, settingsOf, type Values } from './scenario.ts'
import { ETHER, type Member, type Stage } from './stage.ts'

const toEther = (wei: bigint): number => Number((wei * 1_000_000_000n) / ETHER) / 1e9

/** The command that runs the same again. */
export function commandOf(scenario: Scenario, values: Values, seed: number): string {
  const settings = settingsOf(scenario)
  const changed = Object.entries(values)
    .filter(([name, value]) => settings[name]!.value !== value)
    .map(([name, value]) => ` --set ${name}=${value}`)
  return `npm run sim -- ${scenario.name} --seed ${seed}${changed.join('')}`
}

/** What somebody has more by now than it put in, proofs and gas paid for. Ether. */
export function gainOf(stage: Stage, member: Member): number {
  const { bondWei, stakeWei, escrowWei, creditWei } = stage.chain.balance(member.actor.account)
  const rig = member.rig
  const spent = rig ? rig.traits.policy.costWeiPerMs * BigInt(Math.round(rig.busyMs)) : 0n
  const gas = stage.chain.costsWei(member.actor.account)
  return toEther(bondWei + stakeWei + escrowWei + creditWei - member.depositedWei - spent - gas)
}

/** Sums of the honest by role, and every adversary by name. */
function gainsOf(stage: Stage): GainRow[] {
  const rows = new Map<string, GainRow>()
  for (const member of stage.members) {
    const role = `${member.name.split(' ')[0]}s`
    const who = member.isAdversary ? member.name : `honest ${role}`
    if (!member.isAdversary && role === 'observers') continue
    const gainEther = (rows.get(who)?.gainEther ?? 0) + gainOf(stage, member)
    rows.set(who, { who, isAdversary: member.isAdversary, gainEther })
  }
  return [...rows.values()]
}

/** Pay over the winner's own cost, of each payment. */
export function pricesOverCost(stage: Stage): number[] {
  const rigs = new Map(stage.members.map(({ actor, rig }) => [actor.account, rig]))
  return stage.tally.all.flatMap(({ request, paidWei }) =>
    [...paidWei].flatMap(([prover, wei]) => {
      const rig = rigs.get(prover)
      return rig ? [Number((wei * 10_000n) / rig.costWei(request)) / 10_000] : []
    }),
  )
}

function curvesOf(stage: Stage): Curve[] {
  const { traffic, links, tally } = stage
  const nodes = Array.from(traffic.firsts, (_, node) => node)
  const ratios = nodes.flatMap((node) => {
    const firsts = traffic.firsts[node]!
    return firsts === 0 ? [] : [traffic.copies[node]! / firsts]
  })
  const busyS = Math.max(1, stage.busyUntilMs / 1_000)
  const proving = stage.members.flatMap(({ rig }) =>
    rig ? [(rig.busyMs / (rig.traits.lanes * 10 * busyS)) as number] : [],
  )
  const all = <const N extends Curve['name']>(
    name: N,
    unit: string,
    quantiles: number[],
  ): Curve => ({
    ...{ name, unit, quantiles },
  })
  return [
    all('propagation', 'ms', traffic.propagation.percentiles()),
    all('request to award', 'ms', percentilesOf(tally.awardLatencies())),
    all('price over cost', '1', percentilesOf(pricesOverCost(stage))),
    all('utilisation', '%', percentilesOf(proving)),
    all('duplicates', '1', percentilesOf(ratios)),
    all(
      'bytes sent',
      'KiB',
      percentilesOf(Array.from(links.sentBytes, (bytes) => bytes / 1_024 / busyS)),
    ),
  ]
}

function regionsOf(stage: Stage): RegionRow[] {
  const { places, members, tally, traffic } = stage
  const regionOf = new Map(
    members.map(({ actor, node }) => [actor.account, places[node]!.region] as const),
  )
  return regionNames.flatMap((region, index) => {
    const nodes = places.filter((place) => place.region === index).length
    if (nodes === 0) return []
    const here = members.filter(({ node, rig }) => rig && places[node]!.region === index)
    const isHere = (prover: `0x${string}`): boolean => regionOf.get(prover) === index
    const bids = tally.all.some(({ bidders }) => [...bidders].some(isHere))
    const seen = traffic.byRegion[index]!
    return {
      ...{ region, nodes, provers: here.length },
      propagationP50Ms: seen.quantile(0.5),
      propagationP95Ms: seen.quantile(0.95),
      bidsCountedPercent: bids ? 100 * tally.countedShare(isHere) : null,
      wins: tally.all.filter(({ winner }) => winner !== null && isHere(winner)).length,
    }
  })
}

function commonMeasures(stage: Stage): Measure[] {
  const { tally, traffic } = stage
  const awards = percentilesOf(tally.awardLatencies())
  const wins = percentilesOf(tally.winLatencies())
  const share = (name: string, value: number): Measure => ({ name, unit: '%', value: 100 * value })
  return [
    share('requests awarded', tally.awardLatencies().length / Math.max(1, tally.all.length)),
    share('requests settled', tally.outcomeShare('settled')),
    share('bids counted', tally.countedShare()),
    ...(awards.length > 0
      ? [{ name: 'request to award, p99', unit: 'ms', value: awards[99]! }]
      : []),
    ...(wins.length > 0
      ? [{ name: 'request to award at its winner, p99', unit: 'ms', value: wins[99]! }]
      : []),
    { name: 'first copies, p50', unit: 'ms', value: traffic.propagation.quantile(0.5) },
    { name: 'first copies, p99', unit: 'ms', value: traffic.propagation.quantile(0.99) },
    share('reach of a message, mean', traffic.reach.mean),
    { name: 'duplicates a delivery', unit: '1', value: traffic.duplicatesPerDelivery },
  ]
}

/** What a run gives once it is over; wall time is for whoever has a clock. */
export function resultOf(
  scenario: Scenario,
  values: Values,
  seed: number,
  stage: Stage,
): Omit<RunResult, 'wallS'> {
  const { simulator } = stage
  const copies = stage.traffic.copies.reduce((sum, count) => sum + count, 0)
  return {
    ...{ scenario: scenario.name, seed, settings: values, nodes: stage.places.length },
    digest: simulator.digest,
    command: commandOf(scenario, values, seed),
    // A copy that came second is an event too, though it was counted when it was sent.
    events: simulator.executed + copies,
    simulatedS: simulator.elapsedMs / 1_000,
    findings: scenario.judge(stage),
    violations: stage.checks.violations,
    measures: [...commonMeasures(stage), ...(scenario.measures?.(stage) ?? [])],
    curves: curvesOf(stage),
    regions: regionsOf(stage),
    gains: gainsOf(stage),
  }
}
