/**
 * Discrete events: a clock that jumps from one to the next, and a queue. Nothing happens outside an
 * event, so the same seed and code give the same run, and `digest` of its log says whether they
 * did.
 */
import { createHash } from 'node:crypto'

type Scheduled = { readonly at: number; readonly sequence: number; readonly run: () => void }

const isBefore = (a: Scheduled, b: Scheduled): boolean =>
  a.at < b.at || (a.at === b.at && a.sequence < b.sequence)

/** Start of simulated time: instants look like real ones. ms since the Unix epoch. */
export const START_AT = 1_800_000_000_000

export class Simulator {
  readonly #heap: Scheduled[] = []
  readonly #log = createHash('sha256')
  #now = START_AT
  #sequence = 0

  /** ms since the Unix epoch. */
  get now(): number {
    return this.#now
  }

  /** Events still to come. */
  get pending(): number {
    return this.#heap.length
  }

  /**
   * Runs `run` at `at` (not before now). Events of one instant run in the order they were
   * scheduled.
   */
  schedule(at: number, run: () => void): void {
    const event = { at: Math.max(at, this.#now), sequence: this.#sequence++, run }
    let index = this.#heap.length
    while (index > 0) {
      const above = (index - 1) >> 1
      if (isBefore(this.#heap[above]!, event)) break
      this.#heap[index] = this.#heap[above]!
      index = above
    }
    this.#heap[index] = event
  }

  /** Runs `run` this long from now. */
  after(delayMs: number, run: () => void): void {
    this.schedule(this.#now + delayMs, run)
  }

  /** Runs the next event; `false` if there is none until `end`, where the clock then stands. */
  step(end: number): boolean {
    const first = this.#heap[0]
    if (!first || first.at > end) {
      this.#now = Math.max(this.#now, end)
      return false
    }
    const last = this.#heap.pop()!
    if (last !== first) this.#sink(last)
    this.#now = first.at
    first.run()
    return true
  }

  /** Runs everything due until `end`, ms since the Unix epoch. */
  runUntil(end: number): void {
    while (this.step(end));
  }

  /** Puts `event` where the root was and lets it sink to its place. */
  #sink(event: Scheduled): void {
    const heap = this.#heap
    let index = 0
    for (;;) {
      let below = 2 * index + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below += 1
      if (isBefore(event, heap[below]!)) break
      heap[index] = heap[below]!
      index = below
    }
    heap[index] = event
  }

  /** Adds a line to the run's log, of which only the hash is kept. */
  note(line: string): void {
    this.#log.update(`${this.#now} ${line}\n`)
  }

  /** SHA-256 of the log so far, hex. */
  get digest(): string {
    return this.#log.copy().digest('hex')
  }
}
