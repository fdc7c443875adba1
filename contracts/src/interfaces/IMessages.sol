// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The signed messages the chain reads
/// @notice Field for field the structs of `protocol/schema.ts`; `test/vectors/messages.json` holds
/// both languages to the same EIP-712 type strings and digests. Amounts are wei; instants are
/// milliseconds since the Unix epoch. EIP-712 domain: name "Proofwire", version "1", chainId,
/// verifyingContract = Settlement.
interface IMessages {
    struct ProofRequest {
        address builder;
        uint64 nonce;
        address venue;
        address verifier;
        bytes32 programId;
        bytes32 publicInputsHash;
        bytes32 tableDigest;
        bytes32 builderPeer;
        uint64 work;
        uint32 inputBytes;
        uint128 reserveWei;
        uint96 latenessWeiPerMs;
        uint128 bondWei;
        uint64 claimBaseFeeCapWei;
        uint48 openedAt;
        uint48 closesAt;
        uint48 softDueAt;
        uint48 dueAt;
        bytes32 auctionKey;
        uint8 backups;
        bytes32 retryOf;
        bytes32 bundleId;
        uint8 bundleIndex;
        uint8 bundleSize;
    }

    struct Bid {
        bytes32 requestId;
        address prover;
        bytes32 commitment;
        bytes32[3] sealedOpening;
    }

    struct Award {
        bytes32 requestId;
        bytes32 bidId;
        address prover;
        uint128 priceWei;
        uint48 readyAt;
        bytes32 bidsRoot;
        uint16 bidCount;
        bytes32 auctionSecret;
        address[3] backups;
    }

    struct Acceptance {
        bytes32 requestId;
        bytes32 awardId;
        address prover;
    }

    struct Start {
        bytes32 requestId;
        bytes32 awardId;
        bytes32 acceptanceId;
        address prover;
        uint48 startedAt;
    }

    struct Receipt {
        address builder;
        uint64 nonce;
        bytes32 requestId;
        address prover;
        uint128 payWei;
        bytes32 proofHash;
        uint48 deliveredAt;
    }
}
