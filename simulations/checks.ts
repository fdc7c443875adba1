/**
 * The invariants I1 to I8 (`simulations/README.md` lists them), looked at after every event. Money
 * is in `checks-money.ts`; here are jobs, which must end (I7), and what a node signs and stores,
 * which a crash must not change (I8). An event that touches none of it costs next to nothing.
 */
import type { Gossiped, Signed } from '#protocol/effects'
import type { JobRecord } from '#protocol/market'
import type { Params } from '#protocol/params'
import type { Address, Id, Kind, Message, ProofRequest } from '#protocol/schema'
import type { Actor, World } from './actor.ts'
import { MoneyChecks } from './checks-money.ts'
import { identityOf } from './messages.ts'
import type { Violation } from './result.ts'
import { type Simulator, START_AT } from './simulator.ts'

/** A disk as a crash left it. */
type Disk = {
  readonly records: ReadonlyMap<Id, JobRecord>
  readonly signed: ReadonlyMap<string, Signed<Kind, Message>>
}
/** A job to be looked at, everywhere or at one actor. */
type Look = { readonly at: number; readonly request: ProofRequest; readonly id: Id } & {
  readonly only: Address | null
}

/** Violations kept in full; more are only counted. */
const MOST_KEPT = 20
/** Clocks are off by up to 100 ms, and a laggy node is busy for a second or two. */
const SLACK_MS = 5_000

export class Checks {
  /** The first 20, in order. */
  readonly violations: Violation[] = []
  /** All there were. */
  count = 0
  readonly #simulator: Simulator
  readonly #params: Params
  readonly #actors: ReadonlyMap<Address, Actor>
  readonly #money: MoneyChecks
  /** Who may break its word: adversaries. */
  readonly #excused = new Set<Address>()
  /** When proofs were ready, by request and prover. ms since the Unix epoch. */
  readonly #proved = new Map<string, number>()
  readonly #accepted = new Set<string>()
  /** What each node said and signed, by identity. */
  readonly #words = new Map<string, Id>()
  /** Jobs to be looked at, by time. */
  readonly #looks: Look[] = []
  #nextLookAt = Number.POSITIVE_INFINITY
  /** Jobs that were over while an actor was down. */
  readonly #overdue = new Map<Address, Look[]>()
  readonly #disks = new Map<Address, Disk>()
  readonly #downSince = new Map<Address, number>()
  /** Restarted in this event. */
  readonly #restarted: { readonly actor: Actor; readonly ids: readonly Id[] }[] = []

  /** Looks on from now on; money that is there counts as deposited. */
  constructor({ simulator, chain, params, actors }: Omit<World, 'checks'>) {
    this.#simulator = simulator
    this.#params = params
    this.#actors = actors
    const witness = {
      provedAt: (requestId: Id, prover: Address) =>
        this.#proved.get(`${requestId}/${prover}`) ?? null,
      hasAccepted: (prover: Address, id: Id) =>
        this.#isWatched(prover) ? this.#accepted.has(`${prover}/${id}`) : null,
      absentSince: (account: Address) =>
        this.#excused.has(account) ? 0 : (this.#downSince.get(account) ?? null),
    }
    this.#money = new MoneyChecks(chain, params, witness, (invariant, what) =>
      this.#report(invariant, `${this.#money.lastEvent}: ${what}`),
    )
    chain.watch = this.#money
    simulator.onEvent = () => this.afterEvent()
  }

  /** An adversary: what it says and how long it takes is not held against it. Its money is. */
  excuse(account: Address): void {
    this.#excused.add(account)
  }

  #isWatched(account: Address): boolean {
    return this.#actors.has(account) && !this.#excused.has(account)
  }

  #report(invariant: Violation['invariant'], what: string): void {
    this.count += 1
    if (this.violations.length >= MOST_KEPT) return
    const { executed, elapsedMs } = this.#simulator
    this.violations.push({ invariant, atMs: elapsedMs, event: Math.max(0, executed - 1), what })
  }

  /** The simulator calls it after each event. */
  afterEvent(): void {
    if (this.#money.isDirty) this.#money.recount()
    if (this.#simulator.now >= this.#nextLookAt) this.#lookAtJobs()
    if (this.#restarted.length > 0) this.#lookAtRestarted()
  }

  // --- What actors tell --------------------------------------------------------------------------

  /** This actor gossips a message of its own. */
  said(account: Address, from: Gossiped): void {
    this.#hold(account, identityOf(from), from.id)
    if (from.kind === 'ProofRequest' && from.message.builder === account)
      this.#lookAtItsEnd(from.id, from.message)
  }

  /** This actor signed a message, under the name it has on its disk. */
  signed(account: Address, name: string, { kind, id }: Signed<Kind, Message>): void {
    this.#hold(account, `signed/${name}`, id)
    if (kind === 'Acceptance') this.#accepted.add(`${account}/${id}`)
  }

  /** This actor's backend ended with a proof. */
  proved(account: Address, requestId: Id): void {
    const pair = `${requestId}/${account}`
    if (!this.#proved.has(pair)) this.#proved.set(pair, this.#simulator.now)
  }

  // --- I8: a crash changes nothing ---------------------------------------------------------------

  #hold(account: Address, identity: string, id: Id): void {
    const key = `${account}/${identity}`
    const earlier = this.#words.get(key)
    if (earlier === undefined) this.#words.set(key, id)
    else if (earlier !== id && !this.#excused.has(account))
      this.#report('I8', `${account} says ${id} as ${identity}, and said ${earlier} before`)
  }

  /** An actor is about to lose all but its disk. */
  crashed({ account, disk }: Actor): void {
    this.#downSince.set(account, this.#simulator.now)
    this.#disks.set(account, { records: new Map(disk.records), signed: new Map(disk.signed) })
  }

  /** An actor is about to start again from its disk. */
  restarted(actor: Actor): void {
    const { account, disk } = actor
    const left = this.#disks.get(account)
    this.#disks.delete(account)
    this.#downSince.delete(account)
    const at = this.#simulator.now + SLACK_MS
    for (const look of this.#overdue.get(account) ?? []) this.#add({ ...look, at })
    this.#overdue.delete(account)
    if (!left || this.#excused.has(account)) return
    const ids = [...left.records.keys()]
    const records = ids.filter((id) => disk.records.get(id) !== left.records.get(id))
    const signed = [...left.signed].filter(([name, from]) => disk.signed.get(name) !== from)
    const lost = [...records, ...signed.map(([name]) => name)]
    const what = `restart of ${account}: its disk has lost or changed ${lost.join(', ')}`
    if (lost.length > 0) this.#report('I8', what)
    this.#restarted.push({ actor, ids: ids.filter((id) => disk.records.has(id)) })
  }

  /** What was on its disk is in its market again. */
  #lookAtRestarted(): void {
    for (const { actor, ids } of this.#restarted.splice(0)) {
      const lost = actor.isUp ? ids.filter((id) => !actor.market.job(id)) : []
      const what = `restart of ${actor.account}: it has forgotten ${lost.join(', ')}`
      if (lost.length > 0) this.#report('I8', what)
    }
  }

  // --- I7: every job ends ------------------------------------------------------------------------

  /** At the end of the windows for payment (rule J3), at every node that knows the job. */
  #lookAtItsEnd(id: Id, request: ProofRequest): void {
    const endS = Math.ceil(request.dueAt / 1_000) + 2 * this.#params.claimWindowS
    this.#add({ at: endS * 1_000 + SLACK_MS, request, id, only: null })
  }

  #add(look: Look): void {
    let place = this.#looks.length
    while (place > 0 && this.#looks[place - 1]!.at > look.at) place -= 1
    this.#looks.splice(place, 0, look)
    this.#nextLookAt = this.#looks[0]!.at
  }

  #lookAtJobs(): void {
    const { now } = this.#simulator
    while (this.#looks[0] && this.#looks[0].at <= now) this.#lookAt(this.#looks.shift()!)
    this.#nextLookAt = this.#looks[0]?.at ?? Number.POSITIVE_INFINITY
  }

  #lookAt(look: Look): void {
    const open: Address[] = []
    for (const [account, actor] of this.#actors) {
      if (this.#excused.has(account) || (look.only !== null && look.only !== account)) continue
      if (!actor.isUp) this.#postpone(account, look)
      else if (actor.market.job(look.id)?.outcome === null) open.push(account)
    }
    if (open.length === 0) return
    const { builder, nonce, dueAt } = look.request
    const what = `job ${look.id} (nonce ${nonce} of ${builder}), due ${dueAt - START_AT} ms after the start`
    this.#report('I7', `${what}, has not ended at ${open[0]} and ${open.length - 1} more`)
  }

  /** Who is down gets as long after its restart. */
  #postpone(account: Address, { request, id }: Look): void {
    const overdue = this.#overdue.get(account) ?? []
    this.#overdue.set(account, overdue)
    overdue.push({ at: 0, request, id, only: account })
  }
}
