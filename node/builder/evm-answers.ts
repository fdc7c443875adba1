/** What a session of an EVM rollup says, and which answers fit it. */
import type { Address } from '#protocol/schema'
import type { Action } from '#protocol/table'
import type { Entering } from './evm-frames.ts'

/** What a session does next. */
export type SessionStep = {
  readonly next: Action
  /** Of a REVERT: the call that opened the frame. */
  readonly entering?: Entering
  /**
   * Of an answer that leaves nothing behind: how many inputs there were before what it answers. The
   * session stands there again.
   */
  readonly backTo?: number
}

/** Whether an action wakes a rollup, or comes in while it waits; the others are answers. */
export const isCall = ({ actionType }: Action): boolean =>
  actionType === 'CALL' || actionType === 'TRY_CALL' || actionType === 'L2TX'

/** Whether `answer` is what the CALL or REVERT `next` waits for. */
export function answers(answer: Action, next: Action, entering: Entering | undefined): boolean {
  const { actionType, sourceRollup, failed, value, scope } = answer
  if (scope.join() !== next.scope.join()) return false
  if (next.actionType === 'REVERT') {
    return actionType === 'REVERT_CONTINUE' && failed && value === entering?.valueWei
  }
  const owedWei = failed ? next.value : 0n
  return actionType === 'RESULT' && sourceRollup === next.rollupId && value === owedWei
}

const NO_ADDRESS: Address = `0x${'00'.repeat(20)}`

/** An action of a rollup with nothing in it yet. */
export const bareAction = (
  actionType: Action['actionType'],
  source: { readonly rollupId: bigint },
  scope: readonly number[],
  rollupId: bigint,
): Action => ({
  actionType,
  rollupId,
  destination: NO_ADDRESS,
  value: 0n,
  data: '0x',
  failed: false,
  sourceAddress: NO_ADDRESS,
  sourceRollup: source.rollupId,
  scope,
})
