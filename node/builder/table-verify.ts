/** `proofwire table verify`: checks a table against its commitment and a chain, step by step. */
import { checkEnvelope, inclusionOf } from '#protocol/commitment'
import { checkTable } from '#protocol/table-rules'
import { ChainReader } from './chain-reader.ts'
import { type Claimed, checkInclusion, type Finality, type Step } from './inclusion.ts'
import { readTableFile, type TableFile, TableFileError } from './table-file.ts'
import * as options from './table-options.ts'

export type Verification = {
  readonly file: string
  readonly rpcUrl: string
  /** Where else to look than the file says; it must be the same. */
  readonly claimed: Claimed
  readonly finality: Finality
}

/**
 * Every step of a check, ending with the first that is not ok.
 * @throws RpcRefusal, RpcUnreachable.
 */
export async function* verification(
  { file, rpcUrl, claimed, finality }: Verification,
  signal: AbortSignal,
): AsyncGenerator<Step> {
  const read = await readTableFile(file).catch((error: unknown) => {
    if (error instanceof TableFileError) return error
    throw error
  })
  if (read instanceof Error) {
    yield { ok: false, says: read.message }
    return
  }
  const recomputed = recompute(read)
  yield recomputed
  if (!recomputed.ok) return
  const fault = checkTable(read.table)
  if (fault !== null) {
    const place = fault.entry === null ? 'the table' : `entry ${fault.entry + 1}`
    yield { ok: false, says: `${place} breaks rule ${fault.rule}: ${fault.message}` }
    return
  }
  yield { ok: true, says: 'the table keeps the rules' }
  const said = read.envelope === null ? {} : inclusionOf(read.envelope)
  const wrong = contradiction(said, claimed)
  if (wrong !== null) {
    yield { ok: false, says: wrong }
    return
  }
  yield* checkInclusion(new ChainReader(rpcUrl, signal), read, { ...said, ...claimed }, finality)
}

function recompute({ envelope, table, digest }: TableFile): Step {
  const wrong = envelope && checkEnvelope(envelope)
  if (wrong) return { ok: false, says: wrong.refused }
  const same = envelope === null ? '' : ', as its envelope says'
  const count = table.entries.length === 1 ? '1 entry' : `${table.entries.length} entries`
  return { ok: true, says: `${count} with the digest ${digest}${same}` }
}

/** What the file and the flags say differently. */
function contradiction(said: Claimed, claimed: Claimed): string | null {
  for (const name of ['emitter', 'transactionHash'] as const) {
    const [ours, theirs] = [claimed[name], said[name]]
    if (ours !== undefined && theirs !== undefined && ours !== theirs)
      return `${name} is ${theirs} in the envelope, ${ours} was asked for`
  }
  return null
}

/** @throws ConfigError for flags that cannot be used. */
export async function verifyTable(argv: readonly string[], signal: AbortSignal): Promise<void> {
  const flags = ['rpc-url', 'finality', 'registry', 'transaction']
  const words = options.readWords(argv, flags)
  const emitter = options.addressFlag(words, 'registry')
  const transactionHash = options.hashFlag(words, 'transaction')
  const asked: Verification = {
    file: options.oneFile(words, 'verify'),
    rpcUrl: options.urlFlag(words, 'rpc-url'),
    claimed: {
      ...(emitter === undefined ? {} : { emitter }),
      ...(transactionHash === undefined ? {} : { transactionHash }),
    },
    finality: options.finalityFlag(words),
  }
  let isGood = true
  for await (const { ok, says } of verification(asked, signal)) {
    process.stdout.write(`${ok ? 'ok    ' : 'WRONG '} ${says}\n`)
    isGood &&= ok
  }
  process.stdout.write(isGood ? 'The table is what was committed to.\n' : 'Not verified.\n')
  if (!isGood) process.exitCode = 1
}
