/** A call of each kind that fails, alone in a table. */
import { witnessFor } from '#protocol/inputs'
import { applyAction } from '#protocol/ledger'
import { encodeBalance, encodeDeposit, encodeSend, encodeWithdraw } from '#protocol/ledger-calls'
import type { CallFailure } from '#protocol/ledger-failures'
import {
  accountAddress,
  accountOf,
  BALANCE_LIMIT,
  type Ledgers,
  withAccount,
} from '#protocol/ledger-tree'
import type { Action, Entry } from '#protocol/table'
import {
  call,
  context,
  type Operation,
  program,
  sampleLedgers,
  tableOf,
  till,
} from './ledger-sample.ts'

/** A call that fails, and a change of its action that makes it succeed; null if none does. */
export type Failure = Operation & {
  readonly reason: CallFailure
  readonly entry: Entry
  readonly ledgers: Ledgers
  /** The same call where it succeeds: what the ledgers and the action have instead. */
  readonly mended: { readonly ledgers: Ledgers; readonly action: Action }
}

type Change = Partial<Action>
type Kind = readonly [reason: CallFailure, failing: Change, mended: Change, note?: string]

const withdrawal = encodeWithdraw(till, 250n)
const dirty = encodeWithdraw(till, 250n).replace(/^(0x.{8})00/, '$101') as Action['data']
const elsewhere = { sourceRollup: 1n, sourceAddress: accountAddress(3), scope: [1] } as const
const onSecond = { ...elsewhere, rollupId: 2n, destination: accountAddress(6) }
const none = accountAddress(2)
const kinds = (depth: number): readonly Kind[] => [
  ['no-function', { data: '0x12345678' }, { data: encodeDeposit() }],
  ['no-function', { data: `0x${'ab'.repeat(200)}`, value: 7n }, { data: '0x' }, 'of long data'],
  ['no-function', { data: `${encodeSend(1n, 3, 1n)}00` }, { data: encodeSend(1n, 3, 1n) }],
  ['no-place', { destination: accountAddress(2 ** depth) }, { destination: accountAddress(1) }],
  [
    'no-place',
    { destination: `0x${'f'.repeat(40)}`, value: 3n },
    { destination: accountAddress(1) },
  ],
  ['no-account', { destination: none }, { destination: accountAddress(1) }],
  [
    'no-account',
    { destination: none, value: 9n, data: '0xffffffff' },
    { destination: accountAddress(1), data: '0x' },
    'of any data',
  ],
  ['not-payable', { data: encodeBalance(), value: 5n }, { value: 0n }],
  ['not-payable', { data: encodeSend(1n, 3, 100n), value: 5n }, { value: 0n }, 'a send'],
  ['not-payable', { data: withdrawal, value: 5n }, { value: 0n }, 'a withdrawal'],
  ['not-from-l1', { data: withdrawal, ...onSecond }, { data: encodeSend(2n, 0, 250n) }],
  [
    'not-owner',
    { data: encodeSend(1n, 3, 100n), sourceAddress: till },
    { sourceAddress: call('0x').sourceAddress },
  ],
  [
    'not-owner',
    { data: encodeSend(2n, 5, 100n), sourceRollup: 7n, scope: [3] },
    { sourceRollup: 0n, scope: [] },
    'to another rollup',
  ],
  [
    'not-owner',
    { data: withdrawal, destination: accountAddress(3) },
    { destination: accountAddress(1) },
    'an account with a key',
  ],
  [
    'not-owner',
    { data: encodeSend(1n, 3, 1_001n), sourceAddress: till },
    { data: encodeSend(1n, 3, 1_000n), sourceAddress: call('0x').sourceAddress },
    'with too little',
  ],
  [
    'insufficient-balance',
    { data: encodeSend(1n, 3, 1_001n) },
    { data: encodeSend(1n, 3, 1_000n) },
  ],
  [
    'insufficient-balance',
    { data: encodeSend(2n, 5, (1n << 253n) + 5n), actionType: 'TRY_CALL' },
    { data: encodeSend(2n, 5, 5n) },
    'to another rollup',
  ],
  [
    'insufficient-balance',
    { data: encodeWithdraw(till, 1_001n) },
    { data: encodeWithdraw(till, 1_000n) },
    'for a withdrawal',
  ],
  ['balance-overflow', { value: BALANCE_LIMIT - 1_000n }, { value: BALANCE_LIMIT - 1_001n }],
  ['no-address', { data: dirty }, { data: withdrawal }],
  ['same-account', { data: encodeSend(1n, 1, 100n) }, { data: encodeSend(1n, 3, 100n) }],
  ['no-payee-place', { data: encodeSend(1n, 2 ** depth, 100n) }, { data: encodeSend(1n, 3, 100n) }],
  ['no-payee', { data: encodeSend(1n, 2, 100n) }, { data: encodeSend(1n, 3, 100n) }],
  ['payee-overflow', { data: encodeSend(1n, 3, 250n) }, { data: encodeSend(1n, 3, 249n) }],
]

/** The sample's ledgers; where it is about a payee that has much, account 3 has nearly all. */
function ledgersFor(reason: CallFailure, depth: number): Ledgers {
  const ledgers = sampleLedgers(depth)
  if (reason !== 'payee-overflow') return ledgers
  const first = ledgers.get(1n)!
  const rich = { ...accountOf(first, 3)!, balanceWei: BALANCE_LIMIT - 250n }
  return new Map(ledgers).set(1n, withAccount(first, 3, rich))
}

export const failures = (depth: number): Failure[] =>
  kinds(depth).map(([reason, change, mend, note = '']) => {
    const ledgers = ledgersFor(reason, depth)
    const action = call('0x', change)
    const step = applyAction(ledgers, context, action)
    if (typeof step === 'string') throw new Error(`${reason} was refused: ${step}`)
    const { deltas, next } = step
    const entry = { deltas, action, next }
    const table = tableOf([entry])
    const witness = witnessFor(table, program, 0, step.witness)
    const mended = { ledgers, action: { ...action, ...mend } }
    return { name: `${reason} ${note}`.trim(), reason, entry, table, witness, ledgers, mended }
  })
