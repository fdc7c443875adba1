/**
 * What the table writer asks of a rollup: a state function that may call out in the middle and be
 * resumed with the answer. What is suspended is part of the root, so every step is a function of
 * the root and the action alone.
 */
import type { EntryWitness } from '#protocol/ledger'
import type { Hex } from '#protocol/schema'
import type { Action, Program, StateDelta } from '#protocol/table'

/** Why a rollup cannot take an action, in words for people. */
export type StepRefusal = { readonly refused: string }

/** What a rollup does with an action: the entry without the action itself. */
export type Step = {
  /** One or two; the first is of the rollup that acts. */
  readonly deltas: readonly StateDelta[]
  readonly next: Action
  /** Of a call that fails: why, in words for people. */
  readonly failure?: string
  /** What the ledger's prover needs beside the entry. */
  readonly witness?: EntryWitness
}

/** A rollup as the writer sees it. */
export interface StateTransition {
  readonly program: Program
  /**
   * The state function at a root it knows. States are kept by root and never changed in place: the
   * writer goes back to an earlier root when L1 reverted.
   *
   * @param liveRoots The latest root of every rollup, by id.
   */
  step(root: Hex, action: Action, liveRoots: ReadonlyMap<bigint, Hex>): Promise<Step | StepRefusal>
}

export const isRefusedStep = (step: Step | StepRefusal): step is StepRefusal => 'refused' in step
