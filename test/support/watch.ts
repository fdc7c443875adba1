/** What several nodes' doors announce, to be waited for. */
import type { MarketEvent } from '#protocol/effects'
import type { Id } from '#protocol/schema'
import type { Door } from '#simulations/devnet/door'
import type { Seen } from '#simulations/devnet/journal'

type OfJob = Extract<MarketEvent, { readonly requestId: Id }>
type Kind = OfJob['kind']
type EventOf<K extends Kind> = Extract<OfJob, { readonly kind: K }>

/** Keeps all events it hears; whoever waits for one finds it whether it has come or comes later. */
export class Watch {
  readonly seen: Seen[] = []
  readonly #waiting = new Set<(seen: Seen) => void>()

  /** Listens at a door until the door's signal aborts, across restarts of its node. */
  async listen(door: Door): Promise<void> {
    const open = Promise.withResolvers<void>()
    door
      .events((seen) => {
        this.seen.push(seen)
        for (const take of this.#waiting) take(seen)
      }, open.resolve)
      .catch(open.reject)
    await open.promise
  }

  /** The first event of this kind about this request, at any of the doors. */
  async first<K extends Kind>(kind: K, requestId: Id): Promise<EventOf<K>> {
    const isIt = ({ event }: Seen): boolean =>
      event.kind === kind && 'requestId' in event && event.requestId === requestId
    const { promise, resolve } = Promise.withResolvers<Seen>()
    const take = (seen: Seen): void => {
      if (isIt(seen)) resolve(seen)
    }
    this.seen.forEach(take)
    this.#waiting.add(take)
    try {
      return (await promise).event as EventOf<K>
    } finally {
      this.#waiting.delete(take)
    }
  }
}
