// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRiscZeroVerifier} from "../../contracts/src/interfaces/IRiscZeroVerifier.sol";
import {ISP1Verifier} from "../../contracts/src/interfaces/ISP1Verifier.sol";

/// @notice Behaves as the verifiers of SP1 and RISC Zero do: silent for the one proof it knows,
/// a revert for any other. The proof is a hash of what is proven.
contract KnowingVerifier is ISP1Verifier, IRiscZeroVerifier {
    error InvalidProof();

    function proofOf(bytes32 program, bytes32 journalDigest) public pure returns (bytes memory) {
        return abi.encode(keccak256(abi.encode("known", program, journalDigest)));
    }

    function verifyProof(bytes32 vKey, bytes calldata publicValues, bytes calldata proofBytes)
        external
        pure
    {
        _check(proofBytes, vKey, sha256(publicValues));
    }

    function verify(bytes calldata seal, bytes32 imageId, bytes32 journalDigest) external pure {
        _check(seal, imageId, journalDigest);
    }

    function _check(bytes calldata proof, bytes32 program, bytes32 digest) private pure {
        if (keccak256(proof) != keccak256(proofOf(program, digest))) revert InvalidProof();
    }
}

/// @notice Misbehaves on purpose, once it is switched on: before, it refuses everything.
contract HostileVerifier {
    enum Way {
        Refuse,
        Stop,
        Work,
        ReturnTrue,
        ReturnFalse,
        ReturnFlood,
        RevertFlood,
        BurnGas
    }

    /// @dev What an honest verifier takes.
    uint256 private constant WORK_GAS = 500_000;

    Way public way;

    function become(Way way_) external {
        way = way_;
    }

    fallback() external {
        Way now_ = way;
        if (now_ == Way.Refuse) revert();
        if (now_ == Way.BurnGas) {
            while (true) {}
        }
        uint256 before = gasleft();
        while (now_ == Way.Work && before - gasleft() < WORK_GAS) {}
        assembly {
            switch now_
            case 1 { stop() }
            case 2 { stop() }
            case 3 {
                mstore(0, 1)
                return(0, 32)
            }
            case 4 {
                mstore(0, 0)
                return(0, 32)
            }
            case 5 { return(0, 500000) }
            default { revert(0, 500000) }
        }
    }
}
