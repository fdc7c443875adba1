// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISettlement} from "../../contracts/src/interfaces/ISettlement.sol";
import {Market} from "./Market.sol";

/// @notice Batches of receipts.
contract SettleTest is Market {
    uint256 private constant N_ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function testReceiptIsPaidFromEscrow(uint64 nonce, uint96 payWei) public {
        payWei = uint96(bound(payWei, 0, ESCROW));
        vm.expectEmit(address(settlement));
        emit ISettlement.Paid(builder, winner, abi.encodePacked(nonce, uint128(payWei)));
        settle(receipt(nonce, winner, payWei));
        eq(settlement.creditOf(winner), payWei);
        eq(escrowOf(builder), ESCROW - payWei);
        eq(settlement.isResolved(builder, winner, nonce), true);
        none(nonce, winner);
    }

    /// Paid once, whoever sends it again, in the batch or later.
    function testReceiptIsPaidOnce(uint64 nonce, uint96 payWei) public {
        payWei = uint96(bound(payWei, 1, 1 ether));
        Receipt memory it = receipt(nonce, winner, payWei);
        bytes memory one = item(it, BUILDER_KEY);
        bytes memory twice = bytes.concat(head(winner, 2), one, one);
        vm.expectEmit(address(settlement));
        emit ISettlement.ReceiptRefused(builder, winner, nonce, 1);
        vm.prank(winner);
        settlement.settle(twice);
        eq(settlement.creditOf(winner), payWei);
        settle(it);
        it.payWei = 1.5 ether; // another receipt for the same job
        settle(it);
        eq(settlement.creditOf(winner), payWei);
    }

    /// Nonces of many bitmap words, in any order, each resolved and none else.
    function testBatchOverManyWords(uint64[8] memory nonces, uint64 other) public {
        bytes memory packed = head(winner, 8);
        uint256 expectedWei = 0;
        for (uint256 i = 0; i < 8; i++) {
            nonces[i] = uint64(uint256(nonces[i]) % 1024);
            packed = bytes.concat(packed, item(receipt(nonces[i], winner, 1 gwei), BUILDER_KEY));
            bool again = false;
            for (uint256 j = 0; j < i; j++) {
                again = again || nonces[j] == nonces[i];
            }
            if (!again) expectedWei += 1 gwei;
        }
        vm.prank(winner);
        settlement.settle(packed);
        eq(settlement.creditOf(winner), expectedWei);
        bool listed = false;
        for (uint256 i = 0; i < 8; i++) {
            eq(settlement.isResolved(builder, winner, nonces[i]), true);
            listed = listed || nonces[i] == other % 1024;
        }
        eq(settlement.isResolved(builder, winner, other % 1024), listed);
        eq(settlement.isResolved(builder, backup, nonces[0]), false);
    }

    function testOneBadReceiptDoesNotStopTheOthers(uint8 bad) public {
        uint256 place = bound(bad, 0, 2);
        bytes memory packed = head(winner, 3);
        for (uint64 i = 0; i < 3; i++) {
            uint256 key = i == place ? THIRD_KEY : BUILDER_KEY;
            packed = bytes.concat(packed, item(receipt(i, winner, 1 ether), key));
        }
        vm.expectEmit(address(settlement));
        emit ISettlement.ReceiptRefused(builder, winner, uint64(place), 2);
        vm.prank(winner);
        settlement.settle(packed);
        eq(settlement.creditOf(winner), 2 ether);
        eq(settlement.isResolved(builder, winner, uint64(place)), false);
    }

    function testGroupsOfManyProversInOneCall(uint96 a, uint96 b) public {
        a = uint96(bound(a, 1, ESCROW / 2));
        b = uint96(bound(b, 1, ESCROW / 2));
        settlement.settle(
            bytes.concat(
                pack(receipt(1, winner, a), BUILDER_KEY), pack(receipt(1, backup, b), BUILDER_KEY)
            )
        );
        eq(settlement.creditOf(winner), a);
        eq(settlement.creditOf(backup), b);
        eq(escrowOf(builder), ESCROW - a - b);
    }

    /// A change in any bit of a receipt makes it another, unsigned one.
    function testEveryBitIsSigned(uint256 bit) public {
        bytes memory packed = pack(receipt(5, winner, 1 ether), BUILDER_KEY);
        // The first 20 + 20 bytes are the parties; the count is framing, not signed.
        uint256 place = bound(bit, 0, packed.length * 8 - 1);
        vm.assume(place / 8 != 40);
        packed[place / 8] ^= bytes1(uint8(1 << (place % 8)));
        settlement.settle(packed);
        eq(escrowOf(builder), ESCROW);
        eq(settlement.creditOf(winner), 0);
    }

    function testMalformedFramingIsRefused(uint256 cut) public {
        bytes memory packed = pack(receipt(1, winner, 1 ether), BUILDER_KEY);
        uint256 length = bound(cut, 0, packed.length - 1);
        assembly ("memory-safe") {
            mstore(packed, length)
        }
        vm.expectRevert(abi.encodeWithSelector(ISettlement.MalformedBatch.selector, length));
        settlement.settle(packed);
    }

    function testTrailingBytesAndEmptyGroupsAreRefused() public {
        bytes memory packed = bytes.concat(pack(receipt(1, winner, 1 ether), BUILDER_KEY), hex"00");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.MalformedBatch.selector, packed.length));
        settlement.settle(packed);
        packed = head(winner, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.MalformedBatch.selector, 41));
        settlement.settle(packed);
    }

    function testMalleableSignatureIsRefused() public {
        Receipt memory it = receipt(1, winner, 1 ether);
        bytes memory packed = pack(it, BUILDER_KEY);
        bytes32 r;
        uint256 vs;
        assembly ("memory-safe") {
            r := mload(add(packed, add(0x20, 135))) // 41 + 94
            vs := mload(add(packed, add(0x20, 167)))
        }
        uint256 s = N_ORDER - (vs & (type(uint256).max >> 1));
        // EIP-2098 has no room for a high s: its top bit is v's. What is left of it signs nothing.
        uint256 high = (s & (type(uint256).max >> 1)) | (~vs & (1 << 255));
        assembly ("memory-safe") {
            mstore(add(packed, add(0x20, 167)), high)
        }
        settlement.settle(packed);
        eq(settlement.creditOf(winner), 0);
    }

    function testReceiptOfAnotherChainIsRefused(uint64 id) public {
        uint256 other = bound(id, 1, type(uint64).max - 1);
        vm.assume(other != block.chainid);
        bytes memory packed = pack(receipt(1, winner, 1 ether), BUILDER_KEY);
        vm.chainId(other);
        settlement.settle(packed);
        eq(settlement.creditOf(winner), 0);
        // Signed for the fork, it is good on the fork.
        settlement.settle(pack(receipt(1, winner, 1 ether), BUILDER_KEY));
        eq(settlement.creditOf(winner), 1 ether);
    }

    function testReceiptOfAnotherContractIsRefused() public {
        bytes memory packed = pack(receipt(1, winner, 1 ether), BUILDER_KEY);
        ISettlement other = deploy(settlement.windows());
        other.depositEscrow{value: 5 ether}(builder);
        other.settle(packed);
        eq(other.creditOf(winner), 0);
    }

    function testMoneyBeingWithdrawnStillPays(uint96 leavingWei, uint96 payWei) public {
        leavingWei = uint96(bound(leavingWei, 1, ESCROW));
        payWei = uint96(bound(payWei, 1, ESCROW));
        vm.prank(builder);
        settlement.beginWithdrawal(leavingWei);
        settle(receipt(1, winner, payWei));
        eq(settlement.creditOf(winner), payWei);
        ISettlement.Escrow memory escrow = settlement.escrowOf(builder);
        eq(uint256(escrow.availableWei) + escrow.withdrawingWei, ESCROW - payWei);
        // The available part goes first.
        eq(escrow.availableWei == 0 || escrow.withdrawingWei == leavingWei, true);
        eq(escrow.withdrawReadyAt == 0, escrow.withdrawingWei == 0);
        eq(stakeOf(builder), STAKE);
    }

    function testStakePaysWhatEscrowCannotAndAsMuchIsBurnt(uint96 shortWei) public {
        shortWei = uint96(bound(shortWei, 1, STAKE / 2));
        vm.expectEmit(address(settlement));
        emit ISettlement.EscrowShort(builder, shortWei, shortWei, shortWei);
        settle(receipt(1, winner, ESCROW + shortWei));
        eq(settlement.creditOf(winner), ESCROW + shortWei);
        eq(escrowOf(builder), 0);
        eq(stakeOf(builder), STAKE - 2 * uint256(shortWei));
        eq(settlement.burntWei(), shortWei);
    }

    /// Beyond escrow and half the stake: what there is, and the rest stays owed until there is
    /// more.
    function testRestStaysOwedAndIsPaidLater(uint96 missingWei) public {
        missingWei = uint96(bound(missingWei, 1, 50 ether));
        uint256 coverWei = uint256(ESCROW) + STAKE / 2;
        Receipt memory it = receipt(1, winner, uint128(coverWei + missingWei));
        settle(it);
        eq(settlement.creditOf(winner), coverWei);
        eq(stakeOf(builder), 0);
        eq(settlement.duesOf(builder, winner, 1).owedWei, missingWei);

        settlement.depositEscrow{value: uint256(missingWei) + 1 ether}(builder);
        settle(it);
        eq(settlement.creditOf(winner), coverWei + missingWei);
        eq(escrowOf(builder), 1 ether);
        settle(it);
        eq(escrowOf(builder), 1 ether);
    }

    /// A good receipt protects its prover even when there is nothing to pay it from.
    function testReceiptOverNothingIsRefusedOwedAndResolved(uint96 payWei) public {
        payWei = uint96(bound(payWei, 1, 50 ether));
        settle(receipt(1, winner, ESCROW + STAKE / 2)); // empties both
        Receipt memory it = receipt(2, backup, payWei);
        vm.expectEmit(address(settlement));
        emit ISettlement.ReceiptRefused(builder, backup, 2, 3);
        settle(it);
        eq(settlement.isResolved(builder, backup, 2), true);
        eq(settlement.duesOf(builder, backup, 2).owedWei, payWei);
        settlement.depositEscrow{value: payWei}(builder);
        settlement.settle(pack(it, BUILDER_KEY)); // anyone may
        eq(settlement.creditOf(backup), payWei);
        eq(settlement.duesOf(builder, backup, 2).owedWei, 0);
    }

    /// Receipts are paid in order while money lasts, and the sum is what was taken.
    function testShortBatchPaysInOrder(uint96[6] memory pays) public {
        bytes memory packed = head(winner, 6);
        uint256 leftWei = uint256(ESCROW) + STAKE / 2;
        uint256[6] memory owed;
        for (uint64 i = 0; i < 6; i++) {
            pays[i] = uint96(bound(pays[i], 0, 5 ether));
            packed = bytes.concat(packed, item(receipt(i, winner, pays[i]), BUILDER_KEY));
            uint256 paidWei = pays[i] < leftWei ? pays[i] : leftWei;
            leftWei -= paidWei;
            owed[i] = pays[i] - paidWei;
        }
        uint256 beforeWei = address(settlement).balance + address(bonds).balance;
        vm.prank(winner);
        settlement.settle(packed);
        for (uint64 i = 0; i < 6; i++) {
            eq(settlement.duesOf(builder, winner, i).owedWei, owed[i]);
        }
        eq(settlement.creditOf(winner), uint256(ESCROW) + STAKE / 2 - leftWei);
        eq(address(settlement).balance, escrowOf(builder) + settlement.creditOf(winner));
        eq(address(settlement).balance + address(bonds).balance, beforeWei);
    }

    function head(address prover, uint8 count) private view returns (bytes memory) {
        return abi.encodePacked(builder, prover, count);
    }

    function none(uint64 nonce, address prover) private view {
        ISettlement.Dues memory dues = settlement.duesOf(builder, prover, nonce);
        eq(dues.paidWei + dues.owedWei, 0);
        eq(dues.unasked, false);
    }
}
