/** A disk that a process loses in the middle of its work. */
import type { Store } from '#node/store'

/**
 * Lets `writes` writes through; from the next one on nothing reaches the disk, as after kill -9.
 */
export function crashAfter(writes: number) {
  let left = writes
  const crashed = Promise.withResolvers<false>()
  const gate =
    <A extends unknown[]>(write: (...args: A) => Promise<void>) =>
    (...args: A): Promise<void> => {
      if (left-- > 0) return write(...args)
      crashed.resolve(false)
      return new Promise(() => undefined)
    }
  const around = (store: Store): Store => ({
    ...store,
    put: gate(store.put),
    putJson: gate(store.putJson),
    batch: gate(store.batch),
    del: gate(store.del),
  })
  return { around, crashed: crashed.promise }
}
