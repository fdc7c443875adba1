/**
 * Where on a chain a table was posted: its `Recorded` event, and its canonical bytes in the call
 * data of the transaction that posted it, whatever that transaction was wrapped in.
 */
import { type Inclusion, recordedTopic } from '#protocol/commitment'
import type { Address, Hex } from '#protocol/schema'
import { MAX_TABLE_BYTES, tableDigest } from '#protocol/table'
import type { ChainReader, Log, Receipt } from './chain-reader.ts'

/** A table's `Recorded` event. Addresses and hashes in lower case. */
export type Posting = Omit<Inclusion, 'chainId'> & { readonly digest: Hex }

/** Blocks of one search: what public nodes allow. */
const SEARCH_BLOCKS = 10_000

const lower = <T extends string>(text: T): T => text.toLowerCase() as T

function postingOf(log: Log): Posting | null {
  const [topic, digest, recorder, ...more] = log.topics
  if (topic !== recordedTopic || digest === undefined || recorder === undefined) return null
  if (more.length > 0) return null
  return {
    digest: lower(digest),
    emitter: lower(log.address),
    recorder: lower(`0x${recorder.slice(-40)}`),
    transactionHash: lower(log.transactionHash),
    blockNumber: Number(log.blockNumber),
    blockHash: lower(log.blockHash),
    logIndex: Number(log.logIndex),
  }
}

/** The tables one contract recorded in a transaction. */
export const postingsIn = (receipt: Receipt, emitter: Address): Posting[] =>
  receipt.logs
    .map(postingOf)
    .filter((posting) => posting !== null)
    .filter((posting) => posting.emitter === lower(emitter))

/**
 * The newest posting of a table, looked for from the newest block of the range back; `null`: none.
 * @param onSearch Told before each request: how many blocks have been searched, and of how many.
 */
export async function findPosting(
  chain: ChainReader,
  of: { readonly digest: Hex; readonly emitter: Address },
  { from, to }: { readonly from: number; readonly to: number },
  onSearch: (searched: number, of: number) => void = () => undefined,
): Promise<Posting | null> {
  for (let last = to; last >= from; last -= SEARCH_BLOCKS) {
    onSearch(to - last, to - from + 1)
    const range = { from: Math.max(from, last - SEARCH_BLOCKS + 1), to: last }
    const logs = await chain.logs(of.emitter, [recordedTopic, lower(of.digest)], range)
    const posting = logs.map(postingOf).findLast((found) => found !== null)
    if (posting !== undefined) return posting
  }
  return null
}

/** A word, which is the offset a table's canonical bytes begin with: 32. */
const WORD = 32
const HEAD = Buffer.alloc(WORD)
HEAD[WORD - 1] = WORD

/**
 * The canonical bytes of a table in the call data of whatever carried it to the registry: an ABI
 * `bytes` argument anywhere in it whose SHA-256 is the digest. `null` when they are not there.
 */
export function canonicalBytesIn(input: Hex, digest: Hex): Uint8Array | null {
  const data = Buffer.from(input.slice(2), 'hex')
  for (let at = data.indexOf(HEAD, WORD); at >= 0; at = data.indexOf(HEAD, at + 1)) {
    const length = lengthAt(data, at - WORD)
    if (length === null || at + length > data.length) continue
    const bytes = new Uint8Array(data.subarray(at, at + length))
    if (tableDigest(bytes) === lower(digest)) return bytes
  }
  return null
}

/** The length word at `at`, or `null` for one that no table has. */
function lengthAt(data: Buffer, at: number): number | null {
  const isSmall = data.subarray(at, at + WORD - 4).every((byte) => byte === 0)
  const length = data.readUInt32BE(at + WORD - 4)
  return isSmall && length >= WORD && length <= MAX_TABLE_BYTES ? length : null
}
