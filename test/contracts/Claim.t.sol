// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISettlement} from "../../contracts/src/interfaces/ISettlement.sol";
import {Market} from "./Market.sol";

/// @notice Commitments, and claims that are paid.
contract ClaimTest is Market {
    function testCommitmentIsKept(bytes32 requestId, bytes32 commitment, uint32 laterS) public {
        vm.warp(NOW + laterS);
        vm.expectEmit(address(settlement));
        emit ISettlement.ProofCommitted(requestId, winner, commitment);
        vm.prank(winner);
        settlement.commitProof(requestId, winner, commitment);
        ISettlement.Commitment memory stored = settlement.commitmentOf(requestId, winner);
        eq(stored.hash, uint160(bytes20(commitment)));
        eq(stored.minedAt, NOW + laterS);
        eq(stored.challengedAt, 0);
        eq(stored.verified, false);
        eq(settlement.commitmentOf(requestId, backup).minedAt, 0);
    }

    function testFirstCommitmentStands(bytes32 requestId, bytes32 first, bytes32 second) public {
        vm.prank(winner);
        settlement.commitProof(requestId, winner, first);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.AlreadyCommitted.selector, requestId, winner)
        );
        vm.prank(winner);
        settlement.commitProof(requestId, winner, second);
    }

    function testNobodyElseCommits(address caller) public {
        vm.assume(caller != winner);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BadSignature.selector, winner));
        vm.prank(caller);
        settlement.commitProof("request", winner, "commitment");
    }

    function testWinnerClaimsItsPrice(uint64 nonce, address sender) public {
        vm.assume(sender != winner);
        Job memory it = job(nonce);
        Started memory started = start(it, WINNER_KEY);
        commit(it, winner, prove(it, winner));
        bytes memory proof = prove(it, winner);
        vm.expectEmit(address(settlement));
        emit ISettlement.Claimed(it.requestId, builder, winner, nonce, 1 ether, 0);
        vm.prank(sender);
        settlement.claim(
            it.request,
            it.award,
            started.acceptanceSignature,
            started.start,
            started.startSignature,
            it.bids[0],
            proof
        );
        eq(settlement.creditOf(winner), 1 ether);
        eq(escrowOf(builder), ESCROW - 1 ether);
        eq(settlement.isResolved(builder, winner, nonce), true);
        eq(settlement.commitmentOf(it.requestId, winner).verified, true);
        eq(settlement.rescuerOf(it.awardId), winner);
    }

    function testBackupClaimsItsOwnPrice() public {
        Job memory it = job(1);
        commit(it, backup, prove(it, backup));
        claim(it, start(it, BACKUP_KEY), prove(it, backup));
        eq(settlement.creditOf(backup), 1.5 ether);
    }

    function testBackupCannotClaimAPriceItDidNotBid(uint128 priceWei, uint48 readyAt) public {
        Job memory it = job(1);
        vm.assume(priceWei != it.bids[1].priceWei || readyAt != it.bids[1].readyAt);
        (it.bids[1].priceWei, it.bids[1].readyAt) = (priceWei, readyAt);
        commit(it, backup, prove(it, backup));
        Started memory started = start(it, BACKUP_KEY);
        bytes memory proof = prove(it, backup);
        bytes32 its = leaf(bidId(it.requestId, backup, it.bids[1]), it.bids[1]);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotUnderRoot.selector, its));
        claim(it, started, proof);
    }

    /// Two started provers who both deliver are both paid.
    function testTwoStartedProversAreBothPaid() public {
        Job memory it = job(1);
        commit(it, winner, prove(it, winner));
        commit(it, backup, prove(it, backup));
        claim(it, start(it, BACKUP_KEY), prove(it, backup));
        claim(it, start(it, WINNER_KEY), prove(it, winner));
        eq(settlement.creditOf(winner), 1 ether);
        eq(settlement.creditOf(backup), 1.5 ether);
        eq(settlement.rescuerOf(it.awardId), backup); // the first
    }

    function testClaimIsPaidOnce() public {
        Job memory it = claimed();
        Started memory started = start(it, WINNER_KEY);
        bytes memory proof = prove(it, winner);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.AlreadyResolved.selector, builder, winner, 1)
        );
        claim(it, started, proof);
        settle(receipt(1, winner, 1 ether));
        eq(settlement.creditOf(winner), 1 ether);
    }

    function testClaimAfterItsOwnReceiptIsRefused(uint96 payWei) public {
        Job memory it = job(1);
        settle(receipt(1, winner, payWei));
        commit(it, winner, prove(it, winner));
        Started memory started = start(it, WINNER_KEY);
        bytes memory proof = prove(it, winner);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.AlreadyResolved.selector, builder, winner, 1)
        );
        claim(it, started, proof);
    }

    /// A builder that settles a mean receipt before the prover can claim wins nothing by it.
    function testMeanReceiptOfTheBuilderDoesNotReplaceAClaim(uint96 meanWei) public {
        meanWei = meanWei % 4 == 0 ? 1 ether : uint96(bound(meanWei, 0, 3 ether));
        vm.fee(20 gwei);
        Job memory it = job(1);
        bytes memory packed = pack(receipt(1, winner, meanWei), BUILDER_KEY);
        vm.prank(builder);
        settlement.settle(packed);
        eq(settlement.duesOf(builder, winner, 1).unasked, true);
        commit(it, winner, prove(it, winner));
        claim(it, start(it, WINNER_KEY), prove(it, winner));
        uint256 gasWei = settlement.CLAIM_GAS() * 20 gwei;
        // Gas is owed only where the receipt was mean.
        eq(settlement.creditOf(winner), meanWei < 1 ether ? 1 ether + gasWei : meanWei);
        settlement.settle(packed);
        Started memory started = start(it, WINNER_KEY);
        bytes memory proof = prove(it, winner);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.AlreadyResolved.selector, builder, winner, 1)
        );
        claim(it, started, proof);
        eq(settlement.creditOf(winner), meanWei < 1 ether ? 1 ether + gasWei : meanWei);
        eq(settlement.commitmentOf(it.requestId, winner).verified, true);
    }

    /// An unasked receipt that could not be paid, then a claim: both are one debt.
    function testClaimTakesOverWhatAnUnaskedReceiptOwes(uint96 payWei) public {
        payWei = uint96(bound(payWei, 1, 3 ether));
        settle(receipt(7, third, ESCROW + STAKE / 2));
        settlement.settle(pack(receipt(1, winner, payWei), BUILDER_KEY));
        Job memory it = job(1);
        commit(it, winner, prove(it, winner));
        claim(it, start(it, WINNER_KEY), prove(it, winner));
        uint256 dueWei = payWei > 1 ether ? payWei : 1 ether;
        eq(settlement.duesOf(builder, winner, 1).owedWei, dueWei);
        settlement.depositEscrow{value: 4 ether}(builder);
        settlement.settle(pack(receipt(1, winner, payWei), BUILDER_KEY));
        eq(settlement.creditOf(winner), dueWei);
    }

    function testGasIsPaidAtTheBaseFeeUpToTheCap(uint64 baseFeeWei) public {
        baseFeeWei = uint64(bound(baseFeeWei, 0, 1000 gwei));
        vm.fee(baseFeeWei);
        uint256 feeWei = baseFeeWei < 50 gwei ? baseFeeWei : 50 gwei;
        uint256 gasWei = settlement.CLAIM_GAS() * feeWei;
        Job memory it = job(1);
        eq(it.request.claimBaseFeeCapWei, 50 gwei);
        commit(it, winner, prove(it, winner));
        Started memory started = start(it, WINNER_KEY);
        bytes memory proof = prove(it, winner);
        vm.expectEmit(address(settlement));
        emit ISettlement.Claimed(it.requestId, builder, winner, 1, 1 ether, gasWei);
        claim(it, started, proof);
        eq(settlement.creditOf(winner), 1 ether + gasWei);
    }

    /// A proof that came too late to be paid is not refunded either; it only keeps its bond.
    function testLateProofIsNotPaidNorRefunded() public {
        vm.fee(20 gwei);
        Job memory it = job(1);
        vm.warp(dueS(it) + COMMIT);
        commit(it, winner, prove(it, winner));
        claim(it, start(it, WINNER_KEY), prove(it, winner));
        eq(settlement.creditOf(winner), 0);
        eq(settlement.isResolved(builder, winner, 1), true);
    }

    /// As if delivered one slot before the commitment's block: -1, 0, +1 slots around promise and
    /// due time.
    function testPayFollowsTheCommitmentsBlock(uint32 minedAfterS) public {
        Job memory it = job(1);
        uint256 minedAt = NOW + bound(minedAfterS, 0, 20 + COMMIT);
        uint256 deliveredAt = (minedAt - SLOT) * 1000;
        uint256 softDueAt = it.request.softDueAt;
        uint256 lateMs = deliveredAt > softDueAt ? deliveredAt - softDueAt : 0;
        uint256 payWei = 1 ether > 10 * 1e13 * lateMs ? 1 ether - 10 * 1e13 * lateMs : 0;
        if (deliveredAt > it.request.dueAt) payWei = 0;
        vm.warp(minedAt);
        commit(it, winner, prove(it, winner));
        claim(it, start(it, WINNER_KEY), prove(it, winner));
        eq(settlement.creditOf(winner), payWei);
    }

    /// A backup's promise shifts by the delay of its start.
    function testBackupsPromiseShiftsByItsStartsDelay(uint16 delayMs) public {
        ProofRequest memory terms = request(1);
        terms.softDueAt = terms.openedAt; // so that the promise decides
        Job memory it = job(terms);
        Started memory started = start(it, BACKUP_KEY);
        started.start.startedAt = terms.closesAt + delayMs;
        started.startSignature = sign(BUILDER_KEY, digest(hash(started.start)));
        vm.warp(NOW + 6 + SLOT); // delivered at +6.0 s; promised +5.5 s
        commit(it, backup, prove(it, backup));
        claim(it, started, prove(it, backup));
        uint256 lateMs = delayMs < 500 ? 500 - uint256(delayMs) : 0;
        eq(settlement.creditOf(backup), 1.5 ether - 10 * 1e13 * lateMs);
    }

    function testCommitWindow() public {
        for (uint64 i = 0; i < 3; i++) {
            Job memory it = job(i);
            uint256 untilS = dueS(it) + COMMIT;
            vm.warp(untilS - 1 + i);
            commit(it, winner, prove(it, winner));
            Started memory started = start(it, WINNER_KEY);
            bytes memory proof = prove(it, winner);
            bytes memory late =
                abi.encodeWithSelector(ISettlement.WindowClosed.selector, untilS, untilS + 1);
            if (i == 2) vm.expectRevert(late);
            claim(it, started, proof);
            eq(settlement.isResolved(builder, winner, i), i < 2);
        }
    }

    function testClaimWindow() public {
        for (uint64 i = 0; i < 3; i++) {
            Job memory it = job(i);
            vm.warp(NOW);
            commit(it, winner, prove(it, winner));
            uint256 untilS = dueS(it) + W;
            vm.warp(untilS - 1 + i);
            Started memory started = start(it, WINNER_KEY);
            bytes memory proof = prove(it, winner);
            bytes memory late =
                abi.encodeWithSelector(ISettlement.WindowClosed.selector, untilS, untilS + 1);
            if (i == 2) vm.expectRevert(late);
            claim(it, started, proof);
            eq(settlement.isResolved(builder, winner, i), i < 2);
        }
    }

    /// A due time between two seconds is rounded up, in the prover's favour.
    function testDueTimeIsRoundedUp(uint16 ms) public {
        ProofRequest memory terms = request(1);
        terms.dueAt += uint48(bound(ms, 1, 999));
        Job memory it = job(terms);
        vm.warp(NOW + 21 + COMMIT);
        commit(it, winner, prove(it, winner));
        vm.warp(NOW + 21 + W);
        claim(it, start(it, WINNER_KEY), prove(it, winner));
        eq(settlement.isResolved(builder, winner, 1), true);
    }

    function testAbsurdPriceDoesNotOverflow() public {
        ProofRequest memory terms = request(1);
        terms.claimBaseFeeCapWei = type(uint64).max;
        Job memory it = job(terms);
        it.award.priceWei = type(uint128).max;
        it.awardId = digest(hash(it.award));
        vm.fee(type(uint64).max);
        commit(it, winner, prove(it, winner));
        claim(it, start(it, WINNER_KEY), prove(it, winner));
        eq(settlement.creditOf(winner), uint256(ESCROW) + STAKE / 2);
    }

    function claimed() private returns (Job memory it) {
        it = job(1);
        commit(it, winner, prove(it, winner));
        claim(it, start(it, WINNER_KEY), prove(it, winner));
    }
}
