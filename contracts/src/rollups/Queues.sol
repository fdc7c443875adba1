// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups} from "../interfaces/IRollups.sol";
import {Tables} from "../libraries/Tables.sol";
import {Proxies} from "./Proxies.sol";

/// @notice Entries that wait to be consumed. The block is part of what they are found by, so no
/// entry outlives its block, and none of another block is ever in the way. What somebody else posts
/// for an executor waits in a queue of its own, behind what the executor posts itself: an entry for
/// the same action, proven but with a stale second root, would else block the executor's.
abstract contract Queues is Proxies {
    /// @dev Entries with one id, first come, first consumed: those from `head` up to `tail`.
    struct Queue {
        uint128 head;
        uint128 tail;
    }

    /// @dev What consuming an entry needs; the rest is in its id. Slots of what an entry does not
    /// have are neither written nor read: a second delta, a callee, data.
    struct Waiting {
        bytes32 rootAfter;
        int128 etherDelta;
        uint64 secondRollup;
        ActionType nextType;
        bool nextFailed;
        bool nextCarries; // receiver, value or scope are not zero: not the answer to L1
        uint16 nextDataBytes;
        // slot 2
        uint64 nextRollup;
        uint128 nextValue;
        // slots 3 to 5
        uint256 nextScope;
        address nextDestination;
        address nextSource;
        // slots 6 to 8
        bytes32 secondBefore;
        bytes32 secondAfter;
        int128 secondEther;
        bytes32[128] nextData;
    }

    /// @inheritdoc IRollups
    uint64 public constant CLEANABLE_AFTER = 256;

    mapping(bytes32 id => Queue) private _queues;
    mapping(bytes32 id => mapping(uint256 place => Waiting)) private _waiting;

    /// @inheritdoc IRollups
    function clean(Key[] calldata keys) external {
        for (uint256 i = 0; i < keys.length; i++) {
            Key calldata key = keys[i];
            uint256 cleanableFrom = uint256(key.blockNumber) + CLEANABLE_AFTER;
            if (block.number < cleanableFrom) {
                revert NotOldEnough(key.blockNumber, cleanableFrom);
            }
            _clear(_idOf(key, true));
            _clear(_idOf(key, false));
        }
    }

    /// @inheritdoc IRollups
    function waiting(Key calldata key) external view returns (uint256) {
        Queue memory own = _queues[_idOf(key, true)];
        Queue memory others = _queues[_idOf(key, false)];
        return own.tail - own.head + others.tail - others.head;
    }

    /// @inheritdoc IRollups
    function lookup(address source, bytes calldata data) external view returns (bytes memory) {
        Origin memory origin = _callerOrigin();
        Action memory action;
        (action.rollupId, action.destination) = (origin.rollupId, origin.original);
        (action.sourceAddress, action.data) = (source, data);
        (, Queue memory queue, Waiting storage entry) = _find(action);
        bytes32 root = _rollups[origin.rollupId].stateRoot;
        bool still = queue.tail != queue.head && entry.rootAfter == root && entry.etherDelta == 0;
        uint64 second = entry.secondRollup;
        if (still && second != 0) {
            bytes32 secondRoot = entry.secondBefore;
            still = secondRoot == entry.secondAfter && entry.secondEther == 0
                && secondRoot == _rollups[second].stateRoot;
        }
        if (!still || entry.nextType != ActionType.RESULT || entry.nextCarries) {
            revert MissingEntry(action, tx.origin, root);
        }
        bytes memory answer = _dataOf(entry, entry.nextDataBytes);
        if (entry.nextFailed) _revertWith(answer);
        return answer;
    }

    /// @dev Puts an entry at the end of its queue.
    /// @param own Whether its executor posts it.
    function _push(address executor, bool own, Entry memory entry) internal {
        StateDelta memory first = entry.deltas[0];
        Action memory next = entry.next;
        bytes32 id = _idOf(_keyOf(executor, entry.action, first.rootBefore), own);
        Waiting storage slot = _waiting[id][_queues[id].tail++];
        bool carries = next.rollupId != 0 || next.value != 0 || next.scope != 0;
        slot.rootAfter = first.rootAfter;
        slot.etherDelta = first.etherDelta;
        slot.nextType = next.actionType;
        slot.nextFailed = next.failed;
        slot.nextCarries = carries;
        slot.nextDataBytes = uint16(next.data.length); // at most MAX_DATA_BYTES
        if (entry.deltas.length > 1) {
            StateDelta memory second = entry.deltas[1];
            slot.secondRollup = second.rollupId;
            slot.secondBefore = second.rootBefore;
            slot.secondAfter = second.rootAfter;
            slot.secondEther = second.etherDelta;
        }
        if (carries) {
            (slot.nextRollup, slot.nextValue) = (next.rollupId, next.value);
            slot.nextScope = next.scope;
        }
        if (_isCall(next.actionType)) {
            (slot.nextDestination, slot.nextSource) = (next.destination, next.sourceAddress);
        }
        for (uint256 i = 0; 32 * i < next.data.length; i++) {
            slot.nextData[i] = _chunk(next.data, i);
        }
    }

    /// @dev Applies and removes the entry that answers this action where its rollup stands now.
    /// @return next What follows.
    function _consume(Action memory action) internal returns (Action memory next) {
        Rollup storage acting = _rollups[action.rollupId];
        if (acting.nativeToken && action.value != 0) revert NativeToken(action.rollupId);
        (bytes32 id, Queue memory queue, Waiting storage entry) = _find(action);
        bytes32 root = acting.stateRoot;
        if (queue.head == queue.tail) revert MissingEntry(action, tx.origin, root);
        // Never back to zero: the refund would make the last of a queue cheaper than the others.
        _queues[id].head = queue.head + 1;
        // A failed answer reverts the frame it is consumed in. Who gives back a call's value may
        // have spent it in that frame; all of that is about to be undone.
        bool undone = entry.nextFailed;
        uint64 second = entry.secondRollup;
        if (second != 0) {
            bytes32 expected = entry.secondBefore;
            bytes32 actual = _rollups[second].stateRoot;
            if (expected != actual) revert WrongRoot(second, expected, actual);
            _apply(second, entry.secondAfter, entry.secondEther, undone);
        }
        bytes32 rootAfter = entry.rootAfter;
        _apply(action.rollupId, rootAfter, entry.etherDelta, undone);
        next = _take(entry, action.rollupId);
        if (acting.nativeToken && next.value != 0) revert NativeToken(action.rollupId);
        emit Consumed(Tables.hash(action), action.rollupId, root, rootAfter);
    }

    function _isCall(ActionType kind) internal pure returns (bool) {
        return kind == ActionType.CALL || kind == ActionType.TRY_CALL;
    }

    function _revertWith(bytes memory data) internal pure {
        assembly ("memory-safe") {
            revert(add(data, 0x20), mload(data))
        }
    }

    /// @dev The queue of an action here and now: what the transaction's sender posted, what others
    /// posted for it, what is for anyone.
    function _find(Action memory action)
        private
        view
        returns (bytes32 id, Queue memory queue, Waiting storage entry)
    {
        Key memory key = _keyOf(tx.origin, action, _rollups[action.rollupId].stateRoot);
        id = _idOf(key, true);
        queue = _queues[id];
        if (queue.head == queue.tail) {
            id = _idOf(key, false);
            queue = _queues[id];
        }
        if (queue.head == queue.tail) {
            key.executor = address(0);
            id = _idOf(key, false);
            queue = _queues[id];
        }
        entry = _waiting[id][queue.head];
    }

    function _clear(bytes32 id) private {
        Queue memory queue = _queues[id];
        for (uint256 place = queue.head; place < queue.tail; place++) {
            _take(_waiting[id][place], 0);
        }
        delete _queues[id];
    }

    function _keyOf(address executor, Action memory action, bytes32 root)
        private
        view
        returns (Key memory)
    {
        return Key(executor, Tables.hash(action), action.rollupId, root, uint64(block.number));
    }

    function _idOf(Key memory key, bool own) private pure returns (bytes32) {
        return keccak256(abi.encode(key, own));
    }

    /// @param undone Whether the caller makes sure that all of this is reverted.
    function _apply(uint64 rollupId, bytes32 root, int128 etherDelta, bool undone) private {
        Rollup storage rollup = _rollups[rollupId];
        rollup.stateRoot = root;
        if (etherDelta == 0) return;
        if (rollup.nativeToken) revert NativeToken(rollupId);
        if (undone) return;
        uint256 balanceWei = rollup.balanceWei;
        int256 afterWei = int256(balanceWei) + etherDelta; // both far below 2^255
        if (afterWei < 0 || afterWei > int256(uint256(type(uint128).max))) {
            revert RollupBalance(rollupId, balanceWei, etherDelta);
        }
        rollup.balanceWei = uint128(uint256(afterWei));
    }

    /// @dev Reads what follows, and clears every slot the entry has: storage is paid back.
    function _take(Waiting storage entry, uint64 acting) private returns (Action memory next) {
        next.actionType = entry.nextType;
        next.failed = entry.nextFailed;
        next.sourceRollup = acting;
        uint256 dataBytes = entry.nextDataBytes;
        next.data = _dataOf(entry, dataBytes);
        for (uint256 i = 0; 32 * i < dataBytes; i++) {
            delete entry.nextData[i];
        }
        if (_isCall(next.actionType)) {
            (next.destination, next.sourceAddress) = (entry.nextDestination, entry.nextSource);
            (entry.nextDestination, entry.nextSource) = (address(0), address(0));
        }
        if (entry.nextCarries) {
            (next.rollupId, next.value) = (entry.nextRollup, entry.nextValue);
            next.scope = entry.nextScope;
            (entry.nextRollup, entry.nextValue, entry.nextScope) = (0, 0, 0);
        }
        if (entry.secondRollup != 0) {
            (entry.secondBefore, entry.secondAfter, entry.secondEther) = (0, 0, 0);
        }
        entry.rootAfter = 0;
        (entry.etherDelta, entry.secondRollup) = (0, 0);
        (entry.nextType, entry.nextFailed) = (ActionType.CALL, false);
        (entry.nextCarries, entry.nextDataBytes) = (false, 0);
    }

    function _dataOf(Waiting storage entry, uint256 length)
        private
        view
        returns (bytes memory data)
    {
        data = new bytes(length);
        for (uint256 i = 0; 32 * i < length; i++) {
            bytes32 chunk = entry.nextData[i];
            assembly ("memory-safe") {
                // `bytes` are padded to whole words in memory.
                mstore(add(add(data, 0x20), mul(32, i)), chunk)
            }
        }
    }

    /// @dev 32 bytes of data; behind its end they are zero, for what is cleared must be too.
    function _chunk(bytes memory data, uint256 i) private pure returns (bytes32 chunk) {
        assembly ("memory-safe") {
            chunk := mload(add(add(data, 0x20), mul(32, i)))
        }
        uint256 length = data.length - 32 * i;
        if (length < 32) chunk &= bytes32(~(type(uint256).max >> (8 * length)));
    }
}
