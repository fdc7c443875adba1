// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups} from "./interfaces/IRollups.sol";

/// @notice What a registry asks of the proxies it made.
interface ICrossChainProxy {
    /// @notice Calls `destination` as the account the proxy stands for. Answers, or reverts, with
    /// the callee's own bytes, without any ABI framing, cut after 8,192.
    /// @dev From anybody but the registry it is a call like any other, to be passed on.
    function executeOnBehalf(address destination, bytes calldata data) external payable;
}

/// @title An address of a rollup, as L1 sees it
/// @notice Whatever is called on it, plain ether too, is called on the rollup: the registry
/// consumes the call's entry, or reverts. It has no function of its own, so it hides none of the
/// rollup's.
contract CrossChainProxy {
    /// @dev What the registry is shown of an answer. It takes half of this, and passes on a missing
    /// entry, which says a little more than an action.
    uint256 private constant SHOWN_BYTES = 8192;
    /// @dev For the call to itself that finds out whether it may change state: ten times what that
    /// takes. All of it is lost where the answer is no.
    uint256 private constant PROBE_GAS = 5_000;

    address private immutable _registry;

    /// @dev What the proxy stands for is the registry's to remember; it is here because it makes
    /// the address, which commits to the code it is made with.
    constructor(address registry, address, uint64) {
        _registry = registry;
    }

    fallback() external payable {
        if (msg.sender == _registry) _callOnBehalf();
        if (msg.sender == address(this)) _probe();
        // Ether never comes with a static call.
        if (msg.value != 0 || _mayChangeState()) _passOn(msg.sender, msg.data);
        (bool ok, bytes memory answer) =
            _registry.staticcall(abi.encodeCall(IRollups.lookup, (msg.sender, msg.data)));
        _answer(ok, answer);
    }

    function _callOnBehalf() private {
        // The registry calls nothing else.
        (address destination, bytes memory data) = abi.decode(msg.data[4:], (address, bytes));
        // A call to oneself is a call too. Only the probe comes from here.
        if (destination == address(this)) _passOn(destination, data);
        assembly ("memory-safe") {
            let ok := call(gas(), destination, callvalue(), add(data, 0x20), mload(data), 0, 0)
            let size := returndatasize()
            if gt(size, SHOWN_BYTES) { size := SHOWN_BYTES }
            let free := mload(0x40)
            returndatacopy(free, 0, size)
            if iszero(ok) { revert(free, size) }
            return(free, size)
        }
    }

    /// @dev In a static context a write ends its frame with all its gas, so it gets one of its own.
    /// With too little gas for that there is too little for the look-up as well.
    function _mayChangeState() private returns (bool ok) {
        assembly ("memory-safe") {
            ok := call(PROBE_GAS, address(), 0, 0, 0, 0, 0)
        }
    }

    function _probe() private {
        assembly ("memory-safe") {
            tstore(0, 0)
            stop()
        }
    }

    function _passOn(address source, bytes memory data) private {
        (bool ok, bytes memory answer) =
            _registry.call{value: msg.value}(abi.encodeCall(IRollups.executeCall, (source, data)));
        _answer(ok, answer);
    }

    /// @dev Ends the call with what the registry says: the callee's bytes, or its revert as it is.
    function _answer(bool ok, bytes memory answer) private pure {
        assembly ("memory-safe") {
            if iszero(ok) { revert(add(answer, 0x20), mload(answer)) }
            // The registry's return is ABI-encoded bytes: offset, length, the bytes.
            return(add(answer, 0x60), mload(add(answer, 0x40)))
        }
    }
}
