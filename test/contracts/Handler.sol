// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBonds} from "../../contracts/src/interfaces/IBonds.sol";
import {ISettlement} from "../../contracts/src/interfaces/ISettlement.sol";
import {PostMarket} from "./PostMarket.sol";

/// @notice What anybody may do, in any order, at any time, with a model beside it: for every
/// commitment, receipt, claim, post and slash the model says whether the contract must take it, and
/// what it may cost whom.
contract Handler is PostMarket {
    uint256 internal constant BASE_FEE = 10 gwei;
    /// @dev Most jobs of one history: more would only be touched less.
    uint64 private constant JOBS = 4;

    /// @dev One prover in one job, as the model knows it.
    struct Story {
        bool started;
        uint256 minedAt;
        bool good; // committed to a proof that verifies
        uint256 challengedAt;
        bool resolved;
        bool unasked; // resolved by what the prover has not asked for
        bool verified;
        bool slashed;
        uint256 mostWei; // the most it may be paid: its receipt, or what a claim or post shows
        uint256 paidWei;
    }

    /// @dev By nonce: when it was opened, s.
    uint256[] private openedS;
    mapping(uint64 nonce => mapping(address prover => Story)) internal stories;
    uint256 public depositedWei;
    uint256 public withdrawnWei;
    address[3] public provers;

    function setUp() public override {
        super.setUp();
        vm.fee(BASE_FEE);
        provers = [winner, backup, third];
        depositedWei = uint256(ESCROW) + STAKE + 3 * uint256(BOND);
        open();
    }

    function jobs() public view returns (uint64) {
        return uint64(openedS.length);
    }

    function open() public {
        if (jobs() < JOBS) openedS.push(block.timestamp);
    }

    /// Some time passes.
    function pass(uint256 seconds_) external {
        vm.warp(block.timestamp + bound(seconds_, 0, 60));
    }

    /// Time passes to an edge of some job's windows: the second before it, the second itself, the
    /// one after.
    function passToEdge(uint64 seed, uint8 edge, uint8 side) external {
        (Job memory it, Story storage story) = pick(seed, seed % 2 == 0);
        uint256[6] memory edges = [
            dueS(it),
            dueS(it) + COMMIT,
            dueS(it) + W,
            dueS(it) + 2 * W,
            story.challengedAt + W,
            block.timestamp + EXIT
        ];
        uint256 toS = edges[edge % 6] + side % 3 - 1;
        if (toS > block.timestamp) vm.warp(toS);
    }

    function startProver(uint64 seed, bool second) external {
        (Job memory it,) = pick(seed, second);
        address prover = second ? backup : winner;
        if (block.timestamp <= dueS(it)) stories[it.request.nonce][prover].started = true;
    }

    /// The builder signs a receipt; the prover, or anyone else, settles it.
    function settleReceipt(uint64 seed, bool second, uint96 payWei, bool asked) external {
        (Job memory it, Story storage story) = pick(seed, second);
        Receipt memory its = receipt(it.request.nonce, second ? backup : winner, 0);
        its.requestId = it.requestId;
        its.payWei = uint128(bound(payWei, 0, 8 ether));
        bool counts = !story.resolved || story.unasked;
        if (counts && its.payWei > story.mostWei) story.mostWei = its.payWei;
        if (!story.resolved) (story.resolved, story.unasked) = (true, !asked);
        uint256 beforeWei = settlement.creditOf(its.prover);
        bytes memory packed = pack(its, BUILDER_KEY);
        if (asked) vm.prank(its.prover);
        settlement.settle(packed);
        story.paidWei += settlement.creditOf(its.prover) - beforeWei;
    }

    /// Whatever is owed is settled again, by anyone: it pays what there is by now.
    function settleOwed() external {
        for (uint64 i = 0; i < 2 * jobs(); i++) {
            (Job memory it, Story storage story) = pick(i / 2, i % 2 == 1);
            Receipt memory its = receipt(it.request.nonce, i % 2 == 1 ? backup : winner, 0);
            uint256 owedWei = settlement.duesOf(builder, its.prover, its.nonce).owedWei;
            uint256 beforeWei = settlement.creditOf(its.prover);
            if (owedWei == 0) continue;
            settlement.settle(pack(its, BUILDER_KEY));
            uint256 paidWei = settlement.creditOf(its.prover) - beforeWei;
            eq(settlement.duesOf(builder, its.prover, its.nonce).owedWei, owedWei - paidWei);
            story.paidWei += paidWei;
        }
    }

    /// The builder drains what it has to a friend.
    function drain(uint64 nonce, uint96 payWei) external {
        payWei = uint96(bound(payWei, 0, 30 ether));
        settle(receipt(1000 + nonce % 100_000, third, payWei));
    }

    /// Receipts of somebody who is not the builder pay nobody.
    function forgeReceipt(uint64 nonce, uint96 payWei, uint256 key) external {
        key = bound(key, 1, type(uint128).max);
        if (key == BUILDER_KEY) return;
        uint256 beforeWei = settlement.creditOf(winner);
        bool resolved = settlement.isResolved(builder, winner, nonce);
        if (resolved) return; // then there is nothing to forge: what is owed is paid to its owner
        settlement.settle(pack(receipt(nonce, winner, payWei), key));
        eq(settlement.creditOf(winner), beforeWei);
        eq(settlement.isResolved(builder, winner, nonce), false);
    }

    function commitTo(uint64 seed, bool second, uint8 kind) external {
        (Job memory it, Story storage story) = pick(seed, second);
        if (story.minedAt != 0) return;
        address prover = second ? backup : winner;
        story.good = kind % 4 != 0;
        story.minedAt = block.timestamp;
        commit(it, prover, proofOf(it, prover, story.good));
    }

    /// Somebody claims, with the proof that was committed to or another.
    function claimFor(uint64 seed, bool second, bool withCommitted) external {
        (Job memory it, Story storage story) = pick(seed, second);
        address prover = second ? backup : winner;
        uint256 beforeWei = settlement.creditOf(prover);
        (bool done,) = address(settlement).call(claimOf(it, story, second, withCommitted));
        eq(done, withCommitted && payable_(it, story));
        if (!done) return;
        story.paidWei += settlement.creditOf(prover) - beforeWei;
        uint256 dueWei = worthOf(it, second, story.minedAt);
        if (dueWei != 0) dueWei += settlement.CLAIM_GAS() * BASE_FEE;
        if (dueWei > story.mostWei) story.mostWei = dueWei;
        (story.resolved, story.unasked, story.verified) = (true, false, true);
    }

    /// Somebody posts the table, the prover itself or another.
    function postFor(uint64 seed, bool second, bool good, bool byProver) external {
        (Job memory it, Story storage story) = pick(seed, second);
        address prover = second ? backup : winner;
        Post memory its = post(it, second ? BACKUP_KEY : WINNER_KEY);
        if (!story.started) its.startSignature = sign(THIRD_KEY, digest(hash(its.start)));
        if (!good) its.proofs[0].proof = abi.encode(prover, "rubbish");
        bytes memory data = encode(its);
        (uint256 beforeWei, uint256 posts) = (settlement.creditOf(prover), venue.posts());
        if (byProver) vm.prank(prover);
        (bool done,) = address(settlement).call(data);
        eq(done, story.started && good);
        eq(venue.posts(), done ? posts + 1 : posts);
        uint256 paidWei = settlement.creditOf(prover) - beforeWei;
        bool open_ = !story.resolved || story.unasked;
        if (!done || !open_ || block.timestamp > dueS(it) + COMMIT) return eq(paidWei, 0);
        story.paidWei += paidWei;
        uint256 dueWei = worthOf(it, second, block.timestamp);
        if (dueWei > story.mostWei) story.mostWei = dueWei;
        bool best = !second && dueWei == it.award.priceWei;
        (story.resolved, story.unasked) = (true, !byProver && !best);
        if (second) eq(settlement.rescuerOf(it.awardId) == address(0), false);
    }

    function slashOf(uint64 seed, bool second, bool byBuilder) external {
        (Job memory it, Story storage story) = pick(seed, second);
        Started memory started = start(it, second ? BACKUP_KEY : WINNER_KEY);
        if (!story.started) {
            started.acceptanceSignature = sign(THIRD_KEY, started.start.acceptanceId);
        }
        slashAs(it, started, story, second ? backup : winner, byBuilder ? builder : third);
    }

    function doubleAward(uint64 seed, uint128 reserveWei) external {
        (Job memory a,) = pick(seed, false);
        (Job memory b,) = pick(seed, false);
        b.request.reserveWei = uint128(bound(reserveWei, 1, 3 ether));
        b = job(b.request);
        b.award.bidCount = 3;
        bytes memory signatureA = sign(BUILDER_KEY, digest(hash(a.award)));
        bytes memory signatureB = sign(BUILDER_KEY, digest(hash(b.award)));
        uint256 wealthWei = builderWei();
        try settlement.proveDoubleAward(
            a.request, a.award, signatureA, b.request, b.award, signatureB
        ) {
            eq(builderWei() < wealthWei, true);
        } catch (bytes memory) {}
    }

    function misaward(uint64 seed) external {
        (Job memory it,) = pick(seed, false);
        it.award.prover = backup;
        it.award.bidId = bidId(it.requestId, backup, it.bids[1]);
        (it.award.priceWei, it.award.readyAt) = (it.bids[1].priceWei, it.bids[1].readyAt);
        bytes memory signature = sign(BUILDER_KEY, digest(hash(it.award)));
        uint256 wealthWei = builderWei();
        try settlement.proveMisaward(it.request, it.award, signature, winner, it.bids[0]) {
            eq(builderWei() < wealthWei, true);
        } catch (bytes memory) {}
    }

    function deposit(uint8 kind, uint64 amountWei) external {
        uint256 valueWei = bound(amountWei, 1, 3 ether);
        depositedWei += valueWei;
        if (kind % 3 == 0) settlement.depositEscrow{value: valueWei}(builder);
        if (kind % 3 == 1) bonds.deposit{value: valueWei}(builder, IBonds.Role.Builder);
        if (kind % 3 == 2) bonds.deposit{value: valueWei}(provers[kind % 2], IBonds.Role.Prover);
    }

    function beginLeaving(uint8 kind, uint96 amountWei) external {
        address account = kind % 3 == 2 ? provers[kind % 2] : builder;
        uint96 most = kind % 3 == 0
            ? settlement.escrowOf(builder).availableWei
            : bonds.stakeOf(account, roleOf(kind)).activeWei;
        if (most == 0) return;
        amountWei = uint96(bound(amountWei, 1, most));
        vm.prank(account);
        if (kind % 3 == 0) settlement.beginWithdrawal(amountWei);
        else bonds.beginExit(roleOf(kind), amountWei);
    }

    function withdraw(uint8 kind) external {
        address account = kind % 3 == 2 ? provers[kind % 2] : builder;
        uint256 beforeWei = address(this).balance;
        vm.prank(account);
        if (kind % 3 == 0) {
            try settlement.withdrawEscrow(address(this)) {} catch (bytes memory) {}
        } else {
            try bonds.withdraw(roleOf(kind), address(this)) {} catch (bytes memory) {}
        }
        withdrawnWei += address(this).balance - beforeWei;
    }

    function withdrawCredit(uint8 who) external {
        uint256 beforeWei = address(this).balance;
        vm.prank(provers[who % 3]);
        try settlement.withdrawCredit(address(this)) {} catch (bytes memory) {}
        withdrawnWei += address(this).balance - beforeWei;
    }

    /// @dev I7: whatever was started is resolved, or can be in its time, or its time is over.
    function endEverything() external {
        for (uint256 round = 0; round < 2; round++) {
            for (uint64 i = 0; i < 2 * jobs(); i++) {
                (Job memory it, Story storage story) = pick(i / 2, i % 2 == 1);
                if (!story.started || story.resolved) continue;
                uint256 openS = round == 0 ? dueS(it) + 2 * W : story.challengedAt + W + 1;
                if (block.timestamp < openS) vm.warp(openS);
                bool missed = story.challengedAt == 0 && block.timestamp > dueS(it) + 3 * W;
                Started memory started = start(it, i % 2 == 1 ? BACKUP_KEY : WINNER_KEY);
                slashAs(it, started, story, i % 2 == 1 ? backup : winner, third);
                eq(story.resolved || missed || round == 0, true);
            }
        }
    }

    function sums() external view returns (uint256 inSettlement, uint256 inBonds) {
        inSettlement =
            escrowOf(builder) + settlement.creditOf(builder) + settlement.creditOf(address(this));
        inBonds = stakeOf(builder) + settlement.burntWei();
        for (uint256 i = 0; i < 3; i++) {
            inSettlement += settlement.creditOf(provers[i]);
            inBonds += bondOf(provers[i]);
        }
    }

    function balances() external view returns (uint256, uint256) {
        return (address(settlement).balance, address(bonds).balance);
    }

    function storyOf(uint64 nonce, address prover) external view returns (Story memory) {
        return stories[nonce][prover];
    }

    function slashAs(
        Job memory it,
        Started memory started,
        Story storage story,
        address prover,
        address sender
    ) private {
        bool safeCommitment =
            story.minedAt != 0 && story.minedAt <= dueS(it) + COMMIT;
        bool begins = safeCommitment && story.challengedAt == 0;
        bool waits = safeCommitment && !begins && block.timestamp <= story.challengedAt + W;
        bool inWindow = block.timestamp >= dueS(it) + 2 * W
            && (story.challengedAt != 0 || block.timestamp <= dueS(it) + 3 * W);
        bool expected = inWindow && !story.resolved && !waits && story.started;
        (uint256 bondWei, uint256 wealthWei) = (bondOf(prover), builderWei());
        vm.prank(sender);
        try settlement.slash(
            it.request, started.acceptanceSignature, started.start, started.startSignature
        ) {
            eq(expected, true);
            if (begins) story.challengedAt = block.timestamp;
            else (story.resolved, story.slashed) = (true, true);
        } catch (bytes memory) {
            eq(expected, false);
        }
        // I4, I5: only the slash that the model allows touches a bond. I6: it never pays the
        // builder.
        if (!expected || begins) eq(bondOf(prover), bondWei);
        eq(builderWei() <= wealthWei, true);
    }

    /// @dev The job as it was opened, and the model's story of its winner or backup.
    function pick(uint64 seed, bool second)
        private
        view
        returns (Job memory it, Story storage story)
    {
        uint64 nonce = seed % jobs();
        ProofRequest memory terms = request(nonce);
        terms.venue = address(venue);
        // Due between two seconds, mostly.
        uint48 shift = uint48((openedS[nonce] - NOW) * 1000 + nonce * 333);
        (terms.openedAt, terms.closesAt) = (terms.openedAt + shift, terms.closesAt + shift);
        (terms.softDueAt, terms.dueAt) = (terms.softDueAt + shift, terms.dueAt + shift);
        story = stories[nonce][second ? backup : winner];
        it = job(terms);
    }

    function proofOf(Job memory it, address prover, bool good) private view returns (bytes memory) {
        return good ? prove(it, prover) : bytes("rubbish");
    }

    function worthOf(Job memory it, bool second, uint256 minedAt) private pure returns (uint256) {
        return worthWei(it, it.bids[second ? 1 : 0].priceWei, minedAt);
    }

    /// @dev Whether a claim with the committed proof must be taken.
    function payable_(Job memory it, Story storage story) private view returns (bool) {
        bool inTime = story.minedAt != 0 && story.minedAt <= dueS(it) + COMMIT;
        uint256 untilS = (story.challengedAt == 0 ? dueS(it) : story.challengedAt) + W;
        bool open_ = !story.verified && (!story.resolved || story.unasked);
        return story.started && story.good && inTime && block.timestamp <= untilS && open_;
    }

    function claimOf(Job memory it, Story storage story, bool second, bool withCommitted)
        private
        view
        returns (bytes memory)
    {
        Started memory started = start(it, second ? BACKUP_KEY : WINNER_KEY);
        // Who was not started has no start to show: here the builder never signs one for it.
        if (!story.started) started.startSignature = sign(THIRD_KEY, digest(hash(started.start)));
        bool good = withCommitted ? story.good : !story.good;
        bytes memory proof = proofOf(it, started.start.prover, good);
        return abi.encodeCall(
            ISettlement.claim,
            (
                it.request,
                it.award,
                started.acceptanceSignature,
                started.start,
                started.startSignature,
                it.bids[second ? 1 : 0],
                proof
            )
        );
    }

    function builderWei() private view returns (uint256) {
        return escrowOf(builder) + stakeOf(builder) + settlement.creditOf(builder);
    }

    function roleOf(uint8 kind) private pure returns (IBonds.Role) {
        return kind % 3 == 2 ? IBonds.Role.Prover : IBonds.Role.Builder;
    }
}
