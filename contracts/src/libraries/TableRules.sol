// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups} from "../interfaces/IRollups.sol";
import {ITables} from "../interfaces/ITables.sol";
import {Tables} from "./Tables.sol";

/// @title What a table must say, whoever proves it
/// @notice The rules that are about one entry, and that programs are those of exactly its rollups:
/// as in `protocol/table-rules.ts`.
library TableRules {
    /// @notice Reverts with `BadPrograms` or the first `BadEntry`.
    function check(ITables.Table memory table) internal pure {
        ITables.Entry[] memory entries = table.entries;
        ITables.Program[] memory programs = table.programs;
        uint256 count = entries.length;
        if (count == 0 || count > Tables.MAX_ENTRIES) {
            revert IRollups.BadEntry(count == 0 ? 0 : Tables.MAX_ENTRIES, IRollups.EntryFault.SIZE);
        }
        // Also bounds the bitmap of programs that are used.
        if (programs.length > 2 * count) revert IRollups.BadPrograms();
        for (uint256 i = 1; i < programs.length; i++) {
            if (programs[i].rollupId <= programs[i - 1].rollupId) revert IRollups.BadPrograms();
        }
        uint256 used = 0;
        for (uint256 i = 0; i < count; i++) {
            used |= _checkEntry(i, entries[i], programs);
        }
        if (used != (1 << programs.length) - 1) revert IRollups.BadPrograms();
    }

    /// @return used The programs its deltas need, a bit each.
    function _checkEntry(
        uint256 place,
        ITables.Entry memory entry,
        ITables.Program[] memory programs
    ) private pure returns (uint256 used) {
        ITables.StateDelta[] memory deltas = entry.deltas;
        (ITables.Action memory action, ITables.Action memory next) = (entry.action, entry.next);
        if (!_fits(entry)) revert IRollups.BadEntry(place, IRollups.EntryFault.SIZE);
        bool two = deltas.length == 2;
        uint64 acting = deltas[0].rollupId;
        if (action.rollupId != acting || (two && deltas[1].rollupId == acting)) {
            revert IRollups.BadEntry(place, IRollups.EntryFault.ACTING);
        }
        used = _programBit(acting, programs);
        uint256 usedToo = two ? _programBit(deltas[1].rollupId, programs) : used;
        if (used == 0 || usedToo == 0) {
            revert IRollups.BadEntry(place, IRollups.EntryFault.PROGRAM);
        }
        used |= usedToo;
        if (!_mayStart(action)) revert IRollups.BadEntry(place, IRollups.EntryFault.ACTION);
        if (!_mayFollow(next, acting)) revert IRollups.BadEntry(place, IRollups.EntryFault.NEXT);
        int256 etherDelta = int256(deltas[0].etherDelta);
        if (two) etherDelta += deltas[1].etherDelta;
        if (etherDelta != int256(uint256(action.value)) - int256(uint256(next.value))) {
            revert IRollups.BadEntry(place, IRollups.EntryFault.ETHER);
        }
        if (!_cancel(deltas)) revert IRollups.BadEntry(place, IRollups.EntryFault.MESSAGES);
    }

    function _fits(ITables.Entry memory entry) private pure returns (bool) {
        ITables.StateDelta[] memory deltas = entry.deltas;
        if (deltas.length == 0 || deltas.length > 2) return false;
        for (uint256 i = 0; i < deltas.length; i++) {
            ITables.StateDelta memory delta = deltas[i];
            if (uint256(delta.rootBefore) >= Tables.FIELD_ORDER) return false;
            if (uint256(delta.rootAfter) >= Tables.FIELD_ORDER) return false;
            if (uint256(delta.sent) >= Tables.FIELD_ORDER) return false;
            if (uint256(delta.received) >= Tables.FIELD_ORDER) return false;
            if (delta.etherDelta == type(int128).min) return false;
        }
        return _actionFits(entry.action) && _actionFits(entry.next);
    }

    function _actionFits(ITables.Action memory action) private pure returns (bool) {
        return action.data.length <= Tables.MAX_DATA_BYTES && Tables.isScope(action.scope);
    }

    function _programBit(uint64 rollupId, ITables.Program[] memory programs)
        private
        pure
        returns (uint256)
    {
        for (uint256 i = 0; i < programs.length; i++) {
            if (programs[i].rollupId == rollupId) return 1 << i;
        }
        return 0;
    }

    /// @dev Whether an entry can start with this action: something a rollup acts on.
    function _mayStart(ITables.Action memory action) private pure returns (bool) {
        ITables.ActionType kind = action.actionType;
        if (_isCall(kind)) {
            // L1's calls are the transaction's own; a rollup's have frames of their own.
            return !action.failed && (action.sourceRollup == 0) == (action.scope == 0);
        }
        if (kind == ITables.ActionType.RESULT) return _isResult(action) && action.scope != 0;
        if (kind == ITables.ActionType.REVERT_CONTINUE) return action.failed && _isRevert(action);
        return kind == ITables.ActionType.L2TX && !action.failed && action.value == 0
            && action.sourceAddress == address(0) && action.sourceRollup == 0 && action.scope == 0;
    }

    /// @dev Whether the rollup that acts can ask for this: a call out, an answer, a revert.
    function _mayFollow(ITables.Action memory next, uint64 acting) private pure returns (bool) {
        if (next.sourceRollup != acting) return false;
        ITables.ActionType kind = next.actionType;
        if (_isCall(kind)) return !next.failed && next.scope != 0;
        if (kind == ITables.ActionType.RESULT) {
            return _isResult(next) && (next.rollupId == 0) == (next.scope == 0);
        }
        return
            kind == ITables.ActionType.REVERT && !next.failed && next.value == 0 && _isRevert(next);
    }

    function _isCall(ITables.ActionType kind) private pure returns (bool) {
        return kind == ITables.ActionType.CALL || kind == ITables.ActionType.TRY_CALL;
    }

    function _isResult(ITables.Action memory action) private pure returns (bool) {
        return action.destination == address(0) && action.sourceAddress == address(0)
            && action.rollupId != action.sourceRollup && (action.failed || action.value == 0);
    }

    /// @dev What a REVERT and its REVERT_CONTINUE have in common. The transaction itself, scope
    /// zero, is no frame that a rollup can revert.
    function _isRevert(ITables.Action memory action) private pure returns (bool) {
        return action.destination == address(0) && action.sourceAddress == address(0)
            && action.sourceRollup == action.rollupId && action.scope != 0
            && action.data.length == 32;
    }

    /// @dev What one sends the other receives.
    function _cancel(ITables.StateDelta[] memory deltas) private pure returns (bool) {
        ITables.StateDelta memory first = deltas[0];
        if (deltas.length == 1) return first.sent == 0 && first.received == 0;
        return first.sent == deltas[1].received && first.received == deltas[1].sent;
    }
}
