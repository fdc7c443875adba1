/**
 * Whether a chain holds a table's commitment: the transaction's `Recorded` event with its digest,
 * from the registry the table names, in the canonical chain, deep enough.
 */
import type { Inclusion } from '#protocol/commitment'
import type { Address, Hex } from '#protocol/schema'
import type { Table } from '#protocol/table'
import type { ChainReader } from './chain-reader.ts'
import { findPosting, type Posting, postingsIn } from './posting.ts'

/** One step of a check: what was found, or what is wrong and what to do. */
export type Step = { readonly ok: boolean; readonly says: string }

/** Blocks, counting the table's own; or what the chain itself calls final. */
export type Finality = number | 'finalized'

/** What somebody says of a posting; each part is compared with the chain. */
export type Claimed = Partial<Inclusion>

const good = (says: string): Step => ({ ok: true, says })
const bad = (says: string): Step => ({ ok: false, says })

/**
 * Looks for a table on a chain, step by step; ends with the first step that is not ok.
 * @param claimed Where it is said to be. Without a transaction it is searched for in the blocks the
 * table may be posted in.
 * @throws RpcRefusal, RpcUnreachable.
 */
export async function* checkInclusion(
  chain: ChainReader,
  of: { readonly table: Table; readonly digest: Hex },
  claimed: Claimed,
  finality: Finality,
): AsyncGenerator<Step> {
  const { table, digest } = of
  const chainId = await chain.chainId()
  const said = claimed.chainId ?? table.chainId
  if (chainId !== table.chainId || chainId !== said) {
    const told = said === table.chainId ? '' : `, its envelope says ${said}`
    yield bad(`the RPC serves chain ${chainId}; the table is for chain ${table.chainId}${told}`)
    return
  }
  yield good(`the RPC serves chain ${chainId}, which the table is for`)
  const emitter = claimed.emitter ?? table.venue
  if (emitter !== table.venue) {
    yield bad(`the emitter is said to be ${emitter}; the table is for ${table.venue}`)
    return
  }
  const posting = await locate(chain, of, claimed)
  if (typeof posting === 'string') {
    yield bad(posting)
    return
  }
  const { transactionHash, recorder } = posting
  yield good(`${emitter} recorded ${digest} in transaction ${transactionHash}, by ${recorder}`)
  const difference = differenceOf(posting, claimed)
  if (difference !== null) {
    yield bad(difference)
    return
  }
  yield* checkDepth(chain, table, posting, finality)
}

/** The table's posting, or why there is none. */
async function locate(
  chain: ChainReader,
  { table, digest }: { readonly table: Table; readonly digest: Hex },
  { transactionHash, logIndex }: Claimed,
): Promise<Posting | string> {
  const emitter: Address = table.venue
  if (transactionHash === undefined) {
    const range = { from: table.firstBlock, to: Math.min(table.lastBlock, await chain.head()) }
    const found = await findPosting(chain, { digest, emitter }, range)
    const blocks = `blocks ${table.firstBlock} to ${table.lastBlock}`
    return found ?? `${emitter} did not record ${digest} in ${blocks}, where it could be posted`
  }
  const receipt = await chain.receipt(transactionHash)
  if (receipt === null)
    return `the chain has no transaction ${transactionHash}: it was never mined, or taken back`
  if (Number(receipt.status) !== 1) return `transaction ${transactionHash} reverted`
  const postings = postingsIn(receipt, emitter).filter((posting) => posting.digest === digest)
  const posting = postings.find((each) => each.logIndex === logIndex) ?? postings[0]
  return (
    posting ?? `transaction ${transactionHash} has no Recorded event of ${digest} by ${emitter}`
  )
}

/** What is said of a posting and is not so. */
function differenceOf(posting: Posting, claimed: Claimed): string | null {
  const names = ['recorder', 'blockNumber', 'blockHash', 'logIndex'] as const
  const name = names.find((each) => claimed[each] !== undefined && claimed[each] !== posting[each])
  if (name === undefined) return null
  return `${name} is said to be ${claimed[name]}; on the chain it is ${posting[name]}`
}

async function* checkDepth(
  chain: ChainReader,
  { firstBlock, lastBlock }: Table,
  { blockNumber, blockHash }: Posting,
  finality: Finality,
): AsyncGenerator<Step> {
  const block = await chain.block(blockNumber)
  if (block?.hash.toLowerCase() !== blockHash) {
    yield bad(`block ${blockNumber} is ${block?.hash ?? 'gone'} now, not ${blockHash}: taken back`)
    return
  }
  if (blockNumber < firstBlock || blockNumber > lastBlock) {
    yield bad(`block ${blockNumber} is not in the table's ${firstBlock} to ${lastBlock}`)
    return
  }
  yield good(`block ${blockNumber} (${blockHash}) is in the chain and in the table's window`)
  yield await depthStep(chain, blockNumber, finality)
}

async function depthStep(
  chain: ChainReader,
  blockNumber: number,
  finality: Finality,
): Promise<Step> {
  if (finality === 'finalized') {
    const finalized = await chain.block('finalized')
    if (finalized === null) {
      return bad('the chain does not say what is final; use --finality with a number of blocks')
    }
    const last = Number(finalized.number)
    if (last >= blockNumber) return good(`block ${last} is final, and with it ${blockNumber}`)
    return bad(`not final yet: block ${last} is, the table is in ${blockNumber}; ask again later`)
  }
  const depth = (await chain.head()) - blockNumber + 1
  const what = `${depth} blocks deep, ${finality} asked for`
  return depth >= finality ? good(what) : bad(`not deep enough yet: ${what}; ask again later`)
}
