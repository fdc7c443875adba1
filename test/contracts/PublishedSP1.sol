// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISP1Verifier} from "../../contracts/src/interfaces/ISP1Verifier.sol";
import {SP1Question} from "../../contracts/src/verifiers/SP1Adapter.sol";
import {WrappedVerifier} from "../../contracts/src/verifiers/WrappedVerifier.sol";

/// @notice The adapter, for proofs whose guests committed to something else than a hash of ours:
/// the ones SP1 publishes.
contract PublishedSP1 is SP1Question {
    constructor(ISP1Verifier verifier, bytes32 programVKey)
        WrappedVerifier(address(verifier), programVKey)
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
