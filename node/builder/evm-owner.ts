/**
 * Proofs of an EVM rollup: the owner's word. It signs what `SignatureVerifier.sol` checks, after it
 * has run every entry of the table again.
 */
import { encodeAbiParameters, hashMessage, keccak256 } from 'viem/utils'
import { fromHex, toHex } from '#protocol/field'
import type { Address, Hex } from '#protocol/schema'
import { accountOf, recover, signDigest } from '#protocol/signature'

const OWNER_TAG = 'proofwire/owner/1'

/** The program an owner is: keccak256(abi.encode(tag, owner)). */
export const ownerProgramId = (owner: Address): Hex =>
  keccak256(encodeAbiParameters([{ type: 'string' }, { type: 'address' }], [OWNER_TAG, owner]))

/** The program of the owner with this private key. @throws when the key is none. */
export const programOfKey = (ownerKey: Hex): Hex => ownerProgramId(accountOf(fromHex(ownerKey)))

/** What is signed about one statement: where it is checked, and what it says. */
export type OwnerStatement = {
  readonly chainId: number
  readonly verifier: Address
  readonly publicInputsHash: Hex
}

function ownerDigest({ chainId, verifier, publicInputsHash }: OwnerStatement): Uint8Array {
  const types = [
    { type: 'string' },
    { type: 'uint256' },
    { type: 'address' },
    { type: 'bytes32' },
  ] as const
  const values = [OWNER_TAG, BigInt(chainId), verifier, publicInputsHash] as const
  return fromHex(hashMessage({ raw: keccak256(encodeAbiParameters(types, values)) }))
}

/** The proof's bytes. @throws when the key is none. */
export const signStatement = (statement: OwnerStatement, ownerKey: Hex): Hex =>
  toHex(signDigest(ownerDigest(statement), fromHex(ownerKey)))

/** Whether `proof` is the word of the owner whose program is `programId`. Never throws. */
export function checkStatement(statement: OwnerStatement, programId: Hex, proof: Hex): boolean {
  const signer = recover(ownerDigest(statement), fromHex(proof))
  return signer !== null && ownerProgramId(signer) === programId
}
