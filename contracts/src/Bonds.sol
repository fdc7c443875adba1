// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IBonds} from "./interfaces/IBonds.sol";

/// @notice Implements {IBonds}. Deployed by its Settlement, which alone may slash.
contract Bonds is IBonds {
    using SafeCast for uint256;

    /// @inheritdoc IBonds
    address public immutable settlement;
    /// @inheritdoc IBonds
    uint256 public immutable exitDelayS;
    /// @inheritdoc IBonds
    uint256 public burntWei;

    mapping(address account => mapping(Role role => Stake)) private _stakes;

    constructor(uint256 exitDelayS_) {
        settlement = msg.sender;
        exitDelayS = exitDelayS_;
    }

    /// @inheritdoc IBonds
    function deposit(address account, Role role) external payable {
        if (msg.value == 0) revert NothingDeposited();
        _stakes[account][role].activeWei += msg.value.toUint96();
        emit Deposited(account, role, msg.value);
    }

    /// @inheritdoc IBonds
    function beginExit(Role role, uint96 amountWei) external {
        Stake storage stake = _stakes[msg.sender][role];
        uint96 activeWei = stake.activeWei;
        if (amountWei == 0) revert NothingExiting();
        if (amountWei > activeWei) revert AmountTooLarge(amountWei, activeWei);
        uint256 readyAt = block.timestamp + exitDelayS;
        stake.activeWei = activeWei - amountWei;
        stake.exitingWei += amountWei;
        stake.exitReadyAt = readyAt.toUint64();
        emit ExitBegun(msg.sender, role, amountWei, readyAt);
    }

    /// @inheritdoc IBonds
    function withdraw(Role role, address to) external {
        Stake storage stake = _stakes[msg.sender][role];
        (uint256 amountWei, uint256 readyAt) = (stake.exitingWei, stake.exitReadyAt);
        if (amountWei == 0) revert NothingExiting();
        if (block.timestamp < readyAt) revert ExitNotReady(readyAt, block.timestamp);
        (stake.exitingWei, stake.exitReadyAt) = (0, 0);
        emit Withdrawn(msg.sender, role, to, amountWei);
        _send(to, amountWei);
    }

    /// @inheritdoc IBonds
    function slash(address account, Role role, uint256 payWei, uint256 burnWei)
        external
        returns (uint256 paidWei, uint256 burntWei_)
    {
        if (msg.sender != settlement) revert OnlySettlement(msg.sender);
        Stake storage stake = _stakes[account][role];
        (uint96 activeWei, uint96 exitingWei) = (stake.activeWei, stake.exitingWei);
        uint256 askedWei = payWei + burnWei;
        uint256 tornWei = Math.min(askedWei, uint256(activeWei) + exitingWei);
        if (tornWei == 0) return (0, 0);

        // In proportion: money that leaves as a payment always costs its share burnt, so that
        // nobody takes a whole stake out past the exit delay by owing it to a friend. torn < 2^97,
        // pay < 2^137: no overflow.
        paidWei = (tornWei * payWei) / askedWei;
        burntWei_ = tornWei - paidWei;

        // Each part is bounded by the field it is taken from.
        uint96 fromActiveWei = uint96(Math.min(tornWei, activeWei));
        uint96 fromExitingWei = uint96(tornWei - fromActiveWei);
        if (fromActiveWei != 0) stake.activeWei = activeWei - fromActiveWei;
        if (fromExitingWei != 0) {
            stake.exitingWei = exitingWei - fromExitingWei;
            if (fromExitingWei == exitingWei) stake.exitReadyAt = 0;
        }
        if (burntWei_ != 0) burntWei += burntWei_;
        emit Slashed(account, role, tornWei, burntWei_);
        if (paidWei != 0) _send(msg.sender, paidWei);
    }

    /// @inheritdoc IBonds
    function stakeOf(address account, Role role) external view returns (Stake memory) {
        return _stakes[account][role];
    }

    /// @dev Last thing every caller does. The zero address is refused: it is a forgotten argument,
    /// not a wish.
    function _send(address to, uint256 amountWei) private {
        if (to == address(0)) revert TransferFailed(to);
        (bool sent,) = to.call{value: amountWei}("");
        if (!sent) revert TransferFailed(to);
    }
}
