/** The committed proofs of one table in three cuts: `test/vectors/write-segment-proofs.ts`. */
import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { createVerifier } from '#node/verifier'
import { fromHex, toHex } from '#protocol/field'
import { decodeTableProof, programId } from '#protocol/proof'
import { programOfKeys } from '#protocol/segments'
import { decodeTable, encodeTable, tableDigest } from '#protocol/table'
import { publicInputsHash, tableWords } from '#protocol/words'
import { shapes } from '#prover-agent/circuits/shapes'
import { otherPayee, payee, program } from '#test/support/ledger-sample'
import { keyOf } from '#test/support/sample-proof'

const vector = JSON.parse(
  readFileSync(new URL('../../vectors/segment-proofs.json', import.meta.url), 'utf8'),
)
const names = ['n1d16', 'n4d16', 'n8d16'] as const
const keys = names.map((_, index) => keyOf(vector.keys[index]))
const verifier = createVerifier({ keys: new Map(keys.map((key) => [programId(key), key])) })
afterAll(() => verifier.close())

describe('one table in three cuts', () => {
  test('is proven under the keys of the shapes there are', () => {
    expect(keys.map(programId)).toEqual(names.map((name) => shapes[name].programId))
    expect(vector.programId).toBe(programOfKeys(keys.map(programId)))
  })

  test('has one digest and one hash, and its words in every proof', () => {
    const table = decodeTable(fromHex(vector.table))!
    expect(table.entries).toHaveLength(8)
    expect(tableDigest(encodeTable(table))).toBe(vector.tableDigest)
    const words = tableWords(table, { verifier: program.verifier, programId: vector.programId })
    expect(publicInputsHash(words)).toBe(vector.publicInputsHash)
    for (const [index, { tableProof }] of vector.cuts.entries()) {
      const proof = decodeTableProof(fromHex(tableProof))!
      expect(proof.words).toEqual(words)
      expect(proof.segments).toHaveLength([8, 2, 1][index]!)
    }
  })

  test.each(names.map((name, cut) => [name, cut] as const))(
    'has segments that verify, each as itself and for its payee: %s',
    async (name, cut) => {
      const key = shapes[name].programId
      const [one, other] = vector.cuts[cut].segments
      const proof = fromHex(one.proof)
      expect(await verifier.verify(proof, key, one.hash, payee)).toBe(true)
      expect(await verifier.verify(proof, key, one.hash, otherPayee)).toBe(false)
      expect(await verifier.verify(proof, key, toHex(new Uint8Array(32)), payee)).toBe(false)
      if (other === undefined) return
      expect(await verifier.verify(fromHex(other.proof), key, other.hash, payee)).toBe(true)
      expect(await verifier.verify(proof, key, other.hash, payee)).toBe(false)
    },
  )
})
