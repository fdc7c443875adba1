/**
 * A long line between two nodes of one machine: a TCP proxy that lets every chunk through late, in
 * order. It takes one connection and no other: whoever else learns its address cannot use it.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'

export type ProxyOptions = {
  /** Port on this machine that is at the far end. */
  readonly port: number
  /** How long a drawn delay stays. ms. */
  readonly holdsMs: number
  /** Draws how long a sending to and from the far end takes. ms. */
  readonly outMs: () => number
  readonly backMs: () => number
  /** Its connection ended by itself: which end closed it first, and why. */
  readonly onEnd?: (why: string) => void
}

/** Timers count whole milliseconds: this much too early is nearer than one later. ms. */
const EARLY_MS = 0.5

/** One direction. A chunk never overtakes the one before it, as TCP keeps them in order. */
class Lane {
  readonly #drawMs: () => number
  readonly #holdsMs: number
  readonly #pass: (chunk: Buffer | null) => void
  readonly #queue: { readonly chunk: Buffer | null; readonly dueAt: number }[] = []
  #drawnAt = Number.NEGATIVE_INFINITY
  #delayMs = 0
  #lastDueAt = 0
  #timer: NodeJS.Timeout | null = null

  /** @param pass Takes each chunk when its time has come; `null` ends. */
  constructor(drawMs: () => number, holdsMs: number, pass: (chunk: Buffer | null) => void) {
    this.#drawMs = drawMs
    this.#holdsMs = holdsMs
    this.#pass = pass
  }

  push(chunk: Buffer | null, isLong: boolean): void {
    const now = performance.now()
    if (isLong && now - this.#drawnAt > this.#holdsMs) {
      this.#delayMs = this.#drawMs()
      this.#drawnAt = now
    }
    this.#lastDueAt = Math.max(this.#lastDueAt, now + this.#delayMs)
    this.#queue.push({ chunk, dueAt: this.#lastDueAt })
    if (this.#timer === null) this.#arm(now)
  }

  #arm(now: number): void {
    const first = this.#queue[0]
    this.#timer = first ? setTimeout(this.#flush, Math.floor(first.dueAt - now)) : null
  }

  readonly #flush = (): void => {
    const now = performance.now()
    while (this.#queue[0] && this.#queue[0].dueAt <= now + EARLY_MS)
      this.#pass(this.#queue.shift()!.chunk)
    this.#arm(now)
  }

  stop(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#queue.length = 0
  }
}

export class DelayProxy {
  /** Whether chunks are held back; until then they pass at once, so that connecting is quick. */
  isLong = false
  readonly #options: ProxyOptions
  readonly #server: Server
  readonly #sockets: Socket[] = []
  readonly #lanes: Lane[] = []
  #hasEnded = false

  constructor(options: ProxyOptions) {
    this.#options = options
    this.#server = createServer((near) => {
      this.#server.close()
      if (this.#sockets.length > 0) near.destroy()
      else this.#join(near)
    })
  }

  /** Resolves with the port to dial instead of the far end's. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(0, '127.0.0.1', () => {
        const address = this.#server.address()
        if (address && typeof address === 'object') resolve(address.port)
      })
    })
  }

  #join(near: Socket): void {
    const { port, outMs, backMs } = this.#options
    const far = connect({ port, host: '127.0.0.1' })
    this.#sockets.push(near, far)
    this.#lay(near, far, outMs, 'near')
    this.#lay(far, near, backMs, 'far')
  }

  #lay(from: Socket, to: Socket, drawMs: () => number, name: string): void {
    const pass = (chunk: Buffer | null): void => void (chunk ? to.write(chunk) : to.end())
    const lane = new Lane(drawMs, this.#options.holdsMs, pass)
    this.#lanes.push(lane)
    from.setNoDelay(true)
    from.on('data', (chunk) => lane.push(chunk, this.isLong))
    from.on('end', () => {
      this.#ended(`${name} end closed it`)
      lane.push(null, this.isLong)
    })
    // One side is gone: so is the line.
    from.on('error', (error) => {
      this.#ended(`${name} end: ${error.message}`)
      this.close()
    })
    from.on('close', () => this.close())
  }

  #ended(why: string): void {
    if (!this.#hasEnded) this.#options.onEnd?.(why)
    this.#hasEnded = true
  }

  close(): void {
    this.#hasEnded = true
    this.#server.close()
    for (const lane of this.#lanes) lane.stop()
    for (const socket of this.#sockets) socket.destroy()
  }
}
