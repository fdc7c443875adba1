/**
 * What the market's and the registry's transactions cost, compared with the committed snapshot and
 * held under ceilings.
 *
 *     node test/contracts/gas.ts            print, compare, fail on any difference
 *     node test/contracts/gas.ts --update   rewrite the snapshot (the ceilings still hold)
 *
 * Figures are `gasUsed` of real transactions on anvil: 21,000 and calldata included. Storage is as
 * in use: escrow, credits, bond and burnt counter are not zero; the bitmap's word is fresh where a
 * name says nothing else.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { concatHex, type Hex } from 'viem'
import { sampleProof } from '#test/support/sample-proof'
import { account, Chain, type Cost } from './chain.ts'
import { measureErrand, sampleVerifierArgs } from './gas-errand.ts'
import { measureSegments, segmentCeilings } from './gas-segments.ts'
import { measureTables } from './gas-tables.ts'
import {
  awardedJob,
  backup,
  boundProver,
  builder,
  claim,
  type Prover,
  receipts,
  slash,
  winner,
} from './jobs.ts'

const snapshotFile = join(import.meta.dirname, 'snapshots/gas.json')
const batchVerifier = 'contracts/src/verifiers/BatchVerifier.sol'
const BATCH = 32
const ETHER = 10n ** 18n

/** Gas by name of what was measured. */
type Figures = Readonly<Record<string, number>>

/** Most gas a transaction may take, or of a batch each receipt. DESIGN section 5. */
const ceilings: Figures = {
  settleOne: 75_000,
  settle32OfOneProverEach: 12_000,
  slashInUsedWord: 80_000,
  slashWithRescuer: 105_000,
  ...segmentCeilings,
}

async function measureReceipts(chain: Chain): Promise<Figures> {
  const provers = Array.from({ length: BATCH }, (_, i) => account(`prover ${i}`))
  const nonces = Array.from({ length: BATCH }, (_, i) => BigInt(0x20_00 + i))
  const each = ({ gas }: Cost): number => Math.ceil(gas / BATCH)
  const all = async (nonce: bigint): Promise<Hex> =>
    concatHex(await Promise.all(provers.map(({ address }) => receipts(chain, address, [nonce]))))
  const own = async (list: readonly bigint[]) =>
    chain.settlement(winner, 'settle', [await receipts(chain, winner.address, list)])
  const relay = async (nonce: bigint) =>
    chain.settlement(account('relay'), 'settle', [await all(nonce)])
  await own([7n]) // the first credits an empty account
  const one = await own([0x10_07n])
  const batch = await own(nonces)
  await relay(7n)
  const fresh = await relay(0x10_07n)
  const used = await relay(0x10_08n)
  return {
    settleOne: one.gas,
    settle32OfOneProverEach: each(batch),
    settle32Of32ProversByAnotherEach: each(fresh),
    settle32Of32ProversByAnotherInUsedWordsEach: each(used),
  }
}

/** Disputes, with the verifier of tests: a real one's own gas comes on top of a claim. */
async function measureJobs(chain: Chain, verifier: Hex): Promise<Figures> {
  const pair = [boundProver(winner, verifier), boundProver(backup, verifier)] as const
  const [first, second] = pair
  const job = (nonce: bigint, backups: number) => awardedJob(chain, nonce, pair, backups)
  await slash(chain, await job(0x30_00n, 0), first) // the first burns into an empty counter
  const alone = await slash(chain, await job(0x31_00n, 0), first)
  const again = await slash(chain, await job(0x31_01n, 0), first)
  await claim(chain, await job(0x32_00n, 1), second) // the first credits an empty one
  const won = await claim(chain, await job(0x33_00n, 1), first)
  const lost = await job(0x34_00n, 1)
  const saved = await claim(chain, lost, second)
  const rescued = await slash(chain, lost, first)
  return {
    commitProof: saved.committed.gas,
    claimByWinner: won.claimed.gas,
    claimByBackup: saved.claimed.gas,
    slash: alone.gas,
    slashInUsedWord: again.gas,
    slashWithRescuer: rescued.gas,
  }
}

/** A claim with the Groth16 proof of a segment, which costs the same whatever it is of. */
async function measureTableClaim(chain: Chain): Promise<Figures> {
  const { segmentHash: publicInputsHash, payee, segmentProof: proof } = sampleProof
  const verifier = await chain.deploy(batchVerifier, sampleVerifierArgs)
  await chain.settlement({ address: payee }, 'setSigner', [winner.address])
  const table: Prover = { verifier, address: payee, signer: winner, publicInputsHash, proof }
  const pair = [table, boundProver(backup, verifier)] as const
  await claim(chain, await awardedJob(chain, 0x40_00n, pair, 1), table)
  const { committed, claimed } = await claim(
    chain,
    await awardedJob(chain, 0x41_00n, pair, 1),
    table,
  )
  return { commitAndClaimOfTable: committed.gas + claimed.gas }
}

/** Deploys, runs everything once, and gives the figures by name. */
async function measure(): Promise<Figures> {
  const chain = await Chain.start()
  try {
    const verifier = await chain.deploy('test/contracts/BoundVerifier.sol', [])
    await chain.settlement(builder, 'depositEscrow', [builder.address], { valueWei: 9n * ETHER })
    await chain.deposit(winner.address, 9n * ETHER)
    await chain.deposit(backup.address, 9n * ETHER)
    // First: its table is good in three blocks only.
    const errand = await measureErrand(chain, verifier)
    const settled = await measureReceipts(chain)
    const disputed = await measureJobs(chain, verifier)
    const claimed = await measureTableClaim(chain)
    return {
      ...settled,
      ...disputed,
      ...claimed,
      ...(await measureTables(chain, verifier)),
      ...errand,
      ...(await measureSegments(chain)),
    }
  } finally {
    await chain.stop()
  }
}

/** What is wrong with the figures, a line each. */
function faults(figures: Figures, snapshot: Figures, claimGas: number): string[] {
  const names = new Set([...Object.keys(figures), ...Object.keys(snapshot)])
  const moved = [...names]
    .filter((name) => figures[name] !== snapshot[name])
    .map((name) => `${name}: ${figures[name]}, the snapshot says ${snapshot[name]}`)
  const above = Object.entries(ceilings)
    .filter(([name, most]) => !(figures[name]! <= most))
    .map(([name, most]) => `${name}: ${figures[name]}, may take at most ${most}`)
  const alone = figures.consumeAlone!
  const crowded = ['consumeBeside10', 'consumeBeside100']
    .filter((name) => !(Math.abs(figures[name]! - alone) <= alone / 100))
    .map((name) => `${name}: ${figures[name]}, more than 1 % from ${alone} alone`)
  // Nobody may earn by claiming.
  const gain = claimGas - figures.commitAndClaimOfTable!
  const paid = gain > 0 ? [`CLAIM_GAS refunds ${gain} more than a claim costs`] : []
  return [...moved, ...above, ...crowded, ...paid]
}

const figures = await measure()
console.table(figures)
if (process.argv.includes('--update')) {
  writeFileSync(snapshotFile, `${JSON.stringify(figures, null, 2)}\n`)
}
const snapshot = existsSync(snapshotFile) ? JSON.parse(readFileSync(snapshotFile, 'utf8')) : {}
const money = JSON.parse(readFileSync(join(import.meta.dirname, '../vectors/money.json'), 'utf8'))
const wrong = faults(figures, snapshot, Number(money.claimGas))
if (wrong.length > 0) {
  console.error(`${wrong.join('\n')}\nnode test/contracts/gas.ts --update takes new figures over.`)
  process.exitCode = 1
}
