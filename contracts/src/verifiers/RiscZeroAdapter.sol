// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRiscZeroVerifier} from "../interfaces/IRiscZeroVerifier.sol";
import {IPayeeVerifier, IVerifier} from "../interfaces/IVerifier.sol";
import {WrappedVerifier} from "./WrappedVerifier.sol";

/// @dev Asks RISC Zero's verifier or router about one image. It is told the journal by its SHA-256:
/// the bytes the guest committed to, one after the other (`env::commit_slice`, not `env::commit`,
/// which serialises).
abstract contract RiscZeroQuestion is WrappedVerifier {
    function _question(bytes memory journal, bytes memory seal)
        internal
        view
        override
        returns (bytes memory)
    {
        return abi.encodeCall(IRiscZeroVerifier.verify, (seal, programId, sha256(journal)));
    }
}

/// @title Verifier of RISC Zero proofs that bind no payee
/// @notice The guest commits to the public inputs hash, 32 bytes. A proof is RISC Zero's seal with
/// its selector before it (`encode_seal`).
contract RiscZeroAdapter is RiscZeroQuestion {
    /// @param imageId Digest of the guest's memory image; our program id.
    constructor(IRiscZeroVerifier verifier, bytes32 imageId)
        WrappedVerifier(address(verifier), imageId)
    {}

    /// @inheritdoc IVerifier
    function verify(bytes calldata proof, bytes32 publicInputsHash) external view returns (bool) {
        return _verifyHash(proof, publicInputsHash);
    }
}

/// @title Verifier of RISC Zero proofs that name their payee
/// @notice The guest commits to the public inputs hash and the payee, 52 bytes. A proof is
/// `payee(20) ‖ seal`.
contract RiscZeroPayeeAdapter is RiscZeroQuestion, IPayeeVerifier {
    /// @param imageId Digest of the guest's memory image; our program id.
    constructor(IRiscZeroVerifier verifier, bytes32 imageId)
        WrappedVerifier(address(verifier), imageId)
    {}

    /// @inheritdoc IVerifier
    function verify(bytes calldata proof, bytes32 publicInputsHash) external view returns (bool) {
        return _verifyHashAndPayee(proof, publicInputsHash);
    }

    /// @inheritdoc IPayeeVerifier
    /// @dev Reverts for fewer bytes than an address has.
    function payeeOf(bytes calldata proof, bytes32) external pure returns (address) {
        return address(bytes20(proof[:PAYEE_BYTES]));
    }
}
