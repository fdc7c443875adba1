// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IMessages} from "../interfaces/IMessages.sol";

/// @title EIP-712 struct hashes of the messages the chain reads
/// @notice Type strings follow `protocol/schema.ts`; `test/vectors/messages.json` compares the two.
/// @dev Structs of value types only are hashed straight from calldata: their ABI encoding is their
/// EIP-712 encoding. Words with dirty upper bits give a digest nobody signed; fields that are used
/// are checked by the compiler when they are read.
library Messages {
    bytes32 internal constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 internal constant PROOF_REQUEST_TYPEHASH = keccak256(
        "ProofRequest(address builder,uint64 nonce,address venue,address verifier,"
        "bytes32 programId,bytes32 publicInputsHash,bytes32 tableDigest,bytes32 builderPeer,"
        "uint64 work,uint32 inputBytes,"
        "uint128 reserveWei,uint96 latenessWeiPerMs,uint128 bondWei,uint64 claimBaseFeeCapWei,"
        "uint48 openedAt,uint48 closesAt,uint48 softDueAt,uint48 dueAt,bytes32 auctionKey,"
        "uint8 backups,bytes32 retryOf,bytes32 bundleId,uint8 bundleIndex,uint8 bundleSize)"
    );
    bytes32 internal constant BID_TYPEHASH = keccak256(
        "Bid(bytes32 requestId,address prover,bytes32 commitment,bytes32[3] sealedOpening)"
    );
    bytes32 internal constant AWARD_TYPEHASH = keccak256(
        "Award(bytes32 requestId,bytes32 bidId,address prover,uint128 priceWei,uint48 readyAt,"
        "bytes32 bidsRoot,uint16 bidCount,bytes32 auctionSecret,address[3] backups)"
    );
    bytes32 internal constant ACCEPTANCE_TYPEHASH =
        keccak256("Acceptance(bytes32 requestId,bytes32 awardId,address prover)");
    bytes32 internal constant START_TYPEHASH = keccak256(
        "Start(bytes32 requestId,bytes32 awardId,bytes32 acceptanceId,address prover,"
        "uint48 startedAt)"
    );
    bytes32 internal constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(address builder,uint64 nonce,bytes32 requestId,address prover,uint128 payWei,"
        "bytes32 proofHash,uint48 deliveredAt)"
    );

    /// @return separator EIP-712 domain separator of `settlement` on the current chain.
    function domainSeparator(address settlement) internal view returns (bytes32 separator) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPEHASH, keccak256("Proofwire"), keccak256("1"), block.chainid, settlement
            )
        );
    }

    /// @return id The EIP-712 digest of a struct hash: what is signed, and the message's name
    /// everywhere.
    function digest(bytes32 separator, bytes32 structHash) internal pure returns (bytes32 id) {
        // Scratch space: 2 bytes of prefix, then two words; the third reaches 2 bytes into the free
        // memory pointer, which is put back.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(0x00, hex"1901")
            mstore(0x02, separator)
            mstore(0x22, structHash)
            id := keccak256(0x00, 0x42)
            mstore(0x40, free)
        }
    }

    function hash(IMessages.ProofRequest calldata request)
        internal
        pure
        returns (bytes32 structHash)
    {
        bytes32 typeHash = PROOF_REQUEST_TYPEHASH;
        assembly ("memory-safe") {
            let memory_ := mload(0x40)
            mstore(memory_, typeHash)
            calldatacopy(add(memory_, 0x20), request, 768) // 24 fields
            structHash := keccak256(memory_, 800)
        }
    }

    function hash(IMessages.Start calldata start) internal pure returns (bytes32 structHash) {
        bytes32 typeHash = START_TYPEHASH;
        assembly ("memory-safe") {
            let memory_ := mload(0x40)
            mstore(memory_, typeHash)
            calldatacopy(add(memory_, 0x20), start, 160) // 5 fields
            structHash := keccak256(memory_, 192)
        }
    }

    function hash(IMessages.Award calldata award) internal pure returns (bytes32 structHash) {
        bytes32 typeHash = AWARD_TYPEHASH;
        assembly ("memory-safe") {
            let memory_ := mload(0x40)
            mstore(memory_, typeHash)
            calldatacopy(add(memory_, 0x20), award, 352) // 8 fields, then the 3 backups
            // EIP-712: an array is the hash of its elements, here in the first element's place.
            mstore(add(memory_, 288), keccak256(add(memory_, 288), 96))
            structHash := keccak256(memory_, 320)
        }
    }

    function hash(IMessages.Bid memory bid) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                BID_TYPEHASH,
                bid.requestId,
                bid.prover,
                bid.commitment,
                keccak256(abi.encode(bid.sealedOpening))
            )
        );
    }

    function hash(IMessages.Acceptance memory acceptance) internal pure returns (bytes32) {
        return keccak256(abi.encode(ACCEPTANCE_TYPEHASH, acceptance));
    }

    function hash(IMessages.Receipt memory receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(RECEIPT_TYPEHASH, receipt));
    }

    /// @notice Leaf of an award's `bidsRoot`: 96 bytes before hashing, so no inner node can pose as
    /// one.
    function leaf(bytes32 bidId, uint128 priceWei, uint48 readyAt) internal pure returns (bytes32) {
        return keccak256(abi.encode(bidId, priceWei, readyAt));
    }
}
