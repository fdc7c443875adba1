// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISettlement} from "../../contracts/src/interfaces/ISettlement.sol";
import {Market} from "./Market.sol";

/// @notice Two awards for one nonce, and an award to the wrong bid.
contract AwardsTest is Market {
    bytes private constant NO_OFFENCE = abi.encodeWithSelector(ISettlement.NoOffence.selector);

    function testTwoAwardsOfOneRequestCostTheStake(address reporter) public {
        (Job memory a, Job memory b) = (job(1), job(1));
        b.award.prover = backup;
        vm.expectEmit(address(settlement));
        emit ISettlement.DoubleAwarded(builder, 1, reporter, 2 ether);
        double(a, b, reporter);
        eq(stakeOf(builder), STAKE - 2 ether);
        eq(settlement.creditOf(reporter), 1 ether);
        eq(settlement.burntWei(), 1 ether);
    }

    /// Two requests under one nonce; the larger reserve counts.
    function testTwoRequestsOfOneNonceCostTheLargerReserve(uint96 reserveA, uint96 reserveB)
        public
    {
        reserveA = uint96(bound(reserveA, 1, 20 ether));
        reserveB = uint96(bound(reserveB, 1, 20 ether));
        ProofRequest memory terms = request(1);
        terms.reserveWei = reserveA;
        Job memory a = job(terms);
        terms = request(1);
        terms.reserveWei = reserveB;
        terms.work = 5;
        Job memory b = job(terms);
        double(a, b, third);
        uint256 reserveWei = reserveA > reserveB ? reserveA : reserveB;
        uint256 takenWei = reserveWei < STAKE ? reserveWei : STAKE;
        eq(stakeOf(builder), STAKE - takenWei);
        eq(settlement.creditOf(third), takenWei * (reserveWei / 2) / reserveWei);
        eq(settlement.burntWei() + settlement.creditOf(third), takenWei);
    }

    function testOneAwardTwiceIsNoOffence() public {
        Job memory it = job(1);
        double(it, it, third, NO_OFFENCE);
    }

    function testAwardsOfTwoNoncesAreNoOffence(uint64 a, uint64 b) public {
        vm.assume(a != b);
        (Job memory one, Job memory other) = (job(a), job(b));
        double(one, other, third, NO_OFFENCE);
    }

    function testAwardsOfTwoBuildersAreNoOffence() public {
        Job memory a = job(1);
        ProofRequest memory terms = request(1);
        terms.builder = third;
        Job memory b = job(terms);
        double(a, b, third, NO_OFFENCE);
    }

    function testDoubleAwardNeedsTheBuildersSignatures(uint256 key, bool first) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != BUILDER_KEY);
        (Job memory a, Job memory b) = (job(1), job(1));
        b.award.prover = backup;
        bytes memory signatureA = sign(first ? key : BUILDER_KEY, digest(hash(a.award)));
        bytes memory signatureB = sign(first ? BUILDER_KEY : key, digest(hash(b.award)));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BadSignature.selector, builder));
        settlement.proveDoubleAward(a.request, a.award, signatureA, b.request, b.award, signatureB);
    }

    function testAwardOfAnotherRequestIsRefused() public {
        (Job memory a, Job memory b) = (job(1), job(2));
        b.request = a.request;
        bytes32 other = b.award.requestId;
        bytes memory reason =
            abi.encodeWithSelector(ISettlement.Mismatched.selector, a.requestId, other);
        double(a, b, third, reason);
    }

    function testDoubleAwardIsPunishedOnce() public {
        (Job memory a, Job memory b) = (job(1), job(1));
        b.award.prover = backup;
        double(a, b, third);
        b.award.prover = third; // a third award is no new offence
        double(
            a, b, backup, abi.encodeWithSelector(ISettlement.AlreadyPunished.selector, builder, 1)
        );
    }

    /// A builder that reports itself over a trifle is not done with it.
    function testSelfReportOverATrifleDoesNotForestallTheRest() public {
        ProofRequest memory trifle = request(1);
        trifle.reserveWei = 2;
        (Job memory a, Job memory b) = (job(trifle), job(trifle));
        b.award.prover = backup;
        double(a, b, builder);
        eq(stakeOf(builder), STAKE - 2);
        Job memory real = job(1);
        double(real, a, third);
        eq(stakeOf(builder), STAKE - 2 ether);
        eq(settlement.creditOf(third), (2 ether - 2) / 2);
        double(
            real, a, third, abi.encodeWithSelector(ISettlement.AlreadyPunished.selector, builder, 1)
        );
    }

    /// Two kinds of lie at one nonce are two offences.
    function testOneLieDoesNotCoverTheOther() public {
        (Job memory a, Job memory b) = (job(1), misawarded(0.9 ether, 5_500));
        double(a, b, third);
        misaward(b, "");
        eq(stakeOf(builder), STAKE - 4 ether);
    }

    /// The awarded bid itself is no better one.
    function testAwardedBidDoesNotBeatItself() public {
        Job memory it = job(1);
        bytes memory signature = sign(BUILDER_KEY, digest(hash(it.award)));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotBetter.selector, 1 ether, 1 ether));
        settlement.proveMisaward(it.request, it.award, signature, winner, it.bids[0]);
    }

    function testOffenceWithoutStakeWaitsForOne() public {
        settle(receipt(9, third, ESCROW + STAKE / 2));
        (Job memory a, Job memory b) = (job(1), job(1));
        b.award.prover = backup;
        double(a, b, third, abi.encodeWithSelector(ISettlement.NothingToWithdraw.selector));
    }

    /// The backup bid better than the awarded winner, under the root the builder itself signed.
    function testBetterBidUnderTheRootCostsTheStake() public {
        Job memory it = misawarded(0.9 ether, 5_500);
        bytes memory signature = sign(BUILDER_KEY, digest(hash(it.award)));
        vm.expectEmit(address(settlement));
        emit ISettlement.Misawarded(builder, 1, backup, 2 ether);
        settlement.proveMisaward(it.request, it.award, signature, backup, it.bids[1]);
        eq(stakeOf(builder), STAKE - 2 ether);
        eq(settlement.creditOf(backup), 1 ether);
        eq(settlement.burntWei(), 1 ether);
        misaward(it, abi.encodeWithSelector(ISettlement.AlreadyPunished.selector, builder, 1));
    }

    /// For every pair of bids the contract and the rule (score, then promise, then id) agree.
    function testOnlyABetterBidProvesAMisaward(uint96 priceWei, uint32 readyMs, bool tie) public {
        if (tie) priceWei = 1 ether; // the awarded price
        priceWei = uint96(bound(priceWei, 0, 3 ether));
        uint256 ready = bound(readyMs, 0, 25_000);
        Job memory it = misawarded(priceWei, uint48(ready));
        uint256 lateMs = ready > 6_000 ? ready - 6_000 : 0;
        uint256 score = priceWei + 1e13 * lateMs; // the awarded one: 1 ether, promised at +5,000 ms
        bool better = score < 1 ether
            || (score == 1 ether
                && (ready < 5_000
                    || (ready == 5_000
                        && bidId(it.requestId, backup, it.bids[1]) < it.award.bidId)));
        bool eligible = priceWei <= it.request.reserveWei && ready <= 20_000;
        bytes memory worse = abi.encodeWithSelector(ISettlement.NotBetter.selector, score, 1 ether);
        misaward(it, better && eligible ? bytes("") : worse);
        eq(stakeOf(builder) < STAKE, better && eligible);
    }

    /// An award to a bid that may not win at all is beaten by any that may.
    function testAwardToAnIneligibleBidLosesToAnyEligible(bool dear) public {
        Job memory it = misawarded(1.9 ether, 19_000);
        if (dear) it.award.priceWei = uint128(it.request.reserveWei) + 1;
        else (it.award.priceWei, it.award.readyAt) = (0, it.request.dueAt + 1);
        misaward(it, "");
        eq(stakeOf(builder), STAKE - 2 ether);
    }

    function testLeafThatIsNotUnderTheRootIsRefused(uint128 priceWei) public {
        Job memory it = misawarded(0.9 ether, 5_500);
        vm.assume(priceWei != it.bids[1].priceWei);
        it.bids[1].priceWei = priceWei;
        bytes32 its = leaf(bidId(it.requestId, backup, it.bids[1]), it.bids[1]);
        bytes memory signature = sign(BUILDER_KEY, digest(hash(it.award)));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotUnderRoot.selector, its));
        settlement.proveMisaward(it.request, it.award, signature, backup, it.bids[1]);
    }

    /// A bid is its prover's: nobody is rewarded for another's.
    function testRewardGoesToTheBidder(address other) public {
        vm.assume(other != backup);
        Job memory it = misawarded(0.9 ether, 5_500);
        bytes memory signature = sign(BUILDER_KEY, digest(hash(it.award)));
        bytes32 its = leaf(bidId(it.requestId, other, it.bids[1]), it.bids[1]);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotUnderRoot.selector, its));
        settlement.proveMisaward(it.request, it.award, signature, other, it.bids[1]);
    }

    function testMisawardNeedsTheBuildersSignature(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != BUILDER_KEY);
        Job memory it = misawarded(0.9 ether, 5_500);
        bytes memory signature = sign(key, digest(hash(it.award)));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BadSignature.selector, builder));
        settlement.proveMisaward(it.request, it.award, signature, backup, it.bids[1]);
    }

    /// @dev A job whose backup bid `priceWei`, promised `readyMs` after opening, and is under the
    /// root.
    function misawarded(uint128 priceWei, uint48 readyMs) private view returns (Job memory it) {
        it = job(1);
        it.bids[1].priceWei = priceWei;
        it.bids[1].readyAt = it.request.openedAt + readyMs;
        bytes32 its = leaf(bidId(it.requestId, backup, it.bids[1]), it.bids[1]);
        it.award.bidsRoot = pair(its, it.bids[1].path[0]);
    }

    /// @param reason Of the expected refusal; empty: none.
    function misaward(Job memory it, bytes memory reason) private {
        bytes memory signature = sign(BUILDER_KEY, digest(hash(it.award)));
        if (reason.length != 0) vm.expectRevert(reason);
        settlement.proveMisaward(it.request, it.award, signature, backup, it.bids[1]);
    }

    function double(Job memory a, Job memory b, address reporter) private {
        double(a, b, reporter, "");
    }

    function double(Job memory a, Job memory b, address reporter, bytes memory reason) private {
        bytes memory signatureA = sign(BUILDER_KEY, digest(hash(a.award)));
        bytes memory signatureB = sign(BUILDER_KEY, digest(hash(b.award)));
        if (reason.length != 0) vm.expectRevert(reason);
        vm.prank(reporter);
        settlement.proveDoubleAward(a.request, a.award, signatureA, b.request, b.award, signatureB);
    }
}
