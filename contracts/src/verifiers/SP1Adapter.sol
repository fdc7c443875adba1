// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISP1Verifier} from "../interfaces/ISP1Verifier.sol";
import {IPayeeVerifier, IVerifier} from "../interfaces/IVerifier.sol";
import {WrappedVerifier} from "./WrappedVerifier.sol";

/// @dev Asks SP1's verifier or gateway about one program. The public values are the bytes the guest
/// committed to, one after the other (`commit_slice`, not `commit`, which serialises).
abstract contract SP1Question is WrappedVerifier {
    function _question(bytes memory journal, bytes memory seal)
        internal
        view
        override
        returns (bytes memory)
    {
        return abi.encodeCall(ISP1Verifier.verifyProof, (programId, journal, seal));
    }
}

/// @title Verifier of SP1 proofs that bind no payee
/// @notice The guest commits to the public inputs hash, 32 bytes. A proof is SP1's own
/// (`SP1ProofWithPublicValues::bytes()`), Groth16 or PLONK.
contract SP1Adapter is SP1Question {
    /// @param programVKey The guest's key as SP1 prints it (`vk.bytes32()`); our program id.
    constructor(ISP1Verifier verifier, bytes32 programVKey)
        WrappedVerifier(address(verifier), programVKey)
    {}

    /// @inheritdoc IVerifier
    function verify(bytes calldata proof, bytes32 publicInputsHash) external view returns (bool) {
        return _verifyHash(proof, publicInputsHash);
    }
}

/// @title Verifier of SP1 proofs that name their payee
/// @notice The guest commits to the public inputs hash and the payee, 52 bytes. A proof is
/// `payee(20) ‖ SP1's own proof`.
contract SP1PayeeAdapter is SP1Question, IPayeeVerifier {
    /// @param programVKey The guest's key as SP1 prints it (`vk.bytes32()`); our program id.
    constructor(ISP1Verifier verifier, bytes32 programVKey)
        WrappedVerifier(address(verifier), programVKey)
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
