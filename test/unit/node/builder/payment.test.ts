import { decodeFunctionData } from 'viem/utils'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { settlementAbi } from '#contracts/abi'
import { proofDemands } from '#node/builder/batch'
import { DoorClient } from '#node/builder/door-client'
import { payingPostCall } from '#node/builder/payment'
import { canonicalBytesIn } from '#node/builder/posting'
import { encodeTable, tableDigest } from '#protocol/table'
import { type OwnDoor, startOwnDoor, wire } from '#test/support/own-door'
import { sampleTable } from './sample-table.ts'

let at: OwnDoor
beforeAll(async () => {
  at = await startOwnDoor()
})
afterAll(() => at.stop())

const lower = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}` : each)).toLowerCase(),
  )

describe('the call that posts a table and pays its prover', () => {
  test('holds what the door gave, the table, and which proof is paid for', async () => {
    const { wantedId, requestId } = await at.resultOf('prove', wire)
    await at.serve(requestId)
    const client = new DoorClient(at.door.url, null, new AbortController().signal)
    const evidence = (await client.evidence(wantedId))!
    const canonical = encodeTable(sampleTable)
    const proofs = proofDemands(sampleTable).map((one) => ({ ...one, proof: evidence.proof }))
    const settlement = `0x${'5e'.repeat(20)}` as const
    const call = payingPostCall(settlement, canonical, proofs, 0, evidence)
    expect(call).toMatchObject({ to: settlement, valueWei: 0n })
    const { functionName, args } = decodeFunctionData({ abi: settlementAbi, data: call.data })
    expect(functionName).toBe('settleOnPost')
    const { request, award, acceptanceSignature, start, startSignature, bid } = evidence
    const signed = [request, award, acceptanceSignature, start, startSignature, bid]
    expect(lower(args?.slice(0, 6))).toEqual(lower(signed))
    expect(lower(args?.slice(8))).toEqual(lower([proofs, 0n]))
    expect(canonicalBytesIn(call.data, tableDigest(canonical))).toEqual(canonical)
  })
})
