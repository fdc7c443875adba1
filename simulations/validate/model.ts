/**
 * The model's side of a validation: the same plan, played by the simulator's actors over its gossip
 * network. Its time runs as the real stack's does, stretched, because heartbeats do not stretch.
 */
import type { Address, ProofRequest } from '#protocol/schema'
import { Actor, type World } from '#simulations/actor'
import { Chain } from '#simulations/chain'
import { defaultGossipCosts, GossipNetwork } from '#simulations/gossip'
import { Links } from '#simulations/links'
import { defaultMeshLimits } from '#simulations/mesh'
import { pretendSigned, Seals } from '#simulations/pretence'
import { Random } from '#simulations/random'
import { regionNames } from '#simulations/regions'
import { Simulator, START_AT } from '#simulations/simulator'
import { graphOf } from '#simulations/topology'
import { Traffic } from '#simulations/traffic'
import { type Measured, summary } from './measure.ts'
import { type Plan, roundMs, thinkMs } from './plan.ts'
import { accountAt, FUNDS_WEI, paramsOf, requestOf } from './terms.ts'

/**
 * The plan is played in so many worlds with meshes of their own, and all of them count: the real
 * stack's mesh is one that nobody drew from the seed.
 */
const WORLDS = 10

/** Keeps every delay, where the simulator's own tally keeps a histogram. */
class ExactTraffic extends Traffic {
  readonly delaysMs: number[] = []

  override heard(...[node, region, delayMs]: Parameters<Traffic['heard']>): void {
    super.heard(node, region, delayMs)
    this.delaysMs.push(delayMs)
  }
}

/** Plays the plan in the simulator. */
export function runModel(plan: Plan): Measured {
  const worlds = Array.from({ length: WORLDS }, (_, world) => playOnce(plan, world))
  const firsts = worlds.flatMap(({ delaysMs }) => delaysMs)
  const seconds = worlds.map(({ copies }) => copies.reduce((sum, count) => sum + count, 0))
  const messages = WORLDS * plan.rounds.reduce((sum, { bidders }) => sum + 1 + bidders.length, 0)
  return summary({
    messages,
    missed: messages * (plan.places.length - 1) - firsts.length,
    latenciesMs: firsts.map((delayMs) => delayMs / plan.stretch),
    duplicates: seconds.reduce((sum, count) => sum + count, 0),
  })
}

function playOnce(plan: Plan, number: number): ExactTraffic {
  const { places, dials, stretch } = plan
  const simulator = new Simulator()
  const random = new Random(plan.seed * WORLDS + number)
  const graph = graphOf(places.length, dials)
  const links = new Links(graph, places, random.fork(), { stretch, loss: 0 })
  const traffic = new ExactTraffic(places.length, regionNames.length)
  const params = paramsOf(stretch)
  const own = { floodsBids: true, holdMs: params.holdMs }
  const options = { mesh: defaultMeshLimits, ...defaultGossipCosts, ...own }
  const parts = { simulator, random: random.fork(), graph, places, links, traffic, options }
  const network = new GossipNetwork(parts)
  const accounts = places.map((_, node) => accountAt(plan.seed, node))
  const chain = new Chain(simulator, params)
  const world: World = { simulator, network, chain, seals: new Seals(), params, actors: new Map() }
  for (const account of accounts)
    chain.deposit(account, { bondWei: FUNDS_WEI, stakeWei: FUNDS_WEI, escrowWei: FUNDS_WEI })
  const actors = accounts.map((account, node) => {
    network.place(account, node)
    return actorOf(plan, account, node, world)
  })
  links.isUp.fill(0)
  for (const node of places.keys())
    simulator.schedule(START_AT + node * plan.joinMs, () => network.setUp(node, true))
  const beginAt = START_AT + places.length * plan.joinMs + plan.warmUpMs
  for (const [round, { builder }] of plan.rounds.entries()) {
    simulator.schedule(beginAt + round * roundMs(plan), () => {
      const request = requestOf(plan.seed, round, builder, Math.floor(simulator.now))
      actors[builder]!.say(pretendSigned('ProofRequest', request, accounts[builder]!))
    })
  }
  simulator.runUntil(beginAt + plan.rounds.length * roundMs(plan))
  return traffic
}

/** Bids in the rounds the plan gives it, and when. */
function actorOf(plan: Plan, account: Address, node: number, world: World): Actor {
  const thinkFor = ({ nonce }: ProofRequest): number | null => thinkMs(plan, Number(nonce), node)
  return new Actor(
    {
      account,
      desk: {
        quote: ({ request }) =>
          thinkFor(request) === null
            ? null
            : { priceWei: request.reserveWei / 2n, readyAt: request.softDueAt },
        accepts: () => false,
      },
      deviates: (effect, actor) => {
        if (effect.kind !== 'bid') return false
        actor.later(thinkFor(effect.request.message) ?? 0, () => actor.perform(effect))
        return true
      },
    },
    world,
  )
}
