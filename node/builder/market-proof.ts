/**
 * A table's proof from the market: cut into segments that are asked for as one bundle and proven at
 * the same time, then put together to what the venue is shown.
 */
import { fromHex, toHex } from '#protocol/field'
import { decodeSegmentProof, encodeTableProof, type ShownSegment } from '#protocol/proof'
import type { Address, Hex } from '#protocol/schema'
import {
  type CircuitKey,
  type Cut,
  cutTable,
  digestSegments,
  type Segment,
  statementHash,
  wholeTable,
} from '#protocol/segments'
import type { Table } from '#protocol/table'
import { type ProgramName, publicInputsHash, tableWords } from '#protocol/words'
import type { Asked, DoorClient, MarketTerms, Wanted } from './door-client.ts'

/** What is to be proven of a table, and by which circuits. */
export type ProofPlan = {
  readonly program: ProgramName
  readonly words: readonly bigint[]
  /** One or more; the whole table as one where the verifier knows no circuits. */
  readonly segments: readonly Segment[]
  /** The verifier's circuits, in its order; null where it takes proofs of whole tables. */
  readonly keys: readonly CircuitKey[] | null
}

/** The table has more entries than the program can prove at once. */
export class TooLong extends Error {
  override readonly name = 'TooLong'
}

/**
 * Cuts a table for a program.
 * @param mostEntries Of a segment; of a table, where the verifier knows no circuits.
 * @param cuts How it was cut before; default: into the fewest segments.
 * @throws TooLong
 */
export function planProof(
  table: Table,
  program: ProgramName,
  keys: readonly CircuitKey[] | null,
  mostEntries: number,
  cuts: readonly Cut[] = [],
): ProofPlan {
  const words = tableWords(table, program)
  const { length } = table.entries
  if (keys !== null) {
    const segments = digestSegments(
      words,
      cuts.length > 0 ? cuts : cutTable(length, keys, mostEntries),
      keys,
    )
    return { program, words, segments, keys }
  }
  if (length > mostEntries) {
    const what = `the table has ${length} entries, and the ledger's circuit room for ${mostEntries}`
    throw new TooLong(`${what}. Call less in one transaction, or use a larger circuit.`)
  }
  return { program, words, segments: [wholeTable(program.programId, length)], keys }
}

/**
 * Asks for every segment, as a bundle when there are several.
 * @param inputsOf Of the segment at this place.
 * @param idempotencyKey Asking again with it asks nobody twice.
 */
export async function askForProof(
  door: DoorClient,
  plan: ProofPlan,
  of: Pick<Wanted, 'venue' | 'tableDigest'> & MarketTerms,
  inputsOf: (index: number) => Uint8Array,
  idempotencyKey: string,
): Promise<readonly Asked[]> {
  const { words, program, segments, keys } = plan
  const kd = publicInputsHash(words)
  const parts = segments.map(({ keyId, entries }, index) => ({
    programId: keyId,
    publicInputsHash: statementHash(kd, program.programId, segments, index),
    work: keys?.find((key) => key.keyId === keyId)?.room ?? entries,
    inputs: inputsOf(index),
  }))
  const shared = { ...of, verifier: program.verifier }
  if (parts.length === 1) return [await door.prove({ ...shared, ...parts[0]! }, idempotencyKey)]
  return door.proveBundle(shared, parts, idempotencyKey)
}

/** Whom a segment proof of ours pays; nobody where the proofs are of another form. */
export const proversOf = ({ keys }: ProofPlan, proofs: readonly Hex[]): Address[] =>
  keys === null ? [] : proofs.flatMap((proof) => decodeSegmentProof(fromHex(proof))?.payee ?? [])

/**
 * What the venue is shown: the one proof there is, or all segments with the table's words.
 * @param proofs Of the segments, in their order.
 * @throws Error when one is no proof of its segment: the door gave another's.
 */
export function assembleProof({ words, segments, keys }: ProofPlan, proofs: readonly Hex[]): Hex {
  if (keys === null) return proofs[0]!
  const shown = segments.map(({ keyId, entries, p }, index): ShownSegment => {
    const proof = decodeSegmentProof(fromHex(proofs[index] ?? '0x'))
    if (proof === null || proof.index !== index || proof.p !== p) {
      throw new Error(`the door gave no proof of segment ${index + 1} of ${segments.length}`)
    }
    const { payee, a, b, c } = proof
    const key = keys.findIndex((one) => one.keyId === keyId)
    return { key, entries, payee, p, a, b, c }
  })
  return toHex(encodeTableProof({ segments: shown, words }))
}
