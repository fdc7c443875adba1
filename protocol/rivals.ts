/**
 * Requests that repeat the nonce of one we know with other content. One alone proves nothing; when
 * both are awarded, the two awards cost their builder its stake. Bounded: the oldest is forgotten.
 */
import type { SignedAward, SignedRequest } from './effects.ts'
import type { Address, Id } from './schema.ts'

export type Rival = { readonly request: SignedRequest; award: SignedAward | null }

/** Most rivals kept; each costs its builder a funded request. */
const MAX_RIVALS = 256

export class Rivals {
  readonly #byId = new Map<Id, Rival>()

  keep(request: SignedRequest): void {
    if (this.#byId.has(request.id)) return
    this.#byId.set(request.id, { request, award: null })
    if (this.#byId.size > MAX_RIVALS) this.#byId.delete(this.#byId.keys().next().value as Id)
  }

  get(requestId: Id): Rival | undefined {
    return this.#byId.get(requestId)
  }

  /** An awarded rival of this builder and nonce. */
  awarded(builder: Address, nonce: bigint): Rival | undefined {
    for (const rival of this.#byId.values()) {
      const { message } = rival.request
      if (rival.award && message.builder === builder && message.nonce === nonce) return rival
    }
    return undefined
  }

  get size(): number {
    return this.#byId.size
  }
}
