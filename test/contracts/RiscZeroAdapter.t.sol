// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRiscZeroVerifier} from "../../contracts/src/interfaces/IRiscZeroVerifier.sol";
import {RiscZeroAdapter, RiscZeroPayeeAdapter} from "../../contracts/src/verifiers/RiscZeroAdapter.sol";
import {WrappedVerifier} from "../../contracts/src/verifiers/WrappedVerifier.sol";
import {AdapterCases} from "./AdapterCases.sol";

/// @notice Adapters to RISC Zero's verifiers.
contract RiscZeroAdapterTest is AdapterCases {
    function plain(address wrapped, bytes32 program) internal override returns (WrappedVerifier) {
        return new RiscZeroAdapter(IRiscZeroVerifier(wrapped), program);
    }

    function paid(address wrapped, bytes32 program) internal override returns (address) {
        return address(new RiscZeroPayeeAdapter(IRiscZeroVerifier(wrapped), program));
    }
}
