/**
 * Discrete events: a clock that jumps from one to the next. Nothing happens outside an event, so
 * the same seed and code give the same run, and `digest` of its log says whether they did.
 */
import { createHash } from 'node:crypto'
import { EventQueue } from './queue.ts'

/** Start of simulated time: instants look like real ones. ms since the Unix epoch. */
export const START_AT = 1_800_000_000_000

/** Deals with events that are two numbers: no closure, for those that come by the million. */
export type Handler = (first: number, second: number) => void

/** Kind of the events that are closures. */
const CLOSURE = 0
/** The log is hashed in pieces of this size. Bytes. */
const LOG_BYTES = 65_536

export class Simulator {
  /** Instants in it are ms since `START_AT`: more of a fraction fits than beside 1.8 × 10¹². */
  readonly #queue = new EventQueue()
  readonly #handlers: Handler[]
  readonly #closures: (() => void)[] = []
  readonly #freeClosures: number[] = []
  readonly #hash = createHash('sha256')
  readonly #log = Buffer.alloc(LOG_BYTES)
  #logged = 0
  #elapsed = 0
  #executed = 0
  readonly #run = (kind: number, first: number, second: number): void => {
    this.#handlers[kind]!(first, second)
  }
  /** Called after each event: where checks look. */
  onEvent: (() => void) | null = null

  constructor() {
    this.#handlers = [(place) => this.#runClosure(place)]
  }

  /** ms since the Unix epoch. */
  get now(): number {
    return START_AT + this.#elapsed
  }

  /** ms since the start, with a finer fraction than `now` has. */
  get elapsedMs(): number {
    return this.#elapsed
  }

  /** Events still to come. */
  get pending(): number {
    return this.#queue.size
  }

  /** Events that have run. */
  get executed(): number {
    return this.#executed
  }

  /**
   * Runs `run` at `at` (not before now). Events of one instant run in the order they were
   * scheduled.
   */
  schedule(at: number, run: () => void): void {
    this.#add(at - START_AT, run)
  }

  /** Runs `run` this long from now. */
  after(delayMs: number, run: () => void): void {
    this.#add(this.#elapsed + delayMs, run)
  }

  #add(elapsed: number, run: () => void): void {
    const place = this.#freeClosures.pop() ?? this.#closures.length
    this.#closures[place] = run
    this.post(elapsed, CLOSURE, place, 0)
  }

  #runClosure(place: number): void {
    const run = this.#closures[place]!
    this.#closures[place] = forgotten
    this.#freeClosures.push(place)
    run()
  }

  /** Makes a kind of event known; its number is for `post`. */
  handle(handler: Handler): number {
    return this.#handlers.push(handler) - 1
  }

  /** Has the handler of `kind` deal with these two numbers, `elapsed` ms after the start. */
  post(elapsed: number, kind: number, first: number, second: number): void {
    this.#queue.add(Math.max(elapsed, this.#elapsed), kind, first, second)
  }

  /** Runs the next event; `false` if there is none until `end`, where the clock then stands. */
  step(end: number): boolean {
    const at = this.#queue.peek()
    if (at > end - START_AT) {
      this.#elapsed = Math.max(this.#elapsed, end - START_AT)
      return false
    }
    this.#elapsed = at
    this.#executed += 1
    this.#queue.take(this.#run)
    this.onEvent?.()
    return true
  }

  /** Runs everything due until `end`, ms since the Unix epoch. */
  runUntil(end: number): void {
    while (this.step(end));
  }

  /** Adds a line to the run's log, of which only the hash is kept. */
  note(line: string): void {
    const text = `${this.now} ${line}\n`
    // UTF-8 takes three bytes for a unit of the string at most.
    if (this.#logged + 3 * text.length > LOG_BYTES) this.#flush()
    if (3 * text.length > LOG_BYTES) this.#hash.update(text)
    else this.#logged += this.#log.write(text, this.#logged)
  }

  /** Adds three whole numbers and the instant to the log: cheap enough for every message. */
  mark(first: number, second: number, third: number): void {
    if (this.#logged + 20 > LOG_BYTES) this.#flush()
    const log = this.#log
    log.writeDoubleLE(this.#elapsed, this.#logged)
    log.writeInt32LE(first, this.#logged + 8)
    log.writeInt32LE(second, this.#logged + 12)
    log.writeInt32LE(third, this.#logged + 16)
    this.#logged += 20
  }

  #flush(): void {
    this.#hash.update(this.#log.subarray(0, this.#logged))
    this.#logged = 0
  }

  /** SHA-256 of the log so far, hex. */
  get digest(): string {
    this.#flush()
    return this.#hash.copy().digest('hex')
  }
}

const forgotten = (): void => undefined
