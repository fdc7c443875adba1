import { encodeErrorResult, encodeFunctionData } from 'viem/utils'
import { describe, expect, test } from 'vitest'
import { rollupsAbi } from '#contracts/abi'
import {
  actionText,
  type CallFrame,
  readRevert,
  readTrace,
  reasonOf,
} from '#node/builder/simulation'
import type { Address, Hex } from '#protocol/schema'
import { type Action, actionTypes, packScope } from '#protocol/table'
import { actionOf, addressOf } from '#test/support/table-sample'

const registry = addressOf(0xaa)
const [user, contract, stranger] = [addressOf(1), addressOf(2), addressOf(3)]
const root: Hex = `0x${'07'.repeat(32)}`

const wanted = actionOf('CALL', {
  ...{ rollupId: 1n, destination: addressOf(9), value: 5n, data: '0x1234', scope: [0, 2] },
})
const later = actionOf('CALL', { rollupId: 2n, destination: addressOf(9) })
const missing = (action: Action): Hex =>
  encodeErrorResult({
    abi: rollupsAbi,
    errorName: 'MissingEntry',
    args: [
      {
        ...action,
        actionType: actionTypes.indexOf(action.actionType),
        scope: packScope(action.scope),
      },
      user,
      root,
    ],
  })
const wrongRoot = encodeErrorResult({
  abi: rollupsAbi,
  errorName: 'WrongRoot',
  args: [4n, `0x${'01'.repeat(32)}`, root],
})

const frame = (to: Address, output: Hex | null, calls: readonly CallFrame[] = []): CallFrame => ({
  ...{ type: 'CALL', from: user, to, input: '0xabcdef01aa', calls },
  ...(output === null ? { output: '0x' } : { output, error: 'execution reverted' }),
})
const read = (...calls: CallFrame[]) =>
  readTrace(frame(user, calls.at(-1)!.output ?? null, calls), registry)

describe('a trace', () => {
  test('without a failure says that the transaction passes', () => {
    expect(readTrace(frame(user, null, [frame(contract, null)]), registry)).toEqual({
      kind: 'passed',
    })
  })

  test('shows the entry that was missing first, swallowed or not', () => {
    const swallowed = frame(contract, null, [frame(registry, missing(wanted))])
    const simulation = read(frame(contract, null), swallowed, frame(registry, missing(later)))
    expect(simulation).toEqual({ kind: 'missing', action: wanted, stateRoot: root, callsBefore: 1 })
  })

  test('counts what is inside a call before the call’s own end', () => {
    const outer = frame(registry, missing(later), [frame(registry, missing(wanted))])
    expect(read(outer)).toMatchObject({ kind: 'missing', action: wanted })
  })

  test('believes the registry alone', () => {
    expect(read(frame(stranger, missing(wanted)))).toMatchObject({
      kind: 'failed',
      call: { to: stranger, selector: '0xabcdef01' },
    })
  })

  test('counts no calls of a post, whose number changes with the table', () => {
    const post = encodeFunctionData({
      abi: rollupsAbi,
      functionName: 'post',
      args: [root, '0x', []],
    })
    const verified = { ...frame(registry, null, [frame(stranger, null)]), input: post }
    expect(read(verified, frame(registry, missing(wanted)))).toMatchObject({ callsBefore: 0 })
  })

  test('shows another root of a second rollup', () => {
    const simulation = read(frame(registry, wrongRoot))
    expect(simulation).toEqual({ kind: 'wrong-root', rollupId: 4n, actual: root })
  })

  test('names the innermost call whose failure came through', () => {
    const reason = '0x08c379a0' as const
    const caught = frame(stranger, '0x99')
    const failed = frame(contract, reason, [caught, frame(registry, null), frame(stranger, reason)])
    expect(readTrace(frame(user, reason, [failed]), registry)).toMatchObject({
      call: { to: stranger, reason: 'reverted with 0x08c379a0' },
    })
    const own = frame(contract, reason, [caught])
    expect(readTrace(frame(user, reason, [own]), registry)).toMatchObject({
      call: { to: contract },
    })
  })

  test('of a call that ran out of gas says so', () => {
    const { output: _, ...spent } = { ...frame(contract, '0x'), error: 'out of gas' }
    const outer = { ...frame(user, '0x', [spent]) }
    expect(readTrace(outer, registry)).toMatchObject({
      call: { to: contract, reason: 'out of gas' },
    })
  })
})

describe('revert data', () => {
  test('alone shows what an entry is missing for', () => {
    expect(readRevert(missing(wanted))).toEqual({
      ...{ kind: 'missing', action: wanted, stateRoot: root, callsBefore: null },
    })
    expect(readRevert('0x1234')).toMatchObject({ kind: 'failed', call: { to: null } })
  })

  test('is said in words', () => {
    const encode = (errorName: 'UnknownRollup' | 'CallFailed', args: readonly [bigint] | [Hex]) =>
      encodeErrorResult({ abi: rollupsAbi, errorName, args } as never)
    expect(reasonOf(encode('UnknownRollup', [7n]))).toBe('UnknownRollup(7)')
    const inner = encode('UnknownRollup', [7n])
    expect(reasonOf(encode('CallFailed', [inner]))).toBe('CallFailed: UnknownRollup(7)')
    const words =
      `0x08c379a0${'20'.padStart(64, '0')}${'02'.padStart(64, '0')}${'6e6f'.padEnd(64, '0')}` as const
    expect(reasonOf(words)).toBe('Error(no)')
    expect(reasonOf('0x')).toBe('reverted without a reason')
  })
})

test('an action in a few words', () => {
  expect(actionText(wanted)).toBe(`CALL ${addressOf(9)} on rollup 1 5 wei 0x1234 in [0.2]`)
  const answer = actionOf('RESULT', {
    sourceRollup: 2n,
    failed: true,
    data: `0x${'ab'.repeat(40)}`,
  })
  expect(actionText(answer)).toBe('RESULT of rollup 2 to L1 failed 0xabababab… (40 bytes)')
})
