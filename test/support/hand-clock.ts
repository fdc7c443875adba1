/** A clock that stands still until the test moves it. */
import type { Clock } from '#node/clock'

type Alarm = { readonly at: number; readonly run: () => void }

export class HandClock implements Clock {
  #now: number
  readonly #alarms = new Set<Alarm>()

  constructor(now: number) {
    this.#now = now
  }

  readonly now = (): number => this.#now

  readonly wake = (at: number, run: () => void): (() => void) => {
    const alarm = { at, run }
    this.#alarms.add(alarm)
    return () => void this.#alarms.delete(alarm)
  }

  /** Alarms that have not rung. */
  get waiting(): number {
    return this.#alarms.size
  }

  /** Moves to `at`, ringing what is due on the way, in order; then lets promises settle. */
  async moveTo(at: number): Promise<void> {
    await settled()
    for (;;) {
      const due = [...this.#alarms].filter((alarm) => alarm.at <= at)
      const [next] = due.sort((a, b) => a.at - b.at)
      if (!next) break
      this.#alarms.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.run()
      await settled()
    }
    this.#now = at
    await settled()
  }
}

/** Resolves when everything that waits for nothing else has run. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
