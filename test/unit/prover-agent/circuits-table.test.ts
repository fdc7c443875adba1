/** The circuit itself, asked by the process that proves: what it accepts, and what it must not. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIELD_ORDER } from '#protocol/field'
import {
  accountOf,
  applyCall,
  type CallDomain,
  type CallWitness,
  createLedger,
  type Ledgers,
  rootOf,
  signCall,
} from '#protocol/ledger'
import { statementOf } from '#protocol/proof'
import { type LedgerCall, poseidonDigest, tableWords } from '#protocol/table'
import { buildShape } from '#prover-agent/circuits/build'
import type { Answer, Question } from '#prover-agent/circuits/prover-process'
import { shapeFiles, shapes } from '#prover-agent/circuits/shapes'
import { type CircuitInput, checkInputs, prepareStatement } from '#prover-agent/circuits/witness'
import {
  context,
  payee,
  sample,
  sampleCall,
  sampleLedgers,
  secret,
} from '#test/support/ledger-sample'

const { table, inputs, terms, witness, words, shape } = sample(shapes.tiny.depth)
const honest = prepareStatement(inputs, payee, shape)!.input

let child: ChildProcess
beforeAll(async () => {
  await buildShape('tiny', () => {})
  const path = fileURLToPath(
    new URL('../../../prover-agent/circuits/prover-process.ts', import.meta.url),
  )
  child = fork(path, [], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
}, 120_000)
afterAll(() => child.kill())

/**
 * What the circuit says of an input: `accepted`, or the place of the constraint that does not hold.
 */
async function ask(input: CircuitInput): Promise<string> {
  // A key that is not there: the question ends once the witness is computed, before the slow part.
  const question: Question = { wasm: shapeFiles('tiny').wasm, zkey: '/nonexistent', input }
  const answered = once(child, 'message')
  child.send(question)
  const [answer] = (await answered) as [Answer]
  if (!('code' in answer)) throw new Error('proved without a key')
  return answer.code === 'failed' ? 'accepted' : answer.message
}

/** The honest input with other words, whose digest, challenge and value are computed anew. */
function withWords(changed: readonly bigint[], rest: Partial<Record<string, unknown>> = {}) {
  const p = poseidonDigest(changed)
  const [, x, y] = statementOf({ payee, p, words: changed }).signals
  const numbers = { p: String(p), x: String(x), y: String(y), words: changed.map(String) }
  return { ...honest, ...numbers, ...rest } as CircuitInput
}
const withWord = (index: number, value: bigint) => withWords(words.with(index, value))

/** Input for a call that is consistent with the ledgers but was signed by someone, somewhere. */
function signedBy(signer: number, domain: CallDomain, call: LedgerCall = sampleCall) {
  const signature = signCall(secret(signer), domain, call)
  return { ...honest, signature: [signature.map(String)] } as CircuitInput
}

const word = {
  chainId: 0,
  venue: 1,
  executor: 2,
  lastBlock: 4,
  type: 5,
  sourceRollup: 6,
  sourceAccount: 7,
  destinationRollup: 8,
  destinationAccount: 9,
  value: 10,
  nonce: 11,
  data: 12,
  sourceBefore: 13,
  sourceAfter: 14,
  destinationBefore: 15,
  destinationAfter: 16,
  sourceDelta: 17,
  destinationDelta: 18,
} as const

describe('the circuit accepts', () => {
  test('an honest call', async () => {
    expect(await ask(honest)).toBe('accepted')
  })

  test('any payee, executor and block range: the market and the venue judge those', async () => {
    const other = prepareStatement(inputs, context.venue, shape)!.input
    expect(await ask(other)).toBe('accepted')
    expect(await ask(withWord(word.executor, 0n))).toBe('accepted')
    expect(await ask(withWord(word.lastBlock, 1_000n))).toBe('accepted')
  })

  test('a call that moves everything, and one that moves nothing', async () => {
    for (const valueWei of [0n, 1_000n]) {
      const call = { ...sampleCall, valueWei }
      const applied = applyCall(sampleLedgers(4), context, call, signCall(secret(1), context, call))
      if (typeof applied === 'string') throw new Error(applied)
      const { entry, witness: other } = applied
      const all = tableWords({ ...table, entries: [entry] })
      expect(await ask(withWords(all, { signature: [other.signature.map(String)] }))).toBe(
        'accepted',
      )
    }
  })
})

describe('the circuit refuses', () => {
  test('another digest, challenge or value than the words have', async () => {
    for (const signal of ['p', 'x', 'y']) {
      const spoiled = { ...honest, [signal]: String(BigInt(honest[signal] as string) + 1n) }
      expect(await ask(spoiled)).toContain('LedgerTable')
    }
  })

  test('any word of the action changed after it was signed', async () => {
    for (const name of [
      'chainId',
      'venue',
      'sourceRollup',
      'sourceAccount',
      'destinationRollup',
      'destinationAccount',
      'value',
      'nonce',
      'data',
    ] as const) {
      const index = word[name]
      expect(await ask(withWord(index, words[index]! + 1n)), name).toContain('Assert Failed')
    }
  })

  test('any state root but the right one', async () => {
    for (const name of [
      'sourceBefore',
      'sourceAfter',
      'destinationBefore',
      'destinationAfter',
    ] as const) {
      const index = word[name]
      expect(await ask(withWord(index, words[index]! + 1n)), name).toContain('LedgerEntry')
    }
    const unchanged = words.with(word.sourceAfter, words[word.sourceBefore]!)
    expect(await ask(withWords(unchanged))).toContain('LedgerEntry')
  })

  test('ether deltas that do not conserve the value', async () => {
    expect(await ask(withWord(word.sourceDelta, 0n))).toContain('LedgerEntry')
    expect(await ask(withWord(word.destinationDelta, 251n))).toContain('LedgerEntry')
    const both = words.with(word.sourceDelta, 250n).with(word.destinationDelta, FIELD_ORDER - 250n)
    expect(await ask(withWords(both))).toContain('LedgerEntry')
  })

  test('the signature of anyone else, or for another chain or venue', async () => {
    expect(await ask(signedBy(2, context))).toContain('Authorisation')
    expect(await ask(signedBy(1, { ...context, chainId: 1 }))).toContain('Authorisation')
    expect(await ask(signedBy(1, { ...context, venue: payee }))).toContain('Authorisation')
    const none = { ...honest, signature: [['0', '1', '0']] }
    expect(await ask(none)).toContain('Authorisation')
  })

  test('keys and signature points off the curve', async () => {
    const { signature } = witness
    const off = [[String(signature[0] + 1n), ...signature.slice(1).map(String)]]
    expect(await ask({ ...honest, signature: off })).toContain('BabyCheck')
    expect(await ask(forged(sampleCall, { key: [1n, 2n] }))).toContain('BabyCheck')
  })

  test('overspending, even when every hash and the signature fit', async () => {
    const call = { ...sampleCall, valueWei: 1_001n }
    expect(await ask(forged(call))).toContain('Num2Bits')
    expect(await ask(forged({ ...call, valueWei: 1_000n }))).toBe('accepted')
  })

  test('a balance that would pass 96 bits, and a negative value', async () => {
    const nearlyFull = (1n << 96n) - 250n
    expect(await ask(forged(sampleCall, { destinationWei: nearlyFull }))).toContain('Num2Bits')
    expect(
      await ask(forged({ ...sampleCall, valueWei: 249n }, { destinationWei: nearlyFull })),
    ).toBe('accepted')
    const negative = { ...sampleCall, valueWei: FIELD_ORDER - 5n }
    expect(await ask(forged(negative))).toContain('Num2Bits')
  })

  test('a nonce other than the account has, or one that would wrap', async () => {
    expect(await ask(forged({ ...sampleCall, nonce: 1n }))).toContain('LedgerEntry')
    const last = (1n << 64n) - 1n
    expect(await ask(forged({ ...sampleCall, nonce: last }, { nonce: last }))).toContain('Num2Bits')
    const usable = last - 1n
    expect(await ask(forged({ ...sampleCall, nonce: usable }, { nonce: usable }))).toBe('accepted')
  })

  test('a call within one rollup, and L1 as a ledger', async () => {
    for (const change of [
      { destinationRollup: 1n },
      { sourceRollup: 0n },
      { destinationRollup: 0n },
    ]) {
      const input = forged({ ...sampleCall, ...change })
      expect(await ask(input)).toContain('LedgerEntry')
    }
  })

  test('padding where the first entry belongs', async () => {
    const empty = words.map((value, index) => (index < word.type ? value : 0n))
    expect(await ask(withWords(empty))).toContain('LedgerTable')
    expect(await ask(withWord(word.type, 2n))).toContain('LedgerEntry')
  })

  test('header words beyond their range', async () => {
    expect(await ask(withWord(word.executor, 1n << 160n))).toContain('Num2Bits')
    expect(await ask(withWord(word.lastBlock, 1n << 53n))).toContain('Num2Bits')
  })
})

/** What an impossible state has in place of the sample's 1,000 wei each, nonce 0 and proper key. */
type Odd = { destinationWei?: bigint; nonce?: bigint; key?: readonly [bigint, bigint] }

/**
 * Input for a call on a state made up by hand: every hash fits, and the signature where there can
 * be one.
 */
function forged(call: LedgerCall, odd: Odd = {}): CircuitInput {
  const { destinationWei = 1_000n, nonce = 0n, key = witness.source.key } = odd
  const mod = (value: bigint) => ((value % FIELD_ORDER) + FIELD_ORDER) % FIELD_ORDER
  const source = { key, balanceWei: 1_000n, nonce }
  const destination = { ...witness.destination, balanceWei: destinationWei }
  const before = worldOf(source, destination)
  const after = worldOf(
    { key, balanceWei: mod(1_000n - call.valueWei), nonce: call.nonce + 1n },
    { ...destination, balanceWei: mod(destinationWei + call.valueWei) },
  )
  const changes: Partial<Record<keyof typeof word, bigint>> = {
    sourceRollup: call.sourceRollup,
    destinationRollup: call.destinationRollup,
    value: call.valueWei,
    nonce: call.nonce,
    sourceBefore: rootOf(before.get(1n)!),
    sourceAfter: rootOf(after.get(1n)!),
    destinationBefore: rootOf(before.get(2n)!),
    destinationAfter: rootOf(after.get(2n)!),
    sourceDelta: mod(-call.valueWei),
    destinationDelta: call.valueWei,
  }
  const changed = words.slice()
  for (const [name, value] of Object.entries(changes)) {
    changed[word[name as keyof typeof word]] = value
  }
  return withWords(changed, {
    sourceKey: [key.map(String)],
    destinationBalance: [String(destinationWei)],
    signature: [signCall(secret(1), context, call).map(String)],
  })
}

/** Both rollups with these accounts at the sample's places, and the sample's neighbours. */
function worldOf(source: CallWitness['source'], destination: CallWitness['source']): Ledgers {
  const neighbours = sampleLedgers(4)
  const account = (rollup: bigint, index: number) => accountOf(neighbours.get(rollup)!, index)!
  return new Map([
    [
      1n,
      createLedger(1n, 4, [
        [3, source],
        [15, account(1n, 15)],
      ]),
    ],
    [
      2n,
      createLedger(2n, 4, [
        [5, destination],
        [0, account(2n, 0)],
      ]),
    ],
  ])
}

describe('checkInputs of an agent', () => {
  test('accepts what the circuit accepts, and refuses programs it has no circuit for', () => {
    const { programId } = shapes.tiny
    expect(checkInputs(inputs, { ...terms, programId })).toBeNull()
    expect(checkInputs(inputs, { ...terms, programId: shapes.n1d16.programId })).toBe('wrong-shape')
    expect(checkInputs(inputs, { ...terms, programId: `0x${'00'.repeat(32)}` })).toBe(
      'unsupported-program',
    )
  })
})
