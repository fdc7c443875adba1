/**
 * The same Players twice on one anvil: as contracts of one chain that call each other, and as
 * contracts of L1 and of EVM rollups that reach each other through proxies and tables.
 */
import { numberToHex } from 'viem/utils'
import { batchData } from '#node/builder/batch'
import type { EvmRollup } from '#node/builder/evm-rollup'
import type { WrittenTable } from '#node/builder/writer'
import type { Address, Hex } from '#protocol/schema'
import { NOTE_SLOT, SLOTS } from './call-trees.ts'
import { encodeScript, type Party, type Route, type Script } from './script.ts'
import { type Receipt, TablesChain } from './tables-chain.ts'

const ROLLUPS = [1n, 2n, 3n] as const
/** Each home has two Players, so that calls inside a rollup happen too. */
const PLAYERS_EACH = 2
/** What every Player starts with. */
const PURSE_WEI = 1_000n
const BLOCK_GAS = 1_000_000_000
const ALL_SLOTS = [...SLOTS, NOTE_SLOT]

const placed = (prefix: string, rollupId: bigint, at: number): Address =>
  `0x${prefix.repeat(18)}${(0x10n + rollupId).toString(16)}${(0x10 + at).toString(16)}`

/** All Players. The first is the one the user calls. */
export const parties: readonly Party[] = [0n, ...ROLLUPS].flatMap((rollupId) =>
  Array.from({ length: PLAYERS_EACH }, (_, at) => ({
    rollupId,
    address: placed('aa', rollupId, at),
  })),
)
const isAt = (id: bigint) => (party: Party) => party.rollupId === id
const outermost = parties[0]!
/** Where the same Player is when all are on one chain. */
const twinOf = ({ rollupId, address }: Party): Address =>
  placed('bb', rollupId, Number.parseInt(address.slice(-2), 16) - 0x10)

const onOneChain: Route = { registry: null, address: (_, to) => twinOf(to) }

/** What a Player is left with: its ether, and its words by slot. */
export type Remains = { readonly balanceWei: bigint; readonly words: readonly bigint[] }
export type Outcome = {
  readonly plain: readonly Remains[]
  readonly tables: readonly Remains[]
  readonly written: WrittenTable
  readonly gasUsed: bigint
}

/** A chain with everything deployed, and three rollups. Plays one script at a time. */
export class TwinChains {
  readonly #chain: TablesChain
  readonly #rollups: ReadonlyMap<bigint, EvmRollup>

  static async start(): Promise<TwinChains> {
    const chain = await TablesChain.start(['--gas-limit', String(BLOCK_GAS)])
    const code = chain.player.runtime
    const rollups = new Map<bigint, EvmRollup>()
    for (const id of ROLLUPS) {
      const accounts = parties.filter(isAt(id)).map(({ address }) => ({ address, code }))
      const abroad = parties.filter((party) => party.rollupId !== id)
      const proxies = abroad.map(({ address, rollupId }) => ({ original: address, rollupId }))
      rollups.set(id, await chain.addEvmRollup({ accounts, proxies }))
    }
    for (const party of parties) {
      const places = [twinOf(party), ...(party.rollupId === 0n ? [party.address] : [])]
      for (const place of places) {
        await chain.anvil.request('anvil_setCode', place, code)
        await chain.anvil.request('anvil_setBalance', place, numberToHex(PURSE_WEI))
      }
      if (party.rollupId !== 0n) await chain.makeProxy(party)
    }
    const [first, ...others] = parties as [Party, ...Party[]]
    const abroad = others.filter(({ rollupId }) => rollupId !== 0n)
    await chain.run(
      abroad.map((party) => ({
        to: chain.route.address(first, party),
        data: '0x',
        valueWei: PURSE_WEI,
      })),
    )
    return new TwinChains(chain, rollups)
  }

  private constructor(chain: TablesChain, rollups: ReadonlyMap<bigint, EvmRollup>) {
    this.#chain = chain
    this.#rollups = rollups
  }

  stop(): Promise<void> {
    return this.#chain.stop()
  }

  /**
   * Plays a script both ways, each from the state everyone started with.
   *
   * @throws when a table cannot be written, is not proven, or its transaction is not mined.
   */
  async play(script: Script): Promise<Outcome> {
    const { anvil } = this.#chain
    const snapshot = await anvil.request<Hex>('evm_snapshot')
    try {
      await this.#ask(twinOf(outermost), encodeScript(outermost, script, onOneChain))
      return { plain: await this.#onL1(parties.map(twinOf)), ...(await this.#byTables(script)) }
    } finally {
      await anvil.request('evm_revert', snapshot)
    }
  }

  async #byTables(script: Script): Promise<Omit<Outcome, 'plain'>> {
    const chain = this.#chain
    const data = encodeScript(outermost, script, chain.route)
    const calls = [{ to: outermost.address, data, valueWei: 0n }]
    const written = await chain.write(calls)
    const post = await chain.post(written)
    // As `l1.send` does, without its patience: the account is delegated since the deposits.
    const gasUsed = await this.#ask(chain.user.address, batchData([post, ...calls]))
    return { tables: await this.#everywhere(), written, gasUsed }
  }

  /** A transaction of the user, mined. Returns its gas. @throws when it reverted. */
  async #ask(to: Address, data: Hex): Promise<bigint> {
    const { anvil, user } = this.#chain
    const transaction = { from: user.address, to, data, gas: numberToHex(BLOCK_GAS / 2) }
    const receipt = await anvil.request<Receipt>('eth_sendTransactionSync', transaction)
    if (BigInt(receipt.status) !== 1n) throw new Error('a transaction reverted that had passed')
    return BigInt(receipt.gasUsed)
  }

  async #onL1(places: readonly Address[]): Promise<Remains[]> {
    const asked = places.flatMap((place) => [
      ['eth_getBalance', place, 'latest'],
      ...ALL_SLOTS.map((slot) => ['eth_getStorageAt', place, numberToHex(slot), 'latest']),
    ])
    const answers = (await askAll(this.#chain.anvil.rpcUrl, asked)).map(BigInt)
    const each = 1 + ALL_SLOTS.length
    return places.map((_, at) => ({
      balanceWei: answers[at * each]!,
      words: answers.slice(at * each + 1, (at + 1) * each),
    }))
  }

  /** Also checks that the registry holds for each rollup what its accounts have together. */
  async #everywhere(): Promise<Remains[]> {
    const remains = await this.#onL1(parties.filter(isAt(0n)).map(({ address }) => address))
    for (const [id, rollup] of this.#rollups) {
      const { stateRoot, balanceWei: held } = await this.#chain.l1.rollupOf(id)
      const view = await rollup.viewAt(stateRoot)
      const there = parties.filter(isAt(id)).map(async ({ address }) => ({
        balanceWei: await view.balanceOf(address),
        words: await Promise.all(ALL_SLOTS.map((slot) => view.storageOf(address, BigInt(slot)))),
      }))
      const players = await Promise.all(there)
      const hasWei = players.reduce((sum, { balanceWei }) => sum + balanceWei, 0n)
      if (hasWei !== held) throw new Error(`rollup ${id} has ${hasWei} wei, the registry ${held}`)
      remains.push(...players)
    }
    return remains
  }
}

/** Many questions in one request; the answers in their order. */
async function askAll(rpcUrl: string, asked: readonly (readonly unknown[])[]): Promise<Hex[]> {
  const batch = asked.map(([method, ...params], id) => ({ jsonrpc: '2.0', id, method, params }))
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(rpcUrl, { method: 'POST', headers, body: JSON.stringify(batch) })
  const answers = (await response.json()) as { id: number; result: Hex }[]
  return answers.sort((a, b) => a.id - b.id).map(({ result }) => result)
}
