// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITableVenue} from "../../contracts/src/interfaces/IRollups.sol";
import {ITables} from "../../contracts/src/interfaces/ITables.sol";
import {IVerifier} from "../../contracts/src/interfaces/IVerifier.sol";

/// @notice Posts whatever its proofs verify, and remembers what it was given: a venue whose tables
/// can be any bytes, so that a fuzzed history can post to it.
contract PlainVenue is ITableVenue {
    error Refused(uint256 proof);

    bytes32 public given;
    uint256 public posts;

    function post(bytes32 digest, bytes calldata table, TableProof[] calldata proofs) external {
        for (uint256 i = 0; i < proofs.length; i++) {
            TableProof calldata one = proofs[i];
            if (!IVerifier(one.verifier).verify(one.proof, one.publicInputsHash)) revert Refused(i);
        }
        given = keccak256(abi.encode(digest, table, proofs));
        posts++;
        emit Recorded(digest, msg.sender);
    }
}

/// @notice Looks at nothing.
contract IdleVenue is ITableVenue {
    function post(bytes32, bytes calldata, TableProof[] calldata) external {}
}

/// @notice Does something else first: what it was told to, with whatever comes of it.
contract ReenteringVenue is ITables {
    address private target;
    bytes private data;
    bool public done;

    function prepare(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function post(bytes32, bytes calldata, TableProof[] calldata) external {
        bytes memory once = data;
        if (once.length == 0) return;
        delete data;
        (done,) = target.call(once);
    }
}
