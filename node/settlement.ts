/**
 * Reads `Settlement` and `Bonds`, and says what a call of theirs would still do. No state of its
 * own.
 */
import type { PublicClient } from 'viem'
import { decodeErrorResult, decodeFunctionData } from 'viem/utils'
import { bondsAbi, settlementAbi } from '#contracts/abi'
import { unpackReceipts } from '#protocol/packing'
import type { Address, Hex, Id, Receipt } from '#protocol/schema'
import { type Dropped, type DropReason, dropped, type Intent, type Need } from './intents.ts'

/** The two ledgers of `Bonds`, as its `Role` numbers them. */
export const roles = { prover: 0, builder: 1 } as const
export type Role = keyof typeof roles

/**
 * One part counts for new work, the other is leaving. wei; seconds of block time, 0: nothing
 * leaves.
 */
export type Holding = {
  readonly activeWei: bigint
  readonly leavingWei: bigint
  readonly readyAtS: number
}
/** All money an account has in the market. */
export type Account = {
  readonly bond: Holding
  readonly stake: Holding
  readonly escrow: Holding
  readonly creditWei: bigint
}
/** What names a receipt's bit on chain. */
export type Debt = { readonly builder: Address; readonly prover: Address; readonly nonce: bigint }
/** A receipt's bit, and what the receipt says. wei. */
export type Claimable = Pick<Receipt, keyof Debt | 'payWei'>
/** What is unusual about a resolved debt; zeros for a receipt that its prover settled. wei. */
export type Dues = {
  readonly paidWei: bigint
  readonly owedWei: bigint
  /** A post, a claim or a better receipt may still show that more is due. */
  readonly unasked: boolean
}

const lower = (address: string): Address => address.toLowerCase() as Address

export class Settlement {
  readonly client: PublicClient
  readonly address: Address
  readonly bonds: Address

  constructor(client: PublicClient, address: Address, bonds: Address) {
    this.client = client
    this.address = address
    this.bonds = bonds
  }

  /** Money of an account, after block `blockNumber` or now. */
  async account(account: Address, blockNumber?: bigint): Promise<Account> {
    const at = blockNumber === undefined ? {} : { blockNumber }
    const [bond, stake, escrow, creditWei] = await Promise.all([
      this.#stake(account, 'prover', at),
      this.#stake(account, 'builder', at),
      this.#escrow(account, at),
      this.client.readContract({
        ...this.#settlement,
        functionName: 'creditOf',
        args: [account],
        ...at,
      }),
    ])
    return { bond, stake, escrow, creditWei }
  }

  /** The key that signs for a contract wallet, or `null`. */
  async signer(account: Address, blockNumber: bigint): Promise<Address | null> {
    const [signer] = await this.client.readContract({
      ...this.#settlement,
      functionName: 'signerOf',
      args: [account],
      blockNumber,
    })
    return BigInt(signer) === 0n ? null : lower(signer)
  }

  /** Whether a receipt, a post, a claim or a slash has settled this. */
  isResolved({ builder, prover, nonce }: Debt): Promise<boolean> {
    const args = [builder, prover, nonce] as const
    return this.client.readContract({ ...this.#settlement, functionName: 'isResolved', args })
  }

  /** What a resolved debt was paid and still owes, and whether more may be shown to be due. */
  dues({ builder, prover, nonce }: Debt): Promise<Dues> {
    const args = [builder, prover, nonce] as const
    return this.client.readContract({ ...this.#settlement, functionName: 'duesOf', args })
  }

  /** What a prover committed for a request; `minedAt` 0: nothing. Seconds of block time. */
  commitment(requestId: Id, prover: Address): Promise<{ minedAt: number; challengedAt: number }> {
    const args = [requestId, prover] as const
    return this.client.readContract({ ...this.#settlement, functionName: 'commitmentOf', args })
  }

  /**
   * Whether the chain still lacks what an intent would do. Deposits, exits and withdrawals are
   * `unknown`: their effect cannot be told from another's.
   */
  async needOf({ to, data }: Intent): Promise<Need> {
    if (to !== this.address) return 'unknown'
    const { functionName, args } = decodeFunctionData({ abi: settlementAbi, data })
    switch (functionName) {
      case 'settle': {
        const receipts = unpackReceipts(Buffer.from(args[0].slice(2), 'hex')) ?? []
        const open = await Promise.all(receipts.map(({ message }) => this.isPayable(message)))
        return open.includes(true) ? 'wanted' : dropped('resolved')
      }
      case 'commitProof': {
        const { minedAt } = await this.commitment(args[0], lower(args[1]))
        return minedAt === 0 ? 'wanted' : dropped('resolved')
      }
      case 'claim': {
        const [{ builder, nonce }, , , { prover }] = args
        const debt = { builder: lower(builder), prover: lower(prover), nonce }
        if (!(await this.isResolved(debt))) return 'wanted'
        return (await this.dues(debt)).unasked ? 'wanted' : dropped('resolved')
      }
      case 'slash': {
        const [{ builder, nonce }, , { prover }] = args
        const debt = { builder: lower(builder), prover: lower(prover), nonce }
        return (await this.isResolved(debt)) ? dropped('resolved') : 'wanted'
      }
      // The contract itself refuses what has been punished in full.
      case 'proveDoubleAward':
      case 'proveMisaward':
        return 'wanted'
      default:
        return 'unknown'
    }
  }

  /** Whether settling this receipt would pay or protect its prover: open, or more would come. */
  async isPayable(receipt: Claimable): Promise<boolean> {
    return !(await this.isResolved(receipt)) || (await this.restWei(receipt)) > 0n
  }

  /**
   * What settling a receipt would add to what its prover has been paid, once the nonce is resolved:
   * what an empty escrow left owed, or what a post or another's receipt left out (rule P6). wei.
   */
  async restWei(receipt: Claimable): Promise<bigint> {
    const { paidWei, owedWei, unasked } = await this.dues(receipt)
    const betterWei = unasked ? receipt.payWei - paidWei : 0n
    return betterWei > owedWei ? betterWei : owedWei
  }

  async #stake(account: Address, role: Role, at: object): Promise<Holding> {
    const { activeWei, exitingWei, exitReadyAt } = await this.client.readContract({
      address: this.bonds,
      abi: bondsAbi,
      functionName: 'stakeOf',
      args: [account, roles[role]],
      ...at,
    })
    return { activeWei, leavingWei: exitingWei, readyAtS: Number(exitReadyAt) }
  }

  async #escrow(account: Address, at: object): Promise<Holding> {
    const { availableWei, withdrawingWei, withdrawReadyAt } = await this.client.readContract({
      ...this.#settlement,
      functionName: 'escrowOf',
      args: [account],
      ...at,
    })
    return {
      activeWei: availableWei,
      leavingWei: withdrawingWei,
      readyAtS: Number(withdrawReadyAt),
    }
  }

  get #settlement() {
    return { address: this.address, abi: settlementAbi } as const
  }
}

/** Errors that time mends. All others say that the call will never succeed. */
const early: ReadonlySet<string> = new Set([
  'WindowNotOpen',
  'NotReady',
  'ExitNotReady',
  'NotCommitted',
])
const reasons: Readonly<Record<string, DropReason>> = {
  AlreadyResolved: 'resolved',
  AlreadyCommitted: 'resolved',
  AlreadyPunished: 'resolved',
  WindowClosed: 'window-closed',
}

/** What a revert of one of the contracts means for an intent: `null` to try again later. */
export function judge(data: Hex): Dropped | null {
  try {
    const { errorName, args } = decodeErrorResult({ abi: [...settlementAbi, ...bondsAbi], data })
    if (early.has(errorName)) return null
    const detail = `${errorName}(${(args ?? []).map(printable).join(', ')})`
    return dropped(reasons[errorName] ?? 'reverted', detail)
  } catch {
    // A verifier's own error, or a contract that is none of ours: four bytes nobody here knows.
    return dropped('reverted', `unknown error ${data.slice(0, 10)}`)
  }
}

const printable = (value: unknown): string =>
  typeof value === 'object' ? JSON.stringify(value) : String(value)
