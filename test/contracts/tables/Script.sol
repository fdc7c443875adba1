// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ITables} from "../../../contracts/src/interfaces/ITables.sol";
import {Base} from "../Base.sol";

/// @notice Actions, deltas and entries, as short as a table can be written by hand.
abstract contract Script is Base, ITables {
    uint64 internal constant L1 = 0;
    /// @dev The transaction itself: no frame.
    uint256 internal constant TOP = 0;

    /// @dev The frame `step` inside `outer`, which has `depth` steps.
    function inside(uint256 outer, uint256 depth, uint256 step) internal pure returns (uint256) {
        return outer | ((step + 1) << (16 * depth));
    }

    function frame(uint256 first) internal pure returns (uint256) {
        return inside(TOP, 0, first);
    }

    function frame(uint256 first, uint256 second) internal pure returns (uint256) {
        return inside(frame(first), 1, second);
    }

    function frame(uint256 a, uint256 b, uint256 c) internal pure returns (uint256) {
        return inside(frame(a, b), 2, c);
    }

    /// @dev The n-th root of a rollup in a test's story.
    function root(uint64 rollupId, uint256 n) internal pure returns (bytes32) {
        return bytes32(uint256(rollupId) * 1000 + n);
    }

    /// @dev A call an L1 contract makes through a proxy.
    function fromL1(address source, uint64 to, address callee, uint128 valueWei, bytes memory data)
        internal
        pure
        returns (Action memory)
    {
        return Action(ActionType.CALL, to, callee, valueWei, data, false, source, L1, TOP);
    }

    function tryFromL1(
        address source,
        uint64 to,
        address callee,
        uint128 valueWei,
        bytes memory data
    ) internal pure returns (Action memory action) {
        action = fromL1(source, to, callee, valueWei, data);
        action.actionType = ActionType.TRY_CALL;
    }

    /// @dev A call a rollup's contract makes, in a frame of its own.
    function callOut(
        uint64 from,
        address source,
        uint64 to,
        address callee,
        uint128 valueWei,
        bytes memory data,
        uint256 scope
    ) internal pure returns (Action memory) {
        return Action(ActionType.CALL, to, callee, valueWei, data, false, source, from, scope);
    }

    function ownTransaction(uint64 rollupId, address account, bytes memory data)
        internal
        pure
        returns (Action memory)
    {
        return Action(ActionType.L2TX, rollupId, account, 0, data, false, address(0), 0, TOP);
    }

    function result(uint64 from, uint64 to, bytes memory data, uint256 scope)
        internal
        pure
        returns (Action memory)
    {
        return Action(ActionType.RESULT, to, address(0), 0, data, false, address(0), from, scope);
    }

    /// @dev A RESULT that failed hands the call's value back.
    function failure(uint64 from, uint64 to, bytes memory data, uint128 valueWei, uint256 scope)
        internal
        pure
        returns (Action memory action)
    {
        action = result(from, to, data, scope);
        (action.failed, action.value) = (true, valueWei);
    }

    function revertOf(uint64 rollupId, uint256 scope, bytes32 tie)
        internal
        pure
        returns (Action memory action)
    {
        action = result(rollupId, rollupId, abi.encode(tie), scope);
        action.actionType = ActionType.REVERT;
    }

    function continueOf(uint64 rollupId, uint256 scope, bytes32 tie, uint128 valueWei)
        internal
        pure
        returns (Action memory action)
    {
        action = failure(rollupId, rollupId, abi.encode(tie), valueWei, scope);
        action.actionType = ActionType.REVERT_CONTINUE;
    }

    /// @dev An entry that moves the acting rollup between two roots of its story; ether as the
    /// actions' values ask.
    function entry(Action memory action, uint256 from, uint256 to, Action memory next)
        internal
        pure
        returns (Entry memory it)
    {
        it.deltas = new StateDelta[](1);
        it.deltas[0] = delta(action.rollupId, from, to, valueIn(action) - valueIn(next));
        (it.action, it.next) = (action, next);
    }

    function delta(uint64 rollupId, uint256 from, uint256 to, int128 wei_)
        internal
        pure
        returns (StateDelta memory)
    {
        return StateDelta(rollupId, root(rollupId, from), root(rollupId, to), wei_, 0, 0);
    }

    function valueIn(Action memory action) private pure returns (int128) {
        return int128(action.value);
    }

    function list(Entry memory a) internal pure returns (Entry[] memory entries) {
        entries = new Entry[](1);
        entries[0] = a;
    }

    function list(Entry memory a, Entry memory b) internal pure returns (Entry[] memory) {
        return and(list(a), b);
    }

    function list(Entry memory a, Entry memory b, Entry memory c)
        internal
        pure
        returns (Entry[] memory)
    {
        return and(list(a, b), c);
    }

    /// @dev The entries with one more behind them.
    function and(Entry[] memory entries, Entry memory last)
        internal
        pure
        returns (Entry[] memory longer)
    {
        longer = new Entry[](entries.length + 1);
        for (uint256 i = 0; i < entries.length; i++) {
            longer[i] = entries[i];
        }
        longer[entries.length] = last;
    }
}
