/**
 * The rules a table keeps (rules E2 to E11), each broken one named with the entry it is broken in,
 * and what people should know about a table that keeps them all.
 */
import { FIELD_ORDER } from './field.ts'
import type { Address, Hex } from './schema.ts'
import {
  type Action,
  dataBytes,
  type Entry,
  encodeTable,
  L1,
  MAX_DATA_BYTES,
  MAX_DELTAS,
  MAX_ENTRIES,
  MAX_SCOPE_STEPS,
  MAX_TABLE_BYTES,
  SCOPE_STEP_LIMIT,
  type StateDelta,
  type Table,
  ZERO_HASH,
} from './table.ts'
import {
  checkAction,
  checkNext,
  type EntryFault,
  type FaultCode,
  type TableFault,
} from './table-actions.ts'
import { checkSessions, unfinished } from './table-sessions.ts'

export type { FaultCode, TableFault } from './table-actions.ts'

const UINT64 = 1n << 64n
const VALUE_LIMIT = 1n << 128n
const DELTA_LIMIT = 1n << 127n

const fault = (rule: string, code: FaultCode, message: string): EntryFault => ({
  rule,
  code,
  message,
})

/**
 * The first rule a table breaks, or null. It needs no chain: what the registry alone knows (roots,
 * programs and balances of this moment) is checked when the table is posted and consumed.
 */
export function checkTable(table: Table): TableFault | null {
  const whole = checkSize(table)
  if (whole !== null) return { entry: null, ...whole }
  for (const [entry, one] of table.entries.entries()) {
    const found = checkFields(one) ?? checkEntry(one)
    if (found !== null) return { entry, ...found }
  }
  if (encodeTable(table).length > MAX_TABLE_BYTES) {
    const message = `the table has more than ${MAX_TABLE_BYTES} bytes`
    return { entry: null, ...fault('E2', 'TABLE_SIZE', message) }
  }
  return checkPrograms(table) ?? checkRoots(table.entries) ?? checkSessions(table.entries)
}

/** Rule E2 for all but the entries, which may hold anything. */
function checkSize(table: Table): EntryFault | null {
  const { chainId, firstBlock, lastBlock, entries, programs } = table
  const count = entries.length
  if (count < 1 || count > MAX_ENTRIES)
    return fault('E2', 'TABLE_SIZE', `a table has 1 to ${MAX_ENTRIES} entries, not ${count}`)
  const numbers = { chainId, firstBlock, lastBlock }
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isSafeInteger(value) || value < 0)
      return fault('E2', 'BAD_FIELD', `${name} is no whole number: ${value}`)
  }
  if (lastBlock < firstBlock) {
    const message = `the last block, ${lastBlock}, is before the first, ${firstBlock}`
    return fault('E2', 'BLOCKS_OUT_OF_ORDER', message)
  }
  const context = badAddress({ venue: table.venue, executor: table.executor })
  if (context !== null) return context
  if (!isHash(table.parentHash))
    return fault('E2', 'BAD_FIELD', `parentHash is no hash: ${table.parentHash}`)
  for (const { rollupId, verifier, programId } of programs) {
    const bad = badRollup(rollupId) ?? badAddress({ verifier })
    if (bad !== null) return bad
    if (!isHash(programId))
      return fault('E2', 'BAD_FIELD', `programId of rollup ${rollupId} is no hash: ${programId}`)
  }
  return null
}

const isHash = (text: Hex): boolean => /^0x[0-9a-f]{64}$/.test(text)

function badAddress(fields: Record<string, Address>): EntryFault | null {
  for (const [name, value] of Object.entries(fields)) {
    if (!/^0x[0-9a-f]{40}$/.test(value))
      return fault('E2', 'BAD_FIELD', `${name} is no address in lower case: ${value}`)
  }
  return null
}

const badRollup = (rollupId: bigint): EntryFault | null =>
  rollupId >= 0n && rollupId < UINT64
    ? null
    : fault('E2', 'BAD_FIELD', `no rollup has the id ${rollupId}`)

/** Rule E2 for one entry: every field is of its type and size. */
function checkFields({ deltas, action, next }: Entry): EntryFault | null {
  if (deltas.length < 1 || deltas.length > MAX_DELTAS) {
    const message = `an entry has 1 to ${MAX_DELTAS} deltas, not ${deltas.length}`
    return fault('E2', 'DELTA_COUNT', message)
  }
  for (const delta of deltas) {
    const bad = badDelta(delta)
    if (bad !== null) return bad
  }
  return badAction(action) ?? badAction(next)
}

function badDelta({ rollupId, etherDelta, ...hashes }: StateDelta): EntryFault | null {
  const bad = badRollup(rollupId)
  if (bad !== null) return bad
  if (rollupId === L1) return fault('E2', 'BAD_FIELD', 'a delta of rollup 0, which is L1')
  if (etherDelta <= -DELTA_LIMIT || etherDelta >= DELTA_LIMIT)
    return fault('E2', 'BAD_FIELD', `an ether delta out of bounds: ${etherDelta} wei`)
  const { rootBefore, rootAfter, sent, received } = hashes
  for (const [name, value] of Object.entries({ rootBefore, rootAfter, sent, received })) {
    if (!isHash(value))
      return fault('E2', 'BAD_FIELD', `${name} of rollup ${rollupId} is no hash: ${value}`)
    if (BigInt(value) >= FIELD_ORDER) {
      const message = `${name} of rollup ${rollupId} is not below the field order: ${value}`
      return fault('E2', 'NOT_IN_FIELD', message)
    }
  }
  return null
}

function badAction(action: Action): EntryFault | null {
  const { rollupId, sourceRollup, destination, sourceAddress, value, data, scope } = action
  const bad =
    badRollup(rollupId) ?? badRollup(sourceRollup) ?? badAddress({ destination, sourceAddress })
  if (bad !== null) return bad
  if (value < 0n || value >= VALUE_LIMIT)
    return fault('E2', 'BAD_FIELD', `a value out of bounds: ${value} wei`)
  if (!/^0x(?:[0-9a-f]{2})*$/.test(data))
    return fault('E2', 'BAD_FIELD', 'data that is no hex in lower case')
  if (dataBytes(action) > MAX_DATA_BYTES) {
    const message = `data of ${dataBytes(action)} bytes, at most ${MAX_DATA_BYTES}`
    return fault('E2', 'DATA_SIZE', message)
  }
  const isStep = (step: number) => Number.isInteger(step) && step >= 0 && step < SCOPE_STEP_LIMIT
  if (scope.length > MAX_SCOPE_STEPS || !scope.every(isStep)) {
    const message = `a scope has at most ${MAX_SCOPE_STEPS} steps below ${SCOPE_STEP_LIMIT}`
    return fault('E2', 'SCOPE_SIZE', `${message}: [${scope}]`)
  }
  return null
}

/** Rules E3 and E5 to E8: what holds of each entry for itself. */
function checkEntry(entry: Entry): EntryFault | null {
  const { deltas, action, next } = entry
  const [first, second] = deltas as readonly [StateDelta, StateDelta?]
  const acting = action.rollupId
  if (first.rollupId !== acting) {
    const message = `the first delta is of rollup ${first.rollupId}, but rollup ${acting} acts`
    return fault('E3', 'WRONG_ACTING_ROLLUP', message)
  }
  if (second?.rollupId === acting)
    return fault('E3', 'ROLLUP_TWICE', `two deltas of rollup ${acting}`)
  const shape = checkAction(action) ?? checkNext(next, acting)
  if (shape !== null) return shape
  const moved = deltas.reduce((sum, { etherDelta }) => sum + etherDelta, 0n)
  if (moved !== action.value - next.value) {
    const message =
      `the ether deltas add up to ${moved} wei, but ${action.value} wei come in and ` +
      `${next.value} wei go out`
    return fault('E7', 'ETHER_NOT_CONSERVED', message)
  }
  return checkMessages(entry)
}

/**
 * Messages an entry sends and does not receive (+1 each), or receives and does not send (−1). Empty
 * when they cancel. A message a rollup sends to itself never cancels.
 */
export function accumulator({ deltas }: Entry): Map<Hex, number> {
  const open = new Map<Hex, number>()
  const add = (hash: Hex, count: number) => {
    if (hash !== ZERO_HASH) open.set(hash, (open.get(hash) ?? 0) + count)
  }
  for (const { sent, received } of deltas) {
    add(sent, 1)
    add(received, -1)
  }
  for (const [hash, count] of open) if (count === 0) open.delete(hash)
  return open
}

function checkMessages(entry: Entry): EntryFault | null {
  const [first] = accumulator(entry)
  if (first !== undefined) {
    const [hash, count] = first
    const message =
      count > 0 ? 'is sent, and nobody receives it' : 'is received, and nobody sent it'
    return fault('E8', 'MESSAGES_DO_NOT_CANCEL', `the message ${hash} ${message}`)
  }
  const own = entry.deltas.find(({ sent, received }) => sent !== ZERO_HASH && sent === received)
  return own === undefined
    ? null
    : fault('E8', 'MESSAGES_DO_NOT_CANCEL', `rollup ${own.rollupId} sends to itself`)
}

/** Rule E4. */
function checkPrograms({ programs, entries }: Table): TableFault | null {
  const unsorted = programs.findIndex(
    ({ rollupId }, at) => at > 0 && rollupId <= programs[at - 1]!.rollupId,
  )
  if (unsorted >= 0) {
    const message = `programs are in ascending order of rollup, but ${programs[unsorted]!.rollupId}`
    return {
      entry: null,
      ...fault('E4', 'PROGRAMS_UNSORTED', `${message} follows ${programs[unsorted - 1]!.rollupId}`),
    }
  }
  const named = new Set(programs.map(({ rollupId }) => rollupId))
  const used = new Set<bigint>()
  for (const [entry, { deltas }] of entries.entries()) {
    for (const { rollupId } of deltas) {
      used.add(rollupId)
      if (!named.has(rollupId))
        return { entry, ...fault('E4', 'PROGRAM_MISSING', `rollup ${rollupId} has no program`) }
    }
  }
  const unused = programs.find(({ rollupId }) => !used.has(rollupId))
  if (unused === undefined) return null
  const message = `no entry changes rollup ${unused.rollupId}, which has a program`
  return { entry: null, ...fault('E4', 'PROGRAM_UNUSED', message) }
}

/** Rule E9. A revert leads back to an earlier root, so any earlier one will do. */
function checkRoots(entries: readonly Entry[]): TableFault | null {
  const known = new Map<bigint, Set<Hex>>()
  for (const [entry, { deltas }] of entries.entries()) {
    for (const { rollupId, rootBefore, rootAfter } of deltas) {
      const roots = known.get(rollupId) ?? new Set([rootBefore])
      if (!roots.has(rootBefore)) {
        const message = `no entry before leads rollup ${rollupId} to the root ${rootBefore}`
        return { entry, ...fault('E9', 'ROOT_UNKNOWN', message) }
      }
      known.set(rollupId, roots.add(rootAfter))
    }
  }
  return null
}

/** What people should know about a rollup before they trust a table with it. */
export type RollupFacts = {
  /** May set root and program; the zero address for nobody. */
  readonly owner: Address
  /** Its money is not ether. */
  readonly nativeToken: boolean
}

/** Something that is allowed, and that the people concerned should know. */
export type TableRisk = {
  readonly code:
    | 'OWNER_CAN_CHANGE_ROLLUP'
    | 'NATIVE_TOKEN'
    | 'ANYONE_MAY_EXECUTE'
    | 'BOUND_TO_PARENT'
    | 'LONG_WINDOW'
    | 'UNFINISHED'
  readonly message: string
}

/** A longer window than this is named as a risk. Blocks: five minutes of Ethereum's. */
export const LONG_WINDOW_BLOCKS = 25

/**
 * The risks of a table that keeps the rules, for the people who pay for it or rely on it.
 *
 * @param rollups What the registry says of the table's rollups; those it lacks are passed over.
 */
export function tableRisks(
  table: Table,
  rollups: ReadonlyMap<bigint, RollupFacts>,
  longWindowBlocks = LONG_WINDOW_BLOCKS,
): TableRisk[] {
  const risks: TableRisk[] = []
  for (const { rollupId } of table.programs) {
    const facts = rollups.get(rollupId)
    if (facts === undefined) continue
    const { owner, nativeToken } = facts
    if (BigInt(owner) !== 0n) {
      const message = `${owner} owns rollup ${rollupId} and can set its root and its program`
      risks.push({ code: 'OWNER_CAN_CHANGE_ROLLUP', message })
    }
    if (nativeToken) risks.push({ code: 'NATIVE_TOKEN', message: nativeTokenRisk(table, rollupId) })
  }
  if (BigInt(table.executor) === 0n)
    risks.push({
      code: 'ANYONE_MAY_EXECUTE',
      message: 'it names no executor: anyone may consume it',
    })
  if (table.parentHash !== ZERO_HASH) {
    const message = `it is good only on top of block ${table.parentHash}, known one slot ahead`
    risks.push({ code: 'BOUND_TO_PARENT', message })
  }
  const blocks = table.lastBlock - table.firstBlock + 1
  if (blocks > longWindowBlocks)
    risks.push({ code: 'LONG_WINDOW', message: `it may be posted in any of ${blocks} blocks` })
  for (const { actionType, rollupId } of unfinished(table.entries)) {
    const message = `no entry ends what the ${actionType} of rollup ${rollupId} began`
    risks.push({ code: 'UNFINISHED', message })
  }
  return risks
}

function nativeTokenRisk({ entries }: Table, rollupId: bigint): string {
  const isConcerned = ({ deltas, action, next }: Entry) =>
    deltas.some((delta) => delta.rollupId === rollupId && delta.etherDelta !== 0n) ||
    (deltas[0]!.rollupId === rollupId && (action.value !== 0n || next.value !== 0n))
  return entries.some(isConcerned)
    ? `rollup ${rollupId} has a token of its own: the registry refuses the ether this table moves`
    : `rollup ${rollupId} has a token of its own, so no ether may reach it`
}
