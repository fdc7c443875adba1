// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBonds} from "../../contracts/src/interfaces/IBonds.sol";
import {ISettlement} from "../../contracts/src/interfaces/ISettlement.sol";
import {Market} from "./Market.sol";

/// @notice Money in and out of Settlement, its signers, its windows.
contract PurseTest is Market {
    address private constant TO = address(0x70);

    function testEscrowDeposit(address account, uint96 amountWei) public {
        vm.assume(amountWei != 0 && account != builder);
        vm.expectEmit(address(settlement));
        emit ISettlement.EscrowDeposited(account, amountWei);
        vm.deal(address(this), amountWei);
        settlement.depositEscrow{value: amountWei}(account);
        eq(settlement.escrowOf(account).availableWei, amountWei);
    }

    function testEmptyDepositIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NothingDeposited.selector));
        settlement.depositEscrow(builder);
    }

    function testEscrowIsWithdrawnAfterItsDelayAndNotBefore(uint96 amountWei) public {
        amountWei = uint96(bound(amountWei, 1, ESCROW));
        begin(amountWei);
        eq(settlement.escrowOf(builder).availableWei, ESCROW - amountWei);
        vm.warp(NOW + EXIT - 1);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.NotReady.selector, NOW + EXIT, NOW + EXIT - 1)
        );
        vm.prank(builder);
        settlement.withdrawEscrow(TO);
        vm.warp(NOW + EXIT);
        vm.prank(builder);
        settlement.withdrawEscrow(TO);
        eq(TO.balance, amountWei);
        eq(escrowOf(builder), ESCROW - amountWei);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NothingToWithdraw.selector));
        vm.prank(builder);
        settlement.withdrawEscrow(TO);
    }

    function testSecondWithdrawalRestartsTheDelay(uint32 pauseS) public {
        uint256 pause = bound(pauseS, 1, EXIT);
        begin(1 ether);
        vm.warp(NOW + pause);
        begin(1 ether);
        ISettlement.Escrow memory escrow = settlement.escrowOf(builder);
        eq(escrow.withdrawReadyAt, NOW + pause + EXIT);
        eq(escrow.withdrawingWei, 2 ether);
    }

    function testWithdrawalOfMoreThanIsAvailableIsRefused(uint96 amountWei) public {
        amountWei = uint96(bound(amountWei, uint256(ESCROW) + 1, type(uint96).max));
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.AmountTooLarge.selector, amountWei, ESCROW)
        );
        begin(amountWei);
    }

    function testWithdrawalOfNothingIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NothingToWithdraw.selector));
        begin(0);
    }

    function testCreditIsWithdrawnOnceAtAnyTime(uint96 payWei) public {
        payWei = uint96(bound(payWei, 1, ESCROW));
        settle(receipt(1, winner, payWei));
        vm.prank(winner);
        settlement.withdrawCredit(TO);
        eq(TO.balance, payWei);
        eq(settlement.creditOf(winner), 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NothingToWithdraw.selector));
        vm.prank(winner);
        settlement.withdrawCredit(TO);
    }

    function testWithdrawalToNobodyIsRefused() public {
        settle(receipt(1, winner, 1 ether));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.TransferFailed.selector, address(0)));
        vm.prank(winner);
        settlement.withdrawCredit(address(0));
    }

    function testPlainEtherIsRefused(address from, uint96 amountWei) public {
        vm.assume(from != address(bonds));
        vm.deal(from, amountWei);
        vm.prank(from);
        (bool sent, bytes memory reason) = address(settlement).call{value: amountWei}("");
        eq(sent, false);
        eq(
            keccak256(reason),
            keccak256(abi.encodeWithSelector(ISettlement.UnexpectedTransfer.selector, from))
        );
    }

    function testSignerSignsForItsAccountUntilItsRemoval(uint160 salt) public {
        address wallet = address(uint160(bound(salt, 1 << 20, type(uint160).max)));
        address signer = vm.addr(THIRD_KEY);
        // This test takes the signer for itself in the end.
        vm.assume(wallet != signer && wallet != address(this));
        settlement.depositEscrow{value: 1 ether}(wallet);
        vm.prank(wallet);
        settlement.setSigner(signer);
        Receipt memory it = receipt(1, winner, 1 ether);
        it.builder = wallet;
        bytes memory packed = pack(it, THIRD_KEY);

        vm.prank(wallet);
        settlement.beginSignerRemoval();
        vm.warp(NOW + EXIT - 1);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.NotReady.selector, NOW + EXIT, NOW + EXIT - 1)
        );
        vm.prank(wallet);
        settlement.removeSigner();
        settlement.settle(packed); // still good
        eq(settlement.creditOf(winner), 1 ether);

        vm.warp(NOW + EXIT);
        vm.prank(wallet);
        settlement.removeSigner();
        (address left, uint64 removableAt) = settlement.signerOf(wallet);
        eq(left, address(0));
        eq(removableAt, 0);
        settlement.setSigner(signer); // free for another account
        it.nonce = 2;
        packed = pack(it, THIRD_KEY);
        vm.expectEmit(address(settlement));
        emit ISettlement.ReceiptRefused(wallet, winner, 2, 2);
        settlement.settle(packed);
    }

    function testSignerSignsForOneAccount(address other) public {
        vm.assume(other != builder);
        vm.prank(builder);
        settlement.setSigner(third);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SignerTaken.selector, third));
        vm.prank(other);
        settlement.setSigner(third);
    }

    function testAccountHasOneSigner(address next) public {
        vm.prank(builder);
        settlement.setSigner(third);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.SignerInPlace.selector, third));
        vm.prank(builder);
        settlement.setSigner(next);
    }

    function testNobodyIsNoSigner() public {
        bytes memory reason = abi.encodeWithSelector(ISettlement.NoSigner.selector, address(this));
        vm.expectRevert(reason);
        settlement.setSigner(address(0));
        vm.expectRevert(reason);
        settlement.beginSignerRemoval();
        vm.expectRevert(reason);
        settlement.removeSigner();
    }

    function testSignerOfAProverCommitsForIt() public {
        Job memory it = job(1);
        bytes32 commitment = keccak256(abi.encode(winner, keccak256("proof")));
        vm.prank(winner);
        settlement.setSigner(third);
        vm.prank(third);
        settlement.commitProof(it.requestId, winner, commitment);
        eq(settlement.commitmentOf(it.requestId, winner).minedAt, NOW);
    }

    function testSignersOfBothSidesStartAndSlash() public {
        vm.prank(winner);
        settlement.setSigner(vm.addr(0x51));
        vm.prank(builder);
        settlement.setSigner(vm.addr(0x52));
        Job memory it = job(1);
        Started memory started = start(it, WINNER_KEY, 0x51, 0x52);
        vm.warp(dueS(it) + 2 * W);
        slash(it, started);
        eq(bondOf(winner), BOND - it.request.bondWei);
    }

    /// The exit delay outlives every obligation; the other windows are in order.
    function testContradictoryWindowsAreRefused(ISettlement.Windows memory w) public {
        bool good = w.claimWindowS != 0 && w.slotS <= w.commitWindowS
            && w.commitWindowS <= w.claimWindowS
            && w.exitDelayS > uint256(w.maxJobS) + 4 * uint256(w.claimWindowS);
        if (!good) vm.expectRevert(abi.encodeWithSelector(ISettlement.BadWindows.selector, w));
        ISettlement made = deploy(w);
        if (good) eq(keccak256(abi.encode(made.windows())), keccak256(abi.encode(w)));
    }

    function testExitDelayMustExceedFourClaimWindows() public {
        ISettlement.Windows memory w = settlement.windows();
        w.exitDelayS = 60 + 4 * uint32(W);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BadWindows.selector, w));
        deploy(w);
        w.exitDelayS += 1;
        eq(deploy(w).windows().exitDelayS, w.exitDelayS);
    }

    function testClaimWindowMustNotBeEmpty() public {
        ISettlement.Windows memory w = ISettlement.Windows(0, 0, 0, 60, 3_600);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BadWindows.selector, w));
        deploy(w);
    }

    function testBondsBelongToTheirSettlement() public view {
        eq(bonds.settlement(), address(settlement));
        eq(bonds.exitDelayS(), EXIT);
        eq(settlement.burntWei(), bonds.burntWei());
    }

    function begin(uint96 amountWei) private {
        vm.prank(builder);
        settlement.beginWithdrawal(amountWei);
    }
}

