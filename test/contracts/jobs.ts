/**
 * Signed jobs and receipts for measuring: as they look on a busy day, every hash full, amounts of a
 * few thousandths of an ether. All of it deterministic, so that calldata and gas are the same in
 * every run.
 */
import {
  type Abi,
  concatHex,
  encodeAbiParameters,
  encodeFunctionData,
  type Hex,
  keccak256,
  toHex,
} from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { settlementAbi } from '#contracts/abi'
import { type Message, type ProofRequest, ZERO_ADDRESS, ZERO_WORD } from '#protocol/schema'
import { account, type Chain, type Cost } from './chain.ts'

export const builder = account('builder')
export const winner = account('winner')
export const backup = account('backup')
/** Seconds after its opening at which a job's table is posted: before it is late. */
export const DELIVERY_S = 5
const word = (name: string): Hex => keccak256(toHex(name))

/** A prover with its proof: what it is of, and what checks it. */
export type Prover = {
  readonly address: Hex
  /** Signs for `address`. */
  readonly signer: PrivateKeyAccount
  readonly verifier: Hex
  readonly publicInputsHash: Hex
  readonly proof: Hex
  /** What is posted, where that is not the proof alone: the whole table's. */
  readonly posted?: Readonly<Record<'programId' | 'publicInputsHash' | 'proof', Hex>>
  /** What else a request for this proof says. */
  readonly terms?: Partial<Pick<ProofRequest, 'venue' | 'programId' | 'tableDigest'>>
}

/** A prover with a proof of `BoundVerifier`, as `test/contracts/BoundVerifier.sol` makes it. */
export function boundProver(signer: PrivateKeyAccount, verifier: Hex): Prover {
  const [address, publicInputsHash] = [signer.address, word('inputs')]
  const proof = boundProof(publicInputsHash, address)
  return { address, signer, verifier, publicInputsHash, proof }
}

/** What `BoundVerifier` takes for a proof of this statement by this payee. */
export function boundProof(publicInputsHash: Hex, payee: Hex): Hex {
  const bound = [{ type: 'string' }, { type: 'bytes32' }, { type: 'address' }] as const
  const tag = keccak256(encodeAbiParameters(bound, ['bound', publicInputsHash, payee]))
  const named = [{ type: 'address' }, { type: 'bytes32' }, { type: 'bytes32' }] as const
  return encodeAbiParameters(named, [payee, publicInputsHash, tag])
}

function request(chain: Chain, nonce: bigint, by: Prover, backups: number) {
  const openedAt = chain.nowS * 1000 + 123
  return {
    builder: builder.address,
    nonce,
    venue: account('venue').address,
    verifier: by.verifier,
    programId: word('program'),
    publicInputsHash: by.publicInputsHash,
    tableDigest: word('table'),
    builderPeer: word('peer'),
    work: 4n,
    inputBytes: 1_457,
    reserveWei: 4_213_456_789_012_345n,
    latenessWeiPerMs: 1_234_567_890n,
    bondWei: 50_213_456_789_012_345n,
    claimBaseFeeCapWei: 40_000_000_000n,
    openedAt,
    closesAt: openedAt + 400,
    softDueAt: openedAt + 6_000,
    dueAt: openedAt + 12_000,
    auctionKey: word('auction key'),
    backups,
    retryOf: ZERO_WORD,
    bundleId: ZERO_WORD,
    bundleIndex: 0,
    bundleSize: 0,
    ...by.terms,
  } satisfies Message<'ProofRequest'>
}

const leafTypes = [{ type: 'bytes32' }, { type: 'uint128' }, { type: 'uint48' }] as const

/**
 * From request to award: the first of `provers` won, the second is its backup; both bids are under
 * the root.
 */
export async function awardedJob(
  chain: Chain,
  nonce: bigint,
  provers: readonly [Prover, Prover],
  backups: number,
) {
  chain.nowS += 3_000
  const terms = request(chain, nonce, provers[0], backups)
  const requestId = chain.digest('ProofRequest', terms)
  const sealedOpening = [word('sealed 0'), word('sealed 1'), word('sealed 2')] as const
  const bidOf = ({ address: prover }: Prover, priceWei: bigint) => {
    const bid = { requestId, prover, commitment: word(prover), sealedOpening }
    const [bidId, readyAt] = [chain.digest('Bid', bid), terms.closesAt + 4_321]
    const leaf = keccak256(encodeAbiParameters(leafTypes, [bidId, priceWei, readyAt]))
    return { ...bid, bidId, priceWei, readyAt, leaf }
  }
  const won = bidOf(provers[0], 3_213_456_789_012_345n)
  const second = bidOf(provers[1], 3_213_456_789_012_346n)
  const award: Message<'Award'> = {
    requestId,
    bidId: won.bidId,
    prover: won.prover,
    priceWei: won.priceWei,
    readyAt: won.readyAt,
    bidsRoot: keccak256(concatHex([won.leaf, second.leaf].sort())),
    bidCount: 2,
    auctionSecret: word('secret'),
    backups: [second.prover, ZERO_ADDRESS, ZERO_ADDRESS],
  }
  return { terms, requestId, award, bids: [won, { ...second, path: [won.leaf] }] as const }
}
export type Job = Awaited<ReturnType<typeof awardedJob>>

/** Acceptance and start of one prover of the job, signed. */
async function start(chain: Chain, { requestId, award, terms }: Job, by: Prover) {
  const acceptance = { requestId, awardId: chain.digest('Award', award), prover: by.address }
  const acceptanceId = chain.digest('Acceptance', acceptance)
  const started = { ...acceptance, acceptanceId, startedAt: terms.closesAt + 77 }
  const acceptanceSignature = await chain.sign(by.signer, 'Acceptance', acceptance)
  const startSignature = await chain.sign(builder, 'Start', started)
  return { acceptanceSignature, started, startSignature }
}

/** Commits to the prover's proof two seconds before it is due, and claims. */
export async function claim(chain: Chain, job: Job, by: Prover) {
  const pair = [{ type: 'address' }, { type: 'bytes32' }] as const
  const commitment = keccak256(encodeAbiParameters(pair, [by.address, keccak256(by.proof)]))
  const atS = Math.ceil(job.terms.dueAt / 1000) - 2
  const commitArgs = [job.requestId, by.address, commitment]
  const committed = await chain.settlement(by.signer, 'commitProof', commitArgs, { atS })
  const args = [...(await shown(chain, job, by)), by.proof]
  return { committed, claimed: await chain.settlement(by.signer, 'claim', args) }
}

/** What `claim` and `settleOnPost` are shown of a started prover: from the request to its bid. */
async function shown(chain: Chain, job: Job, by: Prover): Promise<readonly unknown[]> {
  const { acceptanceSignature, started, startSignature } = await start(chain, job, by)
  const [won, second] = job.bids
  const bid = by.address === won.prover ? { ...won, commitment: ZERO_WORD, path: [] } : second
  return [job.terms, job.award, acceptanceSignature, started, startSignature, bid]
}

/** Call data of `settleOnPost` for a table whose only proof is the prover's. */
export async function settleOnPost(chain: Chain, job: Job, by: Prover, table: Hex): Promise<Hex> {
  const { verifier, programId, publicInputsHash, tableDigest } = job.terms
  const own = { programId, publicInputsHash, proof: by.proof }
  const proofs = [{ verifier, ...(by.posted ?? own) }]
  const args = [...(await shown(chain, job, by)), tableDigest, table, proofs, 0n]
  return encodeFunctionData({ abi: settlementAbi as Abi, functionName: 'settleOnPost', args })
}

/** Slashes a prover of the job at the first second it can be. */
export async function slash(chain: Chain, job: Job, by: Prover): Promise<Cost> {
  const { acceptanceSignature, started, startSignature } = await start(chain, job, by)
  const args = [job.terms, acceptanceSignature, started, startSignature]
  const atS = Math.ceil(job.terms.dueAt / 1000) + 2 * chain.windows.claimWindowS
  return chain.settlement(account('relay'), 'slash', args, { atS })
}

/** One group of `settle`'s packed bytes: receipts of one prover. */
export async function receipts(chain: Chain, prover: Hex, nonces: readonly bigint[]): Promise<Hex> {
  const packed = nonces.map(async (nonce) => {
    const requestId = word(`request ${nonce}`)
    const [payWei, proofHash] = [3_213_456_789_012_345n + nonce, word(`proof ${nonce}`)]
    const deliveredAt = chain.nowS * 1000 + 5_432
    const parties = { builder: builder.address, prover }
    const receipt = { ...parties, nonce, requestId, payWei, proofHash, deliveredAt }
    const signature = await chain.sign(builder, 'Receipt', receipt)
    const [r, s, v] = [signature.slice(2, 66), signature.slice(66, 130), signature.slice(130)]
    // EIP-2098: the parity of v in the highest bit of s.
    const vs = BigInt(`0x${s}`) | (v === '1c' ? 1n << 255n : 0n)
    const head = concatHex([toHex(nonce, { size: 8 }), requestId, toHex(payWei, { size: 16 })])
    const tail = concatHex([proofHash, toHex(deliveredAt, { size: 6 }), `0x${r}`])
    return concatHex([head, tail, toHex(vs, { size: 32 })])
  })
  const count = toHex(nonces.length, { size: 1 })
  return concatHex([builder.address, prover, count, ...(await Promise.all(packed))])
}
