import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { deploy } from '#contracts/deploy'
import { connectChain } from '#node/chain'
import { silentLog } from '#node/log'
import { openStore, type Store } from '#node/store'
import {
  builder,
  deployer,
  type MarketChain,
  params,
  prover,
  startMarket,
  windows,
} from '#test/support/market-chain'

const ETHER = 10n ** 18n

describe('connecting', () => {
  let chain: MarketChain
  let store: Store
  let folder: string
  beforeEach(async () => {
    chain = await startMarket()
    folder = await mkdtemp(join(tmpdir(), 'proofwire-connect-'))
    store = await openStore(folder)
  })
  afterEach(async () => {
    await store.close()
    await rm(folder, { recursive: true })
    await chain.stop()
  })
  const connect = (changed: Partial<Parameters<typeof connectChain>[0]>) =>
    connectChain({
      rpcUrl: chain.anvil.rpcUrl,
      privateKey: prover.key,
      expectedChainId: chain.market.chainId,
      settlement: chain.market.settlement,
      params,
      store,
      log: silentLog,
      ...changed,
    })

  test('an RPC that does not answer is named without the secret part of its address', async () => {
    await chain.anvil.stop()
    const url = `${chain.anvil.rpcUrl}/v3/a-secret`
    const error = await connect({ rpcUrl: url }).catch(String)
    expect(error).toContain(`RPC at ${chain.anvil.rpcUrl}/… does not answer`)
    expect(error).toContain('rpcUrl')
    expect(error).not.toContain('secret')
  })

  test('another chain is refused', async () => {
    await expect(connect({ expectedChainId: 1 })).rejects.toThrow('serves chain 31337, not 1')
  })

  test('an address without a contract is refused', async () => {
    await expect(connect({ settlement: prover.address })).rejects.toThrow(
      `no contract at ${prover.address}`,
    )
  })

  test('a market with other rules is refused, every difference named', async () => {
    const other = { ...params, claimWindowS: 61, claimGas: 7n }
    await expect(connect({ params: other })).rejects.toThrow(
      `claimWindowS 60 there, 61 here; claimGas ${params.claimGas} there, 7 here`,
    )
  })

  test('a data folder of another chain is refused', async () => {
    const first = await chain.connect(prover)
    await first.stop()
    await chain.anvil.request('anvil_reset')
    await chain.anvil.request('evm_setNextBlockTimestamp', 4_000_000_000)
    const { settlement } = await deploy(chain.anvil.rpcUrl, deployer.key, windows)
    expect(settlement).toBe(chain.market.settlement)
    await expect(chain.connect(prover)).rejects.toThrow('use a new data folder')
  })
})

describe('watching', () => {
  let chain: MarketChain
  beforeEach(async () => {
    chain = await startMarket()
  })
  afterEach(() => chain.stop())

  test('deposits, exits and withdrawals are announced as what counts for new work', async () => {
    const own = await chain.connect(prover)
    const other = await chain.connect(builder)
    const { funds } = own.chain
    expect(await funds.depositStake(prover.address, 'prover', 3n * ETHER)).toMatchObject({
      kind: 'mined',
    })
    await other.seen(
      (e) => e.kind === 'account' && e.account === prover.address && e.bondWei === 3n * ETHER,
    )
    expect(await funds.beginExit('prover', ETHER)).toMatchObject({ kind: 'mined' })
    await other.seen(
      (e) => e.kind === 'account' && e.account === prover.address && e.bondWei === 2n * ETHER,
    )

    await other.chain.funds.depositStake(builder.address, 'builder', 4n * ETHER)
    await other.chain.funds.depositEscrow(builder.address, 5n * ETHER)
    await own.seen(
      (e) => e.kind === 'account' && e.stakeWei === 4n * ETHER && e.escrowWei === 5n * ETHER,
    )
    await other.chain.funds.beginEscrowWithdrawal(2n * ETHER)
    await own.seen(
      (e) => e.kind === 'account' && e.account === builder.address && e.escrowWei === 3n * ETHER,
    )

    // Withdrawals asked for early wait for the end of their delay.
    const withdrawn = funds.withdrawStake('prover', prover.address)
    const escrow = other.chain.funds.withdrawEscrow(builder.address)
    await chain.mineAt(own.chain.now().timestampS + 400)
    expect(await withdrawn).toMatchObject({ kind: 'mined' })
    expect(await escrow).toMatchObject({ kind: 'mined' })
    const money = await own.chain.moneyOf(prover.address)
    expect(money.bond).toEqual({ activeWei: 2n * ETHER, leavingWei: 0n, readyAtS: 0 })

    expect(await own.chain.conservation()).toMatchObject({
      depositedWei: 12n * ETHER,
      withdrawnWei: 3n * ETHER,
      bondWei: 2n * ETHER,
      stakeWei: 4n * ETHER,
      escrowWei: 3n * ETHER,
      balanceWei: 9n * ETHER,
      ok: true,
    })
  })

  test('every head is announced as block time', async () => {
    const { chain: own, seen } = await chain.connect(prover)
    const { timestampS, blockNumber } = own.now()
    await chain.mineAt(timestampS + 100)
    await seen((event) => event.kind === 'block' && event.timestampS === timestampS + 100)
    expect(own.now()).toEqual({ blockNumber: blockNumber + 1, timestampS: timestampS + 100 })
  })

  test('an event counts only at its depth', async () => {
    const own = await chain.connect(prover)
    const deep = await chain.connect(builder, { confirmations: 3 })
    await own.chain.funds.depositStake(prover.address, 'prover', ETHER)
    const { timestampS } = own.chain.now()
    await deep.seen((event) => event.kind === 'block' && event.timestampS === timestampS)
    await chain.mineAt(timestampS + 1)
    await deep.seen((event) => event.kind === 'block' && event.timestampS === timestampS + 1)
    expect(deep.events.filter((event) => event.kind === 'account')).toEqual([])
    await chain.mineAt(timestampS + 2)
    await deep.seen((event) => event.kind === 'account' && event.bondWei === ETHER)
  })

  test('after a restart all accounts are announced again', async () => {
    const own = await chain.connect(prover)
    await own.chain.funds.depositStake(prover.address, 'prover', ETHER)
    await own.chain.funds.depositEscrow(builder.address, 2n * ETHER)
    await own.seen((event) => event.kind === 'account' && event.escrowWei === 2n * ETHER)
    await own.stop()
    const again = await chain.connect(prover)
    const accounts = again.events.filter((event) => event.kind === 'account')
    expect(accounts).toHaveLength(2)
    expect(accounts).toContainEqual({
      kind: 'account',
      account: prover.address,
      bondWei: ETHER,
      stakeWei: 0n,
      escrowWei: 0n,
    })
  })

  test('the hash of code is what allow-lists compare', async () => {
    const { chain: own } = await chain.connect(prover)
    expect(await own.codeHash(chain.market.settlement)).toMatch(/^0x[0-9a-f]{64}$/)
    expect(await own.codeHash(prover.address)).toBeNull()
  })
})
