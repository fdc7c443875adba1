/** Rollups of every kind on one chain, and players on L1 and on two of them. */
import { privateKeyToAccount } from 'viem/accounts'
import { encodeFunctionData } from 'viem/utils'
import { rollupsAbi } from '#contracts/abi'
import type { Call } from '#node/builder/batch'
import type { EvmRollup } from '#node/builder/evm-rollup'
import type { LedgerRollups } from '#node/builder/ledger-rollup'
import { eddsaKey } from '#protocol/eddsa'
import { signTransaction } from '#protocol/ledger-calls'
import { accountAddress, accountOf } from '#protocol/ledger-tree'
import type { Address, Hex } from '#protocol/schema'
import { type CallStep, encodeScript, type Party, type Script } from './script.ts'
import { TablesChain } from './tables-chain.ts'

/** What the EVM rollup's player believes it has: more than the registry holds for it. Wei. */
export const RICH_WEI = 10n ** 18n
/** Places in each ledger: the user's own, and one whose key is `SECRET`. */
export const OWNED = 1
export const KEYED = 2
export const SECRET = new Uint8Array(32).fill(7)
/** The rollups: an EVM, one with a token of its own, two ledgers of one program. */
export const [EVM, COIN, FIRST, SECOND] = [1n, 2n, 3n, 4n]

/** A player on the EVM rollup, and one on the rollup with the token. */
export const a: Party = { rollupId: EVM, address: `0x${'a1'.repeat(20)}` }
export const coin: Party = { rollupId: COIN, address: `0x${'a2'.repeat(20)}` }
/** Signs transactions of the EVM rollup. */
export const holder = privateKeyToAccount(`0x${'11'.repeat(32)}`)

export const calling = (to: Party, script: Script = [], valueWei = 0n): CallStep => ({
  kind: 'call',
  to,
  valueWei,
  script,
})
export const write = (slot: number, word: bigint) => ({ kind: 'write', slot, word }) as const

/** Starts it: three seconds, once the contracts are built. */
export async function startTablesStage() {
  const chain = await TablesChain.start()
  const [p, q] = [await chain.deployPlayer(), await chain.deployPlayer()]
  const proxies = [p, q].map(({ address, rollupId }) => ({ original: address, rollupId }))
  const code = chain.player.runtime
  const accounts = [
    { address: a.address, code, balanceWei: RICH_WEI },
    { address: holder.address.toLowerCase() as Address },
  ]
  const evm = await chain.addEvmRollup({ accounts, proxies })
  const alone = { accounts: [{ address: coin.address, code }], proxies }
  await chain.addEvmRollup(alone, { nativeToken: true })
  const owner = [BigInt(chain.user.address), 0n] as const
  const places = new Map([
    [OWNED, { key: owner, balanceWei: 0n, nonce: 0n }],
    [KEYED, { key: eddsaKey(SECRET), balanceWei: 0n, nonce: 0n }],
  ])
  const context = { chainId: chain.l1.chainId, venue: chain.l1.registry }
  const ledgers = await chain.addLedgers([places, places], {
    signatureOf: ({ rollupId: rollup, data }) =>
      signTransaction(SECRET, context, { rollup, account: KEYED, data, nonce: 0n }),
  })
  for (const party of [a, coin]) await chain.makeProxy(party)
  for (const rollupId of [FIRST, SECOND]) {
    for (const place of [OWNED, KEYED]) {
      await chain.makeProxy({ rollupId, address: accountAddress(place) })
    }
  }
  return { chain, evm, ledgers, p, q, ...callsOf(chain, p), ...viewsOf(chain, evm, ledgers) }
}

export type TablesStage = Awaited<ReturnType<typeof startTablesStage>>

const callsOf = (chain: TablesChain, p: Party) => ({
  /** The user has p play a script. */
  playing: (script: Script, valueWei = 0n): Call => ({
    to: p.address,
    data: encodeScript(p, script, chain.route),
    valueWei,
  }),
  /** The user calls an account of a ledger. */
  onLedger: (rollupId: bigint, place: number, data: Hex, valueWei = 0n): Call => ({
    to: chain.route.address(p, { rollupId, address: accountAddress(place) }),
    data,
    valueWei,
  }),
  /** A transaction of an account of a rollup. */
  ownTransaction: (rollupId: bigint, account: Address, data: Hex): Call => ({
    to: chain.l1.registry,
    data: encodeFunctionData({
      abi: rollupsAbi,
      functionName: 'executeL2TX',
      args: [rollupId, account, data],
    }),
    valueWei: 0n,
  }),
})

const viewsOf = (chain: TablesChain, evm: EvmRollup, ledgers: LedgerRollups) => ({
  /** Balance of a place of a ledger, where L1 has it. Wei. */
  balanceOn: async (rollupId: bigint, place: number): Promise<bigint> => {
    const { stateRoot } = await chain.l1.rollupOf(rollupId)
    return accountOf(ledgers.ledgerAt(rollupId, stateRoot)!, place)!.balanceWei
  },
  /** A word of a, where L1 has it. */
  wordOf: async (slot: bigint): Promise<bigint> => {
    const { stateRoot } = await chain.l1.rollupOf(EVM)
    return (await evm.viewAt(stateRoot)).storageOf(a.address, slot)
  },
})
