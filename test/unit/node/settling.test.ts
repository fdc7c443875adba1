import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SignedReceipt } from '#protocol/effects'
import {
  backup,
  builder,
  type MarketChain,
  prover,
  receiptFor,
  startMarket,
  type Watched,
} from '#test/support/market-chain'

const ETHER = 10n ** 18n

describe('settling receipts', () => {
  let chain: MarketChain
  let own: Watched
  beforeEach(async () => {
    chain = await startMarket()
    const other = await chain.connect(builder)
    await other.chain.funds.depositEscrow(builder.address, ETHER)
    await other.stop()
  })
  afterEach(() => chain.stop())

  const queueAll = (receipts: readonly SignedReceipt[]) =>
    Promise.all(receipts.map((receipt) => own.chain.queueReceipt(receipt)))
  const paidNonces = () =>
    own.events.flatMap((event) => (event.kind === 'paid' ? [[event.nonce, event.payWei]] : []))

  test('three receipts share one transaction and each is announced as paid', async () => {
    own = await chain.connect(prover, { settleAfterMs: 50 })
    const receipts = [1n, 2n, 700n].map((nonce) => receiptFor(chain, nonce, nonce * 10n))
    const [first, ...others] = await queueAll(receipts)
    expect(first).toMatchObject({ kind: 'mined' })
    expect(others).toEqual([first, first])
    await own.seen((event) => event.kind === 'paid' && event.nonce === 700n)
    expect(paidNonces()).toEqual([
      [1n, 10n],
      [2n, 20n],
      [700n, 7_000n],
    ])
    const { creditWei } = await own.chain.moneyOf(prover.address)
    expect(creditWei).toBe(7_030n)
    expect(await own.chain.conservation()).toMatchObject({ ok: true, creditWei })
  })

  test('thirty-two receipts do not wait for their age', async () => {
    own = await chain.connect(prover, { settleAfterMs: 3_600_000 })
    const receipts = Array.from({ length: 32 }, (_, nonce) => receiptFor(chain, BigInt(nonce), 1n))
    const sent = await queueAll(receipts)
    expect(new Set(sent.map((each) => each.kind === 'mined' && each.hash)).size).toBe(1)
  })

  test('one receipt with a bad signature does not stop the others', async () => {
    own = await chain.connect(prover, { settleAfterMs: 50 })
    const good = receiptFor(chain, 1n, 10n)
    const forged = receiptFor(chain, 2n, 10n, backup)
    const [settled, refused] = await queueAll([good, forged])
    expect(settled).toMatchObject({ kind: 'mined' })
    expect(refused).toMatchObject({ kind: 'dropped', detail: 'bad signature' })
    await own.seen((event) => event.kind === 'paid')
    expect(paidNonces()).toEqual([[1n, 10n]])
  })

  test('a receipt that was settled before is not sent again', async () => {
    own = await chain.connect(prover)
    const receipt = receiptFor(chain, 5n, 10n)
    expect(await own.chain.queueReceipt(receipt)).toMatchObject({ kind: 'mined' })
    const { blockNumber } = own.chain.now()
    expect(await own.chain.queueReceipt(receipt)).toMatchObject({ reason: 'resolved' })
    expect(own.chain.now().blockNumber).toBe(blockNumber)
  })

  test('what an empty escrow owes is paid once it is filled again', async () => {
    let nowMs = Date.now()
    own = await chain.connect(prover, { now: () => nowMs })
    const short = receiptFor(chain, 1n, 3n * ETHER)
    const none = receiptFor(chain, 2n, ETHER)
    expect(await own.chain.queueReceipt(short)).toMatchObject({ kind: 'mined' })
    expect(await own.chain.queueReceipt(none)).toMatchObject({ reason: 'unpaid' })
    expect((await own.chain.moneyOf(prover.address)).creditWei).toBe(ETHER)
    await own.chain.funds.depositEscrow(builder.address, 10n * ETHER)
    nowMs += 600_001
    const isRest = (nonce: bigint, payWei: bigint) =>
      own.seen((e) => e.kind === 'paid' && e.nonce === nonce && e.payWei === payWei)
    await isRest(1n, 2n * ETHER)
    await isRest(2n, ETHER)
    expect((await own.chain.moneyOf(prover.address)).creditWei).toBe(4n * ETHER)
  })

  test('receipts queued before a restart are settled after it', async () => {
    own = await chain.connect(prover, { settleAfterMs: 3_600_000 })
    const receipts = [1n, 2n, 3n].map((nonce) => receiptFor(chain, nonce, 10n))
    const ended = queueAll(receipts)
    // The last is on disk when asking for it again finds it waiting, so close after all three are
    // stored.
    await Promise.all(receipts.map(({ message }) => stored(own, message.nonce)))
    await own.stop()
    expect((await ended).map((each) => each.kind === 'dropped' && each.reason)).toEqual([
      'closed',
      'closed',
      'closed',
    ])
    own = await chain.connect(prover, { settleAfterMs: 3_600_000 })
    await own.seen((event) => event.kind === 'paid' && event.nonce === 3n)
    expect(paidNonces()).toHaveLength(3)
  })

  test('a batch under way at a restart is concluded after it, not sent twice', async () => {
    own = await chain.connect(prover, { settleAfterMs: 50 })
    await chain.anvil.request('evm_setAutomine', false)
    const ended = queueAll([1n, 2n].map((nonce) => receiptFor(chain, nonce, 10n)))
    await pooled(chain, 1)
    await own.stop()
    await ended
    own = await chain.connect(prover)
    await chain.anvil.request('evm_mine')
    await own.seen((event) => event.kind === 'paid' && event.nonce === 2n)
    expect(paidNonces()).toHaveLength(2)
    await chain.anvil.request('evm_mine')
    const nonce = await chain.anvil.request('eth_getTransactionCount', prover.address, 'latest')
    expect(nonce).toBe('0x1')
  })
})

/**
 * Resolves when the store holds the receipt of this nonce: each put ends in its own turn of the
 * loop.
 */
async function stored({ store }: Watched, nonce: bigint): Promise<void> {
  const key = `receipt/${builder.address}/${prover.address}/${nonce}`
  while (!(await store.get(key))) await new Promise((resolve) => setImmediate(resolve))
}

/** Resolves when the node's pool holds so many transactions. */
async function pooled({ anvil }: MarketChain, count: number): Promise<void> {
  for (;;) {
    const { pending } = await anvil.request<{ pending: string }>('txpool_status')
    if (Number(pending) >= count) return
  }
}
