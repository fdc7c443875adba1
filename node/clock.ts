/**
 * Time for the node: the one place that reads the system's clock for the market, and its alarms.
 */

export type Clock = {
  /** ms since the Unix epoch. */
  readonly now: () => number
  /**
   * Runs `run` once, at `at` ms since the epoch or just after, never before. Returns the
   * cancellation.
   */
  readonly wake: (at: number, run: () => void) => () => void
}

/** A stepped system clock is noticed within this, however far away the wake is. ms. */
const SLICE_MS = 1_000

export const systemClock: Clock = {
  now: () => Date.now(),
  wake: (at, run) => {
    let timer: NodeJS.Timeout
    const arm = (): void => {
      const leftMs = at - Date.now()
      // Timers may fire a fraction early: only the clock decides.
      timer = setTimeout(() => (Date.now() >= at ? run() : arm()), clamp(leftMs, 0, SLICE_MS))
    }
    arm()
    return () => clearTimeout(timer)
  },
}

const clamp = (value: number, least: number, most: number): number =>
  Math.min(most, Math.max(least, value))
