/**
 * What verifying a table in segments costs: each further proof, and each word. Proofs are forged
 * under a key whose trapdoor is known; the arithmetic is that of any other.
 */
import { encodeFunctionData, type Hex, toHex } from 'viem'
import { iBatchVerifierAbi } from '#contracts/abi'
import { verifierConstructorArgs } from '#protocol/proof'
import { wordCount } from '#protocol/words'
import { forgedKey, forgedTableProof } from '#test/support/forged-proof'
import { account, type Chain } from './chain.ts'

const ROOM = 64
const COUNTS = [1, 2, 4, 8, 16, 32] as const
const TRANSACTION_GAS = 21_000
/** Of a word of zeros. */
const ZERO_WORD_GAS = 32 * 4

/**
 * Gas of so many proofs, their calldata included, without what their words cost; and of a word,
 * without its calldata, which the table's own fields decide.
 */
export async function measureSegments(chain: Chain): Promise<Readonly<Record<string, number>>> {
  const key = forgedKey(ROOM)
  const file = 'contracts/src/verifiers/BatchVerifier.sol'
  const verifier = await chain.deploy(file, verifierConstructorArgs([key]))
  const sender = account('verifying')
  const verify = async (entries: readonly number[]): Promise<number> => {
    const words = Array.from({ length: wordCount(entries.reduce((a, b) => a + b)) }, () => 0n)
    const made = forgedTableProof(words, key, entries, sender.address.toLowerCase() as Hex)
    const args = [toHex(made.proof), made.publicInputsHash] as const
    const call = { abi: iBatchVerifierAbi, functionName: 'verify', args } as const
    if (!(await chain.client.readContract({ address: verifier, ...call })))
      throw new Error('a proof was refused')
    const { gas } = await chain.send({ from: sender, to: verifier, data: encodeFunctionData(call) })
    return gas - TRANSACTION_GAS - ZERO_WORD_GAS * words.length
  }
  const [short, long] = [await verify([1]), await verify([ROOM])]
  const eachWord = (long - short) / (wordCount(ROOM) - wordCount(1))
  const figures: Record<string, number> = { verifyEachWord: Math.ceil(eachWord) }
  for (const count of COUNTS) {
    const entries = Array.from({ length: count }, () => 1)
    // Each segment reads the header again.
    const read = wordCount(count) + 8 * (count - 1)
    figures[`verify${count}Proofs`] = Math.round((await verify(entries)) - eachWord * read)
  }
  return figures
}

/** Most gas that so many proofs of one circuit may take, and a word. */
export const segmentCeilings: Readonly<Record<string, number>> = {
  verifyEachWord: 140,
  ...Object.fromEntries(
    COUNTS.map((count) => [`verify${count}Proofs`, 255_000 + 57_000 * (count - 1)]),
  ),
}
