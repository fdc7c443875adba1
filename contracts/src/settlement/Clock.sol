// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISettlement} from "../interfaces/ISettlement.sol";

/// @notice The windows of a job's life on chain. Seconds of block time.
abstract contract Clock is ISettlement {
    uint256 internal immutable _claimWindowS;
    uint256 internal immutable _commitWindowS;
    uint256 internal immutable _slotS;
    uint256 internal immutable _exitDelayS;
    uint256 private immutable _maxJobS;

    /// @dev Why 4 W: a default is slashed from due + 2 W, a challenge gives W more, and the last W
    /// is left for sending that slash; money, stake and signer of a job must still be there at its
    /// end.
    constructor(Windows memory w) {
        bool ordered = w.slotS <= w.commitWindowS && w.commitWindowS <= w.claimWindowS;
        bool leaves = w.exitDelayS > uint256(w.maxJobS) + 4 * uint256(w.claimWindowS);
        if (w.claimWindowS == 0 || !ordered || !leaves) revert BadWindows(w);
        _claimWindowS = w.claimWindowS;
        _commitWindowS = w.commitWindowS;
        _slotS = w.slotS;
        _exitDelayS = w.exitDelayS;
        _maxJobS = w.maxJobS;
    }

    /// @inheritdoc ISettlement
    function windows() external view returns (Windows memory) {
        return Windows({
            claimWindowS: uint32(_claimWindowS),
            commitWindowS: uint32(_commitWindowS),
            slotS: uint32(_slotS),
            maxJobS: uint32(_maxJobS),
            exitDelayS: uint32(_exitDelayS)
        });
    }

    /// @dev First second not before `dueAt` (ms): the chain rounds in the prover's favour.
    function _dueS(uint48 dueAt) internal pure returns (uint256) {
        return (uint256(dueAt) + 999) / 1000;
    }
}
