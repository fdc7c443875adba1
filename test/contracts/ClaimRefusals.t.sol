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

    function payeeOf(bytes calldata proof, bytes32) external view returns (address) {
        require(gasleft() > 97_000);
        return abi.decode(proof, (address));
    }
}

/// @notice Claims that are refused, and why.
contract ClaimRefusalsTest is Market {
    function testClaimWithoutCommitmentIsRefused() public {
        Job memory it = job(1);
        refused(
            it,
            WINNER_KEY,
            prove(it, winner),
            abi.encodeWithSelector(ISettlement.NotCommitted.selector, it.requestId, winner)
        );
    }

    function testProofThatWasNotCommittedIsRefused(bytes calldata other) public {
        Job memory it = job(1);
        vm.assume(keccak256(other) != keccak256(prove(it, winner)));
        commit(it, winner, other);
        refused(
            it,
            WINNER_KEY,
            prove(it, winner),
            abi.encodeWithSelector(ISettlement.WrongCommitment.selector, it.requestId, winner)
        );
    }

    function testProofOfAnotherStatementIsRefused(bytes32 inputs) public {
        Job memory it = job(1);
        vm.assume(inputs != it.request.publicInputsHash);
        bytes memory proof = verifier.prove(inputs, winner);
        commit(it, winner, proof);
        refused(
            it,
            WINNER_KEY,
            proof,
            abi.encodeWithSelector(ISettlement.WrongPayee.selector, address(0), winner)
        );
    }

    function testGarbageIsRefused(bytes calldata proof) public {
        Job memory it = job(1);
        commit(it, winner, proof);
        refused(
            it,
            WINNER_KEY,
            proof,
            abi.encodeWithSelector(ISettlement.ProofInvalid.selector, verifier)
        );
    }

    function testWinnerCannotClaimWithItsBackupsProof() public {
        Job memory it = job(1);
        bytes memory proof = prove(it, backup);
        commit(it, winner, proof);
        refused(
            it,
            WINNER_KEY,
            proof,
            abi.encodeWithSelector(ISettlement.WrongPayee.selector, backup, winner)
        );
    }

    /// Where the verifier binds no payee, whoever copies a shown proof comes too late to commit to
    /// it.
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
        refused(
            it,
            BACKUP_KEY,
            proof,
            abi.encodeWithSelector(
                ISettlement.WindowClosed.selector, dueS(it) + COMMIT, dueS(it) + COMMIT + 1
            )
        );
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
            ? address(0xdead)  // no code at all
            : address(new OddVerifier(OddVerifier.Oddity(kind % 5)));
        Job memory it = job(terms);
        commit(it, winner, "proof");
        refused(
            it,
            WINNER_KEY,
            "proof",
            abi.encodeWithSelector(ISettlement.ProofInvalid.selector, terms.verifier)
        );
    }

    function testProverThatIsNotInTheAwardIsRefused() public {
        Job memory it = job(1);
        commit(it, third, prove(it, third));
        refused(
            it,
            THIRD_KEY,
            prove(it, third),
            abi.encodeWithSelector(ISettlement.NotAwarded.selector, third)
        );
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
        for (uint256 i = 0; i < encoded.length; i++) {
            data[4 + i] = encoded[i];
        }
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
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.Mismatched.selector, other.awardId, it.awardId)
        );
        claim(it, started, proof);

        // Both signed an award of another request.
        (it.award, it.awardId) = (other.award, other.awardId);
        Started memory crossed = start(it, WINNER_KEY);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.Mismatched.selector, requestId, other.requestId)
        );
        claim(it, crossed, proof);

        it.award = award;
        started.start.acceptanceId = "other";
        started.startSignature = sign(BUILDER_KEY, digest(hash(started.start)));
        vm.expectRevert();
        claim(it, started, proof);
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
