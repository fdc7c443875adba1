/**
 * The nonces of this account's requests. One that names two awards costs the stake, and one that
 * was paid is worth nothing to the next prover, so none is ever used twice: not after a crash, not
 * from an old copy of the data folder, not from a new folder.
 */
import type { Store } from './store.ts'

const LIMIT = 'nonces/limit'
/**
 * Nonces set aside with one write. One word of `Settlement`'s bitmap holds as many, so a block
 * starts a word, and later receipts of one prover find it warm.
 */
const BLOCK = 256n

export class Nonces {
  readonly #store: Store
  #next: bigint
  /** Below this is set aside on disk. */
  #limit: bigint
  #reserving: Promise<void> | null = null

  private constructor(store: Store, next: bigint) {
    this.#store = store
    this.#next = next
    this.#limit = next
  }

  /**
   * Goes on above everything this folder ever set aside, and above `now` in units of 1/256 ms,
   * which no folder can have reached before.
   * @param now ms since the Unix epoch.
   */
  static async open(store: Store, now: number): Promise<Nonces> {
    const stored = (await store.getJson<bigint>(LIMIT)) ?? 0n
    const floor = BigInt(Math.max(0, Math.floor(now))) * BLOCK
    const nonces = new Nonces(store, stored > floor ? stored : floor)
    await nonces.#reserve()
    return nonces
  }

  /**
   * A nonce nobody has had. It is on disk that it is gone before this resolves; gaps are normal.
   */
  async take(): Promise<bigint> {
    while (this.#next >= this.#limit) await this.#reserve()
    return this.#next++
  }

  #reserve(): Promise<void> {
    const limit = this.#limit + BLOCK
    this.#reserving ??= this.#store
      .putJson(LIMIT, limit, { sync: true })
      .then(() => {
        this.#limit = limit
      })
      .finally(() => {
        this.#reserving = null
      })
    return this.#reserving
  }
}
