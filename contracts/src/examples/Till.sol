// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Somebody on L1 who is paid from a rollup
contract Till {
    event Paid(address indexed payer, uint256 amountWei);

    uint256 public takenWei;

    receive() external payable {
        takenWei += msg.value;
        emit Paid(msg.sender, msg.value);
    }
}
