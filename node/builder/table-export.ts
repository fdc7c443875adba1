/** `proofwire table export`: fetches a posted table from its chain and writes its envelope. */
import { envelopeOf, envelopeText } from '#protocol/commitment'
import type { Address, Hex } from '#protocol/schema'
import { ConfigError } from '../config.ts'
import { ChainReader } from './chain-reader.ts'
import { canonicalBytesIn, findPosting, type Posting, postingsIn } from './posting.ts'
import * as options from './table-options.ts'
import { writeWhole } from './whole-file.ts'

/** The table is not where it was looked for. The message says what to do. */
export class ExportError extends Error {
  override readonly name = 'ExportError'
  readonly code = 'TABLE_EXPORT'
}

export type Export = {
  readonly registry: Address
  /** One of them, or both. */
  readonly digest?: Hex
  readonly transactionHash?: Hex
  /** Where a search for a digest ends. */
  readonly fromBlock: number
}

/**
 * The envelope's text of a posted table.
 * @throws ExportError, RpcRefusal, RpcUnreachable.
 */
export async function exportEnvelope(
  chain: ChainReader,
  asked: Export,
  onSearch: (searched: number, of: number) => void = () => undefined,
): Promise<string> {
  const chainId = await chain.chainId()
  const posting = await locate(chain, asked, onSearch)
  const { transactionHash, digest } = posting
  const input = await chain.input(transactionHash)
  const bytes = input === null ? null : canonicalBytesIn(input, digest)
  if (bytes === null) {
    const what = `${transactionHash} recorded ${digest}, but its call data does not hold the table`
    throw new ExportError(`${what}: a contract made it there. Ask who posted it for the bytes.`)
  }
  const { digest: _, ...where } = posting
  return envelopeText(envelopeOf(bytes, { chainId, ...where }))
}

async function locate(
  chain: ChainReader,
  { registry, digest, transactionHash, fromBlock }: Export,
  onSearch: (searched: number, of: number) => void,
): Promise<Posting> {
  if (transactionHash !== undefined)
    return ofTransaction(chain, { registry, digest, transactionHash })
  if (digest === undefined) throw new ExportError('neither a digest nor a transaction was named')
  const range = { from: fromBlock, to: await chain.head() }
  const found = await findPosting(chain, { digest, emitter: registry }, range, onSearch)
  if (found !== null) return found
  const what = `${registry} did not record ${digest} in blocks ${range.from} to ${range.to}`
  throw new ExportError(`${what}. Check the digest, the registry and the chain of the RPC.`)
}

async function ofTransaction(
  chain: ChainReader,
  asked: {
    readonly registry: Address
    readonly digest: Hex | undefined
    readonly transactionHash: Hex
  },
): Promise<Posting> {
  const { registry, digest, transactionHash } = asked
  const receipt = await chain.receipt(transactionHash)
  if (receipt === null) {
    const what = `the chain of the RPC has no transaction ${transactionHash}`
    throw new ExportError(`${what}. Check its hash, or wait until it is mined.`)
  }
  const all = postingsIn(receipt, registry)
  const found = all.filter((posting) => digest === undefined || posting.digest === digest)
  const digests = new Set(found.map((posting) => posting.digest))
  if (digests.size > 1) {
    const list = [...digests].join(', ')
    throw new ExportError(`${transactionHash} recorded several tables: add --digest: ${list}.`)
  }
  const [posting] = found
  if (posting !== undefined) return posting
  const which = digest ?? 'a table'
  throw new ExportError(`${registry} did not record ${which} in transaction ${transactionHash}.`)
}

/** @throws ConfigError for flags that cannot be used. */
export async function exportTable(argv: readonly string[], signal: AbortSignal): Promise<void> {
  const flags = ['rpc-url', 'registry', 'digest', 'transaction', 'from-block', 'output']
  const words = options.readWords(argv, flags, { output: 'o' })
  if (words.files.length > 0)
    throw new ConfigError([`${JSON.stringify(words.files[0])} is no flag. Write to -o FILE.`])
  const digest = options.hashFlag(words, 'digest')
  const transactionHash = options.hashFlag(words, 'transaction')
  if (digest === undefined && transactionHash === undefined)
    throw new ConfigError(['Name the table: --digest, --transaction, or both.'])
  options.needed(words, 'registry')
  const asked: Export = {
    registry: options.addressFlag(words, 'registry')!,
    ...(digest === undefined ? {} : { digest }),
    ...(transactionHash === undefined ? {} : { transactionHash }),
    fromBlock: options.blockFlag(words, 'from-block') ?? 0,
  }
  const output = options.needed(words, 'output')
  const chain = new ChainReader(options.urlFlag(words, 'rpc-url'), signal)
  const text = await exportEnvelope(chain, asked, (searched, of) => {
    if (searched > 0) process.stderr.write(`searched ${searched} of ${of} blocks\n`)
  })
  await writeWhole(output, `${text}\n`).catch((cause: Error) => {
    throw new ExportError(`Cannot write ${output}: ${cause.message}`, { cause })
  })
  process.stdout.write(`${output}: the envelope of the table. Check it: proofwire table verify\n`)
}
