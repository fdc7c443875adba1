import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Rollback } from '#node/chain-watcher'
import type { ChainEvent } from '#protocol/effects'
import { type Anvil, startAnvil } from '#test/support/anvil'
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

const bondsOf = (events: readonly ChainEvent[]): bigint[] =>
  events.flatMap((event) =>
    event.kind === 'account' && event.account === prover.address ? [event.bondWei] : [],
  )
const deposit = ({ chain }: Watched, amountWei: bigint) =>
  chain.funds.depositStake(prover.address, 'prover', amountWei)
const height = async ({ anvil }: MarketChain): Promise<number> =>
  Number(await anvil.request('eth_blockNumber'))

describe('a reorganisation', () => {
  let chain: MarketChain
  beforeEach(async () => {
    chain = await startMarket()
  })
  afterEach(() => chain.stop())

  test('takes back what was confirmed, says so, and our transaction is sent again', async () => {
    const rollbacks: Rollback[] = []
    const own = await chain.connect(prover, { onDeepReorg: (each) => rollbacks.push(each) })
    const watcher = await chain.connect(builder)
    await deposit(own, ETHER)
    await watcher.seen((event) => event.kind === 'account' && event.bondWei === ETHER)
    const blockNumber = await height(chain)
    await chain.anvil.request('anvil_reorg', 1, [])
    await watcher.seen((event) => event.kind === 'account' && event.bondWei === 0n)
    // The same bytes: the nonce is the first again.
    await own.seen(() => bondsOf(own.events).at(-1) === ETHER && bondsOf(own.events).length > 1)
    const count = await chain.anvil.request('eth_getTransactionCount', prover.address, 'latest')
    expect(count).toBe('0x1')
    expect(rollbacks).toMatchObject([
      { ancestor: blockNumber - 1, undone: [{ event: 'Deposited', blockNumber }] },
    ])
  })

  test('to a longer fork without a deposit takes it back', async () => {
    const watcher = await chain.connect(builder)
    const snapshot = await chain.anvil.request('evm_snapshot')
    const own = await chain.connect(prover)
    await deposit(own, 2n * ETHER)
    await watcher.seen((event) => event.kind === 'account' && event.bondWei === 2n * ETHER)
    await own.stop()
    await chain.anvil.request('evm_revert', snapshot)
    // A longer fork without the deposit.
    await chain.anvil.request('anvil_mine', 5, 1)
    await watcher.seen((event) => event.kind === 'account' && event.bondWei === 0n)
    expect(bondsOf(watcher.events)).toEqual([2n * ETHER, 0n])
  })

  test('of later blocks only leaves what was announced before them alone', async () => {
    const rollbacks: Rollback[] = []
    // Polls so seldom that it has not seen all blocks, and has to read some again.
    const onDeepReorg = (each: Rollback) => rollbacks.push(each)
    const watcher = await chain.connect(builder, { pollMs: 300, onDeepReorg })
    const own = await chain.connect(prover)
    await own.chain.funds.depositEscrow(builder.address, ETHER)
    await own.chain.queueReceipt(receiptFor(chain, 1n, 10n))
    await own.stop()
    await chain.anvil.request('anvil_mine', 3, 1)
    const settled = await height(chain)
    await watcher.seen((event) => event.kind === 'paid')
    await chain.anvil.request('anvil_reorg', 2, [])
    const { timestampS } = watcher.chain.now()
    await chain.mineAt(timestampS + 10)
    await watcher.seen((e) => e.kind === 'block' && e.timestampS === timestampS + 10)
    expect(watcher.chain.now().blockNumber).toBe(settled + 1)
    expect(rollbacks).toEqual([])
    expect(watcher.events.filter((event) => event.kind === 'paid')).toHaveLength(1)
  })

  test('shallower than the confirmations disturbs nobody', async () => {
    const rollbacks: Rollback[] = []
    const onDeepReorg = (each: Rollback) => rollbacks.push(each)
    const watcher = await chain.connect(builder, { confirmations: 3, onDeepReorg })
    const own = await chain.connect(prover)
    await deposit(own, ETHER)
    await own.stop()
    await chain.anvil.request('anvil_mine', 4, 1)
    await watcher.seen((event) => event.kind === 'account' && event.bondWei === ETHER)
    await chain.anvil.request('anvil_reorg', 2, [])
    const { timestampS } = watcher.chain.now()
    await chain.mineAt(timestampS + 10)
    await watcher.seen((e) => e.kind === 'block' && e.timestampS === timestampS + 10)
    expect(rollbacks).toEqual([])
    expect(bondsOf(watcher.events)).toEqual([ETHER])
  })

  test('while the node was down is found when it starts again', async () => {
    const own = await chain.connect(prover)
    await deposit(own, ETHER)
    await own.seen((event) => event.kind === 'account' && event.bondWei === ETHER)
    await own.stop()
    await chain.anvil.request('anvil_reorg', 1, [])
    const again = await chain.connect(prover)
    await again.seen((event) => event.kind === 'account' && event.bondWei === ETHER)
    const count = await chain.anvil.request('eth_getTransactionCount', prover.address, 'latest')
    expect(count).toBe('0x1')
  })
})

describe('history', () => {
  let chain: MarketChain
  beforeEach(async () => {
    chain = await startMarket()
  })
  afterEach(() => chain.stop())

  test('is read in ranges as small as the RPC wants them, and not a second time', async () => {
    const own = await chain.connect(prover)
    await deposit(own, ETHER)
    await own.stop()
    await chain.anvil.request('anvil_mine', 150, 1)
    const ranges: number[] = []
    const proxy = await narrowProxy(chain.anvil, 40, ranges)
    const watcher = await chain.connect(builder, { rpcUrl: proxy.rpcUrl })
    expect(bondsOf(watcher.events)).toEqual([ETHER])
    expect(watcher.chain.now().blockNumber).toBe(await height(chain))
    expect(Math.max(...ranges)).toBeLessThanOrEqual(40)
    const read = ranges.reduce((sum, range) => sum + range, 0)
    expect(read).toBe((await height(chain)) - Number(chain.market.blockNumber) + 1)
    await watcher.stop()
    ranges.length = 0
    const again = await chain.connect(builder, { rpcUrl: proxy.rpcUrl })
    expect(again.chain.now().blockNumber).toBe(await height(chain))
    expect(ranges).toEqual([])
    expect(bondsOf(again.events)).toEqual([ETHER])
    await again.stop()
    await proxy.stop()
  })

  test('an account without money is forgotten at a restart', async () => {
    const own = await chain.connect(builder)
    await own.chain.funds.depositEscrow(builder.address, 5n)
    await own.chain.funds.depositEscrow(backup.address, 5n)
    await own.chain.funds.beginEscrowWithdrawal(5n)
    await own.seen(
      (e) => e.kind === 'account' && e.account === builder.address && e.escrowWei === 0n,
    )
    await own.stop()
    const again = await chain.connect(builder)
    const accounts = again.events.flatMap((e) => (e.kind === 'account' ? [e.account] : []))
    expect(accounts).toEqual([backup.address])
  })
})

describe('an RPC that goes away', () => {
  let folder: string
  let chain: MarketChain
  let second: Anvil | null
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'proofwire-anvil-'))
    second = null
    chain = await startMarket(['--state', join(folder, 'state.json')])
  })
  afterEach(async () => {
    await chain.stop()
    await second?.stop()
    await rm(folder, { recursive: true })
  })

  test('and comes back finds what was wished for meanwhile done', async () => {
    let nowMs = Date.now()
    const own = await chain.connect(prover, { now: () => nowMs })
    await deposit(own, ETHER)
    expect(own.chain.health().healthy).toBe(true)
    const blockNumber = await height(chain)
    await chain.anvil.stop('SIGTERM')
    const wished = deposit(own, 2n * ETHER)
    nowMs += 60_000
    expect(own.chain.health()).toMatchObject({ healthy: false })
    expect(own.chain.health().answerAgeMs).toBeGreaterThan(50_000)
    const state = join(folder, 'state.json')
    second = await startAnvil({ port: chain.anvil.port, args: ['--state', state] })
    expect(await wished).toMatchObject({ kind: 'mined' })
    await own.seen((event) => event.kind === 'account' && event.bondWei === 3n * ETHER)
    expect(own.chain.now().blockNumber).toBe(blockNumber + 1)
    expect(own.chain.health().answerAgeMs).toBe(0)
  })

  test('and has forgotten its pool gets our transactions again', async () => {
    const own = await chain.connect(prover)
    await chain.anvil.request('evm_setAutomine', false)
    const sent = deposit(own, ETHER)
    await pooled(chain.anvil)
    await chain.anvil.stop('SIGTERM')
    const state = join(folder, 'state.json')
    second = await startAnvil({ port: chain.anvil.port, args: ['--state', state] })
    expect(await sent).toMatchObject({ kind: 'mined' })
  })

  test('and comes back as another chain is not followed', async () => {
    const own = await chain.connect(prover)
    await deposit(own, ETHER)
    await chain.anvil.stop('SIGKILL')
    second = await startAnvil({ port: chain.anvil.port, args: ['--timestamp', '4000000000'] })
    await second.request('anvil_mine', 50, 1)
    const before = own.events.length
    await unhealthy(own)
    expect(own.events.length).toBe(before)
  })
})

/** Resolves when the driver answers again and says that it is not well. */
async function unhealthy({ chain }: Watched): Promise<void> {
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve))
    const { healthy, answerAgeMs } = chain.health()
    if (!healthy && answerAgeMs < 10) return
  }
}

/** Resolves when the node's pool holds a transaction. */
async function pooled({ request }: Anvil): Promise<void> {
  while (Number((await request<{ pending: string }>('txpool_status')).pending) === 0);
}

type Call = { readonly method: string; readonly id: number; readonly params: readonly LogFilter[] }
type LogFilter = { readonly fromBlock: string; readonly toBlock: string }

/**
 * Forwards to anvil, but answers no `eth_getLogs` over more than `most` blocks; notes the ranges it
 * answers.
 */
async function narrowProxy(anvil: Anvil, most: number, ranges: number[]) {
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const batch = [JSON.parse(text)].flat() as Call[]
    const wide = batch.find((call) => rangeOf(call) > most)
    ranges.push(...(wide ? [] : batch.map(rangeOf).filter((range) => range > 0)))
    response.setHeader('content-type', 'application/json')
    const error = { code: -32_005, message: 'query returned more than 10000 results' }
    const body = batch.map(({ id }) => ({ jsonrpc: '2.0', id, error }))
    const headers = { 'content-type': 'application/json' }
    const forward = () => fetch(anvil.rpcUrl, { method: 'POST', headers, body: text })
    response.end(wide ? JSON.stringify(body) : await (await forward()).text())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    rpcUrl: `http://127.0.0.1:${port}`,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const rangeOf = ({ method, params }: Call): number =>
  method === 'eth_getLogs' ? Number(params[0]!.toBlock) - Number(params[0]!.fromBlock) + 1 : 0
