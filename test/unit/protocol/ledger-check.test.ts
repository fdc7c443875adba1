/** What `checkEntry` accepts, and that nothing of an entry can be changed behind its back. */
import { describe, expect, test } from 'vitest'
import { fromHex, toHex, wordsToBytes } from '#protocol/field'
import { applyAction, type EntryWitness } from '#protocol/ledger'
import { signTransaction } from '#protocol/ledger-calls'
import { checkEntry } from '#protocol/ledger-check'
import { failedAnswer } from '#protocol/ledger-failures'
import { accountAddress } from '#protocol/ledger-tree'
import type { Address, Hex } from '#protocol/schema'
import { type Action, type Entry, type StateDelta, ZERO_HASH } from '#protocol/table'
import { failures } from '#test/support/ledger-failures'
import {
  context,
  operations,
  otherProgram,
  program,
  run,
  sampleLedgers,
  secret,
  tableOf,
  transaction,
} from '#test/support/ledger-sample'

const DEPTH = 4
const all = operations(DEPTH)
const fails = failures(DEPTH)
const { table: signedTable, witness: signedWitness } = all.find(
  ({ name }) => name === 'a signed send to another rollup',
)!
const { table: withinTable, witness: withinWitness } = all.find(
  ({ name }) => name === 'a signed send',
)!

const more = (address: Address) => accountAddress(BigInt(address) + 1n)
const moreHex = (word: Hex) => toHex(wordsToBytes([BigInt(word) + 1n]))
/** Data that is longer, shorter, or differs in its first byte or its last one. */
const otherData = (data: Hex): Hex[] =>
  data === '0x'
    ? ['0x00']
    : [`${data}00`, data.slice(0, -2) as Hex, flip(data, 0), flip(data, data.length / 2 - 2)]
const flip = (data: Hex, at: number): Hex => {
  const bytes = fromHex(data)
  return toHex(bytes.with(at, bytes[at]! ^ 1))
}

function otherActions(action: Action): [field: string, Action][] {
  const { data, scope, sourceAddress, destination } = action
  return [
    ['type', { ...action, actionType: 'REVERT_CONTINUE' }],
    ['rollupId', { ...action, rollupId: action.rollupId + 1n }],
    ['destination', { ...action, destination: more(destination) }],
    ['value', { ...action, value: action.value + 1n }],
    ['failed', { ...action, failed: !action.failed }],
    ['sourceAddress', { ...action, sourceAddress: more(sourceAddress) }],
    ['sourceRollup', { ...action, sourceRollup: action.sourceRollup + 1n }],
    ['scope', { ...action, scope: [...scope, 7] }],
    ...otherData(data).map((other) => ['data', { ...action, data: other }] as [string, Action]),
  ]
}

const otherDeltas = (delta: StateDelta): [field: string, StateDelta][] => [
  ['rootBefore', { ...delta, rootBefore: moreHex(delta.rootBefore) }],
  ['rootAfter', { ...delta, rootAfter: moreHex(delta.rootAfter) }],
  ['etherDelta', { ...delta, etherDelta: delta.etherDelta + 1n }],
  ['sent', { ...delta, sent: moreHex(delta.sent) }],
  ['received', { ...delta, received: moreHex(delta.received) }],
]

/** The entry with one thing changed, each in turn. */
function spoiled(entry: Entry): [what: string, Entry][] {
  const { action, next, deltas } = entry
  return [
    ...otherActions(action).map(([field, other]) => spoil(`action ${field}`, { action: other })),
    ...otherActions(next).map(([field, other]) => spoil(`next ${field}`, { next: other })),
    ...deltas.flatMap((delta, at) =>
      otherDeltas(delta).map(([field, other]) =>
        spoil(`delta ${at} ${field}`, { deltas: deltas.with(at, other) }),
      ),
    ),
    deltas.length === 1
      ? spoil('a delta more', { deltas: [...deltas, { ...deltas[0]!, rollupId: 2n }] })
      : spoil('a delta less', { deltas: deltas.slice(0, 1) }),
  ]
  function spoil(what: string, change: Partial<Entry>): [string, Entry] {
    return [what, { ...entry, ...change }]
  }
}

/** What the ledger has no say in. */
const free: Readonly<Record<string, readonly string[]>> = {
  'plain ether': ['action sourceAddress'],
  'a deposit': ['action sourceAddress'],
  'a balance': ['action sourceAddress'],
  'an answer': ['action data'],
  'a failure': ['action data'],
  'a send to a rollup of another program': ['delta 1 rootBefore', 'delta 1 rootAfter'],
}

describe('checkEntry', () => {
  test.each(all)('accepts $name', ({ table, witness }) => {
    expect(checkEntry(table, program, DEPTH, 0, witness)).toBeNull()
  })

  test.each(all)('refuses any other entry than $name', ({ name, table, witness }) => {
    const accepted = spoiled(table.entries[0]!).filter(([what, entry]) => {
      if (name === 'what a rollup of another program sends' && !what.startsWith('delta 1')) {
        return false // the other program's part
      }
      const refusal = checkEntry({ ...table, entries: [entry] }, program, DEPTH, 0, witness)
      return refusal === null
    })
    const unchecked = [...new Set(accepted.map(([what]) => what))]
    expect(unchecked).toEqual(free[name] ?? [])
  })

  test.each(all)('refuses $name by another witness', ({ table, witness }) => {
    for (const [what, other] of spoiledWitnesses(witness)) {
      expect(checkEntry(table, program, DEPTH, 0, other), what).not.toBeNull()
    }
  })

  test.each(fails)('accepts a call that fails: $name', ({ table, witness }) => {
    expect(checkEntry(table, program, DEPTH, 0, witness)).toBeNull()
  })

  test.each(fails)('refuses any other entry than that of $name', ({ table, witness, reason }) => {
    const accepted = spoiled(table.entries[0]!).filter(
      ([, entry]) =>
        checkEntry({ ...table, entries: [entry] }, program, DEPTH, 0, witness) === null,
    )
    // Who calls in vain, and with which data, may not matter; what is answered always does.
    const may = ['action sourceAddress', 'action data', 'action destination']
    expect(accepted.map(([what]) => what).filter((what) => !may.includes(what))).toEqual([])
    const elsewhere = accepted.some(([what]) => what === 'action destination')
    expect(elsewhere).toBe(reason === 'no-place')
  })

  test.each(fails)('refuses $name by another witness', ({ table, witness }) => {
    for (const [what, other] of spoiledWitnesses(witness)) {
      expect(checkEntry(table, program, DEPTH, 0, other), what).not.toBeNull()
    }
  })

  test.each(fails)('refuses $name where the call succeeds', ({ witness, mended }) => {
    const step = applyAction(mended.ledgers, context, mended.action)
    if (typeof step === 'string') throw new Error(step)
    const { acting, credited } = step.witness
    const root = step.deltas[0]!.rootBefore
    const delta = { ...step.deltas[0]!, rootAfter: root, etherDelta: 0n, sent: ZERO_HASH }
    const entry = { action: mended.action, next: failedAnswer(mended.action), deltas: [delta] }
    for (const other of [witness, { acting, credited }, { acting, credited: null }]) {
      expect(checkEntry(tableOf([entry]), program, DEPTH, 0, other)).not.toBeNull()
    }
  })

  test('refuses the signature of anyone else, or for another chain, venue or nonce', () => {
    const { data } = signedTable.entries[0]!.action
    const signed = { rollup: 1n, account: 3, data, nonce: 0n }
    const check = (signer: number, where = context, what = signed) => {
      const signature = signTransaction(secret(signer), where, what)
      const acting = { ...signedWitness.acting!, signature }
      return checkEntry(signedTable, program, DEPTH, 0, { ...signedWitness, acting })
    }
    expect(check(1)).toBeNull()
    expect(check(2)).toBe('wrong-signature')
    expect(check(1, { ...context, chainId: 1 })).toBe('wrong-signature')
    expect(check(1, { ...context, venue: context.executor })).toBe('wrong-signature')
    expect(check(1, context, { ...signed, nonce: 1n })).toBe('wrong-signature')
    expect(check(1, context, { ...signed, rollup: 2n })).toBe('wrong-signature')
  })

  test('has no say in entries of other programs, and wants no witness for them', () => {
    const none = { acting: null, credited: null }
    expect(checkEntry(signedTable, otherProgram, DEPTH, 0, none)).toBeNull()
    expect(checkEntry(signedTable, otherProgram, DEPTH, 0, signedWitness)).toBe('wrong-witness')
    expect(checkEntry(signedTable, program, DEPTH, 0, none)).toBe('wrong-witness')
    expect(checkEntry(signedTable, program, DEPTH, 1, none)).toBe('wrong-witness')
  })

  test('refuses a payment within one rollup that does not begin where the first half ends', () => {
    const { entries, witnesses } = run(sampleLedgers(DEPTH), [
      withinTable.entries[0]!.action,
      transaction(withinTable.entries[0]!.action.data),
    ])
    const mixed = { acting: witnesses[0]!.acting, credited: witnesses[1]!.credited }
    expect(checkEntry(tableOf(entries), program, DEPTH, 0, mixed)).toBe('wrong-root')
    expect(checkEntry(withinTable, program, DEPTH, 0, withinWitness)).toBeNull()
  })
})

/** Each account and path with something else in its place. */
function spoiledWitnesses({ acting, credited }: EntryWitness): [what: string, EntryWitness][] {
  const spoil = <T extends NonNullable<EntryWitness['acting'] | EntryWitness['credited']>>(
    place: T,
  ): [string, T][] => {
    const { siblings, index, account } = place
    const nobody = { key: [0n, 0n] as const, balanceWei: 0n, nonce: 0n }
    const { key, balanceWei, nonce } = account ?? nobody
    const others =
      account === null
        ? [nobody]
        : [
            { ...account, key: [key[0] + 1n, key[1]] as const },
            { ...account, balanceWei: balanceWei + 1n },
            { ...account, nonce: nonce + 1n },
            null,
          ]
    return [
      ...others.map((other): [string, T] => ['account', { ...place, account: other }]),
      ['index', { ...place, index: index ^ 1 }],
      ['index beyond the tree', { ...place, index: index + 2 ** DEPTH }],
      ['sibling', { ...place, siblings: siblings.with(0, 1n) }],
      ['short path', { ...place, siblings: siblings.slice(1) }],
      ['pending', { ...place, pending: place.pending + 1n }],
    ]
  }
  const amount = acting && { ...acting, amountWei: acting.amountWei + 1n }
  const from = credited && { ...credited, from: credited.from + 1n }
  return [
    ...(acting ? spoil(acting) : []).map(([what, other]) =>
      named(`acting ${what}`, { acting: other, credited }),
    ),
    ...(credited ? spoil(credited) : []).map(([what, other]) =>
      named(`credited ${what}`, { acting, credited: other }),
    ),
    ...(amount ? [named('amount', { acting: amount, credited })] : []),
    ...(from ? [named('from', { acting, credited: from })] : []),
  ]
  function named(what: string, witness: EntryWitness): [string, EntryWitness] {
    return [what, witness]
  }
}
