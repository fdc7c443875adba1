/**
 * What happens between a call from L1 (or a rollup's own transaction) and its answer: one session.
 * Walks a table's entries as the registry consumes them and finds answers to calls nobody made,
 * scopes that two calls share, reverts of frames that are not open (rules E10, E11).
 */

import { type Action, type Entry, L1 } from './table.ts'
import { type EntryFault, type FaultCode, isCall, type TableFault } from './table-actions.ts'

/** A frame of the registry: it can be reverted alone. `entering`: the call it was opened for. */
type Frame = { readonly scope: readonly number[]; readonly entering: Action }
type Session = {
  /** The call from L1 or the rollup's transaction it started with. */
  readonly start: Action
  /** Calls made, by their scope; `answered` once their caller has the answer. */
  readonly calls: Map<string, { readonly call: Action; answered: boolean }>
  /** Open frames, outermost first, without the session's own. */
  frames: Frame[]
  /** Where the last entry led. */
  next: Action
  /** The frame a REVERT undid, until it is continued. */
  reverted: Frame | null
}

const keyOf = (scope: readonly number[]): string => scope.join(',')
const isWithin = (scope: readonly number[], frame: readonly number[]): boolean =>
  frame.every((step, at) => scope[at] === step)
const show = (scope: readonly number[]): string => `[${scope.join(', ')}]`

const isSame = (a: Action, b: Action): boolean =>
  keyOf(a.scope) === keyOf(b.scope) &&
  (Object.keys(a) as (keyof Action)[]).every((key) => key === 'scope' || a[key] === b[key])

/**
 * The first entry that is out of place, or null. A session that L1 gave up in the middle, and never
 * comes back to, is no fault: see `unfinished`.
 *
 * @param entries Each of them within rules E2 to E6.
 */
export function checkSessions(entries: readonly Entry[]): TableFault | null {
  const walk = walkSessions(entries)
  return Array.isArray(walk) ? null : walk
}

/** Calls whose sessions no entry ends: their transaction stops there. @param entries As above. */
export function unfinished(entries: readonly Entry[]): readonly Action[] {
  const walk = walkSessions(entries)
  return Array.isArray(walk) ? walk : []
}

function walkSessions(entries: readonly Entry[]): Action[] | TableFault {
  /** Sessions under way: a contract on L1 may start another before it answers. */
  let open: Session[] = []
  /** Sessions left in the middle. */
  const left: Action[] = []
  for (const [entry, { action, next }] of entries.entries()) {
    const at = isStart(action) ? open.length : open.findLastIndex((one) => fits(one, action))
    if (at < 0) return { entry, ...misfit(action) }
    left.push(...open.slice(at + 1).map(({ start }) => start))
    open = open.slice(0, at + 1)
    if (at === open.length) open.push(newSession(action, next))
    const session = open[at]!
    resume(session, action)
    const fault = proceed(session, next)
    if (fault !== null) return { entry, ...fault }
    if (next.actionType === 'RESULT' && next.rollupId === L1) open.pop()
  }
  return [...left, ...open.map(({ start }) => start)]
}

const isStart = (action: Action): boolean =>
  action.actionType === 'L2TX' || (isCall(action) && action.sourceRollup === L1)

const newSession = (start: Action, next: Action): Session => ({
  start,
  calls: new Map(),
  frames: [],
  next,
  reverted: null,
})

/** Whether a session waits for this action. */
function fits({ calls, next, reverted }: Session, action: Action): boolean {
  if (action.actionType === 'REVERT_CONTINUE') {
    if (reverted === null) return false
    const { value } = reverted.entering
    return isSame(action, { ...next, actionType: 'REVERT_CONTINUE', failed: true, value })
  }
  if (action.actionType === 'RESULT' && action.sourceRollup === L1) {
    const made = calls.get(keyOf(action.scope))
    return made !== undefined && isSame(next, made.call) && answers(action, made.call)
  }
  return isSame(action, next)
}

/** A RESULT's roles and value are those of the call's answer. */
const answers = (result: Action, call: Action): boolean =>
  result.rollupId === call.sourceRollup &&
  result.sourceRollup === call.rollupId &&
  result.value === (result.failed ? call.value : 0n)

const fault = (rule: string, code: FaultCode, message: string): EntryFault => ({
  rule,
  code,
  message,
})

function misfit({ actionType, rollupId, sourceRollup, scope, value }: Action): EntryFault {
  const where = `in scope ${show(scope)}`
  if (actionType === 'REVERT_CONTINUE') {
    return fault(
      'E11',
      'CONTINUES_NO_REVERT',
      `no REVERT of rollup ${rollupId} ${where} with its data, entered with ${value} wei, is ` +
        'waiting to be continued',
    )
  }
  if (actionType === 'RESULT') {
    return fault(
      'E10',
      'ANSWERS_NO_CALL',
      `rollup ${rollupId} waits for no such answer from rollup ${sourceRollup} ${where}`,
    )
  }
  return fault(
    'E10',
    'CALL_NOT_MADE',
    `no entry before leads to this ${actionType} from rollup ${sourceRollup} ${where}`,
  )
}

/** The action comes: an answer arrives at its caller, a revert is done. */
function resume(session: Session, action: Action): void {
  session.reverted = null
  if (action.actionType !== 'RESULT') return
  const { scope, failed, sourceRollup } = action
  session.calls.get(keyOf(scope))!.answered = true
  // Frames inside the call's end with it. What a rollup that failed did is undone with the call's
  // own frame; L1 undoes its own.
  const isUndone = failed && sourceRollup !== L1
  const isEnded = (frame: Frame) =>
    isWithin(frame.scope, scope) && (isUndone || frame.scope.length > scope.length)
  session.frames = session.frames.filter((frame) => !isEnded(frame))
}

/** The next action is done in its frame. Null, or why it cannot. */
function proceed(session: Session, next: Action): EntryFault | null {
  session.next = next
  if (isCall(next)) return makeCall(session, next)
  return next.actionType === 'REVERT' ? revert(session, next) : answer(session, next)
}

function makeCall(session: Session, call: Action): EntryFault | null {
  const key = keyOf(call.scope)
  if (session.calls.has(key)) {
    return fault(
      'E10',
      'SCOPE_SHARED',
      `two calls of one transaction have the scope ${show(call.scope)}`,
    )
  }
  session.calls.set(key, { call, answered: false })
  session.frames = session.frames.filter((frame) => isWithin(call.scope, frame.scope))
  for (let depth = session.frames.length + 1; depth <= call.scope.length; depth++)
    session.frames.push({ scope: call.scope.slice(0, depth), entering: call })
  return null
}

function answer(session: Session, result: Action): EntryFault | null {
  const made = session.calls.get(keyOf(result.scope))
  const call = result.rollupId === L1 ? { call: session.start, answered: false } : made
  if (call !== undefined && !call.answered && answers(result, call.call)) return null
  return fault(
    'E10',
    'ANSWERS_NO_CALL',
    `rollup ${result.sourceRollup} leads to an answer for rollup ${result.rollupId} in scope ` +
      `${show(result.scope)}, but owes none of this kind and value`,
  )
}

function revert(session: Session, { rollupId, scope }: Action): EntryFault | null {
  const at = session.frames.findIndex((frame) => keyOf(frame.scope) === keyOf(scope))
  const frame = session.frames[at]
  if (frame === undefined || frame.entering.sourceRollup !== rollupId) {
    return fault(
      'E10',
      'REVERTS_NO_FRAME',
      `rollup ${rollupId} reverts the frame ${show(scope)}, which it has not opened`,
    )
  }
  session.frames = session.frames.slice(0, at)
  session.reverted = frame
  return null
}
