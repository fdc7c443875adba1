// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title A verifier of validity proofs
/// @notice The one question every generation of execution-table contracts asks of a verifier.
interface IVerifier {
    /// @param proof The proof's bytes, in whatever encoding this verifier defines.
    /// @param publicInputsHash Hash of everything the proof is about.
    /// @return Whether the proof proves that statement. Malformed proofs answer false, or revert.
    function verify(bytes calldata proof, bytes32 publicInputsHash) external view returns (bool);
}

/// @title A verifier whose proofs name who made them
/// @notice The payee is inside the proof's challenge, so a copied proof pays only the one it was
/// made for.
interface IPayeeVerifier is IVerifier {
    /// @param publicInputsHash What was asked for. A proof may answer several statements, each made
    /// by somebody else.
    /// @return The address the proof of that statement is bound to; `verify` fails for the same
    /// bytes with another payee. Zero where the proof does not answer it.
    function payeeOf(bytes calldata proof, bytes32 publicInputsHash)
        external
        view
        returns (address);
}
