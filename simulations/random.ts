/** Randomness from a seed: the same seed gives the same run, on every machine. */

/**
 * Generator with 128 bits of state (sfc32, Doty-Humphrey 2010, in PractRand). Good enough for
 * delays and strategies; never for keys.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #count = 1

  constructor(seed: number) {
    this.#a = seed | 0
    this.#b = Math.floor(seed / 2 ** 32) | 0
    this.#c = SEED_WORD
    for (let i = 0; i < WARM_UP; i++) this.#word()
  }

  /** Uniform in [0, 2^32). */
  #word(): number {
    const sum = (this.#a + this.#b + this.#count) | 0
    this.#count = (this.#count + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.#word() / 2 ** 32
  }

  /** Uniform in [min, max). */
  between(min: number, max: number): number {
    return min + this.next() * (max - min)
  }

  /** Uniform among 0 … count − 1. */
  index(count: number): number {
    return Math.floor(this.next() * count)
  }

  /** One of `choices`, which is not empty. */
  pick<T>(choices: readonly T[]): T {
    return choices[this.index(choices.length)]!
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability
  }

  /**
   * Exponential with mean 1, from a table of its quantiles with straight lines between: no value is
   * above 8. Arithmetic alone, because `Math.log` may differ between engines in its last bit.
   */
  exponential(): number {
    const place = this.next() * (QUANTILES.length - 1)
    const index = Math.floor(place)
    const low = QUANTILES[index]!
    return low + (place - index) * (QUANTILES[index + 1]! - low)
  }

  /** So many different ones of `choices`, or all of them. The order is drawn too. */
  sample<T>(choices: readonly T[], count: number): T[] {
    const rest = [...choices]
    const most = Math.min(count, rest.length)
    for (let i = 0; i < most; i++) {
      const other = i + this.index(rest.length - i)
      const drawn = rest[other]!
      rest[other] = rest[i]!
      rest[i] = drawn
    }
    return rest.slice(0, most)
  }

  /** A generator of its own: what one actor draws never shifts what another does. */
  fork(): Random {
    return new Random(this.#word() * 2 ** 20 + (this.#word() >>> 12))
  }
}

/** Any odd word does: it keeps the state of seed 0 from being all zeros. */
const SEED_WORD = 0x9e3779b9 | 0
/** Near seeds give near first words; after these steps nothing of that is left. */
const WARM_UP = 15

/** −ln(1 − u) by its series: ln((1 + z) / (1 − z)) = 2 (z + z³/3 + z⁵/5 + …), z = u / (2 − u). */
function exponentialQuantile(u: number): number {
  const z = u / (2 - u)
  let [term, sum] = [z, 0]
  for (let power = 1; power < 20_000 && term > 1e-12; power += 2) {
    sum += term / power
    term *= z * z
  }
  return 2 * sum
}

/** Quantiles at 0, 1/1024 … 1023/1024, and one value for the end. */
const QUANTILES = Float64Array.from({ length: 1_025 }, (_, index) =>
  index < 1_024 ? exponentialQuantile(index / 1_024) : 8,
)
