import { readFileSync } from 'node:fs'
import { hexToBytes } from '@noble/hashes/utils.js'
import { afterAll, describe, expect, test } from 'vitest'
import { createVerifier } from '#node/verifier'
import { COORDINATE_ORDER } from '#protocol/field'
import { decodeProof, encodeProof, type TableProof, type VerificationKey } from '#protocol/proof'
import type { Hex } from '#protocol/schema'
import { publicInputsHash as hashWords } from '#protocol/words'
import { otherPayee } from '#test/support/ledger-sample'

const vector = JSON.parse(
  readFileSync(new URL('../../vectors/table-proof.json', import.meta.url), 'utf8'),
)
const { programId, publicInputsHash, payee } = vector
const bytes = hexToBytes(vector.proof.slice(2))
const proof = decodeProof(bytes)!
const points = Object.fromEntries(
  Object.entries(vector.key as Record<string, string[]>).map(([name, list]) => [
    name,
    list.map(BigInt),
  ]),
)
const ic = [0, 2, 4, 6].map((at) => points.ic!.slice(at, at + 2))
const key = { ...points, ic, wordCount: vector.wordCount } as unknown as VerificationKey
const keys = new Map<Hex, VerificationKey>([[programId, key]])

const verifier = createVerifier({ keys })
afterAll(() => verifier.close())

const verify = (changed: Partial<TableProof>, hash = publicInputsHash, who = payee) =>
  verifier.verify(encodeProof({ ...proof, ...changed }), programId, hash, who)

describe('the verifier', () => {
  test('accepts a proof of the statement for its payee', async () => {
    expect(await verifier.verify(bytes, programId, publicInputsHash, payee)).toBe(true)
  })

  test('refuses the proof for another payee, whoever writes its name into it', async () => {
    expect(await verify({}, publicInputsHash, otherPayee)).toBe(false)
    expect(await verify({ payee: otherPayee }, publicInputsHash, otherPayee)).toBe(false)
  })

  test('refuses the proof for another statement', async () => {
    const words = proof.words.with(10, proof.words[10]! + 1n)
    expect(await verify({}, hashWords(words))).toBe(false)
    expect(await verify({ words })).toBe(false)
    expect(await verify({ words }, hashWords(words))).toBe(false)
  })

  test('refuses other points and another digest', async () => {
    const [x, y] = proof.a
    expect(await verify({ p: proof.p + 1n })).toBe(false)
    expect(await verify({ a: [x, COORDINATE_ORDER - y] })).toBe(false) // on the curve, but not it
    expect(await verify({ a: [x, y + 1n] })).toBe(false)
    expect(await verify({ a: proof.c, c: proof.a })).toBe(false)
    expect(await verify({ b: [proof.b[1], proof.b[0], proof.b[3], proof.b[2]] })).toBe(false)
    expect(await verify({ b: proof.b.with(0, 1n) as unknown as TableProof['b'] })).toBe(false)
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
    expect(await verifier.verify(bytes.with(309, 18), programId, publicInputsHash, payee)).toBe(
      false,
    )
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
