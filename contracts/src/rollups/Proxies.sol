// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CrossChainProxy} from "../CrossChainProxy.sol";
import {IRollups} from "../interfaces/IRollups.sol";
import {Registry} from "./Registry.sol";

/// @notice The rollups' addresses on L1.
abstract contract Proxies is Registry {
    /// @dev What a proxy stands for. Rollup 0 marks an address that is no proxy.
    struct Origin {
        address original;
        uint64 rollupId;
    }

    mapping(address proxy => Origin) internal _origins;

    /// @inheritdoc IRollups
    function createProxy(address original, uint64 rollupId) external returns (address) {
        _requireKnown(rollupId);
        return _proxyFor(original, rollupId);
    }

    /// @inheritdoc IRollups
    function proxyOf(address original, uint64 rollupId) public view returns (address proxy) {
        bytes memory code = abi.encodePacked(
            type(CrossChainProxy).creationCode, abi.encode(address(this), original, rollupId)
        );
        bytes32 hash =
            keccak256(abi.encodePacked(hex"ff", address(this), bytes32(0), keccak256(code)));
        return address(uint160(uint256(hash)));
    }

    /// @inheritdoc IRollups
    function originOf(address proxy) external view returns (address original, uint64 rollupId) {
        return (_origins[proxy].original, _origins[proxy].rollupId);
    }

    function _proxyFor(address original, uint64 rollupId) internal returns (address proxy) {
        proxy = proxyOf(original, rollupId);
        if (_origins[proxy].rollupId != 0) return proxy;
        // What it stands for is in its creation code, so one salt does for all.
        new CrossChainProxy{salt: 0}(address(this), original, rollupId);
        _origins[proxy] = Origin(original, rollupId);
        emit ProxyCreated(proxy, original, rollupId);
    }

    /// @dev What the calling proxy stands for.
    function _callerOrigin() internal view returns (Origin memory origin) {
        origin = _origins[msg.sender];
        if (origin.rollupId == 0) revert NotProxy(msg.sender);
    }
}
