/**
 * Writes `table.json` (words, hashes and challenge of the sample table, the same on every run) and
 * `table-proof.json` (a real proof of it under the tiny development key; proofs are randomised, so
 * its bytes differ from run to run while any of them stays valid): `node
 * test/vectors/write-table.ts`.
 */
import { writeFile } from 'node:fs/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import { statementOf } from '#protocol/proof'
import { encodeTable, poseidonDigest } from '#protocol/table'
import { createSnarkjsBackend } from '#prover-agent/backends/snarkjs'
import { buildShape } from '#prover-agent/circuits/build'
import { loadVerificationKey, shapes } from '#prover-agent/circuits/shapes'
import { payee, sample } from '#test/support/ledger-sample'

/** A word as 0x and 64 digits, which forge reads without loss. */
const hex = (word: bigint) => `0x${word.toString(16).padStart(64, '0')}`

async function write(file: string, content: object) {
  const path = new URL(file, import.meta.url)
  await writeFile(path, `${JSON.stringify(content, null, 2)}\n`)
}

const { table, words, inputs, terms } = sample(shapes.tiny.depth)
const p = poseidonDigest(words)
const { kd, signals } = statementOf({ payee, p, words })
await write('table.json', {
  canonical: `0x${bytesToHex(encodeTable(table))}`,
  tableDigest: terms.tableDigest,
  words: words.map(hex),
  payee,
  kd,
  p: hex(p),
  x: hex(signals[1]),
  y: hex(signals[2]),
})

const { programId } = await buildShape('tiny')
const key = await loadVerificationKey('tiny')
const backend = createSnarkjsBackend({ shapes: ['tiny'] })
const job = { programId, inputs, payee, deadlineAt: Date.now() + 60_000 }
const proof = await backend.prove(job, new AbortController().signal)
await backend.close()
await write('table-proof.json', {
  key: {
    alpha: key.alpha.map(hex),
    beta: key.beta.map(hex),
    gamma: key.gamma.map(hex),
    delta: key.delta.map(hex),
    ic: key.ic.flat().map(hex),
  },
  wordCount: key.wordCount,
  programId,
  publicInputsHash: terms.publicInputsHash,
  payee,
  proof: `0x${bytesToHex(proof)}`,
})
