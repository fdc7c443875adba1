/**
 * Takes changes back, exactly: each leaves how to undo it, and a block's changes are undone latest
 * first.
 */

/** Amounts by name, all in wei. */
type Amounts<Name extends string> = { [name in Name]: bigint }

export class Journal {
  #undos: (() => void)[] = []

  /** Adds to an amount. Undone by taking as much off again, so that what came since stays. */
  add<Name extends string>(to: Amounts<Name>, name: Name, wei: bigint): void {
    to[name] += wei
    this.#undos.push(() => {
      to[name] -= wei
    })
  }

  put<T extends object, Name extends keyof T>(into: T, name: Name, value: T[Name]): void {
    const before = into[name]
    into[name] = value
    this.#undos.push(() => {
      into[name] = before
    })
  }

  set<K, V>(map: Map<K, V>, key: K, value: V): void {
    const had = map.has(key)
    const before = map.get(key)
    map.set(key, value)
    this.#undos.push(() => {
      if (had) map.set(key, before as V)
      else map.delete(key)
    })
  }

  push<T>(list: T[], item: T): void {
    list.push(item)
    this.#undos.push(() => list.pop())
  }

  /** What undoes all changes since the last cut. */
  cut(): () => void {
    const undos = this.#undos
    this.#undos = []
    return () => {
      for (const undo of undos.reverse()) undo()
    }
  }
}
