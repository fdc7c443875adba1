/**
 * The frames of what runs on an EVM rollup, and the scopes they are elsewhere.
 *
 * What comes in with scope s runs in frame s + [0]. A frame gets its step in its parent at the
 * first call that goes out of it or of a frame inside it, in that order; a call has the path of the
 * frame of the proxy that makes it. So no two calls share a path, and every frame that calls out is
 * a scope that can be reverted alone.
 */
import type { Message } from '@ethereumjs/evm'
import type { Address, Hex } from '#protocol/schema'
import type { Action } from '#protocol/table'

/** The call that opened a frame's scope: its value, and the session's inputs before it. */
export type Entering = { readonly valueWei: bigint; readonly inputs: number }

export type Frame = {
  readonly message: Message
  readonly parent: Frame | null
  /** Null until a call goes out of it. */
  path: readonly number[] | null
  /** How many frames inside it have a path. */
  inside: number
  /** Null as long as `path`. */
  entering: Entering | null
  /** A call out of it succeeded and was not reverted since. */
  isDirty: boolean
}

type Pending = {
  readonly next: Action
  /** Of a REVERT: the call that opened the frame. */
  readonly entering?: Entering
  readonly resume: (answer: Action) => void
}

/** Something that came in and is not answered yet. */
export type Run = {
  /** The frames that run, from the outermost. */
  readonly frames: Frame[]
  /** Where its outermost frame is. */
  readonly scope: readonly number[]
  /** What it waits for an answer to. */
  pending: Pending | null
}

export const startRun = ({ scope }: Action): Run => ({ frames: [], scope, pending: null })

/** A frame begins. */
export function enterFrame(run: Run, message: Message): void {
  const parent = run.frames.at(-1) ?? null
  run.frames.push({ message, parent, path: null, inside: 0, entering: null, isDirty: false })
}

/** The frame that ends; what it did belongs to its parent, unless it failed. */
export function leaveFrame(run: Run, failed: boolean): Frame {
  const frame = run.frames.pop()!
  if (frame.parent !== null && !failed && frame.isDirty) frame.parent.isDirty = true
  return frame
}

/** How many steps the path of `frame` has, or would have. */
export const pathLength = (run: Run, frame: Frame): number =>
  frame.parent === null ? run.scope.length + 1 : pathLength(run, frame.parent) + 1

/** The path of a frame a call goes out of; from now on it, and those around it, have one. */
export function openPath(run: Run, frame: Frame, entering: Entering): readonly number[] {
  if (frame.path !== null) return frame.path
  const { parent } = frame
  // The frames around it come first: their steps are in its path.
  const above = parent === null ? run.scope : openPath(run, parent, entering)
  const step = parent === null ? 0 : parent.inside
  if (parent !== null) parent.inside += 1
  frame.path = [...above, step]
  frame.entering = entering
  return frame.path
}

/** Where a message runs: below how many frames, and whether it may change anything. */
export type Inside = { readonly depth: number; readonly isStatic: boolean }
/** A message the rollup itself sends: for a caller from outside, or a signer. */
export type MessageCall = Inside & {
  readonly caller: Address
  /** Null: it creates a contract. */
  readonly to: Address | null
  readonly value: bigint
  readonly data: Hex
  readonly gasLimit?: bigint
  readonly salt?: Hex
}
