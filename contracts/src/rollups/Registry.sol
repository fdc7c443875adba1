// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups} from "../interfaces/IRollups.sol";
import {Tables} from "../libraries/Tables.sol";

/// @notice The rollups: who speaks for them, where they stand, what they hold.
abstract contract Registry is IRollups {
    /// @inheritdoc IRollups
    uint64 public rollupCount;
    /// @dev Sessions that run, one inside the other.
    uint256 internal transient _sessions;

    mapping(uint64 rollupId => Rollup) internal _rollups;

    /// @dev Only its owner, and not while tables are consumed: an L1 contract in the middle of a
    /// transaction could else swap a root from under it.
    modifier onlyOwner(uint64 rollupId) {
        if (_sessions != 0) revert Busy();
        _requireKnown(rollupId);
        if (msg.sender != _rollups[rollupId].owner) revert NotOwner(rollupId, msg.sender);
        _;
    }

    /// @inheritdoc IRollups
    function register(
        address owner,
        address verifier,
        bytes32 programId,
        bytes32 stateRoot,
        bool nativeToken
    ) external returns (uint64 rollupId) {
        _requireRoot(stateRoot);
        rollupId = ++rollupCount;
        _rollups[rollupId] = Rollup(owner, nativeToken, verifier, programId, stateRoot, 0);
        emit Registered(rollupId, owner, verifier, programId);
        emit RootSet(rollupId, stateRoot);
    }

    /// @inheritdoc IRollups
    function setProgram(uint64 rollupId, address verifier, bytes32 programId)
        external
        onlyOwner(rollupId)
    {
        (_rollups[rollupId].verifier, _rollups[rollupId].programId) = (verifier, programId);
        emit ProgramSet(rollupId, verifier, programId);
    }

    /// @inheritdoc IRollups
    function setRoot(uint64 rollupId, bytes32 stateRoot) external onlyOwner(rollupId) {
        _requireRoot(stateRoot);
        _rollups[rollupId].stateRoot = stateRoot;
        emit RootSet(rollupId, stateRoot);
    }

    /// @inheritdoc IRollups
    function setOwner(uint64 rollupId, address owner) external onlyOwner(rollupId) {
        _rollups[rollupId].owner = owner;
        emit OwnerSet(rollupId, owner);
    }

    /// @inheritdoc IRollups
    function rollupOf(uint64 rollupId) external view returns (Rollup memory) {
        _requireKnown(rollupId);
        return _rollups[rollupId];
    }

    function _requireKnown(uint64 rollupId) internal view {
        if (rollupId == 0 || rollupId > rollupCount) revert UnknownRollup(rollupId);
    }

    function _requireRoot(bytes32 root) private pure {
        if (uint256(root) >= Tables.FIELD_ORDER) revert BadRoot(root);
    }
}
