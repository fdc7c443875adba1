// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICrossChainProxy} from "../CrossChainProxy.sol";
import {IRollups} from "../interfaces/IRollups.sol";
import {Tables} from "../libraries/Tables.sol";
import {Posting} from "./Posting.sol";

/// @notice Consumes entries, one after the other, from a call to a rollup to its answer. Every
/// scope runs in a frame of its own, a call of the registry to itself, so that reverting it
/// restores every root, balance and entry in it.
///
/// A wei is held for a rollup, or it is on its way: with the call that is made next, or back with
/// a failed answer. Every entry keeps that sum (`EntryFault.ETHER`), and every action is consumed
/// once, so rollups hold no more than the registry does.
abstract contract Sessions is Posting {
    using SafeCast for uint256;

    /// @dev A failed call to L1 that leaves less than this part of the gas may have failed for want
    /// of it, which is for whoever sends the transaction to choose, and no answer. Each call on the
    /// way to where the gas ran out kept 1/64 of what it had: a half takes 44 of them, an eighth
    /// took 9. It costs a sender no more than a higher limit.
    uint256 private constant GAS_PART_LEFT = 2;

    /// @inheritdoc IRollups
    function executeCall(address source, bytes calldata data)
        external
        payable
        returns (bytes memory)
    {
        Action memory answer = _session(_callFromL1(ActionType.CALL, _callerOrigin(), source, data));
        if (answer.failed) _revertWith(answer.data);
        return answer.data;
    }

    /// @inheritdoc IRollups
    function tryCall(address destination, uint64 rollupId, bytes calldata data)
        external
        payable
        returns (bool ok, bytes memory result)
    {
        _requireKnown(rollupId);
        Origin memory callee = Origin(destination, rollupId);
        Action memory action = _callFromL1(ActionType.TRY_CALL, callee, msg.sender, data);
        (ok, result) = _callSelf(abi.encodeCall(Sessions.runTry, (action)));
        if (ok) return (true, abi.decode(result, (bytes)));
        if (bytes4(result) != Answered.selector) _revertWith(result);
        if (msg.value != 0) Address.sendValue(payable(msg.sender), msg.value);
        return (false, abi.decode(_withoutSelector(result), (bytes)));
    }

    /// @inheritdoc IRollups
    function executeL2TX(uint64 rollupId, address account, bytes calldata data)
        external
        returns (bytes memory)
    {
        _requireKnown(rollupId);
        Action memory action;
        action.actionType = ActionType.L2TX;
        (action.rollupId, action.destination, action.data) = (rollupId, account, data);
        Action memory answer = _session(action);
        if (answer.failed) revert CallFailed(answer.data);
        return answer.data;
    }

    /// @notice The frame of a TRY_CALL: a failed answer reverts it.
    function runTry(Action calldata action) external returns (bytes memory) {
        if (msg.sender != address(this)) revert OnlySelf();
        Action memory answer = _session(action);
        if (answer.failed) revert Answered(answer.data);
        return answer.data;
    }

    /// @notice The frame of a scope. It ends with an action that is not its own to do, or reverts
    /// with `ScopeReverted`.
    /// @param entering The call it is opened for: made here, or further inside.
    function runScope(uint256 scope, Action calldata entering) external returns (Action memory) {
        if (msg.sender != address(this)) revert OnlySelf();
        return _settle(scope, entering);
    }

    /// @dev From the first action to its answer.
    function _session(Action memory action) private returns (Action memory answer) {
        _sessions++;
        answer = _settle(0, action);
        _sessions--;
    }

    /// @dev Does what is to be done in the frame of `scope`, until something is to be done outside
    /// of it: that is returned. In the transaction itself, scope zero, only the answer is.
    ///
    /// What holds whatever rollups say: a frame is left only when the call it was opened for has
    /// its answer, so nobody is left waiting; only the callee gives it; and only the caller, or a
    /// failed answer, reverts the frame, which undoes what was done with the value of that call
    /// and nothing that brought it.
    function _settle(uint256 scope, Action memory entering) private returns (Action memory next) {
        bool open = entering.scope == scope;
        next = open ? _make(entering) : entering;
        // What L1 answers is consumed by now.
        if (entering.rollupId == 0) open = false;
        while (true) {
            if (_isCall(next.actionType)) {
                if (next.scope == scope) revert BadAnswer(next);
                if (Tables.within(next.scope, scope)) {
                    next = _enter(Tables.childTowards(next.scope, scope), next);
                    continue;
                }
                if (open) revert BadAnswer(next);
                return next;
            }
            bool reverts = next.actionType == ActionType.REVERT;
            if (next.scope != scope) {
                if (open && !reverts) revert BadAnswer(next);
                if (!Tables.within(scope, next.scope)) revert BadAnswer(next);
                return next;
            }
            if (reverts
                    ? next.rollupId != entering.sourceRollup
                    : !open || !_answers(next, entering)) {
                revert BadAnswer(next);
            }
            if (scope == 0) return next;
            if (reverts || next.failed) revert ScopeReverted(next);
            open = false;
            next = _consume(next);
        }
    }

    /// @dev Runs the frame that leads to `call`. Where it reverts, the rollup that called goes on.
    function _enter(uint256 scope, Action memory call) private returns (Action memory) {
        (bool ok, bytes memory result) = _callSelf(abi.encodeCall(Sessions.runScope, (scope, call)));
        if (ok) return abi.decode(result, (Action));
        // A missing entry, or too little gas, is no answer.
        if (bytes4(result) != ScopeReverted.selector) _revertWith(result);
        Action memory cause = abi.decode(_withoutSelector(result), (Action));
        if (cause.actionType == ActionType.REVERT) {
            cause.actionType = ActionType.REVERT_CONTINUE;
            cause.failed = true;
            cause.value = call.value;
        }
        return _consume(cause);
    }

    /// @dev Makes a call, whose value is on its way. The callee's rollup acts; after L1 the
    /// caller's.
    function _make(Action memory call) private returns (Action memory next) {
        return _consume(call.rollupId == 0 ? _callL1(call) : call);
    }

    /// @dev Calls L1 as the caller's proxy. A proxy never speaks to the registry: what it says
    /// there counts as said by whom it names.
    function _callL1(Action memory call) private returns (Action memory result) {
        bool ok = false;
        if (call.destination != address(this)) {
            address proxy = _proxyFor(call.sourceAddress, call.sourceRollup);
            uint256 gasBefore = gasleft();
            (ok, result.data) = proxy.call{value: call.value}(
                abi.encodeCall(ICrossChainProxy.executeOnBehalf, (call.destination, call.data))
            );
            if (!ok && gasleft() < gasBefore / GAS_PART_LEFT) revert OutOfGas();
            // What L1 does where the table fails it is no answer either.
            if (!ok && _isNoAnswer(bytes4(result.data))) _revertWith(result.data);
            if (result.data.length > Tables.MAX_DATA_BYTES) revert BadAnswer(call);
        }
        result.actionType = ActionType.RESULT;
        (result.rollupId, result.scope) = (call.sourceRollup, call.scope);
        if (!ok) (result.failed, result.value) = (true, call.value);
    }

    /// @dev Whether a call to L1 reverted with what a session in it says when it cannot go on.
    function _isNoAnswer(bytes4 selector) private pure returns (bool) {
        return selector == MissingEntry.selector || selector == WrongRoot.selector
            || selector == BadAnswer.selector || selector == OutOfGas.selector;
    }

    /// @dev Whether this answers that call: from whom was called, to who called, with the value
    /// back if it failed.
    function _answers(Action memory answer, Action memory call) private pure returns (bool) {
        return answer.actionType == ActionType.RESULT && answer.rollupId == call.sourceRollup
            && answer.sourceRollup == call.rollupId
            && answer.value == (answer.failed ? call.value : 0);
    }

    /// @dev The action a call from L1 is.
    function _callFromL1(ActionType kind, Origin memory callee, address source, bytes calldata data)
        private
        view
        returns (Action memory action)
    {
        action.actionType = kind;
        (action.rollupId, action.destination) = (callee.rollupId, callee.original);
        (action.value, action.sourceAddress) = (msg.value.toUint128(), source);
        action.data = data;
    }

    function _callSelf(bytes memory data) private returns (bool, bytes memory) {
        return address(this).call(data);
    }

    /// @dev What follows the selector; the given bytes are gone.
    function _withoutSelector(bytes memory data) private pure returns (bytes memory arguments) {
        assembly ("memory-safe") {
            arguments := add(data, 4)
            mstore(arguments, sub(mload(data), 4))
        }
    }
}
