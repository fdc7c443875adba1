// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC7821} from "@openzeppelin/contracts/account/extensions/draft-ERC7821.sol";

/// @title Several calls in one transaction, as oneself
/// @notice An account names this contract in an EIP-7702 authorisation and sends a transaction to
/// itself: it posts a table and makes the call that consumes it, and stays the sender of both. Only
/// the account itself may (ERC-7821, single batches without signatures). It keeps nothing.
contract BatchAccount is ERC7821 {
    /// @notice An account with code must say that it takes ether.
    receive() external payable {}
}
