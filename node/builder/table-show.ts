/** `proofwire table show`: what a table says, as a person reads it. */
import { checkEnvelope, entriesRoot, inclusionOf } from '#protocol/commitment'
import { checkTable, type RollupFacts, tableRisks } from '#protocol/table-rules'
import { describeTable } from '#protocol/table-text'
import { readTableFile, type TableFile } from './table-file.ts'
import * as options from './table-options.ts'

/** No facts of its rollups without a chain: their owners and tokens. */
const NO_FACTS: ReadonlyMap<bigint, RollupFacts> = new Map()

/** The table in lines: what it says, what it is known by, what is wrong or risky about it. */
export function showText({ table, bytes, digest, envelope }: TableFile): string {
  const lines = [
    describeTable(table),
    '',
    `digest       ${digest}`,
    `Merkle root  ${entriesRoot(table.entries)}`,
    `size         ${bytes.length} bytes`,
    `registry     ${table.venue} on chain ${table.chainId}`,
    `executor     ${table.executor}`,
    ...table.programs.map(
      ({ rollupId, verifier, programId }) =>
        `rollup ${`${rollupId}`.padEnd(5)} proven by ${programId} at ${verifier}`,
    ),
  ]
  if (envelope !== null) {
    const { transactionHash, blockNumber } = inclusionOf(envelope)
    lines.push(`said to be   in block ${blockNumber}, transaction ${transactionHash}`)
    const wrong = checkEnvelope(envelope)
    if (wrong !== null) lines.push(`wrong        ${wrong.refused}`)
  }
  const fault = checkTable(table)
  if (fault !== null) {
    const place = fault.entry === null ? '' : `entry ${fault.entry + 1}: `
    lines.push(`breaks       ${place}rule ${fault.rule}: ${fault.message}`)
  }
  for (const { message } of tableRisks(table, NO_FACTS)) lines.push(`risk         ${message}`)
  return `${lines.join('\n')}\n`
}

/** @throws ConfigError for flags that cannot be used; TableFileError. */
export async function showTable(argv: readonly string[]): Promise<void> {
  const words = options.readWords(argv, [])
  process.stdout.write(showText(await readTableFile(options.oneFile(words, 'show'))))
}
