/**
 * Whether every wei is where it should be (invariant I1): the closing table of a devnet, a check
 * for tests.
 */

import { parseEventLogs } from 'viem/utils'
import { bondsAbi, settlementAbi } from '#contracts/abi'
import type { Address } from '#protocol/schema'
import type { Settlement } from './settlement.ts'

/** All the market's money as of one block. wei. */
export type Conservation = {
  readonly blockNumber: number
  readonly depositedWei: bigint
  readonly withdrawnWei: bigint
  readonly escrowWei: bigint
  readonly bondWei: bigint
  readonly stakeWei: bigint
  readonly creditWei: bigint
  readonly burntWei: bigint
  /** What the two contracts hold. */
  readonly balanceWei: bigint
  /** deposited − withdrawn = escrow + bonds + stakes + credits + burnt = balance. */
  readonly ok: boolean
}

/** Blocks asked for at once: what public RPCs allow. */
const RANGE = 2_000n
/** Accounts read at once: four calls each. */
const AT_ONCE = 32

const sum = (amounts: readonly bigint[]): bigint =>
  amounts.reduce((total, each) => total + each, 0n)

/** Money in and out since the deployment, and everybody that an event names. */
async function historyOf({ client, address, bonds }: Settlement, first: bigint, last: bigint) {
  const accounts = new Set<Address>()
  let [depositedWei, withdrawnWei] = [0n, 0n]
  for (let from = first; from <= last; from += RANGE) {
    const to = from + RANGE - 1n < last ? from + RANGE - 1n : last
    const logs = await client.getLogs({ address: [address, bonds], fromBlock: from, toBlock: to })
    // Names, not signatures, tell them apart: both contracts have a `Slashed`, which moves nothing
    // in or out.
    for (const { eventName, args } of parseEventLogs({
      abi: [...settlementAbi, ...bondsAbi],
      logs,
    })) {
      for (const [name, value] of Object.entries(args)) {
        const isAccount =
          name !== 'to' && name !== 'signer' && /^0x[0-9a-f]{40}$/i.test(String(value))
        if (isAccount) accounts.add(String(value).toLowerCase() as Address)
      }
      if (eventName === 'Deposited' || eventName === 'EscrowDeposited')
        depositedWei += args.amountWei
      const isOut =
        eventName === 'Withdrawn' ||
        eventName === 'EscrowWithdrawn' ||
        eventName === 'CreditWithdrawn'
      if (isOut) withdrawnWei += args.amountWei
    }
  }
  return { accounts: [...accounts], depositedWei, withdrawnWei }
}

/**
 * Adds up all money of a market as of its newest block. Reads every log since `firstBlock`: for
 * devnets and tests, not for every poll. Throws what the RPC throws.
 */
export async function conservation(
  settlement: Settlement,
  firstBlock: number,
): Promise<Conservation> {
  const { client, address, bonds } = settlement
  const blockNumber = await client.getBlockNumber({ cacheTime: 0 })
  const history = await historyOf(settlement, BigInt(firstBlock), blockNumber)
  const { accounts, depositedWei, withdrawnWei } = history
  const totals = { escrowWei: 0n, bondWei: 0n, stakeWei: 0n, creditWei: 0n }
  for (let at = 0; at < accounts.length; at += AT_ONCE) {
    const slice = accounts.slice(at, at + AT_ONCE)
    for (const each of await Promise.all(
      slice.map((one) => settlement.account(one, blockNumber)),
    )) {
      totals.escrowWei += each.escrow.activeWei + each.escrow.leavingWei
      totals.bondWei += each.bond.activeWei + each.bond.leavingWei
      totals.stakeWei += each.stake.activeWei + each.stake.leavingWei
      totals.creditWei += each.creditWei
    }
  }
  const [burntWei, ...balances] = await Promise.all([
    client.readContract({ address: bonds, abi: bondsAbi, functionName: 'burntWei', blockNumber }),
    client.getBalance({ address, blockNumber }),
    client.getBalance({ address: bonds, blockNumber }),
  ])
  const balanceWei = sum(balances)
  const heldWei = sum([...Object.values(totals), burntWei])
  const ok = depositedWei - withdrawnWei === heldWei && heldWei === balanceWei
  const number = Number(blockNumber)
  return { blockNumber: number, depositedWei, withdrawnWei, ...totals, burntWei, balanceWei, ok }
}
