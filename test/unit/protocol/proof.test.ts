import { hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { COORDINATE_ORDER, FIELD_ORDER } from '#protocol/field'
import {
  decodeSegmentProof,
  decodeTableProof,
  encodeSegmentProof,
  encodeTableProof,
  type G1,
  type G2,
  MAX_PROOF_BYTES,
  MAX_WORDS,
  parseVerificationKey,
  programId,
  SEGMENT_PROOF_BYTES,
  type SegmentProof,
  type TableProof,
  type VerificationKey,
  verifierConstructorArgs,
} from '#protocol/proof'
import { programOfKeys, segmentPoint, tableChallenge } from '#protocol/segments'
import { evaluate, padWords, poseidonDigest, publicInputsHash, wordCount } from '#protocol/words'
import { otherPayee, program, sample } from '#test/support/ledger-sample'
import { sampleKey, sampleProof } from '#test/support/sample-proof'

const bytes = hexToBytes(sampleProof.segmentProof.slice(2))
const proof = decodeSegmentProof(bytes)!
const tableBytes = hexToBytes(sampleProof.tableProof.slice(2))
const tableProof = decodeTableProof(tableBytes)!

const key = sampleKey
const [ic0, ic1, ic2, ic3] = key.ic

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
const points = {
  a: fc.tuple(coordinate, coordinate),
  b: fc.tuple(coordinate, coordinate, coordinate, coordinate),
  c: fc.tuple(coordinate, coordinate),
}
const byte = fc.integer({ min: 0, max: 255 })
const anySegmentProof: fc.Arbitrary<SegmentProof> = fc.record({
  payee: fc.constant(otherPayee),
  challenge: word.map((value) => `0x${value.toString(16).padStart(64, '0')}` as const),
  index: byte,
  p: word,
  y: word,
  ...points,
})
const anyShown = fc.record({
  key: byte,
  entries: fc.integer({ min: 1, max: 3 }),
  payee: fc.constant(otherPayee),
  p: word,
  ...points,
})
const anyTableProof: fc.Arbitrary<TableProof> = fc
  .array(anyShown, { minLength: 1, maxLength: 3 })
  .chain((segments) => {
    const count = wordCount(segments.reduce((sum, { entries }) => sum + entries, 0))
    const words = fc.array(word, { minLength: count, maxLength: count })
    return fc.record({ segments: fc.constant(segments), words })
  })

describe('a segment proof on the wire', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(anySegmentProof, (any) => {
        const encoded = encodeSegmentProof(any)
        expect(encoded).toHaveLength(SEGMENT_PROOF_BYTES)
        expect(decodeSegmentProof(encoded)).toEqual(any)
      }),
    )
    expect(encodeSegmentProof(proof)).toEqual(bytes)
  })

  test('is refused with another length or kind', () => {
    expect(decodeSegmentProof(bytes.subarray(0, -1))).toBeNull()
    expect(decodeSegmentProof(new Uint8Array([...bytes, 0]))).toBeNull()
    expect(decodeSegmentProof(bytes.with(0, 2))).toBeNull()
    expect(decodeSegmentProof(new Uint8Array())).toBeNull()
  })

  test('is refused with numbers that are not below their order', () => {
    const read = (change: Partial<SegmentProof>) =>
      decodeSegmentProof(encodeSegmentProof({ ...proof, ...change }))
    expect(read({})).not.toBeNull()
    expect(read({ p: FIELD_ORDER })).toBeNull()
    expect(read({ y: FIELD_ORDER })).toBeNull()
    expect(read({ a: [COORDINATE_ORDER, 1n] })).toBeNull()
    expect(read({ b: [1n, 1n, 1n, COORDINATE_ORDER] })).toBeNull()
    expect(read({ c: [1n, COORDINATE_ORDER] })).toBeNull()
  })

  test('never makes the reader throw', () => {
    const size = SEGMENT_PROOF_BYTES
    fc.assert(
      fc.property(fc.uint8Array({ minLength: size - 1, maxLength: size + 1 }), (any) => {
        const read = decodeSegmentProof(any)
        expect(read === null || Buffer.from(encodeSegmentProof(read)).equals(any)).toBe(true)
      }),
    )
  })
})

describe('a table proof on the wire', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(anyTableProof, (any) => {
        expect(decodeTableProof(encodeTableProof(any))).toEqual(any)
      }),
      { numRuns: 30 },
    )
    expect(encodeTableProof(tableProof)).toEqual(tableBytes)
  })

  test('is refused when its words are not those of its segments', () => {
    const { segments, words } = tableProof
    const read = (change: Partial<TableProof>) =>
      decodeTableProof(encodeTableProof({ ...tableProof, ...change }))
    expect(read({ words: words.slice(1) })).toBeNull()
    expect(read({ words: [...words, 0n] })).toBeNull()
    expect(read({ words: words.with(3, FIELD_ORDER) })).toBeNull()
    expect(read({ segments: [] })).toBeNull()
    expect(read({ segments: [...segments, segments[0]!] })).toBeNull()
    expect(read({ segments: [{ ...segments[0]!, entries: 0 }] })).toBeNull()
    expect(read({ segments: [{ ...segments[0]!, entries: 3 }] })).toBeNull()
    expect(read({ segments: [{ ...segments[0]!, p: FIELD_ORDER }] })).toBeNull()
    expect(decodeTableProof(tableBytes.with(0, 1))).toBeNull()
    expect(decodeTableProof(tableBytes.subarray(0, 1))).toBeNull()
  })

  test('is refused with more segments or words than any table has', () => {
    const [segment] = tableProof.segments as [(typeof tableProof.segments)[0]]
    const of = (count: number) => {
      const words = Array.from({ length: wordCount(count) }, () => 0n)
      const segments = Array.from({ length: count }, () => ({ ...segment, entries: 1 }))
      return encodeTableProof({ segments, words })
    }
    expect(decodeTableProof(of(64))).not.toBeNull()
    expect(of(64)).toHaveLength(MAX_PROOF_BYTES)
    expect(decodeTableProof(of(65))).toBeNull()
  })

  test('never makes the reader throw', () => {
    fc.assert(
      fc.property(fc.nat(tableBytes.length - 1), byte, (at, value) => {
        const spoiled = tableBytes.with(at, value)
        const read = decodeTableProof(spoiled)
        expect(read === null || Buffer.from(encodeTableProof(read)).equals(spoiled)).toBe(true)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_000 }), (any) => {
        expect(decodeTableProof(any)).toBeNull()
      }),
    )
  })
})

describe('the sample proof', () => {
  const of = { ...program, programId: programOfKeys([sampleProof.keyId]) }
  const { words, terms, segments } = sample(4, undefined, { of, key: sampleProof.keyId })

  test('is of the sample table: a withdrawal and the answer to it', () => {
    expect(sampleProof.publicInputsHash).toBe(publicInputsHash(words))
    expect(sampleProof.segmentHash).toBe(terms.publicInputsHash)
    expect(proof.p).toBe(poseidonDigest(padWords(words, 2)))
    expect(proof.challenge).toBe(tableChallenge(sampleProof.publicInputsHash, segments))
    expect(proof.y).toBe(evaluate(words, segmentPoint(proof.challenge, 0, proof.payee)))
    const { payee, p, a, b, c } = proof
    expect(tableProof).toEqual({ words, segments: [{ key: 0, entries: 2, payee, p, a, b, c }] })
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
    expect(programId(key)).toBe(sampleProof.keyId)
    const others: VerificationKey[] = [
      { ...key, wordCount: key.wordCount + 1 },
      { ...key, alpha: [key.alpha[0], key.alpha[1] + 1n] },
      { ...key, gamma: key.delta },
      { ...key, ic: [ic0!, ic2!, ic1!, ic3!] },
    ]
    expect(new Set([key, ...others].map(programId)).size).toBe(5)
  })

  test('becomes the arguments of its contract', () => {
    const [[only]] = verifierConstructorArgs([key])
    expect(only).toMatchObject({ wordCount: 92n, ic: key.ic, beta: key.beta })
  })
})
