/**
 * Reads what a node says of a simulated transaction: that it passes, which entry it lacks first, or
 * which call failed and why.
 */
import { decodeErrorResult, getAbiItem, toFunctionSelector } from 'viem/utils'
import { rollupsAbi } from '#contracts/abi'
import type { Address, Hex } from '#protocol/schema'
import { type Action, dataBytes, fromActionAbi } from '#protocol/table'

/** A call and those made in it, as `callTracer` tells them. */
export type CallFrame = {
  readonly type: string
  readonly from: Address
  readonly to?: Address
  readonly input: Hex
  /** What it returned, or reverted with. */
  readonly output?: Hex
  /** Absent where it succeeded. */
  readonly error?: string
  readonly gasUsed?: Hex
  readonly calls?: readonly CallFrame[]
}

/** The call that made a transaction fail. */
export type FailedCall = {
  /** Null where the node says only why. */
  readonly to: Address | null
  /** First four bytes of its data, `0x` for plain ether. */
  readonly selector: Hex
  /** The error by its name where it is known, else its bytes. */
  readonly reason: string
}

export type Passed = { readonly kind: 'passed' }
/** No entry answers `action` where its rollup stands. */
export type Missing = {
  readonly kind: 'missing'
  readonly action: Action
  readonly stateRoot: Hex
  /** Calls that had ended before, without those of `post`; null where the node does not trace. */
  readonly callsBefore: number | null
}
/** An entry expects another root of its second rollup. */
export type WrongRoot = {
  readonly kind: 'wrong-root'
  readonly rollupId: bigint
  readonly actual: Hex
}
export type Failed = { readonly kind: 'failed'; readonly call: FailedCall }
export type Simulation = Passed | Missing | WrongRoot | Failed

type Lack = Missing | WrongRoot

type Decoded = { readonly errorName: string; readonly args: readonly unknown[] }

function decode(output: Hex): Decoded | null {
  try {
    const { errorName, args } = decodeErrorResult({ abi: rollupsAbi, data: output })
    return { errorName, args: args ?? [] }
  } catch {
    return null
  }
}

/** Whether a revert of the registry asks for an entry or for another root. */
function lackIn(output: Hex | undefined, callsBefore: number | null): Lack | null {
  const error = output === undefined ? null : decode(output)
  if (error?.errorName === 'MissingEntry') {
    const [decoded, , stateRoot] = error.args as [Parameters<typeof fromActionAbi>[0], Address, Hex]
    const action = fromActionAbi(decoded)
    return action === null ? null : { kind: 'missing', action, stateRoot, callsBefore }
  }
  if (error?.errorName !== 'WrongRoot') return null
  const [rollupId, , actual] = error.args as [bigint, Hex, Hex]
  return { kind: 'wrong-root', rollupId, actual }
}

/**
 * What a trace says. The first entry that was missing counts even where a contract swallowed the
 * revert: with the entry there, the contract would have gone on otherwise.
 */
export function readTrace(root: CallFrame, registry: Address): Simulation {
  const lack = firstLack(root, registry, { ended: 0 })
  if (lack !== null) return lack
  return root.error === undefined ? { kind: 'passed' } : { kind: 'failed', call: failedIn(root) }
}

const POST = toFunctionSelector(getAbiItem({ abi: rollupsAbi, name: 'post' }))

/** In the order of execution: what is inside a call happened before its end. */
function firstLack(frame: CallFrame, registry: Address, counter: { ended: number }): Lack | null {
  const isRegistry = frame.to?.toLowerCase() === registry
  // It lacks nothing, and the more programs a table has, the more calls it makes.
  if (isRegistry && frame.input.startsWith(POST)) return null
  for (const inner of frame.calls ?? []) {
    const lack = firstLack(inner, registry, counter)
    if (lack !== null) return lack
  }
  const { ended } = counter
  counter.ended += 1
  // Anybody can revert with these bytes: only the registry's own count.
  return isRegistry && frame.error !== undefined ? lackIn(frame.output, ended) : null
}

/** The innermost call whose failure the transaction failed with. */
function failedIn(frame: CallFrame): FailedCall {
  const last = frame.calls?.findLast(({ error }) => error !== undefined)
  const words = last?.output?.slice(2) ?? ''
  if (last !== undefined && (frame.output ?? '').includes(words)) return failedIn(last)
  const { to, input, output, error } = frame
  const reason = output === undefined || output === '0x' ? error! : reasonOf(output)
  return { to: to ?? null, selector: input.slice(0, 10) as Hex, reason }
}

/** What the data of a failed `eth_call` says. */
export const readRevert = (data: Hex): Lack | Failed =>
  lackIn(data, null) ?? {
    kind: 'failed',
    call: { to: null, selector: '0x', reason: reasonOf(data) },
  }

/** Revert data in words: the error and its arguments, or the bytes where it is not known. */
export function reasonOf(data: Hex): string {
  if (data === '0x') return 'reverted without a reason'
  const error = decode(data)
  if (error === null) return `reverted with ${data}`
  const { errorName, args } = error
  // What a failed call of a batch or of a rollup's transaction failed with.
  const inner = errorName === 'CallFailed' ? (args.at(-1) as Hex) : '0x'
  if (inner !== '0x') return `${errorName}: ${reasonOf(inner)}`
  return `${errorName}(${args.map(argumentText).join(', ')})`
}

function argumentText(argument: unknown): string {
  if (typeof argument !== 'object' || argument === null) return String(argument)
  const action = fromActionAbi(argument as Parameters<typeof fromActionAbi>[0])
  return action === null ? 'no action' : actionText(action)
}

/** An action in a few words. */
export function actionText(action: Action): string {
  const { actionType, rollupId, sourceRollup, destination, value, data, failed, scope } = action
  const words: string[] = [actionType]
  if (actionType === 'RESULT') words.push(`of ${placeText(sourceRollup)} to ${placeText(rollupId)}`)
  else if (actionType.startsWith('REVERT')) words.push(`of ${placeText(rollupId)}`)
  else words.push(`${destination} on ${placeText(rollupId)}`)
  if (failed && actionType === 'RESULT') words.push('failed')
  if (value !== 0n) words.push(`${value} wei`)
  if (data !== '0x') words.push(data.length <= 66 ? data : `${data.slice(0, 10)}…`)
  if (data.length > 66) words.push(`(${dataBytes(action)} bytes)`)
  if (scope.length > 0) words.push(`in [${scope.join('.')}]`)
  return words.join(' ')
}

const placeText = (rollupId: bigint): string => (rollupId === 0n ? 'L1' : `rollup ${rollupId}`)
