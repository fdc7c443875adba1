// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title What SP1's verifier contracts and their gateway are asked
interface ISP1Verifier {
    /// @notice Reverts unless the proof shows that this program ended well with these public
    /// values.
    function verifyProof(
        bytes32 programVKey,
        bytes calldata publicValues,
        bytes calldata proofBytes
    ) external view;
}
