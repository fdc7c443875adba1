/**
 * Where proofs run: a fixed number of lanes, and those who wait for one in the order of their
 * promises. Closed at first, so that after a restart the jobs that come back are put in order
 * before the first begins.
 */

type Waiting = { readonly promisedAt: () => number; readonly begin: () => void }

export class Lanes {
  readonly count: number
  readonly #now: () => number
  readonly #running = new Map<string, number>()
  readonly #waiting = new Map<string, Waiting>()
  #isOpen = false

  /** @param now Ms since the Unix epoch. */
  constructor(count: number, now: () => number) {
    this.count = count
    this.#now = now
  }

  /** What runs, and when it began, by key. ms since the Unix epoch. */
  get running(): ReadonlyMap<string, number> {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting.size
  }

  open(): void {
    this.#isOpen = true
    this.#fill()
  }

  /**
   * Runs `act` when a lane is free and nobody with an earlier promise waits.
   *
   * @param promisedAt Asked whenever a lane is free; ms since the Unix epoch.
   * @throws the signal's reason when aborted while waiting, or whatever `act` throws.
   */
  async run<T>(
    key: string,
    promisedAt: () => number,
    signal: AbortSignal,
    act: () => Promise<T>,
  ): Promise<T> {
    if (this.#running.has(key) || this.#waiting.has(key))
      throw new Error(`${key} has a lane already`)
    await this.#turn(key, promisedAt, signal)
    try {
      return await act()
    } finally {
      this.#running.delete(key)
      this.#fill()
    }
  }

  #turn(key: string, promisedAt: () => number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(key)
        reject(signal.reason)
      }
      if (signal.aborted) return leave()
      signal.addEventListener('abort', leave, { once: true })
      const begin = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      this.#waiting.set(key, { promisedAt, begin })
      this.#fill()
    })
  }

  #fill(): void {
    while (this.#isOpen && this.#running.size < this.count && this.#waiting.size > 0) {
      const promises = [...this.#waiting].map(([key, { promisedAt, begin }]) => ({
        key,
        at: promisedAt(),
        begin,
      }))
      const { key, begin } = promises.sort((a, b) => a.at - b.at)[0]!
      this.#waiting.delete(key)
      this.#running.set(key, this.#now())
      begin()
    }
  }
}
