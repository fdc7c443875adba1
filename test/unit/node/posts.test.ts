/** Tables posted with `settleOnPost`, and what is left to do for the node of a prover. */
import { numberToHex, toFunctionSelector } from 'viem/utils'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { payingPostCall } from '#node/builder/payment'
import type { ChainEvent, Obligation } from '#protocol/effects'
import { toHex } from '#protocol/field'
import type { Address, Hex } from '#protocol/schema'
import { tableDigest } from '#protocol/table'
import {
  builder,
  deployer,
  type MarketChain,
  prover,
  receiptFor,
  requestAt,
  startedJob,
  startMarket,
  type Watched,
  windows,
} from '#test/support/market-chain'

const ETHER = 10n ** 18n
const PRICE_WEI = 8_000_000n
/** Ten times this for each millisecond: the price is gone after eight seconds. */
const LATENESS_WEI_PER_MS = 100n
const canonical = Uint8Array.of(1, 2, 3)
const proof: Uint8Array = Buffer.from(prover.address.slice(2).padStart(64, '0'), 'hex')
const verifier: Address = `0x${'7e'.repeat(20)}`
const venue: Address = `0x${'8e'.repeat(20)}`

/** A verifier that takes every proof, and reads its payee from the first word. */
function payeeVerifier(): Hex {
  const payeeOf = toFunctionSelector('function payeeOf(bytes,bytes32)').slice(2)
  return `0x5f3560e01c63${payeeOf}1460165760015f5260205ff35b6064355f5260205ff3`
}
/** A venue that takes every table: what a builder may name, and has to pay for. */
const idleVenue: Hex = '0x00'

let chain: MarketChain
let own: Watched
let nextNonce = 0n
beforeAll(async () => {
  chain = await startMarket()
  await chain.anvil.request('anvil_setCode', verifier, payeeVerifier())
  await chain.anvil.request('anvil_setCode', venue, idleVenue)
  const buyer = await chain.connect(builder)
  await buyer.chain.funds.depositEscrow(builder.address, ETHER)
  await buyer.stop()
})
afterAll(() => chain.stop())
afterEach(() => own.stop())

type Posted = Obligation & { readonly nonce: bigint; readonly nowS: number }

/** A started job for a table, soft due in five seconds of block time and due in ten. */
async function postable(): Promise<Posted> {
  const { timestamp } = await chain.anvil.request<{ timestamp: Hex }>(
    'eth_getBlockByNumber',
    'latest',
    false,
  )
  const nowS = Number(timestamp)
  const nonce = ++nextNonce
  const request = requestAt(nowS * 1_000, nonce, {
    ...{ venue, verifier, tableDigest: tableDigest(canonical) },
    ...{ reserveWei: 2n * PRICE_WEI, latenessWeiPerMs: LATENESS_WEI_PER_MS },
  })
  return { ...startedJob(chain, request, prover, nowS * 1_000 + 1_000), nonce, nowS }
}

const callOf = ({ request, award, start }: Obligation): Hex => {
  const { verifier, programId, publicInputsHash } = request
  const proofs = [{ verifier, programId, publicInputsHash, proof: toHex(proof) }]
  const bid = {
    ...{ commitment: award.id, sealedOpening: [award.id, award.id, award.id] as const },
    ...{ priceWei: 0n, readyAt: 0, path: [] },
  }
  return payingPostCall(chain.market.settlement, canonical, proofs, 0, {
    ...{ requestId: start.message.requestId, request, award: award.message, bid },
    acceptanceSignature: toHex(start.acceptance.signature),
    ...{ start: start.message, startSignature: toHex(start.signature), proof: toHex(proof) },
  }).data
}

/** Somebody's transaction that posts the table. */
const posting = (job: Obligation) => {
  const [from, to] = [deployer.address, chain.market.settlement]
  const fees = { maxFeePerGas: numberToHex(10n ** 12n), maxPriorityFeePerGas: '0x174876e800' }
  return { from, to, data: callOf(job), gas: '0xf4240', ...fees }
}

/**
 * Posts the table. Resolves with the transaction's hash once its block is there: the time set for
 * the next block would else become this one's.
 */
const postNow = async (job: Obligation): Promise<Hex> => {
  const mined = await chain.anvil.request<{ transactionHash: Hex }>(
    'eth_sendTransactionSync',
    posting(job),
  )
  return mined.transactionHash
}

/** Posts so long after the job began, in seconds of block time. */
async function post(job: Posted, afterS: number): Promise<Hex> {
  await chain.anvil.request('evm_setNextBlockTimestamp', job.nowS + afterS)
  return postNow(job)
}
/** In time: the whole price. Four seconds late, one slot being allowed for: half of it. */
const [IN_TIME_S, HALF_S] = [3, 5 + 4 + windows.slotS]

const payments = ({ nonce }: Posted) =>
  own.events.flatMap((event) =>
    event.kind === 'paid' && event.nonce === nonce ? [[event.payWei, event.transactionHash]] : [],
  )
const paid = ({ nonce }: Posted, payWei: bigint) =>
  own.seen((event) => event.kind === 'paid' && event.nonce === nonce && event.payWei === payWei)
const receipt = ({ nonce }: Posted, payWei = PRICE_WEI) => receiptFor(chain, nonce, payWei)
const creditWei = async () => (await own.chain.moneyOf(prover.address)).creditWei
const stored = ({ nonce }: Posted) =>
  own.store.get(`receipt/${builder.address}/${prover.address}/${nonce}`)
const transactionCount = () =>
  chain.anvil.request<Hex>('eth_getTransactionCount', prover.address, 'latest')

describe('a table’s post pays its prover (rule P6)', () => {
  test('what it pays is announced once, and the nonce is resolved (rule D6)', async () => {
    own = await chain.connect(prover)
    const job = await postable()
    const isResolved = () => own.chain.isResolved(builder.address, prover.address, job.nonce)
    expect(await isResolved()).toBe(false)
    const hash = await post(job, IN_TIME_S)
    await paid(job, PRICE_WEI)
    expect(await isResolved()).toBe(true)
    const copy = await postNow(job)
    const mined = await chain.anvil.request('eth_getTransactionReceipt', copy)
    expect(mined).toMatchObject({ status: '0x1', logs: [] })
    // Blocks are read in order: what the copy did has been read when this is.
    const later = await postable()
    await post(later, IN_TIME_S)
    await paid(later, PRICE_WEI)
    expect(payments(job)).toEqual([[PRICE_WEI, hash]])
    expect(await own.chain.conservation()).toMatchObject({ ok: true })
  })

  test('a receipt that says more is settled, and adds the rest once', async () => {
    own = await chain.connect(prover)
    const job = await postable()
    const hash = await post(job, HALF_S)
    await paid(job, PRICE_WEI / 2n)
    const before = await creditWei()
    const settled = await own.chain.queueReceipt(receipt(job))
    expect(settled).toMatchObject({ kind: 'mined' })
    await own.seen((e) => e.kind === 'paid' && e.transactionHash !== hash && e.nonce === job.nonce)
    expect(payments(job)).toEqual([
      [PRICE_WEI / 2n, hash],
      [PRICE_WEI / 2n, settled.kind === 'mined' && settled.hash],
    ])
    expect((await creditWei()) - before).toBe(PRICE_WEI / 2n)
    expect(await stored(job)).toBeNull()
    expect(await own.chain.queueReceipt(receipt(job))).toMatchObject({ reason: 'resolved' })
  })

  test('a receipt that says no more is not sent', async () => {
    own = await chain.connect(prover)
    const [full, half] = [await postable(), await postable()]
    await post(full, IN_TIME_S)
    await post(half, HALF_S)
    await paid(half, PRICE_WEI / 2n)
    const before = await transactionCount()
    for (const each of [receipt(full, 2n * PRICE_WEI), receipt(half, PRICE_WEI / 2n)])
      expect(await own.chain.queueReceipt(each)).toMatchObject({ reason: 'resolved' })
    expect(await transactionCount()).toBe(before)
  })

  test('a batch leaves out what a post has paid, and goes on beside one that overtakes it', async () => {
    own = await chain.connect(prover, { settleAfterMs: 50 })
    const [before, during, other] = [await postable(), await postable(), await postable()]
    await post(before, IN_TIME_S)
    await paid(before, PRICE_WEI)
    await chain.anvil.request('evm_setAutomine', false)
    const ended = [before, during, other].map((job) => own.chain.queueReceipt(receipt(job)))
    expect(await ended[0]).toMatchObject({ reason: 'resolved' })
    await pooled(1)
    await chain.anvil.request('evm_setNextBlockTimestamp', during.nowS + 8)
    const hash = await chain.anvil.request<Hex>('eth_sendTransaction', posting(during))
    await chain.anvil.request('evm_mine')
    await chain.anvil.request('evm_setAutomine', true)
    expect(await ended[1]).toMatchObject({ reason: 'resolved' })
    const settled = await ended[2]
    expect(settled).toMatchObject({ kind: 'mined' })
    expect(payments(during)).toEqual([[PRICE_WEI, hash]])
    expect(payments(other)).toEqual([[PRICE_WEI, settled?.kind === 'mined' && settled.hash]])
    for (const job of [before, during, other]) expect(await stored(job)).toBeNull()
  })

  test('a restart between post and receipt changes nothing', async () => {
    own = await chain.connect(prover, { settleAfterMs: 3_600_000 })
    const [full, half] = [await postable(), await postable()]
    const ended = [full, half].map((job) => own.chain.queueReceipt(receipt(job)))
    while (!((await stored(full)) && (await stored(half)))) await turn()
    await own.stop()
    for (const each of ended) expect(await each).toMatchObject({ reason: 'closed' })
    const posts = [await post(full, IN_TIME_S), await post(half, HALF_S)]
    const before = await transactionCount()
    own = await chain.connect(prover)
    const isRest = (e: ChainEvent) =>
      e.kind === 'paid' && e.nonce === half.nonce && e.transactionHash !== posts[1]
    await own.seen(isRest)
    expect(payments(full)).toEqual([[PRICE_WEI, posts[0]]])
    expect(payments(half).map(([payWei]) => payWei)).toEqual([PRICE_WEI / 2n, PRICE_WEI / 2n])
    expect(Number(await transactionCount()) - Number(before)).toBe(1)
  })

  test('a claim shows what a late post left out, and a slash finds the job resolved', async () => {
    own = await chain.connect(prover)
    const job = await postable()
    await own.chain.commitProof(job.start.message.requestId, proof)
    const hash = await post(job, HALF_S)
    await paid(job, PRICE_WEI / 2n)
    expect(await own.chain.claim(job, proof)).toMatchObject({ kind: 'mined' })
    await own.seen((e) => e.kind === 'paid' && e.nonce === job.nonce && e.transactionHash !== hash)
    const slashableS = Math.ceil(job.request.dueAt / 1_000) + 2 * windows.claimWindowS
    const slashed = own.chain.slash(job, slashableS)
    await chain.mineAt(slashableS)
    expect(await slashed).toMatchObject({ kind: 'dropped', reason: 'resolved' })
    expect(payments(job).map(([payWei]) => payWei)).toEqual([PRICE_WEI / 2n, PRICE_WEI / 2n])
  })

  test('what an empty escrow owes for a post is paid once it is filled again', async () => {
    let nowMs = Date.now()
    own = await chain.connect(prover, { now: () => nowMs })
    const { escrow } = await own.chain.moneyOf(builder.address)
    await own.chain.queueReceipt(receiptFor(chain, ++nextNonce, escrow.activeWei))
    const job = await postable()
    await post(job, IN_TIME_S)
    await paid(job, 0n)
    expect(await own.chain.queueReceipt(receipt(job))).toMatchObject({ reason: 'unpaid' })
    await own.chain.funds.depositEscrow(builder.address, ETHER)
    nowMs += 600_001
    await paid(job, PRICE_WEI)
    expect(payments(job)).toHaveLength(2)
  })
})

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Resolves when the pool holds so many transactions. */
async function pooled(count: number): Promise<void> {
  for (;;) {
    const { pending } = await chain.anvil.request<{ pending: string }>('txpool_status')
    if (Number(pending) >= count) return
  }
}
