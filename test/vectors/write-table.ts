/**
 * Writes `table.json`: canonical bytes, hashes and words of the golden table, the same on every
 * run: `node test/vectors/write-table.ts`.
 */
import { writeFile } from 'node:fs/promises'
import { entriesRoot } from '#protocol/commitment'
import { toHex } from '#protocol/field'
import { segmentHash, segmentPoint, tableChallenge } from '#protocol/segments'
import { actionHash, encodeTable, tableDigest } from '#protocol/table'
import {
  evaluate,
  poseidonDigest,
  programWord,
  publicInputsHash,
  tableWords,
} from '#protocol/words'
import { goldenKey, goldenPayee, goldenTable as table, wordOf } from '#test/support/table-sample'

const [first, second] = table.programs
const words0 = tableWords(table, first!)
const words1 = tableWords(table, second!)
const [kd, p] = [publicInputsHash(words0), poseidonDigest(words0)]
const segments = [{ keyId: goldenKey, entries: table.entries.length, p }]
const challenge = tableChallenge(kd, segments)
const x = segmentPoint(challenge, 0, goldenPayee)
const canonical = encodeTable(table)
const content = {
  canonical: toHex(canonical),
  tableDigest: tableDigest(canonical),
  entriesRoot: entriesRoot(table.entries),
  actionHashes: table.entries.map(({ action }) => actionHash(action)),
  nextHashes: table.entries.map(({ next }) => actionHash(next)),
  // One for each distinct program, in the order of the table.
  verifiers: table.programs.map(({ verifier }) => verifier),
  programIds: table.programs.map(({ programId }) => programId),
  programWords: table.programs.map((program) => wordOf(programWord(program))),
  publicInputsHashes: [kd, publicInputsHash(words1)],
  words0: words0.map(wordOf),
  words1: words1.map(wordOf),
  // Of the first program's words, in a circuit with room for these entries.
  payee: goldenPayee,
  keyId: goldenKey,
  p: wordOf(p),
  challenge,
  segmentHash: segmentHash(challenge, 0, segments[0]!),
  x: wordOf(x),
  y: wordOf(evaluate(words0, x)),
}
await writeFile(new URL('table.json', import.meta.url), `${JSON.stringify(content, null, 2)}\n`)
