/**
 * Whether the RPC, the chain and the contracts are what the node was told, said so that a person
 * can act on it.
 */
import type { PublicClient } from 'viem'
import { settlementAbi } from '#contracts/abi'
import type { Params } from '#protocol/params'
import type { Address, Hex } from '#protocol/schema'
import { domainSeparator } from '#protocol/signature'
import { answerOf, isRpcError, lineOf } from './rpc-errors.ts'

/** What the node was told does not fit the chain. The message says what to do. */
export class ChainError extends Error {
  override readonly name = 'ChainError'
  readonly code = 'CHAIN'
}

export type Expected = {
  readonly rpcUrl: string
  readonly expectedChainId: number
  readonly settlement: Address
  readonly params: Params
}

/** An RPC's address without what follows the host: there providers put their keys. */
const hostOf = (rpcUrl: string): string => {
  if (!URL.canParse(rpcUrl)) return `"${rpcUrl}"`
  const { origin, pathname, search } = new URL(rpcUrl)
  return pathname.length + search.length > 1 ? `${origin}/…` : origin
}

/** Asks, and turns the RPC's silence or refusal into words. */
async function ask<T>(rpcUrl: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!isRpcError(error)) throw error
    const what = `the chain's RPC at ${hostOf(rpcUrl)} does not answer: ${lineOf(error).replace(/\.$/, '')}`
    throw new ChainError(`${what}. Is that node running, and is rpcUrl right?`, { cause: error })
  }
}

/**
 * Checks chain id, contract, domain and windows.
 * @returns Address of the market's `Bonds`.
 * @throws Error that names every difference.
 */
export async function checkMarket(client: PublicClient, expected: Expected): Promise<Address> {
  const { rpcUrl, expectedChainId, settlement: address } = expected
  const chainId = await ask(rpcUrl, client.getChainId())
  if (chainId !== expectedChainId) {
    const what = `the RPC at ${hostOf(rpcUrl)} serves chain ${chainId}, not ${expectedChainId}`
    throw new ChainError(`${what}. Set rpcUrl or chainId.`)
  }
  const code = await ask(rpcUrl, client.getCode({ address }))
  if (!code || code === '0x') {
    const what = `there is no contract at ${address} on chain ${chainId}`
    throw new ChainError(`${what}. Set settlement to the market's Settlement, or deploy one.`)
  }
  const settlement = { address, abi: settlementAbi } as const
  const [windows, claimGas, separator, bonds] = await ask(
    rpcUrl,
    Promise.all([
      client.readContract({ ...settlement, functionName: 'windows' }),
      client.readContract({ ...settlement, functionName: 'CLAIM_GAS' }),
      client.readContract({ ...settlement, functionName: 'domainSeparator' }),
      client.readContract({ ...settlement, functionName: 'bonds' }),
    ]),
  )
  const { params } = expected
  const domain = Buffer.from(domainSeparator({ chainId, settlement: address }))
  const own: Hex = `0x${domain.toString('hex')}`
  const compared = [
    ['claimWindowS', windows.claimWindowS, params.claimWindowS],
    ['commitWindowS', windows.commitWindowS, params.commitWindowS],
    ['slotS', windows.slotS, params.slotS],
    ['maxJobS', windows.maxJobS, Math.ceil(params.maxJobMs / 1_000)],
    ['claimGas', claimGas, params.claimGas],
    ['the signing domain', separator, own],
  ] as const
  const differences = compared.filter(([, theirs, ours]) => theirs !== ours)
  if (differences.length > 0) {
    const list = differences.map(([name, theirs, ours]) => `${name} ${theirs} there, ${ours} here`)
    const what = `the contract at ${address} has other rules: ${list.join('; ')}`
    throw new ChainError(`${what}. Use the market's own parameters, or another market.`)
  }
  return bonds.toLowerCase() as Address
}

/**
 * Block in which a contract was deployed, by bisection over its code.
 * @throws Error when the RPC does not keep old state: then the operator has to say.
 */
export async function deploymentBlock(
  client: PublicClient,
  rpcUrl: string,
  address: Address,
): Promise<number> {
  let [low, high] = [0n, await ask(rpcUrl, client.getBlockNumber({ cacheTime: 0 }))]
  while (low < high) {
    const middle = (low + high) / 2n
    try {
      const code = await client.getCode({ address, blockNumber: middle })
      if (code && code !== '0x') high = middle
      else low = middle + 1n
    } catch (error) {
      if (answerOf(error) === null) return ask(rpcUrl, Promise.reject(error))
      const what = `the RPC at ${hostOf(rpcUrl)} does not keep old state: ${answerOf(error)}`
      throw new ChainError(`${what}. Set deploymentBlock to the block of the deployment.`)
    }
  }
  return Number(low)
}
