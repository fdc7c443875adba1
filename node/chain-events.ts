/** What logs of `Settlement` and `Bonds` mean to the market. Pure. */
import type { Log as ChainLog } from 'viem'
import { parseEventLogs } from 'viem/utils'
import { bondsAbi, settlementAbi } from '#contracts/abi'
import type { ChainEvent } from '#protocol/effects'
import { unpackPayments } from '#protocol/packing'
import type { Address, Hex, Id } from '#protocol/schema'

/** A slash has met a commitment: its prover may claim until `untilS`, seconds of block time. */
export type Challenge = {
  readonly requestId: Id
  readonly prover: Address
  readonly untilS: number
  /** The start, which the builder may have kept to itself until now. */
  readonly startedAt: number
  readonly startSignature: Hex
}

/** One confirmed log. */
export type Sighting = {
  /** Names the log on its fork of the chain. */
  readonly id: string
  readonly event: string
  readonly blockNumber: number
  readonly transactionHash: Hex
  /** Whose money or signer has to be read again. */
  readonly accounts: readonly Address[]
  readonly signers: readonly Address[]
  readonly events: readonly ChainEvent[]
  readonly challenge: Challenge | null
}

type Meaning = Partial<Pick<Sighting, 'accounts' | 'signers' | 'events' | 'challenge'>>

const lower = (address: string): Address => address.toLowerCase() as Address

type SettlementLog = ReturnType<typeof parseEventLogs<typeof settlementAbi>>[number]

function meaningOf({ eventName, args, transactionHash }: SettlementLog): Meaning {
  switch (eventName) {
    case 'Paid': {
      const [builder, prover] = [lower(args.builder), lower(args.prover)]
      const payments = unpackPayments(args.payments) ?? []
      const events = payments.map(
        (payment) => ({ kind: 'paid', builder, prover, ...payment, transactionHash }) as const,
      )
      return { accounts: [builder], events }
    }
    case 'Claimed': {
      // A claim, or a post (rule P6): what it added (rule C3); the gas is no pay.
      const [builder, prover] = [lower(args.builder), lower(args.prover)]
      const { nonce, payWei } = args
      const event = { kind: 'paid', builder, prover, nonce, payWei, transactionHash } as const
      return { accounts: [builder], events: [event] }
    }
    case 'Slashed': {
      const [builder, prover] = [lower(args.builder), lower(args.prover)]
      const { nonce, bondWei } = args
      const event = { kind: 'slashed', builder, prover, nonce, bondWei, transactionHash } as const
      return { accounts: [prover], events: [event] }
    }
    case 'Challenged': {
      const { requestId, until, startedAt, startSignature } = args
      const [prover, untilS] = [lower(args.prover), Number(until)]
      return { challenge: { requestId, prover, untilS, startedAt, startSignature } }
    }
    case 'EscrowDeposited':
    case 'WithdrawalBegun':
    case 'EscrowWithdrawn':
    case 'EscrowShort':
    case 'DoubleAwarded':
    case 'Misawarded':
      return { accounts: [lower(args.builder)] }
    case 'SignerSet':
    case 'SignerRemoved':
      return { signers: [lower(args.account)] }
    default:
      // Refused receipts, commitments and credits change nothing that counts for new work.
      return {}
  }
}

/** Reads logs of the two contracts, in their order; what either has never declared is left out. */
export function sightingsOf(
  logs: readonly ChainLog<bigint, number, false>[],
  settlement: Address,
): Sighting[] {
  return logs.flatMap((log) => {
    const [own] =
      lower(log.address) === settlement ? parseEventLogs({ abi: settlementAbi, logs: [log] }) : []
    const [bond] =
      lower(log.address) === settlement ? [] : parseEventLogs({ abi: bondsAbi, logs: [log] })
    const event = own?.eventName ?? bond?.eventName
    if (event === undefined) return []
    const meaning: Meaning = own ? meaningOf(own) : { accounts: [lower(bond!.args.account)] }
    return [
      {
        id: `${log.blockHash}/${log.logIndex}`,
        event,
        blockNumber: Number(log.blockNumber),
        transactionHash: log.transactionHash,
        accounts: meaning.accounts ?? [],
        signers: meaning.signers ?? [],
        events: meaning.events ?? [],
        challenge: meaning.challenge ?? null,
      },
    ]
  })
}
