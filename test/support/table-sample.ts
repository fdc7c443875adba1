/**
 * Random tables that keep the rules: a random tree of calls, run as the registry would run it, and
 * the table of the seed's example. For property tests.
 */
import fc from 'fast-check'
import { FIELD_ORDER, toHex, wordsToBytes } from '#protocol/field'
import type { Address, Hex } from '#protocol/schema'
import {
  type Action,
  type ActionType,
  type Entry,
  L1,
  type Program,
  type StateDelta,
  type Table,
  type TableContext,
  ZERO_HASH,
} from '#protocol/table'
import { hexOf } from '#test/support/arbitraries'

export const ZERO_ADDRESS: Address = `0x${'00'.repeat(20)}`

/** An address whose last byte is `number`. */
export const addressOf = (number: number): Address => `0x${number.toString(16).padStart(40, '0')}`

const noAction: Action = {
  actionType: 'CALL',
  rollupId: 0n,
  destination: ZERO_ADDRESS,
  value: 0n,
  data: '0x',
  failed: false,
  sourceAddress: ZERO_ADDRESS,
  sourceRollup: 0n,
  scope: [],
}
/** An action with everything empty but what is given. */
export const actionOf = (actionType: ActionType, fields: Partial<Action>): Action => ({
  ...noAction,
  actionType,
  ...fields,
})

export const sampleContext: TableContext = {
  chainId: 31_337,
  venue: addressOf(0xaa),
  executor: addressOf(0xee),
  firstBlock: 100,
  lastBlock: 102,
  parentHash: ZERO_HASH,
}

/** A root, or any other word, of a number below the field order. */
export const wordOf = (number: bigint): Hex => toHex(wordsToBytes([number]))

/** A call and all that comes of it. */
export type Call = {
  /** Of a call from L1: a rollup's; else any but its caller's. */
  readonly rollupId: bigint
  readonly type: 'CALL' | 'TRY_CALL'
  readonly destination: Address
  readonly valueWei: bigint
  readonly data: Hex
  readonly failed: boolean
  readonly answer: Hex
  /** Wei and message the callee's last entry moves to another rollup with it; zero for none. */
  readonly gift: { readonly to: bigint; readonly amountWei: bigint; readonly message: Hex }
  /** What the callee calls; of a callee on L1, what it calls on rollups. */
  readonly calls: readonly Call[]
  /** The callee reverts the frame of its calls, and goes on. */
  readonly reverted: Hex | null
}

const [MAX_DEPTH, ROLLUPS] = [3, 3n]
const dataOf = fc
  .oneof(
    { weight: 4, arbitrary: fc.constantFrom(0, 4, 32, 36, 68, 100, 127) },
    { weight: 1, arbitrary: fc.constantFrom(1, 31, 128, 200) },
  )
  .chain(hexOf)
const wei = fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 10n ** 18n }))
const words = fc.bigInt({ min: 1n, max: FIELD_ORDER - 1n }).map(wordOf)

/** A call made from rollup `caller` (0: L1) that is `depth` calls deep. */
function anyCall(caller: bigint, depth: number): fc.Arbitrary<Call> {
  const callees = [0n, 1n, 2n, ROLLUPS].filter((id) => id !== caller)
  return fc.constantFrom(...callees).chain((rollupId) =>
    fc.record({
      rollupId: fc.constant(rollupId),
      type: fc.constantFrom('CALL' as const, 'TRY_CALL' as const),
      destination: hexOf(20),
      valueWei: wei,
      data: dataOf,
      failed: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
      answer: dataOf,
      gift: fc.record({
        to: fc.constantFrom(0n, ...[1n, 2n, ROLLUPS].filter((id) => id !== rollupId)),
        amountWei: wei,
        message: words,
      }),
      calls:
        depth >= MAX_DEPTH
          ? fc.constant([])
          : fc.array(anyCall(rollupId, depth + 1), { maxLength: 2 }),
      reverted: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, hexOf(32)),
    }),
  )
}

/** Runs calls and writes down the entries, as the registry consumes them. */
class Writer {
  readonly entries: Entry[] = []
  private roots = new Map<bigint, bigint>([1n, 2n, ROLLUPS].map((id) => [id, id]))
  private lastRoot = 100n

  /** A session: from L1, or a rollup's own transaction. Failed, it leaves no trace. */
  session(call: Call, source: Address, isOwn: boolean): void {
    const { rollupId, type, destination, valueWei, data } = call
    const before = this.roots
    const start = isOwn
      ? actionOf('L2TX', { rollupId, destination, data })
      : actionOf(type, { rollupId, destination, value: valueWei, data, sourceAddress: source })
    this.run(call, start)
    if (call.failed) this.roots = before
  }

  /** The callee's rollup does its calls one after the other, and answers. */
  private run(call: Call, action: Action): void {
    let at = action
    const inside = call.reverted === null ? action.scope : [...action.scope, 0]
    const undone: { roots: Map<bigint, bigint>; value: bigint }[] = []
    for (const [index, child] of call.calls.entries()) {
      const made = actionOf(child.type, {
        rollupId: child.rollupId,
        destination: child.destination,
        value: child.valueWei,
        data: child.data,
        sourceAddress: call.destination,
        sourceRollup: call.rollupId,
        scope: [...inside, index],
      })
      this.write(at, made)
      undone.push({ roots: this.roots, value: child.valueWei })
      at = this.answerOf(child, made)
    }
    const [first] = undone
    if (call.reverted !== null && first !== undefined) {
      const both = { rollupId: call.rollupId, sourceRollup: call.rollupId, data: call.reverted }
      this.write(at, actionOf('REVERT', { ...both, scope: inside }))
      this.roots = first.roots
      const fields = { ...both, scope: inside, value: first.value, failed: true }
      at = actionOf('REVERT_CONTINUE', fields)
    }
    this.write(at, this.resultOf(call, action), call.gift)
  }

  /** Whoever is called answers; what a failed call did is undone. */
  private answerOf(call: Call, made: Action): Action {
    const before = this.roots
    if (made.rollupId === L1)
      for (const one of call.calls) this.session(one, call.destination, false)
    else this.run(call, made)
    if (call.failed) this.roots = before
    return this.resultOf(call, made)
  }

  private resultOf({ failed, answer }: Call, made: Action): Action {
    return actionOf('RESULT', {
      rollupId: made.sourceRollup,
      sourceRollup: made.rollupId,
      data: answer,
      failed,
      value: failed ? made.value : 0n,
      scope: made.scope,
    })
  }

  private write(action: Action, next: Action, gift?: Call['gift']): void {
    const isGiven = gift !== undefined && gift.to !== 0n
    const given = isGiven ? gift.amountWei : 0n
    const sent = isGiven ? gift.message : ZERO_HASH
    const deltas = [
      this.move(action.rollupId, action.value - next.value - given, sent, ZERO_HASH),
      ...(isGiven ? [this.move(gift.to, given, ZERO_HASH, sent)] : []),
    ]
    this.entries.push({ deltas, action, next })
  }

  private move(rollupId: bigint, etherDelta: bigint, sent: Hex, received: Hex): StateDelta {
    const rootBefore = wordOf(this.roots.get(rollupId)!)
    this.lastRoot += 1n
    this.roots = new Map(this.roots).set(rollupId, this.lastRoot)
    return { rollupId, rootBefore, rootAfter: wordOf(this.lastRoot), etherDelta, sent, received }
  }
}

/** The program of a sample rollup: rollups 1 and 2 share one. */
export const programOf = (rollupId: bigint): Program => ({
  rollupId,
  verifier: addressOf(rollupId === ROLLUPS ? 0xcc : 0xbb),
  programId: wordOf(rollupId === ROLLUPS ? 9n : 7n),
})

/** Entries with the programs they need. */
export function tableOfEntries(entries: readonly Entry[], context = sampleContext): Table {
  const ids = new Set(entries.flatMap(({ deltas }) => deltas.map(({ rollupId }) => rollupId)))
  return { ...context, programs: [...ids].sort(ascending).map(programOf), entries }
}
const ascending = (a: bigint, b: bigint) => (a < b ? -1 : 1)

/** The table of some calls from L1 (or of rollups' own transactions). */
export function tableOfCalls(
  sessions: readonly { readonly call: Call; readonly source: Address; readonly isOwn: boolean }[],
  context = sampleContext,
): Table {
  const writer = new Writer()
  for (const { call, source, isOwn } of sessions) writer.session(call, source, isOwn)
  return tableOfEntries(writer.entries, context)
}

const anyContext: fc.Arbitrary<TableContext> = fc
  .record({
    chainId: fc.maxSafeNat(),
    venue: hexOf(20),
    executor: fc.oneof(fc.constant(ZERO_ADDRESS), hexOf(20)),
    blocks: fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()),
    parentHash: fc.oneof(fc.constant(ZERO_HASH), hexOf(32)),
  })
  .map(({ blocks, ...rest }) => ({
    ...rest,
    firstBlock: Math.min(...blocks),
    lastBlock: Math.max(...blocks),
  }))

const anySession = fc
  .record({ call: anyCall(L1, 0), source: hexOf(20), isOwn: fc.boolean() })
  .map((session) => ({
    ...session,
    // A rollup's own transaction brings no value with it, so none comes back.
    call: session.isOwn ? { ...session.call, valueWei: 0n } : session.call,
  }))

/** Any table that keeps the rules: up to three sessions, calls four deep. */
export const anyTable: fc.Arbitrary<Table> = fc
  .tuple(fc.array(anySession, { minLength: 1, maxLength: 3 }), anyContext)
  .map(([sessions, context]) => tableOfCalls(sessions, context))
  .filter(({ entries }) => entries.length <= 64)

/** Who is who in the seed's example. */
export const [alice, bank, cellar] = [addressOf(0xa11ce), addressOf(0xba), addressOf(0xce)]

/** The seed's example: A on L1 calls B on rollup 2, which calls C on L1 and uses its answer. */
export const seedTable: Table = tableOfEntries([
  {
    deltas: [
      {
        rollupId: 2n,
        rootBefore: wordOf(0x11n),
        rootAfter: wordOf(0x22n),
        etherDelta: 5n,
        sent: ZERO_HASH,
        received: ZERO_HASH,
      },
    ],
    action: actionOf('CALL', {
      rollupId: 2n,
      destination: bank,
      value: 5n,
      data: '0x371303c0',
      sourceAddress: alice,
    }),
    next: actionOf('CALL', {
      destination: cellar,
      data: '0x01',
      sourceAddress: bank,
      sourceRollup: 2n,
      scope: [0],
    }),
  },
  {
    deltas: [
      {
        rollupId: 2n,
        rootBefore: wordOf(0x22n),
        rootAfter: wordOf(0x23n),
        etherDelta: 0n,
        sent: ZERO_HASH,
        received: ZERO_HASH,
      },
    ],
    action: actionOf('RESULT', { rollupId: 2n, data: wordOf(42n), scope: [0] }),
    next: actionOf('RESULT', { sourceRollup: 2n, data: wordOf(43n) }),
  },
])

const bytes = (length: number, first = 0x11): Hex =>
  `0x${Array.from({ length }, (_, at) => ((first + at) % 256).toString(16).padStart(2, '0')).join('')}`

const deltaOf = (rollupId: bigint, roots: readonly [bigint, bigint], etherDelta: bigint) => ({
  rollupId,
  rootBefore: wordOf(roots[0]),
  rootAfter: wordOf(roots[1]),
  etherDelta,
  sent: ZERO_HASH,
  received: ZERO_HASH,
})

/**
 * The table of `test/vectors/table.json`: two programs, both kinds of entry (one and two deltas,
 * ether both ways, a message), and data of every shape (none, a selector, a selector with three
 * words, a head with one word, too long to show, a word that is not in the field).
 */
export const goldenTable: Table = {
  ...tableOfEntries([
    {
      deltas: [
        { ...deltaOf(1n, [1n, 10n], -3n), sent: wordOf(77n) },
        { ...deltaOf(ROLLUPS, [3n, 30n], 8n), received: wordOf(77n) },
      ],
      action: actionOf('TRY_CALL', {
        rollupId: 1n,
        destination: bank,
        value: 5n,
        data: bytes(4),
        sourceAddress: alice,
      }),
      next: actionOf('RESULT', { sourceRollup: 1n }),
    },
    {
      deltas: [deltaOf(1n, [10n, 11n], -2n)],
      action: actionOf('CALL', {
        rollupId: 1n,
        destination: bank,
        data: bytes(100),
        sourceAddress: alice,
      }),
      next: actionOf('CALL', {
        destination: cellar,
        value: 2n,
        data: bytes(130),
        sourceAddress: bank,
        sourceRollup: 1n,
        scope: [0, 65_534],
      }),
    },
    {
      deltas: [deltaOf(1n, [11n, 12n], 2n)],
      action: actionOf('RESULT', {
        rollupId: 1n,
        value: 2n,
        data: bytes(32, 0xf0),
        failed: true,
        scope: [0, 65_534],
      }),
      next: actionOf('RESULT', { sourceRollup: 1n, data: bytes(33) }),
    },
  ]),
  parentHash: bytes(32, 0xc0),
}
/** Whom the proof of the golden table would pay. */
export const goldenPayee: Address = addressOf(0xfee)
/** The circuit's key it would be made under. */
export const goldenKey: Hex = `0x${'4b'.repeat(32)}`
