/**
 * Writes `table-proof.json`: a real proof of the sample table (a withdrawal and L1's answer to it)
 * under the tiny development key. Proofs are randomised, so its bytes differ from run to run while
 * any of them stays valid: `node test/vectors/write-table-proof.ts`.
 */
import { writeFile } from 'node:fs/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import { encodeTable } from '#protocol/table'
import { createSnarkjsBackend } from '#prover-agent/backends/snarkjs'
import { buildShape } from '#prover-agent/circuits/build'
import { loadVerificationKey, shapes } from '#prover-agent/circuits/shapes'
import { payee, program, sample } from '#test/support/ledger-sample'

/** A word as 0x and 64 digits, which forge reads without loss. */
const hex = (word: bigint) => `0x${word.toString(16).padStart(64, '0')}`

const { programId } = await buildShape('tiny')
const of = { verifier: program.verifier, programId }
const { inputs, table, terms } = sample(shapes.tiny.depth, undefined, { of })
const key = await loadVerificationKey('tiny')
const backend = createSnarkjsBackend({ shapes: ['tiny'] })
const job = { ...of, inputs, payee, deadlineAt: Date.now() + 60_000 }
const proof = await backend.prove(job, new AbortController().signal)
await backend.close()
const content = {
  key: {
    alpha: key.alpha.map(hex),
    beta: key.beta.map(hex),
    gamma: key.gamma.map(hex),
    delta: key.delta.map(hex),
    ic: key.ic.flat().map(hex),
  },
  wordCount: key.wordCount,
  programId,
  table: `0x${bytesToHex(encodeTable(table))}`,
  publicInputsHash: terms.publicInputsHash,
  payee,
  proof: `0x${bytesToHex(proof)}`,
}
await writeFile(
  new URL('table-proof.json', import.meta.url),
  `${JSON.stringify(content, null, 2)}\n`,
)
