/**
 * The rollups' states on disk, by root. Every state a transaction may lead to is written before the
 * transaction is sent, whole before it takes its name: whatever root the chain names later, and
 * whenever the process ended, its state is here. Several processes may use one folder.
 */
import { mkdir, readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Address, Hex } from '#protocol/schema'
import { writeWhole } from './whole-file.ts'

/**
 * States kept of a rollup: those of transactions under way, and older ones that a reorganisation of
 * the chain could bring back.
 */
const KEPT = 64
const ENDING = '.json'

/** A state cannot be kept or found. The message says what to do. */
export class StateError extends Error {
  override readonly name = 'StateError'
  readonly code = 'ROLLUP_STATE'
}

export class StateFolder {
  /** Of one registry on one chain. */
  readonly folder: string

  /** @param of The states are of rollups of one registry on one chain. */
  constructor(folder: string, of: { readonly chainId: number; readonly registry: Address }) {
    this.folder = join(folder, `${of.chainId}-${of.registry}`)
  }

  /** Resolves when the disk has the state. @throws StateError */
  async save(rollupId: bigint, root: Hex, text: string): Promise<void> {
    const path = this.#pathOf(rollupId, root)
    try {
      await mkdir(this.#folderOf(rollupId), { recursive: true, mode: 0o700 })
      // What a root names never changes: it only becomes the newest again.
      if (await touched(path)) return
      await writeWhole(path, text, 0o600)
    } catch (cause) {
      const what = `cannot keep the state of rollup ${rollupId} in ${this.folder}`
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new StateError(`${what}: ${reason}. Set stateFolder to one with room.`, { cause })
    }
  }

  /** The state of a root; `null` when it was never here, or is no more. @throws StateError */
  async load(rollupId: bigint, root: Hex): Promise<string | null> {
    const path = this.#pathOf(rollupId, root)
    try {
      return await readFile(path, 'utf8')
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new StateError(`cannot read ${path}: ${reason}. Check its owner and mode.`, { cause })
    }
  }

  /** Removes the oldest states beyond those that are kept. Never throws: it can be done later. */
  async prune(rollupId: bigint): Promise<void> {
    const folder = this.#folderOf(rollupId)
    const names = await readdir(folder).catch(() => [])
    const paths = names.filter((name) => name.endsWith(ENDING)).map((name) => join(folder, name))
    if (paths.length <= KEPT) return
    const found = await Promise.all(
      paths.map(async (path) => ({ path, at: (await stat(path).catch(() => null))?.mtimeMs ?? 0 })),
    )
    const oldest = found.sort((a, b) => b.at - a.at).slice(KEPT)
    await Promise.all(oldest.map(({ path }) => rm(path, { force: true }).catch(() => undefined)))
  }

  #folderOf(rollupId: bigint): string {
    return join(this.folder, `rollup-${rollupId}`)
  }

  #pathOf(rollupId: bigint, root: Hex): string {
    return join(this.#folderOf(rollupId), `${root.toLowerCase()}${ENDING}`)
  }
}

/** Makes an existing file the newest; `false` when there is none. */
async function touched(path: string): Promise<boolean> {
  const now = new Date()
  return utimes(path, now, now).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}
