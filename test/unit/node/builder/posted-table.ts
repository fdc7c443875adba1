/** Tables posted to a real registry on a chain of its own; a signature proves them. */
import {
  createPublicClient,
  createWalletClient,
  encodeAbiParameters,
  encodeFunctionData,
  http,
  parseAbi,
  parseAbiParameters,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { anvil as anvilChain } from 'viem/chains'
import { rollupsAbi } from '#contracts/abi'
import { deployArtifact } from '#contracts/deploy'
import { ownerProgramId, signStatement } from '#node/builder/evm-owner'
import { toHex } from '#protocol/field'
import type { Address, Hex } from '#protocol/schema'
import { encodeTable, type Table, tableDigest } from '#protocol/table'
import { publicInputsHash, tableWords } from '#protocol/words'
import { devKeys, startAnvil } from '#test/support/anvil'
import { sampleTable } from './sample-table.ts'

const batchAbi = parseAbi(['function execute(bytes32 mode, bytes executionData) payable'])
/** Of ERC-7821: a batch of calls without signatures. */
const BATCH_MODE: Hex = `0x01${'00'.repeat(31)}`
const batchTypes = parseAbiParameters([
  'Call[] calls',
  'struct Call { address to; uint256 value; bytes data; }',
])

const [senderKey, ownerKey] = devKeys as [Hex, Hex]

export type Posted = {
  readonly table: Table
  readonly bytes: Uint8Array
  readonly digest: Hex
  readonly transactionHash: Hex
  readonly blockNumber: number
}

export async function startRegistry() {
  const anvil = await startAnvil()
  const { rpcUrl } = anvil
  const account = privateKeyToAccount(senderKey)
  const owner = privateKeyToAccount(ownerKey).address
  const { address: registry } = await deployArtifact(rpcUrl, senderKey, 'Rollups', [])
  const { address: verifier } = await deployArtifact(rpcUrl, senderKey, 'SignatureVerifier', [
    owner,
  ])
  const { address: batch } = await deployArtifact(rpcUrl, senderKey, 'BatchAccount', [])
  const transport = http(rpcUrl)
  const client = createPublicClient({ transport, pollingInterval: 20 })
  const wallet = createWalletClient({ account, transport, chain: anvilChain })
  const programId = ownerProgramId(owner)
  const on = { address: registry, abi: rollupsAbi } as const
  const root = sampleTable.entries[0]!.deltas[0]!.rootBefore
  const args = [owner, verifier, programId, root, false] as const
  const registered = await wallet.writeContract({ ...on, functionName: 'register', args })
  await client.waitForTransactionReceipt({ hash: registered })

  /** The sample table for this chain, good for the next blocks. */
  const nextTable = async (): Promise<Table> => {
    const firstBlock = Number(await client.getBlockNumber({ cacheTime: 0 })) + 1
    return {
      ...sampleTable,
      ...{ venue: registry, firstBlock, lastBlock: firstBlock + 8 },
      executor: account.address.toLowerCase() as Address,
      programs: [{ rollupId: 1n, verifier, programId }],
    }
  }
  /** Call data that posts a table. */
  const postData = (table: Table): Hex => {
    const bytes = encodeTable(table)
    const statement = {
      ...{ chainId: table.chainId, verifier },
      publicInputsHash: publicInputsHash(tableWords(table, { verifier, programId })),
    }
    const proof = { ...statement, programId, proof: signStatement(statement, ownerKey) }
    const given = [tableDigest(bytes), toHex(bytes), [proof]] as const
    return encodeFunctionData({ abi: rollupsAbi, functionName: 'post', args: given })
  }
  const mined = async (hash: Hex, table: Table): Promise<Posted> => {
    const receipt = await client.waitForTransactionReceipt({ hash })
    if (receipt.status !== 'success') throw new Error(`reverted in ${hash}`)
    const bytes = encodeTable(table)
    const blockNumber = Number(receipt.blockNumber)
    return { table, bytes, digest: tableDigest(bytes), transactionHash: hash, blockNumber }
  }
  return {
    ...{ anvil, rpcUrl, registry, owner, account },
    nextTable,
    /** Posts a table by itself. */
    post: async (table: Table): Promise<Posted> => {
      const hash = await wallet.sendTransaction({ to: registry, data: postData(table) })
      return mined(hash, table)
    },
    /** Posts several tables in one batch, as their sender. */
    postBatch: async (tables: readonly Table[]): Promise<Hex> => {
      const authorization = await wallet.signAuthorization({
        ...{ account, contractAddress: batch, executor: 'self' },
      })
      const calls = tables.map((table) => ({ to: registry, value: 0n, data: postData(table) }))
      const args = [BATCH_MODE, encodeAbiParameters(batchTypes, [calls])] as const
      const data = encodeFunctionData({ abi: batchAbi, functionName: 'execute', args })
      const hash = await wallet.sendTransaction({
        ...{ to: account.address, data, authorizationList: [authorization] },
      })
      return (await mined(hash, tables[0]!)).transactionHash
    },
  }
}
export type OwnRegistry = Awaited<ReturnType<typeof startRegistry>>
