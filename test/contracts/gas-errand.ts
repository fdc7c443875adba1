/**
 * The whole of an errand, with its Groth16 proof: a contract on L1 calls its account on a rollup,
 * which pays another contract on L1 and answers. `test/support/ledger-sample.ts` has its table,
 * `test/vectors/table-proof.json` the proof, which the tiny development key checks.
 */
import { concatHex, encodeAbiParameters, encodeFunctionData, type Hex, parseAbi, toHex } from 'viem'
import { verifierConstructorArgs } from '#protocol/proof'
import type { Address } from '#protocol/schema'
import { encodeTable } from '#protocol/table'
import type { ProgramName } from '#protocol/words'
import { shapes } from '#prover-agent/circuits/shapes'
import {
  errand,
  owner as errandAddress,
  program,
  type Sample,
  sample,
  till,
} from '#test/support/ledger-sample'
import { sampleKey, sampleProof } from '#test/support/sample-proof'
import type { Call, Chain, Sender } from './chain.ts'
import {
  awardedJob,
  backup,
  boundProver,
  DELIVERY_S,
  type Prover,
  settleOnPost,
  winner,
} from './jobs.ts'
import { callee, PING, Registry, user } from './registry.ts'

const batchAbi = parseAbi(['function execute(bytes32 mode, bytes data) payable'])
const errandAbi = parseAbi(['function open(address account)', 'function run(uint256 amountWei)'])
/** ERC-7821: a single batch, all or nothing. */
const BATCH_MODE: Hex = `0x01${'00'.repeat(31)}`
const callTypes = [
  { name: 'target', type: 'address' },
  { name: 'value', type: 'uint256' },
  { name: 'data', type: 'bytes' },
] as const

/** One transaction of an account that has taken on `BatchAccount`'s code before. */
function batch(from: Sender, calls: readonly Pick<Call, 'to' | 'data'>[]): Call {
  const list = calls.map(({ to, data }) => ({ target: to, value: 0n, data }))
  const encoded = encodeAbiParameters([{ type: 'tuple[]', components: callTypes }], [list])
  const args = [BATCH_MODE, encoded] as const
  const data = encodeFunctionData({ abi: batchAbi, functionName: 'execute', args })
  return { from, to: from.address, data }
}

/** Arguments of the constructor of a verifier that takes the committed proof. */
export const sampleVerifierArgs = verifierConstructorArgs([sampleKey])

/** Puts a contract where the sample has it. */
async function put(chain: Chain, address: Address, file: string, args: readonly unknown[]) {
  const bytecode = await chain.client.getCode({ address: await chain.deploy(file, args) })
  await chain.client.setCode({ address, bytecode: bytecode! })
}

/**
 * Everything the sample speaks of: contracts where it has them, rollup 1 at its root with the ether
 * that it sends away, and an executor that runs batches.
 * @returns `run`: what the table is for.
 */
async function openRollup(
  chain: Chain,
  bound: Address,
  { table, terms }: Pick<Sample, 'table' | 'terms'>,
  speaker: ProgramName,
): Promise<{ registry: Registry; run: Call }> {
  const { action, next, deltas } = table.entries[0]!
  await put(chain, terms.verifier, 'contracts/src/verifiers/BatchVerifier.sol', sampleVerifierArgs)
  await put(chain, terms.venue, 'contracts/src/Rollups.sol', [])
  await put(chain, till, 'contracts/src/examples/Till.sol', [])
  await put(chain, errandAddress, 'contracts/src/examples/Errand.sol', [till])
  const batchAccount = await chain.deploy('contracts/src/BatchAccount.sol', [])
  const delegation = concatHex(['0xef0100', batchAccount]) // EIP-7702
  await chain.client.setCode({ address: table.executor, bytecode: delegation })

  const registry = new Registry(chain, terms.venue, bound)
  await registry.register()
  const paid = registry.posting([registry.entry(registry.root, registry.newRoot(), next.value)])
  const purse = await registry.proxy(callee)
  const deposit = { from: user, to: purse, data: PING, valueWei: next.value }
  await chain.inOneBlock([paid.post, deposit])
  await registry.hand(speaker, deltas[0]!.rootBefore)
  const toErrand = (data: Hex) => ({ from: user, to: errandAddress, data })
  const args = [await registry.proxy(action.destination)] as const
  await chain.send(toErrand(encodeFunctionData({ abi: errandAbi, functionName: 'open', args })))
  const amount = [next.value] as const
  const data = encodeFunctionData({ abi: errandAbi, functionName: 'run', args: amount })
  return { registry, run: toErrand(data) }
}

/**
 * Posted and called in one transaction, and posted, called and its prover paid in one. Leaves the
 * chain as it was.
 * @param bound A `BoundVerifier`: it speaks for the rollup until that holds what it sends.
 */
export async function measureErrand(
  chain: Chain,
  bound: Address,
): Promise<Readonly<Record<string, number>>> {
  const { client } = chain
  const start = await client.snapshot()
  const { keyId, programId, payee, ...proven } = sampleProof
  const of = { ...program, programId }
  const errandOf = sample(shapes.tiny.depth, errand, { of, key: keyId })
  const { table, terms } = errandOf
  if (proven.segmentHash !== terms.publicInputsHash) throw new Error('no proof of the sample')
  const { registry, run } = await openRollup(chain, bound, errandOf, of)
  const executor = { address: table.executor }
  await chain.settlement({ address: payee }, 'setSigner', [winner.address])
  // viem may give a number that it has asked for before, and every transaction has made a block.
  const number = Number(await client.getBlockNumber({ cacheTime: 0 }))
  const blocks = table.firstBlock - 1 - number
  if (blocks < 1) throw new Error(`block ${table.firstBlock} of the sample is over`)
  await client.mine({ blocks })

  const bytes = toHex(encodeTable(table))
  const { verifier, tableDigest } = terms
  const { publicInputsHash, tableProof } = proven
  const posting = { programId, publicInputsHash, proof: tableProof }
  const proofs = [{ verifier, ...posting }]
  const post = registry.call(executor, 'post', [tableDigest, bytes, proofs])
  const before = await client.snapshot()
  const posted = await chain.send(batch(executor, [post, run]))
  await client.revert({ id: before })

  const prover: Prover = {
    verifier,
    address: payee,
    signer: winner,
    publicInputsHash: terms.publicInputsHash,
    proof: proven.segmentProof,
    posted: posting,
    terms,
  }
  const job = await awardedJob(chain, 0x60_00n, [prover, boundProver(backup, bound)], 1)
  const settle = {
    to: chain.settlementAddress,
    data: await settleOnPost(chain, job, prover, bytes),
  }
  const atS = Math.ceil(job.terms.openedAt / 1000) + DELIVERY_S
  const settled = await chain.send(batch(executor, [settle, run]), atS)
  await client.revert({ id: start })
  return { postAndCallOfErrand: posted.gas, postSettleAndCallOfErrand: settled.gas }
}
