/**
 * Who takes part: keys derived from the seed, so that a devnet can be run again as it was. Anybody
 * who knows the seed has the keys, which is fine for money that anvil makes up.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Address, Hex } from '#protocol/schema'
import { accountOf, keccak } from '#protocol/signature'

export type Actor = {
  /** Of its processes, logs and folders: `builder`, `prover-1`. */
  readonly name: string
  readonly address: Address
  /** File with its key, 64 hex digits. */
  readonly keyFile: string
}

/** Writes the key of each name into `folder`, readable by its owner only. */
export function createActors(
  seed: string,
  names: readonly string[],
  folder: string,
): Promise<readonly Actor[]> {
  return Promise.all(
    names.map(async (name) => {
      const key = keyOf(seed, name)
      const keyFile = join(folder, `${name}.key`)
      await writeFile(keyFile, `${key.slice(2)}\n`, { mode: 0o600 })
      return { name, address: accountOf(Buffer.from(key.slice(2), 'hex')), keyFile }
    }),
  )
}

const keyOf = (seed: string, name: string): Hex =>
  keccak(Buffer.from(`proofwire devnet ${seed}/${name}`))
