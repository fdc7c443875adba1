/** A builder that takes proofs and gives no receipt for them. */
import type { Effect } from '#protocol/effects'
import { promiseOf } from '#protocol/job'
import { payWei } from '#protocol/money'
import type { Address, Id } from '#protocol/schema'
import type { Actor } from '../actor.ts'
import { gas } from '../calls.ts'
import { mainnetChain } from '../chain.ts'
import { atLeast, atMost } from '../lines.ts'
import { wealthWei } from '../purses.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario } from '../scenario.ts'
import { ETHER, GWEI, type Member, type Stage } from '../stage.ts'
import { honestBondsLost, seat } from './seats.ts'

/** A proof that was there in time. */
type Proof = {
  readonly id: Id
  readonly prover: Address
  /** What a receipt at once would have said. wei. */
  readonly owedWei: bigint
  /** What a delivery then would earn. `at`: ms since the Unix epoch; wei. */
  readonly payAt: (at: number) => bigint
}

class Withholding {
  readonly stage: Stage
  builder: Member | null = null
  /** Those that it gave no receipt for. */
  readonly proofs: Proof[] = []

  constructor(stage: Stage) {
    this.stage = stage
  }

  /** A prover hands over its proof. */
  delivered(requestId: Id, { market, account: prover, now }: Actor): void {
    const job = market.job(requestId)
    const pursuit = market.bidder?.pursuits.get(requestId)
    const request = job?.request.message
    if (!pursuit || request?.builder !== this.builder!.actor.account) return
    if (this.proofs.some((proof) => proof.id === requestId && proof.prover === prover)) return
    const promise = promiseOf(job!, prover, pursuit.readyAt)
    const payAt = (at: number): bigint =>
      payWei(request, pursuit.priceWei, promise, at, this.stage.params)
    this.proofs.push({ id: requestId, prover, owedWei: payAt(now), payAt })
  }

  /** What the chain paid for a proof; `null`: nothing was settled. wei. */
  paidWei({ id, prover }: Proof): bigint | null {
    return this.stage.tally.auctions.get(id)?.paidWei.get(prover) ?? null
  }

  get claims(): number {
    return this.proofs.filter((proof) => this.paidWei(proof) !== null).length
  }

  /** Claims that brought what rule P1 says of the slot before their commitment's block. */
  get fairClaims(): number {
    const { chain, params } = this.stage
    return this.proofs.filter((proof) => {
      const commitment = chain.settlement.commitmentOf(proof.id, proof.prover)
      if (!commitment) return false
      return this.paidWei(proof) === proof.payAt((commitment.minedAtS - params.slotS) * 1_000)
    }).length
  }

  get owedWei(): bigint {
    return this.proofs.reduce((sum, { owedWei }) => sum + owedWei, 0n)
  }

  get claimedWei(): bigint {
    return this.proofs.reduce((sum, proof) => sum + (this.paidWei(proof) ?? 0n), 0n)
  }

  /** What the builder has less by now, gas of claims too. wei. */
  get spentWei(): bigint {
    const { actor, depositedWei } = this.builder!
    return depositedWei - wealthWei(this.stage.chain.balance(actor.account))
  }

  /** What provers paid for the gas of these claims. wei. */
  get gasWei(): bigint {
    const feeWei = BigInt(Math.round(this.stage.number('baseFeeGwei') * 1e9))
    return BigInt(this.claims) * gas.commitAndClaimOfTable * feeWei
  }
}

const plays = new WeakMap<Stage, Withholding>()
const etherOf = (wei: bigint): number => Number(wei) / Number(ETHER)

function play(stage: Stage): void {
  const withholding = new Withholding(stage)
  plays.set(stage, withholding)
  const isSilent = !stage.flag('claims')
  const honest = (effect: Effect, actor: Actor): boolean => {
    if (effect.kind === 'deliver') withholding.delivered(effect.requestId, actor)
    return isSilent && (effect.kind === 'commit' || effect.kind === 'claim')
  }
  const builders = seat(
    stage,
    {
      builders: [
        () => {
          withholding.builder = stage.addBuilder('withholder 1', {
            isAdversary: true,
            deviates: (effect) => effect.kind === 'publish' && effect.draft.kind === 'Receipt',
          })
          return withholding.builder
        },
      ],
    },
    { prover: { deviates: honest } },
  )
  stage.askInTurn({ claimBaseFeeCapWei: BigInt(stage.number('capGwei')) * GWEI }, 1_000, builders)
}

function judge(stage: Stage): Finding[] {
  const withholding = plays.get(stage)!
  const { proofs, claims, fairClaims, owedWei, claimedWei, spentWei } = withholding
  const share = owedWei === 0n ? Number.NaN : Number((claimedWei * 1_000n) / owedWei) / 10
  const saved = owedWei === 0n ? Number.NaN : etherOf(owedWei - spentWei)
  return [
    atLeast(
      'proofs without a receipt that were claimed for',
      (100 * claims) / proofs.length,
      100,
      '%',
    ),
    atLeast(
      'of them, paid as rule P1 says for the slot',
      (100 * fairClaims) / proofs.length,
      100,
      '%',
    ),
    atLeast('their pay, of what a receipt at once would have said,', share, 60, '%'),
    atMost('what the builder saved by it, claims’ gas paid,', saved, 0, 'ether'),
    atMost('honest provers that lost bond', honestBondsLost(stage), 0, '1'),
  ]
}

export const receiptWithheld: Scenario = {
  name: 'receipt-withheld',
  title: 'a builder takes proofs and gives no receipt for them',
  says:
    'Three seconds after its proof a prover without a receipt commits it on chain, and claims. It ' +
    'is paid as if it had delivered a slot before its commitment’s block, which may be up to three ' +
    'seconds late, and a slot more for each that its commitment waits. The builder pays the ' +
    'claim’s gas beside it. It must not be better off than with an honest receipt.',
  settings: {
    nodes: { value: 500, says: 'nodes in the network', least: 8, most: 100_000 },
    provers: { value: 50, says: 'provers among them', least: 2, most: 5_000 },
    builders: { value: 4, says: 'builders among them, the first unfair', least: 2, most: 500 },
    auctions: { value: 120, says: 'requests in all', least: 1, most: 100_000 },
    baseFeeGwei: { value: 1, says: 'base fee, gwei', least: 0, most: 100 },
    capGwei: {
      value: 20,
      says: 'base fee up to which builders bear a claim’s gas, gwei',
      least: 0,
      most: 1_000,
    },
    inclusionPercent: {
      value: 100 * mainnetChain.inclusion,
      says: 'transactions that the next block takes, percent',
      least: 1,
      most: 100,
    },
    claims: { value: true, says: 'whether provers commit and claim without a receipt' },
  },
  broken: {
    set: { claims: false },
    says: 'provers do not go to the chain: they are not paid, and slashed besides',
  },
  quick: { nodes: 150, provers: 15, builders: 2, auctions: 40 },
  chain: ({ baseFeeGwei, inclusionPercent }) => ({
    baseFees: [{ fromS: 0, gwei: Number(baseFeeGwei) }],
    inclusion: Number(inclusionPercent) / 100,
  }),
  play,
  judge,
  measures: (stage): Measure[] => {
    const { proofs, owedWei, claimedWei, spentWei, gasWei } = plays.get(stage)!
    const ether = (name: string, wei: bigint): Measure => ({
      name,
      unit: 'ether',
      value: etherOf(wei),
    })
    return [
      { name: 'proofs without a receipt', unit: '1', value: proofs.length },
      ether('what receipts would have said', owedWei),
      ether('pay by claim', claimedWei),
      ether('gas that the builder paid for', spentWei - claimedWei),
      ether('saved by the builder', owedWei - spentWei),
      ether('lost by provers, gas counted', owedWei - spentWei + gasWei),
    ]
  },
}
