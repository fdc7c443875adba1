/**
 * Writes `table-proof.json`: a real proof of the sample table (a withdrawal and L1's answer to it)
 * under the tiny development key. Proofs are randomised, so its bytes differ from run to run while
 * any of them stays valid: `node test/vectors/write-table-proof.ts`.
 */
import { writeFile } from 'node:fs/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import { decodeSegmentProof, encodeTableProof } from '#protocol/proof'
import { programOfKeys } from '#protocol/segments'
import { encodeTable } from '#protocol/table'
import { publicInputsHash } from '#protocol/words'
import { createSnarkjsBackend } from '#prover-agent/backends/snarkjs'
import { buildShape } from '#prover-agent/circuits/build'
import { loadVerificationKey, shapes } from '#prover-agent/circuits/shapes'
import { payee, program, sample } from '#test/support/ledger-sample'
import { keyJson } from '#test/support/sample-proof'

const { programId: keyId } = await buildShape('tiny')
const of = { verifier: program.verifier, programId: programOfKeys([keyId]) }
const { inputs, table, terms, words } = sample(shapes.tiny.depth, undefined, { of, key: keyId })
const key = await loadVerificationKey('tiny')
const backend = createSnarkjsBackend({ shapes: ['tiny'] })
const { verifier } = of
const job = { verifier, programId: keyId, inputs, payee, deadlineAt: Date.now() + 60_000 }
const proof = await backend.prove(job, new AbortController().signal)
await backend.close()
const { p, a, b, c } = decodeSegmentProof(proof)!
const segments = [{ key: 0, entries: table.entries.length, payee, p, a, b, c }]
const content = {
  key: keyJson(key),
  keyId,
  programId: of.programId,
  table: `0x${bytesToHex(encodeTable(table))}`,
  publicInputsHash: publicInputsHash(words),
  segmentHash: terms.publicInputsHash,
  payee,
  segmentProof: `0x${bytesToHex(proof)}`,
  tableProof: `0x${bytesToHex(encodeTableProof({ segments, words }))}`,
}
await writeFile(
  new URL('table-proof.json', import.meta.url),
  `${JSON.stringify(content, null, 2)}\n`,
)
