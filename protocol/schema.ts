/**
 * Every signed message, field by field: the one place its shape is written down.
 *
 * The same list is the wire layout (one 32-byte ABI word a field or array element), the EIP-712
 * struct that is signed, the TypeScript type below and, checked by `test/vectors/messages.json`,
 * the Solidity struct of the same name. Amounts are wei, instants are milliseconds since the Unix
 * epoch (`uint48`, exact in a JS number); every member has a fixed size, so length alone finds a
 * malformed message.
 */
import type { TypedDataToPrimitiveTypes } from 'abitype'

export const schema = {
  /** The signed terms of one job. Signer: builder. */
  ProofRequest: [
    { name: 'builder', type: 'address' },
    { name: 'nonce', type: 'uint64' },
    { name: 'venue', type: 'address' },
    { name: 'verifier', type: 'address' },
    { name: 'programId', type: 'bytes32' },
    { name: 'publicInputsHash', type: 'bytes32' },
    { name: 'tableDigest', type: 'bytes32' },
    /** Raw Ed25519 public key of the builder's peer id. */
    { name: 'builderPeer', type: 'bytes32' },
    /** The program's own unit: for the ledger circuits, entries of the shape. */
    { name: 'work', type: 'uint64' },
    { name: 'inputBytes', type: 'uint32' },
    { name: 'reserveWei', type: 'uint128' },
    { name: 'latenessWeiPerMs', type: 'uint96' },
    { name: 'bondWei', type: 'uint128' },
    { name: 'claimBaseFeeCapWei', type: 'uint64' },
    { name: 'openedAt', type: 'uint48' },
    { name: 'closesAt', type: 'uint48' },
    { name: 'softDueAt', type: 'uint48' },
    { name: 'dueAt', type: 'uint48' },
    /** One-time X25519 public key the bids are sealed to. */
    { name: 'auctionKey', type: 'bytes32' },
    { name: 'backups', type: 'uint8' },
    { name: 'retryOf', type: 'bytes32' },
    { name: 'bundleId', type: 'bytes32' },
    { name: 'bundleIndex', type: 'uint8' },
    { name: 'bundleSize', type: 'uint8' },
  ],
  /** A prover's sealed price and promise. Signer: prover. */
  Bid: [
    { name: 'requestId', type: 'bytes32' },
    { name: 'prover', type: 'address' },
    { name: 'commitment', type: 'bytes32' },
    { name: 'sealedOpening', type: 'bytes32[3]' },
  ],
  /** The builder's choice. Signer: builder. */
  Award: [
    { name: 'requestId', type: 'bytes32' },
    { name: 'bidId', type: 'bytes32' },
    { name: 'prover', type: 'address' },
    { name: 'priceWei', type: 'uint128' },
    { name: 'readyAt', type: 'uint48' },
    { name: 'bidsRoot', type: 'bytes32' },
    { name: 'bidCount', type: 'uint16' },
    { name: 'auctionSecret', type: 'bytes32' },
    { name: 'backups', type: 'address[3]' },
  ],
  /** "Inputs fetched and checked, I will deliver." Signer: prover. */
  Acceptance: [
    { name: 'requestId', type: 'bytes32' },
    { name: 'awardId', type: 'bytes32' },
    { name: 'prover', type: 'address' },
  ],
  /** From here both are bound. Signer: builder. */
  Start: [
    { name: 'requestId', type: 'bytes32' },
    { name: 'awardId', type: 'bytes32' },
    { name: 'acceptanceId', type: 'bytes32' },
    { name: 'prover', type: 'address' },
    { name: 'startedAt', type: 'uint48' },
  ],
  /** "The proof exists." Signer: prover. */
  Notice: [
    { name: 'requestId', type: 'bytes32' },
    { name: 'prover', type: 'address' },
    { name: 'proofHash', type: 'bytes32' },
    { name: 'readyAt', type: 'uint48' },
  ],
  /** "This proof, at this ms, pay this much." Signer: builder. */
  Receipt: [
    { name: 'builder', type: 'address' },
    { name: 'nonce', type: 'uint64' },
    { name: 'requestId', type: 'bytes32' },
    { name: 'prover', type: 'address' },
    { name: 'payWei', type: 'uint128' },
    { name: 'proofHash', type: 'bytes32' },
    { name: 'deliveredAt', type: 'uint48' },
  ],
  /** "This account speaks through this peer id." Signer: the account. */
  PeerClaim: [
    { name: 'peer', type: 'bytes32' },
    { name: 'account', type: 'address' },
    { name: 'expiresAt', type: 'uint48' },
  ],
} as const

type Messages = TypedDataToPrimitiveTypes<typeof schema>
/** Name of a message. */
export type Kind = keyof Messages
export type Message<K extends Kind = Kind> = Messages[K]

export type Hex = `0x${string}`
/** EIP-712 digest of a message: what is signed, and what names it everywhere. Lower case. */
export type Id = Hex
/** Account address, lower case inside the protocol. */
export type Address = Hex

export type ProofRequest = Message<'ProofRequest'>
export type Bid = Message<'Bid'>
export type Award = Message<'Award'>
export type Acceptance = Message<'Acceptance'>
export type Start = Message<'Start'>
export type Notice = Message<'Notice'>
export type Receipt = Message<'Receipt'>
export type PeerClaim = Message<'PeerClaim'>

/**
 * Fields of an EIP-712 domain. Chain and contract are what every signature is bound to (EIP-712
 * section "Definition of domainSeparator").
 */
export const domainFields = [
  { name: 'name', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'chainId', type: 'uint256' },
  { name: 'verifyingContract', type: 'address' },
] as const

/** Where messages are good: one chain, one `Settlement`. */
export type Domain = { readonly chainId: number; readonly settlement: Address }
export const DOMAIN_NAME = 'Proofwire'
export const DOMAIN_VERSION = '1'

/** The address of nobody: an empty backup slot, no rescuer. */
export const ZERO_ADDRESS: Address = `0x${'00'.repeat(20)}`
/** The word of nothing: no retry, no bundle. */
export const ZERO_WORD: Hex = `0x${'00'.repeat(32)}`
