/**
 * What a send was about to do when its process ended, one file for each transaction somebody wants:
 * whoever starts the same again goes on with it, and nothing is done twice.
 */
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Address, Hex } from '#protocol/schema'
import type { Cut } from '#protocol/segments'
import { keccak } from '#protocol/signature'
import { StateError } from './state-folder.ts'
import { writeWhole } from './whole-file.ts'

/** The transaction somebody wants. */
export type Wish = {
  readonly from: Address
  readonly to: Address
  readonly data: Hex
  readonly valueWei: bigint
}

/** How far it came. Each part is written before it is acted upon. */
export type PendingSend = {
  /** The table's canonical bytes. */
  readonly canonical: Hex
  /** The proofs that were asked for at the door, one for each segment; null when none was. */
  readonly wantedIds: readonly string[] | null
  /** How the table was cut for them. */
  readonly cuts: readonly Cut[]
  /** The transaction that was signed, and may have left; null before. */
  readonly transactionHash: Hex | null
}

export class PendingFile {
  readonly #path: string
  readonly #folder: string

  /** @param folder Of the sends of one registry on one chain. */
  constructor(folder: string, { from, to, data, valueWei }: Wish) {
    const name = keccak(Buffer.from(`${from}/${to}/${data}/${valueWei}`))
    this.#folder = folder
    this.#path = join(folder, `${name}.json`)
  }

  /** @throws StateError when there is a file that cannot be read. */
  async load(): Promise<PendingSend | null> {
    try {
      const { canonical, wantedIds, cuts, transactionHash } = JSON.parse(
        await readFile(this.#path, 'utf8'),
      )
      return { canonical, wantedIds: wantedIds ?? null, cuts: cuts ?? [], transactionHash }
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
      const what = `${this.#path} cannot be read: ${(cause as Error).message}`
      const advice = 'Look at the account’s last transactions, then remove the file'
      throw new StateError(`${what}. ${advice}.`, { cause })
    }
  }

  /** Resolves when the disk has it. */
  async save(pending: PendingSend): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    await writeWhole(this.#path, `${JSON.stringify(pending)}\n`, 0o600)
  }

  async clear(): Promise<void> {
    await rm(this.#path, { force: true })
  }
}
