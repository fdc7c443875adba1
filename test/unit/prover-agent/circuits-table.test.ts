/** The circuit itself: what it accepts, and what it must not, whatever a prover tells it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIELD_ORDER, poseidon, toHex, wordsToBytes } from '#protocol/field'
import type { EntryWitness } from '#protocol/ledger'
import {
  encodeAnswer,
  encodeSend,
  type LedgerContext,
  signTransaction,
} from '#protocol/ledger-calls'
import {
  type Account,
  accountAddress,
  accountOf,
  type Ledger,
  placeOf,
  rootOf,
  withAccount,
} from '#protocol/ledger-tree'
import type { Entry, Table } from '#protocol/table'
import { HEADER_WORDS, messageHash, tableWords } from '#protocol/words'
import { buildShape } from '#prover-agent/circuits/build'
import { shapeFiles, shapes } from '#prover-agent/circuits/shapes'
import { type CircuitInput, checkInputs, flagNames } from '#prover-agent/circuits/witness'
import { inputOf as inputFor, withSignal, withWords, wordsOf } from '#test/support/circuit-claims'
import { Circuit } from '#test/support/circuit-process'
import {
  context,
  operations,
  otherProgram,
  payee,
  program,
  sample,
  sampleLedgers,
  secret,
  tableOf,
} from '#test/support/ledger-sample'

const inputOf = (
  table: Table,
  witnesses: readonly EntryWitness[],
  of = program,
  paid = payee,
): CircuitInput => inputFor(table, witnesses, shapes.tiny, of, paid)
const DEPTH = shapes.tiny.depth
const all = operations(DEPTH)
const named = (name: string) => all.find((operation) => operation.name === name)!
const across = named('a signed send to another rollup')
const honest = inputOf(across.table, [across.witness])

let circuit: Circuit
beforeAll(async () => {
  await buildShape('tiny', () => {})
  circuit = new Circuit(shapeFiles('tiny').wasm)
}, 180_000)
afterAll(() => circuit.close())

const ask = (input: CircuitInput) => circuit.ask(input)

function withWord(input: CircuitInput, at: number, change: (word: bigint) => bigint) {
  const words = wordsOf(input)
  return withWords(input, words.with(at, change(words[at]!)))
}

/** Here only the second delta is the ledger's. */
const RECEIVED = 'what a rollup of another program sends'
const [TYPE, SOURCE] = [HEADER_WORDS, HEADER_WORDS + 5]
const [FIRST, SECOND] = [HEADER_WORDS + 28, HEADER_WORDS + 35]
const [SENT_HASH, RECEIVED_HASH] = [FIRST + 5, SECOND + 6]
const ENTRY_END = HEADER_WORDS + 42
const ANSWER_DATA = [8, 9, 10, 11, 12, 13].map((at) => HEADER_WORDS + at)
/** With another program the second delta is somebody else's. */
const PROGRAM = SECOND + 1
/** Words of an entry that are not the ledger's to say. */
const free: Readonly<Record<string, readonly number[]>> = {
  'plain ether': [SOURCE],
  'a deposit': [SOURCE],
  'a balance': [SOURCE],
  'an answer': ANSWER_DATA,
  'a failure': ANSWER_DATA,
  'a send of the owner to another rollup': [PROGRAM],
  'a signed send to another rollup': [PROGRAM],
  'a send to a rollup of another program': [PROGRAM, PROGRAM + 1, PROGRAM + 2],
  [RECEIVED]: [PROGRAM],
}

describe('the circuit accepts', () => {
  test.each(all)('$name', async ({ table, witness }) => {
    expect(await ask(inputOf(table, [witness]))).toBe('accepted')
  })

  test('two entries in a row, and none of its own', async () => {
    const { table, witnesses } = sample(DEPTH)
    expect(await ask(inputOf(table, witnesses))).toBe('accepted')
    const none = { acting: null, credited: null }
    expect(await ask(inputOf(across.table, [none], otherProgram))).toBe('accepted')
  })

  test('any payee, executor and blocks: the market and the registry judge those', async () => {
    const other = inputOf(across.table, [across.witness], program, context.venue)
    expect(await ask(other)).toBe('accepted')
    const words = wordsOf(honest).map((word, at) => (at >= 2 && at <= 6 ? word + 1n : word))
    expect(await ask(withWords(honest, words))).toBe('accepted')
  })
})

describe('the circuit refuses', () => {
  test.each(all)('any other word of $name', async ({ name, table, witness }) => {
    const input = inputOf(table, [witness])
    const words = wordsOf(input)
    const unchecked: number[] = []
    for (let at = name === RECEIVED ? SECOND : TYPE; at < ENTRY_END; at++) {
      const other = words.with(at, (words[at]! + 1n) % FIELD_ORDER)
      const answer = await ask({ ...input, words: other.map(String) })
      if (answer.includes('LedgerEntry')) continue
      // The digest is left as it was, and fails last of all: nothing in the entry is against it.
      expect(answer).toContain('LedgerTable')
      unchecked.push(at)
    }
    expect(unchecked).toEqual(free[name] ?? [])
  })

  test.each(all)('$name as anything else, or as nobody’s', async ({ table, witness }) => {
    const input = inputOf(table, [witness])
    const flags = (input.flags as string[][])[0]!
    const kinds = flagNames.slice(0, 5)
    const others = flagNames.map((_, at) => flags.with(at, flags[at] === '1' ? '0' : '1'))
    for (const [kind] of kinds.entries()) {
      others.push(flagNames.map((_, at) => (at === kind ? '1' : at < 5 ? '0' : flags[at]!)))
    }
    for (const other of others) {
      if (other.join() === flags.join()) continue
      expect(await ask(withSignal(input, 'flags', other)), other.join()).toContain('LedgerEntry')
    }
  })

  test('another digest, challenge or value than the words have', async () => {
    for (const signal of ['p', 'x', 'y']) {
      const spoiled = { ...honest, [signal]: String(BigInt(honest[signal] as string) + 1n) }
      expect(await ask(spoiled)).toContain('LedgerTable')
    }
  })

  test('the signature of anyone else, or for another chain or venue', async () => {
    const { data } = across.table.entries[0]!.action
    const signed = (signer: number, where: LedgerContext) =>
      signTransaction(secret(signer), where, { rollup: 1n, account: 3, data, nonce: 0n })
    for (const signature of [
      signed(2, context),
      signed(1, { ...context, chainId: 1 }),
      signed(1, { ...context, venue: payee }),
      [0n, 1n, 0n],
    ]) {
      const spoiled = withSignal(honest, 'signature', signature.map(String))
      expect(await ask(spoiled)).toContain('Authorisation')
    }
    for (const at of [0, 1]) {
      const elsewhere = withWord(honest, at, (word) => word + 1n)
      expect(await ask(elsewhere)).toContain('Authorisation')
    }
  })

  test('keys and signature points off the curve', async () => {
    const [x, ...rest] = (honest.signature as string[][])[0]!
    const off = withSignal(honest, 'signature', [String(BigInt(x!) + 1n), ...rest])
    expect(await ask(off)).toContain('BabyCheck')
    expect(await ask(forged({ key: [1n, 2n] }))).toContain('BabyCheck')
  })

  test('overspending, even when every hash and the signature fit', async () => {
    expect(await ask(forged({ wei: 1_000n }))).toBe('accepted')
    expect(await ask(forged({ wei: 1_001n }))).toContain('Num2Bits')
  })

  test('a balance beyond 96 bits, before or after', async () => {
    const nearlyFull = (1n << 96n) - 100n
    expect(await ask(forged({ receiverWei: nearlyFull, wei: 99n }))).toBe('accepted')
    expect(await ask(forged({ receiverWei: nearlyFull }))).toContain('Num2Bits')
    expect(await ask(forged({ balanceWei: 1n << 96n }))).toContain('Num2Bits')
    expect(await ask(forged({ receiverWei: -50n }))).toContain('Num2Bits')
  })

  test('a nonce that would wrap', async () => {
    const last = (1n << 64n) - 1n
    expect(await ask(forged({ nonce: last - 1n }))).toBe('accepted')
    expect(await ask(forged({ nonce: last }))).toContain('Num2Bits')
  })

  test('a payment from one account to itself', async () => {
    expect(await ask(forged({ rollup: 1n, to: 3 }))).toContain('Differ')
  })

  test('a send of less than nothing, which a rollup of another program would pay for', async () => {
    const others = new Map([[2n, otherProgram]])
    expect(await ask(forged({ others }))).toBe('accepted')
    expect(await ask(forged({ others, wei: -100n }))).toContain('Num2Bits')
  })

  test('a message of another rollup that takes money instead of bringing it', async () => {
    expect(await ask(fromElsewhere(100n))).toBe('accepted')
    expect(await ask(fromElsewhere(-100n))).toContain('Num2Bits')
  })

  test('a message a rollup sends to itself', async () => {
    const input = fromElsewhere(100n)
    const words = wordsOf(input).with(FIRST, 2n)
    const same = words.with(RECEIVED_HASH, poseidon([2n, 3n, 2n, 5n, 100n]))
    expect(await ask({ ...input, words: same.map(String) })).toContain('Differ')
  })

  test('a message in another name, or of another amount, than its call says', async () => {
    const { table, witness } = named('a send to a rollup of another program')
    const input = inputOf(table, [witness])
    const sending = (from: bigint, paid: bigint) => {
      const hash = poseidon([1n, from, 2n, 5n, paid])
      const words = wordsOf(input).with(SECOND + 4, paid)
      const said = words.with(SENT_HASH, hash).with(RECEIVED_HASH, hash)
      const changed = withSignal(withSignal(input, 'from', String(from)), 'paid', String(paid))
      return ask(withWords(changed, said))
    }
    expect(await sending(3n, 100n)).toBe('accepted')
    expect(await sending(1n, 100n)).toContain('LedgerEntry')
    expect(await sending(3n, 101n)).toContain('LedgerEntry')
  })

  test('credit for another account than the one that is paid, or in another tree', async () => {
    const two = sampleLedgers(DEPTH).get(2n)!
    const intoSecond = (to: number) => crediting(honest, two, to, SECOND + 3)
    expect(await ask(intoSecond(5))).toBe('accepted')
    expect(await ask(intoSecond(0))).toContain('LedgerEntry')

    const { table, witness } = named('a signed send')
    const input = inputOf(table, [witness])
    const one = sampleLedgers(DEPTH).get(1n)!
    const paid = withAccount(one, 3, { ...accountOf(one, 3)!, balanceWei: 900n, nonce: 1n })
    expect(await ask(crediting(input, paid, 1, FIRST + 3))).toBe('accepted')
    const richer = withAccount(paid, 15, { ...accountOf(paid, 15)!, balanceWei: 9_000n })
    expect(await ask(crediting(input, richer, 1, FIRST + 3))).toContain('LedgerEntry')
  })
})

/** The input with 100 wei for an account of this tree, and the root after it at a word. */
function crediting(input: CircuitInput, ledger: Ledger, index: number, at: number): CircuitInput {
  const { account, siblings } = placeOf(ledger, index)!
  const after = { ...account, balanceWei: account.balanceWei + 100n }
  const rootAfter = BigInt(rootOf(withAccount(ledger, index, after)))
  const credited = {
    creditedIndex: String(index),
    creditedKey: account.key.map(String),
    creditedBalance: String(account.balanceWei),
    creditedNonce: String(account.nonce),
    creditedSiblings: siblings.map(String),
  }
  const signals = Object.entries(credited)
  const changed = signals.reduce((given, [name, value]) => withSignal(given, name, value), input)
  return withWords(changed, wordsOf(input).with(at, rootAfter))
}

/** What an impossible state or call has in place of the sample's. */
type Odd = {
  wei?: bigint
  balanceWei?: bigint
  receiverWei?: bigint
  nonce?: bigint
  key?: Account['key']
  rollup?: bigint
  to?: number
  others?: Parameters<typeof tableOf>[2]
}

const mod = (value: bigint) => ((value % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER

/**
 * Input for a signed send on a state made up by hand: every hash fits, and the signature where
 * there can be one.
 */
function forged({
  wei = 100n,
  balanceWei = 1_000n,
  receiverWei = 1_000n,
  nonce = 0n,
  key = across.witness.acting!.account!.key,
  rollup = 2n,
  to = 5,
  others,
}: Odd): CircuitInput {
  const ledgers = sampleLedgers(DEPTH)
  const paying = withAccount(ledgers.get(1n)!, 3, { key, balanceWei, nonce })
  const after = { key, balanceWei: mod(balanceWei - wei), nonce: nonce + 1n }
  const paid = withAccount(paying, 3, after)
  const gaining =
    rollup === 1n
      ? paid
      : withAccount(ledgers.get(2n)!, to, {
          ...accountOf(ledgers.get(2n)!, 5)!,
          balanceWei: mod(receiverWei),
        })
  const receiver = accountOf(gaining, to)!
  const gainedWei = mod(receiver.balanceWei + wei)
  const gained = withAccount(gaining, to, { ...receiver, balanceWei: gainedWei })
  const data = encodeSend(rollup, to, mod(wei))
  const [entry] = across.table.entries as [Entry]
  const received = messageHash({
    sourceRollup: 1n,
    source: accountAddress(3),
    destinationRollup: rollup,
    destination: accountAddress(to),
    valueWei: mod(wei),
  })
  const [first, second] = entry.deltas as [Entry['deltas'][0], Entry['deltas'][0]]
  const within = rollup === 1n
  const deltas = [
    {
      ...first,
      rootBefore: rootOf(paying),
      rootAfter: rootOf(within ? gained : paid),
      ...(within ? { etherDelta: 0n, sent: second.sent } : { etherDelta: -wei, sent: received }),
    },
    {
      ...second,
      rootBefore: rootOf(gaining),
      rootAfter: rootOf(gained),
      etherDelta: wei,
      received,
    },
  ]
  const changed: Entry = {
    action: { ...entry.action, data },
    next: { ...entry.next, data: encodeAnswer(after.balanceWei) },
    deltas: within ? deltas.slice(0, 1) : deltas,
  }
  const table = tableOf([changed], program, others)
  const signature = signTransaction(secret(1), context, { rollup: 1n, account: 3, data, nonce })
  return inputOf(table, [
    {
      acting: { ...placeOf(paying, 3)!, pending: 0n, amountWei: mod(wei), signature },
      credited: { ...placeOf(gaining, to)!, pending: 0n, from: 3n },
    },
  ])
}

/** Input for what a rollup of another program sends, with everything as the amount says. */
function fromElsewhere(wei: bigint): CircuitInput {
  const { table, witness } = named(RECEIVED)
  const ledger = sampleLedgers(DEPTH).get(2n)!
  const account = accountOf(ledger, 5)!
  const gained = withAccount(ledger, 5, { ...account, balanceWei: account.balanceWei + wei })
  const [entry] = table.entries as [Entry]
  const [first, second] = entry.deltas as [Entry['deltas'][0], Entry['deltas'][0]]
  const hash = messageHash({
    sourceRollup: 1n,
    source: accountAddress(3),
    destinationRollup: 2n,
    destination: accountAddress(5),
    valueWei: mod(wei),
  })
  const deltas = [
    { ...first, etherDelta: -wei, sent: hash },
    { ...second, etherDelta: wei, rootAfter: rootOf(gained), received: hash },
  ]
  return inputOf({ ...table, entries: [{ ...entry, deltas }] }, [witness])
}

describe('checkInputs of an agent', () => {
  test('accepts what the circuit accepts, and refuses programs it has no circuit for', () => {
    const { programId } = shapes.tiny
    const { inputs, terms } = sample(DEPTH, undefined, { key: programId })
    expect(checkInputs(inputs, terms)).toBeNull()
    const other = { ...terms, programId: shapes.n1d16.programId }
    expect(checkInputs(inputs, other)).toBe('wrong-shape')
    const none = { ...terms, programId: toHex(wordsToBytes([0n])) }
    expect(checkInputs(inputs, none)).toBe('unsupported-program')
    expect(tableWords(across.table, program)).toHaveLength(ENTRY_END)
  })
})
