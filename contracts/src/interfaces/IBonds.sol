// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Provers' bonds and builders' stakes
/// @notice Two ledgers of the same rules, so that one account's bond never counts as its stake.
/// What is exiting counts as nothing for new work at once, stays slashable, and leaves after
/// `exitDelayS`.
interface IBonds {
    /// @notice Which ledger: a prover's bond, or a builder's stake.
    enum Role {
        Prover,
        Builder
    }

    /// @param activeWei Counts for new work.
    /// @param exitingWei On its way out: counts as zero for new work, still slashable.
    /// @param exitReadyAt Block timestamp (s) from which the exiting part can be withdrawn; 0 if
    /// none exits.
    struct Stake {
        uint96 activeWei;
        uint96 exitingWei;
        uint64 exitReadyAt;
    }

    event Deposited(address indexed account, Role indexed role, uint256 amountWei);
    event ExitBegun(address indexed account, Role indexed role, uint256 amountWei, uint256 readyAt);
    event Withdrawn(address indexed account, Role indexed role, address to, uint256 amountWei);
    /// @param tornWei Taken from the account. @param burntWei The part of it that was burnt.
    event Slashed(address indexed account, Role indexed role, uint256 tornWei, uint256 burntWei);

    error OnlySettlement(address caller);
    error NothingDeposited();
    error AmountTooLarge(uint256 amountWei, uint256 availableWei);
    error ExitNotReady(uint256 readyAt, uint256 nowS);
    error NothingExiting();
    error TransferFailed(address to);

    /// @notice Adds `msg.value` to `account`'s active part.
    function deposit(address account, Role role) external payable;
    /// @notice Moves `amountWei` of the caller's active part to exiting. A second call restarts the
    /// delay for all of it.
    function beginExit(Role role, uint96 amountWei) external;
    /// @notice Pays the caller's exiting part out to `to`, once its delay is over.
    function withdraw(Role role, address to) external;
    /// @notice Takes up to `payWei + burnWei` from `account`, active part first; when it holds
    /// less, payment and burning shrink in proportion. Sends the payment to Settlement, counts the
    /// burnt. Only Settlement.
    /// @return paidWei What was sent to Settlement. @return burntWei_ What was burnt.
    function slash(address account, Role role, uint256 payWei, uint256 burnWei)
        external
        returns (uint256 paidWei, uint256 burntWei_);
    function stakeOf(address account, Role role) external view returns (Stake memory);
    function exitDelayS() external view returns (uint256);
    function burntWei() external view returns (uint256);
    function settlement() external view returns (address);
}
