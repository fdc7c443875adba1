/**
 * Messages that overtook the one they name. Each waits, for at most `holdMs`, for that one; gossip's
 * validator waits with it. Bounded: over the bound a message is ignored, which costs its sender nothing.
 */
import type { Gossiped } from './effects.ts'
import type { Id } from './schema.ts'

export type Held = { readonly holdId: Id; readonly from: Gossiped }

export class Holding {
  readonly #limit: number
  readonly #byId = new Map<Id, { readonly awaited: string; readonly held: Held }>()
  readonly #byAwaited = new Map<string, Set<Id>>()

  /** @param limit Most messages held at once. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Holds a message until `awaited` comes; `false` when the bound is reached or it is held already. */
  add(awaited: string, from: Gossiped): boolean {
    if (this.#byId.size >= this.#limit || this.#byId.has(from.id)) return false
    this.#byId.set(from.id, { awaited, held: { holdId: from.id, from } })
    const ids = this.#byAwaited.get(awaited) ?? new Set<Id>()
    this.#byAwaited.set(awaited, ids.add(from.id))
    return true
  }

  /** Takes out one message; `null` if it is not held any more. */
  take(holdId: Id): Held | null {
    const entry = this.#byId.get(holdId)
    if (!entry) return null
    this.#byId.delete(holdId)
    const ids = this.#byAwaited.get(entry.awaited)
    ids?.delete(holdId)
    if (ids?.size === 0) this.#byAwaited.delete(entry.awaited)
    return entry.held
  }

  /** Takes out all that waited for `awaited`, in order of arrival. */
  release(awaited: string): Held[] {
    const ids = [...(this.#byAwaited.get(awaited) ?? [])]
    return ids.map((id) => this.take(id)).filter((held) => held !== null)
  }

  get size(): number {
    return this.#byId.size
  }
}
