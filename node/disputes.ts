/**
 * What this account does on chain when a job did not end well: commits to a proof and claims for
 * it, slashes a prover that stayed silent, reports a builder that signed two awards or the wrong
 * one. Each may be asked for again, after a restart too, and happens once.
 */
import { encodeFunctionData, parseEventLogs, toHex } from 'viem/utils'
import { settlementAbi } from '#contracts/abi'
import type { Obligation, SignedAward } from '#protocol/effects'
import { type Address, type Hex, type Id, type ProofRequest, ZERO_WORD } from '#protocol/schema'
import { keccak } from '#protocol/signature'
import { dropped, type Sent } from './intents.ts'
import type { Settlement } from './settlement.ts'
import type { Transactions } from './transactions.ts'

/**
 * A backup's own bid with its path to the award's `bidsRoot`: what shows its price to the chain.
 */
export type BidProof = {
  readonly commitment: Hex
  readonly sealedOpening: readonly [Hex, Hex, Hex]
  readonly priceWei: bigint
  readonly readyAt: number
  readonly path: readonly Hex[]
}
/** An award with the request it is for. */
export type AwardedRequest = { readonly request: ProofRequest; readonly award: SignedAward }

export type DisputesOptions = {
  readonly settlement: Settlement
  readonly transactions: Transactions
  /** Resolves true when block time reaches this, false when the node closes before. Seconds. */
  readonly reached: (atS: number) => Promise<boolean>
  /** Asks the RPC until it answers; `null` when the node closes before. */
  readonly patiently: <T>(ask: () => Promise<T>) => Promise<T | null>
  /** W of the contracts: how long a challenged prover may claim. Seconds. */
  readonly claimWindowS: number
}

/** For the award's winner, whose price is in the award itself. */
const NO_BID: BidProof = {
  commitment: ZERO_WORD,
  sealedOpening: [ZERO_WORD, ZERO_WORD, ZERO_WORD],
  priceWei: 0n,
  readyAt: 0,
  path: [],
}

export class Disputes {
  readonly #options: DisputesOptions
  /** Slashes that wait for their time, by key. */
  readonly #slashes = new Map<string, Promise<Sent>>()

  constructor(options: DisputesOptions) {
    this.#options = options
  }

  /**
   * Commits to a proof: `keccak256(abi.encode(prover, keccak256(proof)))`. The first of a request
   * stands.
   */
  commitProof(requestId: Id, prover: Address, proof: Uint8Array): Promise<Sent> {
    const words = prover.slice(2).padStart(64, '0') + keccak(proof).slice(2)
    const commitment = keccak(Buffer.from(words, 'hex'))
    const args = [requestId, prover, commitment] as const
    const data = encodeFunctionData({ abi: settlementAbi, functionName: 'commitProof', args })
    return this.#send(`commit/${requestId}/${prover}`, data)
  }

  /** Commits to the proof if that has not been done, then claims the job's pay with it. */
  async claim(obligation: Obligation, proof: Uint8Array, bid: BidProof = NO_BID): Promise<Sent> {
    const { requestId, prover } = obligation.start.message
    const committed = await this.commitProof(requestId, prover, proof)
    if (committed.kind === 'dropped' && committed.reason !== 'resolved') return committed
    const { request, award, start } = obligation
    const args = [
      request,
      award.message,
      toHex(start.acceptance.signature),
      start.message,
      toHex(start.signature),
      bid,
      toHex(proof),
    ] as const
    const data = encodeFunctionData({ abi: settlementAbi, functionName: 'claim', args })
    return this.#send(`claim/${requestId}/${prover}`, data)
  }

  /**
   * Slashes a prover once block time reaches `atS`, unless a receipt, a post or a claim came in the
   * meantime. A prover that committed a proof is only challenged by the first call: then it has its
   * time to claim, and the second call decides.
   * @param isOwed Asked when the time has come: false if a receipt was signed after all.
   */
  slash(obligation: Obligation, atS: number, isOwed = () => true): Promise<Sent> {
    const { requestId, prover } = obligation.start.message
    const key = `slash/${requestId}/${prover}`
    const known = this.#slashes.get(key)
    if (known) return known
    const slashed = this.#slash(key, obligation, atS, isOwed).finally(() =>
      this.#slashes.delete(key),
    )
    this.#slashes.set(key, slashed)
    return slashed
  }

  /** Two awards of one builder for one nonce: half of the penalty goes to this account. */
  reportDoubleAward(first: AwardedRequest, second: AwardedRequest): Promise<Sent> {
    const { builder, nonce } = first.request
    const args = [
      first.request,
      first.award.message,
      toHex(first.award.signature),
      second.request,
      second.award.message,
      toHex(second.award.signature),
    ] as const
    const data = encodeFunctionData({ abi: settlementAbi, functionName: 'proveDoubleAward', args })
    // The penalty grows with the reserve: another pair for the same nonce may still take more.
    const pair = [first.award.id, second.award.id].sort().join('/')
    return this.#send(`report/${builder}/${nonce}/${keccak(Buffer.from(pair))}`, data)
  }

  /**
   * An award that passed over a better bid under its own root: half of the penalty goes to that
   * bid's prover.
   */
  reportMisaward(
    { request, award }: AwardedRequest,
    prover: Address,
    better: BidProof,
  ): Promise<Sent> {
    const args = [request, award.message, toHex(award.signature), prover, better] as const
    const data = encodeFunctionData({ abi: settlementAbi, functionName: 'proveMisaward', args })
    return this.#send(`misaward/${award.id}`, data)
  }

  async #slash(
    key: string,
    obligation: Obligation,
    atS: number,
    isOwed: () => boolean,
  ): Promise<Sent> {
    const { settlement, reached, patiently, claimWindowS } = this.#options
    const { request, start } = obligation
    const { requestId, prover } = start.message
    const args = [
      request,
      toHex(start.acceptance.signature),
      start.message,
      toHex(start.signature),
    ] as const
    const data = encodeFunctionData({ abi: settlementAbi, functionName: 'slash', args })
    if (!(await reached(atS))) return dropped('closed')
    if (!isOwed()) return dropped('resolved')
    const found = await patiently(() => settlement.commitment(requestId, prover))
    if (!found) return dropped('closed')
    let untilS = found.challengedAt === 0 ? 0 : found.challengedAt + claimWindowS
    if (untilS === 0) {
      const sent = await this.#send(key, data)
      if (sent.kind === 'dropped') return sent
      const challenges = await patiently(() => this.#challengesIn(sent.hash))
      if (!challenges) return dropped('closed')
      const [challenge] = challenges
      if (!challenge) return sent
      untilS = Number(challenge.args.until)
    }
    // The prover may still claim in the second `untilS` itself.
    if (!(await reached(untilS + 1))) return dropped('closed')
    return this.#send(`${key}/again`, data)
  }

  async #challengesIn(hash: Hex) {
    const { logs } = await this.#options.settlement.client.getTransactionReceipt({ hash })
    return parseEventLogs({ abi: settlementAbi, eventName: 'Challenged', logs })
  }

  #send(key: string, data: Hex): Promise<Sent> {
    const { settlement, transactions } = this.#options
    return transactions.send({ key, to: settlement.address, data, valueWei: 0n })
  }
}
