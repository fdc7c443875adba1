// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IRollups, ITableVenue} from "../../../contracts/src/interfaces/IRollups.sol";
import {IVerifier} from "../../../contracts/src/interfaces/IVerifier.sol";
import {PlainVerifier} from "../BoundVerifier.sol";
import {Stage} from "./Stage.sol";
import {Words} from "./Words.sol";

/// @notice Says yes to everything.
contract YesVerifier is IVerifier {
    function verify(bytes calldata, bytes32) external pure returns (bool) {
        return true;
    }
}

/// @notice What a table must say, and who must have proven it, before it is taken.
contract PostingTest is Stage {
    function good() private view returns (Table memory) {
        Action memory out = callOut(ONE, B, L1, address(c), 0, "bc", frame(0));
        return tableOf(
            list(
                entry(fromL1(address(a), ONE, B, 0, "ab"), 0, 1, out),
                entry(result(L1, ONE, "", frame(0)), 1, 2, result(ONE, L1, "", TOP)),
                entry(fromL1(address(a), TWO, D, 5, "ad"), 0, 1, result(TWO, L1, "", TOP))
            )
        );
    }

    /// @dev The table of two rollups, of which the second has a verifier of its own.
    function ofTwoPrograms() private returns (Table memory) {
        address second = address(new PlainVerifier());
        vm.prank(owner);
        registry.setProgram(TWO, second, PROGRAM);
        return good();
    }

    function refused(Table memory t, TableProof[] memory proofs, bytes memory why) private {
        bytes memory canonical = abi.encode(t);
        bytes32 digest = sha256(canonical);
        vm.expectRevert(why);
        registry.post(digest, canonical, proofs);
    }

    function badEntry(Table memory t, uint256 place, IRollups.EntryFault fault) private {
        postFails(t, abi.encodeWithSelector(IRollups.BadEntry.selector, place, fault));
    }

    function testPostRecordsTheDigest() public {
        Table memory t = good();
        bytes32 digest = sha256(abi.encode(t));
        vm.expectEmit(address(registry));
        emit ITableVenue.Recorded(digest, address(this));
        post(t);
        eq(waits(t.entries[0].action, 0), 1);
    }

    function testOneProofServesAllRollupsOfAProgram() public {
        Table memory t = good();
        eq(t.programs.length, 2);
        eq(prove(t).length, 1);
        post(t);
    }

    function testTableOfTwoProgramsNeedsTwoProofs() public {
        Table memory t = ofTwoPrograms();
        TableProof[] memory proofs = prove(t);
        eq(proofs.length, 2);
        eq(proofs[0].publicInputsHash != proofs[1].publicInputsHash, true);
        refused(t, with(proofs, 1), abi.encodeWithSelector(IRollups.WrongProof.selector, 1));
        (proofs[0], proofs[1]) = (proofs[1], proofs[0]);
        refused(t, proofs, abi.encodeWithSelector(IRollups.WrongProof.selector, 0));
        post(t);
    }

    function testProofTooManyIsRefused() public {
        Table memory t = good();
        TableProof[] memory proofs = new TableProof[](2);
        proofs[0] = prove(t)[0];
        proofs[1] = proofs[0];
        refused(t, proofs, abi.encodeWithSelector(IRollups.WrongProof.selector, 1));
        refused(t, new TableProof[](0), abi.encodeWithSelector(IRollups.WrongProof.selector, 0));
    }

    /// The good proof of another table, with that table's hash or with this one's.
    function testProofOfAnotherTableIsRefused() public {
        Table memory t = good();
        TableProof[] memory proofs = prove(t);
        t.entries[2].next.data = "another";
        refused(t, proofs, abi.encodeWithSelector(IRollups.WrongProof.selector, 0));
        proofs[0].publicInputsHash = prove(t)[0].publicInputsHash;
        refused(
            t, proofs, abi.encodeWithSelector(IRollups.ProofInvalid.selector, address(verifier))
        );
    }

    /// A verifier that says yes still has to be asked about this table.
    function testHashIsCheckedWhateverTheVerifierSays() public {
        address yes = address(new YesVerifier());
        vm.prank(owner);
        registry.setProgram(ONE, yes, PROGRAM);
        Action memory call = fromL1(address(a), ONE, B, 0, "ab");
        Table memory t = tableOf(list(entry(call, 0, 1, result(ONE, L1, "", TOP))));
        TableProof[] memory proofs = prove(t);
        proofs[0].publicInputsHash ^= bytes32(uint256(1));
        refused(t, proofs, abi.encodeWithSelector(IRollups.WrongProof.selector, 0));
        post(t);
    }

    function testVerifierWithoutCodeProvesNothing() public {
        vm.prank(owner);
        registry.setProgram(ONE, address(0xdead), PROGRAM);
        postFails(good(), abi.encodeWithSelector(IRollups.ProofInvalid.selector, address(0xdead)));
    }

    function testTableOfAnEarlierProgramIsRefused() public {
        Table memory t = good();
        vm.prank(owner);
        registry.setProgram(TWO, address(verifier), "another");
        postFails(
            t,
            abi.encodeWithSelector(IRollups.WrongProgram.selector, TWO, address(verifier), PROGRAM)
        );
    }

    function testProgramsAreThoseOfTheDeltasInOrder() public {
        bytes memory why = abi.encodeWithSelector(IRollups.BadPrograms.selector);
        Table memory t = good();
        (t.programs[0], t.programs[1]) = (t.programs[1], t.programs[0]);
        postFails(t, why);
        t = good();
        t.programs[1] = t.programs[0];
        postFails(t, why);
        t = good();
        Program[] memory programs = new Program[](3);
        (programs[0], programs[1]) = (t.programs[0], t.programs[1]);
        programs[2] = Program(THREE, address(verifier), PROGRAM);
        t.programs = programs;
        postFails(t, why);
    }

    function testBytesThatAreNotCanonicalAreRefused() public {
        Table memory t = good();
        TableProof[] memory proofs = prove(t);
        bytes memory longer = bytes.concat(abi.encode(t), bytes32(0));
        bytes32 digest = sha256(longer);
        vm.expectRevert(abi.encodeWithSelector(IRollups.NotCanonical.selector));
        registry.post(digest, longer, proofs);
        // Dirt in the padding of the last entry's call data, "ad".
        bytes memory dirty = abi.encode(t);
        for (uint256 i = 0; i < dirty.length - 32; i++) {
            if (dirty[i] == "a" && dirty[i + 1] == "d" && dirty[i + 2] == 0) dirty[i + 9] = 0x01;
        }
        digest = sha256(dirty);
        vm.expectRevert(abi.encodeWithSelector(IRollups.NotCanonical.selector));
        registry.post(digest, dirty, proofs);
    }

    function testEntriesOfWrongSizeAreRefused() public {
        Table memory t = good();
        t.entries[1].deltas[0].rootAfter = bytes32(Words.R);
        badEntry(t, 1, IRollups.EntryFault.SIZE);
        t = good();
        t.entries[2].next.data = new bytes(4097);
        badEntry(t, 2, IRollups.EntryFault.SIZE);
        t = good();
        t.entries[0].next.scope = 1 << 16; // its first step is missing
        badEntry(t, 0, IRollups.EntryFault.SIZE);
    }

    function testFirstDeltaIsOfWhoActs() public {
        Table memory t = good();
        t.entries[0].action.rollupId = TWO;
        badEntry(t, 0, IRollups.EntryFault.ACTING);
        t = good();
        StateDelta[] memory deltas = new StateDelta[](2);
        (deltas[0], deltas[1]) = (t.entries[0].deltas[0], t.entries[0].deltas[0]);
        t.entries[0].deltas = deltas;
        badEntry(t, 0, IRollups.EntryFault.ACTING);
    }

    function testEveryRollupHasAProgram() public {
        Table memory t = good();
        Program[] memory programs = new Program[](1);
        programs[0] = t.programs[0];
        t.programs = programs;
        badEntry(t, 2, IRollups.EntryFault.PROGRAM);
    }

    function testActionsHaveOnlyTheFieldsOfTheirType() public {
        Table memory t = good();
        t.entries[0].action.failed = true;
        badEntry(t, 0, IRollups.EntryFault.ACTION);
        t = good();
        t.entries[1].action.destination = B;
        badEntry(t, 1, IRollups.EntryFault.ACTION);
        t = good();
        t.entries[0].action = revertOf(ONE, frame(0), "tie");
        badEntry(t, 0, IRollups.EntryFault.ACTION);
        t = good();
        t.entries[2].action = ownTransaction(TWO, D, "ad");
        t.entries[2].action.sourceAddress = D;
        badEntry(t, 2, IRollups.EntryFault.ACTION);
    }

    function testNextActionsComeFromWhoActs() public {
        Table memory t = good();
        t.entries[0].next.sourceRollup = TWO;
        badEntry(t, 0, IRollups.EntryFault.NEXT);
        t = good();
        t.entries[0].next.scope = TOP; // a call without a frame
        badEntry(t, 0, IRollups.EntryFault.NEXT);
        t = good();
        t.entries[1].next.rollupId = ONE; // an answer to itself
        badEntry(t, 1, IRollups.EntryFault.NEXT);
        t = good();
        t.entries[1].next = ownTransaction(ONE, B, "");
        badEntry(t, 1, IRollups.EntryFault.NEXT);
    }

    function testEtherIsNeitherMadeNorLost(int96 moreWei) public {
        vm.assume(moreWei != 0);
        Table memory t = good();
        t.entries[2].deltas[0].etherDelta += moreWei;
        badEntry(t, 2, IRollups.EntryFault.ETHER);
    }

    function testWhatOneSendsTheOtherReceives() public {
        Table memory t = good();
        t.entries[0].deltas[0].sent = bytes32(uint256(1));
        badEntry(t, 0, IRollups.EntryFault.MESSAGES);
        StateDelta[] memory deltas = new StateDelta[](2);
        (deltas[0], deltas[1]) = (t.entries[0].deltas[0], delta(TWO, 0, 1, 0));
        deltas[1].received = bytes32(uint256(2));
        t.entries[0].deltas = deltas;
        badEntry(t, 0, IRollups.EntryFault.MESSAGES);
        deltas[1].received = bytes32(uint256(1));
        post(t);
    }

    function testTableHasOneToSixtyFourEntries() public {
        Table memory t = good();
        Entry[] memory many = new Entry[](65);
        for (uint256 i = 0; i < 65; i++) {
            many[i] = t.entries[2];
        }
        badEntry(tableOf(many), 64, IRollups.EntryFault.SIZE);
        t.entries = new Entry[](0);
        t.programs = new Program[](0);
        badEntry(t, 0, IRollups.EntryFault.SIZE);
        assembly {
            mstore(many, 64)
        }
        post(many);
        eq(waits(many[0].action, 0), 64);
    }

    /// The words of any data, any value, any frame are what `Words` writes.
    function testPublicInputsHashIsOfTheWords(
        bytes memory data,
        uint96 valueWei,
        uint16 step,
        uint8 words
    ) public view {
        Table memory t = good();
        uint256 scope = frame(bound(step, 0, 65_534));
        t.entries[0].action.data = open(words);
        t.entries[0].next = callOut(ONE, B, L1, address(c), valueWei, data, scope);
        t.entries[0].deltas[0].etherDelta = -int128(uint128(valueWei));
        t.entries[1].action = failure(L1, ONE, data, valueWei, scope);
        t.entries[1].deltas[0].etherDelta = int128(uint128(valueWei));
        t.entries[1].next.data = open(words / 2);
        bytes32 expected = Words.publicInputsHash(t, address(verifier), PROGRAM);
        eq(registry.publicInputsHash(abi.encode(t), address(verifier), PROGRAM), expected);
    }

    /// @dev Data of up to four whole words below the field's order, some with a selector: shown in
    /// the words up to three, hashed beyond.
    function open(uint8 words) private pure returns (bytes memory data) {
        for (uint256 i = 0; i < words % 5; i++) {
            data = bytes.concat(data, bytes32(uint256(words) * 31 + i));
        }
        if (words % 2 == 0) data = bytes.concat(bytes4("call"), data);
    }

    function with(TableProof[] memory proofs, uint256 count)
        private
        pure
        returns (TableProof[] memory fewer)
    {
        fewer = new TableProof[](count);
        for (uint256 i = 0; i < count; i++) {
            fewer[i] = proofs[i];
        }
    }
}
