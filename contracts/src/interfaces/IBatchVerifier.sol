// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IPayeeVerifier} from "./IVerifier.sol";

/// @title A verifier of tables in segments
/// @notice One program, whose circuits are of several sizes: a table's segments may be proven under
/// any of their keys, and one pairing checks them all.
interface IBatchVerifier is IPayeeVerifier {
    /// @return Hash of all keys' ids: the program's name, which rollups register.
    function programId() external view returns (bytes32);

    /// @return How many keys there are.
    function keyCount() external view returns (uint256);

    /// @param index Below `keyCount`: what a table proof names the key by.
    /// @return id Hash of the key and its words: what a request for a segment names.
    /// @return wordCount Words its circuit has room for: 8 and 42 for each entry.
    function keyAt(uint256 index) external view returns (bytes32 id, uint256 wordCount);
}
