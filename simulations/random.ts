/** Randomness from a seed: the same seed gives the same run, on every machine. */

/**
 * Generator with 64 bits of state (PCG's output permutation over a linear congruential step,
 * O'Neill 2014). Good enough for delays and strategies; never for keys.
 */
export class Random {
  #state: bigint

  constructor(seed: number) {
    this.#state = (BigInt(seed) * 2n + 1n) & MASK_64
    for (let i = 0; i < WARM_UP; i++) this.#word()
  }

  /** Uniform in [0, 2^32). */
  #word(): number {
    const before = this.#state
    this.#state = (before * MULTIPLIER + INCREMENT) & MASK_64
    const mixed = Number((((before >> 18n) ^ before) >> 27n) & MASK_32)
    const turn = Number(before >> 59n)
    return ((mixed >>> turn) | (mixed << (-turn & 31))) >>> 0
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

  /** A generator of its own: what one actor draws never shifts what another does. */
  fork(): Random {
    return new Random(this.#word())
  }
}

const MASK_64 = 2n ** 64n - 1n
const MASK_32 = 2n ** 32n - 1n
/** Knuth's MMIX constants, a full period over 64 bits. */
const MULTIPLIER = 6_364_136_223_846_793_005n
const INCREMENT = 1_442_695_040_888_963_407n
/** Near seeds give near first words; after a few steps nothing of that is left. */
const WARM_UP = 4
