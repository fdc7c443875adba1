/**
 * What the market's transactions cost, compared with the committed snapshot and held under ceilings.
 *
 *     node test/contracts/gas.ts            print, compare, fail on any difference
 *     node test/contracts/gas.ts --update   rewrite the snapshot (the ceilings still hold)
 *
 * Storage is as in use: credits, bond and burnt counter are not zero, the word of the resolved bits is fresh.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { concatHex, encodeAbiParameters, type Hex, keccak256, toHex } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { buildContracts } from '#contracts/build'
import { type Message, ZERO_ADDRESS, ZERO_WORD } from '#protocol/schema'
import { account, Chain, type Cost } from './chain.ts'

const snapshotFile = join(import.meta.dirname, 'snapshots/gas.json')
const BATCH = 32
const ETHER = 10n ** 18n

/** Most gas a transaction may take, or of a batch each receipt. DESIGN section 5. */
const ceilings: Record<string, number> = {
  settleOne: 75_000,
  settle32OfOneProverEach: 12_000,
  slash: 80_000,
  slashWithRescuer: 105_000,
}

const builder = account('builder')
const winner = account('winner')
const backup = account('backup')
const word = (name: string): Hex => keccak256(toHex(name))

/** A request as it looks on a busy day: every hash full, amounts of a few thousandths of an ether. */
function request(
  chain: Chain,
  nonce: bigint,
  verifier: Hex,
  backups: number,
): Message<'ProofRequest'> {
  const openedAt = chain.nowS * 1000 + 123
  return {
    builder: builder.address,
    nonce,
    venue: account('venue').address,
    verifier,
    programId: word('program'),
    publicInputsHash: word('inputs'),
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
  }
}

/** Signed from request to start, for both provers; the backup's bid and the winner's are under the root. */
async function startedJob(chain: Chain, nonce: bigint, verifier: Hex, backups: number) {
  const terms = request(chain, nonce, verifier, backups)
  const requestId = chain.digest('ProofRequest', terms)
  const sealedOpening = [word('sealed 0'), word('sealed 1'), word('sealed 2')] as const
  const bids = [winner, backup].map((by, place) => {
    const bid = { requestId, prover: by.address, commitment: word(by.address), sealedOpening }
    const [priceWei, readyAt] = [3_213_456_789_012_345n + BigInt(place), terms.closesAt + 4_321]
    const bidId = chain.digest('Bid', bid)
    const leafTypes = [{ type: 'bytes32' }, { type: 'uint128' }, { type: 'uint48' }] as const
    const leaf = keccak256(encodeAbiParameters(leafTypes, [bidId, priceWei, readyAt]))
    return { ...bid, bidId, priceWei, readyAt, leaf }
  })
  const [won, second] = [bids[0]!, bids[1]!]
  const award: Message<'Award'> = {
    requestId,
    bidId: won.bidId,
    prover: winner.address,
    priceWei: won.priceWei,
    readyAt: won.readyAt,
    bidsRoot: keccak256(concatHex([won.leaf, second.leaf].sort())),
    bidCount: 2,
    auctionSecret: word('secret'),
    backups: [backup.address, ZERO_ADDRESS, ZERO_ADDRESS],
  }
  const awardId = chain.digest('Award', award)
  const start = async (by: PrivateKeyAccount) => {
    const acceptance = { requestId, awardId, prover: by.address }
    const acceptanceId = chain.digest('Acceptance', acceptance)
    const started = { ...acceptance, acceptanceId, startedAt: terms.closesAt + 77 }
    const acceptanceSignature = await chain.sign(by, 'Acceptance', acceptance)
    const startSignature = await chain.sign(builder, 'Start', started)
    return { acceptanceSignature, started, startSignature }
  }
  const bidProof = { ...second, path: [won.leaf] }
  return { terms, requestId, award, start, bidProof }
}

/** The packed group of `settle`. */
async function group(chain: Chain, prover: PrivateKeyAccount, nonces: readonly bigint[]) {
  const packed = nonces.map(async (nonce) => {
    const requestId = word(`request ${nonce}`)
    const [payWei, proofHash] = [3_213_456_789_012_345n + nonce, word(`proof ${nonce}`)]
    const deliveredAt = chain.nowS * 1000 + 5_432
    const parties = { builder: builder.address, prover: prover.address }
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
  return concatHex([builder.address, prover.address, count, ...(await Promise.all(packed))])
}

async function measureReceipts(chain: Chain): Promise<Record<string, number>> {
  const provers = Array.from({ length: BATCH }, (_, i) => account(`prover ${i}`))
  const nonces = Array.from({ length: BATCH }, (_, i) => BigInt(0x20_00 + i))
  const each = ({ gas }: Cost): number => Math.ceil(gas / BATCH)
  const all = async (nonce: bigint) =>
    concatHex(await Promise.all(provers.map((prover) => group(chain, prover, [nonce]))))
  const settle = async (from: PrivateKeyAccount, packed: Hex) =>
    chain.settlement(from, 'settle', [packed])
  await settle(winner, await group(chain, winner, [7n]))
  const one = await settle(winner, await group(chain, winner, [0x10_07n]))
  const batch = await settle(winner, await group(chain, winner, nonces))
  await settle(account('relay'), await all(7n))
  const fresh = await settle(account('relay'), await all(0x10_07n))
  const used = await settle(account('relay'), await all(0x10_08n))
  return {
    settleOne: one.gas,
    settle32OfOneProverEach: each(batch),
    settle32Of32ProversByAnotherEach: each(fresh),
    settle32Of32ProversByAnotherInUsedWordsEach: each(used),
  }
}

async function measureJobs(chain: Chain, verifier: Hex): Promise<Record<string, number>> {
  const { claimWindowS } = { claimWindowS: 768 }
  const bound = [{ type: 'string' }, { type: 'bytes32' }, { type: 'address' }] as const
  const proofOf = (job: Awaited<ReturnType<typeof startedJob>>, by: PrivateKeyAccount): Hex => {
    const tag = keccak256(
      encodeAbiParameters(bound, ['bound', job.terms.publicInputsHash, by.address]),
    )
    return encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [by.address, tag])
  }
  const job = async (nonce: bigint, backups: number) => {
    chain.nowS += 3_000
    return startedJob(chain, nonce, verifier, backups)
  }
  type Job = Awaited<ReturnType<typeof job>>
  const commit = async ({ terms, requestId }: Job, by: PrivateKeyAccount, proof: Hex) => {
    const pair = [{ type: 'address' }, { type: 'bytes32' }] as const
    const commitment = keccak256(encodeAbiParameters(pair, [by.address, keccak256(proof)]))
    const atS = Math.ceil(terms.dueAt / 1000) - 2
    return chain.settlement(by, 'commitProof', [requestId, by.address, commitment], { atS })
  }
  const claim = async (it: Job, by: PrivateKeyAccount) => {
    const proof = proofOf(it, by)
    const committed = await commit(it, by, proof)
    const { acceptanceSignature, started, startSignature } = await it.start(by)
    const none = { ...it.bidProof, commitment: ZERO_WORD, path: [] }
    const bid = by === winner ? none : it.bidProof
    const { terms, award } = it
    const args = [terms, award, acceptanceSignature, started, startSignature, bid, proof]
    return { committed, claimed: await chain.settlement(by, 'claim', args) }
  }
  const slash = async (it: Job, by: PrivateKeyAccount) => {
    const { acceptanceSignature, started, startSignature } = await it.start(by)
    const args = [it.terms, acceptanceSignature, started, startSignature]
    const atS = Math.ceil(it.terms.dueAt / 1000) + 2 * claimWindowS
    return chain.settlement(account('relay'), 'slash', args, { atS })
  }
  await slash(await job(0x30_00n, 0), winner) // the first burns into an empty counter
  const slashed = await slash(await job(0x31_00n, 0), winner)
  const again = await slash(await job(0x31_01n, 0), winner)
  await claim(await job(0x32_00n, 1), backup) // the first credits an empty account
  const won = await claim(await job(0x33_00n, 1), winner)
  const lost = await job(0x34_00n, 1)
  const saved = await claim(lost, backup)
  const rescued = await slash(lost, winner)
  return {
    commitProof: saved.committed.gas,
    claimByWinner: won.claimed.gas,
    claimByBackup: saved.claimed.gas,
    slash: again.gas,
    slashInFreshWord: slashed.gas,
    slashWithRescuer: rescued.gas,
  }
}

/** Deploys, runs everything once, and gives the figures by name. */
export async function measure(): Promise<Record<string, number>> {
  buildContracts()
  const chain = await Chain.start()
  try {
    const verifier = await chain.deployTest('BoundVerifier', 'BoundVerifier')
    await chain.settlement(builder, 'depositEscrow', [builder.address], { valueWei: 9n * ETHER })
    await chain.deposit(winner.address, 0, 9n * ETHER)
    await chain.deposit(backup.address, 0, 9n * ETHER)
    return { ...(await measureReceipts(chain)), ...(await measureJobs(chain, verifier)) }
  } finally {
    chain.stop()
  }
}

/** What is wrong with the figures, a line each; none: they are the snapshot and within the ceilings. */
export function compare(
  figures: Record<string, number>,
  snapshot: Record<string, number>,
): string[] {
  const names = new Set([...Object.keys(figures), ...Object.keys(snapshot)])
  const moved = [...names]
    .filter((name) => figures[name] !== snapshot[name])
    .map((name) => `${name}: ${figures[name]}, the snapshot says ${snapshot[name]}`)
  const above = Object.entries(ceilings)
    .filter(([name, most]) => !(figures[name]! <= most))
    .map(([name, most]) => `${name}: ${figures[name]}, may take at most ${most}`)
  return [...moved, ...above]
}

if (import.meta.main) {
  const figures = await measure()
  console.table(figures)
  if (process.argv.includes('--update')) {
    writeFileSync(snapshotFile, `${JSON.stringify(figures, null, 2)}\n`)
  }
  const snapshot = existsSync(snapshotFile) ? JSON.parse(readFileSync(snapshotFile, 'utf8')) : {}
  const wrong = compare(figures, snapshot)
  if (wrong.length > 0) {
    console.error(`${wrong.join('\n')}\nRun node test/contracts/gas.ts --update if that is meant.`)
    process.exitCode = 1
  }
}
