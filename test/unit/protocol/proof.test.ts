import { readFileSync } from 'node:fs'
import { hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COORDINATE_ORDER, FIELD_ORDER } from '#protocol/field'
import {
  decodeProof,
  encodeProof,
  type G1,
  type G2,
  MAX_WORDS,
  parseVerificationKey,
  programId,
  proofBytes,
  statementOf,
  type TableProof,
  type VerificationKey,
  verifierConstructorArgs,
} from '#protocol/proof'
import { evaluate, padWords, poseidonDigest, publicInputsHash } from '#protocol/words'
import { otherPayee, program, sample } from '#test/support/ledger-sample'

const vector = JSON.parse(
  readFileSync(new URL('../../vectors/table-proof.json', import.meta.url), 'utf8'),
)
const bytes = hexToBytes(vector.proof.slice(2))
const proof = decodeProof(bytes)!

const big = (list: string[]) => list.map(BigInt)
const [ic0, ic1, ic2, ic3] = [0, 2, 4, 6].map(
  (at) => big(vector.key.ic.slice(at, at + 2)) as unknown as G1,
)
const key: VerificationKey = {
  wordCount: vector.wordCount,
  alpha: big(vector.key.alpha) as unknown as G1,
  beta: big(vector.key.beta) as unknown as G2,
  gamma: big(vector.key.gamma) as unknown as G2,
  delta: big(vector.key.delta) as unknown as G2,
  ic: [ic0!, ic1!, ic2!, ic3!],
}

/** The same key as snarkjs would write it. */
const g1Json = ([x, y]: G1) => [String(x), String(y), '1']
const g2Json = ([x1, x0, y1, y0]: G2) => [
  [String(x0), String(x1)],
  [String(y0), String(y1)],
  ['1', '0'],
]
const json = {
  protocol: 'groth16',
  curve: 'bn128',
  nPublic: 3,
  wordCount: key.wordCount,
  vk_alpha_1: g1Json(key.alpha),
  vk_beta_2: g2Json(key.beta),
  vk_gamma_2: g2Json(key.gamma),
  vk_delta_2: g2Json(key.delta),
  IC: key.ic.map(g1Json),
}

const word = fc.bigInt({ min: 0n, max: FIELD_ORDER - 1n })
const coordinate = fc.bigInt({ min: 0n, max: COORDINATE_ORDER - 1n })
const anyProof: fc.Arbitrary<TableProof> = fc.record({
  payee: fc.constant(otherPayee),
  p: word,
  a: fc.tuple(coordinate, coordinate),
  b: fc.tuple(coordinate, coordinate, coordinate, coordinate),
  c: fc.tuple(coordinate, coordinate),
  words: fc.array(word, { maxLength: 30 }),
})

describe('a proof on the wire', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(anyProof, (any) => {
        const encoded = encodeProof(any)
        expect(encoded).toHaveLength(proofBytes(any.words.length))
        expect(decodeProof(encoded)).toEqual(any)
      }),
    )
    expect(encodeProof(proof)).toEqual(bytes)
  })

  test('is refused when its length is not what its word count says', () => {
    expect(decodeProof(bytes.subarray(0, -1))).toBeNull()
    expect(decodeProof(bytes.subarray(0, -32))).toBeNull()
    expect(decodeProof(new Uint8Array([...bytes, 0]))).toBeNull()
    expect(decodeProof(bytes.with(309, 18))).toBeNull()
    expect(decodeProof(new Uint8Array(309))).toBeNull()
    expect(decodeProof(new Uint8Array())).toBeNull()
  })

  test('is refused with more words than any circuit has', () => {
    const words = Array.from({ length: MAX_WORDS + 1 }, () => 0n)
    expect(decodeProof(encodeProof({ ...proof, words }))).toBeNull()
    expect(decodeProof(encodeProof({ ...proof, words: words.slice(1) }))).not.toBeNull()
  })

  test('is refused with numbers that are not below their order', () => {
    expect(decodeProof(encodeProof({ ...proof, p: FIELD_ORDER }))).toBeNull()
    expect(
      decodeProof(encodeProof({ ...proof, words: proof.words.with(3, FIELD_ORDER) })),
    ).toBeNull()
    expect(decodeProof(encodeProof({ ...proof, a: [COORDINATE_ORDER, 1n] }))).toBeNull()
    expect(decodeProof(encodeProof({ ...proof, b: [1n, 1n, 1n, COORDINATE_ORDER] }))).toBeNull()
    expect(decodeProof(encodeProof({ ...proof, c: [1n, COORDINATE_ORDER] }))).toBeNull()
  })

  test('never makes the reader throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_000 }), (any) => {
        const read = decodeProof(any)
        expect(read === null || Buffer.from(encodeProof(read)).equals(any)).toBe(true)
      }),
    )
  })

  test('states the hash its words have, and another challenge for another payee', () => {
    const { kd, signals } = statementOf(proof)
    expect(kd).toBe(vector.publicInputsHash)
    expect(signals[0]).toBe(proof.p)
    const stolen = statementOf({ ...proof, payee: otherPayee })
    expect(stolen.kd).toBe(kd)
    expect(stolen.signals[1]).not.toBe(signals[1])
    expect(stolen.signals[2]).not.toBe(signals[2])
  })
})

describe('the sample proof', () => {
  const of = { ...program, programId: vector.programId }
  const { words, terms } = sample(4, undefined, { of })

  test('is of the sample table: a withdrawal and the answer to it', () => {
    expect(proof.words).toEqual(words)
    expect(vector.publicInputsHash).toBe(terms.publicInputsHash)
    expect(proof.p).toBe(poseidonDigest(padWords(words, 2)))
  })

  test('states something else when any word of its table is another', () => {
    const [, x, y] = statementOf(proof).signals
    for (const [at, word] of proof.words.entries()) {
      const words = proof.words.with(at, (word + 1n) % FIELD_ORDER)
      const { kd, signals } = statementOf({ ...proof, words })
      expect(kd, `word ${at}`).toBe(publicInputsHash(words))
      expect(kd).not.toBe(vector.publicInputsHash)
      expect(signals[1]).not.toBe(x)
      expect(signals[2]).not.toBe(y)
    }
  })

  test('has the value of its words whether or not they are padded', () => {
    const [, x, y] = statementOf(proof).signals
    expect(evaluate(padWords(proof.words, 5), x)).toBe(y)
  })
})

describe('a verification key', () => {
  test('is read from the form snarkjs writes', () => {
    expect(parseVerificationKey(json)).toEqual(key)
  })

  test('is refused when anything about it is not as it should be', () => {
    const bad: unknown[] = [
      null,
      'key',
      [],
      {},
      { ...json, protocol: 'plonk' },
      { ...json, curve: 'bls12381' },
      { ...json, nPublic: 4 },
      { ...json, wordCount: 0 },
      { ...json, wordCount: MAX_WORDS + 1 },
      { ...json, wordCount: '19' },
      { ...json, IC: json.IC.slice(1) },
      { ...json, IC: [...json.IC, json.IC[0]] },
      { ...json, vk_alpha_1: ['1', '2', '0'] },
      { ...json, vk_alpha_1: ['0x1', '2', '1'] },
      { ...json, vk_alpha_1: [String(COORDINATE_ORDER), '2', '1'] },
      {
        ...json,
        vk_beta_2: [
          ['1', '2'],
          ['3', '4'],
          ['0', '0'],
        ],
      },
      {
        ...json,
        vk_beta_2: [
          ['1', '2', '5'],
          ['3', '4'],
          ['1', '0'],
        ],
      },
      { ...json, vk_gamma_2: undefined },
    ]
    for (const value of bad) expect(parseVerificationKey(value)).toBeNull()
  })

  test('names its program, and another name for any other key', () => {
    expect(programId(key)).toBe(vector.programId)
    const others: VerificationKey[] = [
      { ...key, wordCount: key.wordCount + 1 },
      { ...key, alpha: [key.alpha[0], key.alpha[1] + 1n] },
      { ...key, gamma: key.delta },
      { ...key, ic: [ic0!, ic2!, ic1!, ic3!] },
    ]
    expect(new Set([key, ...others].map(programId)).size).toBe(5)
  })

  test('becomes the arguments of its contract', () => {
    const [points, words] = verifierConstructorArgs(key)
    expect(points.ic).toEqual(key.ic)
    expect(points.beta).toEqual(key.beta)
    expect(words).toBe(92n)
  })
})
