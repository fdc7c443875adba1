// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title What RISC Zero's verifier contracts and their router are asked
interface IRiscZeroVerifier {
    /// @notice Reverts unless the seal shows that this image ended well with this journal.
    function verify(bytes calldata seal, bytes32 imageId, bytes32 journalDigest) external view;
}
