// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title A contract that does what its call data says
/// @notice The same on L1, on an EVM rollup and on a single chain, so that a tree of calls can be
/// run in all three ways and compared. The call data is a list of packed steps, each one byte and
/// its operands:
///
///     1 WRITE     slot u8, value b32
///     2 READ      slot u8
///     3 CALL      target, value u128, length u16, script    reverts as the callee does
///     4 TRY       target, value u128, length u16, script    goes on either way
///     5 STATIC    target, length u16, script                reverts as the callee does
///     6 TRY_CALL  registry, rollup u64, target, value u128, length u16, script
///     7 REVERT                                              with the hash of what it saw
///     8 NOTE      slot u8                                   writes that hash
///     9 BALANCE                                             sees its own balance
///
/// It answers with one hash of everything it saw: value received, words read, answers given. Empty
/// call data (plain ether) is an empty script.
contract Player {
    error UnknownStep(uint8 step);

    fallback() external payable {
        bytes32 seen = keccak256(abi.encode(msg.value));
        uint256 offset;
        while (offset < msg.data.length) {
            uint8 step = uint8(msg.data[offset++]);
            if (step == 7) {
                assembly ("memory-safe") {
                    mstore(0, seen)
                    revert(0, 32)
                }
            }
            (offset, seen) = _perform(step, offset, seen);
        }
        assembly ("memory-safe") {
            mstore(0, seen)
            return(0, 32)
        }
    }

    function _perform(uint8 step, uint256 offset, bytes32 seen) private returns (uint256, bytes32) {
        if (step == 1) {
            _store(_number(offset, 1), bytes32(_number(offset + 1, 32)));
            return (offset + 33, seen);
        }
        if (step == 2) return (offset + 1, _mix(seen, abi.encode(_load(_number(offset, 1)))));
        if (step == 8) {
            _store(_number(offset, 1), seen);
            return (offset + 1, seen);
        }
        if (step == 9) return (offset, _mix(seen, abi.encode(address(this).balance)));
        if (step == 5) return _static(offset, seen);
        if (step == 6) return _tryCall(offset, seen);
        if (step != 3 && step != 4) revert UnknownStep(step);
        address target = address(uint160(_number(offset, 20)));
        uint256 value = _number(offset + 20, 16);
        (bytes calldata script, uint256 end) = _script(offset + 36);
        (bool ok, bytes memory answer) = target.call{value: value}(script);
        if (step == 4) return (end, _mix(seen, abi.encode(ok, answer)));
        return (end, _mix(seen, _whole(ok, answer)));
    }

    function _static(uint256 offset, bytes32 seen) private view returns (uint256, bytes32) {
        (bytes calldata script, uint256 end) = _script(offset + 20);
        (bool ok, bytes memory answer) = address(uint160(_number(offset, 20))).staticcall(script);
        return (end, _mix(seen, _whole(ok, answer)));
    }

    function _tryCall(uint256 offset, bytes32 seen) private returns (uint256, bytes32) {
        address registry = address(uint160(_number(offset, 20)));
        uint64 rollupId = uint64(_number(offset + 20, 8));
        address target = address(uint160(_number(offset + 28, 20)));
        uint256 value = _number(offset + 48, 16);
        (bytes calldata script, uint256 end) = _script(offset + 64);
        bytes memory data =
            abi.encodeWithSignature("tryCall(address,uint64,bytes)", target, rollupId, script);
        (bool ran, bytes memory answer) = registry.call{value: value}(data);
        if (!ran) _whole(false, answer);
        return (end, _mix(seen, answer));
    }

    /// @dev The answer, or a revert with it.
    function _whole(bool ok, bytes memory answer) private pure returns (bytes memory) {
        if (ok) return answer;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    function _mix(bytes32 seen, bytes memory more) private pure returns (bytes32) {
        return keccak256(bytes.concat(seen, more));
    }

    function _number(uint256 offset, uint256 size) private pure returns (uint256) {
        return uint256(bytes32(msg.data[offset:offset + size])) >> (256 - 8 * size);
    }

    function _script(uint256 offset) private pure returns (bytes calldata script, uint256 end) {
        end = offset + 2 + _number(offset, 2);
        script = msg.data[offset + 2:end];
    }

    function _load(uint256 slot) private view returns (bytes32 word) {
        assembly ("memory-safe") {
            word := sload(slot)
        }
    }

    function _store(uint256 slot, bytes32 word) private {
        assembly ("memory-safe") {
            sstore(slot, word)
        }
    }
}
