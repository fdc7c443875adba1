/**
 * The accounts of an EVM rollup: tries in one store of nodes, of which every root ever reached can
 * be opened again.
 */
import { type Common, createCustomCommon, Hardfork, Mainnet } from '@ethereumjs/common'
import { Caches, MerkleStateManager } from '@ethereumjs/statemanager'
import { Account, Address as EvmAddress } from '@ethereumjs/util'
import { fromHex, toHex } from '#protocol/field'
import type { Address, Hex } from '#protocol/schema'
import { type NodeStore, reachableNodes, readNodes } from './evm-export.ts'

/** The EVM's rules for a rollup: Prague, in block 0 at time 0, for a rollup has no clock. */
const evmRules = (evmChainId: number): Common =>
  createCustomCommon({ chainId: evmChainId }, Mainnet, { hardfork: Hardfork.Prague })

export const evmAddress = (address: Address): EvmAddress => new EvmAddress(fromHex(address))

export type GenesisAccount = {
  readonly address: Address
  readonly balanceWei?: bigint
  readonly nonce?: bigint
  /** Code that runs, not code that creates. */
  readonly code?: Hex
  /** Values by slot, 32 bytes each. */
  readonly storage?: Readonly<Record<Hex, Hex>>
}

/** Accounts that count how often something about them really changed. */
export class EvmState extends MerkleStateManager {
  /** Changes, with those that were undone since: equal before and after means nothing changed. */
  changes = 0

  /** An empty state, with a store of its own. */
  static empty(evmChainId: number): EvmState {
    return new EvmState({ common: evmRules(evmChainId), caches: new Caches() })
  }

  /** Another state, at a root the store knows. @throws when it does not know it. */
  async at(trieRoot: Hex): Promise<EvmState> {
    const caches = new Caches()
    const state = new EvmState({ common: this.common, trie: this._trie.shallowCopy(false), caches })
    await state.setStateRoot(fromHex(trieRoot))
    return state
  }

  override async putAccount(address: EvmAddress, account: Account | undefined): Promise<void> {
    const before = toRlp(await this.getAccount(address))
    if (toRlp(account) !== before) this.changes += 1
    await super.putAccount(address, account)
  }

  override async deleteAccount(address: EvmAddress): Promise<void> {
    if (toRlp(await this.getAccount(address)) !== NOTHING) this.changes += 1
    await super.deleteAccount(address)
  }

  override async putStorage(at: EvmAddress, slot: Uint8Array, word: Uint8Array): Promise<void> {
    if (toWord(word) !== toWord(await this.getStorage(at, slot))) this.changes += 1
    await super.putStorage(at, slot, word)
  }

  /** Writes an account with all it has. */
  async putGenesis({ address, code, storage = {}, ...given }: GenesisAccount): Promise<void> {
    const at = evmAddress(address)
    await this.putAccount(at, new Account(given.nonce ?? 0n, given.balanceWei ?? 0n))
    if (code !== undefined) await this.putCode(at, fromHex(code))
    for (const [slot, word] of Object.entries(storage)) {
      await this.putStorage(at, fromHex(slot as Hex), fromHex(word))
    }
  }

  /** The state at a root as text. @throws when the store lacks a part of it. */
  async exportAt(trieRoot: Hex): Promise<string> {
    const nodes = await reachableNodes(this.#nodes, trieRoot)
    return JSON.stringify({ version: 1, trieRoot, nodes: Object.fromEntries(nodes) })
  }

  /** Takes what `exportAt` wrote; returns its root. @throws when it is not whole or not true. */
  async importNodes(text: string): Promise<Hex> {
    const { trieRoot, nodes } = readNodes(text)
    for (const [key, value] of nodes) await this.#nodes.put(fromHex(key), fromHex(value))
    // Walking it shows that nothing is missing.
    await reachableNodes(this.#nodes, trieRoot)
    return trieRoot
  }

  get #nodes(): NodeStore {
    return this._trie.database()
  }
}

/** No account, and one with nothing in it, are the same. */
const NOTHING = ''
const toRlp = (account: Account | undefined): string =>
  account === undefined || account.isEmpty() ? NOTHING : toHex(account.serialize())
const toWord = (word: Uint8Array): string => toHex(word).slice(2).padStart(64, '0')
