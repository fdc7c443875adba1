import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStore } from '#node/store'
import type { Hex } from '#protocol/schema'
import type { CrashOptions, CrashPoint } from '#test/support/crash-sender'
import {
  backup,
  type MarketChain,
  params,
  prover,
  startMarket,
  type Watched,
} from '#test/support/market-chain'

const ETHER = 10n ** 18n
const requestId: Hex = `0x${'77'.repeat(32)}`
const proof = Uint8Array.of(1, 2, 3)

type Pooled = { readonly hash: Hex; readonly maxFeePerGas: Hex; readonly maxPriorityFeePerGas: Hex }

describe('the transaction outbox', () => {
  let chain: MarketChain
  beforeEach(async () => {
    chain = await startMarket()
  })
  afterEach(() => chain.stop())

  const count = async (): Promise<number> =>
    Number(await chain.anvil.request('eth_getTransactionCount', prover.address, 'latest'))
  const bondOf = async ({ chain: own }: Watched): Promise<bigint> =>
    (await own.moneyOf(prover.address)).bond.activeWei

  /** The version of our transaction that the node's pool holds, once `fits`. */
  async function pooled(fits: (pooled: Pooled) => boolean = () => true): Promise<Pooled> {
    for (;;) {
      const { pending } = await chain.anvil.request<{
        pending: Record<string, Record<string, Pooled>>
      }>('txpool_content')
      const [first] = Object.values(Object.values(pending)[0] ?? {})
      if (first && fits(first)) return first
    }
  }

  test('an intent asked for twice is one transaction', async () => {
    const { chain: own } = await chain.connect(prover)
    const both = await Promise.all([
      own.commitProof(requestId, proof),
      own.commitProof(requestId, proof),
    ])
    expect(both[0]).toMatchObject({ kind: 'mined' })
    expect(both[1]).toEqual(both[0])
    // A third time, when it has been done.
    expect(await own.commitProof(requestId, proof)).toEqual(both[0])
    expect(await count()).toBe(1)
  })

  test('intents at once take nonces one after the other', async () => {
    const own = await chain.connect(prover)
    const deposits = [1n, 2n, 3n, 4n].map((wei) =>
      own.chain.funds.depositStake(prover.address, 'prover', wei),
    )
    const sent = await Promise.all(deposits)
    expect(new Set(sent.map((each) => each.kind === 'mined' && each.hash)).size).toBe(4)
    expect(await bondOf(own)).toBe(10n)
    expect(await count()).toBe(4)
  })

  test('what the contract refuses is dropped with its error, and costs no gas', async () => {
    const { chain: own } = await chain.connect(prover)
    expect(await own.funds.beginExit('prover', 5n)).toEqual({
      kind: 'dropped',
      reason: 'reverted',
      detail: 'AmountTooLarge(5, 0)',
    })
    expect(await own.funds.withdrawCredit(prover.address)).toMatchObject({
      detail: 'NothingToWithdraw()',
    })
    expect(await count()).toBe(0)
  })

  test('a commitment that the chain has already is dropped as resolved', async () => {
    const first = await chain.connect(prover)
    await first.chain.commitProof(requestId, proof)
    await first.stop()
    // Another folder: this node has forgotten that it committed.
    const folder = await mkdtemp(join(tmpdir(), 'proofwire-forgotten-'))
    const store = await openStore(folder)
    const again = await chain.connect(prover, { store })
    expect(await again.chain.commitProof(requestId, proof)).toMatchObject({ reason: 'resolved' })
    expect(await count()).toBe(1)
    await again.stop()
    await rm(folder, { recursive: true })
  })

  test('what is not mined is replaced at 12.5 % more, never above the cap', async () => {
    const maxFeeWei = 6_000_000_000n
    const own = await chain.connect(prover, { replaceAfterPolls: 3, maxFeeWei })
    await chain.anvil.request('evm_setAutomine', false)
    const sent = own.chain.funds.depositStake(prover.address, 'prover', ETHER)
    const first = await pooled()
    const second = await pooled(({ hash }) => hash !== first.hash)
    for (const fee of ['maxFeePerGas', 'maxPriorityFeePerGas'] as const) {
      expect(BigInt(second[fee]) * 8n).toBeGreaterThanOrEqual(BigInt(first[fee]) * 9n)
    }
    // The fee before the cap is reached: an eighth more would be above it.
    const last = await pooled((each) => (BigInt(each.maxFeePerGas) * 9n) / 8n > maxFeeWei)
    expect(BigInt(last.maxFeePerGas)).toBeLessThanOrEqual(maxFeeWei)
    await chain.anvil.request('evm_mine')
    expect(await sent).toEqual({ kind: 'mined', hash: last.hash })
    expect(await bondOf(own)).toBe(ETHER)
    expect(await count()).toBe(1)
  })

  test('above the fee cap nothing is sent until the base fee falls', async () => {
    await chain.anvil.request('anvil_setNextBlockBaseFeePerGas', '0x174876e800')
    await chain.anvil.request('evm_mine')
    const own = await chain.connect(prover, { maxFeeWei: 3_000_000_000n })
    const sent = own.chain.funds.depositStake(prover.address, 'prover', ETHER)
    for (let i = 0; i < 3; i++) {
      const { timestampS } = own.chain.now()
      await chain.mineAt(timestampS + 1)
      await own.seen((event) => event.kind === 'block' && event.timestampS > timestampS)
    }
    expect(await count()).toBe(0)
    await chain.anvil.request('anvil_setNextBlockBaseFeePerGas', '0x3b9aca00')
    await chain.anvil.request('evm_mine')
    expect(await sent).toMatchObject({ kind: 'mined' })
  })

  test('a deposit above the balance is refused and holds up nothing', async () => {
    const { chain: own } = await chain.connect(prover)
    const deposited = own.funds.depositStake(prover.address, 'prover', 20_000n * ETHER)
    const committed = own.commitProof(requestId, proof)
    expect(await deposited).toMatchObject({ kind: 'dropped', reason: 'no-funds' })
    expect(await committed).toMatchObject({ kind: 'mined' })
    // All of it, with nothing left for gas.
    const balance = await chain.anvil.request<Hex>('eth_getBalance', prover.address, 'latest')
    const balanceWei = BigInt(balance)
    const all = await own.funds.depositStake(prover.address, 'prover', balanceWei)
    expect(all).toMatchObject({ kind: 'dropped', reason: 'no-funds' })
  })

  test('without funds a commitment waits for them and is sent once', async () => {
    await chain.anvil.request('anvil_setBalance', prover.address, '0x1')
    const own = await chain.connect(prover)
    const sent = own.chain.commitProof(requestId, proof)
    await chain.anvil.request('evm_mine')
    await chain.anvil.request('anvil_setBalance', prover.address, '0xde0b6b3a7640000')
    expect(await sent).toMatchObject({ kind: 'mined' })
    expect(await count()).toBe(1)
  })

  test('a deposit whose nonce a stranger took is not sent a second time', async () => {
    const own = await chain.connect(prover)
    await chain.anvil.request('evm_setAutomine', false)
    const sent = own.chain.funds.depositStake(prover.address, 'prover', ETHER)
    const { hash } = await pooled()
    await chain.anvil.request('anvil_dropTransaction', hash)
    await chain.anvil.request('anvil_impersonateAccount', prover.address)
    const transfer = { from: prover.address, to: backup.address, value: '0x1', nonce: '0x0' }
    await chain.anvil.request('eth_sendTransaction', transfer)
    await chain.anvil.request('evm_mine')
    expect(await sent).toMatchObject({ kind: 'dropped', reason: 'nonce-taken' })
    expect(await bondOf(own)).toBe(0n)
  })

  test('a commitment whose nonce a stranger took is sent under the next', async () => {
    const own = await chain.connect(prover)
    await chain.anvil.request('evm_setAutomine', false)
    const sent = own.chain.commitProof(requestId, proof)
    const { hash } = await pooled()
    await chain.anvil.request('anvil_dropTransaction', hash)
    await chain.anvil.request('anvil_impersonateAccount', prover.address)
    const transfer = { from: prover.address, to: backup.address, value: '0x1', nonce: '0x0' }
    await chain.anvil.request('eth_sendTransaction', transfer)
    await chain.anvil.request('evm_mine')
    await chain.anvil.request('evm_setAutomine', true)
    expect(await sent).toMatchObject({ kind: 'mined' })
    expect(await count()).toBe(2)
  })

  const points: readonly CrashPoint[] = ['before-send', 'after-send', 'after-receipt']
  test.each(points)('a deposit happens once when the node is killed %s', async (point) => {
    const folder = await mkdtemp(join(tmpdir(), 'proofwire-crash-'))
    await crash(chain, folder, point)
    expect(await count()).toBe(point === 'before-send' ? 0 : 1)
    const store = await openStore(folder)
    const own = await chain.connect(prover, { store })
    await own.seen((event) => event.kind === 'account' && event.bondWei === ETHER)
    // Anything sent twice would be mined by now: this one comes after it.
    expect(await own.chain.commitProof(requestId, proof)).toMatchObject({ kind: 'mined' })
    expect(await bondOf(own)).toBe(ETHER)
    expect(await count()).toBe(2)
    await own.stop()
    await rm(folder, { recursive: true })
  })
})

/** Runs a node that begins a deposit and is killed at this point; resolves when it is dead. */
async function crash({ anvil, market }: MarketChain, folder: string, point: CrashPoint) {
  const options: CrashOptions = {
    rpcUrl: anvil.rpcUrl,
    privateKey: prover.key,
    expectedChainId: market.chainId,
    settlement: market.settlement,
    folder,
    point,
    amountWei: ETHER.toString(),
    params: { ...params, latenessFactor: '10', claimGas: params.claimGas.toString() },
  }
  const path = join(import.meta.dirname, '../../support/crash-sender.ts')
  const child = spawn(process.execPath, [path, JSON.stringify(options)], { stdio: 'inherit' })
  const [, signal] = await once(child, 'exit')
  expect(signal).toBe('SIGKILL')
}
