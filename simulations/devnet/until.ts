/** Waiting for what has no event to wait for. */
import { setTimeout as pause } from 'node:timers/promises'

/** How often is looked. ms. */
const LOOK_MS = 50

/**
 * Resolves when `isSo`. @throws Error with `otherwise` after `limitMs`; the signal's reason when it
 * aborts.
 */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  limitMs: number,
  otherwise: string,
  signal: AbortSignal,
): Promise<void> {
  const endAt = Date.now() + limitMs
  while (!(await isSo())) {
    if (Date.now() > endAt) throw new Error(`${otherwise} after ${Math.round(limitMs / 1_000)} s`)
    await pause(LOOK_MS, undefined, { signal })
  }
}
