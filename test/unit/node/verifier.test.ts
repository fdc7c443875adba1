import { afterAll, describe, expect, test } from 'vitest'
import { createVerifier } from '#node/verifier'
import { COORDINATE_ORDER, fromHex } from '#protocol/field'
import {
  decodeSegmentProof,
  encodeSegmentProof,
  type SegmentProof,
  type VerificationKey,
} from '#protocol/proof'
import type { Hex } from '#protocol/schema'
import { segmentHash } from '#protocol/segments'
import { otherPayee } from '#test/support/ledger-sample'
import { sampleKey, sampleProof } from '#test/support/sample-proof'

const { keyId: programId, segmentHash: publicInputsHash, payee } = sampleProof
const bytes = fromHex(sampleProof.segmentProof)
const proof = decodeSegmentProof(bytes)!
const keys = new Map<Hex, VerificationKey>([[programId, sampleKey]])

const verifier = createVerifier({ keys })
afterAll(() => verifier.close())

const verify = (changed: Partial<SegmentProof>, hash = publicInputsHash, who = payee) =>
  verifier.verify(encodeSegmentProof({ ...proof, ...changed }), programId, hash, who)

describe('the verifier', () => {
  test('accepts a proof of the statement for its payee', async () => {
    expect(await verifier.verify(bytes, programId, publicInputsHash, payee)).toBe(true)
  })

  test('refuses the proof for another payee, whoever writes its name into it', async () => {
    expect(await verify({}, publicInputsHash, otherPayee)).toBe(false)
    expect(await verify({ payee: otherPayee }, publicInputsHash, otherPayee)).toBe(false)
  })

  test('refuses the proof for another segment, table or circuit', async () => {
    const { challenge, index, p } = proof
    const hashOf = (change: Partial<SegmentProof>, keyId = programId) => {
      const of = { challenge, index, p, ...change }
      return segmentHash(of.challenge, of.index, { keyId, p: of.p })
    }
    expect(hashOf({})).toBe(publicInputsHash)
    const others: readonly Partial<SegmentProof>[] = [
      { index: 1 },
      { challenge: publicInputsHash },
      { p: p + 1n },
    ]
    for (const change of others) {
      expect(await verify({}, hashOf(change))).toBe(false)
      expect(await verify(change)).toBe(false)
      expect(await verify(change, hashOf(change))).toBe(false)
    }
    expect(await verify({}, hashOf({}, `0x${'11'.repeat(32)}`))).toBe(false)
    expect(await verify({ y: proof.y + 1n })).toBe(false)
  })

  test('refuses other points and another digest', async () => {
    const [x, y] = proof.a
    expect(await verify({ p: proof.p + 1n })).toBe(false)
    expect(await verify({ a: [x, COORDINATE_ORDER - y] })).toBe(false) // on the curve, but not it
    expect(await verify({ a: [x, y + 1n] })).toBe(false)
    expect(await verify({ a: proof.c, c: proof.a })).toBe(false)
    expect(await verify({ b: [proof.b[1], proof.b[0], proof.b[3], proof.b[2]] })).toBe(false)
    expect(await verify({ b: proof.b.with(0, 1n) as unknown as SegmentProof['b'] })).toBe(false)
  })

  test('refuses points at infinity', async () => {
    expect(await verify({ a: [0n, 0n] })).toBe(false)
    expect(await verify({ b: [0n, 0n, 0n, 0n] })).toBe(false)
    expect(await verify({ c: [0n, 0n] })).toBe(false)
  })

  test('refuses a point of the twist that is not of the prime order', async () => {
    // The point of the twist with x = 1, y imaginary part first.
    const y = [
      15975588672102553735566230729081043132501226101599136527557730645158523614371n,
      3610091866386166428467545612961983990332663701371483510632385378352395651980n,
    ] as const
    expect(await verify({ b: [0n, 1n, ...y] })).toBe(false)
  })

  test('refuses bytes that are no proof, and programs it does not know', async () => {
    expect(await verifier.verify(new Uint8Array(), programId, publicInputsHash, payee)).toBe(false)
    const longer = new Uint8Array([...bytes, 0])
    expect(await verifier.verify(longer, programId, publicInputsHash, payee)).toBe(false)
    expect(await verifier.verify(bytes.with(0, 2), programId, publicInputsHash, payee)).toBe(false)
    const unknown: Hex = `0x${'11'.repeat(32)}`
    expect(await verifier.verify(bytes, unknown, publicInputsHash, payee)).toBe(false)
  })

  test('leaves the event loop free while it works', async () => {
    let turns = 0
    const turning = setInterval(() => turns++, 1)
    const proofs = Array.from({ length: 10 }, () => verify({}))
    expect(await Promise.all(proofs)).toEqual(proofs.map(() => true))
    clearInterval(turning)
    expect(turns).toBeGreaterThan(10)
  })

  test('refuses more than its queue holds, and says so', async () => {
    const many = await Promise.allSettled(Array.from({ length: 70 }, () => verify({})))
    const refused = many.filter((result) => result.status === 'rejected')
    expect(refused).toHaveLength(6)
    expect(String(refused[0]!.reason)).toContain('64 proofs are waiting')
    expect(many.filter((result) => result.status === 'fulfilled' && result.value)).toHaveLength(64)
    expect(await verify({})).toBe(true)
  })

  test('closes at once, with an error for whatever still waits', async () => {
    const closing = createVerifier({ keys })
    const waiting = closing.verify(bytes, programId, publicInputsHash, payee)
    const refused = expect(waiting).rejects.toThrow('closed')
    await closing.close()
    await refused
    await expect(closing.verify(bytes, programId, publicInputsHash, payee)).rejects.toThrow(
      'closed',
    )
  })
})
