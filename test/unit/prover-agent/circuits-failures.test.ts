/** Entries that say that a call failed: what the circuit accepts of them, and no lie about them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIELD_ORDER } from '#protocol/field'
import type { EntryWitness } from '#protocol/ledger'
import { accountOf, withAccount } from '#protocol/ledger-tree'
import { HEADER_WORDS } from '#protocol/words'
import { buildShape } from '#prover-agent/circuits/build'
import { shapeFiles, shapes } from '#prover-agent/circuits/shapes'
import { type CircuitInput, flagNames } from '#prover-agent/circuits/witness'
import {
  failureClaims,
  inputOf,
  successClaim,
  withSignal,
  withWords,
  wordsOf,
} from '#test/support/circuit-claims'
import { Circuit } from '#test/support/circuit-process'
import { type Failure, failures } from '#test/support/ledger-failures'
import { otherProgram, program, sample, tableOf } from '#test/support/ledger-sample'

const { tiny } = shapes
const all = failures(tiny.depth)

/** Failures before the data is read, of the caller, of a number, and of the payee. */
const telling = ['no-function', 'no-place', 'not-owner', 'insufficient-balance', 'no-payee'].map(
  (reason) => all.find((failure) => failure.reason === reason)!,
)

let circuit: Circuit
beforeAll(async () => {
  await buildShape('tiny', () => {})
  circuit = new Circuit(shapeFiles('tiny').wasm)
}, 180_000)
afterAll(() => circuit.close())

const ask = (input: CircuitInput) => circuit.ask(input)
const honest = ({ table, witness }: Failure): CircuitInput => inputOf(table, [witness], tiny)

const ENTRY_END = HEADER_WORDS + 42
const [DESTINATION, VALUE, SOURCE] = [2, 3, 5].map((at) => HEADER_WORDS + at)
const [SECOND_PROGRAM, NEXT_VALUE] = [HEADER_WORDS + 36, HEADER_WORDS + 17]

describe('the circuit accepts a call that fails', () => {
  test.each(all)('$name', async (failure) => {
    expect(await ask(honest(failure))).toBe('accepted')
  })

  test('beside another entry, and hands any value back', async () => {
    const [first, second] = [all[0]!, all.at(-1)!]
    const table = tableOf([first.entry, second.entry])
    expect(await ask(inputOf(table, [first.witness, second.witness], tiny))).toBe('accepted')
    const words = wordsOf(honest(first))
    const richer = words.with(VALUE!, 12n).with(NEXT_VALUE!, 12n)
    expect(await ask(withWords(honest(first), richer))).toBe('accepted')
    const poorer = words.with(VALUE!, 12n).with(NEXT_VALUE!, 11n)
    expect(await ask(withWords(honest(first), poorer))).toContain('LedgerEntry')
  })
})

describe('the circuit refuses', () => {
  test.each(telling)('any other word that would make $name untrue', async (failure) => {
    const input = honest(failure)
    const words = wordsOf(input)
    const unchecked: number[] = []
    for (let at = HEADER_WORDS; at < ENTRY_END; at++) {
      const other = words.with(at, (words[at]! + 1n) % FIELD_ORDER)
      const answer = await ask({ ...input, words: other.map(String) })
      if (answer.includes('LedgerEntry')) continue
      expect(answer).toContain('LedgerTable')
      unchecked.push(at)
    }
    expect(unchecked.filter((at) => !isFree(failure, at))).toEqual([])
  })

  test.each(all)('$name as anything else', async (failure) => {
    const input = honest(failure)
    const flags = (input.flags as string[][])[0]!
    for (const [at, name] of flagNames.entries()) {
      const other = withSignal(input, 'flags', flags.with(at, flags[at] === '1' ? '0' : '1'))
      expect(await ask(other), name).toContain('LedgerEntry')
    }
    const claim = successClaim(failure.ledgers, failure.entry.action, tiny)
    if (claim !== null) expect(await ask(claim)).toContain('LedgerEntry')
  })

  test.each(all)('$name where the call succeeds, for whatever reason', async ({ mended }) => {
    const success = successClaim(mended.ledgers, mended.action, tiny)!
    expect(await ask(success)).toBe('accepted')
    for (const { reason, input } of failureClaims(mended.ledgers, mended.action, tiny)) {
      expect(await ask(input), reason).toContain('LedgerEntry')
    }
  })

  test('an account as missing that is there, or its payee', async () => {
    const { entry, witness, ledgers } = named('no-account')
    const first = ledgers.get(1n)!
    const account = { ...accountOf(first, 1)!, balanceWei: 0n, nonce: 0n, key: [0n, 0n] as const }
    const opened = new Map(ledgers).set(1n, withAccount(first, 2, account))
    for (const { input } of failureClaims(opened, entry.action, tiny)) {
      expect(await ask(input)).toContain('LedgerEntry')
    }
    expect(await ask(inputOf(tableOf([entry]), [witness], tiny))).toBe('accepted')
    const unpaid = named('no-payee')
    const credited = { ...unpaid.witness.credited!, index: 4 }
    const elsewhere = inputOf(unpaid.table, [{ ...unpaid.witness, credited }], tiny)
    expect(await ask(elsewhere)).toContain('LedgerEntry')
  })

  test('a payee that is missing from another tree than the one that pays', async () => {
    const { table, witness, ledgers } = named('no-payee')
    const { siblings } = witness.credited!
    const credited = { ...witness.credited!, siblings: siblings.with(0, siblings[0]! + 1n) }
    expect(ledgers.size).toBe(2)
    expect(await ask(inputOf(table, [{ ...witness, credited }], tiny))).toContain('LedgerEntry')
  })

  test('numbers that would be above a limit only around the field’s end', async () => {
    const { entry, ledgers } = named('insufficient-balance')
    for (const wei of [0n, 1n, 999n, 1_000n]) {
      const data = entry.action.data.slice(0, -64) + wei.toString(16).padStart(64, '0')
      const action = { ...entry.action, data: data as typeof entry.action.data }
      const claims = failureClaims(ledgers, action, tiny)
      const { input } = claims.find(({ reason }) => reason === 'insufficient-balance')!
      expect(await ask(input), String(wei)).toContain('Num2Bits')
    }
    for (const wei of [1_001n, (1n << 253n) - 1n, (1n << 253n) + 1_001n, FIELD_ORDER - 1n]) {
      const data = entry.action.data.slice(0, -64) + wei.toString(16).padStart(64, '0')
      const action = { ...entry.action, data: data as typeof entry.action.data }
      const claims = failureClaims(ledgers, action, tiny)
      const { input } = claims.find(({ reason }) => reason === 'insufficient-balance')!
      expect(await ask(input), String(wei)).toBe('accepted')
    }
  })
})

describe('what the circuit has room for and the table lacks', () => {
  const { table, witnesses } = sample(tiny.depth)
  const short = tableOf(table.entries.slice(0, 1))
  const input = inputOf(short, witnesses.slice(0, 1), tiny)
  const PADDING = ENTRY_END

  test('is words of zero, flags of zero, and anything in the accounts', async () => {
    expect(wordsOf(input).slice(PADDING)).toEqual(Array(42).fill(0n))
    expect(await ask(input)).toBe('accepted')
    expect(await ask(withSignal(input, 'balance', '7', 1))).toBe('accepted')
  })

  test('is no word of another entry: p and y are those of words of zero', async () => {
    for (let at = PADDING; at < PADDING + 42; at += 5) {
      const other = wordsOf(input).with(at, 1n)
      expect(await ask({ ...input, words: other.map(String) }), String(at)).not.toBe('accepted')
    }
  })

  test('has no flag, whatever its words', async () => {
    const none = flagNames.map(() => '0')
    for (const [at, name] of flagNames.entries()) {
      const flagged = withSignal(input, 'flags', none.with(at, '1'), 1)
      expect(await ask(flagged), name).toContain('LedgerEntry')
    }
  })

  test('is the same for entries of other programs, which have no flag either', async () => {
    const nobody: EntryWitness = { acting: null, credited: null }
    const others = inputOf(short, [nobody], tiny, otherProgram)
    expect(await ask(others)).toBe('accepted')
    const none = flagNames.map(() => '0')
    for (const [at, name] of flagNames.entries()) {
      const flagged = withSignal(others, 'flags', none.with(at, '1'))
      expect(await ask(flagged), name).toContain('LedgerEntry')
    }
    expect(program).not.toEqual(otherProgram)
  })
})

function named(reason: string): Failure {
  return all.find((failure) => failure.reason === reason)!
}

/** Words of a call that fails which anybody may choose: it would fail with any other, too. */
function isFree({ reason }: Failure, at: number): boolean {
  const [LENGTH, HASH] = [HEADER_WORDS + 8, HEADER_WORDS + 13]
  if (at === SECOND_PROGRAM) return false
  if (at === SOURCE) return true
  const isData = at >= LENGTH && at <= HASH
  if (isData) return ['no-function', 'no-place', 'no-account'].includes(reason) || at > LENGTH + 1
  return at === DESTINATION && reason === 'no-place'
}
