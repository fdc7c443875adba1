/** The call that posts a table and pays its prover at once. */
import { encodeFunctionData } from 'viem/utils'
import { settlementAbi } from '#contracts/abi'
import { toHex } from '#protocol/field'
import type { Address } from '#protocol/schema'
import { tableDigest } from '#protocol/table'
import type { Call, ProgramProof } from './batch.ts'
import type { Evidence } from './door-client.ts'

/** @param index Of the proof that is paid for, among `proofs`. */
export function payingPostCall(
  settlement: Address,
  canonical: Uint8Array,
  proofs: readonly ProgramProof[],
  index: number,
  evidence: Evidence,
): Call {
  const { request, award, acceptanceSignature, start, startSignature, bid } = evidence
  const data = encodeFunctionData({
    abi: settlementAbi,
    functionName: 'settleOnPost',
    args: [
      ...([request, award, acceptanceSignature, start, startSignature, bid] as const),
      ...([tableDigest(canonical), toHex(canonical), proofs, BigInt(index)] as const),
    ],
  })
  return { to: settlement, data, valueWei: 0n }
}
