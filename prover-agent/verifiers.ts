/**
 * Verifiers this agent works for. A request names its verifier by address, the operator names them
 * by the hash of their code, because a builder's own verifier could change its mind about a good
 * proof. Asking the chain takes longer than an auction: an unknown address is declined, and known
 * the next time.
 */
import type { Address, Hex } from '#protocol/schema'
import type { Facts } from './strategy.ts'

export type VerifierListOptions = {
  /** keccak256 of the code of each verifier that is allowed. */
  readonly allowed: readonly Hex[]
  /** Hash of a contract's code; `null` when there is none. */
  readonly codeHash: (address: Address) => Promise<Hex | null>
  /** ms since the Unix epoch. */
  readonly now: () => number
  readonly onLearned?: (address: Address, codeHash: Hex | null, isAllowed: boolean) => void
  readonly onError?: (address: Address, error: unknown) => void
}

type Known = { readonly isAllowed: boolean; readonly hasCode: boolean; readonly at: number }

/** Addresses remembered; strangers can name any number, so the oldest are forgotten. */
const MAX_KNOWN = 1_024
/** Questions to the chain at once: more are asked when the next request comes. */
const MAX_ASKED = 8
/** A contract may be deployed after it was first named. ms. */
const ASK_AGAIN_MS = 60_000

export class VerifierList {
  readonly #options: VerifierListOptions
  readonly #allowed: ReadonlySet<Hex>
  readonly #known = new Map<Address, Known>()
  readonly #asked = new Set<Address>()

  constructor(options: VerifierListOptions) {
    this.#options = options
    this.#allowed = new Set(options.allowed.map((hash) => hash.toLowerCase() as Hex))
  }

  /** What is known of an address; asks the chain about one that is not known. */
  standing(address: Address): Facts['verifier'] {
    const known = this.#known.get(address)
    const isStale = known && !known.hasCode && this.#options.now() - known.at > ASK_AGAIN_MS
    if (!known || isStale) void this.#ask(address)
    if (!known) return 'unknown'
    return known.isAllowed ? 'allowed' : 'refused'
  }

  /**
   * Asks the chain about these, one after the other; resolves when it has answered, or failed to.
   */
  async learn(addresses: readonly Address[]): Promise<void> {
    for (const address of addresses) await this.#ask(address)
  }

  async #ask(address: Address): Promise<void> {
    const { codeHash, now, onLearned, onError } = this.#options
    if (this.#asked.has(address) || this.#asked.size >= MAX_ASKED) return
    this.#asked.add(address)
    try {
      const hash = await codeHash(address)
      const isAllowed = hash !== null && this.#allowed.has(hash.toLowerCase() as Hex)
      this.#remember(address, { isAllowed, hasCode: hash !== null, at: now() })
      onLearned?.(address, hash, isAllowed)
    } catch (error) {
      onError?.(address, error)
    } finally {
      this.#asked.delete(address)
    }
  }

  #remember(address: Address, known: Known): void {
    this.#known.delete(address)
    this.#known.set(address, known)
    if (this.#known.size <= MAX_KNOWN) return
    // What is refused goes first: naming junk must not make the agent forget whom it works for.
    const refused = [...this.#known].find(([, { isAllowed }]) => !isAllowed)
    this.#known.delete((refused ?? [...this.#known][0]!)[0])
  }
}
