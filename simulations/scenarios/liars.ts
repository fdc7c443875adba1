/** Builders and provers that lie about times, or whose clocks do. */
import type { Effect } from '#protocol/effects'
import { promiseOf } from '#protocol/job'
import { payWei } from '#protocol/money'
import type { Address, Id, Receipt } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import type { Member, Stage } from '../stage.ts'

/** Signing and storing a receipt. ms. */
const SIGN_MS = 1

type Draft = Extract<Effect, { kind: 'publish' }>['draft']
type Deviation = (effect: Effect, actor: Actor) => boolean

/** A proof that an honest prover handed over. */
export type Proof = {
  readonly id: Id
  readonly builder: Address
  readonly prover: Address
  /** What rule P1 gives for a delivery then, by the true start. `at`: ms since the epoch; wei. */
  readonly payAt: (at: number) => bigint
  readonly provedAt: number
}

const onDraft =
  <K extends Draft['kind']>(
    kind: K,
    act: (draft: Extract<Draft, { kind: K }>, actor: Actor) => void,
  ): Deviation =>
  (effect, actor) => {
    if (effect.kind !== 'publish' || effect.draft.kind !== kind) return false
    act(effect.draft as Extract<Draft, { kind: K }>, actor)
    return true
  }

/** Those who lie about times, and what honest provers would have earned without. */
export class Liars {
  readonly stage: Stage
  readonly builders = new Map<string, Member>()
  readonly provers: Member[] = []
  readonly proofs: Proof[] = []
  /** When provers were started in truth, where that is not what the start says. */
  readonly #starts = new Map<string, number>()

  constructor(stage: Stage) {
    this.stage = stage
  }

  /** An honest prover hands over its proof, of which nothing is known yet. */
  delivered(id: Id, { market, account: prover, now }: Actor): void {
    const job = market.job(id)
    const pursuit = market.bidder?.pursuits.get(id)
    if (!job || !pursuit || this.proofs.some((proof) => proof.id === id && proof.prover === prover))
      return
    const request = job.request.message
    const { params } = this.stage
    const earlyMs =
      (this.#starts.get(`${id}/${prover}`) ?? 0) -
      job.obligations.get(prover)!.start.message.startedAt
    const promise = promiseOf(job, prover, pursuit.readyAt) + Math.max(0, earlyMs)
    const payAt = (at: number): bigint => payWei(request, pursuit.priceWei, promise, at, params)
    this.proofs.push({ id, builder: request.builder, prover, payAt, provedAt: now })
  }

  /** A receipt as the rule has it, had the proof come so much later. */
  #later(receipt: Receipt, byMs: number, { market }: Actor): Receipt {
    const { requestId, prover } = receipt
    const job = market.job(requestId)!
    const request = job.request.message
    const candidates = market.auctioneer.auctions.get(requestId)?.candidates ?? []
    const own = candidates.find((candidate) => candidate.prover === prover)!
    const deliveredAt = Math.min(request.dueAt, receipt.deliveredAt + byMs)
    const promise = promiseOf(job, prover, own.readyAt)
    const { params } = this.stage
    return {
      ...receipt,
      deliveredAt,
      payWei: payWei(request, own.priceWei, promise, deliveredAt, params),
    }
  }

  /** Dates each receipt later, and shows it after a while. ms, both. */
  dates(byMs: number, holdsMs: number): Deviation {
    return onDraft('Receipt', ({ message }, actor) => {
      const later = this.#later(message, byMs, actor)
      const name = `${later.requestId}/${later.prover}`
      actor.later(SIGN_MS + holdsMs, () => {
        const receipt = actor.signOnce('Receipt', name, later)
        const verdict = actor.say(receipt)
        // What its own node thinks too early, it sends all the same.
        if (verdict !== 'accept') actor.world.network.publish(actor.account, receipt)
      })
    })
  }

  /** Leaves the winner waiting, and has its backups start with the close. */
  startsEarly(): Deviation {
    const early = onDraft('Start', ({ message, acceptance }, actor) => {
      const { requestId, prover, startedAt } = message
      const { closesAt } = actor.market.job(requestId)!.request.message
      this.#starts.set(`${requestId}/${prover}`, startedAt)
      const start = actor.signOnce('Start', `${requestId}/${prover}`, {
        ...message,
        startedAt: closesAt,
      })
      actor.later(SIGN_MS, () => actor.say({ ...start, acceptance }))
    })
    return (effect, actor) => {
      if (effect.kind !== 'turn') return early(effect, actor)
      return actor.market.job(effect.requestId)?.award?.message.prover === effect.prover
    }
  }

  /** Adds a builder that lies in its own way. */
  builder(name: string, deviates: Deviation | null, clockOffsetMs?: number): () => Member {
    return () => {
      const member = this.stage.addBuilder(name, {
        isAdversary: true,
        ...(deviates ? { deviates } : {}),
        ...(clockOffsetMs === undefined ? {} : { clockOffsetMs }),
      })
      this.builders.set(name, member)
      return member
    }
  }

  prover(name: string, clockOffsetMs: number): () => Member {
    return () => {
      const member = this.stage.addProver(name, { isAdversary: true, clockOffsetMs })
      this.provers.push(member)
      return member
    }
  }

  /** What honest provers earned from a builder, by the true times and in fact. wei. */
  earned(name: string): { readonly owedWei: bigint; readonly paidWei: bigint } {
    const account = this.builders.get(name)?.actor.account
    let [owedWei, paidWei] = [0n, 0n]
    for (const proof of this.proofs) {
      if (proof.builder !== account) continue
      owedWei += proof.payAt(proof.provedAt)
      paidWei += this.paidWei(proof)
    }
    return { owedWei, paidWei }
  }

  paidWei({ id, prover }: Proof): bigint {
    return this.stage.tally.auctions.get(id)?.paidWei.get(prover) ?? 0n
  }
}
