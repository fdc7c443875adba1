/**
 * Writes `segment-proofs.json`: one table of eight entries, really proven in three ways under
 * development keys: as eight segments of one, two of four, and whole. Builds the circuits; takes
 * some minutes: `node test/vectors/write-segment-proofs.ts`.
 */
import { writeFile } from 'node:fs/promises'
import { toHex } from '#protocol/field'
import { encodeDeposit, encodeSend } from '#protocol/ledger-calls'
import { decodeSegmentProof, encodeTableProof } from '#protocol/proof'
import { programOfKeys } from '#protocol/segments'
import { encodeTable, tableDigest } from '#protocol/table'
import { publicInputsHash } from '#protocol/words'
import { createSnarkjsBackend } from '#prover-agent/backends/snarkjs'
import { buildShape } from '#prover-agent/circuits/build'
import {
  circuitKeyOf,
  loadVerificationKey,
  type ShapeName,
  shapes,
} from '#prover-agent/circuits/shapes'
import { call, errand, payee, program, sample, transaction } from '#test/support/ledger-sample'
import { keyJson } from '#test/support/sample-proof'

/** In the verifier's order. */
const names = ['n1d16', 'n4d16', 'n8d16'] as const satisfies readonly ShapeName[]
const keyIds = names.map((name) => shapes[name].programId)
const of = { verifier: program.verifier, programId: programOfKeys(keyIds) }
const { depth } = shapes.n8d16
/** Two errands that call L1, deposits, and sends of all kinds. */
const actions = [
  ...errand,
  call(encodeDeposit(), { value: 7n }),
  transaction(encodeSend(2n, 5, 100n)),
  transaction(encodeSend(1n, 1, 10n)),
  ...errand,
  call(encodeSend(2n, 0, 20n)),
]

const backend = createSnarkjsBackend({ shapes: names })
const cuts = []
let table = sample(depth, actions, { of, keys: [circuitKeyOf('n8d16')] })
for (const [key, name] of names.entries()) {
  await buildShape(name)
  const keys = [circuitKeyOf(name)]
  const segments = []
  const segmentProofs = []
  table = sample(depth, actions, { of, keys })
  for (const index of table.segments.keys()) {
    const { inputs, terms } = sample(depth, actions, { of, keys, index })
    const job = { verifier: of.verifier, programId: terms.programId, inputs, payee }
    const startedAt = Date.now()
    const deadlineAt = startedAt + 600_000
    const proof = await backend.prove({ ...job, deadlineAt }, new AbortController().signal)
    console.error(`${name}, segment ${index + 1}: ${((Date.now() - startedAt) / 1000).toFixed(1)} s`)
    const { p, a, b, c } = decodeSegmentProof(proof)!
    segments.push({ key, entries: table.segments[index]!.entries, payee, p, a, b, c })
    segmentProofs.push({ hash: terms.publicInputsHash, proof: toHex(proof) })
  }
  const tableProof = toHex(encodeTableProof({ segments, words: table.words }))
  cuts.push({ shape: name, tableProof, segments: segmentProofs })
}
await backend.close()
const content = {
  keys: (await Promise.all(names.map((name) => loadVerificationKey(name)))).map(keyJson),
  keyIds,
  programId: of.programId,
  table: toHex(encodeTable(table.table)),
  tableDigest: tableDigest(encodeTable(table.table)),
  publicInputsHash: publicInputsHash(table.words),
  payee,
  cuts,
}
const path = new URL('segment-proofs.json', import.meta.url)
await writeFile(path, `${JSON.stringify(content, null, 2)}\n`)
