/** Gas at twenty times its price for some minutes, while receipts wait and claims are due. */
import type { Block } from '../blocks.ts'
import { gasOf } from '../calls.ts'
import type { ChainOptions } from '../chain.ts'
import { atLeast, atMost } from '../lines.ts'
import type { Finding, Measure } from '../result.ts'
import type { Scenario, Values } from '../scenario.ts'
import { ETHER, GWEI, type Stage } from '../stage.ts'
import { eachBlock, honestBondsLost, seat } from './seats.ts'

/** The base fee rises and falls by an eighth a block at most (EIP-1559). */
const STEP = 1.125
const SLOT_S = 12
/** Base fee that honest builders sign to bear of a claim's gas. Gwei. */
const CAP_GWEI = 10

/** What one kind of transaction did while gas was dear, or cheap. wei. */
type Sum = { count: number; gas: bigint; gasWei: bigint; payWei: bigint; refundWei: bigint }
const newSum = (): Sum => ({ count: 0, gas: 0n, gasWei: 0n, payWei: 0n, refundWei: 0n })

class Ledger {
  readonly receipts = { cheap: newSum(), dear: newSum() }
  readonly claims = { cheap: newSum(), dear: newSum() }
  peakWei = 0n
  mostRefundWei = 0n

  see({ done, baseFeeWei }: Block, isDear: boolean): void {
    if (baseFeeWei > this.peakWei) this.peakWei = baseFeeWei
    for (const { transaction, deeds, fate } of done) {
      const { call } = transaction
      const isClaim = call.kind === 'commit' || call.kind === 'claim'
      if (fate !== 'done' || (call.kind !== 'settle' && !isClaim)) continue
      const sum = (isClaim ? this.claims : this.receipts)[isDear ? 'dear' : 'cheap']
      const gas = gasOf(call, deeds)
      sum.gas += gas
      sum.gasWei += gas * baseFeeWei
      for (const deed of deeds) {
        if (deed.kind !== 'paid') continue
        sum.count += 1
        sum.payWei += deed.payWei
        sum.refundWei += deed.gasWei
        if (deed.gasWei > this.mostRefundWei) this.mostRefundWei = deed.gasWei
      }
    }
  }
}

const ledgers = new WeakMap<Stage, Ledger>()

/** Up to the peak, so long there, and down again. */
function spike(values: Values): NonNullable<ChainOptions['baseFees']> {
  const [calm, peak] = [
    Number(values.baseFeeGwei),
    Number(values.baseFeeGwei) * Number(values.factor),
  ]
  const fees = [{ fromS: 0, gwei: calm }]
  let fromS = Number(values.spikeFromS)
  for (let gwei = calm * STEP; gwei < peak; gwei *= STEP, fromS += SLOT_S)
    fees.push({ fromS, gwei })
  fees.push({ fromS, gwei: peak })
  fromS += Number(values.spikeForS)
  for (let gwei = peak / STEP; gwei > calm; gwei /= STEP, fromS += SLOT_S)
    fees.push({ fromS, gwei })
  return [...fees, { fromS, gwei: calm }]
}

function play(stage: Stage): void {
  const ledger = new Ledger()
  ledgers.set(stage, ledger)
  const builders = seat(stage, {
    builders: [
      () =>
        stage.addBuilder('withholder 1', {
          isAdversary: true,
          deviates: (effect) => effect.kind === 'publish' && effect.draft.kind === 'Receipt',
        }),
    ],
  })
  stage.askInTurn({ claimBaseFeeCapWei: BigInt(stage.number('capGwei')) * GWEI }, 1_000, builders)
  const peakWei = (stage.number('baseFeeGwei') * stage.number('factor') * 1e9) / 2
  eachBlock(stage, (block) => ledger.see(block, Number(block.baseFeeWei) > peakWei))
}

/** Starts that the chain settled, by receipt or by claim. Percent. */
function settledPercent({ tally }: Stage): number {
  const starts = tally.all.flatMap(({ started, paidWei }) => started.map((of) => paidWei.has(of)))
  return (100 * starts.filter((isPaid) => isPaid).length) / starts.length
}

function judge(stage: Stage): Finding[] {
  const { receipts, claims, mostRefundWei } = ledgers.get(stage)!
  const { dear } = receipts
  const mostRefundGwei = claims.dear.count === 0 ? Number.NaN : Number(mostRefundWei / GWEI)
  const mostGwei = CAP_GWEI * Number(stage.params.claimGas)
  return [
    atMost('honest provers that lost bond', honestBondsLost(stage), 0, '1'),
    atLeast('starts settled in the end', settledPercent(stage), 100, '%'),
    atMost('what a claim costs its builder beside the pay', mostRefundGwei, mostGwei, 'gwei'),
    atMost('gas of a receipt in the spike', Number(dear.gas) / dear.count, 50_000, '1'),
  ]
}

const gweiEach = (wei: bigint, count: number): number => Number(wei / GWEI) / count

function measures(stage: Stage): Measure[] {
  const { receipts, claims, peakWei } = ledgers.get(stage)!
  const gwei = (name: string, wei: bigint, count: number): Measure[] =>
    count === 0 ? [] : [{ name, unit: 'gwei', value: gweiEach(wei, count) }]
  const of = (what: string, { count, gasWei, payWei, refundWei }: Sum): Measure[] => [
    { name: `${what}, settled`, unit: '1', value: count },
    ...gwei(`${what}, pay`, payWei, count),
    ...gwei(`${what}, gas less what the builder bears`, gasWei - refundWei, count),
  ]
  const lostWei = claims.dear.gasWei - claims.dear.refundWei
  return [
    { name: 'highest base fee', unit: 'gwei', value: Number(peakWei) / 1e9 },
    ...of('receipt while gas is cheap', receipts.cheap),
    ...of('receipt while gas is dear', receipts.dear),
    ...of('claim while gas is cheap', claims.cheap),
    ...of('claim while gas is dear', claims.dear),
    {
      name: 'gas that provers bore for claims',
      unit: 'ether',
      value: Number(lostWei) / Number(ETHER),
    },
  ]
}

export const gasSpike: Scenario = {
  name: 'gas-spike',
  title: 'gas costs twenty times as much for some minutes, while claims are due',
  says:
    'The base fee rises by an eighth a block to twenty times its price, stays there and falls ' +
    'again; a builder gives no receipts, so that there are claims too. A transaction offers twice ' +
    'the base fee, and more where it is not mined; receipts share transactions; a claim costs its ' +
    'builder no more than the base fee it signed. No bond and no pay may be lost to it.',
  settings: {
    nodes: { value: 300, says: 'nodes in the network', least: 8, most: 100_000 },
    provers: { value: 30, says: 'provers among them', least: 2, most: 5_000 },
    builders: { value: 4, says: 'builders among them, the first unfair', least: 2, most: 500 },
    auctions: { value: 200, says: 'requests in all', least: 1, most: 100_000 },
    everyMs: { value: 4_000, says: 'time between two requests, ms', least: 1, most: 1e7 },
    claimWindowS: {
      value: 768,
      says: 'claim window of the contracts, s of block time',
      least: 12,
      most: 10_000,
    },
    baseFeeGwei: { value: 1, says: 'base fee before and after, gwei', least: 0.01, most: 100 },
    factor: { value: 20, says: 'how many times as much it is at most', least: 1, most: 1_000 },
    spikeFromS: {
      value: 60,
      says: 'when it begins to rise, s from the start',
      least: 0,
      most: 1e5,
    },
    spikeForS: { value: 240, says: 'how long it stays at its highest, s', least: 0, most: 1e5 },
    capGwei: {
      value: CAP_GWEI,
      says: 'base fee up to which builders bear a claim’s gas, gwei',
      least: 0,
      most: 1_000,
    },
    settleAfterS: {
      value: 60,
      says: 'how long receipts wait for others to share their transaction, s',
      least: 0,
      most: 3_600,
    },
  },
  broken: {
    set: { capGwei: 1_000 },
    says: 'builders sign no limit that matters, and bear all of a claim’s dear gas',
  },
  quick: { nodes: 100, provers: 10, auctions: 80, everyMs: 6_000, spikeFromS: 30, spikeForS: 120 },
  chain: (values) => ({
    baseFees: spike(values),
    settleAfterMs: Number(values.settleAfterS) * 1_000,
  }),
  play,
  judge,
  measures,
}
