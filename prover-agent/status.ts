/** `status.json`: what the agent does, for people and for monitors that poll a file. */
import { join } from 'node:path'
import type { Clock } from '#node/clock'
import type { Log } from '#node/log'
import { writeAtomically } from './atomic-file.ts'

/** Often enough for a person who looks, rare enough for a cheap flash disk. ms. */
const INTERVAL_MS = 2_000

export type StatusOptions = {
  readonly dataFolder: string
  readonly clock: Clock
  readonly log: Log
  /** Plain data; bigint becomes decimal text. */
  readonly snapshot: () => unknown
}

const asText = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? value.toString() : value

/** Keeps the file up until stopped; the last state is written then. */
export class StatusFile {
  readonly path: string
  readonly #options: StatusOptions
  #cancel: () => void = () => undefined
  #writing: Promise<void> | null = null
  #hasFailed = false

  constructor(options: StatusOptions) {
    this.#options = options
    this.path = join(options.dataFolder, 'status.json')
  }

  start(): void {
    const { clock } = this.#options
    // A disk slower than the interval misses one, rather than a queue growing before it.
    this.#writing ??= this.#write()
    this.#cancel = clock.wake(clock.now() + INTERVAL_MS, () => this.start())
  }

  async stop(): Promise<void> {
    this.#cancel()
    await this.#writing
    await this.#write()
  }

  async #write(): Promise<void> {
    const text = `${JSON.stringify(this.#options.snapshot(), asText, 2)}\n`
    try {
      await writeAtomically(this.path, text, { sync: false })
      this.#hasFailed = false
    } catch (error) {
      // Said once: a full disk must not fill the log as well.
      if (!this.#hasFailed) this.#options.log.warn('cannot write the status file', { error })
      this.#hasFailed = true
    } finally {
      this.#writing = null
    }
  }
}
