/** One owner whose accounts hold the winner's place and all its backups'. */
import type { Quote } from '#protocol/bidder'
import type { Effect, MarketEvent } from '#protocol/effects'
import type { Address, Id, ProofRequest } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import { atLeast, atMost } from '../lines.ts'
import { gainOf } from '../outcome.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import { ETHER, GWEI, type Member, type Stage } from '../stage.ts'
import type { Auction } from '../tally.ts'
import { honestBondsLost, percentOf, seat } from './seats.ts'

/** What the owner does in an auction; each builder's auctions take turns. */
const ploys = ['none', 'honest', 'dearer by receipt', 'dearer by claim', 'silence'] as const
type Ploy = (typeof ploys)[number]

/** Its machine is fast and cheap: it could win honestly. Percent of the median; gwei a ms. */
const [SPEED_PERCENT, COST_GWEI] = [70n, 20n]
/** From the close until its proof is there, if it begins at once: what it promises. ms. */
const ALLOWANCE_MS = 1_500

type Award = { readonly id: Id; readonly named: readonly Address[] }

class Owner {
  readonly stage: Stage
  readonly accounts: Member[] = []
  readonly #awards = new Map<Id, Award>()
  /** What proofs for each request cost it. wei. */
  readonly #spentWei = new Map<string, bigint>()

  constructor(stage: Stage) {
    this.stage = stage
  }

  ployFor({ nonce }: ProofRequest): Ploy {
    return ploys[Number(nonce % BigInt(ploys.length))]!
  }

  /** As many accounts as an award names. */
  get size(): number {
    return this.stage.number('backups') + 1
  }

  add(index: number): Member {
    const { stage } = this
    const fastestMs = (stage.number('provingMs') * Number(SPEED_PERCENT)) / 100
    const member: Member = stage.addProver(`sybil ${index + 1}`, {
      isAdversary: true,
      rig: { lanes: 64, fastestMs, spreadMs: fastestMs / 20 },
      policy: { costWeiPerMs: COST_GWEI * GWEI },
      desk: { quote: ({ request }) => this.#quote(request, index), accepts: () => true },
      provingMs: (request) => this.#prove(request, member),
      deviates: (effect, actor) => this.#deviates(effect, actor, index),
    })
    this.accounts.push(member)
    return member
  }

  /** Honestly one account bids; else all do, each a step dearer than the one before. */
  #quote(request: ProofRequest, index: number): Quote | null {
    const ploy = this.ployFor(request)
    if (ploy === 'none' || (ploy === 'honest' && index > 0)) return null
    const { stage } = this
    const percent = 100 + index * stage.number('stepPercent')
    const priceWei = percentOf(BigInt(stage.number('priceGwei')) * GWEI, percent)
    const { fastestMs, spreadMs } = this.accounts[index]!.rig!.traits
    const provingMs = Math.ceil(fastestMs + 3 * spreadMs)
    return { priceWei, readyAt: request.closesAt + provingMs + ALLOWANCE_MS }
  }

  /** Whether this account lets the builder wait for it: all but the dearest, or all. */
  #isSilent(request: ProofRequest, index: number): boolean {
    const ploy = this.ployFor(request)
    return ploy === 'silence' || (ploy.startsWith('dearer') && index < this.size - 1)
  }

  #prove(request: ProofRequest, { actor, rig }: Member): number | null {
    const index = this.accounts.findIndex((member) => member.actor === actor)
    if (this.#isSilent(request, index)) return null
    const beforeMs = rig!.busyMs
    const provingMs = rig!.prove(request, actor.now)
    const spentWei = COST_GWEI * GWEI * BigInt(rig!.busyMs - beforeMs)
    const key = `${request.builder}/${request.nonce}`
    this.#spentWei.set(key, (this.#spentWei.get(key) ?? 0n) + spentWei)
    return provingMs
  }

  #deviates(effect: Effect, actor: Actor, index: number): boolean {
    if (effect.kind !== 'fetch' && effect.kind !== 'deliver') return false
    const request = actor.market.job(effect.requestId)?.request.message
    if (!request) return false
    if (effect.kind === 'deliver') return this.ployFor(request) === 'dearer by claim'
    return this.stage.values.falls === 'before acceptance' && this.#isSilent(request, index)
  }

  /** What a builder hears of its own request. */
  heard(event: MarketEvent, actor: Actor): void {
    if (event.kind !== 'awarded') return
    const job = actor.market.job(event.requestId)
    if (job?.request.message.builder !== actor.account || !job.award) return
    const named = [event.prover, ...event.backups.filter((backup) => BigInt(backup) !== 0n)]
    this.#awards.set(event.requestId, { id: job.award.id, named })
  }

  owns(account: Address): boolean {
    return this.accounts.some(({ actor }) => actor.account === account)
  }

  /** Auctions in which a ploy was tried and the owner held every place. */
  held(ploy: Ploy): Auction[] {
    const places = ploy === 'honest' ? 1 : this.size
    return this.stage.tally.all.filter(({ id, request }) => {
      const named = this.#awards.get(id)?.named.slice(0, places) ?? []
      const isHeld = named.length === places && named.every((prover) => this.owns(prover))
      return isHeld && this.ployFor(request) === ploy
    })
  }

  /** What it has of an auction: pay, less proofs and lost bonds (half of them if it rescued). */
  gainWei({ id, request, paidWei, slashed }: Auction): bigint {
    const { builder, nonce, bondWei } = request
    const rescuer = this.stage.chain.settlement.rescuerOf(this.#awards.get(id)!.id)
    const lossWei = rescuer && this.owns(rescuer) ? bondWei - bondWei / 2n : bondWei
    let gainWei = -(this.#spentWei.get(`${builder}/${nonce}`) ?? 0n)
    for (const prover of slashed) if (this.owns(prover)) gainWei -= lossWei
    for (const [prover, wei] of paidWei) if (this.owns(prover)) gainWei += wei
    return gainWei
  }

  /** Mean of that over the auctions of one ploy; no number without any. Gwei. */
  gainGwei(ploy: Ploy): number {
    const auctions = this.held(ploy)
    const wei = auctions.reduce((sum, auction) => sum + this.gainWei(auction), 0n)
    return auctions.length === 0 ? Number.NaN : Number(wei / GWEI) / auctions.length
  }

  /** Bonds lost of those that its undelivered starts held. Percent. */
  get slashedPercent(): number {
    let [owed, lost] = [0, 0]
    for (const { started, paidWei, slashed } of this.stage.tally.all)
      for (const prover of started) {
        if (!this.owns(prover) || paidWei.has(prover)) continue
        owed += 1
        if (slashed.includes(prover)) lost += 1
      }
    return (100 * lost) / owed
  }

  /** By all its accounts together, gas paid. Ether. */
  get totalEther(): number {
    return this.accounts.reduce((sum, member) => {
      const costsWei = this.stage.chain.costsWei(member.actor.account)
      return sum + gainOf(this.stage, member) - Number(costsWei) / Number(ETHER)
    }, 0)
  }
}

const owners = new WeakMap<Stage, Owner>()

function play(stage: Stage): void {
  const owner = new Owner(stage)
  owners.set(stage, owner)
  const provers = Array.from({ length: owner.size }, (_, index) => () => owner.add(index))
  seat(stage, { provers }, { builder: { hears: (event, actor) => owner.heard(event, actor) } })
  stage.askInTurn({ bondWei: BigInt(stage.number('bondGwei')) * GWEI })
}

function judge(stage: Stage): Finding[] {
  const owner = owners.get(stage)!
  const honest = owner.gainGwei('honest')
  const silence = honest - owner.gainGwei('silence')
  const gain = (ploy: Ploy): Finding =>
    atMost(
      `its gain of a job by “${ploy}”, less its honest gain,`,
      owner.gainGwei(ploy) - honest,
      0,
      'gwei',
    )
  return [
    gain('dearer by receipt'),
    gain('dearer by claim'),
    atLeast('what a job costs it that it lets fall', silence, stage.number('reserveGwei'), 'gwei'),
    atLeast('bonds lost, of starts it did not deliver', owner.slashedPercent, 100, '%'),
    atMost('honest provers that lost bond', honestBondsLost(stage), 0, '1'),
  ]
}

export const sybilBackups: Scenario = {
  name: 'sybil-backups',
  title: 'one owner’s accounts hold the winner’s place and all its backups’',
  says:
    'The owner bids with an account for each place of the award, a step apart. It lets all but its ' +
    'dearest account fall silent after their start, so that this one delivers: by receipt, or by a ' +
    'claim, which gives it half of the bonds back as the rescuer; or it lets all fall silent. Each ' +
    'start costs its bond, so none of this may pay more than one honest bid.',
  settings: {
    nodes: { value: 500, says: 'nodes in the network', least: 8, most: 100_000 },
    provers: {
      value: 50,
      says: 'provers among them, the owner’s accounts too',
      least: 5,
      most: 5e3,
    },
    auctions: { value: 100, says: 'requests in all', least: 1, most: 100_000 },
    backups: { value: 2, says: 'backups a request asks for', least: 1, most: 3 },
    dueMs: { value: 30_000, says: 'from the close to the due time, ms', least: 1e3, most: 6e4 },
    bondGwei: { value: 100_000_000, says: 'bond that a start holds, gwei', least: 1, most: 1e10 },
    priceGwei: {
      value: 120_000,
      says: 'what its cheapest account asks, gwei',
      least: 1,
      most: 1e9,
    },
    stepPercent: {
      value: 5,
      says: 'how much more each further account asks, percent of the first',
      least: 0,
      most: 1_000,
    },
    falls: {
      value: 'after the start',
      says: 'when its accounts fall silent',
      choices: ['after the start', 'before acceptance'],
    },
  },
  broken: {
    set: { bondGwei: 1 },
    says: 'next to no bond is at stake, so the owner takes the price of its dearest account',
  },
  quick: { nodes: 150, provers: 16, auctions: 40 },
  play,
  judge,
  measures: (stage): Measure[] => {
    const owner = owners.get(stage)!
    const gains = ploys.slice(1).map((ploy) => ({
      name: `its gain of a job, ${ploy}`,
      unit: 'gwei',
      value: owner.gainGwei(ploy),
    }))
    return [
      ...gains.filter(({ value }) => !Number.isNaN(value)),
      { name: 'gain of all its accounts, gas paid', unit: 'ether', value: owner.totalEther },
    ]
  },
}
