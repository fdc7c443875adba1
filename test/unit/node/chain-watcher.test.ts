import { mkdtemp, rm } from 'node:fs/promises'
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

  test('that brings the same events in other blocks announces them from there', async () => {
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
  test('is read in ranges, from the deployment, and not a second time', async () => {
    const chain = await startMarket()
    const own = await chain.connect(prover)
    await deposit(own, ETHER)
    await own.stop()
    // More than one range.
    await chain.anvil.request('anvil_mine', 4_500, 1)
    const watcher = await chain.connect(builder)
    expect(bondsOf(watcher.events)).toEqual([ETHER])
    expect(watcher.chain.now().blockNumber).toBe(await height(chain))
    await chain.stop()
  })

  test('an account without money is forgotten at a restart', async () => {
    const chain = await startMarket()
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
    await chain.stop()
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
