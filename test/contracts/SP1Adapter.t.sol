// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISP1Verifier} from "../../contracts/src/interfaces/ISP1Verifier.sol";
import {SP1Adapter, SP1PayeeAdapter} from "../../contracts/src/verifiers/SP1Adapter.sol";
import {WrappedVerifier} from "../../contracts/src/verifiers/WrappedVerifier.sol";
import {AdapterCases} from "./AdapterCases.sol";

/// @notice Adapters to SP1's verifiers.
contract SP1AdapterTest is AdapterCases {
    function plain(address wrapped, bytes32 program) internal override returns (WrappedVerifier) {
        return new SP1Adapter(ISP1Verifier(wrapped), program);
    }

    function paid(address wrapped, bytes32 program) internal override returns (address) {
        return address(new SP1PayeeAdapter(ISP1Verifier(wrapped), program));
    }
}
