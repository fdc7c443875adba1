// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRiscZeroVerifier} from "../../contracts/src/interfaces/IRiscZeroVerifier.sol";
import {RiscZeroQuestion} from "../../contracts/src/verifiers/RiscZeroAdapter.sol";
import {WrappedVerifier} from "../../contracts/src/verifiers/WrappedVerifier.sol";

/// @notice The adapter, for proofs whose guests committed to something else than a hash of ours:
/// the ones RISC Zero publishes.
contract PublishedRiscZero is RiscZeroQuestion {
    constructor(IRiscZeroVerifier verifier, bytes32 imageId)
        WrappedVerifier(address(verifier), imageId)
    {}

    function verifyJournal(bytes calldata proof, bytes calldata journal)
        external
        view
        returns (bool)
    {
        return _accepts(journal, proof);
    }

    function verify(bytes calldata proof, bytes32 publicInputsHash) external view returns (bool) {
        return _verifyHash(proof, publicInputsHash);
    }
}
