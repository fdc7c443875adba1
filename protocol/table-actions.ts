/**
 * Which actions an entry may start with and lead to, and which fields each type has (rules E5, E6).
 */
import { type Action, type ActionType, dataBytes, L1 } from './table.ts'

const ZERO_ADDRESS = `0x${'00'.repeat(20)}`
/** Bytes of the data of a REVERT: it ties the continuation to what happened. */
const REVERT_DATA_BYTES = 32

const starts: readonly ActionType[] = ['CALL', 'TRY_CALL', 'L2TX', 'RESULT', 'REVERT_CONTINUE']
const follows: readonly ActionType[] = ['CALL', 'TRY_CALL', 'RESULT', 'REVERT']

export const isCall = ({ actionType }: Action): boolean =>
  actionType === 'CALL' || actionType === 'TRY_CALL'

/** What is wrong with a table, for people: the rule of README.md and the entry it is about. */
export type TableFault = {
  /** Index of the entry, from 0; null for the table as a whole. */
  readonly entry: number | null
  readonly rule: string
  readonly code: FaultCode
  readonly message: string
}
export type FaultCode =
  | 'TABLE_SIZE'
  | 'DELTA_COUNT'
  | 'DATA_SIZE'
  | 'SCOPE_SIZE'
  | 'BAD_FIELD'
  | 'NOT_IN_FIELD'
  | 'BLOCKS_OUT_OF_ORDER'
  | 'WRONG_ACTING_ROLLUP'
  | 'ROLLUP_TWICE'
  | 'PROGRAMS_UNSORTED'
  | 'PROGRAM_MISSING'
  | 'PROGRAM_UNUSED'
  | 'ACTION_TYPE'
  | 'ACTION_FIELDS'
  | 'NEXT_TYPE'
  | 'NEXT_SOURCE'
  | 'NEXT_FIELDS'
  | 'ETHER_NOT_CONSERVED'
  | 'MESSAGES_DO_NOT_CANCEL'
  | 'ROOT_UNKNOWN'
  | 'CALL_NOT_MADE'
  | 'ANSWERS_NO_CALL'
  | 'SCOPE_SHARED'
  | 'REVERTS_NO_FRAME'
  | 'CONTINUES_NO_REVERT'
/** A fault of one entry, without its number. */
export type EntryFault = Omit<TableFault, 'entry'>

/** What is wrong with the action an entry starts with, or null (rule E5). */
export function checkAction(action: Action): EntryFault | null {
  const { actionType, rollupId } = action
  const fault = (code: FaultCode, message: string): EntryFault => ({
    rule: 'E5',
    code,
    message: `the action: ${message}`,
  })
  if (!starts.includes(actionType))
    return fault('ACTION_TYPE', `no entry starts with a ${actionType}`)
  if (rollupId === L1) return fault('ACTION_FIELDS', 'rollup 0 is L1, which has no entries')
  const wrong = wrongField(action)
  if (wrong !== null) return fault('ACTION_FIELDS', wrong)
  if (isCall(action) && (action.sourceRollup === L1) !== (action.scope.length === 0)) {
    return fault(
      'ACTION_FIELDS',
      `a ${actionType} has the empty scope exactly when it comes from L1 (from rollup ` +
        `${action.sourceRollup}, scope [${action.scope}])`,
    )
  }
  if (actionType === 'RESULT' && action.scope.length === 0)
    return fault('ACTION_FIELDS', 'a RESULT for a rollup has the scope of the call it answers')
  return null
}

/** What is wrong with the action an entry of rollup `acting` leads to, or null (rule E6). */
export function checkNext(next: Action, acting: bigint): EntryFault | null {
  const { actionType, rollupId, sourceRollup, scope } = next
  const fault = (code: FaultCode, message: string): EntryFault => ({
    rule: 'E6',
    code,
    message: `the next action: ${message}`,
  })
  if (!follows.includes(actionType)) return fault('NEXT_TYPE', `no entry leads to a ${actionType}`)
  if (sourceRollup !== acting)
    return fault('NEXT_SOURCE', `it comes from rollup ${sourceRollup}, but rollup ${acting} acts`)
  const wrong = wrongField(next)
  if (wrong !== null) return fault('NEXT_FIELDS', wrong)
  if (isCall(next) && scope.length === 0)
    return fault('NEXT_FIELDS', `a ${actionType} that a rollup makes has a scope of its own`)
  if (actionType === 'RESULT' && (rollupId === L1) !== (scope.length === 0)) {
    return fault(
      'NEXT_FIELDS',
      `a RESULT has the empty scope exactly when it goes to L1 (to rollup ${rollupId}, scope ` +
        `[${scope}])`,
    )
  }
  return null
}

/** What holds of an action wherever it stands: the fields its type does not have are empty. */
function wrongField(action: Action): string | null {
  const { actionType, rollupId, sourceRollup, value, failed, scope } = action
  const isNamed = action.destination !== ZERO_ADDRESS
  const hasSource = action.sourceAddress !== ZERO_ADDRESS
  switch (actionType) {
    case 'CALL':
    case 'TRY_CALL':
      return failed ? `a ${actionType} has not failed` : null
    case 'L2TX':
      if (failed) return 'an L2TX has not failed'
      if (hasSource || sourceRollup !== L1) return 'an L2TX has no source'
      if (value !== 0n) return `an L2TX carries no value, but ${value} wei`
      return scope.length > 0 ? `an L2TX has the empty scope, not [${scope}]` : null
    case 'RESULT':
      if (isNamed || hasSource) return 'a RESULT has no addresses'
      if (rollupId === sourceRollup) return `rollup ${rollupId} answers itself`
      return !failed && value !== 0n
        ? `a RESULT that did not fail hands back no value, but ${value} wei`
        : null
    case 'REVERT':
      if (value !== 0n) return `a REVERT carries no value, but ${value} wei`
      if (failed) return 'a REVERT is not marked as failed'
      return wrongRevert(action)
    case 'REVERT_CONTINUE':
      return failed ? wrongRevert(action) : 'a REVERT_CONTINUE is marked as failed'
  }
}

function wrongRevert(action: Action): string | null {
  const { actionType, rollupId, sourceRollup, scope } = action
  if (action.destination !== ZERO_ADDRESS || action.sourceAddress !== ZERO_ADDRESS)
    return `a ${actionType} has no addresses`
  if (rollupId !== sourceRollup)
    return `a ${actionType} names one rollup, not ${rollupId} and ${sourceRollup}`
  if (scope.length === 0) return `a ${actionType} names the frame that reverts`
  const bytes = dataBytes(action)
  return bytes === REVERT_DATA_BYTES
    ? null
    : `a ${actionType} has ${REVERT_DATA_BYTES} bytes of data, not ${bytes}`
}
