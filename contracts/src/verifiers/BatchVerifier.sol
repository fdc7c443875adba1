// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BatchVerification} from "./BatchVerification.sol";
import {CircuitKeys, VerificationKey} from "./CircuitKeys.sol";

/// @title Verifier of table proofs, with its keys
/// @notice What is deployed is the code of `BatchVerification` and behind it the keys: see
/// `IBatchVerifier` for what it answers. Equal keys make equal code, so provers, who know a
/// verifier by the hash of its code, know it on every chain.
contract BatchVerifier {
    /// @param keys Of circuits for the same statement, all from one phase 1; at most 8. Development
    /// keys, whose trapdoor is published, are refused except on development chains.
    constructor(VerificationKey[] memory keys) {
        bytes memory code =
            bytes.concat(type(BatchVerification).runtimeCode, CircuitKeys.pack(keys));
        assembly ("memory-safe") {
            return(add(code, 0x20), mload(code))
        }
    }
}
