// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISettlement} from "../../contracts/src/interfaces/ISettlement.sol";
import {IVerifier} from "../../contracts/src/interfaces/IVerifier.sol";
import {BoundVerifier, PlainVerifier} from "./BoundVerifier.sol";
import {Market} from "./Market.sol";

/// @notice Says yes to everything, at a price, or in a shape nobody asked for.
contract OddVerifier {
    enum Oddity {
        Burns,
        AnswersTwo,
        AnswersLong,
        Reverts
    }

    Oddity private immutable oddity;

    constructor(Oddity oddity_) {
        oddity = oddity_;
    }

    fallback() external {
        if (msg.sig == BoundVerifier.payeeOf.selector) revert();
        if (oddity == Oddity.Reverts) revert();
        if (oddity == Oddity.Burns) while (gasleft() > 100) {}
        uint256 length = oddity == Oddity.AnswersLong ? 100_000 : 32;
        uint256 word = oddity == Oddity.AnswersTwo ? 2 : 1;
        assembly ("memory-safe") {
            mstore(0, word)
            return(0, length)
        }
    }
}

/// @notice Names its payee only to those who bring gas: nearly all that it may be given.
contract ShyVerifier is IVerifier {
    function verify(bytes calldata, bytes32) external pure returns (bool) {
        return true;
    }

    function payeeOf(bytes calldata proof) external view returns (address) {
        require(gasleft() > 97_000);
        return abi.decode(proof, (address));
    }
}

/// @notice Commitments and claims.
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
        meanWei = uint96(bound(meanWei, 0, 3 ether));
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
        Job memory it = claimed();
        uint256 feeWei = baseFeeWei < 50 gwei ? baseFeeWei : 50 gwei;
        eq(it.request.claimBaseFeeCapWei, 50 gwei);
        eq(settlement.creditOf(winner), 1 ether + settlement.CLAIM_GAS() * feeWei);
    }

    /// As if delivered one slot before the commitment's block: -1, 0, +1 slots around promise and due time.
    function testPayFollowsTheCommitmentsBlock(uint32 minedAfterS) public {
        Job memory it = job(1);
        uint256 minedAt = NOW + bound(minedAfterS, 0, 20 + COMMIT);
        uint256 deliveredAt = (minedAt - SLOT) * 1000;
        uint256 lateMs =
            deliveredAt > it.request.softDueAt ? deliveredAt - it.request.softDueAt : 0;
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

    function testClaimWithoutCommitmentIsRefused() public {
        Job memory it = job(1);
        refused(it, WINNER_KEY, prove(it, winner), abi.encodeWithSelector(ISettlement.NotCommitted.selector, it.requestId, winner));
    }

    function testProofThatWasNotCommittedIsRefused(bytes calldata other) public {
        Job memory it = job(1);
        vm.assume(keccak256(other) != keccak256(prove(it, winner)));
        commit(it, winner, other);
        refused(it, WINNER_KEY, prove(it, winner), abi.encodeWithSelector(ISettlement.WrongCommitment.selector, it.requestId, winner));
    }

    function testProofOfAnotherStatementIsRefused(bytes32 inputs) public {
        Job memory it = job(1);
        vm.assume(inputs != it.request.publicInputsHash);
        bytes memory proof = verifier.prove(inputs, winner);
        commit(it, winner, proof);
        refused(it, WINNER_KEY, proof, abi.encodeWithSelector(ISettlement.ProofInvalid.selector, verifier));
    }

    function testGarbageIsRefused(bytes calldata proof) public {
        Job memory it = job(1);
        commit(it, winner, proof);
        refused(it, WINNER_KEY, proof, abi.encodeWithSelector(ISettlement.ProofInvalid.selector, verifier));
    }

    function testWinnerCannotClaimWithItsBackupsProof() public {
        Job memory it = job(1);
        bytes memory proof = prove(it, backup);
        commit(it, winner, proof);
        refused(it, WINNER_KEY, proof, abi.encodeWithSelector(ISettlement.WrongPayee.selector, backup, winner));
    }

    /// Where the verifier binds no payee, whoever copies a shown proof comes too late to commit to it.
    function testCopiedProofNeedsACommitmentInTime() public {
        PlainVerifier plain = new PlainVerifier();
        ProofRequest memory terms = request(1);
        terms.verifier = address(plain);
        Job memory it = job(terms);
        bytes memory proof = plain.prove(terms.publicInputsHash);
        commit(it, winner, proof);
        vm.warp(dueS(it) + COMMIT + 1);
        claim(it, start(it, WINNER_KEY), proof); // shows it
        eq(settlement.creditOf(winner), 1 ether);
        commit(it, backup, proof);
        refused(it, BACKUP_KEY, proof, abi.encodeWithSelector(ISettlement.WindowClosed.selector, dueS(it) + COMMIT, dueS(it) + COMMIT + 1));
    }

    /// A sender with little gas cannot make a payee look unnamed.
    function testLittleGasDoesNotHideThePayee(uint32 gasLimit) public {
        ProofRequest memory terms = request(1);
        terms.verifier = address(new ShyVerifier());
        Job memory it = job(terms);
        bytes memory proof = abi.encode(backup);
        commit(it, winner, proof);
        Started memory started = start(it, WINNER_KEY);
        uint256 limit = bound(gasLimit, 80_000, 300_000);
        (bool done,) = address(settlement).call{gas: limit}(
            abi.encodeCall(
                ISettlement.claim,
                (
                    it.request,
                    it.award,
                    started.acceptanceSignature,
                    started.start,
                    started.startSignature,
                    it.bids[0],
                    proof
                )
            )
        );
        eq(done, false);
    }

    function testOddVerifiersSayNo(uint8 kind) public {
        ProofRequest memory terms = request(1);
        terms.verifier = kind % 5 == 4
            ? address(0xdead) // no code at all
            : address(new OddVerifier(OddVerifier.Oddity(kind % 5)));
        Job memory it = job(terms);
        commit(it, winner, "proof");
        refused(it, WINNER_KEY, "proof", abi.encodeWithSelector(ISettlement.ProofInvalid.selector, terms.verifier));
    }

    function testProverThatIsNotInTheAwardIsRefused() public {
        Job memory it = job(1);
        commit(it, third, prove(it, third));
        refused(it, THIRD_KEY, prove(it, third), abi.encodeWithSelector(ISettlement.NotAwarded.selector, third));
    }

    function testOnlyWhatBothSignedCounts() public {
        Job memory it = job(1);
        commit(it, winner, prove(it, winner));
        bytes memory proof = prove(it, winner);
        Started memory started = start(it, WINNER_KEY, THIRD_KEY, BUILDER_KEY);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BadSignature.selector, winner));
        claim(it, started, proof);
        started = start(it, WINNER_KEY, WINNER_KEY, THIRD_KEY);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BadSignature.selector, builder));
        claim(it, started, proof);
    }

    function testMalleableSignatureIsRefused() public {
        Job memory it = job(1);
        commit(it, winner, prove(it, winner));
        Started memory started = start(it, WINNER_KEY);
        bytes memory signature = started.startSignature;
        assembly ("memory-safe") {
            let n := 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
            mstore(add(signature, 0x40), sub(n, mload(add(signature, 0x40))))
            mstore8(add(signature, 0x60), xor(byte(0, mload(add(signature, 0x60))), 7)) // 27 <-> 28
        }
        (bytes32 r, bytes32 s, uint8 v) = split(signature);
        eq(ecrecover(digest(hash(started.start)), v, r, s), builder); // it would recover
        bytes memory proof = prove(it, winner);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BadSignature.selector, builder));
        claim(it, started, proof);
    }

    /// Signatures for one request are nothing to another, whatever differs.
    function testReplayOnAnotherRequestIsRefused(uint256 word, uint256 change) public {
        Job memory it = job(1);
        Started memory started = start(it, WINNER_KEY);
        bytes memory proof = prove(it, winner);
        bytes memory encoded = abi.encode(it.request);
        uint256 place = bound(word, 0, 23);
        vm.assume(change != 0);
        assembly ("memory-safe") {
            let slot := add(add(encoded, 0x20), mul(place, 0x20))
            mstore(slot, xor(mload(slot), change))
        }
        bytes memory data = abi.encodeCall(
            ISettlement.claim,
            (
                it.request,
                it.award,
                started.acceptanceSignature,
                started.start,
                started.startSignature,
                it.bids[0],
                proof
            )
        );
        for (uint256 i = 0; i < encoded.length; i++) data[4 + i] = encoded[i];
        commit(it, winner, proof);
        (bool done,) = address(settlement).call(data);
        eq(done, false);
    }

    function testMismatchedAwardAndStartAreRefused() public {
        (Job memory it, Job memory other) = (job(1), job(2));
        Started memory started = start(it, WINNER_KEY);
        bytes memory proof = prove(it, winner);
        commit(it, winner, proof);
        (bytes32 requestId, Award memory award) = (it.requestId, it.award);

        it.award = other.award;
        vm.expectRevert(abi.encodeWithSelector(ISettlement.Mismatched.selector, other.awardId, it.awardId));
        claim(it, started, proof);

        // Both signed an award of another request.
        (it.award, it.awardId) = (other.award, other.awardId);
        Started memory crossed = start(it, WINNER_KEY);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.Mismatched.selector, requestId, other.requestId));
        claim(it, crossed, proof);

        it.award = award;
        started.start.acceptanceId = "other";
        started.startSignature = sign(BUILDER_KEY, digest(hash(started.start)));
        vm.expectRevert();
        claim(it, started, proof);
    }

    function testAbsurdPriceDoesNotOverflow() public {
        ProofRequest memory terms = request(1);
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

    function refused(Job memory it, uint256 key, bytes memory proof, bytes memory reason) private {
        Started memory started = start(it, key);
        vm.expectRevert(reason);
        claim(it, started, proof);
    }

    function split(bytes memory signature) private pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            v := byte(0, mload(add(signature, 0x60)))
        }
    }
}
