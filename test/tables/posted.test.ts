/** Tables on a real chain: who may consume them, when, and what is refused. */
import { encodeFunctionData, getAddress, numberToHex, toFunctionSelector } from 'viem/utils'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rollupsAbi } from '#contracts/abi'
import { type Call, postCall, proofDemands } from '#node/builder/batch'
import type { WrittenTable } from '#node/builder/writer'
import { toHex } from '#protocol/field'
import { encodeDeposit, encodeSend, encodeWithdraw } from '#protocol/ledger-calls'
import { accountAddress } from '#protocol/ledger-tree'
import type { Address, Hex } from '#protocol/schema'
import { programOfKeys } from '#protocol/segments'
import { actionHash, encodeTable, tableDigest } from '#protocol/table'
import { createSnarkjsBackend } from '#prover-agent/backends/snarkjs'
import { buildShape } from '#prover-agent/circuits/build'
import { circuitKeyOf, shapes, verifierConstructorArgs } from '#prover-agent/circuits/shapes'
import { encodeScript, type Party, type ScriptStep } from '#test/support/script'
import type { Receipt, TablesChain } from '#test/support/tables-chain'
import {
  a,
  calling,
  coin,
  EVM,
  FIRST,
  holder,
  KEYED,
  OWNED,
  RICH_WEI,
  SECOND,
  startTablesStage,
  type TablesStage,
  write,
} from '#test/support/tables-stage'

let stage: TablesStage
let chain: TablesChain
/** Players on L1. */
let p: Party
let q: Party
beforeAll(async () => {
  stage = await startTablesStage()
  ;({ chain, p, q } = stage)
})
afterAll(() => chain?.stop())

const playing: TablesStage['playing'] = (...of) => stage.playing(...of)
const onLedger: TablesStage['onLedger'] = (...of) => stage.onLedger(...of)

const weiOf = async (address: Address): Promise<bigint> =>
  BigInt(await chain.anvil.request<Hex>('eth_getBalance', address, 'latest'))
const send = (calls: readonly Call[]) => chain.l1.send(chain.user.key, calls)

/** A written table, and what posts it. */
async function written(calls: readonly Call[]): Promise<{ of: WrittenTable; post: Call }> {
  const of = await chain.write(calls)
  return { of, post: await chain.post(of) }
}

/** Mines transactions in one block, in this order. Resolves with who succeeded. */
async function inOneBlock(
  transactions: readonly { readonly from: Address; readonly call: Call }[],
): Promise<boolean[]> {
  const { request } = chain.anvil
  await request('evm_setAutomine', false)
  const hashes: Hex[] = []
  for (const [at, { from, call }] of transactions.entries()) {
    // A block has the dearest first.
    const gasPrice = numberToHex(20_000_000_000 - at * 1_000_000_000)
    const fields = { to: call.to, data: call.data, value: numberToHex(call.valueWei) }
    hashes.push(
      await request('eth_sendTransaction', { from, gas: '0x500000', gasPrice, ...fields }),
    )
  }
  await request('evm_mine')
  await request('evm_setAutomine', true)
  const receipts = hashes.map((hash) => request<Receipt>('eth_getTransactionReceipt', hash))
  const mined = await Promise.all(receipts)
  expect(new Set(mined.map(({ blockNumber }) => blockNumber)).size).toBe(1)
  await chain.adopt()
  return mined.map(({ status }) => BigInt(status) === 1n)
}

describe('what rollups can do', () => {
  test('plain ether to a proxy is credited', async () => {
    await chain.run([{ to: chain.route.address(p, a), data: '0x', valueWei: 70n }])
    expect((await chain.l1.rollupOf(EVM)).balanceWei).toBe(70n)
    await chain.run([
      onLedger(FIRST, OWNED, '0x', 50n),
      onLedger(FIRST, KEYED, encodeDeposit(), 60n),
    ])
    expect(await stage.balanceOn(FIRST, OWNED)).toBe(50n)
  })

  test('a rollup’s own transaction calls L1', async () => {
    const to = encodeScript(a, [calling(q, [], 3n)], chain.route)
    const nonce = 0
    const data = await holder.signTransaction({
      ...{ type: 'eip1559', chainId: stage.evm.evmChainId, nonce, to: a.address, data: to },
      gas: 1_000_000n,
    })
    const before = await weiOf(q.address)
    const done = await chain.run([
      stage.ownTransaction(EVM, holder.address.toLowerCase() as Address, data),
      stage.ownTransaction(FIRST, accountAddress(KEYED), encodeWithdraw(q.address, 4n)),
    ])
    expect(done.table.entries.map(({ action }) => action.actionType)).toEqual([
      ...['L2TX', 'RESULT', 'L2TX', 'RESULT'],
    ])
    expect((await weiOf(q.address)) - before).toBe(7n)
  })

  test('one ledger pays another without L1 between, in one entry', async () => {
    const done = await chain.run([onLedger(FIRST, OWNED, encodeSend(SECOND, KEYED, 20n))])
    expect(done.table.entries).toHaveLength(1)
    expect([await stage.balanceOn(FIRST, OWNED), await stage.balanceOn(SECOND, KEYED)]).toEqual([
      30n,
      20n,
    ])
  })

  test('and does so where a revert took the other one back to an earlier root', async () => {
    const there: Party = { rollupId: SECOND, address: accountAddress(OWNED) }
    const undone: ScriptStep = {
      ...calling(q, [calling(there, [], 2n), { kind: 'revert' }], 2n),
      kind: 'try',
    }
    const before = await stage.balanceOn(SECOND, OWNED)
    const pay = onLedger(FIRST, OWNED, encodeSend(SECOND, OWNED, 5n))
    const { sent, table, simulations } = await chain.run([playing([undone], 2n), pay])
    expect(sent.succeeded).toBe(true)
    const [tried, paid] = table.entries
    // One more than entries and a last one: the payment was first written on top of what is undone.
    expect(simulations).toBe(4)
    expect(paid!.deltas[1]!.rootBefore).toBe(tried!.deltas[0]!.rootBefore)
    expect(await stage.balanceOn(SECOND, OWNED)).toBe(before + 5n)
  })

  test('a table whose rollups have different verifiers needs a proof for each', async () => {
    const calls = [playing([calling(a, [write(1, 8n)])]), onLedger(FIRST, OWNED, '0x', 1n)]
    const { of, post } = await written(calls)
    expect(proofDemands(of.table)).toHaveLength(2)
    const [first, second] = await Promise.all(
      proofDemands(of.table).map(({ verifier }) => verifier),
    )
    expect(first).not.toBe(second)
    await send([post, ...calls])
    await chain.adopt()
    expect(await stage.wordOf(1n)).toBe(8n)
  })

  test('value above what the registry holds for a rollup goes nowhere', async () => {
    const greedy = calling(a, [calling(q, [], RICH_WEI / 2n)])
    await expect(chain.write([playing([greedy])])).rejects.toMatchObject({
      code: 'CALL_FAILED',
      message: expect.stringContaining('RollupBalance(1, '),
    })
  })

  test('a rollup with a token of its own takes calls, and no value', async () => {
    const { sent } = await chain.run([playing([calling(coin, [write(1, 5n)])])])
    expect(sent.succeeded).toBe(true)
    await expect(chain.write([playing([calling(coin, [], 1n)], 1n)])).rejects.toMatchObject({
      code: 'CALL_FAILED',
      message: expect.stringContaining('NativeToken(2)'),
    })
  })

  test('a Groth16 proof of a ledger is posted, and its table consumed', async () => {
    await buildShape('tiny', () => {})
    const { depth } = shapes.tiny
    const key = circuitKeyOf('tiny')
    const verifier = await chain.deploy('BatchVerifier', await verifierConstructorArgs('tiny'))
    const backend = createSnarkjsBackend({ shapes: ['tiny'] })
    const [payee, deadlineAt] = [chain.user.address, Date.now() + 60_000]
    const prove = async (inputs: Uint8Array, programId: Hex) => {
      const job = { verifier, programId, inputs, payee, deadlineAt }
      return toHex(await backend.prove(job, new AbortController().signal))
    }
    const owner = [BigInt(chain.user.address), 0n] as const
    const places = new Map([[OWNED, { key: owner, balanceWei: 0n, nonce: 0n }]])
    const proven = { verifier, programId: programOfKeys([key.keyId]), key, prove }
    const made = await chain.addLedgers([places], { depth, proven })
    const [rollupId] = made.rollups.keys()
    const address = accountAddress(OWNED)
    const proxy = await chain.makeProxy({ rollupId: rollupId!, address })
    const deposit = { to: proxy, data: encodeDeposit(), valueWei: 9n }
    const { sent } = await chain.run([deposit, { to: proxy, data: '0x', valueWei: 2n }])
    await backend.close()
    expect(sent.succeeded).toBe(true)
    expect((await chain.l1.rollupOf(rollupId!)).balanceWei).toBe(11n)
  })
})

describe('who may consume a table, and when', () => {
  test('L1 takes another branch than was simulated: nothing happens', async () => {
    const calls = [playing([calling(a, [calling(q, [{ kind: 'read', slot: 0 }])])])]
    const { post } = await written(calls)
    await chain.transact(encodeScript(q, [write(0, 77n)], chain.route), q.address)
    await expect(send([post, ...calls])).rejects.toThrow('MissingEntry(RESULT of L1 to rollup 1')
  })

  test('another transaction moved the rollup: the entries are stale', async () => {
    const calls = [playing([calling(a, [write(1, 1n)])])]
    const { post } = await written(calls)
    await chain.run([playing([calling(a, [write(1, 2n)])])])
    await expect(send([post, ...calls])).rejects.toThrow('MissingEntry(CALL')
    expect(await stage.wordOf(1n)).toBe(2n)
  })

  test('entries die with the block they were posted in', async () => {
    const call = playing([calling(a, [write(1, 3n)])])
    const { of, post } = await written([call])
    expect(await inOneBlock([{ from: chain.user.address, call: post }])).toEqual([true])
    await expect(send([call])).rejects.toThrow('MissingEntry(CALL')
    expect(await waiting(of, Number(await chain.anvil.request('eth_blockNumber')))).toBe(1n)
    expect(await waiting(of, 1 + Number(await chain.anvil.request('eth_blockNumber')))).toBe(0n)
  })

  test('a table is posted in its blocks and in no other', async () => {
    const { firstBlock, ...rest } = await chain.context()
    const context = { ...rest, firstBlock, lastBlock: firstBlock }
    const call = playing([calling(a, [write(1, 3n)])])
    const post = await chain.post(await chain.write([call], { context }))
    await chain.anvil.request('anvil_mine', '0x2')
    await expect(send([post, call])).rejects.toThrow(`WrongBlock(${firstBlock}, ${firstBlock}`)
    await expect(chain.write([call], { context })).rejects.toMatchObject({ code: 'WRONG_CONTEXT' })
  })

  test('a table is posted at its registry and at no other', async () => {
    const { post } = await written([playing([calling(a, [write(1, 3n)])])])
    const to = await chain.deploy('Rollups')
    await expect(send([{ ...post, to }])).rejects.toThrow(
      `WrongContext(${chain.l1.chainId}, ${getAddress(chain.l1.registry)})`,
    )
  })

  test('a table is posted on its chain and on no other', async () => {
    const { post } = await written([playing([calling(a, [write(1, 3n)])])])
    const simulated = () =>
      chain.anvil.request<Hex>(
        'eth_call',
        { from: chain.user.address, to: post.to, data: post.data },
        'pending',
      )
    await simulated()
    const { chainId } = chain.l1
    const wrong = toFunctionSelector('WrongContext(uint256,address)')
    await chain.anvil.request('anvil_setChainId', chainId + 1)
    try {
      await expect(simulated()).rejects.toThrow(wrong)
    } finally {
      await chain.anvil.request('anvil_setChainId', chainId)
    }
  })

  test('a stranger cannot consume the user’s entries, through the same contract either', async () => {
    const call = playing([calling(a, [write(1, 4n)])])
    const { post } = await written([call])
    const direct = {
      ...call,
      to: chain.route.address(p, a),
      data: encodeScript(a, [write(1, 4n)], chain.route),
    }
    const [user, stranger] = [chain.user.address, chain.stranger.address]
    const done = await inOneBlock([
      { from: user, call: post },
      { from: stranger, call },
      { from: stranger, call: direct },
      { from: user, call },
      { from: user, call },
    ])
    expect(done).toEqual([true, false, false, true, false])
    expect(await stage.wordOf(1n)).toBe(4n)
  })

  test('posting it again in its block succeeds and changes nothing', async () => {
    const call = playing([calling(a, [write(1, 5n)])])
    const { of, post } = await written([call])
    const sent = await send([post, post, call])
    await chain.adopt()
    expect(await chain.l1.recordedAt(sent.transactionHash)).toMatchObject([
      { digest: of.digest },
      { digest: of.digest },
    ])
    expect(await waiting(of, sent.blockNumber)).toBe(0n)
  })

  test('another table under its digest is refused', async () => {
    const { of } = await written([playing([calling(a, [write(1, 6n)])])])
    const other = encodeTable({ ...of.table, lastBlock: of.table.lastBlock + 1 })
    const data = encodeFunctionData({
      abi: rollupsAbi,
      functionName: 'post',
      args: [of.digest, toHex(other), []],
    })
    const { registry } = chain.l1
    const refused = send([{ to: registry, data, valueWei: 0n }])
    await expect(refused).rejects.toThrow(`WrongDigest(${of.digest}, ${tableDigest(other)})`)
  })

  test('a proof of another table is refused', async () => {
    const { of } = await written([playing([calling(a, [write(1, 6n)])])])
    const other = await chain.write([playing([calling(a, [write(1, 7n)])])])
    const stolen = await stage.evm.prove(other.table)
    if ('refused' in stolen) throw new Error(stolen.refused)
    const proofs = proofDemands(of.table).map((demand) => ({ ...demand, proof: stolen.proof }))
    const post = postCall(chain.l1.registry, of.canonical, proofs)
    await expect(send([post])).rejects.toThrow('ProofInvalid')
  })
})

/** How often the first entry of a table waits in a block. */
async function waiting({ table }: WrittenTable, blockNumber: number): Promise<bigint> {
  const { action, deltas } = table.entries[0]!
  const { rollupId, rootBefore: stateRoot } = deltas[0]!
  const { executor } = table
  const key = { executor, actionHash: actionHash(action), rollupId, stateRoot }
  const data = encodeFunctionData({
    abi: rollupsAbi,
    functionName: 'waiting',
    args: [{ ...key, blockNumber: BigInt(blockNumber) }],
  })
  const { registry } = chain.l1
  return BigInt(await chain.anvil.request<Hex>('eth_call', { to: registry, data }, 'latest'))
}
