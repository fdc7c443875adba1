import { describe, expect, test } from 'vitest'
import type { DoorClient, MarketTerms } from '#node/builder/door-client'
import {
  askForProof,
  assembleProof,
  planProof,
  proversOf,
  TooLong,
} from '#node/builder/market-proof'
import { fromHex, toHex } from '#protocol/field'
import { encodeInputs } from '#protocol/inputs'
import { decodeTableProof, programId } from '#protocol/proof'
import type { Address, Hex } from '#protocol/schema'
import { statementHash } from '#protocol/segments'
import { publicInputsHash } from '#protocol/words'
import { forgedKey, forgedSegmentProof } from '#test/support/forged-proof'
import { otherPayee, payee, program, sample } from '#test/support/ledger-sample'

const { table, witnesses } = sample(4)
const keys = [1, 4].map((room) => ({ keyId: programId(forgedKey(room)), room }))
const market: MarketTerms = {
  ...{ reserveWei: 9n, maxReserveWei: null, bondWei: 1n, latenessWeiPerMs: 0n, softDueInMs: null },
  ...{ dueInMs: 1_000, backups: 1, claimBaseFeeCapWei: 0n },
}
const of = { venue: table.venue, tableDigest: `0x${'dd'.repeat(32)}` as Hex, ...market }

/** A door that writes down what it is asked. */
function doorOf(asked: unknown[]): DoorClient {
  const answer = (index: number) => ({
    wantedId: `w${index}`,
    requestId: toHex(new Uint8Array(32)),
  })
  const prove = async (wanted: object) => {
    asked.push(wanted)
    return answer(0)
  }
  const proveBundle = async (shared: object, parts: readonly object[]) => {
    asked.push({ ...shared, parts })
    return parts.map((_, index) => answer(index))
  }
  return { prove, proveBundle } as unknown as DoorClient
}

const proofOf = (plan: ReturnType<typeof planProof>, index: number, to: Address): Hex => {
  const { segments } = plan
  const own = segments.length === 1 ? witnesses : [witnesses[index]!]
  const { programId: named } = program
  const all = { programId: named, table, segments, index, depth: 4, witnesses: own }
  return toHex(forgedSegmentProof(encodeInputs(all), program.verifier, to))
}

describe('a proof from the market', () => {
  test('is planned for the circuits there are, in the fewest segments or smaller ones', () => {
    expect(planProof(table, program, keys, 64).segments).toMatchObject([
      { keyId: keys[1]!.keyId, entries: 2 },
    ])
    expect(planProof(table, program, keys, 1).segments).toMatchObject([
      { keyId: keys[0]!.keyId, entries: 1 },
      { keyId: keys[0]!.keyId, entries: 1 },
    ])
  })

  test('is of the whole table where the verifier knows no circuits, if that is not too long', () => {
    const plan = planProof(table, program, null, 2)
    expect(plan.segments).toEqual([{ keyId: program.programId, entries: 2, p: 0n }])
    expect(() => planProof(table, program, null, 1)).toThrow(TooLong)
  })

  test('is asked for alone in one segment, and as a bundle in several', async () => {
    const asked: unknown[] = []
    const door = doorOf(asked)
    const inputs = (index: number) => Uint8Array.of(index)
    for (const most of [64, 1]) {
      const plan = planProof(table, program, keys, most)
      const kd = publicInputsHash(plan.words)
      const parts = plan.segments.map(({ keyId }, index) => ({
        programId: keyId,
        publicInputsHash: statementHash(kd, program.programId, plan.segments, index),
        work: most === 1 ? 1 : 4,
        inputs: inputs(index),
      }))
      const shared = { ...of, verifier: program.verifier }
      expect(await askForProof(door, plan, of, inputs, 'key')).toHaveLength(parts.length)
      expect(asked.pop()).toEqual(most === 1 ? { ...shared, parts } : { ...shared, ...parts[0] })
    }
    const whole = planProof(table, program, null, 2)
    await askForProof(door, whole, of, inputs, 'key')
    expect(asked.pop()).toMatchObject({
      programId: program.programId,
      publicInputsHash: publicInputsHash(whole.words),
      work: 2,
    })
  })

  test('is put together from its segments, each by its own prover', () => {
    const plan = planProof(table, program, keys, 1)
    const proofs = [proofOf(plan, 0, payee), proofOf(plan, 1, otherPayee)]
    const shown = decodeTableProof(fromHex(assembleProof(plan, proofs)))!
    expect(shown.words).toEqual(plan.words)
    expect(shown.segments).toMatchObject([
      { key: 0, entries: 1, payee, p: plan.segments[0]!.p },
      { key: 0, entries: 1, payee: otherPayee, p: plan.segments[1]!.p },
    ])
    expect(proversOf(plan, proofs)).toEqual([payee, otherPayee])
  })

  test('is refused when the door gives another segment, or no proof', () => {
    const plan = planProof(table, program, keys, 1)
    const [one, two] = [proofOf(plan, 0, payee), proofOf(plan, 1, payee)]
    expect(() => assembleProof(plan, [two, one])).toThrow(/no proof of segment 1 of 2/)
    expect(() => assembleProof(plan, [one, one])).toThrow(/no proof of segment 2 of 2/)
    expect(() => assembleProof(plan, [one, '0x0102'])).toThrow(/no proof of segment 2 of 2/)
    const other = proofOf(planProof(table, program, keys, 64), 0, payee)
    expect(() => assembleProof(plan, [other, two])).toThrow(/no proof of segment 1 of 2/)
  })

  test('passes through as it is where it is of the whole table', () => {
    const plan = planProof(table, program, null, 2)
    expect(assembleProof(plan, ['0x0707'])).toBe('0x0707')
    expect(proversOf(plan, ['0x0707'])).toEqual([])
  })
})
