// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ILedgerAccount} from "./ILedgerAccount.sol";
import {Till} from "./Till.sol";

/// @title The seed's example: A (L1) → B (a rollup) → C (L1) → back
/// @notice A is this contract, B the ledger account it owns, C the till. B pays C from the rollup,
/// in the middle of A's call, and A sees what both say.
contract Errand {
    event Ran(uint256 leftWei, uint256 tillWei);

    error NotPaid(uint256 beforeWei, uint256 afterWei, uint256 amountWei);

    Till public immutable till;
    ILedgerAccount public account;

    constructor(Till till_) {
        till = till_;
    }

    /// @notice Names the ledger account, once: its owner is this address, which has to exist first.
    function open(ILedgerAccount account_) external {
        if (address(account) == address(0)) account = account_;
    }

    function run(uint256 amountWei) external {
        uint256 beforeWei = till.takenWei();
        uint256 leftWei = account.withdraw(address(till), amountWei);
        uint256 tillWei = till.takenWei();
        if (tillWei != beforeWei + amountWei) revert NotPaid(beforeWei, tillWei, amountWei);
        emit Ran(leftWei, tillWei);
    }
}
