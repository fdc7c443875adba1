/**
 * Messages of one job for unit tests, as if signed, and a market they can be fed to. Names stand
 * for accounts; what a test does not say is what an honest node would send.
 */
import { bidsRoot, type OpenedBid } from '#protocol/auction'
import type { ProverDesk } from '#protocol/bidder'
import type {
  Decision,
  Effect,
  Input,
  SignedAcceptance,
  SignedAward,
  SignedNotice,
  SignedReceipt,
  SignedRequest,
  SignedStart,
  Verdict,
} from '#protocol/effects'
import { Market } from '#protocol/market'
import { defaultParams, type Params } from '#protocol/params'
import {
  type Acceptance,
  type Address,
  type Award,
  type Notice,
  type ProofRequest,
  type Receipt,
  type Start,
  ZERO_ADDRESS,
  ZERO_WORD,
} from '#protocol/schema'
import { auctionKeyOf, commitmentOf } from '#protocol/sealing'
import {
  auctionSecretOf,
  hashOf,
  plainTerms,
  pretendSigned,
  proofHashOf,
} from '#simulations/pretence'

export const ETHER = 10n ** 18n
export const MILLI = ETHER / 1_000n
/** Opening of the request that tests begin with. ms since the Unix epoch. */
export const T0 = 1_800_000_000_000
export const [CLOSES_AT, SOFT_DUE_AT, DUE_AT] = [T0 + 400, T0 + 6_400, T0 + 12_400]

export const addressOf = (name: string): Address => `0x${hashOf('account', name).slice(2, 42)}`
export const builder = addressOf('builder')
export const [alice, bob, carol, dave] = ['alice', 'bob', 'carol', 'dave'].map(addressOf) as [
  Address,
  Address,
  Address,
  Address,
]
export const stranger = addressOf('stranger')

export const terms = (changes: Partial<ProofRequest> = {}): ProofRequest => ({
  builder,
  nonce: 1n,
  ...plainTerms,
  inputBytes: 1_000,
  reserveWei: 10n * MILLI,
  latenessWeiPerMs: 10n ** 11n,
  bondWei: 100n * MILLI,
  claimBaseFeeCapWei: 10n ** 9n,
  openedAt: T0,
  closesAt: CLOSES_AT,
  softDueAt: SOFT_DUE_AT,
  dueAt: DUE_AT,
  auctionKey: auctionKeyOf(secretOf(changes)),
  backups: 3,
  ...changes,
})

/** The auction secret of a request with these terms. */
export const secretOf = (changes: Partial<ProofRequest>) =>
  auctionSecretOf({ builder: changes.builder ?? builder, nonce: changes.nonce ?? 1n })

export const request = (changes: Partial<ProofRequest> = {}): SignedRequest =>
  pretendSigned('ProofRequest', terms(changes), changes.builder ?? builder)

export function bid(
  of: SignedRequest,
  prover: Address,
  priceWei = MILLI,
  readyAt = SOFT_DUE_AT,
  signer = prover,
): OpenedBid {
  const salt = `0x${hashOf(prover, priceWei).slice(2, 34)}` as const
  const opening = { priceWei, readyAt, salt }
  const commitment = commitmentOf(of.id, prover, opening)
  const sealedOpening = [ZERO_WORD, ZERO_WORD, ZERO_WORD] as const
  const message = { requestId: of.id, prover, commitment, sealedOpening }
  return { bid: pretendSigned('Bid', message, signer), opening }
}

/**
 * An award to the first of `ranked`, the others standing behind it as far as the request allows.
 */
export function award(
  of: SignedRequest,
  ranked: readonly OpenedBid[],
  changes: Partial<Award> = {},
  signer = of.message.builder,
): SignedAward {
  const [winner, ...others] = ranked as [OpenedBid, ...OpenedBid[]]
  const named = (index: number): Address =>
    index < of.message.backups ? (others[index]?.bid.message.prover ?? ZERO_ADDRESS) : ZERO_ADDRESS
  const message: Award = {
    requestId: of.id,
    bidId: winner.bid.id,
    prover: winner.bid.message.prover,
    priceWei: winner.opening.priceWei,
    readyAt: winner.opening.readyAt,
    bidsRoot: bidsRoot(ranked),
    bidCount: ranked.length,
    auctionSecret: auctionSecretOf(of.message),
    backups: [named(0), named(1), named(2)],
    ...changes,
  }
  return { ...pretendSigned('Award', message, signer), ...winner }
}

export function acceptance(
  of: SignedAward,
  prover = of.message.prover,
  changes: Partial<Acceptance> = {},
  signer = prover,
): SignedAcceptance {
  const message = { requestId: of.message.requestId, awardId: of.id, prover, ...changes }
  return pretendSigned('Acceptance', message, signer)
}

export function start(
  of: SignedAward,
  prover = of.message.prover,
  changes: Partial<Start> = {},
  accepted = acceptance(of, prover),
): SignedStart {
  const message: Start = {
    requestId: of.message.requestId,
    awardId: of.id,
    acceptanceId: accepted.id,
    prover,
    startedAt: CLOSES_AT + 100,
    ...changes,
  }
  return { ...pretendSigned('Start', message, builder), acceptance: accepted }
}

export function notice(
  of: SignedRequest,
  prover: Address,
  changes: Partial<Notice> = {},
  signer = prover,
): SignedNotice {
  const proofHash = proofHashOf(of.id, prover)
  const message = { requestId: of.id, prover, proofHash, readyAt: CLOSES_AT + 2_000, ...changes }
  return pretendSigned('Notice', message, signer)
}

export function receipt(
  of: SignedRequest,
  prover: Address,
  changes: Partial<Receipt> = {},
  signer = of.message.builder,
): SignedReceipt {
  const message: Receipt = {
    builder: of.message.builder,
    nonce: of.message.nonce,
    requestId: of.id,
    prover,
    payWei: MILLI,
    proofHash: proofHashOf(of.id, prover),
    deliveredAt: CLOSES_AT + 2_100,
    ...changes,
  }
  return pretendSigned('Receipt', message, signer)
}

export type StageOptions = {
  readonly self?: Address
  readonly params?: Partial<Params>
  readonly prover?: ProverDesk
  readonly observes?: boolean
}

/** A market with funded accounts, and all it asked for so far. */
export class Stage {
  readonly params: Params
  readonly market: Market
  effects: Effect[] = []
  changed: string[] = []
  now = T0 + 50

  constructor({ self = stranger, params, prover, observes }: StageOptions = {}) {
    this.params = { ...defaultParams, ...params }
    this.market = new Market({
      self,
      params: this.params,
      ...(prover ? { prover } : {}),
      ...(observes === undefined ? {} : { observes }),
    })
    this.fund(builder, { stakeWei: 2n * ETHER, escrowWei: ETHER })
    for (const prover of [alice, bob, carol, dave]) this.fund(prover, { bondWei: ETHER })
  }

  fund(account: Address, balance: { bondWei?: bigint; stakeWei?: bigint; escrowWei?: bigint }) {
    const all = { bondWei: 0n, stakeWei: 0n, escrowWei: 0n, ...balance }
    this.feed({ kind: 'chain', event: { kind: 'account', account, ...all } })
  }

  /** Feeds one input at `now`; its effects replace those of the last one. */
  feed(input: Input, now = this.now): Verdict {
    this.now = now
    const { verdict, effects, changed } = this.market.handle(input, now)
    this.effects = [...effects]
    this.changed = [...changed]
    return verdict
  }

  hear(from: Extract<Input, { kind: 'message' }>['from'], now = this.now): Verdict {
    return this.feed({ kind: 'message', from }, now)
  }

  /** Code of the refusal, `accept` or `hold`. */
  verdict(from: Extract<Input, { kind: 'message' }>['from'], now = this.now): string {
    return nameOf(this.hear(from, now))
  }

  tick(requestId: SignedRequest['id'], now: number): void {
    this.feed({ kind: 'tick', requestId }, now)
  }

  /** Effects of one kind, of the last input. */
  done<K extends Effect['kind']>(kind: K): Extract<Effect, { kind: K }>[] {
    return this.effects.filter(
      (effect): effect is Extract<Effect, { kind: K }> => effect.kind === kind,
    )
  }

  /** Names of what was announced by the last input. */
  announced(): string[] {
    return this.done('announce').map(({ event }) => event.kind)
  }
}

/** `ignore CODE`, `reject CODE`, `accept` or `hold`. */
export function nameOf(verdict: Verdict | Decision | null): string {
  if (verdict === null || verdict === 'accept') return 'accept'
  return 'code' in verdict ? `${verdict.action} ${verdict.code}` : verdict.action
}
