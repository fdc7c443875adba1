// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title An account of a ledger rollup, as L1 sees it through its proxy
/// @notice Every function answers with the account's balance afterwards, in wei.
interface ILedgerAccount {
    /// @notice Credits the account with the ether sent along. Anyone may.
    function deposit() external payable returns (uint256 balanceWei);

    function balance() external returns (uint256 balanceWei);

    /// @notice Pays another account of this or another ledger rollup. Its owner may.
    function send(uint64 rollupId, uint256 account, uint256 amountWei)
        external
        returns (uint256 balanceWei);

    /// @notice Calls an L1 address with ether of the account. Its owner may, from L1.
    function withdraw(address to, uint256 amountWei) external returns (uint256 balanceWei);
}
