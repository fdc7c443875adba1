// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBonds} from "../../contracts/src/interfaces/IBonds.sol";
import {ISettlement} from "../../contracts/src/interfaces/ISettlement.sol";
import {BoundVerifier} from "./BoundVerifier.sol";
import {Market} from "./Market.sol";

/// @notice Proves what its owner likes, today.
contract FickleVerifier {
    bool private yes = true;

    function change() external {
        yes = !yes;
    }

    function verify(bytes calldata, bytes32) external view returns (bool) {
        while (!yes) {} // takes all the gas it is given
        return true;
    }
}

/// @notice Every cheat of DESIGN section 4.5 that a contract answers, by its line.
contract CheatsTest is Market {
    /// The wrong winner costs the stake; half of it is the wronged prover's.
    function testBuilderAwardsAWorseBid() public {
        Job memory it = job(1);
        // It awards the backup's bid (1.5 ether) although the winner's (1 ether) is under its own
        // root.
        it.award.prover = backup;
        it.award.bidId = bidId(it.requestId, backup, it.bids[1]);
        (it.award.priceWei, it.award.readyAt) = (it.bids[1].priceWei, it.bids[1].readyAt);
        bytes memory signature = sign(BUILDER_KEY, digest(hash(it.award)));
        settlement.proveMisaward(it.request, it.award, signature, winner, it.bids[0]);
        eq(stakeOf(builder), STAKE - it.request.reserveWei);
        eq(settlement.creditOf(winner), it.request.reserveWei / 2);
    }

    function testBuilderAwardsOneNonceTwice() public {
        (Job memory a, Job memory b) = (job(1), job(1));
        b.award.prover = third;
        bytes memory signatureA = sign(BUILDER_KEY, digest(hash(a.award)));
        bytes memory signatureB = sign(BUILDER_KEY, digest(hash(b.award)));
        settlement.proveDoubleAward(a.request, a.award, signatureA, b.request, b.award, signatureB);
        eq(stakeOf(builder), STAKE - a.request.reserveWei);
        eq(settlement.creditOf(address(this)), a.request.reserveWei / 2);
    }

    function testBuilderSpendsItsEscrowTwice() public {
        settle(receipt(1, winner, ESCROW));
        settle(receipt(2, backup, 2 ether));
        eq(settlement.creditOf(winner), ESCROW);
        eq(settlement.creditOf(backup), 2 ether);
        eq(stakeOf(builder), STAKE - 4 ether);
        eq(settlement.burntWei(), 2 ether);
    }

    /// What it takes out of its stake past the exit delay, it pays twice: never more than half
    /// comes back.
    function testBuilderDrainsItsEscrowByReceiptsToItself(uint96[4] memory pays) public {
        address friend = third;
        uint256 wealthWei = uint256(ESCROW) + STAKE;
        uint256 drawnWei = 0;
        for (uint64 i = 0; i < 4; i++) {
            settle(receipt(100 + i, friend, uint96(bound(pays[i], 0, 40 ether))));
        }
        drawnWei = settlement.creditOf(friend);
        uint256 leftWei = escrowOf(builder) + stakeOf(builder);
        eq(drawnWei <= uint256(ESCROW) + STAKE / 2, true);
        if (drawnWei > ESCROW) eq(settlement.burntWei() >= drawnWei - ESCROW, true);
        eq(drawnWei + leftWei + settlement.burntWei(), wealthWei);

        // Its honest prover keeps its bond, and its money is owed.
        settle(receipt(1, winner, 1 ether));
        uint256 owedWei = settlement.duesOf(builder, winner, 1).owedWei;
        eq(settlement.creditOf(winner) + owedWei, 1 ether);
        Job memory it = job(1);
        Started memory started = start(it, WINNER_KEY);
        vm.warp(dueS(it) + 2 * W);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.AlreadyResolved.selector, builder, winner, 1)
        );
        slash(it, started);
    }

    /// By the time an exit or a withdrawal is over, every start of before is settled, claimed or
    /// slashed.
    function testBuilderLeavesWithAJobOpen() public {
        vm.prank(builder);
        settlement.beginWithdrawal(ESCROW);
        vm.prank(builder);
        bonds.beginExit(IBonds.Role.Builder, STAKE);
        Job memory it = job(1);
        commit(it, winner, prove(it, winner));
        vm.warp(dueS(it) + W);
        claim(it, start(it, WINNER_KEY), prove(it, winner));
        eq(settlement.creditOf(winner), 1 ether);
    }

    function testBuilderWithholdsTheReceipt() public {
        Job memory it = job(1);
        vm.warp(NOW + 5); // delivered; no receipt comes; the next block is 12 s later
        vm.warp(NOW + 5 + SLOT);
        commit(it, winner, prove(it, winner));
        claim(it, start(it, WINNER_KEY), prove(it, winner));
        eq(settlement.creditOf(winner), 1 ether); // in full: the builder gained nothing
    }

    function testBuilderSettlesAReceiptOverNothingFirst() public {
        Job memory it = job(1);
        bytes memory packed = pack(receipt(1, winner, 0), BUILDER_KEY);
        vm.prank(builder);
        settlement.settle(packed);
        commit(it, winner, prove(it, winner));
        claim(it, start(it, WINNER_KEY), prove(it, winner));
        eq(settlement.creditOf(winner), 1 ether);
    }

    /// It is the bit of (builder, prover, nonce) that counts, never "the request was paid".
    function testBuilderPaysItsOwnSecondProverForTheWinnersProof() public {
        Job memory it = job(1);
        settle(receipt(1, backup, 1.5 ether)); // its friend
        eq(settlement.isResolved(builder, winner, 1), false);
        commit(it, winner, prove(it, winner));
        claim(it, start(it, WINNER_KEY), prove(it, winner));
        eq(settlement.creditOf(winner), 1 ether);
        eq(bondOf(winner), BOND);
    }

    function testBuilderNamesAVerifierThatChangesItsMind() public {
        FickleVerifier fickle = new FickleVerifier();
        ProofRequest memory terms = request(1);
        terms.verifier = address(fickle);
        Job memory it = job(terms);
        commit(it, winner, "proof");
        fickle.change();
        Started memory started = start(it, WINNER_KEY);
        uint256 gasBefore = gasleft();
        vm.expectRevert(abi.encodeWithSelector(ISettlement.ProofInvalid.selector, address(fickle)));
        claim(it, started, "proof");
        eq(gasBefore - gasleft() < 3_500_000, true); // capped
    }

    /// Not by slashing, not by its own backup's silence, not by sending the slash itself.
    function testBuilderSlashesForGain(bool rescued) public {
        Job memory it = job(1);
        if (rescued) {
            commit(it, backup, prove(it, backup));
            claim(it, start(it, BACKUP_KEY), prove(it, backup));
        }
        uint256 wealthWei = escrowOf(builder) + stakeOf(builder) + settlement.creditOf(builder);
        Started memory started = start(it, WINNER_KEY);
        vm.warp(dueS(it) + 2 * W);
        vm.prank(builder);
        settlement.slash(
            it.request, started.acceptanceSignature, started.start, started.startSignature
        );
        eq(bondOf(winner), BOND - it.request.bondWei);
        eq(escrowOf(builder) + stakeOf(builder) + settlement.creditOf(builder), wealthWei);
    }

    function testBuilderWithholdsTheStartAndSlashes() public {
        Job memory it = job(1);
        commit(it, winner, prove(it, winner));
        Started memory started = start(it, WINNER_KEY);
        vm.warp(dueS(it) + 2 * W);
        slash(it, started); // shows the start
        claim(it, started, prove(it, winner));
        eq(bondOf(winner), BOND);
        eq(settlement.creditOf(winner), 1 ether);
    }

    function testProverIsStartedAndDoesNotDeliver() public {
        Job memory it = job(1);
        commit(it, backup, prove(it, backup));
        claim(it, start(it, BACKUP_KEY), prove(it, backup));
        vm.warp(dueS(it) + 2 * W);
        slash(it, start(it, WINNER_KEY));
        eq(bondOf(winner), BOND - it.request.bondWei);
        eq(settlement.creditOf(backup), 1.5 ether + it.request.bondWei / 2);
        eq(settlement.burntWei(), it.request.bondWei / 2);
    }

    /// The payee is inside the proof: copied, it pays nobody else.
    function testProverCopiesAProof() public {
        Job memory it = job(1);
        bytes memory proof = prove(it, winner);
        commit(it, backup, proof);
        Started memory started = start(it, BACKUP_KEY);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.WrongPayee.selector, winner, backup));
        claim(it, started, proof);

        // With its own name written over the payee's it is no proof.
        bytes memory forged = bytes.concat(abi.encode(backup), bytes32(slice(proof)));
        it = job(2);
        commit(it, backup, forged);
        started = start(it, BACKUP_KEY);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.ProofInvalid.selector, verifier));
        claim(it, started, forged);
    }

    function testProverExitsWithAJobOpen() public {
        Job memory it = job(1);
        vm.prank(winner);
        bonds.beginExit(IBonds.Role.Prover, BOND);
        eq(bonds.stakeOf(winner, IBonds.Role.Prover).activeWei, 0); // counts as zero at once
        vm.warp(dueS(it) + 3 * W);
        slash(it, start(it, WINNER_KEY));
        eq(bondOf(winner), BOND - it.request.bondWei);
        vm.warp(NOW + EXIT);
        vm.prank(winner);
        bonds.withdraw(IBonds.Role.Prover, address(0x70));
        eq(address(0x70).balance, BOND - it.request.bondWei);
    }

    /// @dev The second word.
    function slice(bytes memory proof) private pure returns (bytes32 tag) {
        assembly ("memory-safe") {
            tag := mload(add(proof, 0x40))
        }
    }
}
