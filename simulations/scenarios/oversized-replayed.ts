/**
 * Requests that are no requests: too long or too short, sent again once gossipsub has forgotten
 * them, other terms under a nonce that is taken, windows that closed long ago. None may get beyond
 * the peers of its sender, and who sends what no honest peer could have sent is heard no more.
 */

import type { SignedRequest } from '#protocol/effects'
import { envelopeBytes, gossipKinds } from '#protocol/envelope'
import type { ProofRequest } from '#protocol/schema'
import { atLeast, atMost } from '../lines.ts'
import { pretendSigned } from '../pretence.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import type { Member, Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'
import { Spread } from './spread.ts'

/** gossipsub knows a message again for two minutes; then it is new. ms. */
const FORGOTTEN_MS = 125_000
/** When the first round begins, and when, in a round, the adversaries send. ms. */
const FIRST_AT = 2_000
const ATTACK_MS = 100
/** What they are refused as, and nothing honest is. */
const CODES = ['MALFORMED', 'REQUEST_LATE', 'EQUIVOCATION'] as const

const REQUESTS = gossipKinds.indexOf('ProofRequest')

class Story {
  readonly stage: Stage
  /** They send what is rejected, and what is ignored. */
  readonly oversizers: Member[] = []
  readonly replayers: Member[] = []
  /** Each replayer's own request, which was in order. */
  readonly #own = new Map<Member, ProofRequest>()
  readonly #honest: SignedRequest[] = []
  readonly spread: Spread
  /** Of senders of what is rejected, once they have sent the last of it. */
  meshPeersLeft = Number.NaN
  #nonce = 1_000n

  constructor(stage: Stage) {
    this.stage = stage
    this.spread = new Spread(stage, CODES)
  }

  keep(request: SignedRequest): void {
    this.#honest.push(request)
  }

  /** A replayer asks for something in earnest: what it sends later contradicts this. */
  prepare(replayer: Member): void {
    const id = this.stage.ask(replayer)
    this.#own.set(replayer, this.stage.tally.auctions.get(id)!.request)
  }

  #send(sender: Member, message: ProofRequest, bytes = envelopeBytes.ProofRequest): void {
    const from = pretendSigned('ProofRequest', message, sender.actor.signer)
    this.#publish(sender, from, bytes)
  }

  #publish({ actor, node }: Member, from: SignedRequest, bytes: number): void {
    this.spread.follow(from.id, node)
    this.stage.network.publish(actor.account, from, bytes)
  }

  /** What a sender would ask now, with a nonce of its own. */
  #fresh({ actor }: Member): ProofRequest {
    this.#nonce += 1n
    return { ...this.stage.terms(actor), nonce: this.#nonce }
  }

  /** @param isLate Whether what went round at first is forgotten by gossipsub. */
  attack(isLate: boolean): void {
    const { stage } = this
    for (const sender of this.oversizers) {
      this.#send(sender, this.#fresh(sender), 100 * envelopeBytes.ProofRequest)
      this.#send(sender, this.#fresh(sender), envelopeBytes.ProofRequest - 1)
    }
    for (const sender of this.replayers) {
      const own = this.#own.get(sender)!
      this.#send(sender, { ...own, nonce: this.#fresh(sender).nonce })
      // Once the job is settled and forgotten, nodes take its nonce for a new one.
      if (stage.simulator.now < own.dueAt)
        this.#send(sender, { ...stage.terms(sender.actor), nonce: own.nonce })
    }
    this.meshPeersLeft = this.oversizers.reduce(
      (sum, { node }) => sum + stage.network.mesh.peers(REQUESTS, node).length,
      0,
    )
    const old = isLate ? this.#honest.shift() : undefined
    if (!old) return
    this.#publish(stage.random.pick(this.replayers), old, envelopeBytes.ProofRequest)
  }
}

const stories = new WeakMap<Stage, Story>()

function play(stage: Stage): void {
  const story = new Story(stage)
  stories.set(stage, story)
  stage.cast()
  for (let index = 1; index <= stage.number('senders'); index++) {
    story.oversizers.push(stage.addBuilder(`oversizer ${index}`, { isAdversary: true }))
    story.replayers.push(stage.addBuilder(`replayer ${index}`, { isAdversary: true }))
  }
  const builders = stage.members.filter(({ name }) => name.startsWith('builder'))
  for (const replayer of story.replayers) stage.at(FIRST_AT - 1_000, () => story.prepare(replayer))
  const half = Math.ceil(stage.number('auctions') / 2)
  for (let round = 0; round < stage.number('auctions'); round++) {
    // The second half comes when what was sent in the first is forgotten.
    const isLate = round >= half
    const at = FIRST_AT + round * stage.number('everyMs') + (isLate ? FORGOTTEN_MS : 0)
    stage.at(at, () => {
      const builder = builders[round % builders.length]!
      const id = stage.ask(builder)
      story.keep(builder.actor.market.job(id)!.request)
    })
    stage.at(at + ATTACK_MS, () => story.attack(isLate))
  }
}

/** Auctions of honest builders. */
function honest(stage: Stage): Auction[] {
  const accounts = new Set(
    stage.members.filter(({ isAdversary }) => !isAdversary).map(({ actor }) => actor.account),
  )
  return stage.tally.all.filter(({ request }) => accounts.has(request.builder))
}

function judge(stage: Stage): Finding[] {
  const { spread, meshPeersLeft } = stories.get(stage)!
  const auctions = honest(stage)
  const settled = auctions.filter(({ outcome }) => outcome === 'settled').length
  return [
    atMost('nodes that hear one, for each peer of its sender', spread.heard / spread.peers, 1, '1'),
    atMost('mesh peers of senders of what is rejected', meshPeersLeft, 0, '1'),
    atLeast('honest bids counted', 100 * stage.tally.countedShare(), 99, '%'),
    atLeast('honest requests settled', (100 * settled) / auctions.length, 100, '%'),
  ]
}

function measures(stage: Stage): Measure[] {
  const { spread } = stories.get(stage)!
  const { refused } = stage.traffic
  return [
    { name: 'requests that are none', unit: '1', value: spread.sent },
    { name: 'nodes that hear one', unit: '1', value: spread.heard / spread.sent },
    { name: 'nodes that pass one on', unit: '1', value: spread.passedOn / spread.sent },
    ...CODES.map((code) => ({
      name: `refused as ${code}`,
      unit: '1',
      value: refused.get(code) ?? 0,
    })),
  ]
}

export const oversizedReplayed: Scenario = {
  name: 'oversized-replayed',
  title: 'requests that are too long, sent again, contradictory or long over',
  says:
    'Between honest requests some nodes send requests of a hundred times their length and of a ' +
    'byte too little; others ask twice with one nonce, with windows long over, or send again what ' +
    'went round two minutes ago. None may get further than to peers of its sender; senders of what ' +
    'is malformed must end outside of all meshes; honest auctions must not notice.',
  settings: {
    auctions: { value: 30, says: 'honest requests, with an attack after each', least: 4 },
    senders: { value: 4, says: 'adversaries of each of both sorts', least: 1, most: 100 },
  },
  quick: { nodes: 150, provers: 15, auctions: 14, senders: 2 },
  broken: { set: { firstHop: false }, says: 'nodes pass on unchecked all that has its length' },
  play,
  judge,
  measures,
}
