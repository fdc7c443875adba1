/**
 * For each constraint that the circuit's sources state, an input that is refused, and accepted as
 * soon as that one constraint is gone. Such inputs are found by spoiling honest ones: a signal, a
 * flag or a word is changed (or a value inside, where that is what the mutant leaves open), then
 * the words that follow from it are made to fit, so that nothing else is wrong.
 */
import { signEddsa } from '#protocol/eddsa'
import { FIELD_ORDER, fromHex, poseidon, toHex } from '#protocol/field'
import {
  encodeBalance,
  encodeDeposit,
  encodeSend,
  encodeWithdraw,
  signTransaction,
} from '#protocol/ledger-calls'
import { callFailures } from '#protocol/ledger-failures'
import { accountOf, withAccount } from '#protocol/ledger-tree'
import type { Hex } from '#protocol/schema'
import { dataWords } from '#protocol/words'
import { type CircuitInput, flagNames } from '#prover-agent/circuits/witness'
import { failureClaims, inputOf, successClaim } from '#test/support/circuit-claims'
import { failures } from '#test/support/ledger-failures'
import {
  context,
  operations,
  sampleLedgers,
  secret,
  till,
  transaction,
} from '#test/support/ledger-sample'
import { type Gap, type KnobCircuit, mod, subjectOf } from './knobs.ts'
import type { Mutant } from './mutable-circuit.ts'

export type Named = { readonly name: string; readonly input: CircuitInput }
/** How a mutant was caught. */
export type Catch = { readonly mutant: Mutant; readonly by: string }

export const SHAPE = { entries: 1, depth: 4 } as const

/** Honest inputs of every kind of entry. */
export const honestInputs = (): Named[] =>
  [...operations(SHAPE.depth), ...failures(SHAPE.depth)].map(({ name, table, witness }) => ({
    name,
    input: inputOf(table, [witness], SHAPE),
  }))

/** Lies whose hashes all fit: failures of calls that succeed, and the other way round. */
export const lies = (): Named[] => [...callLies(), ...signedLies()]

function callLies(): Named[] {
  return failures(SHAPE.depth).flatMap(({ name, entry, ledgers, mended }) => {
    const success = successClaim(ledgers, entry.action, SHAPE)
    const claims = failureClaims(mended.ledgers, mended.action, SHAPE)
    return [
      ...(success === null ? [] : [{ name: `${name}, as a success`, input: success }]),
      ...claims.map(({ reason, input }) => ({ name: `${name}, mended, as ${reason}`, input })),
    ]
  })
}

/** What a key signed and must not have: other functions, failures, odd nonces, another tag. */
function signedLies(): Named[] {
  const ledgers = sampleLedgers(SHAPE.depth)
  const first = ledgers.get(1n)!
  const sign = (data: Hex, nonce = 0n) =>
    signTransaction(secret(1), context, { rollup: 1n, account: 3, data, nonce })
  const named = (name: string, input: CircuitInput | null) =>
    input === null ? [] : [{ name, input }]
  const plain = [encodeDeposit(), encodeBalance()].flatMap((data) =>
    named('a signed call', successClaim(ledgers, transaction(data), SHAPE, sign(data))),
  )
  const much = encodeSend(1n, 1, 2_000n)
  const failed = failureClaims(ledgers, transaction(much), SHAPE, sign(much))
  const withdrawal = encodeWithdraw(till, 250n)
  const odd = [(1n << 64n) - 1n, FIELD_ORDER - 1n].flatMap((nonce) => {
    const account = { ...accountOf(first, 3)!, nonce }
    const at = new Map(ledgers).set(1n, withAccount(first, 3, account))
    const claim = successClaim(at, transaction(withdrawal), SHAPE, sign(withdrawal, nonce))
    return named(`a signed withdrawal with the nonce ${nonce}`, claim)
  })
  return [
    ...plain,
    ...failed.map(({ reason, input }) => ({ name: `signed, as ${reason}`, input })),
    ...odd,
  ]
}

/** A withdrawal whose key signed the same under a tag that is one more. */
export function underAnotherTag(): Named {
  const data = encodeWithdraw(till, 250n)
  const tag = BigInt(toHex(new TextEncoder().encode('proofwire/l2tx/1'))) + 1n
  const where = [BigInt(context.chainId), BigInt(context.venue), 1n, 3n]
  const message = poseidon([tag, ...where, ...dataWords(fromHex(data)).slice(0, 5), 0n])
  const signature = signEddsa(secret(1), message)
  const ledgers = sampleLedgers(SHAPE.depth)
  const input = successClaim(ledgers, transaction(data), SHAPE, signature)!
  return { name: 'a signature under another tag', input }
}

type Values = CircuitInput[string]
const first = (input: CircuitInput, name: string) => (input[name] as Values[])[0] as Values

function changed(
  input: CircuitInput,
  name: string,
  at: number | null,
  value: bigint,
): CircuitInput {
  const text = String(mod(value))
  if (name === 'words') return { ...input, words: (input.words as string[]).with(at!, text) }
  if (name === 'p' || name === 'x' || name === 'y') return { ...input, [name]: text }
  const old = first(input, name)
  return { ...input, [name]: [at === null ? text : (old as string[]).with(at, text)] }
}

/** Other values of a number than the honest one: one more, and around what it is limited by. */
const odd: Readonly<Record<string, readonly bigint[]>> = {
  amount: [-1n, 1n << 96n, 1_001n, 1_000n],
  balance: [-1n, 1n << 96n, (1n << 96n) - 1n, 99n],
  nonce: [(1n << 64n) - 1n, 1n << 64n],
  creditedBalance: [1n << 96n, (1n << 96n) - 1n, -50n],
  paid: [-1n, 1n << 96n],
  index: [16n, 0n],
  creditedIndex: [16n, 0n],
  to: [16n, 0n],
}

const FIRST_REASON = flagNames.length - callFailures.length

type Spoiled = Named & { readonly frozen: string | null }

/** An honest input with one thing changed, each in turn. */
export function* spoil({ name, input }: Named): Generator<Spoiled> {
  const one = (what: string, other: CircuitInput, frozen: string | null = null): Spoiled => ({
    name: `${name}: ${what}`,
    input: other,
    frozen,
  })
  const flags = first(input, 'flags') as string[]
  const withFlags = (other: string[]): CircuitInput => ({ ...input, flags: [other] })
  yield one('no flags', withFlags(flags.map(() => '0')))
  for (const [at, flag] of flags.entries()) {
    yield one(`flag ${at}`, withFlags(flags.with(at, flag === '1' ? '0' : '1')))
    yield one(`flag ${at} of two`, withFlags(flags.with(at, '2')))
    if (at < 5)
      yield one(
        `kind ${at}`,
        withFlags(flags.map((old, of) => (of === at ? '1' : of < 5 ? '0' : old))),
      )
  }
  const isFailing = flags.indexOf('1', FIRST_REASON) >= 0
  for (let at = FIRST_REASON; isFailing && at < flags.length; at++) {
    const moved = flags.map((old, of) => (of < FIRST_REASON ? old : of === at ? '1' : '0'))
    yield one(`reason ${at}`, withFlags(moved))
  }
  for (const signal of Object.keys(input)) {
    if (['p', 'x', 'y', 'words', 'flags'].includes(signal)) continue
    const old = first(input, signal)
    if (typeof old !== 'string') {
      for (const at of signal.toLowerCase().includes('siblings') ? [0] : old.keys()) {
        yield one(`${signal} ${at}`, changed(input, signal, at, BigInt(old[at] as string) + 1n))
      }
      continue
    }
    for (const value of [BigInt(old) + 1n, ...(odd[signal] ?? [])]) {
      yield one(`${signal} ${value}`, changed(input, signal, null, value))
    }
  }
  for (const pair of [
    ['amount', 'paid'],
    ['index', 'from'],
    ['to', 'creditedIndex'],
  ] as const) {
    const more = (given: CircuitInput, signal: string) =>
      changed(given, signal, null, BigInt(first(given, signal) as string) + 1n)
    yield one(pair.join(' and '), pair.reduce(more, input))
  }
  for (const signal of ['p', 'x', 'y']) {
    const value = BigInt(input[signal] as string) + 1n
    yield one(signal, changed(input, signal, null, value), signal)
  }
  for (const [at, word] of (input.words as string[]).entries()) {
    // One more would be the sample's own rollup, where a rollup is named.
    for (const by of [1n, 5n]) {
      yield one(`word ${at} + ${by}`, changed(input, 'words', at, BigInt(word) + by), `words ${at}`)
    }
  }
}

const PARTS = 'ledger-parts.circom'
/** Makes what is left over a limit positive where a sample's number is at it. */
const HINT_OFF = -2n

/** How far a lie about a number wants it off: the samples' balances are 1,000. */
const FAR = [1n, -1n, 5_000n]

/** Rounds after which words that still do not fit never will. */
const REPAIRS = 4

/**
 * The input with its words made to fit, and what is still wrong. Null where that is more than
 * `most` things, or nothing fits.
 */
async function repair(
  circuit: KnobCircuit,
  { input, frozen }: Pick<Spoiled, 'input' | 'frozen'>,
  most: number,
  knobs: ReadonlyMap<number, bigint> = new Map(),
): Promise<{ readonly input: CircuitInput; readonly gaps: readonly Gap[] } | null> {
  let now = input
  for (let round = 0; ; round++) {
    const looked = await circuit.look(now, knobs)
    if ('error' in looked) return null
    const { gaps } = looked
    const before = now
    const lost = gaps.filter((gap) => subjectOf(gap) === null).map(({ mutant }) => mutant)
    // What is wrong without a word in it stays wrong.
    if (new Set(lost).size > most) return null
    if (round < REPAIRS) {
      for (const gap of gaps) {
        const subject = subjectOf(gap)
        if (subject === null) continue
        const { name, at } = subject
        if (frozen === (name === 'words' ? `words ${at}` : name)) continue
        const old = name === 'words' ? (before.words as string[])[at]! : (before[name] as string)
        now = changed(now, name, at, BigInt(old) - gap.by)
      }
    }
    if (now === before) return { input: now, gaps }
  }
}

export class MutantHunt {
  readonly caught = new Map<number, Catch>()
  readonly #circuit: KnobCircuit
  /** Those that are wanted and not caught yet. */
  readonly #open: Map<number, Mutant>

  constructor(circuit: KnobCircuit, wanted: readonly Mutant[]) {
    this.#circuit = circuit
    this.#open = new Map(wanted.map((mutant) => [mutant.knob, mutant]))
  }

  /** Caught by an earlier run. */
  take(mutant: Mutant, by: string): void {
    this.#open.delete(mutant.knob)
    this.caught.set(mutant.knob, { mutant, by })
  }

  get open(): Mutant[] {
    return [...this.#open.values()]
  }

  /** Checks and calls that this input, made to fit, is the only one to break. */
  async trySpoiled(spoiled: Spoiled): Promise<void> {
    const repaired = await repair(this.#circuit, spoiled, 1)
    if (repaired === null) return
    const broken = [...new Set(repaired.gaps.map(({ mutant }) => mutant))]
    if (broken.length > 1) return
    // A part that is asked nothing does not say what is wrong in it.
    const hidden = this.open.filter(
      ({ kind, file }) => kind === 'call' || (kind === 'check' && file === PARTS),
    )
    const suspects = broken.length === 1 ? broken : hidden
    const wanted = suspects.filter(({ knob }) => this.#open.has(knob))
    if (wanted.length === 0 || (await this.#circuit.accepts(repaired.input, new Map()))) return
    for (const mutant of wanted) {
      if (await this.#verify(repaired.input, mutant, 1n, spoiled.name)) return
    }
  }

  /** Values and inputs: the honest input with one of them off, and the words made to fit. */
  async tryOff(mutant: Mutant, { name, input, frozen }: Spoiled, by: bigint): Promise<void> {
    if (!this.#open.has(mutant.knob)) return
    const knobs = new Map([[mutant.knob, by]])
    const repaired = await repair(this.#circuit, { input, frozen }, 0, knobs)
    if (repaired === null || repaired.gaps.length > 0) return
    // It is off where it does not matter: the statement is the honest one.
    if (frozen === null && repaired.input === input) return
    if (await this.#circuit.accepts(repaired.input, new Map())) return
    await this.#verify(repaired.input, mutant, by, `${name}, off by ${by}`)
  }

  /** Values inside the parts that show reasons, which a lie that fits would want to be off. */
  async tryLie({ name, input }: Named): Promise<void> {
    const inside = /^(signal part|signal distance|other|measured|beside)\b/
    for (const mutant of this.open.filter(({ text }) => inside.test(text))) {
      for (const by of FAR) {
        if (await this.#verify(input, mutant, by, `${name}, off by ${by}`)) break
      }
    }
    // What a part is told, and does not check then.
    for (const mutant of this.open.filter(({ file, kind }) => kind === 'check' && file === PARTS)) {
      for (const knob of this.#circuit.hints) {
        const other = new Map([[knob, HINT_OFF]])
        const how = `${name}, with another hint`
        if (await this.#verify(input, mutant, 1n, how, other)) break
      }
    }
  }

  /** @param input What the circuit refuses. */
  async #verify(
    input: CircuitInput,
    mutant: Mutant,
    by: bigint,
    how: string,
    others: ReadonlyMap<number, bigint> = new Map(),
  ): Promise<boolean> {
    const knobs = new Map([...others, [mutant.knob, by] as const])
    if (!(await this.#circuit.accepts(input, knobs))) return false
    this.take(mutant, how)
    return true
  }
}
