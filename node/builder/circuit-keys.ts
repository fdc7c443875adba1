/** The circuits a verifier contract knows: what a table can be cut for. */
import { decodeFunctionResult, encodeFunctionData } from 'viem/utils'
import { iBatchVerifierAbi as abi } from '#contracts/abi'
import type { Address, Hex } from '#protocol/schema'
import { type CircuitKey, MAX_KEYS } from '#protocol/segments'
import { roomOf } from '#protocol/words'
import { RpcRefusal, rpc } from './json-rpc.ts'

/**
 * A verifier's circuits, in its own order. Null where it has none: then it takes proofs of whole
 * tables, in a form of its own.
 * @throws RpcUnreachable when nobody answers; RangeError when it has more than any of ours.
 */
export async function readCircuitKeys(
  rpcUrl: string,
  verifier: Address,
  signal: AbortSignal,
): Promise<readonly CircuitKey[] | null> {
  const call = async (data: Hex): Promise<Hex | null> => {
    try {
      return await rpc<Hex>(rpcUrl, 'eth_call', [{ to: verifier, data }, 'latest'], { signal })
    } catch (error) {
      if (error instanceof RpcRefusal) return null // it reverted: it has no such function
      throw error
    }
  }
  const counted = await call(encodeFunctionData({ abi, functionName: 'keyCount' }))
  if (counted === null || counted.length !== 66) return null
  const count = decodeFunctionResult({ abi, functionName: 'keyCount', data: counted })
  if (count > BigInt(MAX_KEYS)) throw new RangeError(`${verifier} has ${count} keys`)
  const keys: CircuitKey[] = []
  for (let index = 0n; index < count; index++) {
    const data = await call(encodeFunctionData({ abi, functionName: 'keyAt', args: [index] }))
    if (data === null) return null
    const [keyId, words] = decodeFunctionResult({ abi, functionName: 'keyAt', data })
    keys.push({ keyId, room: roomOf(Number(words)) })
  }
  return keys.length > 0 ? keys : null
}
