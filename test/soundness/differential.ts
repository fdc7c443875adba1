/**
 * The circuit beside the state function, over calls drawn from a seed. What `applyAction` does must
 * be provable, with exactly its roots; what it lets fail, as a failure and not as a success; what
 * it does or refuses, not as a failure for any reason.
 */
import type { EntryWitness } from '#protocol/ledger'
import { applyAction } from '#protocol/ledger'
import { checkEntry } from '#protocol/ledger-check'
import type { Ledgers } from '#protocol/ledger-tree'
import type { Entry } from '#protocol/table'
import { HEADER_WORDS, type Shape } from '#protocol/words'
import type { CircuitInput } from '#prover-agent/circuits/witness'
import { Random } from '#simulations/random'
import { failureClaims, inputOf, successClaim, wordsOf } from '#test/support/circuit-claims'
import { context, program, tableOf } from '#test/support/ledger-sample'
import { type Drawn, randomCall, randomLedgers } from './random-calls.ts'

export type DifferentialOptions = {
  readonly seed: number
  readonly calls: number
  /** Lies about failures that are tried for each call; all 13 where it is higher. */
  readonly lies: number
  readonly shape: Shape
  readonly ask: (input: CircuitInput) => Promise<string>
  readonly progress?: (line: string) => void
}

export type DifferentialResult = {
  readonly done: number
  readonly failed: number
  readonly refused: number
  /** Calls by what became of them. */
  readonly kinds: ReadonlyMap<string, number>
  /** Lies that were tried. */
  readonly lies: number
  /** Where circuit and state function differ. Empty if they never do. */
  readonly differences: readonly string[]
}

/** Calls after which the ledgers are drawn anew. */
const WORLD_CALLS = 50
const [ROOT_BEFORE, ROOT_AFTER] = [HEADER_WORDS + 30, HEADER_WORDS + 31]

export async function runDifferential(options: DifferentialOptions): Promise<DifferentialResult> {
  const run = new Differential(options)
  const { progress = () => {}, calls } = options
  for (let at = 0; at < calls; at++) {
    await run.next(at)
    if ((at + 1) % 50 === 0)
      progress(`${at + 1} of ${calls} calls, ${run.differences.length} differ`)
  }
  await run.flush()
  return run.result()
}

class Differential {
  readonly differences: string[] = []
  readonly #kinds = new Map<string, number>()
  readonly #options: DifferentialOptions
  readonly #random: Random
  #ledgers: Ledgers = new Map()
  #counts = { done: 0, failed: 0, refused: 0, lies: 0 }
  /** Honest entries that wait for a second one. */
  #waiting: { readonly entry: Entry; readonly witness: EntryWitness; readonly what: string }[] = []

  constructor(options: DifferentialOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
  }

  result(): DifferentialResult {
    return { ...this.#counts, kinds: this.#kinds, differences: this.differences }
  }

  async next(at: number): Promise<void> {
    if (at % WORLD_CALLS === 0) this.#ledgers = randomLedgers(this.#random)
    const drawn = randomCall(this.#random, this.#ledgers)
    const before = this.#ledgers
    const step = applyAction(before, context, drawn.action, drawn.signature)
    const { action } = drawn
    const what = `call ${at}: ${action.actionType} ${action.data.slice(0, 10)}`
    if (typeof step === 'string') {
      this.#count('refused', `${action.actionType} refused: ${step}`)
      await this.#tellLies(before, drawn, `${what}, refused (${step})`, true)
      return
    }
    const { deltas, next, witness, failure } = step
    const entry = { deltas, action, next }
    const outcome = failure === null ? 'done' : 'failed'
    this.#count(outcome, failure === null ? `${action.actionType} done` : `failed: ${failure}`)
    if (checkEntry(tableOf([entry]), program, this.#options.shape.depth, 0, witness) !== null) {
      this.differences.push(`${what}: the plain check refuses what the state function did`)
    }
    await this.#honest({ entry, witness, what: `${what}, ${outcome} (${failure})` })
    await this.#tellLies(before, drawn, `${what}, ${outcome} (${failure})`, failure !== null)
    this.#ledgers = step.ledgers
  }

  #count(outcome: 'done' | 'failed' | 'refused', kind: string): void {
    this.#counts[outcome] += 1
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1)
  }

  async #honest(one: { entry: Entry; witness: EntryWitness; what: string }): Promise<void> {
    this.#waiting.push(one)
    if (this.#waiting.length === this.#options.shape.entries) await this.flush()
    const { shape, ask } = this.#options
    const input = inputOf(tableOf([one.entry]), [one.witness], shape)
    for (const at of [ROOT_BEFORE, ROOT_AFTER]) {
      // Not with the digest that fits: the entry is refused before anybody looks at it.
      const words = wordsOf(input)
      const other = { ...input, words: words.with(at, words[at]! + 1n).map(String) }
      this.#demand(await ask(other), false, `${one.what}: with another root, word ${at}`)
    }
  }

  /** Proves what waits, together. */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return
    const table = tableOf(this.#waiting.map(({ entry }) => entry))
    const witnesses = this.#waiting.map(({ witness }) => witness)
    const input = inputOf(table, witnesses, this.#options.shape)
    const what = this.#waiting.map((one) => one.what).join(' / ')
    this.#waiting = []
    this.#demand(await this.#options.ask(input), true, what)
  }

  async #tellLies(
    before: Ledgers,
    { action, signature }: Drawn,
    what: string,
    canDo: boolean,
  ): Promise<void> {
    const { shape, ask, lies } = this.#options
    if (action.actionType === 'RESULT') return
    if (canDo) {
      const claim = successClaim(before, action, shape, signature)
      if (claim !== null) this.#demand(await ask(claim), false, `${what}: as a success`)
    }
    // Some other reason may be as true as the one that is named first.
    if (what.includes(', failed')) return
    const claims = failureClaims(before, action, shape)
    while (claims.length > lies) claims.splice(this.#random.index(claims.length), 1)
    for (const { reason, input } of claims) {
      this.#demand(await ask(input), false, `${what}: as failed for ${reason}`)
    }
  }

  #demand(answer: string, accepted: boolean, what: string): void {
    if (!accepted) this.#counts.lies += 1
    if ((answer === 'accepted') !== accepted) this.differences.push(`${what}: ${answer}`)
  }
}
