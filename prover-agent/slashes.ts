/**
 * The record of slashes. One that the operator has not looked at keeps the agent from bidding, over
 * restarts too: whatever cost a bond once will cost the next one.
 */
import type { Address, Hex } from '#protocol/schema'
import { AgentError } from './agent-error.ts'
import { readJson, writeAtomically } from './atomic-file.ts'

export type Slash = {
  readonly builder: Address
  /** Of the request, decimal: JSON has no bigint. */
  readonly nonce: string
  readonly transactionHash: Hex
  readonly bondWei: string
  /** ms since the Unix epoch. */
  readonly at: number
  /** The operator has seen it. */
  readonly isReset: boolean
}

/** Slashes kept for the operator to read; more would be no bond any more. */
const MAX_KEPT = 256

const isSlash = (value: unknown): value is Slash => {
  const { builder, nonce, transactionHash, bondWei, at, isReset } = (value ?? {}) as Record<
    string,
    unknown
  >
  const isText = [builder, nonce, transactionHash, bondWei].every(
    (text) => typeof text === 'string',
  )
  return isText && typeof at === 'number' && typeof isReset === 'boolean'
}

export class Slashes {
  readonly path: string
  #slashes: readonly Slash[]
  /** Writes, one after the other. */
  #written: Promise<void> = Promise.resolve()

  private constructor(path: string, slashes: readonly Slash[]) {
    this.path = path
    this.#slashes = slashes
  }

  /**
   * @throws AgentError that names the file when it is not a record: then nobody knows, and nobody
   * may bid.
   */
  static async open(path: string): Promise<Slashes> {
    const found = await readJson(path)
    const json = found === undefined ? [] : found
    if (!Array.isArray(json) || !json.every(isSlash)) {
      const advice = 'Look at it, then move it away'
      throw new AgentError('FILE', `${path} is not a record of slashes. ${advice}.`)
    }
    return new Slashes(path, json)
  }

  /** Those the operator has not reset yet. */
  get open(): readonly Slash[] {
    return this.#slashes.filter(({ isReset }) => !isReset)
  }

  /**
   * Counts from the moment of the call, and is written behind it. False for a slash that is known:
   * a chain that is read again, or reorganised, changes nothing.
   */
  add(slash: Omit<Slash, 'isReset'>, onError: (error: unknown) => void): boolean {
    const known = this.#slashes.some(
      ({ builder, nonce }) => builder === slash.builder && nonce === slash.nonce,
    )
    if (known) return false
    this.#slashes = [...this.#slashes, { ...slash, isReset: false }].slice(-MAX_KEPT)
    this.#write().catch(onError)
    return true
  }

  /** The operator has looked at them. Gives those that were open. */
  async reset(): Promise<readonly Slash[]> {
    const { open } = this
    this.#slashes = this.#slashes.map((slash) => ({ ...slash, isReset: true }))
    if (open.length > 0) await this.#write()
    return open
  }

  #write(): Promise<void> {
    const text = `${JSON.stringify(this.#slashes, null, 2)}\n`
    this.#written = this.#written
      .catch(() => undefined)
      .then(() => writeAtomically(this.path, text))
    return this.#written
  }

  /** Resolves when all is on the disk. */
  idle(): Promise<void> {
    return this.#written
  }
}
