/**
 * Writes the table a transaction needs: simulates it, and whenever the registry finds no entry for
 * an action, asks that action's rollup what it does, adds the entry, and simulates again until the
 * transaction passes.
 *
 * All simulations start from one block, so each goes the way of the one before up to the entry that
 * was missing there. Hence every entry of the table was asked for, and none becomes superfluous.
 */
import { performance } from 'node:perf_hooks'
import { type Address, type Hex, ZERO_ADDRESS } from '#protocol/schema'
import {
  type Action,
  actionHash,
  type Entry,
  encodeTable,
  MAX_ENTRIES,
  type Table,
  type TableContext,
  tableDigest,
  ZERO_HASH,
} from '#protocol/table'
import { checkTable, type TableFault } from '#protocol/table-rules'
import { type Call, postCall, proofDemands } from './batch.ts'
import type { Head, L1 } from './l1.ts'
import { actionText, type FailedCall, type Missing, type Simulation } from './simulation.ts'
import { isRefusedStep, type StateTransition, type Step } from './state-transition.ts'

/** What an account of L1 wants done: these calls, one after the other, or none of them. */
export type Transaction = { readonly from: Address; readonly calls: readonly Call[] }

/** Where and when the table is to be good; `executor` zero or who sends the transaction. */
export type WritingContext = Pick<TableContext, 'firstBlock' | 'lastBlock' | 'executor'> & {
  /** Only for rollups that read L1. Default zero: good on any block. */
  readonly parentHash?: Hex
}

export type Writing = {
  readonly l1: L1
  /** By id: every rollup the transaction may reach. */
  readonly rollups: ReadonlyMap<bigint, StateTransition>
}

export type WrittenTable = {
  readonly table: Table
  /** Its canonical bytes. */
  readonly canonical: Uint8Array
  readonly digest: Hex
  /** One for each entry: what its rollup said. */
  readonly steps: readonly Step[]
  readonly simulations: number
  /** What the simulations took together, and what everything took. ms. */
  readonly simulationMs: number
  readonly totalMs: number
}

export type TableFailureCode =
  | 'CALL_FAILED'
  | 'STEP_REFUSED'
  | 'UNKNOWN_ROLLUP'
  | 'NO_PROGRESS'
  | 'TOO_MANY_ENTRIES'
  | 'BROKEN_RULE'
  | 'NO_ENTRIES'
  | 'WRONG_CONTEXT'

/** No table makes this transaction pass. The message says what is in the way. */
export class TableFailure extends Error {
  override readonly name = 'TableFailure'
  readonly code: TableFailureCode
  /** Of `CALL_FAILED`. */
  readonly call: FailedCall | null
  /** Of `BROKEN_RULE`. */
  readonly fault: TableFault | null
  constructor(
    code: TableFailureCode,
    message: string,
    { call, fault }: { call?: FailedCall; fault?: TableFault } = {},
  ) {
    super(message)
    this.code = code
    this.call = call ?? null
    this.fault = fault ?? null
  }
}

/**
 * Writes the table of a transaction. Takes a simulation for each entry and one more.
 *
 * @param progress Hears one line for each entry.
 * @throws TableFailure; what `L1` throws.
 */
export async function writeTable(
  transaction: Transaction,
  context: WritingContext,
  writing: Writing,
  progress: (line: string) => void = () => {},
): Promise<WrittenTable> {
  const startedAt = performance.now()
  const draft = await Draft.begin(transaction, context, writing, progress)
  while (!(await draft.passes())) await draft.extend()
  const table = draft.table()
  if (table.entries.length === 0) {
    const what = 'the transaction needs no table: none of its calls reaches a rollup'
    throw new TableFailure('NO_ENTRIES', `${what}. Does it call a proxy of this registry?`)
  }
  const canonical = encodeTable(table)
  const { steps, simulations, simulationMs } = draft
  const totalMs = performance.now() - startedAt
  return {
    table,
    canonical,
    digest: tableDigest(canonical),
    steps,
    simulations,
    simulationMs,
    totalMs,
  }
}

/** A table being written. */
class Draft {
  readonly steps: Step[] = []
  simulations = 0
  simulationMs = 0
  readonly #entries: Entry[] = []
  readonly #transaction: Transaction
  readonly #context: WritingContext
  readonly #writing: Writing
  readonly #progress: (line: string) => void
  readonly #head: Head
  /** Where each rollup stands at the point the last simulation reached, as far as we know. */
  readonly #liveRoots: Map<bigint, Hex>
  /** What the last simulation lacked. */
  #lack: Exclude<Simulation, { kind: 'passed' | 'failed' }> | null = null
  /** The entry that was missing last: the next simulation must get further. */
  #missing: Missing | null = null
  /** That entry was written again, for another root of its second rollup. */
  #isMended = false

  static async begin(
    transaction: Transaction,
    context: WritingContext,
    writing: Writing,
    progress: (line: string) => void,
  ): Promise<Draft> {
    const { l1, rollups } = writing
    const { from } = transaction
    if (BigInt(context.executor) !== BigInt(ZERO_ADDRESS) && !isSame(context.executor, from)) {
      const what = `the table is for ${context.executor}, but ${from} sends the transaction`
      throw new TableFailure('WRONG_CONTEXT', `${what}: it could consume no entry`)
    }
    const head = await l1.head()
    if (head.number >= context.lastBlock) {
      const what = `the table’s last block is ${context.lastBlock}, and the chain has ${head.number}`
      throw new TableFailure('WRONG_CONTEXT', `${what}: it could not be posted any more`)
    }
    const ids = [...rollups.keys()]
    const records = await Promise.all(ids.map((id) => l1.rollupOf(id, head.number)))
    const liveRoots = new Map(records.map(({ stateRoot }, at) => [ids[at]!, stateRoot]))
    return new Draft(transaction, context, writing, progress, head, liveRoots)
  }

  private constructor(
    transaction: Transaction,
    context: WritingContext,
    writing: Writing,
    progress: (line: string) => void,
    head: Head,
    liveRoots: Map<bigint, Hex>,
  ) {
    this.#transaction = transaction
    this.#context = context
    this.#writing = writing
    this.#progress = progress
    this.#head = head
    this.#liveRoots = liveRoots
  }

  /** The table so far. */
  table(): Table {
    const { l1, rollups } = this.#writing
    const { parentHash = ZERO_HASH, executor, ...blocks } = this.#context
    const named = new Set(this.#entries.flatMap(({ deltas }) => deltas.map((one) => one.rollupId)))
    const programs = [...named]
      .sort((a, b) => (a < b ? -1 : 1))
      .map((rollupId) => rollups.get(rollupId)!.program)
    return {
      chainId: l1.chainId,
      venue: l1.registry,
      executor: executor.toLowerCase() as Address,
      ...blocks,
      parentHash,
      programs,
      entries: [...this.#entries],
    }
  }

  /** Simulates. @throws TableFailure when more than an entry is missing. */
  async passes(): Promise<boolean> {
    const simulation = await this.#simulate()
    if (simulation.kind === 'failed') throw callFailure(simulation.call, this.#lastAnswer())
    this.#lack = simulation.kind === 'passed' ? null : simulation
    return this.#lack === null
  }

  /** Why the rollup that was asked last let its call fail; null if it did not. */
  #lastAnswer(): string | null {
    const { failure } = this.steps.at(-1) ?? {}
    if (failure === undefined) return null
    return `entry ${this.#entries.length} answers ${actionText(this.#entries.at(-1)!.action)}: ${failure}`
  }

  async #simulate(): Promise<Simulation> {
    const { l1 } = this.#writing
    const { from, calls } = this.#transaction
    const table = this.table()
    const demands = table.entries.length === 0 ? [] : proofDemands(table)
    const unproven = demands.map((demand) => ({ ...demand, proof: '0x' as const }))
    const isEmpty = table.entries.length === 0
    const post = isEmpty ? [] : [postCall(l1.registry, encodeTable(table), unproven)]
    const request = {
      from,
      calls: [...post, ...calls],
      on: this.#head.number,
      blockNumber: Math.max(this.#head.number + 1, this.#context.firstBlock),
      believed: demands.map(({ verifier }) => verifier),
    }
    const startedAt = performance.now()
    const simulation = await l1.simulate(request)
    this.simulationMs += performance.now() - startedAt
    this.simulations += 1
    return simulation
  }

  /** Adds the entry that was missing, or mends the last one. */
  async extend(): Promise<void> {
    const lack = this.#lack!
    if (lack.kind === 'missing') {
      this.#requireProgress(lack)
      this.#missing = lack
      this.#isMended = false
      this.#liveRoots.set(lack.action.rollupId, lack.stateRoot)
      await this.#append(lack)
      return
    }
    // A frame that reverted took the other rollup back to an earlier root: only L1 knows that.
    const { rollupId, actual } = lack
    const second = this.#entries.at(-1)?.deltas[1]
    if (this.#missing === null || second?.rollupId !== rollupId || this.#isMended) {
      const what = `entry ${this.#entries.length} expects another root of rollup ${rollupId}`
      throw new TableFailure('NO_PROGRESS', `${what} than ${actual}, where it stands`)
    }
    this.#isMended = true
    this.#entries.pop()
    this.steps.pop()
    this.#liveRoots.set(rollupId, actual)
    await this.#append(this.#missing)
  }

  #requireProgress({ action, stateRoot, callsBefore }: Missing): void {
    if (this.#entries.length >= MAX_ENTRIES) {
      const what = `the transaction needs more than ${MAX_ENTRIES} entries`
      const next = `the next one is for ${actionText(action)}`
      throw new TableFailure('TOO_MANY_ENTRIES', `${what}: ${next}`)
    }
    const before = this.#missing
    const isAgain =
      before !== null &&
      callsBefore !== null &&
      callsBefore === before.callsBefore &&
      stateRoot === before.stateRoot &&
      isSameAction(action, before.action)
    if (!isAgain) return
    const what = `entry ${this.#entries.length} does not answer ${actionText(action)}`
    const why = 'a static call, perhaps, of something that changes state'
    throw new TableFailure('NO_PROGRESS', `${what}, which it was written for (${why})`)
  }

  async #append({ action, stateRoot }: Missing): Promise<void> {
    const startedAt = performance.now()
    const rollup = this.#writing.rollups.get(action.rollupId)
    if (rollup === undefined) {
      const what = `the transaction calls rollup ${action.rollupId}, which is none of ours`
      throw new TableFailure('UNKNOWN_ROLLUP', `${what}: ${actionText(action)}`)
    }
    const step = await rollup.step(stateRoot, action, this.#liveRoots)
    if (isRefusedStep(step)) {
      const what = `rollup ${action.rollupId} refuses ${actionText(action)}`
      throw new TableFailure('STEP_REFUSED', `${what}: ${step.refused}`)
    }
    for (const { rollupId, rootAfter } of step.deltas) this.#liveRoots.set(rollupId, rootAfter)
    this.steps.push(step)
    this.#entries.push({ deltas: step.deltas, action, next: step.next })
    requireRules(this.table())
    const ms = Math.round(performance.now() - startedAt)
    const number = String(this.#entries.length).padStart(2)
    this.#progress(
      `entry ${number}  ${actionText(action)}  →  ${actionText(step.next)}  (${ms} ms)`,
    )
  }
}

/** The registry would refuse it too, and say less. */
function requireRules(table: Table): void {
  const fault = checkTable(table)
  if (fault === null) return
  const { entry, rule, message } = fault
  const place = entry === null ? 'the table' : `entry ${entry + 1}`
  throw new TableFailure('BROKEN_RULE', `${place} breaks rule ${rule}: ${message}`, { fault })
}

const isSame = (a: Address, b: Address): boolean => BigInt(a) === BigInt(b)

const isSameAction = (a: Action, b: Action): boolean => actionHash(a) === actionHash(b)

function callFailure(call: FailedCall, answer: string | null): TableFailure {
  const { to, selector, reason } = call
  const what = selector === '0x' ? 'plain ether' : `function ${selector}`
  const place = to === null ? 'a call of the transaction' : `the call of ${to} (${what})`
  const because = answer === null ? '' : ` (${answer})`
  return new TableFailure('CALL_FAILED', `${place} failed: ${reason}${because}`, { call })
}
