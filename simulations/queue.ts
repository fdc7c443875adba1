/**
 * The queue of events to come, for millions a second: a wheel of short buckets for what is near, a
 * heap for what is far, and a heap for the bucket the clock is in. Events are numbers in arrays;
 * equal instants keep the order in which they were added.
 */

/** Width of a bucket: a busy simulated second puts tens of events in each. ms. */
const BUCKET_MS = 0.125
/** Buckets of the wheel, a power of two: a second, which most events fall into. */
const BUCKETS = 8_192
const MASK = BUCKETS - 1
const NONE = -1
const FIRST_SIZE = 1_024

export class EventQueue {
  // One place per event, reused.
  #at = new Float64Array(FIRST_SIZE)
  #order = new Float64Array(FIRST_SIZE)
  #kind = new Uint8Array(FIRST_SIZE)
  #first = new Int32Array(FIRST_SIZE)
  #second = new Int32Array(FIRST_SIZE)
  /** The next free place, or the next in the same bucket. */
  #next = new Int32Array(FIRST_SIZE)
  #free = NONE
  #used = 0
  readonly #wheel = new Int32Array(BUCKETS).fill(NONE)
  #inWheel = 0
  /** The bucket whose events are in `#near`. */
  #bucket = 0
  readonly #near: number[] = []
  readonly #far: number[] = []
  #added = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Adds an event. `at`: ms, not before the last one taken. `kind` below 256. */
  add(at: number, kind: number, first: number, second: number): void {
    const place = this.#place()
    this.#at[place] = at
    this.#order[place] = this.#added++
    this.#kind[place] = kind
    this.#first[place] = first
    this.#second[place] = second
    this.#size += 1
    this.#put(place)
  }

  /** The instant of the next event, ms; `Infinity` without one. */
  peek(): number {
    if (this.#near.length === 0 && !this.#advance()) return Number.POSITIVE_INFINITY
    return this.#at[this.#near[0]!]!
  }

  /** Takes the event that `peek` told of and hands it over. */
  take(run: (kind: number, first: number, second: number) => void): void {
    const place = this.#pop(this.#near)
    const [kind, first, second] = [this.#kind[place]!, this.#first[place]!, this.#second[place]!]
    this.#next[place] = this.#free
    this.#free = place
    this.#size -= 1
    run(kind, first, second)
  }

  #put(place: number): void {
    const bucket = Math.floor(this.#at[place]! / BUCKET_MS)
    if (bucket <= this.#bucket) this.#push(this.#near, place)
    else if (bucket < this.#bucket + BUCKETS) {
      this.#next[place] = this.#wheel[bucket & MASK]!
      this.#wheel[bucket & MASK] = place
      this.#inWheel += 1
    } else this.#push(this.#far, place)
  }

  /** Moves on to the next bucket that has events. Whether there is one. */
  #advance(): boolean {
    if (this.#size === 0) return false
    const far = this.#far
    do {
      // Nothing near: the clock may jump.
      if (this.#inWheel === 0) this.#bucket = Math.floor(this.#at[far[0]!]! / BUCKET_MS)
      else this.#bucket += 1
      const end = (this.#bucket + BUCKETS) * BUCKET_MS
      while (far.length > 0 && this.#at[far[0]!]! < end) this.#put(this.#pop(far))
      let place = this.#wheel[this.#bucket & MASK]!
      this.#wheel[this.#bucket & MASK] = NONE
      while (place !== NONE) {
        const next = this.#next[place]!
        this.#inWheel -= 1
        this.#push(this.#near, place)
        place = next
      }
    } while (this.#near.length === 0)
    return true
  }

  #isBefore(a: number, b: number): boolean {
    const [atA, atB] = [this.#at[a]!, this.#at[b]!]
    return atA < atB || (atA === atB && this.#order[a]! < this.#order[b]!)
  }

  #push(heap: number[], place: number): void {
    let index = heap.length
    while (index > 0) {
      const above = (index - 1) >> 1
      if (this.#isBefore(heap[above]!, place)) break
      heap[index] = heap[above]!
      index = above
    }
    heap[index] = place
  }

  #pop(heap: number[]): number {
    const top = heap[0]!
    const last = heap.pop()!
    const size = heap.length
    if (size === 0) return top
    let index = 0
    for (;;) {
      let below = 2 * index + 1
      if (below >= size) break
      if (below + 1 < size && this.#isBefore(heap[below + 1]!, heap[below]!)) below += 1
      if (this.#isBefore(last, heap[below]!)) break
      heap[index] = heap[below]!
      index = below
    }
    heap[index] = last
    return top
  }

  #place(): number {
    const place = this.#free
    if (place !== NONE) {
      this.#free = this.#next[place]!
      return place
    }
    if (this.#used === this.#at.length) this.#grow()
    return this.#used++
  }

  #grow(): void {
    const size = 2 * this.#at.length
    const grown = <A extends Float64Array | Int32Array | Uint8Array>(into: A, from: A): A => {
      into.set(from)
      return into
    }
    this.#at = grown(new Float64Array(size), this.#at)
    this.#order = grown(new Float64Array(size), this.#order)
    this.#kind = grown(new Uint8Array(size), this.#kind)
    this.#first = grown(new Int32Array(size), this.#first)
    this.#second = grown(new Int32Array(size), this.#second)
    this.#next = grown(new Int32Array(size), this.#next)
  }
}
