import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { delegationTo } from '#node/builder/batch'
import { createL1 } from '#node/builder/l1'
import { writeTable } from '#node/builder/writer'
import { encodeDeposit } from '#protocol/ledger-calls'
import { accountAddress } from '#protocol/ledger-tree'
import type { Address, Hex } from '#protocol/schema'
import { devKeys } from '#test/support/anvil'
import { TablesChain } from '#test/support/tables-chain'

const ROLLUP = 1n
const account = { rollupId: ROLLUP, address: accountAddress(1) }
const nowhere: Address = `0x${'0f'.repeat(20)}`

let chain: TablesChain
/** Puts ether on the ledger account. */
let deposit: { to: Address; data: Hex; valueWei: bigint }
beforeAll(async () => {
  chain = await TablesChain.start()
  await chain.addLedgers([new Map([[1, { key: [5n, 0n], balanceWei: 0n, nonce: 0n }]])])
  expect(await chain.l1.hasProxy(account.address, ROLLUP)).toBe(false)
  deposit = { to: await chain.makeProxy(account), data: encodeDeposit(), valueWei: 3n }
})
afterAll(() => chain?.stop())

const typeOf = async (transactionHash: Hex): Promise<number> =>
  Number(
    (await chain.anvil.request<{ type: Hex }>('eth_getTransactionByHash', transactionHash)).type,
  )
const codeOf = (address: Address) => chain.anvil.request<Hex>('eth_getCode', address, 'latest')

describe('what L1 says', () => {
  test('nobody at the URL, or no contract at an address: the error says what to do', async () => {
    const { registry } = chain.l1
    const { rpcUrl } = chain.anvil
    const of = { registry, batchAccount: chain.batchAccount }
    await expect(createL1({ ...of, rpcUrl: 'http://127.0.0.1:9' })).rejects.toThrow('Does it run')
    await expect(createL1({ ...of, rpcUrl, registry: nowhere })).rejects.toThrow(
      `there is no contract at registry ${nowhere} on chain 31337. Check`,
    )
    await expect(chain.l1.rollupOf(77n)).rejects.toThrow('has no rollup 77. Check')
  })

  test('a proxy has its address before it is made', async () => {
    expect(await chain.l1.proxyOf(account.address, ROLLUP)).toBe(deposit.to)
    expect(await chain.l1.hasProxy(account.address, ROLLUP)).toBe(true)
    expect(await chain.l1.hasProxy(nowhere, ROLLUP)).toBe(false)
  })
})

describe('a node that does not trace', () => {
  let server: Server
  beforeAll(async () => {
    server = createServer(async (request, response) => {
      let body = ''
      for await (const part of request.setEncoding('utf8')) body += part
      const { method, id } = JSON.parse(body)
      const error = { code: -32_601, message: `the method ${method} does not exist` }
      const refused = JSON.stringify({ jsonrpc: '2.0', id, error })
      const headers = { 'content-type': 'application/json' }
      const ask = () => fetch(chain.anvil.rpcUrl, { method: 'POST', headers, body })
      response.writeHead(200, headers)
      response.end(method.startsWith('debug_') ? refused : await (await ask()).text())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterAll(() => server?.close())

  test('gives the same table by eth_call', async () => {
    const { port } = server.address() as AddressInfo
    const { registry } = chain.l1
    const rpcUrl = `http://127.0.0.1:${port}`
    const l1 = await createL1({ rpcUrl, registry, batchAccount: chain.batchAccount })
    const calls = [deposit, deposit]
    const context = await chain.context()
    const { rollups, user } = chain
    const blind = await writeTable({ from: user.address, calls }, context, { l1, rollups })
    expect(blind.table.entries).toHaveLength(2)
    expect(blind.digest).toBe((await chain.write(calls, { context })).digest)
    const strange = { ...deposit, data: '0x12345678' as const }
    await expect(
      writeTable({ from: user.address, calls: [{ ...deposit, valueWei: 10n ** 30n }] }, context, {
        ...{ l1, rollups },
      }),
    ).rejects.toMatchObject({ code: 'CALL_FAILED' })
    await expect(
      writeTable({ from: user.address, calls: [strange] }, context, { l1, rollups }),
    ).rejects.toMatchObject({
      code: 'CALL_FAILED',
      message: expect.stringContaining('an account has no such function'),
    })
  })
})

describe('sending', () => {
  test('delegates a plain account once, and says the hash before the transaction leaves', async () => {
    const heard: Hex[] = []
    const onSigned = async (hash: Hex): Promise<void> => {
      const known = await chain.anvil.request('eth_getTransactionByHash', hash)
      if (known === null) heard.push(hash)
    }
    const sendOne = async () => {
      const written = await chain.write([deposit])
      const calls = [await chain.post(written), deposit]
      const sent = await chain.l1.send(chain.user.key, calls, { onSigned })
      await chain.adopt()
      return { ...sent, digest: written.digest }
    }
    const [first, second] = [await sendOne(), await sendOne()]
    expect([first, second].map(({ succeeded }) => succeeded)).toEqual([true, true])
    expect(await typeOf(first.transactionHash)).toBe(4)
    expect(await typeOf(second.transactionHash)).toBe(2)
    expect(await codeOf(chain.user.address)).toBe(delegationTo(chain.batchAccount))
    expect(heard).toEqual([first.transactionHash, second.transactionHash])
    expect(await chain.l1.recordedAt(second.transactionHash)).toMatchObject([
      { digest: second.digest, recorder: chain.user.address, blockNumber: second.blockNumber },
    ])
  })

  test('refuses an account that is delegated elsewhere, and a contract', async () => {
    const { key, address } = chain.stranger
    await chain.anvil.request('anvil_setCode', address, delegationTo(nowhere))
    await expect(chain.l1.send(key, [])).rejects.toThrow(`is delegated to ${nowhere}, not to`)
    await chain.anvil.request('anvil_setCode', address, '0x00')
    await expect(chain.l1.send(key, [])).rejects.toThrow('is a contract. Send from an account')
    await chain.anvil.request('anvil_setCode', address, '0x')
  })

  test('sends nothing that would revert', async () => {
    const nonceOf = () =>
      chain.anvil.request('eth_getTransactionCount', chain.user.address, 'latest')
    const before = await nonceOf()
    await expect(chain.l1.send(chain.user.key, [deposit])).rejects.toThrow(
      'the transaction would fail: MissingEntry(CALL',
    )
    expect(await nonceOf()).toBe(before)
  })

  test('says so when no block has the transaction in time', async () => {
    await chain.anvil.request('evm_setAutomine', false)
    const heard: Hex[] = []
    const sending = chain.l1.send(devKeys[3]!, [], {
      patienceMs: 100,
      onSigned: async (hash) => void heard.push(hash),
    })
    await expect(sending).rejects.toThrow(/^no block has 0x[0-9a-f]{64} after .* It may still come/)
    expect(await chain.l1.recordedAt(heard[0]!)).toBeNull()
    await chain.anvil.request('evm_mine')
    expect(await chain.l1.recordedAt(heard[0]!)).toEqual([])
    await chain.anvil.request('evm_setAutomine', true)
  })
})
