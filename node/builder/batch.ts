/**
 * What is sent to L1 as one transaction: the table is posted, then the user's own calls are made,
 * all by the user's account, which `BatchAccount` lets do several things at once (EIP-7702).
 */
import { encodeAbiParameters, encodeFunctionData, parseAbi, parseAbiParameters } from 'viem/utils'
import { rollupsAbi } from '#contracts/abi'
import { toHex } from '#protocol/field'
import type { Address, Hex } from '#protocol/schema'
import { type Table, tableDigest } from '#protocol/table'
import { type ProgramName, publicInputsHash, tableWords } from '#protocol/words'

/** One call of a batch. */
export type Call = { readonly to: Address; readonly data: Hex; readonly valueWei: bigint }

/** A proof as `IRollups.post` takes it. */
export type ProgramProof = ProgramName & { readonly publicInputsHash: Hex; readonly proof: Hex }

/** What a proof is asked for: a program, and the hash of the table's words as it sees them. */
export type ProofDemand = Omit<ProgramProof, 'proof'>

/**
 * The proofs a table needs, in the order `post` takes them: one for each distinct program.
 *
 * @throws RangeError as `tableWords`.
 */
export function proofDemands(table: Table): ProofDemand[] {
  const nameOf = ({ verifier, programId }: ProgramName) => `${verifier}${programId}`.toLowerCase()
  // A map keeps the place of a key's first naming.
  const distinct = new Map(table.programs.map((one) => [nameOf(one), one]))
  return [...distinct.values()].map(({ verifier, programId }) => {
    const words = tableWords(table, { verifier, programId })
    return { verifier, programId, publicInputsHash: publicInputsHash(words) }
  })
}

/** The call that posts a table. `proofs` in the order of `proofDemands`. */
export const postCall = (
  registry: Address,
  canonical: Uint8Array,
  proofs: readonly ProgramProof[],
): Call => ({
  to: registry,
  data: encodeFunctionData({
    abi: rollupsAbi,
    functionName: 'post',
    args: [tableDigest(canonical), toHex(canonical), proofs],
  }),
  valueWei: 0n,
})

const erc7821Abi = parseAbi(['function execute(bytes32 mode, bytes executionData) payable'])
const executions = parseAbiParameters('(address target, uint256 value, bytes callData)[]')
/** A batch, all of which reverts when one of its calls does; nothing is signed besides. */
const BATCH_MODE: Hex = `0x01${'00'.repeat(31)}`

/** Data of the call an account makes to itself to have all of `calls` made (ERC-7821). */
export function batchData(calls: readonly Call[]): Hex {
  const batch = calls.map(({ to, data, valueWei }) => ({
    target: to,
    value: valueWei,
    callData: data,
  }))
  const args = [BATCH_MODE, encodeAbiParameters(executions, [batch])] as const
  return encodeFunctionData({ abi: erc7821Abi, functionName: 'execute', args })
}

/** Code of an account that is delegated to a contract (EIP-7702). */
export const delegationTo = (contract: Address): Hex => `0xef0100${contract.slice(2).toLowerCase()}`
