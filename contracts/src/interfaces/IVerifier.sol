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
    /// @return The address the proof is bound to; `verify` fails for the same bytes with another
    /// payee.
    function payeeOf(bytes calldata proof) external pure returns (address);
}
