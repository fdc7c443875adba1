/** How often which value was seen, in bins: quantiles of millions of values in a few KiB. */
export class Histogram {
  readonly #binSize: number
  readonly #counts: Float64Array
  #count = 0
  #sum = 0
  #largest = 0

  /**
   * @param binSize Width of a bin, in the values' unit: quantiles are right to within one.
   * @param bins How many; larger values count in the last.
   */
  constructor(binSize: number, bins: number) {
    this.#binSize = binSize
    this.#counts = new Float64Array(bins)
  }

  /** Takes a value, at least 0. */
  add(value: number): void {
    const bin = Math.min(this.#counts.length - 1, Math.floor(value / this.#binSize))
    this.#counts[bin]! += 1
    this.#count += 1
    this.#sum += value
    if (value > this.#largest) this.#largest = value
  }

  get count(): number {
    return this.#count
  }

  /** 0 without values. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count
  }

  /** The value that this share (0 to 1) of all is at or below; 0 without values. */
  quantile(share: number): number {
    if (this.#count === 0) return 0
    let left = share * this.#count
    for (const [bin, count] of this.#counts.entries()) {
      if (count === 0 || left > count) {
        left -= count
        continue
      }
      const within = (bin + left / count) * this.#binSize
      return Math.min(this.#largest, within)
    }
    return this.#largest
  }

  /** The 0th to the 100th percentile; none without values. */
  percentiles(): number[] {
    if (this.#count === 0) return []
    return Array.from({ length: 101 }, (_, percent) => this.quantile(percent / 100))
  }
}

/** The 0th to the 100th percentile of a few values; none without any. */
export function percentilesOf(values: readonly number[]): number[] {
  if (values.length === 0) return []
  const sorted = values.toSorted((a, b) => a - b)
  return Array.from({ length: 101 }, (_, percent) => {
    const place = (percent / 100) * (sorted.length - 1)
    const index = Math.floor(place)
    const low = sorted[index]!
    return low + (place - index) * ((sorted[index + 1] ?? low) - low)
  })
}
