/**
 * The chain driver's one loop: a round every poll, sooner when woken, later while the RPC fails.
 */
import type { Poll } from './chain-watcher.ts'
import type { Log } from './log.ts'
import { isRpcError, lineOf } from './rpc-errors.ts'

export type ChainLoopOptions = {
  readonly pollMs: number
  readonly log: Log
  /** ms since the Unix epoch. */
  readonly now: () => number
}

export type Work = {
  /** Looks at the chain, then does what there is to do. Throws what the RPC throws. */
  readonly round: () => Promise<Poll>
  /** The RPC failed; called once for every failed round. */
  readonly onSilence: () => void
}

/** Longest pause between attempts at an RPC that fails. ms. */
const MAX_BACKOFF_MS = 15_000

export class ChainLoop {
  readonly #options: ChainLoopOptions
  #running: Promise<void> | null = null
  #closed = false
  #failures = 0
  #answeredAt: number
  #last: Poll | null = null
  /** Set while nobody pauses, so that no wish is slept over. */
  #woken = false
  #rouse: () => void = () => {}
  /** Resolved by the next round in which the RPC answered everything, or by closing. */
  #answered = Promise.withResolvers<void>()
  readonly #current = Promise.withResolvers<void>()

  constructor(options: ChainLoopOptions) {
    this.#options = options
    this.#answeredAt = options.now()
  }

  /** When the RPC last answered a whole round. ms since the Unix epoch. */
  get answeredAt(): number {
    return this.#answeredAt
  }

  /** Whether the last round found the chain it knows. */
  get isOnChain(): boolean {
    return this.#last === 'current' || this.#last === 'behind'
  }

  /**
   * Starts; resolves when everything up to the confirmed head has been announced, or by closing.
   */
  start(work: Work): Promise<void> {
    this.#running ??= this.#run(work)
    return this.#current.promise
  }

  /** Has the next round come at once. */
  wake(): void {
    this.#woken = true
    this.#rouse()
  }

  /**
   * Asks until the RPC answers, once after every good round; `null` when the loop closes before.
   */
  async patiently<T>(ask: () => Promise<T>): Promise<T | null> {
    while (!this.#closed) {
      try {
        return await ask()
      } catch (error) {
        if (!isRpcError(error)) throw error
        await this.#answered.promise
      }
    }
    return null
  }

  /** Ends after the round under way. */
  async close(): Promise<void> {
    this.#closed = true
    this.wake()
    await this.#running
    this.#answered.resolve()
    this.#current.resolve()
  }

  async #run(work: Work): Promise<void> {
    while (!this.#closed) await this.#pause(await this.#round(work))
  }

  /** @returns How long to pause. ms. */
  async #round({ round, onSilence }: Work): Promise<number> {
    const { now, pollMs, log } = this.#options
    this.#woken = false
    try {
      const poll = await round()
      if (this.#failures > 0) log.info('the RPC answers again', { failures: this.#failures })
      if (poll === 'stranger' && this.#last !== poll) {
        log.error('the RPC shows a chain without any block seen before; waiting for the right one')
      }
      this.#failures = 0
      this.#last = poll
      this.#answeredAt = now()
      this.#answered.resolve()
      this.#answered = Promise.withResolvers<void>()
      if (poll === 'current') this.#current.resolve()
      return poll === 'behind' ? 0 : pollMs
    } catch (error) {
      // A bug or a broken disk: the process must not go on as if nothing had happened.
      if (!isRpcError(error)) throw error
      if (this.#failures === 0) log.warn('the RPC fails; asking again', { error: lineOf(error) })
      this.#failures += 1
      onSilence()
      return Math.min(pollMs * 2 ** Math.min(this.#failures, 16), MAX_BACKOFF_MS)
    }
  }

  #pause(ms: number): Promise<void> {
    // While it fails, no wish makes it answer.
    if ((this.#woken && this.#failures === 0) || this.#closed) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    this.#rouse = () => {
      if (this.#failures === 0 || this.#closed) resolve()
    }
    return promise.finally(() => clearTimeout(timer))
  }
}
