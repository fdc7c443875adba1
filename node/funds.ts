/** This account's money in the market: in, out, and what has to wait before it leaves. */
import { randomUUID } from 'node:crypto'
import { encodeFunctionData } from 'viem/utils'
import { bondsAbi, settlementAbi } from '#contracts/abi'
import type { Address, Hex } from '#protocol/schema'
import type { Sent } from './intents.ts'
import { type Role, roles, type Settlement } from './settlement.ts'
import type { Transactions } from './transactions.ts'

/** Amounts are wei. Every call is a transaction of its own: calling twice pays twice. */
export class Funds {
  readonly #settlement: Settlement
  readonly #transactions: Transactions

  constructor(settlement: Settlement, transactions: Transactions) {
    this.#settlement = settlement
    this.#transactions = transactions
  }

  /** Adds to an account's bond (`prover`) or stake (`builder`). */
  depositStake(account: Address, role: Role, amountWei: bigint): Promise<Sent> {
    const args = [account, roles[role]] as const
    const data = encodeFunctionData({ abi: bondsAbi, functionName: 'deposit', args })
    return this.#send('deposit', this.#settlement.bonds, data, amountWei)
  }

  /**
   * Part of the caller's bond or stake: counts as nothing for new work at once, leaves after the
   * exit delay.
   */
  beginExit(role: Role, amountWei: bigint): Promise<Sent> {
    const args = [roles[role], amountWei] as const
    const data = encodeFunctionData({ abi: bondsAbi, functionName: 'beginExit', args })
    return this.#send('begin-exit', this.#settlement.bonds, data)
  }

  /** What was exiting, once its delay is over; asked for earlier, it waits for that. */
  withdrawStake(role: Role, to: Address): Promise<Sent> {
    const args = [roles[role], to] as const
    const data = encodeFunctionData({ abi: bondsAbi, functionName: 'withdraw', args })
    return this.#send('withdraw', this.#settlement.bonds, data)
  }

  depositEscrow(account: Address, amountWei: bigint): Promise<Sent> {
    const args = [account] as const
    const data = encodeFunctionData({ abi: settlementAbi, functionName: 'depositEscrow', args })
    return this.#send('deposit-escrow', this.#settlement.address, data, amountWei)
  }

  /**
   * Part of the caller's escrow: counts as nothing for new work at once, leaves after the exit
   * delay.
   */
  beginEscrowWithdrawal(amountWei: bigint): Promise<Sent> {
    const args = [amountWei] as const
    const data = encodeFunctionData({ abi: settlementAbi, functionName: 'beginWithdrawal', args })
    return this.#send('begin-withdrawal', this.#settlement.address, data)
  }

  /** What was being withdrawn, once its delay is over; asked for earlier, it waits for that. */
  withdrawEscrow(to: Address): Promise<Sent> {
    const data = encodeFunctionData({
      abi: settlementAbi,
      functionName: 'withdrawEscrow',
      args: [to],
    })
    return this.#send('withdraw-escrow', this.#settlement.address, data)
  }

  /** All that the caller has earned. */
  withdrawCredit(to: Address): Promise<Sent> {
    const data = encodeFunctionData({
      abi: settlementAbi,
      functionName: 'withdrawCredit',
      args: [to],
    })
    return this.#send('withdraw-credit', this.#settlement.address, data)
  }

  #send(what: string, to: Address, data: Hex, valueWei = 0n): Promise<Sent> {
    return this.#transactions.send({ key: `${what}/${randomUUID()}`, to, data, valueWei })
  }
}
