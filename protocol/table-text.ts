/**
 * A table as a person reads it: a line for the table, then two for each entry. The first says what
 * happens, the second what it changes and what follows; a third what it changes on another rollup.
 */
import type { Address, Hex } from './schema.ts'
import {
  type Action,
  dataBytes,
  encodeTable,
  L1,
  type StateDelta,
  type Table,
  tableDigest,
} from './table.ts'
import { isCall } from './table-actions.ts'

/** What people call an account on a chain (rollup 0 is L1), or nothing. */
export type Names = (address: Address, rollupId: bigint) => string | undefined

/** Longest line. Columns. */
export const MAX_COLUMNS = 100
const MAX_NAME = 14

/**
 * The lines of a table.
 *
 * @param names People's names of accounts; others are shown by their address, shortened.
 * @throws as `encodeTable`: check the table first.
 */
export function describeTable(table: Table, names: Names = () => undefined): string {
  const lines = table.entries.flatMap(({ deltas, action, next }, at) => {
    const [first, ...others] = deltas.map(changeText)
    return [
      `${`${at + 1}`.padStart(2)}  ${happening(action, names)}`,
      `    ${first}; then ${consequence(next, names)}`,
      ...others.map((other) => `    with ${other}`),
    ]
  })
  return [header(table), ...lines].map(clip).join('\n')
}

function header(table: Table): string {
  const { entries, chainId, firstBlock, lastBlock, executor } = table
  const count = entries.length === 1 ? '1 entry' : `${entries.length} entries`
  const blocks =
    firstBlock === lastBlock ? `block ${firstBlock}` : `blocks ${firstBlock} to ${lastBlock}`
  const who = BigInt(executor) === 0n ? 'anyone' : short(executor)
  const digest = short(tableDigest(encodeTable(table)))
  return `table ${digest}: ${count}, chain ${chainId}, ${blocks}, for ${who}`
}

function happening(action: Action, names: Names): string {
  const { actionType, rollupId, sourceRollup, destination, sourceAddress } = action
  const account = (address: Address, rollup: bigint) =>
    `${nameOf(address, rollup, names)} on ${chain(rollup)}`
  switch (actionType) {
    case 'CALL':
    case 'TRY_CALL': {
      const verb = actionType === 'CALL' ? 'calls' : 'tries'
      const caller = account(sourceAddress, sourceRollup)
      return `${caller} ${verb} ${account(destination, rollupId)}${carried(action)}`
    }
    case 'L2TX':
      return `${account(destination, rollupId)} sends its own transaction${carried(action)}`
    case 'RESULT': {
      return `${chain(sourceRollup)} ${answerText(action)}`
    }
    case 'REVERT':
    case 'REVERT_CONTINUE':
      return `${chain(rollupId)} goes on after the revert of frame ${scope(action)}${carried(action)}`
  }
}

/** What the rollup that acts does next. */
function consequence(next: Action, names: Names): string {
  const { actionType, rollupId, sourceRollup, destination, sourceAddress } = next
  if (actionType === 'RESULT') return answerText(next)
  if (!isCall(next)) return `reverts its calls in frame ${scope(next)}`
  const caller = nameOf(sourceAddress, sourceRollup, names)
  const verb = actionType === 'CALL' ? 'calls' : 'tries'
  const whom = `${nameOf(destination, rollupId, names)} on ${chain(rollupId)}`
  return `${caller} ${verb} ${whom}${carried(next)}`
}

const answerText = (result: Action): string =>
  `answers ${chain(result.rollupId)}${result.failed ? ' with a failure' : ''}${carried(result)}`

const nameOf = (address: Address, rollupId: bigint, names: Names): string =>
  (names(address, rollupId) ?? short(address)).slice(0, MAX_NAME)

const chain = (rollupId: bigint): string => (rollupId === L1 ? 'L1' : `rollup ${rollupId}`)
const scope = (action: Action): string => action.scope.join('.')

/** What an action carries: value and data, where it has them. */
function carried(action: Action): string {
  const bytes = dataBytes(action)
  const data = bytes === 0 || action.actionType === 'REVERT_CONTINUE' ? [] : [dataText(action.data)]
  const value = action.value === 0n ? [] : [etherText(action.value)]
  const parts = [...value, ...data]
  return parts.length === 0 ? '' : `: ${parts.join(', ')}`
}

/** Up to 8 bytes whole, a number that fits them as a number, more by its start and length. */
function dataText(data: Hex): string {
  const bytes = (data.length - 2) / 2
  if (bytes <= 8) return data
  const isSmall = bytes === 32 && BigInt(data) < 1n << 64n
  return isSmall ? `${BigInt(data)}` : `${data.slice(0, 10)}… (${bytes} B)`
}

function changeText({ rollupId, rootBefore, rootAfter, etherDelta, sent, received }: StateDelta) {
  const roots = rootBefore === rootAfter ? 'stays' : `${end(rootBefore)} → ${end(rootAfter)}`
  const sign = etherDelta > 0n ? '+' : '−'
  const size = etherDelta < 0n ? -etherDelta : etherDelta
  const ether = etherDelta === 0n ? '' : `, ${sign}${etherText(size)}`
  const message = BigInt(sent) !== 0n ? ', sends' : BigInt(received) !== 0n ? ', receives' : ''
  return `${chain(rollupId)} ${roots}${ether}${message}`
}

/** The last bytes tell roots apart: they are hashes, of which some begin with zeros. */
const end = (hash: Hex): string => `…${hash.slice(-4)}`
const short = (hex: Hex): string => `${hex.slice(0, 6)}…${hex.slice(-4)}`

const GWEI = 10n ** 9n
const DECIMALS = 9
/** Ether where nine decimals say it exactly, else wei. */
function etherText(wei: bigint): string {
  if (wei % GWEI !== 0n) return `${wei} wei`
  const digits = (wei / GWEI).toString().padStart(DECIMALS + 1, '0')
  const decimals = digits.slice(-DECIMALS).replace(/0+$/, '')
  return `${digits.slice(0, -DECIMALS)}${decimals === '' ? '' : `.${decimals}`} ether`
}

const clip = (line: string): string =>
  line.length <= MAX_COLUMNS ? line : `${line.slice(0, MAX_COLUMNS - 1)}…`
