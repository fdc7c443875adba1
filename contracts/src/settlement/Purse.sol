// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Bonds} from "../Bonds.sol";
import {IBonds} from "../interfaces/IBonds.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {Clock} from "./Clock.sol";

/// @notice Builders' escrow, provers' credits, and the stake behind the escrow.
abstract contract Purse is Clock {
    using SafeCast for uint256;

    IBonds internal immutable _bonds;

    mapping(address builder => Escrow) private _escrows;
    mapping(address prover => uint256) private _credits;

    constructor() {
        _bonds = new Bonds(_exitDelayS);
    }

    /// @notice Only Bonds sends plain ether: the paid part of something slashed.
    receive() external payable {
        if (msg.sender != address(_bonds)) revert UnexpectedTransfer(msg.sender);
    }

    /// @inheritdoc ISettlement
    function depositEscrow(address builder) external payable {
        if (msg.value == 0) revert NothingDeposited();
        _escrows[builder].availableWei += msg.value.toUint96();
        emit EscrowDeposited(builder, msg.value);
    }

    /// @inheritdoc ISettlement
    function beginWithdrawal(uint96 amountWei) external {
        Escrow storage escrow = _escrows[msg.sender];
        uint96 availableWei = escrow.availableWei;
        if (amountWei == 0) revert NothingToWithdraw();
        if (amountWei > availableWei) revert AmountTooLarge(amountWei, availableWei);
        uint256 readyAt = block.timestamp + _exitDelayS;
        escrow.availableWei = availableWei - amountWei;
        escrow.withdrawingWei += amountWei;
        escrow.withdrawReadyAt = readyAt.toUint64();
        emit WithdrawalBegun(msg.sender, amountWei, readyAt);
    }

    /// @inheritdoc ISettlement
    function withdrawEscrow(address to) external {
        Escrow storage escrow = _escrows[msg.sender];
        (uint256 amountWei, uint256 readyAt) = (escrow.withdrawingWei, escrow.withdrawReadyAt);
        if (amountWei == 0) revert NothingToWithdraw();
        if (block.timestamp < readyAt) revert NotReady(readyAt, block.timestamp);
        (escrow.withdrawingWei, escrow.withdrawReadyAt) = (0, 0);
        emit EscrowWithdrawn(msg.sender, to, amountWei);
        _send(to, amountWei);
    }

    /// @inheritdoc ISettlement
    function withdrawCredit(address to) external {
        uint256 amountWei = _credits[msg.sender];
        if (amountWei == 0) revert NothingToWithdraw();
        _credits[msg.sender] = 0;
        emit CreditWithdrawn(msg.sender, to, amountWei);
        _send(to, amountWei);
    }

    /// @inheritdoc ISettlement
    function escrowOf(address builder) external view returns (Escrow memory) {
        return _escrows[builder];
    }

    /// @inheritdoc ISettlement
    function creditOf(address prover) external view returns (uint256) {
        return _credits[prover];
    }

    /// @inheritdoc ISettlement
    function bonds() external view returns (address) {
        return address(_bonds);
    }

    /// @inheritdoc ISettlement
    function burntWei() external view returns (uint256) {
        return _bonds.burntWei();
    }

    function _credit(address prover, uint256 amountWei) internal {
        if (amountWei != 0) _credits[prover] += amountWei;
    }

    /// @dev All of a builder's escrow: money being withdrawn still pays.
    function _escrowWei(address builder) internal view returns (uint256) {
        Escrow storage escrow = _escrows[builder];
        return uint256(escrow.availableWei) + escrow.withdrawingWei;
    }

    /// @dev What its stake can pay: half, because as much again is burnt.
    function _stakeCoverWei(address builder) internal view returns (uint256) {
        IBonds.Stake memory stake = _bonds.stakeOf(builder, IBonds.Role.Builder);
        return (uint256(stake.activeWei) + stake.exitingWei) / 2;
    }

    /// @dev Takes up to `wantedWei` from the builder: escrow, then stake with as much again burnt.
    /// @return drawnWei min(wanted, _escrowWei + _stakeCoverWei), which the caller has to credit.
    function _draw(address builder, uint256 wantedWei) internal returns (uint256 drawnWei) {
        if (wantedWei == 0) return 0;
        Escrow storage escrow = _escrows[builder];
        (uint96 availableWei, uint96 withdrawingWei) = (escrow.availableWei, escrow.withdrawingWei);
        // Each part is bounded by the field it is taken from.
        uint96 fromAvailableWei = uint96(Math.min(wantedWei, availableWei));
        uint96 fromLeavingWei = uint96(Math.min(wantedWei - fromAvailableWei, withdrawingWei));
        if (fromAvailableWei != 0) escrow.availableWei = availableWei - fromAvailableWei;
        if (fromLeavingWei != 0) {
            escrow.withdrawingWei = withdrawingWei - fromLeavingWei;
            if (fromLeavingWei == withdrawingWei) escrow.withdrawReadyAt = 0;
        }
        drawnWei = uint256(fromAvailableWei) + fromLeavingWei;
        uint256 shortWei = wantedWei - drawnWei;
        if (shortWei == 0) return drawnWei;
        (uint256 stakeWei, uint256 burntWei_) =
            _bonds.slash(builder, IBonds.Role.Builder, shortWei, shortWei);
        emit EscrowShort(builder, shortWei, stakeWei, burntWei_);
        drawnWei += stakeWei;
    }

    /// @dev Last thing every caller does. The zero address is refused: it is a forgotten argument,
    /// not a wish.
    function _send(address to, uint256 amountWei) private {
        if (to == address(0)) revert TransferFailed(to);
        (bool sent,) = to.call{value: amountWei}("");
        if (!sent) revert TransferFailed(to);
    }
}
