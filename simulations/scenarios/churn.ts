/**
 * Nodes leave and come back all the time, and builders and provers do so in the middle of their
 * jobs. Whoever restarts goes on from its disk: what it had signed it signs no other way, what it
 * owed it still delivers.
 */
import type { Address } from '#protocol/schema'
import { atLeast, atMost } from '../lines.ts'
import type { Random } from '../random.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import { ETHER, type Member, type Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'

const FIRST_AT = 1_000
/** A machine that proves again begins when the run that the crash cut short would have ended. */
const PROOFS_AGAIN = 2
/** What a start, a delivery and a commitment take besides. ms. */
const ERRANDS_MS = 2_000

type Absence = { readonly from: number; readonly to: number }

/** Who was away when. Instants are ms since the Unix epoch. */
class Comings {
  readonly stage: Stage
  readonly random: Random
  readonly absences = new Map<number, Absence[]>()
  leavings = 0
  /** Of provers that had accepted, and of builders with a job that was not over. */
  atWork = 0

  constructor(stage: Stage) {
    this.stage = stage
    this.random = stage.random.fork()
  }

  /** A node leaves for a while, unless it is away already. */
  leave(node: number, isAtWork = false): void {
    const { stage } = this
    if (stage.links.isUp[node] === 0) return
    this.leavings += 1
    if (isAtWork) this.atWork += 1
    const awayMs = 1_000 * stage.number('awayS') * this.random.between(0.5, 1.5)
    const { now } = stage.simulator
    const absences = this.absences.get(node) ?? []
    this.absences.set(node, [...absences, { from: now, to: now + awayMs }])
    stage.leave(node)
    stage.simulator.after(awayMs, () => stage.comeBack(node))
  }

  /** The longest time in one go that a node was up between these. ms. */
  longestUp(node: number, from: number, to: number): number {
    let [longest, upSince] = [0, from]
    for (const absence of this.absences.get(node) ?? []) {
      longest = Math.max(longest, Math.min(absence.from, to) - upSince)
      upSince = Math.max(upSince, absence.to)
    }
    return Math.max(longest, to - upSince)
  }

  /** Whether a prover was up for so long that it could have proven once more, and committed. */
  hadTime({ request, awardedAt }: Auction, prover: Member): boolean {
    const { params } = this.stage
    const proofMs = PROOFS_AGAIN * prover.rig!.timingOf(request.work).maxMs + ERRANDS_MS
    // A commitment takes a slot, or two.
    const until = request.dueAt + (params.commitWindowS - 2 * params.slotS) * 1_000
    return this.longestUp(prover.node, awardedAt ?? request.closesAt, until) >= proofMs
  }
}

const stories = new WeakMap<Stage, Comings>()

function play(stage: Stage): void {
  const comings = new Comings(stage)
  stories.set(stage, comings)
  const stores = stage.flag('stores')
  const random = stage.random.fork()
  const nodeOf = (account: Address): number => stage.network.nodeOf(account)
  stage.cast({
    builder: {
      stores,
      hears: (event, builder) => {
        if (event.kind !== 'started') return
        if (stage.tally.auctions.get(event.requestId)?.request.builder !== builder.account) return
        const who = random.between(0, 100) - stage.number('atWorkPercent')
        if (who >= 0) return
        // One in four of them is the builder.
        const node = nodeOf(random.chance(0.25) ? builder.account : event.prover)
        stage.simulator.after(random.between(100, 2_500), () => comings.leave(node, true))
      },
    },
    prover: { stores },
  })
  ask(stage)
  comeAndGo(stage, comings)
}

/** Builders that are up ask in turn. */
function ask(stage: Stage): void {
  const builders = stage.members.filter(({ name }) => name.startsWith('builder'))
  let turn = 0
  const next = (): void => {
    for (const _ of builders) {
      const builder = builders[turn++ % builders.length]!
      if (!builder.actor.isUp) continue
      stage.ask(builder)
      return
    }
  }
  for (let index = 0; index < stage.number('auctions'); index++)
    stage.at(FIRST_AT + index * stage.number('everyMs'), next)
}

/** Any node but the observers', at any time while there are requests. */
function comeAndGo(stage: Stage, comings: Comings): void {
  const observers = new Set(
    stage.members.filter(({ name }) => name.startsWith('observer')).map(({ node }) => node),
  )
  const lastsMs = stage.number('auctions') * stage.number('everyMs')
  const all = stage.places.map((_, node) => node).filter((node) => !observers.has(node))
  const count = Math.round((all.length * stage.number('leavePercent') * lastsMs) / 6_000_000)
  for (let index = 0; index < count; index++) {
    const node = comings.random.pick(all)
    stage.at(FIRST_AT + comings.random.between(0, lastsMs), () => comings.leave(node))
  }
}

/** Bonds that were taken though their prover had time, and all that were taken. */
function bondsLost(stage: Stage): { readonly inexcusable: number; readonly all: number } {
  const comings = stories.get(stage)!
  let [excused, all] = [0, 0]
  for (const member of stage.members) {
    if (!member.rig) continue
    const { account } = member.actor
    const lostWei = member.depositedWei - stage.chain.balance(account).bondWei
    all += Number(lostWei / (ETHER / 10n))
    for (const auction of stage.tally.all)
      if (auction.slashed.includes(account) && !comings.hadTime(auction, member)) excused += 1
  }
  return { inexcusable: all - excused, all }
}

function judge(stage: Stage): Finding[] {
  const { atWork } = stories.get(stage)!
  const ifAny = (count: number): number => (atWork > 0 ? count : Number.NaN)
  const { tally } = stage
  return [
    atLeast('requests settled', 100 * tally.outcomeShare('settled'), 95, '%'),
    atMost(
      'bonds lost though there was time to prove',
      ifAny(bondsLost(stage).inexcusable),
      0,
      '1',
    ),
    atMost('times somebody said two things', ifAny(tally.equivocations), 0, '1'),
  ]
}

function measures(stage: Stage): Measure[] {
  const { leavings, atWork } = stories.get(stage)!
  const { all } = stage.tally
  const one = (name: string, value: number): Measure => ({ name, unit: '1', value })
  return [
    one('times a node left', leavings),
    one('of those, builders and provers in the middle of a job', atWork),
    one('bonds lost', bondsLost(stage).all),
    one('requests whose builder left before it awarded', all.filter((a) => !a.winner).length),
  ]
}

export const churn: Scenario = {
  name: 'churn',
  title: 'nodes leave and come back, builders and provers in the middle of their jobs',
  says:
    'Half of all nodes leave in a minute and come back some seconds later; a quarter of the jobs ' +
    'lose their prover, or their builder, while the proof is made. Nearly every request must be ' +
    'settled all the same, nobody may lose a bond who was up long enough to prove once more, and ' +
    'nobody may contradict what it had signed before.',
  settings: {
    auctions: { value: 40, says: 'requests in all', least: 1, most: 100_000 },
    leavePercent: {
      value: 50,
      says: 'nodes that leave per minute, percent',
      least: 0,
      most: 1_000,
    },
    awayS: {
      value: 8,
      says: 'how long they stay away, s: from half of it to half more',
      least: 0.1,
    },
    atWorkPercent: {
      value: 25,
      says: 'starts after which the prover, or one time in four the builder, leaves, percent',
      least: 0,
      most: 100,
    },
    stores: { value: true, says: 'whether builders and provers keep their jobs on a disk' },
  },
  quick: { nodes: 150, provers: 20, auctions: 20 },
  broken: {
    set: { stores: false },
    says: 'builders and provers forget their jobs when they restart',
  },
  play,
  judge,
  measures,
}
