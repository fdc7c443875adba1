/**
 * A thread for work that is too long for the event loop: it answers questions one after the other.
 * One that crashes is followed by another at the next question.
 */
import { Worker } from 'node:worker_threads'

export type ThreadOptions = {
  /** The worker's file: it answers each `{ id, question }` with `{ id, answer }`. */
  readonly path: URL
  readonly workerData?: unknown
  /** For errors: what waits (plural), and for whom. */
  readonly what: string
  readonly name: string
  /** Questions that may wait; bounds memory, and how long the last one waits. */
  readonly maxQueue: number
}

type Waiting<A> = { resolve(answer: A): void; reject(error: Error): void }

export class Thread<Q, A> {
  readonly #options: ThreadOptions
  readonly #waiting = new Map<number, Waiting<A>>()
  #nextId = 0
  #isClosed = false
  #worker: Worker | null = null

  /** Starts it: what it prepares need not delay the first question. */
  constructor(options: ThreadOptions) {
    this.#options = options
    this.#thread()
  }

  /**
   * @throws Error when `maxQueue` questions wait, the thread is closed or has crashed: then nothing
   * is known of the answer.
   */
  async ask(question: Q): Promise<A> {
    const { what, name, maxQueue } = this.#options
    if (this.#isClosed) throw new Error(`the ${name} is closed`)
    if (this.#waiting.size >= maxQueue)
      throw new Error(`${maxQueue} ${what} are waiting for the ${name}; ask again later`)
    const { promise, resolve, reject } = Promise.withResolvers<A>()
    const id = this.#nextId++
    this.#waiting.set(id, { resolve, reject })
    const running = this.#thread()
    running.ref()
    running.postMessage({ id, question })
    return promise
  }

  /** Stops the thread. What is still waiting is refused with an error. */
  async close(): Promise<void> {
    this.#isClosed = true
    const running = this.#worker
    this.#worker = null
    await running?.terminate()
    this.#refuseAll(new Error(`the ${this.#options.name} was closed`))
  }

  #refuseAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  /** The running thread, or a new one after a crash. */
  #thread(): Worker {
    if (this.#worker !== null) return this.#worker
    const { path, workerData, name } = this.#options
    const started = new Worker(path, { workerData })
    started.unref() // an idle thread must not keep the process alive
    started.on('message', ({ id, answer }: { id: number; answer: A }) => {
      this.#waiting.get(id)?.resolve(answer)
      this.#waiting.delete(id)
      if (this.#waiting.size === 0) started.unref()
    })
    const ended = (cause: unknown): void => {
      if (this.#worker !== started) return
      this.#worker = null
      this.#refuseAll(new Error(`the ${name} thread ended; ask again to start another`, { cause }))
    }
    started.on('error', ended)
    started.on('exit', ended)
    this.#worker = started
    return started
  }
}
