// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ISettlement} from "../../contracts/src/interfaces/ISettlement.sol";
import {ITables} from "../../contracts/src/interfaces/ITables.sol";
import {PlainVerifier} from "./BoundVerifier.sol";
import {PostMarket} from "./PostMarket.sol";
import {IdleVenue, PlainVenue, ReenteringVenue} from "./Venues.sol";

/// @dev Foundry's way to see the logs of a call.
interface Recorder {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
}

/// @notice A table posted and its prover paid, in one transaction.
contract SettleOnPostTest is PostMarket {
    function testProverIsPaidWithThePost(uint64 nonce, address sender) public {
        vm.assume(sender != winner);
        Job memory it = postable(nonce);
        bytes memory data = postData(it, WINNER_KEY);
        vm.expectEmit(address(settlement));
        emit ISettlement.Claimed(it.requestId, builder, winner, nonce, 1 ether, 0);
        vm.expectEmit(address(venue));
        emit Recorded(it.request.tableDigest, address(settlement));
        vm.prank(sender);
        send(data);
        eq(settlement.creditOf(winner), 1 ether);
        eq(escrowOf(builder), ESCROW - 1 ether);
        eq(settlement.isResolved(builder, winner, nonce), true);
    }

    /// The venue is given the table and every proof, as they are.
    function testVenueGetsWhatWasSent(bytes calldata table, uint8 count, uint8 index) public {
        Job memory it = postable(1);
        Post memory its = post(it, WINNER_KEY);
        its.table = table;
        its.proofs = new ITables.TableProof[](bound(count, 1, 5));
        its.index = index % its.proofs.length;
        for (uint64 i = 0; i < its.proofs.length; i++) {
            its.proofs[i] = proofFor(postable(i == its.index ? 1 : 100 + i), winner);
        }
        bytes32 given = keccak256(abi.encode(its.digest, its.table, its.proofs));
        send(encode(its));
        eq(venue.given(), given);
        eq(settlement.creditOf(winner), 1 ether);
    }

    function testNothingIsPaidWhenThePostReverts() public {
        Job memory it = postable(1);
        Post memory its = post(it, WINNER_KEY);
        its.proofs = new ITables.TableProof[](2);
        its.proofs[0] = proofFor(it, winner);
        its.proofs[1] = proofFor(it, winner);
        its.proofs[1].publicInputsHash = "another";
        bytes memory data = encode(its);
        vm.expectRevert(abi.encodeWithSelector(PlainVenue.Refused.selector, 1));
        send(data);
        eq(settlement.creditOf(winner), 0);
        eq(settlement.isResolved(builder, winner, 1), false);
    }

    /// A copy that is mined first takes nothing away: the same transaction still posts.
    function testPostedAgainItIsPaidOnce(uint16 laterS) public {
        Job memory it = postable(1);
        vm.warp(dueS(it) - 1); // late, so that more could be shown
        bytes memory data = postData(it, WINNER_KEY);
        send(data);
        uint256 paidWei = settlement.creditOf(winner);
        vm.warp(block.timestamp + laterS);
        Recorder(address(vm)).recordLogs();
        send(data);
        eq(Recorder(address(vm)).getRecordedLogs().length, 1); // the venue's
        eq(venue.posts(), 2);
        eq(settlement.creditOf(winner), paidWei);
    }

    /// What the prover asked for is final; the table is posted all the same.
    function testAfterAReceiptOfTheProversItIsPostedAlone(uint96 payWei) public {
        payWei = uint96(bound(payWei, 0, 1 ether));
        settle(receipt(1, winner, payWei));
        send(postData(postable(1), WINNER_KEY));
        eq(venue.posts(), 1);
        eq(settlement.creditOf(winner), payWei);
    }

    function testAReceiptThatSaidLessIsMadeUp(uint96 payWei) public {
        payWei = uint96(bound(payWei, 0, 3 ether));
        settlement.settle(pack(receipt(1, winner, payWei), BUILDER_KEY));
        send(postData(postable(1), WINNER_KEY));
        eq(settlement.creditOf(winner), payWei > 1 ether ? payWei : 1 ether);
    }

    /// Somebody else chose the block, and so the price: the receipt still pays the rest, once.
    function testAReceiptThatSaysMoreThanALatePostIsPaid(uint96 payWei) public {
        payWei = uint96(bound(payWei, 0, 2 ether));
        Job memory it = postable(1);
        vm.warp(dueS(it));
        send(postData(it, WINNER_KEY));
        uint256 postedWei = worthWei(it, 1 ether, block.timestamp);
        eq(settlement.creditOf(winner), postedWei);
        eq(postedWei < 1 ether, true);
        uint256 mostWei = payWei > postedWei ? payWei : postedWei;
        for (uint256 i = 0; i < 2; i++) {
            settlement.settle(pack(receipt(1, winner, payWei), THIRD_KEY)); // nobody's word
            eq(settlement.creditOf(winner), i == 0 ? postedWei : mostWei);
            settlement.settle(pack(receipt(1, winner, payWei), BUILDER_KEY));
            eq(settlement.creditOf(winner), mostWei);
        }
    }

    function testTheProversOwnPostIsFinal() public {
        Job memory it = postable(1);
        commit(it, winner, prove(it, winner));
        vm.warp(dueS(it));
        bytes memory data = postData(it, WINNER_KEY);
        vm.prank(winner);
        send(data);
        uint256 paidWei = settlement.creditOf(winner);
        settle(receipt(1, winner, 2 ether));
        Started memory started = start(it, WINNER_KEY);
        bytes memory proof = prove(it, winner);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.AlreadyResolved.selector, builder, winner, 1)
        );
        claim(it, started, proof);
        eq(settlement.creditOf(winner), paidWei);
    }

    /// A builder cannot post late to forestall the claim of a proof committed before.
    function testAClaimShowsWhatALatePostLeftOut() public {
        Job memory it = postable(1);
        commit(it, winner, prove(it, winner));
        vm.warp(dueS(it));
        send(postData(it, WINNER_KEY));
        eq(settlement.creditOf(winner) < 1 ether, true);
        claim(it, start(it, WINNER_KEY), prove(it, winner));
        eq(settlement.creditOf(winner), 1 ether);
        send(postData(it, WINNER_KEY));
        eq(settlement.creditOf(winner), 1 ether);
    }

    /// A late backup may get just what was awarded: it bid more, and can still show that.
    function testTheAwardsPriceIsNoBackupsLastWord() public {
        Job memory it = postable(1);
        commit(it, backup, prove(it, backup));
        vm.warp(NOW + 6 + 5 + SLOT);
        send(postData(it, BACKUP_KEY));
        eq(settlement.creditOf(backup), it.award.priceWei);
        claim(it, start(it, BACKUP_KEY), prove(it, backup));
        eq(settlement.creditOf(backup), 1.5 ether);
    }

    function testNoGasIsOwed() public {
        vm.fee(20 gwei);
        send(postData(postable(1), WINNER_KEY));
        eq(settlement.creditOf(winner), 1 ether);
    }

    /// As if delivered one slot before the block; in time to keep the bond as long as a commitment
    /// is; later the table is posted, and that is all.
    function testPayFollowsTheBlock(uint16 afterS) public {
        Job memory it = postable(1);
        vm.warp(NOW + bound(afterS, 0, 20 + COMMIT + 20));
        send(postData(it, WINNER_KEY));
        bool inTime = block.timestamp <= dueS(it) + COMMIT;
        eq(venue.posts(), 1);
        eq(settlement.creditOf(winner), inTime ? worthWei(it, 1 ether, block.timestamp) : 0);
        eq(settlement.isResolved(builder, winner, 1), inTime);
        vm.warp(dueS(it) + 2 * W);
        Started memory started = start(it, WINNER_KEY);
        bytes memory safe =
            abi.encodeWithSelector(ISettlement.AlreadyResolved.selector, builder, winner, 1);
        if (inTime) vm.expectRevert(safe);
        slash(it, started);
        eq(bondOf(winner), inTime ? BOND : BOND - it.request.bondWei);
    }

    function testWhatCannotBePaidStaysOwed() public {
        settle(receipt(7, third, ESCROW + STAKE / 2));
        send(postData(postable(1), WINNER_KEY));
        eq(settlement.duesOf(builder, winner, 1).owedWei, 1 ether);
        settlement.depositEscrow{value: 2 ether}(builder);
        settlement.settle(pack(receipt(1, winner, 0), THIRD_KEY)); // owed needs no signature
        eq(settlement.creditOf(winner), 1 ether);
    }

    function testBackupIsPaidItsOwnPriceAndRewardedByTheSlash() public {
        Job memory it = postable(1);
        send(postData(it, BACKUP_KEY));
        eq(settlement.creditOf(backup), 1.5 ether);
        eq(settlement.rescuerOf(it.awardId), backup);
        vm.warp(dueS(it) + 2 * W);
        slash(it, start(it, WINNER_KEY));
        eq(settlement.creditOf(backup), 1.5 ether + it.request.bondWei / 2);
    }

    /// A winner's proof is the venue's to verify, and its word rewards nobody out of a bond.
    function testWinnerIsNoRescuerByItsPost() public {
        Job memory it = postable(1);
        send(postData(it, WINNER_KEY));
        eq(settlement.rescuerOf(it.awardId), address(0));
    }

    /// Under a venue that looks at nothing its builder pays, and no bond.
    function testIdleVenueMakesNoRescuer() public {
        ProofRequest memory terms = request(1);
        terms.venue = address(new IdleVenue());
        Job memory it = job(terms);
        bytes memory sham = abi.encode(backup, terms.publicInputsHash, bytes32("not a proof"));
        Post memory its = post(it, BACKUP_KEY);
        its.proofs[0].proof = sham;
        bytes memory data = encode(its);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.ProofInvalid.selector, verifier));
        send(data);
        its = post(it, WINNER_KEY);
        its.proofs[0].proof = abi.encode(winner, terms.publicInputsHash, bytes32("not a proof"));
        send(encode(its));
        eq(settlement.creditOf(winner), 1 ether);
        eq(escrowOf(builder), ESCROW - 1 ether);
    }

    function testSomebodyElsesProofIsRefused() public {
        Job memory it = postable(1);
        Post memory its = post(it, WINNER_KEY);
        its.proofs[0] = proofFor(it, backup);
        refused(its, abi.encodeWithSelector(ISettlement.WrongPayee.selector, backup, winner));
    }

    /// Posting shows a proof to everybody: one that names nobody is nobody's to be paid for.
    function testProofThatNamesNobodyIsRefused() public {
        PlainVerifier plain = new PlainVerifier();
        ProofRequest memory terms = request(1);
        (terms.venue, terms.verifier) = (address(venue), address(plain));
        Job memory it = job(terms);
        bytes memory proof = plain.prove(terms.publicInputsHash);
        commit(it, winner, proof);
        Post memory its = post(it, WINNER_KEY);
        its.proofs[0].proof = proof;
        refused(its, abi.encodeWithSelector(ISettlement.WrongPayee.selector, address(0), winner));
        claim(it, start(it, WINNER_KEY), proof);
        eq(settlement.creditOf(winner), 1 ether);
    }

    function testProofOfAnotherRequestIsRefused() public {
        Job memory it = postable(1);
        Post memory its = post(it, WINNER_KEY);
        its.proofs[0] = proofFor(postable(2), winner);
        refused(its, abi.encodeWithSelector(ISettlement.WrongPayee.selector, address(0), winner));
    }

    function testProofForAnotherVerifierIsRefused(address other) public {
        Post memory its = post(postable(1), WINNER_KEY);
        address asked = its.request.verifier;
        vm.assume(other != asked);
        its.proofs[0].verifier = other;
        bytes memory reason = abi.encodeWithSelector(
            ISettlement.Mismatched.selector,
            bytes32(uint256(uint160(asked))),
            bytes32(uint256(uint160(other)))
        );
        refused(its, reason);
    }

    function testIndexOfNoProofIsRefused(uint256 index) public {
        Post memory its = post(postable(1), WINNER_KEY);
        its.index = bound(index, 1, type(uint256).max);
        refused(its, abi.encodeWithSignature("Panic(uint256)", 0x32));
    }

    function testAnotherTablesDigestIsRefused(bytes32 digest_) public {
        Post memory its = post(postable(1), WINNER_KEY);
        vm.assume(digest_ != its.digest);
        bytes32 asked = its.digest;
        its.digest = digest_;
        refused(its, abi.encodeWithSelector(ISettlement.Mismatched.selector, asked, digest_));
    }

    function testOnlyWhatBothSignedCounts() public {
        Job memory it = postable(1);
        Post memory its = post(it, WINNER_KEY);
        bytes memory signature = its.startSignature;
        its.startSignature = sign(THIRD_KEY, digest(hash(its.start)));
        refused(its, abi.encodeWithSelector(ISettlement.BadSignature.selector, builder));
        its.startSignature = signature;
        its.acceptanceSignature = sign(THIRD_KEY, its.start.acceptanceId);
        refused(its, abi.encodeWithSelector(ISettlement.BadSignature.selector, winner));
        refused(
            post(it, THIRD_KEY),
            abi.encodeWithSelector(ISettlement.NotAwarded.selector, third)
        );
    }

    function testBackupCannotBePaidAPriceItDidNotBid(uint128 priceWei) public {
        Job memory it = postable(1);
        Post memory its = post(it, BACKUP_KEY);
        vm.assume(priceWei != its.bid.priceWei);
        its.bid.priceWei = priceWei;
        bytes32 id = bidId(it.requestId, backup, its.bid);
        refused(
            its,
            abi.encodeWithSelector(ISettlement.NotUnderRoot.selector, leaf(id, its.bid))
        );
    }

    /// Whatever a venue does while it is asked to post, it finds the payment made.
    function testReenteringVenueIsPaidForOnce(uint8 kind) public {
        ReenteringVenue wild = new ReenteringVenue();
        ProofRequest memory terms = request(1);
        terms.venue = address(wild);
        Job memory it = job(terms);
        commit(it, winner, prove(it, winner));
        bytes memory again = postData(it, WINNER_KEY);
        bytes memory data = again;
        if (kind % 3 == 1) data = claimData(it, WINNER_KEY);
        if (kind % 3 == 2) {
            data = abi.encodeCall(
                ISettlement.settle, (pack(receipt(1, winner, 1 ether), BUILDER_KEY))
            );
        }
        wild.prepare(address(settlement), data);
        send(again);
        eq(wild.done(), kind % 3 != 1); // a claim finds it resolved, the others pay nothing
        eq(settlement.creditOf(winner), 1 ether);
        eq(escrowOf(builder), ESCROW - 1 ether);
    }

    /// Settlement asks a venue for nothing but `post`: its own contracts have none.
    function testOwnContractsAreNoVenues(uint8 kind) public {
        address[4] memory places =
            [address(bonds), address(settlement), address(verifier), address(0xdead)];
        ProofRequest memory terms = request(1);
        terms.venue = places[kind % 4];
        Post memory its = post(job(terms), WINNER_KEY);
        bytes memory none = abi.encodeWithSelector(ISettlement.NoVenue.selector, address(0xdead));
        refused(its, kind % 4 == 3 ? none : bytes(""));
        eq(stakeOf(builder), STAKE);
        eq(settlement.creditOf(winner), 0);
    }

    function refused(Post memory its, bytes memory reason) private {
        bytes memory data = encode(its);
        vm.expectRevert(reason);
        send(data);
    }
}
