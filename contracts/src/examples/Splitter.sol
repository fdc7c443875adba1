// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedgerAccount} from "./ILedgerAccount.sol";

/// @title Two rollups called in one transaction, and their answers used
/// @notice Splits a payment between an account of one rollup and one of another, so that the
/// second never holds more than the first.
contract Splitter {
    event Split(uint256 firstBalanceWei, uint256 secondBalanceWei);

    error Uneven(uint256 firstBalanceWei, uint256 secondBalanceWei);

    ILedgerAccount public immutable first;
    ILedgerAccount public immutable second;

    constructor(ILedgerAccount first_, ILedgerAccount second_) {
        (first, second) = (first_, second_);
    }

    /// @notice Two thirds to the first account, the rest to the second.
    function split() external payable {
        uint256 secondWei = msg.value / 3;
        uint256 firstBalanceWei = first.deposit{value: msg.value - secondWei}();
        uint256 secondBalanceWei = second.deposit{value: secondWei}();
        if (secondBalanceWei > firstBalanceWei) revert Uneven(firstBalanceWei, secondBalanceWei);
        emit Split(firstBalanceWei, secondBalanceWei);
    }
}
