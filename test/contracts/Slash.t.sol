// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBonds} from "../../contracts/src/interfaces/IBonds.sol";
import {ISettlement} from "../../contracts/src/interfaces/ISettlement.sol";
import {Market} from "./Market.sol";

/// @notice Defaults: the slash, its window, the challenge before it, the rescuer after it.
contract SlashTest is Market {
    function testSilentProverIsSlashedAndAllIsBurnt(uint64 nonce, uint128 bondWei, address sender)
        public
    {
        ProofRequest memory terms = request(nonce);
        terms.bondWei = bondWei;
        Job memory it = job(terms);
        Started memory started = start(it, WINNER_KEY);
        vm.warp(dueS(it) + 2 * W);
        uint256 takenWei = bondWei < BOND ? bondWei : BOND;
        vm.expectEmit(address(settlement));
        emit ISettlement.Slashed(it.requestId, builder, winner, nonce, takenWei, address(0), 0);
        vm.prank(sender);
        settlement.slash(terms, started.acceptanceSignature, started.start, started.startSignature);
        eq(bondOf(winner), BOND - takenWei);
        eq(settlement.burntWei(), takenWei);
        eq(settlement.isResolved(builder, winner, nonce), true);
        eq(stakeOf(builder), STAKE);
        eq(escrowOf(builder), ESCROW);
    }

    function testExitingBondIsSlashed(uint96 exitingWei) public {
        exitingWei = uint96(bound(exitingWei, 1, BOND));
        vm.prank(winner);
        bonds.beginExit(IBonds.Role.Prover, exitingWei);
        Job memory it = job(1);
        vm.warp(dueS(it) + 2 * W);
        slash(it, start(it, WINNER_KEY));
        eq(bondOf(winner), BOND - it.request.bondWei);
    }

    /// Whoever exits right after its acceptance is still there when the last slash may be sent.
    function testNobodyExitsBeforeItsSlash() public {
        Job memory it = job(1);
        it.request.dueAt = it.request.closesAt + 60_000; // maxJob
        it = job(it.request);
        vm.warp(NOW); // acceptance is after closesAt, so never before this second
        vm.prank(winner);
        bonds.beginExit(IBonds.Role.Prover, BOND);
        uint256 lastS = dueS(it) + 4 * W;
        vm.warp(lastS - 1);
        bytes memory early =
            abi.encodeWithSelector(IBonds.ExitNotReady.selector, NOW + EXIT, lastS - 1);
        vm.expectRevert(early);
        vm.prank(winner);
        bonds.withdraw(IBonds.Role.Prover, winner);
    }

    function testSlashWindow() public {
        Job memory it = job(1);
        Started memory started = start(it, WINNER_KEY);
        uint256 fromS = dueS(it) + 2 * W;
        vm.warp(fromS - 1);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.WindowNotOpen.selector, fromS, fromS - 1)
        );
        slash(it, started);
        vm.warp(fromS);
        slash(it, started);
        eq(bondOf(winner), BOND - it.request.bondWei);

        it = job(2);
        started = start(it, BACKUP_KEY);
        vm.warp(fromS + 1);
        slash(it, started);
        eq(bondOf(backup), BOND - it.request.bondWei);
    }

    function testSlashIsOnce() public {
        Job memory it = job(1);
        Started memory started = start(it, WINNER_KEY);
        vm.warp(dueS(it) + 2 * W);
        slash(it, started);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.AlreadyResolved.selector, builder, winner, 1)
        );
        slash(it, started);
        settle(receipt(1, winner, 1 ether)); // and it is not paid any more
        eq(settlement.creditOf(winner), 0);
    }

    function testSettledThenSlashedInOneBlock(uint96 payWei) public {
        Job memory it = job(1);
        Started memory started = start(it, WINNER_KEY);
        vm.warp(dueS(it) + 2 * W);
        settle(receipt(1, winner, payWei));
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.AlreadyResolved.selector, builder, winner, 1)
        );
        slash(it, started);
        eq(bondOf(winner), BOND);
    }

    function testSlashedThenSettledInOneBlock(uint96 payWei) public {
        Job memory it = job(1);
        vm.warp(dueS(it) + 2 * W);
        slash(it, start(it, WINNER_KEY));
        bytes memory packed = pack(receipt(1, winner, payWei), BUILDER_KEY);
        vm.expectEmit(address(settlement));
        emit ISettlement.ReceiptRefused(builder, winner, 1, 1);
        settlement.settle(packed);
        eq(settlement.creditOf(winner), 0);
        eq(escrowOf(builder), ESCROW);
    }

    function testReceiptOverNothingStillProtects(uint96 payWei) public {
        payWei = uint96(bound(payWei, 0, 5 ether));
        settle(receipt(9, third, ESCROW + STAKE / 2)); // the builder has nothing left
        settle(receipt(1, winner, payWei));
        Job memory it = job(1);
        Started memory started = start(it, WINNER_KEY);
        vm.warp(dueS(it) + 2 * W);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.AlreadyResolved.selector, builder, winner, 1)
        );
        slash(it, started);
    }

    function testClaimedProverIsNotSlashed() public {
        Job memory it = claimed(1, winner, WINNER_KEY);
        Started memory started = start(it, WINNER_KEY);
        vm.warp(dueS(it) + 2 * W);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.AlreadyResolved.selector, builder, winner, 1)
        );
        slash(it, started);
    }

    /// The builder withholds its start, then slashes with it: the prover has committed, is shown
    /// the start by that very call, and claims.
    function testWithheldStartIsShownBeforeTheSlash(uint32 laterS, uint32 claimS) public {
        Job memory it = job(1);
        commit(it, winner, prove(it, winner));
        Started memory started = start(it, WINNER_KEY);
        uint256 challengedAt = dueS(it) + 2 * W + bound(laterS, 0, W);
        vm.warp(challengedAt);
        vm.expectEmit(address(settlement));
        emit ISettlement.Challenged(
            it.requestId, winner, challengedAt + W, started.start.startedAt, started.startSignature
        );
        slash(it, started);
        eq(bondOf(winner), BOND);
        eq(settlement.isResolved(builder, winner, 1), false);

        vm.warp(challengedAt + bound(claimS, 0, W));
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlement.WindowNotOpen.selector, challengedAt + W + 1, block.timestamp
            )
        );
        slash(it, started);
        claim(it, started, prove(it, winner));
        eq(settlement.creditOf(winner), 1 ether);
        vm.warp(challengedAt + W + 1);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.AlreadyResolved.selector, builder, winner, 1)
        );
        slash(it, started);
    }

    /// Nobody has to keep proofs for ever: a slash that did not begin by dueAt + 3 W is lost, and
    /// one that met a commitment by then is finished later.
    function testSlashMustBeginWithinItsWindow(bool committed) public {
        Job memory it = job(1);
        if (committed) commit(it, winner, "rubbish");
        Started memory started = start(it, WINNER_KEY);
        uint256 lastS = dueS(it) + 3 * W;
        vm.warp(lastS + 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.WindowClosed.selector, lastS, lastS + 1));
        slash(it, started);
        vm.warp(lastS);
        slash(it, started);
        uint256 slashedWei = BOND - it.request.bondWei;
        eq(bondOf(winner), committed ? BOND : slashedWei);
        vm.warp(lastS + W + 1);
        if (committed) slash(it, started);
        eq(bondOf(winner), slashedWei);
    }

    function testChallengeThatIsNotAnsweredEndsInTheSlash() public {
        Job memory it = job(1);
        commit(it, winner, "rubbish");
        Started memory started = start(it, WINNER_KEY);
        uint256 challengedAt = dueS(it) + 2 * W;
        vm.warp(challengedAt);
        slash(it, started);
        bytes memory proof = prove(it, winner);
        vm.warp(challengedAt + W + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlement.WindowClosed.selector, challengedAt + W, challengedAt + W + 1
            )
        );
        claim(it, started, proof);
        slash(it, started);
        eq(bondOf(winner), BOND - it.request.bondWei);
    }

    function testChallengeWindow() public {
        for (uint64 i = 0; i < 3; i++) {
            Job memory it = job(i);
            vm.warp(NOW);
            commit(it, winner, prove(it, winner));
            Started memory started = start(it, WINNER_KEY);
            bytes memory proof = prove(it, winner);
            uint256 untilS = dueS(it) + 3 * W;
            vm.warp(untilS - W);
            slash(it, started);
            vm.warp(untilS - 1 + i);
            if (i < 2) {
                bytes memory early = abi.encodeWithSelector(
                    ISettlement.WindowNotOpen.selector, untilS + 1, block.timestamp
                );
                vm.expectRevert(early);
                slash(it, started);
                claim(it, started, proof);
            } else {
                vm.expectRevert(
                    abi.encodeWithSelector(ISettlement.WindowClosed.selector, untilS, untilS + 1)
                );
                claim(it, started, proof);
                slash(it, started);
            }
        }
        eq(bondOf(winner), BOND - request(2).bondWei);
        eq(settlement.creditOf(winner), 2 ether);
    }

    function testLateCommitmentDoesNotDelayTheSlash() public {
        Job memory it = job(1);
        vm.warp(dueS(it) + COMMIT + 1);
        commit(it, winner, prove(it, winner));
        vm.warp(dueS(it) + 2 * W);
        slash(it, start(it, WINNER_KEY));
        eq(bondOf(winner), BOND - it.request.bondWei);
    }

    function testRescuerGetsHalf(uint96 bondWei) public {
        ProofRequest memory terms = request(1);
        terms.bondWei = uint128(bound(bondWei, 0, 20 ether));
        Job memory it = job(terms);
        commit(it, backup, prove(it, backup));
        claim(it, start(it, BACKUP_KEY), prove(it, backup));
        uint256 earnedWei = settlement.creditOf(backup);
        Started memory started = start(it, WINNER_KEY);
        uint256 takenWei = terms.bondWei < BOND ? terms.bondWei : BOND;
        uint256 rewardWei =
            takenWei * (terms.bondWei / 2) / (terms.bondWei == 0 ? 1 : terms.bondWei);
        vm.warp(dueS(it) + 2 * W);
        vm.expectEmit(address(settlement));
        emit ISettlement.Slashed(it.requestId, builder, winner, 1, takenWei, backup, rewardWei);
        vm.prank(builder); // whoever sends it
        settlement.slash(terms, started.acceptanceSignature, started.start, started.startSignature);
        eq(settlement.creditOf(backup), earnedWei + rewardWei);
        eq(settlement.burntWei(), takenWei - rewardWei);
        eq(bondOf(winner), BOND - takenWei);
        eq(address(settlement).balance, escrowOf(builder) + settlement.creditOf(backup));
    }

    /// The winner rescued; a backup that was started and fell silent pays it.
    function testWinnerCanBeTheRescuer() public {
        Job memory it = claimed(1, winner, WINNER_KEY);
        vm.warp(dueS(it) + 2 * W);
        slash(it, start(it, BACKUP_KEY));
        eq(settlement.creditOf(winner), 1 ether + it.request.bondWei / 2);
    }

    /// A receipt alone is the builder's word: it makes nobody a rescuer.
    function testReceiptMakesNoRescuer() public {
        settle(receipt(1, backup, 1 ether));
        Job memory it = job(1);
        vm.warp(dueS(it) + 2 * W);
        slash(it, start(it, WINNER_KEY));
        eq(settlement.burntWei(), it.request.bondWei);
        eq(settlement.creditOf(backup), 1 ether);
    }

    /// Rescuers are of this award: another award of the builder's has other ones.
    function testRescuerOfAnotherAwardGetsNothing() public {
        claimed(2, backup, BACKUP_KEY);
        uint256 earnedWei = settlement.creditOf(backup);
        Job memory it = job(1);
        vm.warp(dueS(it) + 2 * W);
        slash(it, start(it, WINNER_KEY));
        eq(settlement.creditOf(backup), earnedWei);
    }

    function testBuilderThatProvesItselfIsNoRescuer() public {
        bonds.deposit{value: 1 ether}(builder, IBonds.Role.Prover);
        Job memory it = job(1);
        it.award.backups = [builder, address(0), address(0)];
        it.bids[1].path[0] = leaf(it.award.bidId, it.bids[0]);
        bytes32 own = leaf(bidId(it.requestId, builder, it.bids[1]), it.bids[1]);
        it.award.bidsRoot = pair(it.bids[1].path[0], own);
        it.awardId = digest(hash(it.award));
        commit(it, builder, prove(it, builder));
        claim(it, start(it, BUILDER_KEY), prove(it, builder));
        eq(settlement.rescuerOf(it.awardId), builder);
        vm.warp(dueS(it) + 2 * W);
        slash(it, start(it, WINNER_KEY));
        eq(settlement.creditOf(builder), 1.5 ether); // its own money
        eq(settlement.burntWei(), it.request.bondWei);
    }

    function testNobodyIsSlashedWithoutItsAcceptance(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != WINNER_KEY);
        Job memory it = job(1);
        vm.warp(dueS(it) + 2 * W);
        Started memory started = start(it, WINNER_KEY, key, BUILDER_KEY);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BadSignature.selector, winner));
        slash(it, started);
    }

    function testNobodyIsSlashedWithoutItsStart(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != BUILDER_KEY);
        Job memory it = job(1);
        vm.warp(dueS(it) + 2 * W);
        Started memory started = start(it, WINNER_KEY, WINNER_KEY, key);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BadSignature.selector, builder));
        slash(it, started);
    }

    /// Terms that were not accepted: any other bond, due time, nonce.
    function testChangedTermsAreRefused(uint128 bondWei, uint48 earlierMs, uint64 nonce) public {
        Job memory it = job(1);
        Started memory started = start(it, WINNER_KEY);
        vm.warp(dueS(it) + 2 * W);
        vm.assume(bondWei != it.request.bondWei || earlierMs != 0 || nonce != 1);
        it.request.bondWei = bondWei;
        it.request.dueAt -= earlierMs % 1_000_000;
        it.request.nonce = nonce;
        bytes32 id = digest(hash(it.request));
        vm.assume(id != it.requestId);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.Mismatched.selector, id, it.requestId));
        slash(it, started);
    }

    function testStartOfAnotherAcceptanceIsRefused(bytes32 acceptanceId) public {
        Job memory it = job(1);
        Started memory started = start(it, WINNER_KEY);
        vm.assume(acceptanceId != started.start.acceptanceId);
        bytes32 right = started.start.acceptanceId;
        started.start.acceptanceId = acceptanceId;
        started.startSignature = sign(BUILDER_KEY, digest(hash(started.start)));
        vm.warp(dueS(it) + 2 * W);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.Mismatched.selector, right, acceptanceId)
        );
        slash(it, started);
    }

    function testSlashOnAForkIsRefused(uint64 id) public {
        id = uint64(bound(id, 1, type(uint64).max));
        vm.assume(id != block.chainid);
        Job memory it = job(1);
        Started memory started = start(it, WINNER_KEY);
        vm.warp(dueS(it) + 2 * W);
        vm.chainId(id);
        vm.expectRevert();
        slash(it, started);
    }

    function testSlashOfAnotherContractIsRefused() public {
        Job memory it = job(1);
        Started memory started = start(it, WINNER_KEY);
        vm.warp(dueS(it) + 2 * W);
        settlement = deploy(settlement.windows());
        bytes32 there = digest(hash(it.request));
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.Mismatched.selector, there, it.requestId)
        );
        slash(it, started);
    }

    function claimed(uint64 nonce, address prover, uint256 key) private returns (Job memory it) {
        it = job(nonce);
        commit(it, prover, prove(it, prover));
        claim(it, start(it, key), prove(it, prover));
    }
}
