// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBonds} from "../../contracts/src/interfaces/IBonds.sol";
import {Base} from "./Base.sol";

/// @notice Takes no ether.
contract Refuser {
    function depart(IBonds bonds, uint96 amountWei) external {
        bonds.beginExit(IBonds.Role.Prover, amountWei);
    }

    function withdraw(IBonds bonds) external {
        bonds.withdraw(IBonds.Role.Prover, address(this));
    }
}

/// @notice Calls back while it is paid.
contract Returner {
    IBonds private immutable bonds;

    constructor(IBonds bonds_) {
        bonds = bonds_;
    }

    function depart(uint96 amountWei) external {
        bonds.beginExit(IBonds.Role.Prover, amountWei);
    }

    function withdraw() external {
        bonds.withdraw(IBonds.Role.Prover, address(this));
    }

    receive() external payable {
        bonds.withdraw(IBonds.Role.Prover, address(this));
    }
}

/// @notice Bonds on its own: this test contract is its settlement.
contract BondsTest is Base {
    uint256 private constant NOW = 1_800_000_000;
    uint256 private constant EXIT = 3_600;
    address private constant ALICE = address(0xa11ce);
    address private constant TO = address(0x70);
    IBonds.Role private constant PROVER = IBonds.Role.Prover;
    IBonds.Role private constant BUILDER = IBonds.Role.Builder;
    IBonds private bonds;

    function setUp() public {
        vm.warp(NOW);
        bonds = IBonds(vm.deployCode("Bonds.sol:Bonds", abi.encode(EXIT)));
        vm.deal(address(this), type(uint128).max);
    }

    function testDepositCountsForItsRoleOnly(address account, uint96 amountWei) public {
        vm.assume(amountWei != 0);
        vm.expectEmit(address(bonds));
        emit IBonds.Deposited(account, PROVER, amountWei);
        bonds.deposit{value: amountWei}(account, PROVER);
        eq(bonds.stakeOf(account, PROVER).activeWei, amountWei);
        eq(bonds.stakeOf(account, BUILDER).activeWei, 0);
    }

    function testDepositOfNothingIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IBonds.NothingDeposited.selector));
        bonds.deposit(ALICE, PROVER);
    }

    function testDepositBeyondTheFieldIsRefused() public {
        vm.expectRevert();
        bonds.deposit{value: uint256(type(uint96).max) + 1}(ALICE, PROVER);
    }

    function testExitIsWithdrawnAfterItsDelayAndNotBefore(uint96 depositWei, uint96 exitWei)
        public
    {
        depositWei = uint96(bound(depositWei, 1, type(uint96).max));
        exitWei = uint96(bound(exitWei, 1, depositWei));
        bonds.deposit{value: depositWei}(ALICE, PROVER);
        exit(exitWei);
        eq(bonds.stakeOf(ALICE, PROVER).activeWei, depositWei - exitWei);
        eq(bonds.stakeOf(ALICE, PROVER).exitingWei, exitWei);

        vm.warp(NOW + EXIT - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IBonds.ExitNotReady.selector, NOW + EXIT, NOW + EXIT - 1)
        );
        vm.prank(ALICE);
        bonds.withdraw(PROVER, TO);

        vm.warp(NOW + EXIT);
        vm.prank(ALICE);
        bonds.withdraw(PROVER, TO);
        eq(TO.balance, exitWei);
        eq(bonds.stakeOf(ALICE, PROVER).exitingWei, 0);
        eq(bonds.stakeOf(ALICE, PROVER).exitReadyAt, 0);
    }

    function testSecondExitRestartsTheDelayForAll(uint32 pauseS) public {
        uint256 pause = bound(pauseS, 1, EXIT);
        bonds.deposit{value: 2 ether}(ALICE, PROVER);
        exit(1 ether);
        vm.warp(NOW + pause);
        exit(1 ether);
        eq(bonds.stakeOf(ALICE, PROVER).exitReadyAt, NOW + pause + EXIT);
        eq(bonds.stakeOf(ALICE, PROVER).exitingWei, 2 ether);
    }

    function testExitOfMoreThanIsActiveIsRefused(uint96 activeWei, uint96 amountWei) public {
        activeWei = uint96(bound(activeWei, 1, type(uint96).max - 1));
        amountWei = uint96(bound(amountWei, uint256(activeWei) + 1, type(uint96).max));
        bonds.deposit{value: activeWei}(ALICE, PROVER);
        vm.expectRevert(
            abi.encodeWithSelector(IBonds.AmountTooLarge.selector, amountWei, activeWei)
        );
        exit(amountWei);
    }

    function testExitOfNothingIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IBonds.NothingExiting.selector));
        bonds.beginExit(PROVER, 0);
    }

    function testWithdrawalWithoutExitIsRefused() public {
        bonds.deposit{value: 1 ether}(ALICE, PROVER);
        vm.expectRevert(abi.encodeWithSelector(IBonds.NothingExiting.selector));
        vm.prank(ALICE);
        bonds.withdraw(PROVER, TO);
    }

    function testWithdrawalToNobodyIsRefused() public {
        bonds.deposit{value: 1 ether}(ALICE, PROVER);
        exit(1 ether);
        vm.warp(NOW + EXIT);
        vm.expectRevert(abi.encodeWithSelector(IBonds.TransferFailed.selector, address(0)));
        vm.prank(ALICE);
        bonds.withdraw(PROVER, address(0));
    }

    function testWithdrawalThatIsNotTakenChangesNothing() public {
        Refuser refuser = new Refuser();
        bonds.deposit{value: 1 ether}(address(refuser), PROVER);
        refuser.depart(bonds, 1 ether);
        vm.warp(NOW + EXIT);
        vm.expectRevert(abi.encodeWithSelector(IBonds.TransferFailed.selector, address(refuser)));
        refuser.withdraw(bonds);
        eq(bonds.stakeOf(address(refuser), PROVER).exitingWei, 1 ether);
    }

    function testReentrantWithdrawalFails() public {
        Returner returner = new Returner(bonds);
        bonds.deposit{value: 9 ether}(ALICE, PROVER);
        bonds.deposit{value: 1 ether}(address(returner), PROVER);
        returner.depart(1 ether);
        vm.warp(NOW + EXIT);
        vm.expectRevert(abi.encodeWithSelector(IBonds.TransferFailed.selector, address(returner)));
        returner.withdraw();
        eq(address(bonds).balance, 10 ether);
    }

    function testOnlySettlementSlashes(address caller) public {
        vm.assume(caller != address(this));
        vm.expectRevert(abi.encodeWithSelector(IBonds.OnlySettlement.selector, caller));
        vm.prank(caller);
        bonds.slash(ALICE, PROVER, 1, 1);
    }

    function testSlashTakesWhatThereIsInProportion(
        uint96 activeWei,
        uint96 exitingWei,
        uint128 payWei,
        uint128 burnWei
    ) public {
        activeWei = uint96(bound(activeWei, 0, type(uint96).max / 2));
        exitingWei = uint96(bound(exitingWei, 1, type(uint96).max / 2));
        bonds.deposit{value: uint256(activeWei) + exitingWei}(ALICE, PROVER);
        exit(exitingWei);
        uint256 heldWei = address(bonds).balance;
        uint256 beforeWei = address(this).balance;

        (uint256 paidWei, uint256 burntWei) = bonds.slash(ALICE, PROVER, payWei, burnWei);

        uint256 askedWei = uint256(payWei) + burnWei;
        uint256 tornWei = askedWei < heldWei ? askedWei : heldWei;
        eq(paidWei + burntWei, tornWei);
        eq(paidWei, askedWei == 0 ? 0 : tornWei * payWei / askedWei);
        eq(address(this).balance - beforeWei, paidWei);
        eq(bonds.burntWei(), burntWei);
        IBonds.Stake memory left = bonds.stakeOf(ALICE, PROVER);
        eq(uint256(left.activeWei) + left.exitingWei, heldWei - tornWei);
        // The active part goes first.
        eq(left.exitingWei == exitingWei || left.activeWei == 0, true);
        eq(left.exitReadyAt == 0, left.exitingWei == 0);
        eq(address(bonds).balance, heldWei - tornWei + burntWei);
    }

    function testSlashLeavesTheOtherRole() public {
        bonds.deposit{value: 1 ether}(ALICE, BUILDER);
        (uint256 paidWei, uint256 burntWei) = bonds.slash(ALICE, PROVER, 1 ether, 1 ether);
        eq(paidWei + burntWei, 0);
        eq(bonds.stakeOf(ALICE, BUILDER).activeWei, 1 ether);
    }

    function exit(uint96 amountWei) private {
        vm.prank(ALICE);
        bonds.beginExit(PROVER, amountWei);
    }

    receive() external payable {}
}
