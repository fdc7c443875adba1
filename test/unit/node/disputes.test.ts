import { toFunctionSelector } from 'viem/utils'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Challenge } from '#node/chain-events'
import { bidsRoot, bidTree } from '#protocol/auction'
import type { Obligation, SignedBid } from '#protocol/effects'
import type { Address } from '#protocol/schema'
import {
  backup,
  builder,
  type MarketChain,
  type Party,
  prover,
  requestAt,
  startedJob,
  startMarket,
  type Watched,
  windows,
} from '#test/support/market-chain'

const ETHER = 10n ** 18n
const proof = Uint8Array.of(9, 9, 9)
const verifier: Address = `0x${'7e'.repeat(20)}`

/**
 * A verifier that takes every proof and names no payee: reverts on `payeeOf`, else answers true.
 */
function lenientVerifier(): string {
  const payeeOf = toFunctionSelector('function payeeOf(bytes,bytes32)').slice(2)
  return `0x5f3560e01c63${payeeOf}14601557600160005260206000f35b5f5ffd`
}

describe('disputes', () => {
  let chain: MarketChain
  let seller: Watched
  let buyer: Watched
  let withheld: PromiseWithResolvers<Challenge>
  beforeEach(async () => {
    chain = await startMarket()
    await chain.anvil.request('anvil_setCode', verifier, lenientVerifier())
    withheld = Promise.withResolvers()
    seller = await chain.connect(prover, { onWithheldStart: withheld.resolve })
    buyer = await chain.connect(builder)
    await seller.chain.funds.depositStake(prover.address, 'prover', ETHER)
    await buyer.chain.funds.depositStake(builder.address, 'builder', ETHER)
    await buyer.chain.funds.depositEscrow(builder.address, ETHER)
  })
  afterEach(() => chain.stop())

  const started = (nonce: bigint, by: Party = prover) => {
    const nowMs = buyer.chain.now().timestampS * 1_000
    return startedJob(chain, requestAt(nowMs, nonce, { verifier }), by)
  }
  const dueS = ({ request }: Obligation): number => Math.ceil(request.dueAt / 1_000)
  const slashableS = (job: Obligation): number => dueS(job) + 2 * windows.claimWindowS
  const isWhole = async (): Promise<boolean> => (await buyer.chain.conservation()).ok

  test('a silent prover is slashed once block time allows it', async () => {
    const job = started(1n)
    const slashed = buyer.chain.slash(job, slashableS(job))
    await chain.mineAt(slashableS(job) - 1)
    await buyer.seen((e) => e.kind === 'block' && e.timestampS === slashableS(job) - 1)
    expect((await seller.chain.moneyOf(prover.address)).bond.activeWei).toBe(ETHER)
    await chain.mineAt(slashableS(job))
    expect(await slashed).toMatchObject({ kind: 'mined' })
    const bondWei = job.request.bondWei
    await seller.seen((e) => e.kind === 'slashed' && e.nonce === 1n && e.bondWei === bondWei)
    await seller.seen((e) => e.kind === 'account' && e.bondWei === ETHER - bondWei)
    expect(await isWhole()).toBe(true)
    // Asked for again, say after a restart, it is known to be done.
    expect(await buyer.chain.slash(job, slashableS(job))).toEqual(await slashed)
  })

  test('a prover that claimed in time is paid, and slashing it is dropped', async () => {
    const job = started(2n)
    const slashed = buyer.chain.slash(job, slashableS(job))
    expect(await seller.chain.claim(job, proof)).toMatchObject({ kind: 'mined' })
    const { priceWei } = job.award.message
    await seller.seen((e) => e.kind === 'paid' && e.nonce === 2n && e.payWei === priceWei)
    await chain.mineAt(slashableS(job))
    expect(await slashed).toMatchObject({ kind: 'dropped', reason: 'resolved' })
    expect((await seller.chain.moneyOf(prover.address)).bond.activeWei).toBe(ETHER)
    expect(await isWhole()).toBe(true)
  })

  test('a prover that committed is challenged first, then slashed', async () => {
    const job = started(3n)
    await seller.chain.commitProof(job.requestId, proof)
    const slashed = buyer.chain.slash(job, slashableS(job))
    await chain.mineAt(slashableS(job))
    const { untilS, startedAt, startSignature } = await withheld.promise
    expect({ startedAt, startSignature }).toEqual({
      startedAt: job.start.message.startedAt,
      startSignature: `0x${Buffer.from(job.start.signature).toString('hex')}`,
    })
    expect(seller.events.some((event) => event.kind === 'slashed')).toBe(false)
    await chain.mineAt(untilS + 1)
    expect(await slashed).toMatchObject({ kind: 'mined' })
    await seller.seen((event) => event.kind === 'slashed' && event.nonce === 3n)
  })

  test('a challenged prover that claims keeps its bond', async () => {
    const job = started(4n)
    await seller.chain.commitProof(job.requestId, proof)
    const slashed = buyer.chain.slash(job, slashableS(job))
    await chain.mineAt(slashableS(job))
    const { untilS } = await withheld.promise
    expect(await seller.chain.claim(job, proof)).toMatchObject({ kind: 'mined' })
    await chain.mineAt(untilS + 1)
    expect(await slashed).toMatchObject({ kind: 'dropped', reason: 'resolved' })
    expect((await seller.chain.moneyOf(prover.address)).bond.activeWei).toBe(ETHER)
  })

  test('a challenge from before a restart is seen through after it', async () => {
    const job = started(5n)
    await seller.chain.commitProof(job.requestId, proof)
    const first = buyer.chain.slash(job, slashableS(job))
    await chain.mineAt(slashableS(job))
    const { untilS } = await withheld.promise
    await buyer.stop()
    expect(await first).toMatchObject({ kind: 'dropped', reason: 'closed' })
    buyer = await chain.connect(builder)
    const second = buyer.chain.slash(job, slashableS(job))
    await chain.mineAt(untilS + 1)
    expect(await second).toMatchObject({ kind: 'mined' })
    await seller.seen((event) => event.kind === 'slashed' && event.nonce === 5n)
  })

  test('a challenged prover that restarts is shown the start again', async () => {
    const job = started(9n)
    await seller.chain.commitProof(job.requestId, proof)
    void buyer.chain.slash(job, slashableS(job))
    await chain.mineAt(slashableS(job))
    const first = await withheld.promise
    await seller.stop()
    const again = Promise.withResolvers<Challenge>()
    seller = await chain.connect(prover, { onWithheldStart: again.resolve })
    expect(await again.promise).toEqual(first)
  })

  test('a claim after its window is dropped with the reason', async () => {
    const job = started(6n)
    await seller.chain.commitProof(job.requestId, proof)
    await chain.mineAt(dueS(job) + windows.claimWindowS + 1)
    const claimed = await seller.chain.claim(job, proof)
    expect(claimed).toMatchObject({ kind: 'dropped', reason: 'window-closed' })
  })

  test('a claim with another proof than the committed one is dropped with the reason', async () => {
    const job = started(7n)
    await seller.chain.commitProof(job.requestId, proof)
    const claimed = await seller.chain.claim(job, Uint8Array.of(1))
    expect(claimed).toMatchObject({ kind: 'dropped', reason: 'reverted' })
    expect(claimed).toMatchObject({ detail: expect.stringContaining('WrongCommitment') })
  })

  test('a backup claims its own price with its bid under the award’s root', async () => {
    const { job, path, bid, priceWei } = backupJob()
    const third = await chain.connect(backup)
    const { commitment, sealedOpening } = bid.message
    const readyAt = job.request.dueAt
    const shown = { commitment, sealedOpening, priceWei, readyAt, path }
    expect(await third.chain.claim(job, proof, shown)).toMatchObject({ kind: 'mined' })
    await third.seen(
      (e) => e.kind === 'paid' && e.prover === backup.address && e.payWei === priceWei,
    )
  })

  test('a backup that shows a better price than it bid is refused', async () => {
    const { job, path, bid, priceWei } = backupJob()
    const third = await chain.connect(backup)
    const { commitment, sealedOpening } = bid.message
    const shown = {
      commitment,
      sealedOpening,
      priceWei: priceWei + 1n,
      readyAt: job.request.dueAt,
      path,
    }
    const claimed = await third.chain.claim(job, proof, shown)
    expect(claimed).toMatchObject({ detail: expect.stringContaining('NotUnderRoot') })
  })

  test('two awards for one nonce cost the builder its stake', async () => {
    const [first, second] = [started(8n), started(8n, backup)]
    expect(await seller.chain.reportDoubleAward(first, second)).toMatchObject({ kind: 'mined' })
    const penaltyWei = first.request.reserveWei
    await seller.seen((e) => e.kind === 'account' && e.stakeWei === ETHER - penaltyWei)
    const { creditWei } = await seller.chain.moneyOf(prover.address)
    expect(creditWei).toBe(penaltyWei / 2n)
    // The other way round it is the same offence, already paid for.
    expect(await seller.chain.reportDoubleAward(second, first)).toMatchObject({ kind: 'mined' })
    expect((await seller.chain.moneyOf(prover.address)).creditWei).toBe(creditWei)
    expect(await isWhole()).toBe(true)
  })

  test('an award that passed over a better bid costs the builder its stake', async () => {
    const { job, path, bid, priceWei } = backupJob()
    const { commitment, sealedOpening } = bid.message
    const better = { commitment, sealedOpening, priceWei, readyAt: job.request.dueAt, path }
    const reported = await seller.chain.reportMisaward(job, backup.address, better)
    expect(reported).toMatchObject({ kind: 'mined' })
    const { creditWei } = await seller.chain.moneyOf(backup.address)
    expect(creditWei).toBe(job.request.reserveWei / 2n)
  })

  /** A job awarded to the prover though the backup bid less, and started with the backup. */
  function backupJob() {
    const nowMs = buyer.chain.now().timestampS * 1_000
    const terms = { verifier, backups: 1, softDueAt: nowMs + 10_000 }
    const request = requestAt(nowMs, 20n, terms)
    const won = startedJob(chain, request)
    const lost = startedJob(chain, request, backup)
    const priceWei = won.award.message.priceWei - 1_000n
    const bid: SignedBid = lost.award.bid
    const opening = { ...won.award.opening, priceWei }
    const bids = [
      { bid: won.award.bid, opening: won.award.opening },
      { bid, opening },
    ]
    const award = {
      ...won.award,
      ...chain.sign(builder, 'Award', {
        ...won.award.message,
        bidsRoot: bidsRoot(bids),
        bidCount: 2,
        backups: [backup.address, won.award.message.backups[1], won.award.message.backups[2]],
      }),
    }
    const parties = { requestId: won.requestId, awardId: award.id, prover: backup.address }
    const acceptance = chain.sign(backup, 'Acceptance', parties)
    const message = { ...parties, acceptanceId: acceptance.id, startedAt: request.closesAt }
    const start = { ...chain.sign(builder, 'Start', message), acceptance }
    const path = bidTree(bids).path(bid.id)!
    return { job: { request, award, start }, path, bid, priceWei }
  }
})
