/**
 * A small, fixed world of two ledger rollups, and the tables of what happens in it: what table
 * tests are about.
 */
import { eddsaKey } from '#protocol/eddsa'
import { encodeInputs, witnessFor } from '#protocol/inputs'
import { applyAction, type EntryWitness } from '#protocol/ledger'
import {
  encodeBalance,
  encodeDeposit,
  encodeSend,
  encodeWithdraw,
  signTransaction,
} from '#protocol/ledger-calls'
import { accountAddress, accountOf, createLedger, type Ledgers } from '#protocol/ledger-tree'
import { type Address, type Hex, ZERO_ADDRESS } from '#protocol/schema'
import {
  boundaries,
  type CircuitKey,
  cutTable,
  digestSegments,
  type Segment,
  statementHash,
} from '#protocol/segments'
import {
  type Action,
  type Entry,
  encodeTable,
  L1,
  type Table,
  type TableContext,
  tableDigest,
  ZERO_HASH,
} from '#protocol/table'
import { type ProgramName, publicInputsHash, type Shape, tableWords } from '#protocol/words'

export const payee: Address = '0x00000000000000000000000000000000000000bb'
export const otherPayee: Address = '0x00000000000000000000000000000000000000bc'

export const context: TableContext = {
  chainId: 31337,
  venue: '0x00000000000000000000000000000000000000aa',
  executor: '0x00000000000000000000000000000000000000ee',
  firstBlock: 100,
  lastBlock: 102,
  parentHash: ZERO_HASH,
}

/** The program of both rollups, unless a test says otherwise. */
export const program: ProgramName = {
  verifier: '0x00000000000000000000000000000000000000cc',
  programId: `0x${'01'.repeat(32)}`,
}

/** The circuit that proves it, unless a test says otherwise. */
export const keyId: Hex = `0x${'03'.repeat(32)}`

/** The L1 contract that owns account 1 of rollup 1, and the one it pays. */
export const owner: Address = '0x00000000000000000000000000000000000000a1'
export const till: Address = '0x00000000000000000000000000000000000000c1'

/** A secret key nobody should use. */
export const secret = (number: number): Uint8Array => new Uint8Array(32).fill(number)

/**
 * Accounts with 1,000 wei each: on rollup 1 two with keys and one that `owner` owns, on rollup 2
 * two with keys and one that account 3 of rollup 1 owns.
 */
export function sampleLedgers(depth: number): Ledgers {
  const keyed = (number: number) => ({
    key: eddsaKey(secret(number)),
    balanceWei: 1_000n,
    nonce: 0n,
  })
  const owned = (address: Address, rollup: bigint) => ({
    key: [BigInt(address), rollup] as const,
    balanceWei: 1_000n,
    nonce: 0n,
  })
  const last = 2 ** depth - 1
  return new Map([
    [
      1n,
      createLedger(1n, depth, [
        [1, owned(owner, L1)],
        [3, keyed(1)],
        [last, keyed(2)],
      ]),
    ],
    [
      2n,
      createLedger(2n, depth, [
        [0, keyed(3)],
        [5, keyed(4)],
        [6, owned(accountAddress(3), 1n)],
      ]),
    ],
  ])
}

/** A call from `owner` to its account on rollup 1. */
export const call = (data: Hex, change: Partial<Action> = {}): Action => ({
  actionType: 'CALL',
  rollupId: 1n,
  destination: accountAddress(1),
  value: 0n,
  data,
  failed: false,
  sourceAddress: owner,
  sourceRollup: L1,
  scope: [],
  ...change,
})

/** A transaction of account 3 of rollup 1. */
export const transaction = (data: Hex, change: Partial<Action> = {}): Action =>
  call(data, {
    actionType: 'L2TX',
    destination: accountAddress(3),
    sourceAddress: ZERO_ADDRESS,
    ...change,
  })

/** What L1 answers to the call that rollup 1 made. */
export const answer = (change: Partial<Action> = {}): Action =>
  call('0x', {
    actionType: 'RESULT',
    destination: ZERO_ADDRESS,
    sourceAddress: ZERO_ADDRESS,
    scope: [0],
    ...change,
  })

/** What happens in the sample: A on L1 calls its account B, which pays C on L1, which answers. */
export const errand = [call(encodeWithdraw(till, 250n)), answer()]

/** What follows from actions, one after the other; an L2TX signed by account 3's key. */
export function run(
  ledgers: Ledgers,
  actions: readonly Action[],
  signer = 1,
): { ledgers: Ledgers; entries: Entry[]; witnesses: EntryWitness[] } {
  const entries: Entry[] = []
  const witnesses: EntryWitness[] = []
  let state = ledgers
  for (const action of actions) {
    const step = applyAction(state, context, action, signatureOf(state, action, signer))
    if (typeof step === 'string') throw new Error(`${action.actionType} was refused: ${step}`)
    state = step.ledgers
    entries.push({ deltas: step.deltas, action, next: step.next })
    witnesses.push(step.witness)
  }
  return { ledgers: state, entries, witnesses }
}

/** The signature of an L2TX as its account's nonce is now; null for other actions. */
export function signatureOf(ledgers: Ledgers, action: Action, signer = 1) {
  if (action.actionType !== 'L2TX') return null
  const { rollupId: rollup, data } = action
  const account = Number(action.destination)
  const nonce = accountOf(ledgers.get(rollup)!, account)!.nonce
  return signTransaction(secret(signer), context, { rollup, account, data, nonce })
}

/** A table of entries between rollups 1 and 2, both of one program unless `others` says. */
export function tableOf(
  entries: readonly Entry[],
  of: ProgramName = program,
  others: ReadonlyMap<bigint, ProgramName> = new Map(),
): Table {
  const rollups = [1n, 2n].filter((rollup) =>
    entries.some(({ deltas }) => deltas.some(({ rollupId }) => rollupId === rollup)),
  )
  const programs = rollups.map((rollupId) => ({ rollupId, ...(others.get(rollupId) ?? of) }))
  return { ...context, programs, entries }
}

/** A program that is not the ledgers'. */
export const otherProgram: ProgramName = { ...program, programId: `0x${'02'.repeat(32)}` }

/** One entry of each kind, as `program` answers for it. */
export type Operation = {
  readonly name: string
  readonly table: Table
  readonly witness: EntryWitness
}

const send = (rollup: bigint, to: number) => encodeSend(rollup, to, 100n)
/** Account 6 of rollup 2, called by account 3 of rollup 1, which owns it. */
const fromRollup = (data: Hex) =>
  call(data, {
    rollupId: 2n,
    destination: accountAddress(6),
    sourceAddress: accountAddress(3),
    sourceRollup: 1n,
    scope: [1],
  })
const reason = '0x08c379a0c0ffee'
const kinds: readonly (readonly [name: string, actions: readonly Action[], other?: bigint])[] = [
  ['plain ether', [call('0x', { value: 70n, sourceAddress: till })]],
  ['a deposit', [call(encodeDeposit(), { actionType: 'TRY_CALL', value: 70n })]],
  ['a balance', [call(encodeBalance(), { sourceRollup: 2n, sourceAddress: till, scope: [2, 0] })]],
  ['a send of the owner', [call(send(1n, 3))]],
  ['a send of the owner to another rollup', [call(send(2n, 5), { actionType: 'TRY_CALL' })]],
  ['a send of an owner on another rollup', [fromRollup(send(2n, 0))]],
  ['a signed send', [transaction(send(1n, 1))]],
  ['a signed send to another rollup', [transaction(send(2n, 5))]],
  ['a send to a rollup of another program', [transaction(send(2n, 5))], 2n],
  ['what a rollup of another program sends', [transaction(send(2n, 5))], 1n],
  ['a withdrawal', [errand[0]!]],
  ['a signed withdrawal', [transaction(encodeWithdraw(till, 250n))]],
  ['an answer', errand],
  ['a failure', [errand[0]!, answer({ failed: true, value: 250n, data: reason })]],
]

/** The last entry of each kind's actions, alone in a table. */
export const operations = (depth: number): Operation[] =>
  kinds.map(([name, actions, other]) => {
    const { entries, witnesses } = run(sampleLedgers(depth), actions)
    const others = new Map(other === undefined ? [] : [[other, otherProgram]])
    const table = tableOf(entries.slice(-1), program, others)
    return { name, table, witness: witnessFor(table, program, 0, witnesses.at(-1)!) }
  })

export type Sample = {
  readonly shape: Shape
  readonly table: Table
  readonly witnesses: readonly EntryWitness[]
  readonly inputs: Uint8Array
  readonly words: readonly bigint[]
  /** How the table is cut, and which of its segments the inputs are of. */
  readonly segments: readonly Segment[]
  readonly index: number
  /** What a request says of these inputs. */
  readonly terms: ProgramName & {
    readonly inputBytes: number
    readonly venue: Address
    readonly tableDigest: Hex
    readonly publicInputsHash: Hex
  }
}

export type SampleOptions = {
  /** Entries the circuit has room for. */
  readonly entries?: number
  readonly of?: ProgramName
  /** The circuit's key. */
  readonly key?: Hex
  /** Which segment is asked for; the table is cut into as few as possible. */
  readonly index?: number
  /** The circuits there are, instead of the one. */
  readonly keys?: readonly CircuitKey[]
}

/** Inputs of a table in one segment, for a circuit with this room. */
export function oneSegment(
  table: Table,
  witnesses: readonly EntryWitness[],
  { depth, room, of = program, key = keyId }: OneSegment,
): Uint8Array {
  const keys = [{ keyId: key, room }]
  const cuts = [{ keyId: key, entries: table.entries.length }]
  const segments = digestSegments(tableWords(table, of), cuts, keys)
  const { programId } = of
  return encodeInputs({ programId, table, segments, index: 0, depth, witnesses })
}

type OneSegment = {
  readonly depth: number
  readonly room: number
  readonly of?: ProgramName
  readonly key?: Hex
}

/** The table of these actions, its witnesses and the inputs of one of its segments. */
export function sample(
  depth: number,
  actions: readonly Action[] = errand,
  options: SampleOptions = {},
): Sample {
  const { entries: room = 2, of = program, key = keyId, index = 0 } = options
  const { entries, witnesses: all } = run(sampleLedgers(depth), actions)
  const table = tableOf(entries, of)
  const words = tableWords(table, of)
  const keys = options.keys ?? [{ keyId: key, room }]
  const segments = digestSegments(words, cutTable(entries.length, keys), keys)
  const [from, to] = boundaries(segments).slice(index) as [number, number]
  const witnesses = all.slice(from, to)
  const { programId } = of
  const inputs = encodeInputs({ programId, table, segments, index, depth, witnesses })
  const own = segments[index]!.keyId
  return {
    shape: { entries: keys.find((one) => one.keyId === own)!.room, depth },
    table,
    witnesses,
    inputs,
    words,
    segments,
    index,
    terms: {
      verifier: of.verifier,
      programId: own,
      inputBytes: inputs.length,
      venue: context.venue,
      tableDigest: tableDigest(encodeTable(table)),
      publicInputsHash: statementHash(publicInputsHash(words), programId, segments, index),
    },
  }
}
